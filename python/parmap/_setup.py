# SPDX-License-Identifier: MIT
"""init and finish of a map: what a worker sets up before its first task, and ends after its last one."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any


class _Here(threading.local):
    """Of the worker that this thread is; None outside. Under multi a worker is the only thread of its process."""

    state: Any = None


here = _Here()


class Setup:
    """One worker's, for the engines whose workers have threads of their own.

    enter() calls init. If that returns a context manager, it is entered, and what `as` would get is the state of this
    worker (context().state); else the state is what init has returned. leave() calls finish, then ends the context manager.
    """

    def __init__(self, init: Callable[[], Any] | None, finish: Callable[[], Any] | None) -> None:
        self._init = init
        self._finish = finish
        self._exit: Callable[..., Any] | None = None
        self._outer = here.state  # of the worker that this thread is besides, as maps nest

    def enter(self) -> None:
        made: Any = None if self._init is None else self._init()
        if is_context_manager(made):
            self._exit = _of_type(made, "__exit__")
            made = _of_type(made, "__enter__")()
        here.state = made

    def leave(self) -> None:
        """Call it only if enter() has not raised."""
        try:
            if self._finish is not None:
                self._finish()
        finally:
            if self._exit is not None:
                self._exit(None, None, None)
            here.state = self._outer


def setup_of(init: Callable[[], Any] | None, finish: Callable[[], Any] | None) -> Callable[[], Setup] | None:
    """Makes one for each worker; None if there is nothing to set up."""
    return None if init is None and finish is None else functools.partial(Setup, init, finish)


class AsyncSetup:
    """The same for async: once for all tasks, which share the state. init, finish and the context manager may be async."""

    def __init__(self, init: Callable[[], Any] | None, finish: Callable[[], Any] | None) -> None:
        self._init = init
        self._finish = finish
        self._exit: Callable[..., Any] | None = None
        self._entered = False
        self.state: Any = None

    async def enter(self) -> None:
        made: Any = None if self._init is None else self._init()
        if inspect.isawaitable(made):
            made = await made
        if hasattr(type(made), "__aenter__") and hasattr(type(made), "__aexit__"):
            self._exit = _of_type(made, "__aexit__")
            made = await _of_type(made, "__aenter__")()
        elif is_context_manager(made):
            self._exit = _of_type(made, "__exit__")
            made = _of_type(made, "__enter__")()
        self.state = made
        self._entered = True

    async def leave(self) -> None:
        """Has no effect if enter() has raised."""
        if not self._entered:
            return
        self._entered = False
        try:
            if self._finish is not None and inspect.isawaitable(ended := self._finish()):
                await ended
        finally:
            if self._exit is not None and inspect.isawaitable(ended := self._exit(None, None, None)):
                await ended


def is_context_manager(what: Any) -> bool:
    return hasattr(type(what), "__enter__") and hasattr(type(what), "__exit__")


def _of_type(what: Any, name: str) -> Any:
    """A special method, found as a `with` statement finds it."""
    return getattr(type(what), name).__get__(what)
