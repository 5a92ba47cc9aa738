# SPDX-License-Identifier: MIT
"""parmap() and parmap_async(): check the arguments, let an engine run the map, make exceptions of its failures.

Nearly half of this file is the two docstrings, which are the reference.
"""

from __future__ import annotations

import functools
import pickle
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from . import _errors, _fork_hazards, _parmap, _streams, _task, _thread_pools, _thread_worker, _trace, _worker
from ._interrupt import Heard, go_on, hear, raised_by_handler
from ._numpy_scalars import numpy_scalars
from ._override import overridden
from ._unknown_name import unknown_argument
from ._progress import Reporter, make_reporter
from ._arguments import PENDING, Request, check
from ._failures import Failure
from ._pool_map import run as run_on_pool
from ._outcome import answer, collect, end_in_words, set_retry_if, tell_if_all_are_none
from ._results import Results
from ._spawn import Program

warnings.simplefilter("always", _errors.ParmapWarning, append=True)
_parmap.install(_errors.describe, _errors.describe_unpicklable, raised_by_handler, hear, Heard, go_on)


# The engines that enforce the limits which serial only accepts.
_ENFORCING = {"timeout_sec": "threads or multi", "memory_limit": "multi", "max_tasks": "multi"}

def parmap(
    func: Callable[..., Any],
    *args: Iterable[Any],
    grid: Any = None,
    where: Callable[..., Any] | None = None,
    fargs: dict[str, Any] | None = None,
    engine: Any = "multi",
    timeout_sec: float | None = None,
    deadline_sec: float | None = None,
    deadline: str | None = None,
    n_worker: int | None = None,
    on_error: Callable[[Callable[..., Any], Any, BaseException], Any] | str | None = None,
    reporter: Any = None,
    label: str | None = None,
    times: bool = False,
    trace: Any = None,
    retries: int = 0,
    retry_delay_sec: float = 0,
    retry_if: Callable[[Failure], Any] | None = None,
    seed: int | None = None,
    memory_limit: int | str | None = None,
    init: Callable[[], Any] | None = None,
    finish: Callable[[], Any] | None = None,
    max_failures: int | None = None,
    stop: Any = None,
    max_tasks: int | None = None,
    start: str = "fork",
    checkpoint: Any = None,
    part: Any = None,
    n_simul: int | None = None,
    **unknown: NoReturn,
) -> Results:
    """Call func on every element of an iterable, or on every combination of several iterables, in parallel::

        parmap(sqr, x)                            # [sqr(x[0]), sqr(x[1]), ...]
        parmap(hypot, x, y)                       # every combination, y varies fastest: len(x) * len(y) calls
        parmap(hypot, parmap.zip(x, y))           # in lockstep: len(x) calls (import parmap for zip)
        parmap(power, x, fargs=dict(n=3))         # [power(x[0], n=3), power(x[1], n=3), ...]
        parmap(simulate, grid=dict(mu=x, x0=y))   # simulate(mu=x[0], x0=y[0]), simulate(mu=x[0], x0=y[1]), ...
        parmap(download, urls, engine="threads")
        parmap(adownload, urls, engine="async")   # an async function; in a notebook: await parmap.parmap_async(...)

    parmap returns when all tasks have ended. With the default engine, a task that raises, crashes, exits or exceeds
    timeout_sec costs only its own result: all other results come back, and ``results.failures`` says what happened.
    Under threads and async this holds for tasks that raise, but these run in your process: a crash ends the program.

    Arguments
    ---------
    func
        Any callable, also a lambda, a closure or a bound method. It is not pickled, except by start="spawn".
    *args
        One iterable or more. parmap stores these iterables, but never their combinations. Lists, tuples, ranges,
        strings, bytes and NumPy arrays are used in place; any other iterable is read into a list first, so it must be
        finite. Do not change them before parmap returns.
    grid
        Inputs with names, in place of the iterables; func is called by keyword. Each is read into memory first:

        - a dict of names and their values: every combination, the last name fastest. A parmap.zip without names among the
          values gives tuples.
        - parmap.zip(mu=..., x0=...): in lockstep.
        - a pandas or polars data frame: a task for each row, with the names of the columns and the values that
          Series.to_list() gives.
        - a list of these: every combination of its parts, such as ``[parmap.zip(mu=mus, x0=x0s), dict(n=[1, 2])]``.

        The task of a failure is then a dict: ``func(**why.task)`` runs it again.
    where
        A callable that gets the inputs of a grid by keyword, like func: whether this combination is a task. It is called
        here, once for each combination, before any task starts. What it raises, parmap raises. ``results.left_out`` has the
        others::

            parmap(simulate, grid=dict(mu=mus, x0=x0s), where=lambda mu, x0: mu < x0)
    fargs
        A dict of keyword arguments that are the same for every call of func.
    engine
        - "multi" (default): forked worker processes. No task can end the program.
        - "threads": threads of this process, for functions that wait or release the GIL.
        - "async": for async functions. They run as coroutines in this thread, on an event loop of their own. Where a
          loop is running already, as in a notebook, this is a RuntimeError: use ``await parmap_async(...)`` there.
          "asyncio" is another name for it.
        - a parmap.Executor: worker processes that stay, for many small maps. func and its iterables are pickled. memory_limit,
          init, finish, max_tasks and start are given to the Executor.
        - a distributed.Client, "dask" or a parmap.DaskEngine: the workers of a Dask cluster. func and its iterables are pickled once for
          each of them. A fault costs what it costs under multi. Without a client "dask" makes a cluster on this computer for this map.
        - "mpi" or a parmap.MpiEngine: the nodes of an MPI job; ``mpirun python -m parmap.mpi script.py`` starts the program.
        - "serial": a plain loop in this thread, for debugging. It accepts every option, so that you can switch to it by
          changing one word. It ignores n_worker and start, and does not enforce timeout_sec, memory_limit and
          max_tasks; the reporter says so once, if it prints to stderr.
    timeout_sec
        Time limit of each task in seconds, counted from the task's own start. Default: no limit. A task that exceeds it
        fails with TaskTimeout:

        - multi kills the worker process and the processes that the task has started, and starts another worker.
        - threads raises TaskTimeout in the task at its next bytecode. A task that is blocked in C code goes on until
          that code returns, and then counts as timed out.
        - async cancels the task. If the task has not ended 0.1 s later, the map no longer waits for it and ignores what
          it does. While a task blocks the event loop, no limit is enforced.
        - serial does not enforce it.
    deadline_sec
        The time for the whole map in seconds, counted from its call. After it no task is started, and parmap returns what
        is done; the other tasks have failures of kind "stopped". Default: no limit. Running tasks may go on for a tenth
        of this time, at most 30 s. Then multi kills them, async cancels them, and threads raises TaskNotRun in them at
        their next bytecode; serial waits for its task.
    deadline
        "slurm": the deadline is the end of the Slurm job that this process belongs to, less 90 s for running tasks and
        for what follows the map. Without a Slurm job there is no deadline.
    n_worker
        The largest number of workers; there are never more workers than tasks. Default: the number of usable cores
        (CPU affinity and cgroup quota), but 1 inside a task of multi. For threads the default is at least 5. For async
        it is the number of tasks that run at once; default: 64. serial always uses one. n_simul is another name for it.
    on_error
        What happens when tasks fail:

        - None (default): the result of a failed task is None. One ParmapWarning gives the number of failures and shows
          the first one.
        - a callable: on_error(func, task, exc) is called for each failed task, in input order, in this thread, after
          the last task. task has the task's inputs, a tuple or with grid a dict, exc is its exception. The return value
          becomes the task's result, and there is no warning. If on_error raises, parmap raises that exception.
        - "raise": the map stops at the first failure and raises the exception of that task, with the results so far
          as its attribute ``results``.

        serial always raises the first exception, unchanged.
    reporter
        How progress is shown:

        - None (default): a tqdm bar if the map lasts longer than half a second and stderr is a terminal, or in a
          notebook. Nothing is shown for a map inside a task.
        - "bar": a bar from the start. "text": a line every 10 s and one at the end. "silent" or "none": nothing.
        - a class like tqdm.tqdm, or a functools.partial of one with more arguments:
          functools.partial(tqdm, colour="green").
        - a callable(i, n): called in this thread at most every 0.1 s, and at the end. n is the number of tasks, and
          i + 1 of them have ended. If it raises, the map ends and parmap raises that exception.
    label
        A text that is shown before the bar, or before each line of "text".
    trace
        The path of a file that shows which worker ran which task, when, with inputs, failures and repeated attempts, in Chrome's
        format: open it in ui.perfetto.dev, or make a page of it by ``python -m parmap report FILE``. With .gz at its end it is
        compressed when the map has ended. Short or many tasks share a slice: there are at most 10**6. While the map runs, the
        file FILE.status says once a second how far it is: ``python -m parmap watch FILE``. It implies times. Default: no trace;
        but if the environment variable PARMAP_TRACE names a folder, each map of the program has a trace there, except inside
        tasks. False: none in any case.
    times
        Whether to measure how long each task takes. ``results.summary()`` then tells how busy the workers were, and the
        five slowest tasks. It costs two looks at the clock for each task. Default: False.
    retries
        How often a failed task is tried again. Default: 0. Each attempt has the whole timeout_sec.
    retry_delay_sec
        How many seconds a failed task waits before it is tried again; other tasks run meanwhile. The time doubles with each
        attempt, and is multiplied by a random factor from 0.75 to 1.25, which depends on seed, task and attempt alone; at
        most a day. Default: 0. serial sleeps in between.
    retry_if
        A callable(failure): whether this task is to be tried again. It is called in this process, by one thread at a time,
        for each attempt that has failed, except the last one. Default: every failure is tried again. If it raises, the map
        ends and parmap raises that exception::

            parmap(solve, xs, retries=2, timeout_sec=60, retry_if=lambda failure: failure.kind == "timed_out")
    seed
        Seed of parmap.rng(), 0 <= seed < 2**64. Default: a random one. ``results.seed`` gives it in both cases.
    memory_limit
        The most memory that a worker of multi may add to what it inherits: a number of bytes, or a text such as "1GB"
        (1000**3 bytes) or "512MiB". Default: no limit. A task that needs more fails with MemoryError. serial does not
        enforce it; threads and async refuse it with a ValueError.
    init
        A callable without arguments. It is called once in each worker before its first task; under async once for the
        whole map, and there it may be async. Tasks find its return value, such as a connection, in
        parmap.context().state. If it returns a context manager, parmap enters it before the worker's first task and
        leaves it after the last one; the state is then what ``with ... as`` gives. If init raises, each task of that
        worker fails with that exception.
    finish
        The counterpart of init: a callable without arguments. It is called once in each worker after its last task, but
        not if init raised there or the worker was killed. An exception that it raises is printed on stderr under multi,
        is a ParmapWarning under threads, and is raised by parmap under async and serial.

        A worker of multi then ends as a Python process does: it waits for threads that its tasks have started, runs
        their atexit handlers and empties multiprocessing's queues. If that takes longer than 10 s (or timeout_sec, if
        that is more), the worker is killed, and a ParmapWarning says what it was doing.
    max_failures
        Start no further task after this number of failures. Running tasks end; those that were never started have
        failures of kind "stopped". Default: no limit. serial raises the first exception anyway.
    stop
        A threading.Event, or any object with is_set(). Once it is set, parmap notices within 0.1 s and starts no
        further task. Running tasks end; those that were never started have failures of kind "stopped".
    max_tasks
        Replace a worker of multi after this number of tasks, like maxtasksperchild of multiprocessing.Pool: for tasks
        that leak memory. Default: never. threads and async refuse it with a ValueError.
    start
        How multi starts its workers:

        - "fork" (default): a worker inherits all memory of this process, but not its threads.
        - "spawn": a worker is a fresh interpreter, for libraries that do not survive a fork (OpenMP of gcc before 9,
          CUDA). func, its iterables, fargs, init and finish are pickled once, by cloudpickle, which must be installed.
          A worker takes as long to start as Python and the modules that these import.
    checkpoint
        The name of a file that keeps the outcomes, or a parmap.checkpoint with more options. The same call, made again, runs only
        what is missing, and returns the whole; ``results.stored`` has the tasks that were there. Axes may grow, shrink and change
        their order. What a crash loses is at most the last 0.1 s::

            parmap(simulate, grid=dict(mu=mus, x0=x0s), checkpoint="sweep.db")

        If the file has the results of something else (another func, other fargs, another seed, ...), this is a ValueError, and
        nothing runs. Under multi, retry_if is then called in the process that watches the workers, as in a stream.
    part
        Run one part of the tasks, for a program that runs as several jobs: ``(3, 16)`` those whose index is 3 modulo 16. "slurm": the
        part of this job of a Slurm job array (``sbatch --array=0-15``). Default: all tasks::

            parmap(simulate, grid=dict(mu=mus, x0=x0s), part="slurm", checkpoint="sweep.db")

        The tasks of the other parts are neither results nor failures: the list has parmap.OTHER_PART in their places,
        ``results.here`` the indices of this part. Indices, inputs and random numbers are those of the whole map, so all parts together are
        bit for bit what one call gives. The default of seed is then 0, as the parts must have the same. With a checkpoint each part has a
        file of its own, such as sweep.part03.db; ``parmap.load("sweep.part*.db")`` reads them together. retry_if is called where it is
        with a checkpoint.

    Returns
    -------
    Results
        A list in input order, with None in place of each failed task (and OTHER_PART for those of other parts), and with the attributes ``failures`` (a list of
        Failure: index, task, kind, exception, traceback, attempts), ``seed``, ``ok``, ``tasks`` and ``stored``. to_frame() makes a table
        of them, to_xarray() an array with the inputs as coordinates, and sel() selects tasks by their inputs.

        The exception of a Failure is the one that the task raised; under multi its __cause__ shows the worker's
        traceback. In other cases it is RemoteError (that exception cannot be pickled), TaskTimeout, WorkerDied (the
        task crashed or exited; signal, status), MemoryError, UnpicklableResult or TaskNotRun (the map was stopped).

        Under multi only the return value of func comes back. What a task writes to variables stays in its worker.

    Raises
    ------
    TypeError
        An argument of a wrong type, before any task starts. This includes an async func or init with another engine
        than async, any other func with async, an option that does not exist, and a grid with a name that func has not.
    ValueError
        An argument with a wrong value, or an option that the engine does not support, before any task starts.
    RuntimeError
        engine="async" where an event loop is running; part="slurm" outside a job array; or the workers die before they begin a task.
    ImportError
        start="spawn" without cloudpickle.
    OSError
        No worker could be started.
    StoreFailed
        The file of a checkpoint cannot be used or written. Its attribute ``results`` holds what is done.
    KeyboardInterrupt
        After Ctrl-C, within 0.3 s. Its attribute ``results`` holds what is done; the other tasks are "stopped".

    Notes
    -----
    Several threads may call parmap at the same time, and a task may call it. Under threads, func is called by several
    threads at the same time.

    A map of multi takes about 1 ms to start its workers, or 10 ms in a large program. A task costs less than 1 µs
    besides func, if its result is small. The memory in use is that of the iterables and the results.
    """
    if unknown:
        raise unknown_argument("parmap", unknown)
    asked, shown = ask(
        reporter, label, func=func, args=args, grid=grid, where=where, fargs=fargs, engine=engine, timeout_sec=timeout_sec, deadline_sec=deadline_sec,
        deadline=deadline, n_worker=n_worker,
        n_simul=n_simul, on_error=on_error, retries=retries, retry_delay_sec=retry_delay_sec,
        retry_if=retry_if, seed=seed, memory_limit=memory_limit, init=init, finish=finish, max_failures=max_failures,
        stop=stop, max_tasks=max_tasks, start=start, times=times, trace=trace, checkpoint=checkpoint, part=part,
    )  # fmt: skip
    try:
        try:
            if not asked.may_skip:
                _run_and_collect(asked)
            else:
                from ._stored_map import StoredMap  # imports sqlite3

                with _trace.recorded(asked):
                    StoredMap(asked, shown).run()
        finally:
            shown.close()
        assert asked.results is not None
        for end in asked.ends:
            warnings.warn(end_in_words(end), _errors.ParmapWarning, stacklevel=2)
        if asked.results.failures:
            answer(asked.results, asked.given, asked.on_error)
        elif asked.engine in ("multi", "pool", "cluster") and len(asked.results) > 1:
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
    grid: Any = None,
    where: Callable[..., Any] | None = None,
    fargs: dict[str, Any] | None = None,
    timeout_sec: float | None = None,
    deadline_sec: float | None = None,
    deadline: str | None = None,
    n_worker: int | None = None,
    on_error: Callable[[Callable[..., Any], Any, BaseException], Any] | str | None = None,
    reporter: Any = None,
    label: str | None = None,
    times: bool = False,
    trace: Any = None,
    retries: int = 0,
    retry_delay_sec: float = 0,
    retry_if: Callable[[Failure], Any] | None = None,
    seed: int | None = None,
    memory_limit: int | str | None = None,
    init: Callable[[], Any] | None = None,
    finish: Callable[[], Any] | None = None,
    max_failures: int | None = None,
    stop: Any = None,
    checkpoint: Any = None,
    part: Any = None,
    n_simul: int | None = None,
    **unknown: NoReturn,
) -> Results:
    """Call an async func as parmap(..., engine="async") does, on the event loop that is running::

        pages = await parmap_async(download, urls, n_worker=100, timeout_sec=5)

    Use it in a notebook, in an async function or in a task of asyncio. Other tasks of the loop run meanwhile.

    Its options are those of parmap(), without engine, max_tasks and start. memory_limit is a ValueError.

    Arguments
    ---------
    func
        An async function.
    *args, grid, where
        As for parmap().
    n_worker
        How many tasks run at once. Default: 64.

    Returns
    -------
    Results
        As parmap() does.

    Raises
    ------
    TypeError
        An argument of a wrong type, before any task starts; also if func is not async.
    ValueError
        An argument with a wrong value, before any task starts.
    asyncio.CancelledError
        The call was cancelled. It has cancelled its tasks, and given them 0.1 s to end.

    Notes
    -----
    Several calls may run at the same time, on one loop or in several threads with a loop each.
    """
    if unknown:
        raise unknown_argument("parmap_async", unknown)
    asked, shown = ask(
        reporter, label, func=func, args=args, grid=grid, where=where, fargs=fargs, engine="async", timeout_sec=timeout_sec, deadline_sec=deadline_sec,
        deadline=deadline, n_worker=n_worker,
        n_simul=n_simul, on_error=on_error, retries=retries, retry_delay_sec=retry_delay_sec,
        retry_if=retry_if, seed=seed, memory_limit=memory_limit, init=init, finish=finish,
        max_failures=max_failures, stop=stop, times=times, trace=trace, checkpoint=checkpoint, part=part,
    )  # fmt: skip
    from . import _async

    try:
        with _trace.recorded(asked):
            if not asked.may_skip:
                await _async.run_here(asked)
                asked.results = collect(asked)
            else:
                from ._stored_map import StoredMap

                await StoredMap(asked, shown).run_async()
    finally:
        shown.close()
    results = asked.results
    assert results is not None
    if asked.interrupt is not None:
        _errors.set_attribute(asked.interrupt, "results", results)
        raise asked.interrupt
    if results.failures:
        answer(results, asked.given, asked.on_error)
    return results


def ask(reporter: Any, label: Any, **options: Any) -> tuple[Request, Reporter]:
    options = overridden({"reporter": reporter, "label": label, **options})
    reporter, label = options.pop("reporter"), options.pop("label")
    asked = check(**options)
    asked.is_quiet = reporter in ("silent", "none") if isinstance(reporter, str) else False
    if label is not None and not isinstance(label, str):
        raise TypeError(f"parmap: label must be a string, but is {label!r:.100}")
    shown = make_reporter(reporter, label, nested=_task.in_task())
    record = functools.partial(_trace.start, asked, label, reporter in ("silent", "none"), bool(options.get("streams")))
    if not asked.may_skip:
        record()
    else:  # once it is known which tasks run; its status file is for who has the checkpoint
        asked.record = record
        asked.times = asked.times or _trace.is_traced(asked.trace)
    asked.report = None if type(shown) is Reporter else shown.show
    asked.show_places = shown.show_places
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
            if asked.recording is not None:
                asked.recording.finish()
                asked.results._trace = asked.recording.path
        if asked.interrupt is not None:
            raise asked.interrupt
    except BaseException as error:
        if asked.recording is not None:
            asked.recording.abandon()
        if asked.results is not None:
            _errors.set_attribute(error, "results", asked.results)
        raise


def _run(asked: Request) -> None:
    if asked.retries and asked.engine != "async":
        set_retry_if(asked)
    if asked.engine == "async":
        from . import _async  # imports asyncio, which takes longer than importing parmap

        return _async.run(asked)
    if asked.engine == "serial":
        task = _task.Running(-1, 1, 0, asked.seed, None)
        with _task.of_the_extension(task):
            return _parmap.run_serial(asked, task)
    if asked.engine == "cluster":
        from ._cluster_map import run as run_on_cluster

        return run_on_cluster(asked)
    with _task.of_the_extension():
        if asked.engine == "threads":
            if sys.is_finalizing():  # no other thread can get the GIL now
                raise RuntimeError("parmap: the engine threads cannot start while Python shuts down; use serial")
            return _parmap.run_threads(asked, **for_threads(asked), stack=threading.stack_size())
        if asked.engine == "pool":
            return run_on_pool(asked)
        return _run_multi(asked)


def _run_multi(asked: Request) -> None:
    program = None
    birth = _worker.Birth(asked.hazards)
    if asked.start == "spawn":
        program = Program(asked)
    else:
        prepare_forks(asked, stacklevel=6)  # parmap's caller
        if asked.hazards:
            asked.report = _fork_hazards.StallWatch(asked.hazards, asked.report).show
    try:
        _parmap.run_multi(asked, **for_processes(birth), pending=PENDING, program=program)
    except RuntimeError as error:
        if program is not None:
            _errors.add_note(error, f"parmap: start='spawn' starts its workers with {sys.executable}")
        raise
    finally:
        if program is not None:
            program.close()


def for_threads(asked: Request) -> dict[str, Any]:
    """What the extension calls in the threads of a map or stream."""
    return dict(
        raised=asked.raised,
        late=_errors.TaskTimeout,
        stopped=_errors.TaskNotRun,
        begin=_thread_worker.begin,
        end=_thread_worker.end if _thread_worker.hooks_are_set() else None,
        begin_task=_thread_worker.state_of_the_caller(),
    )


def for_processes(birth: _worker.Birth) -> dict[str, Any]:
    """What the extension calls around the forks of workers, and in these."""
    return dict(
        begin=birth.begin,
        finish=_worker.finish,
        before_fork=birth.before_fork,
        flush=_streams.flush,
        dumps=pickle.dumps,
        otherwise=_errors.pickled_otherwise,
        loads=pickle.loads,
        scalar_types=numpy_scalars(),
    )


def prepare_forks(asked: Request, stacklevel: int) -> None:
    asked.hazards += _fork_hazards.find()
    _fork_hazards.warn(asked.hazards, stacklevel)
    if not asked.hazards:
        asked.hazards += _fork_hazards.locks_of_other_threads()
    _thread_pools.find_thread_pools()
