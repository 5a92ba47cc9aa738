# SPDX-License-Identifier: MIT
"""Reporters, which show how far a map is: tqdm's bar, lines of text, or the user's own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from ._unknown_name import UnknownName

#: The reporters that have a name.
REPORTERS = ("bar", "text", "silent", "none")

_told: set[str] = set()  # what tell_once has printed in this process


def _tqdm() -> Any:
    """Returns the class tqdm. Imported when there is something to show, because that takes longer than importing
    parmap."""
    from tqdm import tqdm

    return tqdm


def _make_tqdm(**options: Any) -> Any:
    return _tqdm()(**options)


class Reporter:
    """Shows nothing. show() is called by the thread that called parmap, about ten times a second and at the end."""

    def show(self, done: int, total: int) -> None:
        pass

    def tell_once(self, line: str) -> None:
        """Prints a line before anything starts: only if this reporter writes to stderr, and once in a process."""

    def close(self) -> None:
        pass


class _OnStderr(Reporter):
    """A reporter of parmap's own on stderr. A class or function of the user may draw anywhere, so it prints no lines
    there."""

    def tell_once(self, line: str) -> None:
        if line not in _told and sys.stderr is not None:  # print takes None for stdout
            _told.add(line)
            print(line, file=sys.stderr, flush=True)


class _Bar(Reporter):
    """Any class with tqdm's constructor. The bar is made when there is something to show."""

    def __init__(self, kind: Callable[..., Any], **options: Any) -> None:
        self._kind = kind
        self._options = options
        self._bar: Any = None

    def show(self, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = self._kind(total=total, **self._options)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class _OwnBar(_OnStderr, _Bar):
    """tqdm's bar, made by parmap."""


class _PatientBar(_OwnBar):
    """A bar that appears after half a second."""

    def __init__(self, kind: Callable[..., Any]) -> None:
        super().__init__(kind)
        self._begun = time.monotonic()

    def show(self, done: int, total: int) -> None:
        if self._bar is None:
            if time.monotonic() - self._begun < 0.5:
                return
            self._bar = self._kind(total=total)
            self._bar.start_t -= time.monotonic() - self._begun  # so that the rate is that of the whole map
        self._bar.update(done - self._bar.n)


class _Text(_OnStderr):
    """A plain line every 10 seconds, and one at the end."""

    def __init__(self) -> None:
        self._begun = self._last = time.monotonic()
        self._ended = False

    def show(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._ended or (done < total and now - self._last < 10):
            return
        self._last = now
        self._ended = done == total
        if sys.stderr is not None:  # print takes None for stdout
            print(_tqdm().format_meter(done, total, now - self._begun, ncols=0), file=sys.stderr, flush=True)


class _Call(Reporter):
    """callable(i, n): i is the number of the latest task to end, counted from 0 in that order; n is the number of tasks."""

    def __init__(self, call: Callable[[int, int], Any]) -> None:
        self._call = call
        self._done = 0

    def show(self, done: int, total: int) -> None:
        if done > self._done:
            self._done = done
            self._call(done - 1, total)


def _in_notebook() -> bool:
    if "ipykernel" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and "IPKernelApp" in shell.config


def _automatic() -> Reporter:
    if _in_notebook():
        from tqdm.auto import tqdm as notebook_tqdm

        return _PatientBar(notebook_tqdm)
    try:
        terminal = sys.stderr.isatty()
    except (AttributeError, ValueError):  # stderr is None or closed
        terminal = False
    return _PatientBar(_make_tqdm) if terminal else Reporter()


def make_reporter(who: Any, nested: bool) -> Reporter:
    """Returns the reporter for parmap's argument `reporter`. Inside a task nothing is shown unless that is given."""
    if who is None:
        return Reporter() if nested else _automatic()
    if isinstance(who, str):
        if who == "bar":
            return Reporter() if sys.stderr is None else _OwnBar(_make_tqdm)
        if who == "text":
            return _Text()
        if who in REPORTERS:
            return Reporter()
        raise UnknownName("reporter", who, REPORTERS)
    if isinstance(who, type) and hasattr(who, "update") and hasattr(who, "close"):
        return _Bar(who)
    if callable(who):
        return _Call(who)
    raise TypeError(f"parmap: reporter must be a name, a tqdm class or a callable(i, n), not {type(who).__name__}")
