# SPDX-License-Identifier: MIT
"""Executor: worker processes that stay, for programs that call many small maps or submit single tasks.

More than half of this file is docstrings, which are the reference.
"""

from __future__ import annotations

import concurrent.futures
import os
import time
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ._arguments import Request, check
from ._executor_map import Calls
from ._future import Future
from ._pool import BrokenPool, Pool, end_when_freed
from . import _parmap


class Executor(concurrent.futures.Executor):
    """Worker processes that stay: a concurrent.futures.Executor, and an engine of parmap()::

        with parmap.Executor() as pool:
            future = pool.submit(solve, x)          # future.result(), future.cancel(), future.kill()
            for step in range(1000):
                ys = parmap(f, xs, engine=pool)     # microseconds instead of milliseconds a call

    A task that crashes, exits, hangs or takes too much memory costs its own future only: that one raises WorkerDied,
    TaskTimeout or MemoryError, the worker is replaced, and the others go on.

    Arguments
    ---------
    n_worker
        The number of worker processes. Default: the number of usable cores. max_workers is another name for it.
    init, finish
        As for parmap(): called once in each worker, before its first task and after its last one. initializer and initargs
        are another way to give init.
    timeout_sec
        Time limit of each submitted task in seconds, and of the tasks of maps that have no limit of their own. Default: none.
    max_tasks
        Replace a worker after this number of tasks. Default: never. max_tasks_per_child is another name for it.
    memory_limit
        The most memory that a worker may add to what it begins with; as for parmap().
    seed
        Seed of parmap.rng() in submitted tasks; the number of a task is that of its submission, from 0. Default: a random one.
    start
        - "fork": workers are forked.
        - "spawn": a worker is a fresh interpreter, for libraries that do not survive a fork. It needs cloudpickle, and takes as
          long to start as Python and the modules that its tasks import. Workers do not import the program itself, which so
          needs no guard (if __name__ == "__main__").

        mp_context is another way to give it: contexts "spawn" and "forkserver" of multiprocessing are "spawn" here.

    What workers know
    -----------------
    Workers are started here, in the constructor. What belongs to __main__, the program or notebook itself, reaches them by
    value with each task: a function that you define or change later counts, and so do the globals that it uses. This needs
    cloudpickle; without it a function of __main__ that the workers do not have as it is now is refused. Everything else
    reaches them by name: other modules are, in a worker, as they were when the pool was made; in one that was spawned, as it
    has imported them. After a change to such a module or its globals, call restart().

    Arguments and results are pickled. A spawned worker has init and finish by pickle, and besides them the environment, the
    working directory and the sys.path that the program had when the pool was made.

    Methods
    -------
    submit(fn, /, *args, **kwargs)
        Call fn in a worker. Returns a Future.
    map(fn, *iterables, timeout=None, chunksize=1, buffersize=None)
        Like the built-in map, in the workers.
    shutdown(wait=True, *, cancel_futures=False)
        Accept no further task, and end the workers when all tasks have ended. The end of a `with` statement calls it.
    share(array)
        Put an array into memory that the workers share.
    restart()
        Make the workers anew.
    terminate_workers(), kill_workers()
        End the workers at once.

    Raises
    ------
    TypeError, ValueError
        An argument of a wrong type or value; with start="spawn" also init or finish that cannot be pickled.
    OSError
        No worker could be started.
    ImportError
        start="spawn" without cloudpickle.

    Notes
    -----
    Any thread may use it, in the process that has made it. In a process that was forked from that it refuses, with a
    RuntimeError. Idle workers sleep. As Python ends, submitted tasks are finished first, as with the executors of
    concurrent.futures, unless it ends by Ctrl-C; so does the `with` statement. An executor that nobody refers to any more ends
    after its last task.
    """

    _is_parmap_pool = True

    def __init__(
        self,
        n_worker: int | None = None,
        init: Callable[[], Any] | None = None,
        finish: Callable[[], Any] | None = None,
        timeout_sec: float | None = None,
        max_tasks: int | None = None,
        memory_limit: int | str | None = None,
        seed: int | None = None,
        start: str = "fork",
        *,
        max_workers: int | None = None,
        mp_context: Any = None,
        initializer: Callable[..., Any] | None = None,
        initargs: tuple[Any, ...] = (),
        max_tasks_per_child: int | None = None,
    ) -> None:
        n_worker = _one_of("n_worker", n_worker, "max_workers", max_workers)
        if isinstance(n_worker, int) and n_worker <= 0:
            raise ValueError(f"parmap.Executor: n_worker or max_workers must be greater than 0, but is {n_worker}")
        init = _one_of("init", init, "initializer", _initializer_of(initializer, initargs))
        max_tasks = _one_of("max_tasks", max_tasks, "max_tasks_per_child", max_tasks_per_child)
        options = dict(
            timeout_sec=timeout_sec, n_worker=n_worker, init=init, finish=finish, max_tasks=max_tasks, memory_limit=memory_limit, seed=seed,
            start=_start_of(start, mp_context),
        )  # fmt: skip
        self._options = {**options, "seed": _request(options).seed}
        self._pool = Pool(_request(self._options), 0, level=3)
        self._max_workers = self._pool.workers
        end_when_freed(self, self._pool)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Call ``fn(*args, **kwargs)`` in a worker::

            future = pool.submit(pow, 2, 10)
            future.result()     # 1024

        Returns
        -------
        Future
            A concurrent.futures.Future, with kill(). What cannot be pickled is its exception.

        Raises
        ------
        BrokenPool
            The workers are gone.
        RuntimeError
            After shutdown(), at the end of Python, or in another process.
        """
        pool = self._pool
        pool.check_process()
        future = Future(pool)
        future._task = args
        try:
            function = pool.pickles.function(fn)
            data, buffers = pool.pickles.inputs((args, kwargs))
        except Exception as error:
            with pool.changed:
                pool.check_open()
            future._broke(error)
            return future
        with pool.changed:
            pool.check_open()
            number = future._number = _parmap.pool_submit(pool.handle, future, function, data, buffers)
            pool.add(number, future)
        return future

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[Any]:
        """Give ``fn(*args)`` for the elements of the iterables, which are walked together, in their order, like the built-in map.

        Arguments
        ---------
        timeout
            next() of the result raises TimeoutError if a value is not there so many seconds after the call of map().
        chunksize
            Has no effect: how many calls a worker takes at once follows from the time that they take.
        buffersize
            The most calls that have been submitted and whose values have not been read; then the iterables may be endless.
            Default: all are read and submitted at once.

        Raises
        ------
        Exception
            What a call has raised, or the exception of its failure, in place of its value. Calls that have not begun are then
            cancelled, as they are when the iterator is closed.

        Notes
        -----
        It raises at the first failure and walks the iterables together. parmap(fn, ..., engine=pool) runs every combination, and
        returns all results with the failures.
        """
        end = None if timeout is None else timeout + time.monotonic()
        if chunksize < 1:
            raise ValueError("parmap.Executor.map: chunksize must be at least 1")
        if buffersize is not None:
            if not isinstance(buffersize, int):
                raise TypeError("parmap.Executor.map: buffersize must be an integer or None")
            if buffersize < 1:
                raise ValueError("parmap.Executor.map: buffersize must be None or at least 1")
        pool = self._pool
        with pool.changed:
            pool.check_open()
        return Calls(pool, fn, iterables, buffersize).results(end)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no further task. The workers end when the tasks have ended that were submitted.

        Arguments
        ---------
        wait
            Return when the workers have ended. Else they end later.
        cancel_futures
            Cancel the tasks that have not begun.
        """
        pool = self._pool
        if pool.pid != os.getpid():
            return
        if cancel_futures:
            with pool.changed:
                left = list(pool.futures.values())
            for each in left:
                each.cancel()
        pool.end_later()
        if wait:
            pool.wait()

    def share(self, array: Any) -> Any:
        """Put an array into memory that the workers share, and return it, so that tasks get it without a copy::

            table = pool.share(table)
            parmap(lookup, keys, fargs=dict(table=table), engine=pool)

        Arguments
        ---------
        array
            An array of NumPy, not of Python objects.

        Returns
        -------
        numpy.ndarray
            A view of the array, which cannot be written to. As an argument, or in an argument, of a task of this executor, and in
            what func refers to, it is sent as a reference; in the task it is an array that cannot be written to. A part of it is
            sent by value.

        Notes
        -----
        The workers have the values of the array as they are now. The memory, of the size of the array, is freed with the workers:
        after restart() share it again.
        """
        from ._shared_array import shared

        pool = self._pool
        with pool.changed:
            pool.check_open()
        return shared(pool, array)

    def restart(self) -> None:
        """Make the workers anew: they have this process as it is now, with all that modules have become. Tasks that were submitted
        before are finished first; also after BrokenPool. Submissions are numbered on.

        Raises
        ------
        RuntimeError
            After shutdown().
        """
        old = self._pool
        old.check_process()
        if old.ending and old.broken is None:
            raise RuntimeError("parmap.Executor: it has been shut down, so restart() has no effect; make a new one")
        old.end_later()
        old.wait()
        self._pool = Pool(_request(self._options), old.next_number, level=3)
        end_when_freed(self, self._pool)

    def terminate_workers(self) -> None:
        """End the workers at once, and the executor with them. Futures that have not ended raise BrokenPool."""
        self._end_at_once("parmap: terminate_workers() of this Executor was called")

    def kill_workers(self) -> None:
        """The same as terminate_workers(): tasks are always ended by SIGKILL."""
        self._end_at_once("parmap: kill_workers() of this Executor was called")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        """shutdown(). After Ctrl-C (KeyboardInterrupt) tasks are not finished: the workers are ended at once."""
        if kind is not None and issubclass(kind, KeyboardInterrupt) and self._pool.pid == os.getpid():
            self._end_at_once("parmap: the program was interrupted")
        else:
            self.shutdown()

    def _end_at_once(self, why: str) -> None:
        pool = self._pool
        pool.check_process()
        pool.break_by(BrokenPool(why))
        pool.end_later()
        pool.wait()

    def __reduce__(self) -> Any:
        raise TypeError("parmap: an Executor cannot be pickled, as its workers belong to this process")


def _request(options: dict[str, Any]) -> Request:
    """What a pool and a map have in common, checked."""
    return check(
        func=int, args=((),), fargs=None, engine="multi", n_simul=None, on_error=None, retries=0, max_failures=None, stop=None, **options
    )


def _one_of(name: str, value: Any, other: str, value_of_other: Any) -> Any:
    if value is not None and value_of_other is not None:
        raise TypeError(f"parmap.Executor: {other} is another name for {name}; give only one of them")
    return value if value_of_other is None else value_of_other


def _initializer_of(initializer: Any, initargs: Any) -> Callable[[], None] | None:
    if initializer is None:
        return None
    if not callable(initializer):
        raise TypeError("parmap.Executor: initializer must be a callable")

    def call() -> None:  # what it returns is no state
        initializer(*initargs)

    return call


def _start_of(start: str, context: Any) -> str:
    if context is None:
        return start
    method = context if isinstance(context, str) else context.get_start_method()
    return "spawn" if method == "forkserver" else str(method)  # both are fresh interpreters, which the caller's state does not reach
