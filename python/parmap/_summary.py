# SPDX-License-Identifier: MIT
"""What happened in a map, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass

from ._failures import FailureCause, lines_of_causes


@dataclass(frozen=True)
class Summary:
    """What happened in a map. Results.summary() makes it::

        print(results.summary())

        10000 tasks in 2.0 s: 7000 ok, 3000 failed
          2999 x threw: RuntimeError: no convergence; first task 7 (0.5, 2)
          task 12 timed out: TaskTimeout: ran longer than timeout_sec=5

    Attributes
    ----------
    tasks : int
        The number of tasks.
    completed : int
        The number of tasks that have a result.
    seconds : float or None
        The wall time of the map; None for a slice, a sum and a list that parmap has not made.
    causes : list of FailureCause
        The failures grouped by cause: the cause of most failures first.
    """

    tasks: int
    completed: int
    seconds: float | None
    causes: list[FailureCause]

    @property
    def failed(self) -> int:
        """The number of tasks that failed, those that were stopped included."""
        return self.tasks - self.completed

    def count(self, kind: str) -> int:
        """Return the number of tasks whose failure is of this kind, such as "timed_out"."""
        return sum(each.count for each in self.causes if each.kind == kind)

    def __str__(self) -> str:
        stopped = self.count("stopped")
        return "\n  ".join([line(self.seconds, self.completed, self.failed - stopped, stopped), *lines_of_causes(self.causes)])


def line(seconds: float | None, completed: int, failed: int, stopped: int) -> str:
    """Returns "200 tasks in 2.0 s: 197 ok, 3 failed". A stopped task is not among those that failed."""
    tasks = completed + failed + stopped
    time = "" if seconds is None else f" in {_span(seconds)}"
    text = f"{tasks} {'task' if tasks == 1 else 'tasks'}{time}: {completed} ok"
    return text + (f", {failed} failed" if failed else "") + (f", {stopped} stopped" if stopped else "")


def _span(seconds: float) -> str:
    for unit, size in (("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)):
        value = max(0.0, seconds / size)
        if value < (59.5 if unit == "s" else 999.5):
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60:02d} s" if whole < 3600 else f"{whole // 3600} h {whole // 60 % 60:02d} min"
