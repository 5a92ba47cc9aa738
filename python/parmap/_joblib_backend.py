# SPDX-License-Identifier: MIT
"""The backend "parmap" of joblib: batches of tasks on an Executor. Written for joblib 1.2 to 1.6."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import joblib
from joblib.parallel import get_active_backend
from joblib._parallel_backends import FallbackToBackend, ParallelBackendBase, SequentialBackend, ThreadingBackend

from . import _thread_pools
from ._errors import TaskTimeout, WorkerDied
from ._executor import Executor
from ._joblib_batches import BatchPickler, submit
from ._joblib_running import Running

#: Since joblib 1.3 the callback of a batch takes its results; before, the thread that waits for them does.
_CALLBACK_TAKES_RESULTS = hasattr(ParallelBackendBase, "retrieve_result_callback")

_FIRST_LOOK = 0.01  # seconds: how often joblib itself looks for results

#: What Parallel gives to each backend, and has no meaning for this one.
_OF_OTHERS = ("context", "temp_folder", "verbose")

_cores_of_worker: int | None = None  # in a worker of this backend


class ParmapBackend(ParallelBackendBase):  # type: ignore[misc]
    """One Executor, while joblib has a use for it. Its callbacks run in the thread that collects the outcomes."""

    default_n_jobs = -1
    supports_inner_max_num_threads = True
    supports_retrieve_callback = True
    supports_return_generator = True
    supports_timeout = True

    def __init__(self, nesting_level: int | None = None, inner_max_num_threads: int | None = None, **options: Any) -> None:
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self._options = options
        self._lock = threading.Lock()  # of the next two: several threads may share the backend, each with a call of its own
        self._executor: Executor | None = None
        self._calls = 0  # that have been configured and have not ended
        self._made_with: dict[str, Any] = {}
        self._running = Running()
        self._n_jobs = 1
        self._memmapping: tuple[int | None, str | None] = (None, None)
        self._pickler = BatchPickler()

    # ---- the workers

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        if n_jobs < 0:
            n_jobs = max(joblib.cpu_count() + 1 + n_jobs, 1)
        return n_jobs if _cores_of_worker is None else min(n_jobs, _cores_of_worker)

    def configure(self, n_jobs: int = 1, parallel: Any = None, prefer: Any = None, require: Any = None, **options: Any) -> int:
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        options = {**self._options, **options}
        mode, least = options.pop("mmap_mode", None), options.pop("max_nbytes", None)
        self._memmapping = (None if mode is None else least, mode)
        for each in _OF_OTHERS:
            options.pop(each, None)
        self._n_jobs = n_jobs
        with self._lock:
            ended = self._prepare_executor(n_jobs, options)
            self._calls += 1
        self._end(ended)
        self._pickler = BatchPickler(*self._memmapping)
        return n_jobs

    def _prepare_executor(self, n_jobs: int, options: dict[str, Any]) -> Executor | None:
        """Returns the executor that is to end. With the lock."""
        ended = self._executor
        wanted = {**options, "n_jobs": n_jobs, "threads": self.inner_max_num_threads}
        if ended is not None:
            pool = ended._pool
            is_wanted = _same(wanted, self._made_with) or self._calls > 0  # another call's workers stay as they are
            if is_wanted and not pool.ending and pool.broken is None and pool.pid == os.getpid():
                return None
        options = dict(options)
        init = functools.partial(
            _begin_worker,
            self._prepare_worker_env(n_jobs),
            max(1, joblib.cpu_count() // n_jobs),
            options.pop("init", None),
            options.pop("initializer", None),
            options.pop("initargs", None) or (),
        )
        with _thread_pools.of_each_worker(self.inner_max_num_threads):
            self._executor = Executor(n_jobs, init=init, **options)
        self._made_with = wanted
        return ended

    def terminate(self) -> None:
        self._running.wait_for_callbacks()
        self._running.clock.reset()
        self._pickler = BatchPickler()
        ended = None
        with self._lock:
            self._calls = max(0, self._calls - 1)
            if self._calls == 0 and get_active_backend()[0] is not self:  # else a parallel_config() lasts, with more to come
                ended, self._executor = self._executor, None
        self._end(ended)

    def _end(self, executor: Executor | None) -> None:
        if executor is not None:  # a generator of another Parallel may wait for what is left
            executor.shutdown(wait=not self._running.some_are_left())

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # as Python ends, modules may be gone
            self._end(self._executor)

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Ends the batches of the call that aborts: of others, if several share the backend, none."""
        mine = self._running.forget(lambda callback: getattr(getattr(callback, "parallel", None), "_aborting", True))
        with self._lock:
            is_alone = self._calls <= 1 and not self._running.some_are_left()
            if not ensure_ready and is_alone and get_active_backend()[0] is not self:
                executor, self._executor = self._executor, None
            else:
                executor = None
        if executor is not None:
            executor.kill_workers()
            return
        for each in mine:
            each.kill()

    # ---- batches

    def start_call(self) -> None:
        self._pickler = BatchPickler(*self._memmapping)

    def stop_call(self) -> None:
        self._pickler = BatchPickler(*self._memmapping)  # the arrays of that call are freed with its last batch

    def submit(self, func: Any, callback: Callable[[Any], None] | None = None) -> Any:
        future: Any
        try:
            if self._executor is None:
                raise RuntimeError("parmap: the workers of this Parallel have ended")
            future = submit(self._executor, self._pickler, func)
        except Exception as error:  # this may be a callback's thread, which nobody listens to
            future = concurrent.futures.Future()
            future.set_exception(error)
        if not _CALLBACK_TAKES_RESULTS:
            future.get = functools.partial(_get, future)
            if future.done() and future.exception() is not None:
                return future  # its callback would submit the next one, and so on
        self._running.add(future, callback, len(func) if hasattr(func, "__len__") else 1)
        return future

    apply_async = submit  # its name before joblib 1.5

    def retrieve_result_callback(self, future: Any) -> Any:
        return _get(future)

    @contextlib.contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """joblib looks for results every 10 ms. If all come before the first look, it need not wait for the second."""
        self._running.wait(_FIRST_LOOK)
        yield

    # ---- the size of batches

    def compute_batch_size(self) -> int:
        return self._running.clock.tasks

    def batch_completed(self, batch_size: int, duration: float) -> None:
        """Has no effect: the clock of Running has the seconds of the tasks."""

    # ---- Parallel in tasks

    def get_nested_backend(self) -> tuple[Any, None]:
        level = (self.nesting_level or 0) + 1
        if level > 1:
            return SequentialBackend(nesting_level=level), None
        return ThreadsOfWorker(max(1, joblib.cpu_count() // self._n_jobs), nesting_level=level), None


class ThreadsOfWorker(ThreadingBackend):  # type: ignore[misc]
    """For a Parallel in a task: at most as many threads as its worker has cores."""

    def __init__(self, cores: int, **options: Any) -> None:
        super().__init__(**options)
        self._cores = cores

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        return min(int(super().effective_n_jobs(n_jobs)), self._cores)


def _get(future: Any, timeout: float | None = None) -> Any:
    """The results of a batch."""
    error = _error_of(future, timeout)
    if error is None:
        return future.result()[0]
    try:
        raise error
    finally:
        del error  # else its traceback would keep this frame, and the backend, until they are collected


def _error_of(future: Any, timeout: float | None) -> BaseException | None:
    if future not in concurrent.futures.wait([future], timeout).done:
        return multiprocessing.TimeoutError()  # what joblib promises
    if future.cancelled():
        return RuntimeError("parmap: the batch was cancelled, because its call of Parallel has ended")
    error = future.exception()
    told: BaseException | None = None
    if type(error) is WorkerDied:
        told = WorkerDied(f"{error}; {_words(future)}", error.signal, error.status)
    elif type(error) is TaskTimeout:
        told = TaskTimeout(f"{error}; {_words(future)}")
    if told is None:
        return error  # type: ignore[no-any-return]
    told.__cause__ = error.__cause__
    return told


def _words(future: Any) -> str:
    size = future.tasks
    if size == 1:
        return "this ended joblib's call"
    return f"this ended joblib's call; the task is one of a batch of {size} (with batch_size=1 each task has a worker to itself)"


def _begin_worker(environment: dict[str, str], cores: int, init: Any, initializer: Any, initargs: Any) -> Any:
    global _cores_of_worker
    _cores_of_worker = cores
    os.environ.update(environment)
    if initializer is not None:
        initializer(*initargs)
    return None if init is None else init()


def _same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    try:
        return a.keys() == b.keys() and all(a[each] is b[each] or bool(a[each] == b[each]) for each in a)
    except Exception:  # of an array among them
        return False
