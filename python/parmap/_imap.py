# SPDX-License-Identifier: MIT
"""imap() and imap_unordered(): streams of bare values, with the signatures of multiprocessing.Pool's methods."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from ._stream import Stream, opened, stream
from ._unknown_name import unknown_argument

_DEFAULTS = {
    name: each.default
    for name, each in inspect.signature(stream).parameters.items()
    if each.kind is inspect.Parameter.KEYWORD_ONLY
}


def imap(func: Callable[..., Any], *args: Iterable[Any], buffersize: int | None = None, **options: Any) -> Stream:
    """Give the values of func in input order, one by one, while the rest still runs::

        for value in parmap.imap(f, xs):
            ...

    It is stream(..., ordered=True) that gives values instead of outcomes.

    Arguments
    ---------
    func, *args
        As for stream(), also grid and where. Several iterables are combined, as by parmap(); parmap.zip takes them in lockstep.
    buffersize
        Another name of window, as in Executor.map.
    **options
        Any option of stream() but ordered. on_error:

        - "raise" (default): the exception of a failed task is raised in place of its value, and the stream ends.
        - a callable: on_error(func, task, exc) gives the value.
        - None: failed tasks are left out. One ParmapWarning at the end, or by close(), tells of them.

    Returns
    -------
    Stream
        An iterator of values, with next(timeout), close() and summary(), and a context manager.

    Raises
    ------
    Exception
        The exception of the first task that fails. All other errors are those of stream().

    Notes
    -----
    One thread at a time may read it.
    """
    return _bare("imap", func, args, True, buffersize, options)


def imap_unordered(func: Callable[..., Any], *args: Iterable[Any], buffersize: int | None = None, **options: Any) -> Stream:
    """Give the values of func as the tasks end, in whatever order that is::

        for value in parmap.imap_unordered(f, xs):
            ...

    It is stream() that gives values instead of outcomes. If you need to know which task a value is of, use stream().

    Arguments
    ---------
    func, *args, buffersize, **options
        As for imap().

    Returns
    -------
    Stream
        As imap() does.

    Raises
    ------
    Exception
        As imap() does.

    Notes
    -----
    One thread at a time may read it.
    """
    return _bare("imap_unordered", func, args, False, buffersize, options)


def _bare(
    name: str, func: Callable[..., Any], args: tuple[Any, ...], ordered: bool, buffersize: Any, options: dict[str, Any]
) -> Stream:
    if unknown := [each for each in options if each not in _DEFAULTS or each == "ordered"]:
        raise unknown_argument(f"parmap.{name}", unknown)
    if buffersize is not None:
        if options.get("window"):
            raise TypeError(f"parmap.{name}: buffersize is another name for window; give only one of them")
        options["window"] = buffersize
    return opened(name, True, 2, **{**_DEFAULTS, "on_error": "raise", **options, "func": func, "args": args, "ordered": ordered})
