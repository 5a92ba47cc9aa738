# SPDX-License-Identifier: MIT
"""astream() with a checkpoint or a part, on the engine async: the stored outcomes, then those of the missing tasks."""

from __future__ import annotations

import asyncio
import time
import types
from dataclasses import replace

from ._arguments import Request
from ._async_stream import OnLoop
from ._outcome_type import Outcome, StoredOutcome
from ._progress import Reporter
from ._stored_tasks import StoredTasks
from ._stream_tally import StreamTally
from ._summary import Summary


class StoredOnLoop:
    """The source of such an AsyncStream. Outcomes are stored when their tasks end, also while nobody reads them."""

    def __init__(self, asked: Request, shown: Reporter) -> None:
        self._asked, self._shown = asked, shown
        self._tally = StreamTally(asked)
        self._tasks = StoredTasks(asked, shown)
        self.seed = asked.seed
        self._stored = self._tasks.run.reader(asked.ordered)
        self._stored_are_over = False
        self._inner: OnLoop | None = None
        self._next = 0
        self._counts = [0, 0, 0]  # read, with a value, stored before
        self._begun = time.monotonic()
        self._seconds: float | None = None

    async def next(self) -> Outcome | None:
        run = self._tasks.run
        if self._inner is None and self._tasks.missing:  # begun at once, so that tasks run meanwhile
            inner = self._tasks.inner_request()
            inner.heard = self._tasks.put
            self._tasks.start_writer()
            self._inner = OnLoop(inner, self._tasks.reporter(), None)
        found = None
        if self._asked.ordered:
            if self._next == len(run.here):
                return None
            found = self._next_stored() if run.flags[run.here[self._next]] >= 2 else await self._fresh()
            self._next += 1
        else:
            found = self._next_stored() or await self._fresh()
        if found is None:
            return None
        self._counts[0] += 1
        self._counts[1] += bool(found)
        self._counts[2] += found.stored
        if found.failure is None:
            return found
        return found._replace(value=self._tally.answer(found.failure))

    def _next_stored(self) -> Outcome | None:
        if self._stored_are_over:
            return None
        for index, it in self._stored:
            failure = None if it.kind == 0 else self._tasks.failure_of(index, it)
            value = None if failure is not None else self._tasks.value_of(index, it)
            return StoredOutcome(index, self._asked.product.task(index), value, failure, it.attempts, it.seconds, it.worker)
        self._stored_are_over = True
        return None

    async def _fresh(self) -> Outcome | None:
        found = None if self._inner is None else await self._inner.next()
        if found is None:
            return None
        index = self._tasks.missing[found.index]
        task = self._asked.product.task(index)
        self._tally.add_time(index, found.attempts, found.seconds, task)
        failure = None if found.failure is None else self._tasks.of_call(found.failure)
        return found._replace(index=index, task=task, failure=failure)

    async def close(self) -> None:
        self._seconds = time.monotonic() - self._begun
        if isinstance(self._stored, types.GeneratorType):
            self._stored.close()
        try:
            if self._inner is not None:
                await self._inner.close()
        finally:
            self._shown.close()
            if self._asked.recording is not None:
                self._asked.recording.finish()
            await asyncio.get_running_loop().run_in_executor(None, self._tasks.finish)

    def abandon(self) -> None:
        if self._inner is not None:
            self._inner.abandon()
        self._shown.close()
        if self._asked.recording is not None:
            self._asked.recording.abandon()
        self._tasks.finish()

    def summary(self) -> Summary:
        seconds = time.monotonic() - self._begun if self._seconds is None else self._seconds
        return replace(self._tally.summary(self._counts[0], self._counts[1], seconds), stored=self._counts[2])
