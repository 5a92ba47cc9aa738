# SPDX-License-Identifier: MIT
"""A stream of another engine than async, read by a thread of its own, so that an event loop can wait for it."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from ._outcome_type import Outcome
from ._stream import Stream
from ._summary import Summary

_MOST_AT_ONCE = 64  # outcomes that are handed over together, if they are there


class AsyncInput:
    """The elements of an asynchronous iterator, which its loop reads, for a thread."""

    def __init__(self, source: AsyncIterator[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._source = source
        self._loop = loop
        self._reading: concurrent.futures.Future[Any] | None = None
        self._closed = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._closed:
            raise StopIteration
        self._reading = asyncio.run_coroutine_threadsafe(_next_of(self._source), self._loop)
        try:
            return self._reading.result()
        except (StopAsyncIteration, concurrent.futures.CancelledError):
            raise StopIteration from None

    def close(self) -> None:
        self._closed = True
        if self._reading is not None:
            self._reading.cancel()


async def _next_of(source: AsyncIterator[Any]) -> Any:
    return await source.__anext__()


class InThread:
    """The source of an astream() on multi, threads or serial."""

    def __init__(self, stream: Stream, input: AsyncInput | None, at_once: int) -> None:
        self.seed = stream.seed
        self._stream = stream
        self._input = input
        self._at_once = min(at_once, _MOST_AT_ONCE)
        self._ready: collections.deque[Outcome] = collections.deque()
        self._error: BaseException | None = None  # behind these
        self._over = False
        self._asked: asyncio.Future[None] | None = None
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def next(self) -> Outcome | None:
        if not self._ready and not self._over:
            if self._asked is None:  # else an earlier call was cancelled while it waited
                self._ask()
            assert self._asked is not None
            await asyncio.shield(self._asked)
            self._asked = None
        if self._ready:
            return self._ready.popleft()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return None

    async def close(self) -> None:
        self._over = True
        self._ready.clear()
        if self._input is not None:
            self._input.close()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._stream.close)
        if self._asked is not None:
            await asyncio.wait([self._asked])
        self._orders.put(None)

    def abandon(self) -> None:
        if self._input is not None:
            self._input.close()
        self._stream.close()
        self._orders.put(None)

    def summary(self) -> Summary:
        return self._stream.summary()

    def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        asked = self._asked = loop.create_future()

        def tell() -> None:
            if not asked.done():
                asked.set_result(None)

        def order() -> None:
            self._read()
            if not loop.is_closed():
                loop.call_soon_threadsafe(tell)

        self._orders.put(order)
        if self._thread is None:
            self._thread = threading.Thread(target=_obey, args=(self._orders,), name="parmap-astream", daemon=True)
            self._thread.start()

    def _read(self) -> None:
        """In the thread: waits for an outcome, and takes some more if they are there."""
        try:
            self._ready.append(self._stream.next())
            while len(self._ready) < self._at_once:
                self._ready.append(self._stream.next(0))
        except TimeoutError as error:
            if self._stream.is_over:  # a task's own, by on_error="raise"
                self._fail(error)
        except StopIteration:
            self._over = True
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._over = True
        self._error = error


def _obey(orders: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    while (order := orders.get()) is not None:
        order()
