# SPDX-License-Identifier: MIT
"""Holds back Ctrl-C where it would cost results, until they are safe."""

from __future__ import annotations

import functools
import signal
import threading
import types
from types import FrameType
from typing import Any

from . import _parmap


class CtrlC:
    """Between keep_off() and let_in(), or the end of a `with` statement, the first Ctrl-C is kept. After that the handler
    for which it was meant is called. A second Ctrl-C is passed on at once and ends this period, because something may
    hang.

    It does nothing outside the main thread, where Ctrl-C is not raised, nor if the handler is not Python's.
    """

    def __init__(self) -> None:
        self.insisted = False  #: a second Ctrl-C has come, and its handler has raised
        self._handler: Any = None
        self._kept: tuple[int, FrameType | None] | None = None

    def keep_off(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler) and handler != self._keep:
            self._handler = handler
            _parmap.set_ctrl_c_handler(self._keep)

    @property
    def is_kept(self) -> bool:
        """Whether one has come, and waits."""
        return self._kept is not None

    @property
    def is_held(self) -> bool:
        """Whether a first Ctrl-C has come."""
        return self._kept is not None

    def has_raised(self, error: BaseException) -> bool:
        """Whether this comes from a signal handler: Ctrl-C, which is held back, by its second press."""
        return self.insisted if isinstance(error, KeyboardInterrupt) else raised_by_handler(error)

    def let_in(self) -> None:
        """Raises what the handler raises."""
        self._give_back()
        if self._kept is not None:
            (number, frame), self._kept = self._kept, None
            self._handler(number, frame)

    def __enter__(self) -> CtrlC:
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: Any) -> None:
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self._kept = None  # it has been raised already
        self.let_in()

    def _keep(self, number: int, frame: FrameType | None) -> None:
        if self._kept is None:
            self._kept = number, frame
            return
        self._give_back()
        try:
            self._handler(number, frame)
        except BaseException:
            self.insisted = True
            raise

    def _give_back(self) -> None:
        if self._handler is not None and signal.getsignal(signal.SIGINT) == self._keep:
            _parmap.set_ctrl_c_handler(self._handler)


def hear() -> None:
    """Gives an exception that another thread raises in this one a bytecode at which to appear."""
    for _ in (None,):
        pass


class Heard(Exception):
    """What is raised in hear(); see async_exception.hpp."""


def go_on(error: BaseException) -> None:
    """Runs the signal handler in which Heard was raised, at its first line, instead of in hear()."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    frame = None if trace is None else trace.tb_frame
    if frame is None or frame.f_code is hear.__code__:
        return
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if _code_of(handler) is frame.f_code and number in frame.f_locals.values() and callable(handler):
            return handler(number, frame.f_back)


def raised_by_handler(error: BaseException) -> bool:
    """Whether a signal handler of Python has raised it, and not the code that this has interrupted."""
    if isinstance(error, KeyboardInterrupt):  # the standard handler of Ctrl-C has no code to be found
        return True
    handlers = {_code_of(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in handlers:
            return True
        trace = trace.tb_next
    return False


def _code_of(handler: Any) -> types.CodeType | None:
    while isinstance(handler, functools.partial):
        handler = handler.func
    for each in (handler, getattr(type(handler), "__call__", None)):
        if (code := getattr(each, "__code__", None)) is not None:
            return code  # type: ignore[no-any-return]
    return None
