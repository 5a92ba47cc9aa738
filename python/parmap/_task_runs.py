# SPDX-License-Identifier: MIT
"""How each task of a map has run, where that is known of all: of a map with a checkpoint."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Any


class TaskRuns:
    """Of each task: how often it was started, the seconds of the last attempt, and its worker. 16 bytes a task."""

    def __init__(self, tasks: int) -> None:
        self._attempts = array("i", bytes(4 * tasks))
        self._seconds = array("d", [math.nan]) * tasks
        self._workers = array("i", [-1]) * tasks

    def __len__(self) -> int:
        return len(self._attempts)

    def note(self, index: int, attempts: int, seconds: float | None, worker: int | None) -> None:
        self._attempts[index] = attempts
        self._seconds[index] = math.nan if seconds is None else seconds
        self._workers[index] = -1 if worker is None else worker

    def at(self, places: Sequence[int]) -> TaskRuns:
        made = TaskRuns(0)
        for name in ("_attempts", "_seconds", "_workers"):
            of = getattr(self, name)
            getattr(made, name).extend(of[place] for place in places)
        return made

    def columns(self, missing: Any) -> tuple[list[Any], list[Any], list[Any]]:
        """attempts, seconds and workers; `missing` where one is not known: of a task that was not started."""
        return (
            [each or missing for each in self._attempts],
            [missing if math.isnan(each) else each for each in self._seconds],
            [missing if each < 0 else each for each in self._workers],
        )


def joined(first: Any, second: Any) -> TaskRuns | None:
    """Of two lists; None if that of one is not known, unless it is empty."""
    known = [each._runs if hasattr(each, "_runs") else None for each in (first, second)]
    if any(runs is None and len(of) for runs, of in zip(known, (first, second))):
        return None
    made = TaskRuns(0)
    for runs in known:
        if runs is not None:
            for name in ("_attempts", "_seconds", "_workers"):
                getattr(made, name).extend(getattr(runs, name))
    return made
