# SPDX-License-Identifier: MIT
"""The future of a task that was submitted to an Executor."""

from __future__ import annotations

import concurrent.futures
import os
from typing import Any


class Future(concurrent.futures.Future):  # type: ignore[type-arg]
    """What Executor.submit() returns: a concurrent.futures.Future, which can also be killed::

        future = executor.submit(solve, x)
        try:
            value = future.result(timeout=60)
        except TimeoutError:
            future.kill()

    result() raises what the task has raised, with the traceback in the worker as its __cause__; TaskTimeout, WorkerDied or
    MemoryError if the task ended by that; TaskNotRun after kill(). Any thread may use it.

    Methods
    -------
    cancel()
        True if the task will not run; False if it has begun or ended.
    kill()
        End the task, also while it runs. False if it has ended.
    """

    def __init__(self, pool: Any) -> None:
        super().__init__()
        self._pool = pool
        self._number = -1
        self._task: tuple[Any, ...] = ()

    def cancel(self) -> bool:
        """Return whether the task is sure not to run. One that has begun goes on; kill() ends it."""
        if self.done():
            return self.cancelled()
        pool = self._pool
        if pool is None or pool.pid != os.getpid() or not pool.halt(self._number):
            return self.cancelled()
        self._cancel()
        return True

    def running(self) -> bool:
        """Return whether a worker has begun the task, and it has not ended."""
        pool = self._pool
        return pool is not None and not self.done() and pool.pid == os.getpid() and pool.has_begun(self._number)

    def kill(self) -> bool:
        """End the task: one that has not begun is cancelled; of one that runs, the worker is killed and replaced, and result()
        raises TaskNotRun. Return False if it has ended already."""
        if self.cancel():
            return True
        pool = self._pool
        if self.done() or pool is None:
            return False
        pool.check_process()
        pool.kill(self._number)
        return True

    def _cancel(self) -> None:
        if super().cancel():
            try:
                self.set_running_or_notify_cancel()
            except Exception:  # another thread has called both
                pass
        self._pool, self._task = None, ()

    def _end(self, value: Any, told: Any) -> None:
        """Its outcome has come."""
        pool, task = self._pool, self._task
        self._task = ()
        if pool is None or self.cancelled():
            return
        if told is None:
            self._pool = None
            self._set(self.set_result, value)
        elif told[1] == "stopped" and self._number not in pool.killed and pool.broken is None:
            self._cancel()  # its cancel(), in another thread, is about to do so
        else:
            self._pool = None
            self._set(self.set_exception, pool.exception_of(told, task, self._number))

    def _broke(self, error: BaseException) -> None:
        self._pool, self._task = None, ()
        self._set(self.set_exception, error)

    def _set(self, how: Any, what: Any) -> None:
        try:
            how(what)
        except concurrent.futures.InvalidStateError:
            pass  # somebody else has set it, or it was cancelled just now

