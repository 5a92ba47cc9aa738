# SPDX-License-Identifier: MIT
"""Holds back Ctrl-C where it would cost results, until they are safe."""

from __future__ import annotations

import signal
import threading
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
