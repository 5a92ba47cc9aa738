# SPDX-License-Identifier: MIT
"""A stream on the engine async: its tasks are coroutines on the running loop. astream() reads it."""

from __future__ import annotations

import asyncio
import collections
import math
import time
from collections.abc import AsyncIterator
from typing import Any

from ._arguments import Request
from ._async import _STOPPED, Attempt, Map
from ._outcome import failure_of_task
from ._outcome_type import Outcome
from ._progress import Reporter
from ._stream_tally import StreamTally
from ._summary import Summary


class _StreamMap(Map):
    """A map that keeps outcomes until they are taken, and begins no more tasks than its window permits."""

    def __init__(self, asked: Request, loop: asyncio.AbstractEventLoop, source: AsyncIterator[Any] | None) -> None:
        super().__init__(asked, loop, alone=False)
        product = asked.product
        lazy = self._lazy = source is not None or product.first is not None
        self._times = None  # its outcomes tell
        self._size = None if lazy else product.size
        self._workers = asked.workers if lazy else min(asked.workers, product.size)
        self._window = asked.window or 4 * asked.workers
        self._source = source
        self._reading: asyncio.Task[None] | None = None
        self._elements: dict[int, list[Any]] = {}  # of what is read as the stream goes: the element, its tasks that are not taken
        self._of_one = math.prod(len(group[0]) for group in product.groups[1:]) if lazy else 1
        if lazy and self._of_one == 0:
            self._size = 0
        self._known = 0  # the tasks of the elements that have been read
        self._fault: BaseException | None = None  # raised by the input
        self._taken = 0
        self._ready: collections.deque[Outcome] = collections.deque()
        self._later: dict[int, Outcome] = {}  # if ordered
        self._filling = False
        self._news: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None  # that runs all this
        self.closed = False

    def start(self) -> None:
        self.task = self.loop.create_task(self.run())
        self.task.add_done_callback(self._wake)

    async def take(self) -> Outcome | None:
        """The next outcome; None at the end. Raises what ends the stream. If it is cancelled, the stream goes on."""
        assert self.task is not None
        while True:
            if (found := self._next_ready()) is not None:
                self._drop(found.index)
                self._taken += 1
                if self._filling and not self._over.done():
                    self._fill()
                return found
            if self.task.done():
                return self._rest()
            self._news = self.loop.create_future()
            await self._news

    async def end(self) -> None:
        """Ends the tasks that run. Raises what finish has raised."""
        self.closed = True
        self._end()
        if self._reading is not None:
            self._reading.cancel()
        assert self.task is not None
        await asyncio.wait([self.task])
        if not self.task.cancelled() and (error := self.task.exception() or self.broken or self.interrupt) is not None:
            self.broken = self.interrupt = None
            raise error

    # ---- outcomes

    def _next_ready(self) -> Outcome | None:
        if self.asked.ordered:
            return self._later.pop(self._taken, None)
        return self._ready.popleft() if self._ready else None

    def _rest(self) -> Outcome | None:
        """Once nothing runs any more: the tasks that were not begun, then the end."""
        assert self.task is not None
        if self.closed:
            return None
        if not self.task.cancelled() and (error := self.task.exception() or self.interrupt or self.broken) is not None:
            self.broken = self.interrupt = None
            raise error
        if self.task.cancelled():
            raise asyncio.CancelledError
        for index, attempt in self._again:
            self._put_failure(index, "stopped", self._why, attempt - 1, None)
        for index, (attempts, _) in self._waiting.items():
            self._put_failure(index, "stopped", self._why, attempts, None)
        self._again.clear()
        self._waiting.clear()
        found = self._next_ready()
        if found is None and self._next < (self._known if self._size is None else self._size):
            self._next += 1
            self._put_failure(self._next - 1, "stopped", self._why, 0, None)
            found = self._next_ready()
        if found is not None:
            self._drop(found.index)
            self._taken += 1
            return found
        if self._fault is not None:
            error, self._fault = self._fault, None
            raise error
        return None

    def _put(self, it: Attempt) -> None:
        assert it.begun is not None
        task = self.asked.product.as_task(self._inputs(it.index))
        self._give(Outcome(it.index, task, it.value, None, it.attempt, self.loop.time() - it.begun, it.worker))

    def _put_failure(
        self, index: int, kind: str, message: bytes, attempts: int, error: BaseException | None, it: Attempt | None = None
    ) -> None:
        failure = failure_of_task(self.asked, (index, kind, message, attempts, 0), error, self._inputs(index))
        seconds = None if it is None or it.begun is None else self.loop.time() - it.begun
        self._give(Outcome(index, failure.task, None, failure, attempts, seconds, None if it is None else it.worker))

    def _give(self, outcome: Outcome) -> None:
        if self.asked.heard is not None:
            self.asked.heard(outcome.index, outcome.value, outcome.failure, outcome.attempts, outcome.seconds, outcome.worker)
        if self.asked.ordered:
            self._later[outcome.index] = outcome
        else:
            self._ready.append(outcome)
        self._wake()

    def _wake(self, ended: object = None) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    # ---- inputs

    def _fill(self) -> None:
        self._filling = True
        super()._fill()

    def _may_begin(self) -> bool:
        if self._next >= self._taken + self._window:
            return False
        if self._size is not None:
            return self._next < self._size
        return self._next < self._known or self._read_one()

    def _more_will_come(self) -> bool:
        return self._size is None or self._next < self._size

    def _read_one(self) -> bool:
        """Whether an element is there at once."""
        if self._source is not None:
            if self._reading is None:
                self._reading = self.loop.create_task(self._read_from(self._source))
            return False
        assert self.asked.product.first is not None
        try:
            self._add(next(self.asked.product.first))
        except StopIteration:
            self._size = self._known
        except BaseException as error:
            self._break(error)
        return self._size is None

    async def _read_from(self, source: AsyncIterator[Any]) -> None:
        try:
            self._add(await source.__anext__())
        except StopAsyncIteration:
            self._size = self._known
        except BaseException as error:
            self._break(error)
        self._reading = None
        if not self._over.done():
            self._fill()

    def _add(self, element: Any) -> None:
        self._elements[self._known // self._of_one] = [element, self._of_one]
        self._known += self._of_one

    def _break(self, error: BaseException) -> None:
        """The stream ends with this error, after the outcomes of what has been read."""
        if isinstance(error, KeyboardInterrupt):
            self.give_up(error)
        self._fault = error
        self._size = self._known

    def _inputs(self, index: int) -> tuple[Any, ...]:
        if not self._lazy:
            return self.asked.product.arguments(index)
        element, rest = divmod(index, self._of_one)
        found: list[Any] = []
        for group in reversed(self.asked.product.groups[1:]):
            rest, at = divmod(rest, len(group[0]))
            found[:0] = [each[at] for each in group]
        return (self._elements[element][0], *found)

    def _drop(self, index: int) -> None:
        element = index // self._of_one
        if (held := self._elements.get(element)) is not None:
            held[1] -= 1
            if held[1] == 0:
                del self._elements[element]


class OnLoop:
    """The source of an astream() on the engine async."""

    def __init__(self, asked: Request, shown: Reporter, source: AsyncIterator[Any] | None) -> None:
        self.seed = asked.seed
        self._asked = asked
        self._shown = shown
        self._source = source
        self._tally = StreamTally(asked)
        self._map: _StreamMap | None = None
        self._counts = (0, 0)  # taken, with a value
        self._begun = time.monotonic()
        self._seconds: float | None = None

    async def next(self) -> Outcome | None:
        if self._map is None:
            self._map = _StreamMap(self._asked, asyncio.get_running_loop(), self._source)
            self._tally.note_workers(self._map._workers)
            self._map.start()
        try:
            found = await self._map.take()
        except asyncio.CancelledError:  # of the wait: the stream goes on
            raise
        except BaseException:
            if self._asked.recording is not None:
                self._asked.recording.abandon()
            raise
        if found is None:
            return None
        tasks, completed = self._counts
        self._counts = tasks + 1, completed + bool(found)
        self._tally.add_time(found.index, found.attempts, found.seconds, found.task)
        if found.failure is None:
            return found
        return found._replace(value=self._tally.answer(found.failure))

    async def close(self) -> None:
        self._seconds = time.monotonic() - self._begun
        try:
            if self._map is not None:
                await self._map.end()
        finally:
            self._shown.close()
            self._end_recording()

    def abandon(self) -> None:
        """The stream was freed. Any thread may call it."""
        map = self._map
        if map is None or map.task is None or map.task.done() or map.loop.is_closed():
            self._shown.close()
        else:
            map.loop.call_soon_threadsafe(_begin_to_close, self, map.loop)

    def _end_recording(self) -> None:
        if self._asked.recording is None:
            return
        if self._map is not None:
            known = self._map._known if self._map._size is None else self._map._size
            self._asked.recorder.set_tasks(known)
        self._asked.recording.finish()

    def summary(self) -> Summary:
        seconds = time.monotonic() - self._begun if self._seconds is None else self._seconds
        return self._tally.summary(*self._counts, seconds)


_closing: set[asyncio.Task[None]] = set()  # a loop alone would not keep them alive


def _begin_to_close(source: OnLoop, loop: asyncio.AbstractEventLoop) -> None:
    task = loop.create_task(source.close())  # what finish raises is logged by the loop
    _closing.add(task)
    task.add_done_callback(_closing.discard)
