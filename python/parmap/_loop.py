# SPDX-License-Identifier: MIT
"""What the engine async does to event loops and their tasks: it handles signals, and ends coroutines silently."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import _parmap


def bury(coroutine: Any) -> None:
    """Ends a coroutine, whatever it does. One that does not end is never freed, because Python would print a warning then.

    It is asked to end only where a loop is running: elsewhere each await raises, and a coroutine that catches
    everything would never return.
    """
    within = list(_chain(coroutine))
    try:
        asyncio.get_running_loop()
        with contextlib.suppress(BaseException):
            coroutine.throw(asyncio.CancelledError())  # raises this or another exception, unless the coroutine goes on
            within += _chain(coroutine)
            coroutine.close()
    except RuntimeError:
        pass
    for each in within:
        if getattr(each, "cr_frame", None) is not None:
            _parmap.keep(each)


def _chain(coroutine: Any) -> Iterator[Any]:
    """The coroutine, what it awaits, and so on."""
    while coroutine is not None:
        yield coroutine
        coroutine = getattr(coroutine, "cr_await", None)


def silence(task: asyncio.Task[Any]) -> None:
    """Nothing is logged about the task's exception, or if it is still pending when it is freed."""
    task.add_done_callback(_forget)
    with contextlib.suppress(AttributeError):  # if it was made by the caller's own task factory
        task._log_destroy_pending = False  # type: ignore[attr-defined]


def _forget(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


async def wait(what: Iterable[asyncio.Future[Any]], seconds: float | None) -> None:
    if waiting := [each for each in what if not each.done()]:
        await asyncio.wait(waiting, timeout=seconds)


# Signals whose handlers often raise. Asking for all 64 would take longer than the rest of a small map.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2)


class Signals:
    """While active, an exception that a signal handler raises, as Python's own does at Ctrl-C, ends the map.

    Otherwise it would be the failure of whichever task it interrupted. It is raised in that task as well, because that
    task may be what blocks the loop.
    """

    def __init__(self, tell: Callable[[BaseException], bool], continued: Callable[[], None]) -> None:
        self._tell = tell  # called with the exception; returns whether to raise it there too
        self._continued = continued  # called once the process has been stopped and continued (Ctrl-Z and fg)
        self._process = os.getpid()
        self._before: dict[int, Callable[..., Any]] = {}
        self._before_continue: Any = None

    def __enter__(self) -> None:
        if threading.get_ident() != threading.main_thread().ident:
            return  # signals are handled only in the main thread
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                with contextlib.suppress(ValueError):  # in a subinterpreter
                    self._before[number] = handler
                    signal.signal(number, self._handle)
        with contextlib.suppress(ValueError):
            self._before_continue = signal.getsignal(signal.SIGCONT)
            if self._before_continue is not None:  # else C code has set a handler
                signal.signal(signal.SIGCONT, self._handle_continue)

    def __exit__(self, *raised: Any) -> None:
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._handle:  # unless a task has set another handler
                signal.signal(number, handler)
        if self._before_continue is not None and signal.getsignal(signal.SIGCONT) == self._handle_continue:
            signal.signal(signal.SIGCONT, self._before_continue)

    def _handle_continue(self, number: int, frame: types.FrameType | None) -> None:
        self._continued()
        if callable(self._before_continue):
            self._before_continue(number, frame)

    def _handle(self, number: int, frame: types.FrameType | None) -> None:
        try:
            self._before[number](number, frame)
        except BaseException as error:
            if os.getpid() != self._process:  # in a forked child
                raise
            if self._tell(error):
                raise


def close(loop: asyncio.AbstractEventLoop, patience: float) -> None:
    """Like asyncio.run at its end, but nothing can delay it beyond `patience` seconds a step."""
    rest = asyncio.all_tasks(loop)  # tasks that the map's tasks have made and not awaited
    for task in rest:
        task.cancel()
    # SystemExit and KeyboardInterrupt of such a task come out of the loop. An exception of a signal handler is already
    # known.
    with contextlib.suppress(BaseException):
        loop.run_until_complete(wait(rest, patience))
    with contextlib.suppress(BaseException):
        generators = loop.create_task(loop.shutdown_asyncgens())
        loop.run_until_complete(wait([generators], patience))
    buried: set[asyncio.Task[Any]] = set()
    if asyncio.all_tasks(loop):
        loop.set_exception_handler(lambda loop, context: None)  # how they end must not be logged
    while rest := asyncio.all_tasks(loop) - buried:  # ending an asynchronous generator may create another task
        buried |= rest
        with contextlib.suppress(BaseException):
            loop.run_until_complete(_bury_all(rest))
    loop.close()


async def _bury_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        silence(task)
        bury(task.get_coro())
