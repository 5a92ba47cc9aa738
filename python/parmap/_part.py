# SPDX-License-Identifier: MIT
"""The option part: one of several parts of a map's tasks, each run by a call of its own, such as a job of a Slurm array."""

from __future__ import annotations

import operator
import os
from typing import Any, NamedTuple, NoReturn


class Part(NamedTuple):
    """The tasks whose number is `index` modulo `count`."""

    index: int  # type: ignore[assignment]
    count: int  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"{self.index} of {self.count}"

    def path(self, path: str) -> str:
        """"sweep.db" as "sweep.part03.db" for part 3 of 16: the number has as many digits as that of the last part. A name that has
        that already stays. The same as part_path.hpp in C++."""
        mark = f".part{self.index:0{len(str(self.count - 1))}}"
        stem, suffix = os.path.splitext(path)
        return path if os.path.basename(stem).endswith(mark) else f"{stem}{mark}{suffix}"


class OtherPart:
    """The type of parmap.OTHER_PART, which stands in Results for each task of another part (the option part)::

        results = parmap(f, xs, part=(3, 16))
        results[4]                                   # OTHER_PART: task 4 is in another part
        [results[i] for i in results.here]           # the values of this part

    It is no value: whatever calculates with it, or asks whether it is true, gets a TypeError.
    """

    _only: OtherPart | None = None

    def __new__(cls) -> OtherPart:
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __repr__(self) -> str:
        return "parmap.OTHER_PART"

    def __bool__(self) -> NoReturn:
        raise TypeError("parmap: this task is in another part of the map, and has no value here; results.here has those that have one")

    def __reduce__(self) -> tuple[Any, ...]:
        return OtherPart, ()


OTHER_PART = OtherPart()


def part_of(given: Any) -> Part | None:
    """The option part; None: all tasks. Raises TypeError, ValueError, and RuntimeError outside a job array."""
    if given is None:
        return None
    if isinstance(given, str):
        if given != "slurm":
            raise ValueError(f"parmap: part must be 'slurm' or two numbers such as (3, 16), but is {given!r:.100}")
        found = _of_slurm()
    else:
        try:
            index, count = map(operator.index, given)
        except (TypeError, ValueError):
            raise TypeError(f"parmap: part must be 'slurm' or two whole numbers such as (3, 16), but is {given!r:.100}") from None
        found = Part(index, count)
    if not 1 <= found.count <= 2**63:
        raise ValueError(f"parmap: part has {found.count} parts; there must be at least 1, such as (3, 16)")
    if not 0 <= found.index < found.count:
        raise ValueError(f"parmap: part is {found}, but parts are numbered from 0 to {found.count - 1}")
    return None if found.count == 1 else found


def _of_slurm() -> Part:
    """That of this job of an array; see parmap::slurm_array_part in C++."""
    index, count = _variable("ID"), _variable("COUNT")
    if index is None or count is None:
        missing = "SLURM_ARRAY_TASK_ID" if index is None else "SLURM_ARRAY_TASK_COUNT"
        raise RuntimeError(
            f"parmap: part='slurm' is for a job of a Slurm job array, and this program is none, as {missing} is not set; start it by "
            "sbatch --array=0-15 job.sh, or name the part: part=(3, 16)"
        )
    first = _variable("MIN") or 0
    step = _variable("STEP")
    step = 1 if step is None else step
    last = _variable("MAX")
    last = first + (count - 1) * step if last is None else last
    is_even = count > 0 < step and last - first == (count - 1) * step and first <= index <= last and (index - first) % step == 0
    may_be_all = count > 1 or first <= 1  # --array=3 is one part of an array that was there before
    if not is_even or not may_be_all:
        raise RuntimeError(
            f"parmap: part='slurm': job {index} of the array of {count} jobs from {first} to {last} does not tell how many parts there are; "
            f"start all of them, sbatch --array=0-15 job.sh, or name the part: part=({index}, 16)"
        )
    return Part((index - first) // step, count)


def _variable(name: str) -> int | None:
    text = os.environ.get(f"SLURM_ARRAY_TASK_{name}")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise RuntimeError(f"parmap: part='slurm': SLURM_ARRAY_TASK_{name} is not a number, but {text!r:.100}")
    return int(text)
