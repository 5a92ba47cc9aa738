# SPDX-License-Identifier: MIT
"""A parallel map, MATLAB's parfor for Python: one call turns a loop of independent iterations into parallel work.

    from parmap import parmap

    squares = parmap(lambda x: x * x, range(10))

See help(parmap.parmap); where an event loop is running: parmap_async(). What a task may ask: rng(), context(). Axes
that are walked together: zip().
"""

import sys as _sys

if not _sys.platform.startswith("linux"):
    raise ImportError("parmap needs Linux, but this is " + _sys.platform)

from ._axes import zip
from ._errors import ParmapWarning, RemoteError, TaskNotRun, TaskTimeout, UnpicklableResult, WorkerDied
from ._map import parmap, parmap_async
from ._parmap import __version__
from ._request import ENGINES
from ._results import Failure, Results
from ._task import Context, context, rng

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
    "parmap",
    "parmap_async",
    "rng",
    "zip",
]
