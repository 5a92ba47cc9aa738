# SPDX-License-Identifier: MIT
"""A parallel map for Python, like MATLAB's parfor: one call runs the independent iterations of a loop on all cores.

If a task raises, crashes, exits or takes too long, you lose only that task: all other results come back, in order::

    import parmap
    from parmap import parmap as pmap

    r = pmap(f, xs)                        [f(x) for x in xs], on all cores, in worker processes
    r = pmap(f, xs, ys)                    every combination, the last iterable fastest;  pmap(f, parmap.zip(xs, ys)): in lockstep
    r = pmap(f, xs, fargs=dict(n=3))       f(x, n=3)
    r = pmap(f, grid=dict(mu=a, x0=b))     f(mu=a[0], x0=b[0]), ...; also grid=parmap.zip(mu=a, x0=b), or a data frame; where=g: holes
    r = pmap(f, urls, engine="threads")    parmap.ENGINES also has "async" for an async f, and "serial", a plain loop;  a Dask client, "mpi": clusters

    r, r.to_frame(), r.to_xarray()         a list in input order, with None in place of each failed task; the same as a table, or an array
    r.failures, r.summary(), r.ok          each failure: index, task, kind, exception, traceback, attempts; the counts; True if none

Options::

    on_error="raise"       stop at the first failure and raise it; or a function(func, task, exc) that gives the result
    timeout_sec=5          time limit of each task;  deadline_sec=60: of the map;  deadline="slurm": the end of the job
    retries=2              try a failed task again, at most twice;  retry_delay_sec=1: after a while;  retry_if=f: if f(failure)
    n_worker=4             number of workers; default: the usable cores;  memory_limit="1GB": the most memory that each may add
    reporter="text"        progress: also "bar", "silent", tqdm or a function(i, n);  label="sweep": the text before it
    trace="run.json"       who ran what, when: `python -m parmap report run.json`, ui.perfetto.dev; meanwhile `python -m parmap watch run.json`
    seed=42                seed of parmap.rng(), the task's random generator;  checkpoint="x.db": a file, so that a later call runs what is missing
    init=connect           called once in each worker, gives parmap.context().state;  finish=close: called at the end
    stop=event             start no further task once the event is set;  max_failures=10: after 10 failures;  times=True: r.summary() tells how busy the workers were
    part=(3, 16)           run part 3 of 16 only;  part="slurm": the part of this job of an array;  max_tasks=100: replace a worker after 100 tasks;  start="spawn": workers are fresh interpreters, for libraries that do not survive a fork

Other functions::

    for outcome in parmap.stream(f, xs): ...           outcomes as the tasks end; also imap, imap_unordered and, for `async for`, astream
    await parmap.parmap_async(f, xs)                   where an event loop is running, as in a notebook
    parmap.map_reduce(f, operator.add, xs, initial=0)  the sum of f(x) for all x;  parmap.fold: histograms and the like
    parmap.maplike(f, xs), parmap.starmap(f, pairs)    like the built-in map and itertools.starmap
    with parmap.Executor() as pool: ...                workers that stay: pool.submit(f, x), and engine=pool for many small maps
    with parmap.override(engine="serial"): ...         for every map inside: for debuggers and tests

help(parmap.parmap) gives the details; `python -m parmap` prints the version and the number of usable cores."""

import importlib as _importlib
import os as _os
import sys as _sys
import types as _types
import typing as _typing
import warnings as _warnings

def _in_main_interpreter() -> bool:
    import _thread

    check = getattr(_thread, "_is_main_interpreter", None)  # since Python 3.12
    if check is not None:
        return bool(check())
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        return True
    return bool(interpreters.get_current() == interpreters.get_main())


if not _in_main_interpreter():
    raise ImportError("parmap works in the main interpreter only, and this is a sub-interpreter (mod_wsgi uses them)")

def _why_pure() -> str | None:
    """Why the pure form (implementation.py) runs in place of the compiled core; None if it does not."""
    if _os.environ.get("PARMAP_PURE", "0") not in ("", "0"):
        return f"PARMAP_PURE={_os.environ['PARMAP_PURE']} asks for it"
    try:
        _importlib.import_module("._parmap", __name__)
    except ImportError as error:
        return f"the compiled core cannot be imported: {error}"
    return None


_pure = _why_pure()

if _pure is not None:
    from .implementation import *  # noqa: F403
    from .implementation import __all__, __version__
    from . import implementation as _implementation

    # Its workers by spawn import this, too: their caller has said it.
    _worker_begins = hasattr(_implementation.multiprocessing.current_process(), "_inheriting")
    if _sys.platform.startswith("linux") and "PARMAP_PURE" not in _os.environ and not _worker_begins:
        _warnings.warn(
            f"parmap: {_pure}. So its pure form runs, which is slower and lacks some options (python -m parmap tells; PARMAP_PURE=1 asks for "
            "it without this warning). To have the core, install parmap-cpp again with this Python",
            ParmapWarning,  # noqa: F405
            stacklevel=2,
        )
else:
    from ._astream import AsyncStream, astream
    from ._axes import axis, zip
    from ._checkpoint import checkpoint
    from ._errors import ParmapWarning, RemoteError, StoreFailed, TaskNotRun, TaskTimeout, UnpicklableResult, WorkerDied
    from ._like_builtins import maplike, starmap
    from ._map import parmap, parmap_async
    from ._override import override
    from ._part import OTHER_PART
    from ._parmap import __version__
    from ._arguments import ENGINES
    from ._failures import Failure, FailureCause, Failures
    from ._imap import imap, imap_unordered
    from ._outcome_type import Outcome
    from ._reduction import Reduction, fold, map_reduce
    from ._results import Results
    from ._stream import Stream, stream
    from ._summary import Summary
    from ._task import Context, context, rng
    from ._times import TaskTime
    from ._unknown_name import unknown_attribute as _unknown_attribute


class _Module(_types.ModuleType):
    """Explains the mistake when a program calls the module after `import parmap` instead of the function in it."""

    def __call__(self, *_: object, **__: object) -> _typing.NoReturn:
        raise TypeError("parmap is the module here; the function is in it: from parmap import parmap")

    def __getattr__(self, name: str) -> _typing.Any:
        if _pure is not None:
            return getattr(_implementation, name)  # which says what it lacks
        if name in ("BrokenPool", "Executor", "Future"):  # they import concurrent.futures, which takes longer than all else here
            from . import _executor

            for each in (_executor.BrokenPool, _executor.Executor, _executor.Future):
                each.__module__ = self.__name__
                setattr(self, each.__name__, each)
            return getattr(_executor, name)
        if name == "watch":
            from ._watch import watch

            watch.__module__ = self.__name__
            setattr(self, name, watch)
            return watch
        if name in ("Stored", "StoredRow", "load"):  # they import sqlite3
            from . import _load

            for part in (_load.Stored, _load.StoredRow, _load.load):
                part.__module__ = self.__name__
                setattr(self, part.__name__, part)
            return getattr(_load, name)
        if name == "DaskEngine":
            from ._dask_engine import DaskEngine

            DaskEngine.__module__ = self.__name__
            return DaskEngine
        if name == "MpiEngine":
            from ._mpi_engine import MpiEngine

            MpiEngine.__module__ = self.__name__
            return MpiEngine
        if name == "joblib":
            return _importlib.import_module("parmap.joblib")
        raise _unknown_attribute(name)

    def __reduce__(self) -> tuple[_typing.Any, ...]:  # cloudpickle recognises modules by their exact type
        return _importlib.import_module, (self.__name__,)


_sys.modules[__name__].__class__ = _Module
if _pure is not None:
    for _each in map(_implementation.__dict__.get, __all__):
        if isinstance(_each, type):
            _each.__module__ = __name__
else:
    for _each in (
        AsyncStream, Context, Failure, FailureCause, Failures, Outcome, ParmapWarning, Reduction, RemoteError, Results, StoreFailed,
        Stream, Summary, TaskNotRun, TaskTime, TaskTimeout, UnpicklableResult, WorkerDied, axis, checkpoint, zip,
    ):  # fmt: skip
        _each.__module__ = __name__  # where users find it; tracebacks show that name

    __all__ = [
        "ENGINES",
        "AsyncStream",
        "BrokenPool",
        "Context",
        "DaskEngine",
        "Executor",
        "Failure",
        "FailureCause",
        "Failures",
        "Future",
        "MpiEngine",
        "OTHER_PART",
        "Outcome",
        "ParmapWarning",
        "Reduction",
        "RemoteError",
        "Results",
        "StoreFailed",
        "Stored",
        "StoredRow",
        "Stream",
        "Summary",
        "TaskNotRun",
        "TaskTime",
        "TaskTimeout",
        "UnpicklableResult",
        "WorkerDied",
        "astream",
        "axis",
        "checkpoint",
        "context",
        "fold",
        "imap",
        "imap_unordered",
        "load",
        "map_reduce",
        "maplike",
        "override",
        "parmap",
        "parmap_async",
        "rng",
        "starmap",
        "stream",
        "watch",
        "zip",
    ]
