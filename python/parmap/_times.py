# SPDX-License-Identifier: MIT
"""What the option times measures: how busy the workers were, and the slowest tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ._failures import inputs_text

_MOST_KEPT = 5  # as in C++

#: What an engine measures: the seconds of all attempts and of all workers, and (index, attempt, seconds) of the slowest tasks.
Measured = tuple[float, float, list[tuple[int, int, float]]]


@dataclass(frozen=True)
class TaskTime:
    """One of the slowest tasks of a map with times=True; see Summary.slowest::

        for each in results.summary().slowest:
            print(each)             # task 7 (0.5, 2) in 1.2 s

    Attributes
    ----------
    index : int
        The number of the task in input order, from 0.
    task : tuple or dict
        The inputs of this task, as in Failure.
    seconds : float
        How long its slowest attempt took. Of a stream: its last one.
    attempt : int
        Which attempt that was; the first is 1.
    """

    index: int
    task: Any
    seconds: float
    attempt: int

    def __str__(self) -> str:
        """One line: the index, the arguments and the time."""
        return f"task {self.index} ({inputs_text(self.task)}) in {span(self.seconds)}"


@dataclass(frozen=True)
class Times:
    """Those of one map, or of several."""

    running: float  # seconds of all attempts
    available: float  # seconds of all workers
    slowest: list[TaskTime]  # the slowest first

    @property
    def busy(self) -> float | None:
        return min(1.0, self.running / self.available) if self.available > 0 and self.slowest else None


def times_of(measured: list[Measured], task: Callable[[int], Any]) -> Times | None:
    """`measured`: by one map; empty without the option. task(index) gives the arguments of a task."""
    for running, available, slowest in measured:
        return Times(running, available, [TaskTime(index, task(index), seconds, attempt) for index, attempt, seconds in slowest])
    return None


def added_times(a: Times | None, b: Times | None) -> Times | None:
    """Those of two maps of different tasks."""
    if a is None or b is None:
        return b if a is None else a
    return Times(a.running + b.running, a.available + b.available, _slowest([*a.slowest, *b.slowest]))


def busy_and_slowest(times: Times | None) -> tuple[float | None, list[TaskTime]]:
    """For a Summary."""
    return (None, []) if times is None else (times.busy, times.slowest)


class TimeKeeper:
    """Hears of attempts, as time_keeper does in C++. Another thread may read it meanwhile."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._running = 0.0
        self._workers = 0  # the most there were
        self._slowest: list[TaskTime] = []

    def note_workers(self, workers: int) -> None:
        self._workers = max(self._workers, workers)

    def add(self, index: int, attempt: int, seconds: float, task: Any = ()) -> None:
        self._running += seconds
        if len(self._slowest) == _MOST_KEPT and seconds <= self._slowest[-1].seconds:
            return
        # A task is there once, with its slowest attempt.
        if not any(each.index == index and each.seconds >= seconds for each in self._slowest):
            others = (each for each in self._slowest if each.index != index)
            self._slowest = _slowest([*others, TaskTime(index, task, seconds, attempt)])

    def measured(self) -> Measured:
        elapsed = time.monotonic() - self._begun
        return self._running, elapsed * self._workers, [(each.index, each.attempt, each.seconds) for each in self._slowest]

    def times(self, elapsed: float) -> Times:
        """Of a stream that has lasted so long."""
        return Times(self._running, elapsed * self._workers, list(self._slowest))


def _slowest(of: Iterable[TaskTime]) -> list[TaskTime]:
    return sorted(of, key=lambda each: -each.seconds)[:_MOST_KEPT]


def span(seconds: float) -> str:
    """Returns "1.2 s", "12 min 05 s"."""
    for unit, size in (("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)):
        value = max(0.0, seconds / size)
        if value < (59.5 if unit == "s" else 999.5):
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60:02d} s" if whole < 3600 else f"{whole // 3600} h {whole // 60 % 60:02d} min"
