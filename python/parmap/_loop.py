# SPDX-License-Identifier: MIT
"""What the engine async does to event loops and their tasks: signals, and an end without a word."""

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
    """Ends it, whatever it does. One that will not is never freed, as Python would complain then.

    Only where a loop is running is it asked: elsewhere each await raises, and one that catches all would never return.
    """
    within = list(_chain(coroutine))
    try:
        asyncio.get_running_loop()
        with contextlib.suppress(BaseException):
            coroutine.throw(asyncio.CancelledError())  # raises that or another, unless it goes on
            within += _chain(coroutine)
            coroutine.close()
    except RuntimeError:
        pass
    for each in within:
        if getattr(each, "cr_frame", None) is not None:
            _parmap.keep(each)


def _chain(coroutine: Any) -> Iterator[Any]:
    """It, what it awaits, and so on."""
    while coroutine is not None:
        yield coroutine
        coroutine = getattr(coroutine, "cr_await", None)


def silence(task: asyncio.Task[Any]) -> None:
    """Neither what it raises is news, nor if it is still pending when it is freed."""
    task.add_done_callback(_forget)
    with contextlib.suppress(AttributeError):  # of a task factory of the caller's own
        task._log_destroy_pending = False  # type: ignore[attr-defined]


def _forget(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


async def wait(what: Iterable[asyncio.Future[Any]], seconds: float | None) -> None:
    if waiting := [each for each in what if not each.done()]:
        await asyncio.wait(waiting, timeout=seconds)


# Those whose handlers programs let raise. To ask for all 64 would take longer than the rest of a small map.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2)


class Signals:
    """Meanwhile, what a signal handler raises, as Python's own does at Ctrl-C, ends the map.

    Left to itself it would be the failure of whichever task it hit. It is raised there as well, as that may be what
    holds up the loop.
    """

    def __init__(self, tell: Callable[[BaseException], bool]) -> None:
        self._tell = tell  # of what was raised; whether it is to be raised there too
        self._process = os.getpid()
        self._before: dict[int, Callable[..., Any]] = {}

    def __enter__(self) -> None:
        if threading.get_ident() != threading.main_thread().ident:
            return  # signals are the main thread's
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                with contextlib.suppress(ValueError):  # in another interpreter than the first
                    self._before[number] = handler
                    signal.signal(number, self._handle)

    def __exit__(self, *raised: Any) -> None:
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._handle:  # and no other that a task has set
                signal.signal(number, handler)

    def _handle(self, number: int, frame: types.FrameType | None) -> None:
        try:
            self._before[number](number, frame)
        except BaseException as error:
            if os.getpid() != self._process:  # of a fork
                raise
            if self._tell(error):
                raise


def close(loop: asyncio.AbstractEventLoop, patience: float) -> None:
    """As asyncio.run does it, but that nothing holds it up."""
    rest = asyncio.all_tasks(loop)  # those that tasks have made and not waited for
    for task in rest:
        task.cancel()
    # SystemExit and KeyboardInterrupt of such a task come out of the loop; a signal's is known already.
    with contextlib.suppress(BaseException):
        loop.run_until_complete(wait(rest, patience))
    with contextlib.suppress(BaseException):
        generators = loop.create_task(loop.shutdown_asyncgens())
        loop.run_until_complete(wait([generators], patience))
    buried: set[asyncio.Task[Any]] = set()
    if asyncio.all_tasks(loop):
        loop.set_exception_handler(lambda loop, context: None)  # how they end is no news
    while rest := asyncio.all_tasks(loop) - buried:  # an asynchronous generator leaves another
        buried |= rest
        with contextlib.suppress(BaseException):
            loop.run_until_complete(_bury_all(rest))
    loop.close()


async def _bury_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        silence(task)
        bury(task.get_coro())
