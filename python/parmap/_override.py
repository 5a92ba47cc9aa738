# SPDX-License-Identifier: MIT
"""override(): options for every map within, wherever it is called; and the environment variable PARMAP_ENGINE."""

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
_FIXED = ("func", "args", "fargs")


@contextmanager
def override(**options: Any) -> Iterator[None]:
    """Within this, every map has these options in place of its own, also in libraries that call parmap: for tests and
    debuggers::

        with parmap.override(engine="serial"):
            test_of_a_function_that_maps()

    options: any of parmap's but func, its iterables and fargs. The innermost override counts. Holds for this thread (and
    asyncio task) and for what it calls; under multi also for maps inside tasks. The environment variable PARMAP_ENGINE names
    the engine of every map of a program, unless an override does. An engine replaces no async one, whose functions only
    async can run.
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

