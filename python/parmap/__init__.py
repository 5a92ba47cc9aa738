# SPDX-License-Identifier: MIT
"""A parallel map, MATLAB's parfor for Python: one call turns a loop of independent iterations into parallel work::

    from parmap import parmap

    squares = parmap(lambda x: x * x, range(10))

See help(parmap.parmap). Where an event loop is running, use parmap_async(). Inside a task, use rng() and context().
zip() makes one axis of iterables that are walked together.
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
