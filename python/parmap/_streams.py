# SPDX-License-Identifier: MIT
"""Output around a fork: nothing that was printed comes out twice or is lost, and no lock of a stream stays held."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, NamedTuple

from ._loaded import loaded
from ._interrupt import raised_by_handler

_kept: list[Any] = []  # streams of the caller that must not be freed here


class _Stream(NamedTuple):
    """A stream to a plain file, and how to make another one to the same descriptor."""

    it: Any
    owner: Any  #: sys, or a handler of logging
    name: str  #: the owner's attribute
    descriptor: int
    buffered: bool
    options: dict[str, Any]


def flush() -> list[io.BufferedWriter]:
    """Flushes stdout and stderr, because buffered text would come out twice after a fork, or not at all at a worker's end.
    Returns the buffers below them."""
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


class Inherited:
    """The streams that the workers of one map inherit. Of one map, as without a GIL even a module's globals have a lock, which
    another thread that maps might hold at the fork."""

    def __init__(self) -> None:
        self.caller_had_other_threads = False
        self._plain: list[_Stream] = []  # what one of these may have locked
        self._stdin: tuple[Any, Any] = (None, None)  # of the caller, and what a worker has instead

    def note(self) -> None:
        """In the caller, before a fork."""
        self.caller_had_other_threads = len(sys._current_frames()) > 1  # counts threads that the module threading does not know, too
        self._plain = _plain_streams() if self.caller_had_other_threads else []
        self._make_stdin()

    def renew(self) -> None:
        """In a worker: another thread of the caller that waited for the lock of such a buffer may have got it just before the
        fork, without the GIL. Here nothing would ever release it. So stdout, stderr and the files of logging's handlers get
        streams of their own to the same descriptors."""
        renewed: dict[int, Any] = {}
        for old in self._plain:
            if (new := renewed.get(id(old.it))) is None:
                if (new := _another(old)) is None:
                    continue
                renewed[id(old.it)] = new
                _kept.append(old.it)  # its destructor would wait for the lock, too
            setattr(old.owner, old.name, new)  # of a handler, not setStream(), which would flush the old one
            if old.owner is sys and getattr(sys, f"__{old.name}__") is old.it:
                setattr(sys, f"__{old.name}__", new)

    def _make_stdin(self) -> None:
        """Makes what replaces sys.stdin in a worker: in the caller, as that touches many pages, each of which a worker would
        have to copy first. Nothing reads from it here."""
        old = sys.stdin
        if old is self._stdin[0]:
            return
        self._stdin = old, None
        if type(old) is not io.TextIOWrapper:
            return
        try:
            if type(old.buffer) is io.BufferedReader and type(old.buffer.raw) is io.FileIO and old.fileno() == 0:
                file = io.FileIO(0, closefd=False)
                self._stdin = old, io.TextIOWrapper(io.BufferedReader(file, 1), encoding=old.encoding, errors=old.errors)
        except (OSError, ValueError) as error:  # it is closed or detached
            if raised_by_handler(error):
                raise

    def leave_stdin_to_the_caller(self) -> None:
        """In a worker, and so for the programs that tasks start: stdin is /dev/null, as in multiprocessing's processes. What
        the caller has not read stays for the caller, also what lies in the buffer. A terminal stays, for breakpoint()."""
        try:
            if os.isatty(0):
                return
            nothing = os.open(os.devnull, os.O_RDONLY)
            if nothing != 0:
                os.dup2(nothing, 0)
                os.close(nothing)
        except OSError:
            return  # it is closed
        self._make_stdin()  # unless the caller has
        old, new = self._stdin
        if new is None:
            return
        _kept.append(old)
        sys.stdin = new
        if sys.__stdin__ is old:
            sys.__stdin__ = new  # type: ignore[misc]


def _plain_streams() -> list[_Stream]:
    """stdout, stderr and the files of logging's handlers. Asked before the fork, as an answer may need the stream's lock."""
    found = [_stream(getattr(sys, name), sys, name, newline="\n") for name in ("stdout", "stderr")]
    logging = loaded("logging")
    for reference in list(getattr(logging, "_handlerList", ())):
        if (handler := reference()) is not None:  # a handler may compute its stream
            found.append(_stream(vars(handler).get("stream"), handler, "stream", newline=None))
    return [each for each in found if each is not None]


def _stream(it: Any, owner: Any, name: str, newline: str | None) -> _Stream | None:
    """None if that is not a plain file, or closed or detached."""
    if type(it) is not io.TextIOWrapper:
        return None
    try:
        below = it.buffer
        buffered = type(below) is io.BufferedWriter
        file = below.raw if buffered else below
        if type(file) is not io.FileIO:
            return None
        options = dict(
            encoding=it.encoding, errors=it.errors, newline=newline, line_buffering=it.line_buffering, write_through=it.write_through
        )  # fmt: skip
        return _Stream(it, owner, name, file.fileno(), buffered, options)
    except (OSError, ValueError) as error:
        if raised_by_handler(error):
            raise
        return None


def _another(old: _Stream) -> io.TextIOWrapper | None:
    """None if the file has been closed."""
    try:
        file = io.FileIO(old.descriptor, "w", closefd=False)
        return io.TextIOWrapper(io.BufferedWriter(file) if old.buffered else file, **old.options)
    except (OSError, ValueError):
        return None
