# SPDX-License-Identifier: MIT
"""Output around a fork: nothing that was printed comes out twice or is lost, and no lock of a stream stays held."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from ._interrupt import raised_by_handler

_other_threads = False  # whether the caller had other threads at the last fork
_streams_of_the_caller: list[Any] = []


def flush() -> list[io.BufferedWriter]:
    """Flushes stdout and stderr, because buffered text would come out twice after a fork, or not at all at a worker's end.
    Returns the buffers below them."""
    global _other_threads
    _other_threads = len(sys._current_frames()) > 1  # counts threads that the module threading does not know, too
    buffers = []
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
            if type(stream.buffer) is io.BufferedWriter:
                buffers.append(stream.buffer)
        except (AttributeError, OSError, ValueError) as error:  # it is None, full or closed: a fork makes that no worse
            if raised_by_handler(error):
                raise
    return buffers


def caller_had_other_threads() -> bool:
    return _other_threads


def renew() -> None:
    """In a worker: another thread of the caller that waited for the lock of such a buffer may have got it just before the
    fork, without the GIL. Here nothing would ever release it. So stdout, stderr and the files of logging's handlers get
    streams of their own to the same descriptors."""
    logging = sys.modules.get("logging")
    handlers = [handler for reference in list(getattr(logging, "_handlerList", ())) if (handler := reference()) is not None]
    renewed = {}
    for name in ("stdout", "stderr"):
        old = getattr(sys, name)
        if (new := _renewed(old, newline="\n")) is None:
            continue
        renewed[id(old)] = new
        setattr(sys, name, new)
        if getattr(sys, f"__{name}__") is old:
            setattr(sys, f"__{name}__", new)
    for handler in handlers:
        old = vars(handler).get("stream")  # a handler may compute it
        new = renewed.get(id(old)) or _renewed(old, newline=None)
        if new is not None:
            renewed[id(old)] = new
            handler.stream = new  # type: ignore[attr-defined]  # not setStream(), which would flush the old one


def _renewed(old: Any, newline: str | None) -> io.TextIOWrapper | None:
    """A new stream to the descriptor of the old one; None if that is not a plain file, or closed."""
    if type(old) is not io.TextIOWrapper or type(old.buffer) is not io.BufferedWriter or type(old.buffer.raw) is not io.FileIO:
        return None
    try:
        new = io.TextIOWrapper(
            io.BufferedWriter(io.FileIO(old.buffer.raw.fileno(), "w", closefd=False)),
            encoding=old.encoding, errors=old.errors, newline=newline, line_buffering=old.line_buffering, write_through=old.write_through,
        )  # fmt: skip
    except (OSError, ValueError):
        return None
    _streams_of_the_caller.append(old)  # never freed: its destructor would wait for the lock, too
    return new


def leave_stdin_to_the_caller() -> None:
    """In a worker, and so for the programs that tasks start: stdin is /dev/null, as in multiprocessing's processes. What
    the caller has not read stays for the caller. A terminal stays, for breakpoint()."""
    try:
        if os.isatty(0):
            return
        nothing = os.open(os.devnull, os.O_RDONLY)
        if nothing != 0:
            os.dup2(nothing, 0)
            os.close(nothing)
    except OSError:
        return  # it is closed
    old = sys.stdin
    if type(old) is not io.TextIOWrapper or type(old.buffer) is not io.BufferedReader or type(old.buffer.raw) is not io.FileIO:
        return
    try:
        if old.fileno() != 0:
            return
    except ValueError:
        return  # it is closed
    # What the caller has read into the buffer is the caller's, too.
    _streams_of_the_caller.append(old)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False), 1), encoding=old.encoding, errors=old.errors)
    if sys.__stdin__ is old:
        sys.__stdin__ = sys.stdin  # type: ignore[misc]
