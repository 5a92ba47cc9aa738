# SPDX-License-Identifier: MIT
"""override(): options for every map inside a with statement; and the environment variable PARMAP_ENGINE."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ._unknown_name import unknown_argument

_options: ContextVar[dict[str, Any]] = ContextVar("parmap.override", default={})

#: What a map is, rather than how it runs.
_FIXED = ("func", "args", "fargs", "grid", "where", "checkpoint", "part")


@contextmanager
def override(**options: Any) -> Iterator[None]:
    """Give every map inside a with statement these options, in place of its own; also in libraries that call parmap::

        with parmap.override(engine="serial"):
            function_that_maps()      # a debugger now stops inside the tasks

    Arguments
    ---------
    **options
        Any option of parmap(), but not func, its iterables, fargs, grid, where, checkpoint or part.

    Raises
    ------
    TypeError
        parmap() has no such option, or it is one of those. The map itself raises if a value is wrong.

    Notes
    -----
    If overrides are nested, the innermost one counts. An override holds in this thread (and in this task of asyncio),
    in all functions that are called there, and in the tasks of their maps. It does not hold in other threads, nor in
    workers of start="spawn". Several threads may each have an override of their own.

    An override of engine does not concern maps of async, because only async can run async functions.

    The environment variable PARMAP_ENGINE names the engine of every map of a program, unless an override names one.
    """
    from ._map import parmap

    known = set(inspect.signature(parmap).parameters)
    for name in options:
        if name in _FIXED:
            raise TypeError(f"parmap.override() cannot replace {name}")
        if name not in known:
            raise unknown_argument("parmap.override", [name])
    token = _options.set({**_options.get(), **options})
    try:
        yield
    finally:
        _options.reset(token)


def overridden(given: dict[str, Any]) -> dict[str, Any]:
    """The options of a map, as they hold here."""
    options = dict(_options.get())
    if engine := os.environ.get("PARMAP_ENGINE"):
        options.setdefault("engine", engine)
    if not options:
        return given
    if given["engine"] in ("async", "asyncio"):
        options.pop("engine", None)
    if "n_worker" in options:
        given = {**given, "n_simul": None}
    return {**given, **{name: value for name, value in options.items() if name in given}}

