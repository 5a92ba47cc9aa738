# SPDX-License-Identifier: MIT
"""stream() with a checkpoint or a part: the stored outcomes, then those of the missing tasks, which are stored as they come.

A thread of this process reads the stream of the missing tasks, so that they are stored in time while the loop's body does something
else. serial has none, nor has a window of one task.
"""

from __future__ import annotations

import collections
import os
import threading
import time
import types
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from . import _errors
from ._arguments import Request
from ._failures import Failure
from ._outcome_type import Outcome, StoredOutcome
from ._progress import Reporter
from ._stored_tasks import StoredTasks, inner_stream
from ._stream import Stream, _open
from ._stream_tally import StreamTally
from ._summary import Summary

_MOST_WAITING = 64  # outcomes that are stored and not read, if the window does not say it
_MOST_BYTES = 2 << 20  # of their values

#: index, value, failure, attempts, seconds, worker, whether it was stored before
Item = tuple[int, Any, Failure | None, int, float | None, int | None, bool]


class StoredStream(Stream):
    """The stream that stream() makes with a checkpoint. The extension's part of it is never begun: its tasks are those of another
    one."""

    def __init__(self, asked: Request, shown: Reporter, bare: bool, level: int) -> None:
        self._asked = asked
        self._shown = shown
        self._bare = bare
        self._tally = StreamTally(asked)
        self._skips = bare and asked.on_error is None
        self._level = 2
        self._counts = [0, 0, 0]  # read, with a value, stored before
        self._begun = time.monotonic()
        self._seconds: float | None = None
        self._busy = threading.Lock()
        self._source: _Source | None = None
        self._process = os.getpid()
        try:
            self._source = _Source(asked, shown, self._tally, level + 1)
        except BaseException:
            shown.close()
            if asked.recording is not None:
                asked.recording.abandon()
            raise
        _open.add(self)

    @property
    def is_over(self) -> bool:
        return self._source is None

    def __next__(self) -> Any:
        return self.next()

    def next(self, timeout: float | None = None) -> Any:
        if not self._busy.acquire(blocking=False):
            raise ValueError("parmap: this stream is being read, by another thread or by its own input")
        try:
            until = None if timeout is None else time.monotonic() + timeout
            while True:
                if self._source is None:
                    raise StopIteration
                item = self._source.next(None if until is None else max(0.0, until - time.monotonic()))
                if item is None:
                    self._end()
                    raise StopIteration
                found = self._given(item)
                if found is not _NOTHING:
                    return found
        except (StopIteration, TimeoutError) as end:
            if isinstance(end, TimeoutError) and not isinstance(end, _NoNews):
                self._abort(end)  # a task's own
            raise
        except BaseException as error:
            self._abort(error)
            raise
        finally:
            self._busy.release()

    def _given(self, item: Item) -> Any:
        index, value, failure, attempts, seconds, worker, was_stored = item
        self._counts[0] += 1
        self._counts[2] += was_stored
        if failure is None:
            self._counts[1] += 1
        if not was_stored:
            self._tally.add_time(index, attempts, seconds, self._asked.product.task(index) if self._asked.times else None)
        if failure is not None:
            value = self._tally.answer(failure)
        if self._bare:
            return _NOTHING if failure is not None and self._skips else value
        kind = StoredOutcome if was_stored else Outcome
        return kind(index, self._asked.product.task(index), value, failure, attempts, seconds, worker)

    def close(self) -> None:
        self._level = 3
        self._end()

    def _end(self) -> None:
        source, self._source = self._source, None
        if source is None:
            return
        if os.getpid() != self._process:  # forked: the file and the threads are the parent's
            _left_to_the_parent.append(source)
            return
        self._seconds = time.monotonic() - self._begun
        try:
            source.close()
        finally:
            self._ended()

    def _abort(self, error: BaseException) -> None:
        try:
            self._end()
        except _errors.StoreFailed as worse:
            if str(worse) != str(error):
                _errors.add_note(error, str(worse))

    def summary(self) -> Summary:
        seconds = time.monotonic() - self._begun if self._seconds is None else self._seconds
        return replace(self._tally.summary(self._counts[0], self._counts[1], seconds), stored=self._counts[2])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self._level = 3
        if error is None:
            self._end()
        else:
            self._abort(error)

    def __del__(self) -> None:
        if getattr(self, "_source", None) is not None:
            self._end()


_NOTHING = object()
_left_to_the_parent: list[Any] = []


class _NoNews(TimeoutError):
    """Nothing has come in time."""


class _Source:
    """Where the outcomes come from. It does not refer to the stream, which is freed when its loop is left."""

    def __init__(self, asked: Request, shown: Reporter, tally: StreamTally, level: int) -> None:
        self._tasks = tasks = StoredTasks(asked, shown)
        self._ordered = asked.ordered
        self._next = 0  # in order: how many have come
        self._inner: Stream | None = None
        self._stored: Iterator[Any] | None = None
        self._taken = 0
        self._is_serial = asked.engine == "serial"
        self._pump: _Pump | None = None
        try:
            self._stored = tasks.run.reader(asked.ordered)
            if tasks.missing:
                self._open(asked, tally, level)
        except BaseException:
            self.close()
            raise

    def _open(self, asked: Request, tally: StreamTally, level: int) -> None:
        tasks = self._tasks
        inner = tasks.inner_request()
        direct = self._is_serial or asked.window == 1
        most = _MOST_WAITING
        if not direct and asked.window:
            inner.window, most = asked.window - asked.window // 2, asked.window // 2
        self._inner = inner_stream(inner, tasks.reporter(), level)
        if (times := self._inner._tally._times) is not None:
            tally.note_workers(times._workers)
        tasks.start_writer()
        if not direct:
            self._pump = _Pump(self._inner, tasks, most)

    def next(self, timeout: float | None) -> Item | None:
        """None at the end. Raises _NoNews, and what ends the stream."""
        run = self._tasks.run
        if self._ordered:
            if self._next == len(run.here):
                return None
            item = self._next_stored() if run.flags[run.here[self._next]] >= 2 else self._fresh(timeout)
            self._next += 1
            return item
        return self._next_stored() or self._fresh(timeout)

    def _next_stored(self) -> Item | None:
        if self._stored is None:
            return None
        for index, outcome in self._stored:
            failure = None if outcome.kind == 0 else self._tasks.failure_of(index, outcome)
            value = None if failure is not None else self._tasks.value_of(index, outcome)
            return index, value, failure, outcome.attempts, outcome.seconds, outcome.worker, True
        self._stored = None
        return None

    def _fresh(self, timeout: float | None) -> Item | None:
        it = self._read(timeout)
        if it is None:
            return None
        failure = None if it.failure is None else self._tasks.of_call(it.failure)
        return self._tasks.missing[it.index], it.value, failure, it.attempts, it.seconds, it.worker, False

    def _read(self, timeout: float | None) -> Outcome | None:
        if self._pump is not None:
            return self._pump.next(timeout)
        if self._inner is None:
            return None
        try:
            it: Outcome = self._inner.next(timeout)
        except StopIteration:
            return None
        except TimeoutError as error:
            if not self._inner.is_over:
                raise _NoNews(*error.args) from None
            self._tasks.put_raised(self._taken, error)
            raise
        except Exception as error:
            if self._is_serial:
                self._tasks.put_raised(self._taken, error)
            raise
        self._taken += 1
        self._tasks.put(it.index, it.value, it.failure, it.attempts, it.seconds, it.worker)
        return it

    def close(self) -> None:
        """Raises StoreFailed."""
        if isinstance(self._stored, types.GeneratorType):
            self._stored.close()
        try:
            if self._inner is not None:
                self._inner.close()
            if self._pump is not None:
                self._pump.join()
        finally:
            self._tasks.finish()


class _Pump:
    """A thread that reads and stores outcomes, some further than they are asked for."""

    def __init__(self, stream: Stream, tasks: StoredTasks, most: int) -> None:
        self._stream, self._tasks, self._most = stream, tasks, most
        self._ready: collections.deque[tuple[Outcome, int]] = collections.deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._over = False
        self._closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="parmap-stored-stream", daemon=True)
        self._thread.start()

    def next(self, timeout: float | None) -> Outcome | None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._ready or self._over, timeout):
                raise _NoNews("parmap: no outcome has come in time")
            if self._ready:
                it, size = self._ready.popleft()
                self._bytes -= size
                if len(self._ready) + 1 == self._most or self._bytes + size > _MOST_BYTES:
                    self._changed.notify_all()
                return it
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            return None

    def join(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        try:
            for it in self._stream:
                size = self._tasks.put(it.index, it.value, it.failure, it.attempts, it.seconds, it.worker)
                with self._changed:
                    self._ready.append((it, size))
                    self._bytes += size
                    if len(self._ready) == 1:
                        self._changed.notify_all()
                    self._changed.wait_for(lambda: self._has_room() or self._closed)
                    if self._closed:
                        return
        except BaseException as error:
            self._error = error
            self._stream.close()
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _has_room(self) -> bool:
        return not self._ready or (len(self._ready) < self._most and self._bytes <= _MOST_BYTES)
