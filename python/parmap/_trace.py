# SPDX-License-Identifier: MIT
"""The option trace: which file, what a task's inputs are called in it, and how it ends."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

from . import _parmap, _task
from ._failures import inputs_text
from ._loaded import loaded

#: What a text is made of that takes no code of the user.
_PLAIN = {bool, bytes, complex, float, int, str, type(None)}

_MOST = 1000  # traces of a process that only the environment variable has asked for
_numbers = itertools.count()


def check(trace: Any) -> Any:
    """The path as text, False, or a Recording. Raises TypeError and ValueError."""
    if trace is None or trace is False or isinstance(trace, Recording):
        return trace
    try:
        if trace is True:
            raise TypeError
        path = os.fsdecode(trace)
    except TypeError:
        raise TypeError(f"parmap: trace must be a path, such as 'run.json', or False, but is {trace!r:.100}") from None
    if not path:
        raise ValueError("parmap: trace must be a path, such as 'run.json', but is empty")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise ValueError(f"parmap: trace must be a path in UTF-8, but is {path!r:.100}") from None
    return path


def _new_path(folder: str) -> str | None:
    """A new path in the folder, with the program's name, the pid and a number."""
    if _task.in_task():
        return None
    number = next(_numbers)
    if number >= _MOST:
        return None
    with contextlib.suppress(OSError):  # if it cannot be made, the file in it cannot, and that is said
        os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, f"{_program().removesuffix('.py')}-{os.getpid()}-{number}.json")


def _program() -> str:
    name = os.path.basename(sys.argv[0] if sys.argv else "")
    return "python" if name in ("", "-", "-c", "-m") else name


def start(asked: Any, label: str | None, silent: bool, streams: bool, status: tuple[str, ...] = ()) -> None:
    """Sets asked.recording, unless there is nothing to record. `status`: paths of status files, besides that of the trace."""
    if isinstance(asked.trace, Recording):  # of a fold, which has several maps
        asked.recorder = asked.trace.recorder
        return
    in_calls = asked.engine in ("serial", "async") or streams
    asked.recording = begin(asked.trace, asked.engine, label, asked.product, in_calls, silent, status)
    if asked.recording is not None:
        asked.recorder = asked.recording.recorder
        asked.times = asked.times or asked.recording.path is not None


@contextlib.contextmanager
def recorded(asked: Any) -> Iterator[None]:
    """Ends the recording of a map."""
    try:
        yield
    except BaseException:
        if asked.recording is not None:
            asked.recording.abandon()
        raise
    if asked.recording is not None:
        asked.recording.finish()
        if asked.results is not None:
            asked.results._trace = asked.recording.path


def is_traced(trace: str | bool | Recording | None) -> bool:
    return bool(trace) or (trace is None and bool(os.environ.get("PARMAP_TRACE")))


def begin(
    trace: str | bool | None, engine: str, label: str | None, product: Any, in_calls: bool, silent: bool, status: tuple[str, ...] = ()
) -> Recording | None:
    """`trace`: a path; None: as the environment says; False: no trace. `in_calls`: the engine tells with the GIL held."""
    path, option = trace or None, "trace"
    if trace is None and (folder := os.environ.get("PARMAP_TRACE")):
        path, option = _new_path(folder), f"PARMAP_TRACE={folder}"
    if path is None and not status:
        return None
    assert path is not True
    return Recording(path, option, engine, label or "", product, in_calls, silent, status)


class Recording:
    """The files of one map. Give it an end: finish(), or abandon() if an exception has ended the map."""

    def __init__(
        self, path: str | None, option: str, engine: str, label: str, product: Any, in_calls: bool, silent: bool, status: tuple[str, ...]
    ) -> None:
        self.path = None if path is None else os.path.abspath(path)
        self._packs = path is not None and path.endswith(".gz")
        self._written = "" if self.path is None else self.path + ".part" if self._packs else self.path
        self._process = os.getpid()
        self._ended = False
        tasks = None if product.first is not None else product.size
        beside = [os.path.abspath(each) for each in status]
        if self.path is not None and self.path + ".status" in beside:
            raise ValueError(f"parmap: trace and checkpoint name the same file, {path}: the trace would overwrite the checkpoint")
        try:
            self.recorder = _parmap.Recorder(
                self._written, beside, option, label, _program(), engine, tasks, 0, Texts(product), in_calls, silent
            )  # fmt: skip
        except RuntimeError as error:
            raise OSError(str(error)) from None

    def finish(self) -> None:
        """The map has ended."""
        self._end(self.recorder.finish)

    def abandon(self) -> None:
        """An exception has ended the map."""
        self._end(self.recorder.abandon)

    def _end(self, end: Any) -> None:
        if self._ended or os.getpid() != self._process:
            return
        self._ended = True
        end()
        if not self._packs:
            return
        assert self.path is not None
        try:
            with open(self._written, "rb") as source, gzip.open(self.path, "wb", compresslevel=6) as to:
                shutil.copyfileobj(source, to, 1 << 20)
            os.unlink(self._written)
            os.replace(self._written + ".status", self.path + ".status")
        except OSError as error:
            if sys.stderr is not None:
                print(f"parmap: trace: {self._written} could not be compressed to {self.path}: {error}", file=sys.stderr)


class Texts:
    """Called with the number of a task, it returns the text of its inputs; empty if that would take code of the user."""

    def __init__(self, product: Any) -> None:
        self._product = product

    def __call__(self, index: int) -> str:
        try:
            task = self._product.task(index)
            values = task.values() if isinstance(task, dict) else task
            return inputs_text(task)[:200] if all(map(_is_plain, values)) else ""
        except Exception:  # a lazy input that is gone
            return ""


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind in _PLAIN:
        return True
    if kind is tuple:
        return len(value) <= 8 and all(map(_is_plain, value))
    numpy = loaded("numpy")
    return numpy is not None and kind.__module__ == "numpy" and isinstance(value, (numpy.number, numpy.bool_))
