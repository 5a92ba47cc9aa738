# SPDX-License-Identifier: MIT
"""A parallel map, MATLAB's parfor for Python: one call turns a loop of independent iterations into parallel work.

    from parmap import parmap

    r = parmap(f, xs)                            [f(x) for x in xs], on all cores, in processes
    r = parmap(f, xs, ys)                        every combination, the last iterable fastest
    r = parmap(f, parmap.zip(xs, ys))            walked together (import parmap for zip)
    r = parmap(f, xs, fargs=dict(n=3))           f(x, n=3)
    r = parmap(f, urls, engine="threads")        or "async" for an async f, "serial" for a plain loop

    r            a list in input order, with None where a task failed: it raised, crashed, exited or took too long
    r.failures   why: index, task, kind, exception, traceback, attempts;  r.ok, r.raise_for_failures()

    on_error="raise"      stop at the first failure, and raise it;  or on_error(func, task, exc), whose value takes its place
    timeout_sec=5         of each task;  retries=2;  memory_limit="1GB"
    n_worker=4            default: the usable cores
    reporter="text"       or "bar", "silent", tqdm, f(i, n);  label="sweep" stands before it
    seed=42               inside a task parmap.rng() is its own generator of random numbers, parmap.context() its number
    init=connect          once in each worker: parmap.context().state is what it returns;  finish=...
    stop=event            or max_failures=10: begin no further task;  max_tasks=100: renew workers
    start="spawn"         fresh interpreters, for libraries that do not survive a fork

    await parmap.parmap_async(f, xs)             where an event loop is running, as in a notebook
    parmap.maplike(f, xs), parmap.starmap(f, pairs)     like the built-in map and itertools.starmap
    with parmap.override(engine="serial"): ...   for every map within: debuggers, tests

help(parmap.parmap) has all of it in detail; `python -m parmap` prints the version and the cores.
"""

import importlib as _importlib
import sys as _sys
import types as _types
import typing as _typing

if not _sys.platform.startswith("linux"):
    raise ImportError("parmap needs Linux, but this is " + _sys.platform)


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
    raise ImportError("parmap works in the main interpreter only, and this is a sub-interpreter (as of mod_wsgi)")

from ._axes import zip
from ._errors import ParmapWarning, RemoteError, TaskNotRun, TaskTimeout, UnpicklableResult, WorkerDied
from ._like_builtins import maplike, starmap
from ._map import parmap, parmap_async
from ._override import override
from ._parmap import __version__
from ._arguments import ENGINES
from ._results import Failure, Results
from ._task import Context, context, rng


class _Module(_types.ModuleType):
    """Explains the mistake when a program calls the module after `import parmap` instead of the function in it."""

    def __call__(self, *_: object, **__: object) -> _typing.NoReturn:
        raise TypeError("parmap is the module here; the function is in it: from parmap import parmap")

    def __reduce__(self) -> tuple[_typing.Any, ...]:  # cloudpickle recognises modules by their exact type
        return _importlib.import_module, (self.__name__,)


_sys.modules[__name__].__class__ = _Module
for _each in (Context, Failure, ParmapWarning, RemoteError, Results, TaskNotRun, TaskTimeout, UnpicklableResult, WorkerDied, zip):
    _each.__module__ = __name__  # where users find it; tracebacks show that name

__all__ = [
    "ENGINES",
    "Context",
    "Failure",
    "ParmapWarning",
    "RemoteError",
    "Results",
    "TaskNotRun",
    "TaskTimeout",
    "UnpicklableResult",
    "WorkerDied",
    "context",
    "maplike",
    "override",
    "parmap",
    "parmap_async",
    "rng",
    "starmap",
    "zip",
]
