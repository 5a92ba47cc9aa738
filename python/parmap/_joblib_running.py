# SPDX-License-Identifier: MIT
"""Batches of joblib's tasks that have been submitted, and the clock that says how many tasks the next one has.

The thread that collects outcomes calls this, and not the backend: it keeps no backend alive, so that the workers end when the
last Parallel or parallel_config() has.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

_SECONDS = 0.005  # that a batch should take
_GROWTH = 4  # of batches, at most, from one to the next
_CALLBACK = 10  # seconds: longer than any callback of joblib takes


class Clock:
    """How many tasks a batch should have. joblib's own count of seconds contains the wait for a worker, this one does not."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._seconds: float | None = None  # of a task
        self.tasks = 1

    def note(self, tasks: int, seconds: float) -> None:
        """A batch of so many tasks took so long."""
        of_one = seconds / max(1, tasks)
        self._seconds = of_one if self._seconds is None else 0.5 * (self._seconds + of_one)
        self.tasks = max(1, min(int(_SECONDS / max(self._seconds, 1e-7)), _GROWTH * tasks))


class Running:
    """Any thread may use it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._changed = threading.Condition()
        self._callbacks: dict[Any, Any] = {}  # of the futures whose callback has not returned

    def add(self, future: Any, callback: Callable[[Any], None] | None, tasks: int) -> None:
        future.tasks = tasks
        with self._changed:
            self._callbacks[future] = callback
        future.add_done_callback(self._ended)

    def _ended(self, future: Any) -> None:
        with self._changed:
            if future not in self._callbacks:
                return  # it was forgotten
            callback = self._callbacks[future]
        try:
            if not future.cancelled() and future.exception() is None:
                self.clock.note(future.tasks, future.result()[1])
            if callback is not None:
                callback(future)
        finally:
            del callback
            with self._changed:
                self._callbacks.pop(future, None)
                self._changed.notify_all()

    def forget(self, which: Callable[[Any], bool]) -> list[Any]:
        """The futures with such callbacks, which are not called any more."""
        with self._changed:
            found = [each for each, callback in self._callbacks.items() if which(callback)]
            for each in found:
                del self._callbacks[each]
            self._changed.notify_all()
        return found

    def some_are_left(self) -> bool:
        with self._changed:
            return not all(each.done() for each in self._callbacks)

    def wait(self, seconds: float) -> None:
        """Until none is left, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: not self._callbacks, seconds)

    def wait_for_callbacks(self) -> None:
        """Until those have returned whose futures are done."""
        with self._changed:
            self._changed.wait_for(lambda: not any(each.done() for each in self._callbacks), _CALLBACK)
