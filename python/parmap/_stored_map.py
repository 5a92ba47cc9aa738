# SPDX-License-Identifier: MIT
"""parmap() with a checkpoint or a part: what is stored, and a stream of the tasks that are missing, make its results."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from . import _errors
from ._arguments import PENDING, Request
from ._failures import Failure
from ._inputs import kept_inputs
from ._outcome import failure_of
from ._part import OTHER_PART
from ._progress import Reporter
from ._results import Results
from ._stored_tasks import StoredTasks, inner_stream
from ._task_runs import TaskRuns
from ._times import TimeKeeper

_GLANCE = 0.1  # seconds until Ctrl-C is noticed


class StoredMap:
    """Gathers the values and failures of a map. run() and run_async() are its two ways to have the missing tasks run."""

    def __init__(self, asked: Request, shown: Reporter) -> None:
        self._asked = asked
        self._tasks = StoredTasks(asked, shown)
        self._values: list[Any] = [PENDING if asked.part is None else OTHER_PART] * self._tasks.tasks
        if asked.part is not None:
            for index in self._tasks.run.here:
                self._values[index] = PENDING
        self._failures: list[Failure] = []
        self._runs = TaskRuns(self._tasks.tasks)
        self._times = TimeKeeper() if asked.times else None
        self._taken = 0

    def run(self) -> None:
        """Sets asked.results; what it raises has them, too."""
        self._guarded(self._run_stream)

    async def run_async(self) -> None:
        from . import _async

        inner = self._begin_async()
        try:
            if self._tasks.missing:
                self._tasks.start_writer()
                await _async.run_here(inner)
            self._end_async(inner)
            self._tasks.finish()
        except BaseException as error:
            self._fail(error)
            raise
        self._collect("the map was stopped")
        if inner.interrupt is not None:
            _errors.set_attribute(inner.interrupt, "results", self._asked.results)
            raise inner.interrupt

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            self._read()
            run()
            self._tasks.finish()
        except BaseException as error:
            self._fail(error)
            raise
        self._collect("the map was stopped")

    def _fail(self, error: BaseException) -> None:
        try:
            self._tasks.finish()
        except _errors.StoreFailed as worse:
            if not isinstance(error, _errors.StoreFailed):
                _errors.add_note(error, str(worse))
        self._collect("the map was interrupted" if isinstance(error, KeyboardInterrupt) else "the map ended by an error")
        _errors.set_attribute(error, "results", self._asked.results)

    def _read(self) -> None:
        tasks = self._tasks
        for index, outcome in tasks.run.read():
            self._runs.note(index, outcome.attempts, outcome.seconds, outcome.worker)
            if outcome.kind == 0:
                self._values[index] = tasks.value_of(index, outcome)
            else:
                self._failures.append(tasks.failure_of(index, outcome))

    def _take(self, k: int, value: Any, failure: Failure | None, attempts: int, seconds: float | None, worker: int | None) -> None:
        """The outcome of missing task k."""
        tasks = self._tasks
        self._taken += 1
        index = tasks.missing[k]
        if failure is None:
            self._values[index] = value
        else:
            failure = tasks.of_call(failure)
            self._failures.append(failure)
        if self._times is not None and seconds is not None:
            self._times.add(index, attempts, seconds, self._asked.product.task(index))
        self._runs.note(index, attempts, seconds, worker)
        tasks.put(k, value, failure, attempts, seconds, worker)

    # ---- by a stream

    def _run_stream(self) -> None:
        tasks = self._tasks
        if not tasks.missing:
            return tasks.shown.show(tasks.total, tasks.total, tasks.run.kept_failures)
        inner = tasks.inner_request()
        if inner.engine == "async":
            return self._run_loop(inner)
        pool = None
        if inner.engine == "multi" and inner.start == "spawn":
            pool = _spawned(inner)
        try:
            with inner_stream(inner, tasks.reporter(), 4) as stream:
                if self._times is not None:
                    self._times.note_workers(stream._tally._times._workers)  # type: ignore[union-attr]
                tasks.start_writer()
                if inner.engine == "serial":
                    self._take_all_of_serial(stream)
                else:
                    self._take_all(stream)
        finally:
            if pool is not None:
                pool.shutdown()

    def _take_all(self, stream: Any) -> None:
        """Ctrl-C is held back until what has ended is stored."""
        with self._asked.ctrl_c as ctrl_c:
            ctrl_c.keep_off()
            while not ctrl_c.is_held:
                try:
                    it = stream.take(_GLANCE)
                except TimeoutError:
                    if stream.is_over:
                        raise
                    continue
                except StopIteration:
                    return
                self._take(it.index, it.value, it.failure, it.attempts, it.seconds, it.worker)
            until = time.monotonic() + _GLANCE
            while time.monotonic() < until:
                try:
                    it = stream.take(0)
                except (TimeoutError, StopIteration):
                    return
                self._take(it.index, it.value, it.failure, it.attempts, it.seconds, it.worker)

    def _take_all_of_serial(self, stream: Any) -> None:
        """The first exception of a task ends the map, unchanged; Ctrl-C is raised in the task."""
        while True:
            try:
                it = next(stream)
            except StopIteration:
                return
            except Exception as error:
                if (failure := self._tasks.put_raised(self._taken, error)) is not None:
                    self._failures.append(failure)
                raise
            self._take(it.index, it.value, it.failure, it.attempts, it.seconds, it.worker)

    # ---- on a loop

    def _run_loop(self, inner: Request) -> None:
        from . import _async

        self._begin_async(inner)
        self._tasks.start_writer()
        with inner.ctrl_c:
            _async.run(inner)
            self._end_async(inner)
        if inner.interrupt is not None:
            raise inner.interrupt

    def _begin_async(self, inner: Request | None = None) -> Request:
        if inner is None:
            self._read()
            inner = self._tasks.inner_request()
        inner.heard = self._take
        if self._times is not None:
            self._times.note_workers(min(inner.workers, len(self._tasks.missing)))
        return inner

    def _end_async(self, inner: Request) -> None:
        """What never began, or was stopped, is told at the end."""
        for told in inner.told:
            if told[1] == "stopped":
                self._failures.append(self._tasks.of_call(failure_of(inner, told, None)))

    # ---- the whole

    def _collect(self, why: str) -> None:
        asked, tasks = self._asked, self._tasks
        failed = {each.index for each in self._failures}
        for index in failed:
            self._values[index] = None
        for index in tasks.missing:
            if self._values[index] is PENDING:
                error = _errors.TaskNotRun(f"not finished, because {why}")
                self._failures.append(Failure(index, asked.product.task(index), "stopped", error, 0, ""))
                self._values[index] = None
        results = Results(self._values, sorted(self._failures, key=lambda each: each.index), asked.seed)
        results._inputs = results.failures._inputs = kept_inputs(asked.product, asked.given)
        results.engine = asked.engine
        results.part = asked.part
        results._runs = self._runs
        results._seconds = time.monotonic() - asked.begun
        flags = tasks.run.flags
        is_all = not tasks.missing and asked.part is None
        results._stored = range(len(flags)) if is_all else [i for i, flag in enumerate(flags) if flag >= 2] if tasks.run.stored else ()
        if self._times is not None:
            results._times = self._times.times(results._seconds)
        asked.results = results


def _spawned(inner: Request) -> Any:
    """The workers of start="spawn" are those of an Executor, which lives as long as the map."""
    from ._executor import Executor

    pool = Executor(
        inner.workers or None, init=inner.init, finish=inner.finish, memory_limit=inner.memory_limit, max_tasks=inner.max_tasks, start="spawn"
    )
    inner.engine, inner.pool = "pool", pool
    inner.init = inner.finish = inner.setup = inner.max_tasks = inner.memory_limit = None
    return pool
