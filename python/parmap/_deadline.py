# SPDX-License-Identifier: MIT
"""The time that a whole map has: a number of seconds, or what is left of a Slurm job."""

from __future__ import annotations

import os
import time
from typing import Any

_MARGIN = 60.0  # seconds before the end of a Slurm job, for the program to write its results
_LONGEST_GRACE = 30.0  # seconds that running tasks have after the deadline; C++ has its own (schedule/deadline.hpp)


def grace(seconds: float) -> float:
    """Returns how long running tasks may go on after a deadline of so many seconds."""
    return min(seconds / 10, _LONGEST_GRACE)


def seconds_left(deadline: Any) -> float | None:
    """Returns the deadline, in seconds from now, of the batch job that this process belongs to; None if it belongs to none."""
    if deadline != "slurm":
        raise ValueError(f"parmap: deadline must be 'slurm', but is {deadline!r:.100}; for a number of seconds use deadline_sec")
    if "SLURM_JOB_ID" not in os.environ:
        return None
    end = os.environ.get("SLURM_JOB_END_TIME")
    if end is None or not end.isdecimal():
        raise ValueError("parmap: deadline='slurm' needs SLURM_JOB_END_TIME, which Slurm sets since 22.05; use deadline_sec")
    left = int(end) - time.time() - _MARGIN
    return max(0.001, left / 1.1, left - _LONGEST_GRACE)  # so that the grace is over by then
