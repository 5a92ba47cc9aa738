# SPDX-License-Identifier: MIT
"""parmap() and parmap_async(): check the arguments, let an engine run the map, make exceptions of its failures."""

from __future__ import annotations

import pickle
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from . import _errors, _fork_hazards, _parmap, _streams, _task, _thread_pools, _thread_worker, _worker
from ._interrupt import Heard, go_on, hear, raised_by_handler
from ._numpy_scalars import numpy_scalars
from ._override import overridden
from ._unknown_name import unknown_argument
from ._progress import Reporter, make_reporter
from ._arguments import PENDING, Request, check
from ._outcome import answer, collect, end_in_words, tell_if_all_are_none
from ._results import Results
from ._spawn import Program

warnings.simplefilter("always", _errors.ParmapWarning, append=True)
_parmap.install(_errors.describe, _errors.describe_unpicklable, raised_by_handler, hear, Heard, go_on)


# The engines that enforce the limits which serial only accepts.
_ENFORCING = {"timeout_sec": "threads or multi", "memory_limit": "multi", "max_tasks": "multi"}

def parmap(
    func: Callable[..., Any],
    *args: Iterable[Any],
    fargs: dict[str, Any] | None = None,
    engine: str = "multi",
    timeout_sec: float | None = None,
    n_worker: int | None = None,
    on_error: Callable[[Callable[..., Any], tuple[Any, ...], BaseException], Any] | str | None = None,
    reporter: Any = None,
    label: str | None = None,
    retries: int = 0,
    seed: int | None = None,
    memory_limit: int | str | None = None,
    init: Callable[[], Any] | None = None,
    finish: Callable[[], Any] | None = None,
    max_failures: int | None = None,
    stop: Any = None,
    max_tasks: int | None = None,
    start: str = "fork",
    n_simul: int | None = None,
    **unknown: NoReturn,
) -> Results:
    """Call func on every element of an iterable, or on every combination of several, in parallel::

        parmap(sqr, x)                            # [sqr(x[0]), sqr(x[1]), ...]
        parmap(hypot, x, y)                       # every combination, the last iterable fastest: len(x) * len(y)
        parmap(hypot, parmap.zip(x, y))           # (import parmap) walked together: len(x)
        parmap(power, x, fargs=dict(n=3))         # power(x[i], n=3)
        parmap(download, urls, engine="threads")
        parmap(adownload, urls, engine="async")   # an async function; in a notebook: await parmap.parmap_async(...)

    A task that fails costs itself alone, whatever it does: raise, crash, exit, hang past timeout_sec.

    Arguments
    ---------
    func
        Anything callable: also a lambda, a closure, a bound method. It is not pickled.
    *args
        One iterable or more. Only they are held, never their combinations. They must not change meanwhile.
    fargs
        A dict of keyword arguments that are the same for every call.
    engine
        "multi" (default): forked worker processes; no task can take the map down. "threads": for functions that wait
        or release the GIL. "async": for async functions, as coroutines in this thread on an event loop of their own
        ("asyncio" is the same); where a loop is running, as in a notebook, RuntimeError: await parmap_async(...) there.
        "serial": a plain loop, for debugging. It accepts what the others do: n_worker and start mean nothing to it, and
        limits (timeout_sec, memory_limit) are not enforced, which the reporter says once, if it shows something.
    timeout_sec
        Seconds a task may take, from its own start. multi kills it; threads raise TaskTimeout in it at its next
        bytecode (a task that is blocked in C goes on until it returns, and counts as timed out then); async cancels it,
        and leaves it behind if it has not ended 0.1 s later (no limit holds while a task blocks the loop). serial
        does not enforce it.
    n_worker
        At most so many workers, never more than tasks; default: the usable cores (affinity and cgroup quota), for
        threads at least 5, inside a task of multi 1; for async, which counts tasks in flight, 64; serial uses one.
        n_simul is the same.
    on_error
        None: a failed task leaves None in the results, and one ParmapWarning counts the failures and shows the first.
        on_error(func, task, exc): called for each failed task, in input order, in this thread, with the tuple of its
        arguments and its exception; what it returns takes the place, without a warning; what it raises passes.
        "raise": the map stops at the first failure and raises that task's own exception.
        serial always raises the first exception, untouched.
    reporter
        None: a tqdm bar, if stderr is a terminal (or in a notebook) and the map lasts over half a second. "bar",
        "text", "silent" or "none"; a class like tqdm.tqdm; or a callable(i, n), called in this thread at most every
        0.1 s and at the end, i being the number of tasks that have ended, less 1. A functools.partial of such a class
        adds arguments of its own: functools.partial(tqdm, colour="green").
    label
        Stands before the bar, or before each line of "text".
    retries
        How often a failed task is tried again.
    seed
        Of parmap.rng(), 0 <= seed < 2**64; None: fresh entropy, told by results.seed.
    memory_limit
        Bytes a worker process may add to what it inherits, or a text such as "1GB"; a task that wants more fails with
        MemoryError. multi only; serial does not enforce it.
    init
        Called without arguments, once in each worker, before its first task; under async once for all, and it may be
        async too. What it returns is parmap.context().state in that worker's tasks, such as a connection. If it returns
        a context manager, that is entered, and ended after the worker's last task. What it raises is the failure of each
        of that worker's tasks.
    finish
        The counterpart of init: called without arguments, once in each worker that has begun, after its last task; not
        in a worker that is killed. A worker of multi then ends as a Python process does: it waits for threads that its
        tasks have left, runs their handlers of atexit, and empties multiprocessing's queues, within 10 s (or timeout_sec,
        if that is more).
    max_failures
        After so many failed tasks no further one begins. Those that run end; the rest have failures of kind "stopped".
        serial raises the first exception anyway.
    stop
        A threading.Event, or anything with is_set(): once it is set, within 0.1 s, no further task begins.
    max_tasks
        A worker of multi is replaced after so many tasks, as maxtasksperchild of multiprocessing.Pool: for tasks that leak.
    start
        How multi gets its workers (serial has none). "fork": they inherit everything. "spawn": they are fresh
        interpreters, for libraries that do not survive a fork (gcc's OpenMP, CUDA); func, its iterables, fargs, init and
        finish are pickled by cloudpickle, once, and a worker takes as long to begin as Python and their imports do.

    Returns
    -------
    Results
        A list in input order, with `failures` (index, task, kind, exception, traceback, attempts) and `seed`.

        The exception of a failed task is its own, with the worker's traceback as text in its __cause__; RemoteError if
        it cannot be pickled; TaskTimeout; WorkerDied (signal, status) if it crashed or exited; MemoryError;
        UnpicklableResult. What a task writes elsewhere than to its result stays in its worker, under multi.

    Raises
    ------
    TypeError, ValueError
        A bad argument, before anything starts; also an async func (or init) under another engine than async, and any
        other func under async.
    KeyboardInterrupt
        Ctrl-C, within 0.3 s; its `results` holds what is done.
    OSError
        If no worker can be had.
    """
    if unknown:
        raise unknown_argument("parmap", unknown)
    asked, shown = _ask(
        reporter, label, func=func, args=args, fargs=fargs, engine=engine, timeout_sec=timeout_sec, n_worker=n_worker,
        n_simul=n_simul, on_error=on_error, retries=retries, seed=seed, memory_limit=memory_limit, init=init, finish=finish, max_failures=max_failures,
        stop=stop, max_tasks=max_tasks, start=start,
    )  # fmt: skip
    try:
        try:
            _run_and_collect(asked)
        finally:
            shown.close()
        assert asked.results is not None
        for end in asked.ends:
            warnings.warn(end_in_words(end), _errors.ParmapWarning, stacklevel=2)
        if asked.results.failures:
            answer(asked.results, asked.func, asked.on_error)
        elif asked.engine == "multi" and len(asked.results) > 1:
            tell_if_all_are_none(asked.results)
        return asked.results
    except KeyboardInterrupt as error:
        # Ctrl-C came before the engine began, or a second time: no user code may run now.
        results = collect(asked, unpickle=False) if asked.results is None else asked.results
        _errors.set_attribute(error, "results", results)
        raise


async def parmap_async(
    func: Callable[..., Any],
    *args: Iterable[Any],
    fargs: dict[str, Any] | None = None,
    timeout_sec: float | None = None,
    n_worker: int | None = None,
    on_error: Callable[[Callable[..., Any], tuple[Any, ...], BaseException], Any] | str | None = None,
    reporter: Any = None,
    label: str | None = None,
    retries: int = 0,
    seed: int | None = None,
    memory_limit: int | str | None = None,
    init: Callable[[], Any] | None = None,
    finish: Callable[[], Any] | None = None,
    max_failures: int | None = None,
    stop: Any = None,
    n_simul: int | None = None,
    **unknown: NoReturn,
) -> Results:
    """Like parmap(..., engine="async"), on the running event loop: in a notebook, an async function or a task::

        pages = await parmap_async(download, urls, n_worker=100, timeout_sec=5)

    If it is cancelled, its tasks are cancelled too; they have 0.1 s to end.
    """
    if unknown:
        raise unknown_argument("parmap_async", unknown)
    asked, shown = _ask(
        reporter, label, func=func, args=args, fargs=fargs, engine="async", timeout_sec=timeout_sec, n_worker=n_worker,
        n_simul=n_simul, on_error=on_error, retries=retries, seed=seed, memory_limit=memory_limit, init=init, finish=finish,
        max_failures=max_failures, stop=stop,
    )  # fmt: skip
    from . import _async

    try:
        await _async.run_here(asked)
    finally:
        shown.close()
    results = collect(asked)
    if asked.interrupt is not None:
        _errors.set_attribute(asked.interrupt, "results", results)
        raise asked.interrupt
    if results.failures:
        answer(results, asked.func, asked.on_error)
    return results


def _ask(reporter: Any, label: Any, **options: Any) -> tuple[Request, Reporter]:
    options = overridden({"reporter": reporter, "label": label, **options})
    reporter, label = options.pop("reporter"), options.pop("label")
    asked = check(**options)
    if label is not None and not isinstance(label, str):
        raise TypeError(f"parmap: label must be a string, but is {label!r:.100}")
    shown = make_reporter(reporter, label, nested=_task.in_task())
    asked.report = None if type(shown) is Reporter else shown.show
    for name in asked.unenforced:
        shown.tell_once(f"parmap: the engine {asked.engine} does not enforce {name}; use {_ENFORCING[name]}")
    return asked, shown


def _run_and_collect(asked: Request) -> None:
    """Makes asked.results. An interrupt is raised at the end, with these as its `results`."""
    try:
        with asked.ctrl_c as ctrl_c:
            try:
                _run(asked)
            except KeyboardInterrupt as error:  # from serial, or just after another engine has ended
                ctrl_c.keep_off()
                asked.interrupt = error
            asked.results = collect(asked)
        if asked.interrupt is not None:
            raise asked.interrupt
    except BaseException as error:
        if asked.results is not None:
            _errors.set_attribute(error, "results", asked.results)
        raise


def _run(asked: Request) -> None:
    if asked.engine == "async":
        from . import _async  # imports asyncio, which takes longer than importing parmap

        return _async.run(asked)
    if asked.engine == "serial":
        task = _task.Running(-1, 1, 0, asked.seed, None)
        with _task.of_the_extension(task):
            return _parmap.run_serial(asked, task)
    with _task.of_the_extension():
        if asked.engine == "threads":
            if sys.is_finalizing():  # no other thread can get the GIL now
                raise RuntimeError("parmap: the engine threads cannot begin while Python ends; use serial")
            return _parmap.run_threads(
                asked,
                asked.raised,
                late=_errors.TaskTimeout,
                begin=_thread_worker.begin,
                end=_thread_worker.end if _thread_worker.hooks_are_set() else None,
                begin_task=_thread_worker.state_of_the_caller(),
                stack=threading.stack_size(),
            )
        return _run_multi(asked)


def _run_multi(asked: Request) -> None:
    program = None
    birth = _worker.Birth(asked.hazards)
    if asked.start == "spawn":
        program = Program(asked)
    else:
        asked.hazards += _fork_hazards.find()
        _fork_hazards.warn(asked.hazards, stacklevel=5)  # parmap's caller
        if not asked.hazards:
            asked.hazards += _fork_hazards.locks_of_other_threads()
        if asked.hazards:
            asked.report = _fork_hazards.StallWatch(asked.hazards, asked.report).show
        _thread_pools.find_thread_pools()
    try:
        _parmap.run_multi(
            asked,
            begin=birth.begin,
            finish=_worker.finish,
            before_fork=birth.before_fork,
            flush=_streams.flush,
            dumps=pickle.dumps,
            otherwise=_errors.pickled_otherwise,
            loads=pickle.loads,
            scalar_types=numpy_scalars(),
            pending=PENDING,
            program=program,
        )
    except RuntimeError as error:
        if program is not None:
            _errors.add_note(error, f"parmap: start='spawn' runs {sys.executable}")
        raise
    finally:
        if program is not None:
            program.close()
