# SPDX-License-Identifier: MIT
"""What happened in a map, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from ._failures import FailureCause, lines_of_causes
from ._times import TaskTime, span


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
    busy : float or None
        With times=True: the share of the workers' time in which they ran tasks, from 0 to 1. Under async the workers are
        coroutines, and waiting counts as running. Otherwise, and where seconds is None, None.
    slowest : list of TaskTime
        With times=True: the five slowest tasks, those that failed included, the slowest first. A task counts with its
        slowest attempt.
    left_out : int
        The number of combinations of a grid that where has left out; they are no tasks. Of a stream: 0 until it has ended.
    stored : int
        The number of tasks whose outcome was in the file of a checkpoint.
    elsewhere : int
        With the option part: the number of tasks that are in other parts. They are not among tasks.
    """

    tasks: int
    completed: int
    seconds: float | None
    causes: list[FailureCause]
    busy: float | None = None
    slowest: list[TaskTime] = field(default_factory=list)
    left_out: int = 0
    stored: int = 0
    elsewhere: int = 0

    @property
    def failed(self) -> int:
        """The number of tasks that failed, those that were stopped included."""
        return self.tasks - self.completed

    def count(self, kind: str) -> int:
        """Return the number of tasks whose failure is of this kind, such as "timed_out"."""
        return sum(each.count for each in self.causes if each.kind == kind)

    def __str__(self) -> str:
        stopped = self.count("stopped")
        lines = [line(self.seconds, self.completed, self.failed - stopped, stopped, self.left_out, self.stored, self.elsewhere), *lines_of_causes(self.causes)]
        if self.busy is not None:
            lines.append(f"workers busy {int(self.busy * 100 + 0.5)} % of the time")
        if self.slowest:
            lines.append("slowest: " + ", ".join(str(each) for each in self.slowest))
        return "\n  ".join(lines)


def line(seconds: float | None, completed: int, failed: int, stopped: int, left_out: int = 0, stored: int = 0, elsewhere: int = 0) -> str:
    """Returns "200 tasks in 2.0 s: 197 ok, 3 failed". A stopped task is not among those that failed."""
    tasks = completed + failed + stopped
    time = "" if seconds is None else f" in {span(seconds)}"
    of = f" of the grid's {tasks + left_out}" if left_out else ""
    text = f"{tasks}{of} {'task' if tasks + left_out == 1 else 'tasks'}{time}: {completed} ok"
    text += (f", {failed} failed" if failed else "") + (f", {stopped} stopped" if stopped else "") + (f"; {stored} of them stored" if stored else "")
    return text + (f"; {elsewhere} {'task is' if elsewhere == 1 else 'tasks are'} in other parts" if elsewhere else "")
