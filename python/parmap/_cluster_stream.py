# SPDX-License-Identifier: MIT
"""stream(), imap() and imap_unordered() on a cluster. A thread hears from the nodes while the reader does something else."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, NamedTuple

from . import _errors
from ._answer import Answer
from ._arguments import Request
from ._carrier import Carrier
from ._cluster import Caller
from ._cluster_feed import Feed
from ._cluster_map import unpickled
from ._outcome import failure_of_task
from ._outcome_type import Outcome
from ._stream import Stream

_WITHIN = 0.25  # seconds after which an outcome should be told
_LEAST_WAITING = 4  # unread outcomes for each worker
_MOST_WAITING = 1 << 16
_MOST_BYTES = 64 << 20  # of unread outcomes, about
_GLANCE = 0.1


class _Item(NamedTuple):
    index: int  # type: ignore[assignment]
    value: Any
    told: tuple[int, str, bytes, int, int] | None
    attempts: int
    seconds: float | None
    worker: int | None
    host: str


class _Closed(Exception):
    """The stream was closed by its reader."""


class _Flow:
    """The outcomes between the thread that hears of them and the one that reads. Refers to no stream, so that one can be freed."""

    def __init__(self, asked: Request, carrier: Carrier) -> None:
        self._asked = asked
        self._carrier = carrier
        self.changed = threading.Condition()
        self._ready: deque[_Item] = deque()
        self._early: dict[int, _Item] = {}  # of an ordered stream: behind one that is missing
        self._to_come = 0  # of an ordered stream: the next one
        self._bytes = self._count = 0
        self.read = 0
        self.ended = False
        self.error: BaseException | None = None
        self.closing = False
        self.feed = None if asked.product.first is None else Feed(asked.product)
        self.caller = Caller(asked, carrier, asked.product.size, min(_WITHIN, carrier.within), self._room, self.feed)
        self.thread = threading.Thread(target=self._run, name="parmap stream", daemon=True)
        self.thread.start()

    @property
    def size(self) -> int | None:
        """None: not known yet."""
        if self.feed is not None:
            return self.feed.tasks if self.feed.ended else None
        return self._asked.product.size

    def fill(self) -> None:
        """Reads the first axis, as far as the nodes need it."""
        feed = self.feed
        while feed is not None and not feed.ended and not self.closing and not self.ended:
            window = self._asked.window or max(_LEAST_WAITING * self.caller.workers, 2 * self.caller.wanted)
            known = feed.tasks - self.read
            if known >= window or (self._ready and known >= window // 2):
                return
            feed.read()

    def _room(self) -> int:
        window = self._asked.window
        if not window:
            mean = max(1, self._bytes // max(1, self._count))
            window = max(_LEAST_WAITING * self.caller.workers, min(_MOST_WAITING, _MOST_BYTES // mean))
        return self.read + window - self.caller.given

    # ---- in its thread

    def _run(self) -> None:
        try:
            try:
                self.caller.run(self._take, self._glance)
                left = [_Item(index, None, (index, *rest), 0, None, None, "") for index, *rest in self.caller.left()]  # type: ignore[arg-type]
                self._put(left)
            except _Closed:
                pass
            except BaseException as error:
                self.error = error
        finally:
            try:
                self._carrier.close()
            finally:
                with self.changed:
                    self.ended = True
                    self.changed.notify_all()

    def _take(self, answer: Answer, host: str) -> None:
        found = []
        for index, value, seconds, worker in zip(answer.indexes, answer.values, answer.seconds, answer.workers):
            attempts = answer.attempts.get(index, 1)
            found.append(_Item(index, value, None, attempts, seconds if seconds >= 0 else None, worker if worker >= 0 else None, host))
            if type(value) is bytes or type(value) is str:
                self._bytes += len(value)
        self._count += len(found)
        for index, kind, message, attempts, status, took, place in answer.failed:
            if kind != "stopped" or message == b"lost":
                found.append(_Item(index, None, (index, kind, message, attempts, status), attempts, took, place, host))
        self._put(found)

    def _put(self, found: list[_Item]) -> None:
        with self.changed:
            if self._asked.ordered:
                self._early.update((each.index, each) for each in found)
                while (each := self._early.pop(self._to_come, None)) is not None:
                    self._ready.append(each)
                    self._to_come += 1
            else:
                self._ready += found
            self.changed.notify_all()

    def _glance(self) -> None:
        if self.closing:
            raise _Closed
        stop = self._asked.stop
        if stop is not None and stop.is_set():
            self.caller.halt(b"the map was stopped")

    # ---- in the reader's

    def next(self, until: float | None) -> _Item | None:
        """None at the end; then `error` may say why. Raises TimeoutError."""
        with self.changed:
            while not self._ready:
                if self.ended or self.closing:
                    return None
                left = _GLANCE if until is None else min(_GLANCE, until - time.monotonic())
                if left <= 0:
                    raise TimeoutError("parmap: no outcome has come in time")
                self.changed.wait(left)
                if not self._ready and self._asked.report is not None:
                    raise _Report
            self.read += 1
            return self._ready.popleft()

    def close(self) -> None:
        self.closing = True
        with self.changed:
            self.changed.notify_all()
        if self.thread is not threading.current_thread():
            self.thread.join()


class _Report(Exception):
    """Time to show how far it is."""


class ClusterStream(Stream):
    """A stream whose tasks run on a cluster."""

    def _begin(self, bare: bool, level: int) -> None:
        asked = self._asked
        self._bare = bare
        self._reading = threading.Lock()
        self._begun = time.monotonic()
        self._ended_at: float | None = None
        self._tasks = self._completed = 0
        self._shown_at = 0.0
        self._said = ""
        self._flow: _Flow | None = None
        if asked.product.size == 0 and asked.product.first is None:
            return
        carrier = asked.cluster._open(asked.workers)
        try:
            self._flow = _Flow(asked, carrier)
        except BaseException:
            carrier.close()
            raise
        asked.hosts = self._flow.caller.tasks.hosts
        if self._flow.feed is not None:
            asked.product.task_of_stream = self._flow.feed.arguments
        self._tally.note_workers(self._flow.caller.workers)

    # ---- what a stream of the extension has

    def __iter__(self) -> ClusterStream:
        return self

    def __next__(self) -> Any:
        return self.take(None)

    def take(self, timeout: float | None) -> Any:
        if timeout is not None and not timeout >= 0:
            raise ValueError("parmap: timeout must be None or a number of seconds, at least 0")
        if not self._reading.acquire(blocking=False):
            raise ValueError("parmap: this stream is being read, by another thread or by its own input")
        try:
            return self._take(None if timeout is None else time.monotonic() + timeout)
        except (TimeoutError, StopIteration):
            raise
        except BaseException:
            self._shut()
            raise
        finally:
            self._reading.release()

    def _take(self, until: float | None) -> Any:
        while self._flow is not None:
            self._report()
            self._flow.fill()
            try:
                item = self._flow.next(until)
            except _Report:
                continue
            if item is None:
                fault = None if self._flow.feed is None else self._flow.feed.fault
                error = None if self._flow.closing else self._flow.error or fault
                self._shut()
                if error is not None:
                    raise error
                break
            try:
                made = self._made(item)
            finally:
                if self._flow.feed is not None:
                    self._flow.feed.taken(item.index)
            if made is not _NOTHING:
                return made
        if self._ended_at is None:
            self._shut()
        raise StopIteration

    def _made(self, item: _Item) -> Any:
        """What the reader gets of it."""
        asked = self._asked
        self._tasks += 1
        value, told = item.value, item.told
        if type(value) is bytes:
            value, lost = unpickled(value, asked.ctrl_c.has_raised)
            if lost is not None:
                told = (item.index, "unencodable", lost, item.attempts, 0)
                asked.hosts[item.index] = item.host
        if told is None:
            self._completed += 1
            if self._bare and not asked.times:
                return value
        arguments = asked.product.arguments(item.index)
        if asked.times:
            self._tally.add_time(item.index, item.attempts, item.seconds, asked.product.as_task(arguments))
        if told is None and self._bare:
            return value
        failure = None
        if told is not None:
            failure = failure_of_task(asked, told, None, arguments)
            value = self._tally.answer(failure)
            if self._bare:
                return _NOTHING if self._skips else value
        return Outcome._make((item.index, asked.product.as_task(arguments), value, failure, item.attempts, item.seconds, item.worker))

    def _report(self) -> None:
        flow, asked = self._flow, self._asked
        if asked.report is None or flow is None or time.monotonic() - self._shown_at < _GLANCE:
            return
        self._shown_at = time.monotonic()
        if flow.caller.places != self._said and asked.show_places is not None:
            self._said = flow.caller.places
            asked.show_places(self._said)
        asked.report(self._tasks, flow.size, self._tasks - self._completed)

    def shut(self) -> None:
        flow = self._flow
        if flow is None and self._ended_at is not None:
            return
        if self._reading.acquire(blocking=False):
            try:
                self._shut()
            finally:
                self._reading.release()
        elif flow is not None:  # whoever reads it ends it
            flow.closing = True

    def _shut(self) -> None:
        flow, self._flow = self._flow, None
        if self._ended_at is not None:
            return
        if flow is not None:
            flow.close()
        self._ended_at = time.monotonic()
        if self._asked.report is not None and flow is not None and self._tasks == flow.size:
            self._asked.report(self._tasks, flow.size, self._tasks - self._completed)
        self._ended()

    def counts(self) -> tuple[int, int, float]:
        end = time.monotonic() if self._ended_at is None else self._ended_at
        return self._tasks, self._completed, end - self._begun

    @property
    def is_over(self) -> bool:
        return self._ended_at is not None

    def __del__(self) -> None:
        if getattr(self, "_flow", None) is not None:
            self._level = 2
            self._shut()


_NOTHING = object()
