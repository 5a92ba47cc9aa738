# SPDX-License-Identifier: MIT
"""The engine async: tasks are coroutines that take turns in one thread, on asyncio.

One class, because the end of a task, a limit, an interrupt and a retry all change the same sets of running tasks.
"""

from __future__ import annotations

import asyncio
import collections
import functools
import itertools
import time
import types
from collections.abc import Callable, Generator, Iterable
from typing import Any

from . import _deadline, _errors, _parmap, _task
from ._loop import Signals, bury, close, silence, wait
from ._arguments import PENDING, Request
from ._outcome import failure_of_task
from ._setup import AsyncSetup
from ._times import TimeKeeper

_STOPPED = b"the map was stopped"
_LATE = b"the deadline was reached"

# All in seconds.
_GLANCE = 0.1  # between two calls of the reporter
_GRACE = 0.1  # for a task to end once it is cancelled
_BRIEF = 0.05  # for coroutines that are ended by force, and for those that tasks have started themselves

def run(asked: Request) -> None:
    """Runs the map on its own event loop, which is closed at the end. Stores the outcome in `asked`."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass  # there is none
    else:
        raise RuntimeError(
            "parmap: an event loop is running in this thread, as in a notebook or an async function, and engine='async' "
            "would block it: use results = await parmap.parmap_async(func, ...)"
        )
    if not asked.values:
        return
    loop = asyncio.new_event_loop()
    map = Map(asked, loop, alone=True)
    with Signals(map.interrupt_by, map.forgive):
        try:
            main = map.main = loop.create_task(map.run())
            main.add_done_callback(lambda ended: loop.stop())
            while not main.done():  # again if a task has stopped the loop
                try:
                    loop.run_forever()
                except SystemExit:
                    pass  # of a task that a task has made: the exception is set there, too
                except BaseException as error:
                    if loop.is_closed():
                        raise
                    map.give_up(error)
            main.result()
        finally:
            close(loop, _GRACE if map.interrupt is None else _BRIEF)
    map.tell()


async def run_here(asked: Request) -> None:
    """Like run(), on the running loop."""
    if not asked.values:
        return
    map = Map(asked, asyncio.get_running_loop(), alone=False)
    await map.run()
    map.tell()


class Attempt(_task.Running):
    """One attempt of a task, and its outcome."""

    __slots__ = ("begun", "error", "late", "left", "stopped", "value")

    def __init__(self, index: int, attempt: int, worker: int, seed: int, state: Any) -> None:
        super().__init__(index, attempt, worker, seed, state)
        self.begun: float | None = None  # by the loop's clock
        self.late = self.stopped = False  # why it was cancelled, if it was
        self.left = False  # the map no longer waits for it
        self.value: Any = PENDING
        self.error: BaseException | None = None


@types.coroutine
def _steps(coroutine: Any, it: Attempt) -> Generator[Any, Any, Any]:
    """Like `await coroutine`. But once the attempt is left behind, being cancelled or dropped ends it without running it."""
    if type(coroutine) is not types.CoroutineType:
        coroutine = _awaited(coroutine)
    step, argument = coroutine.send, None
    while True:
        try:
            waits_for = step(argument)
        except StopIteration as end:
            return end.value
        try:
            yield waits_for
            step, argument = coroutine.send, None
        except BaseException as error:
            if it.left:
                bury(coroutine)
                return PENDING
            step, argument = coroutine.throw, BaseException.with_traceback(error, None)


async def _awaited(what: Any) -> Any:
    return await what


def _from_users_frames(error: BaseException) -> BaseException:
    """Makes its traceback begin in func's frame, so that it does not keep the map alive."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == run.__code__.co_filename:
        trace = trace.tb_next
    return BaseException.with_traceback(error, trace)


def _never_raises(act: Callable[..., None]) -> Callable[..., None]:
    """For callbacks of the loop. The loop would only log what they raise, and the map would wait for ever."""

    @functools.wraps(act)
    def call(self: Map, *arguments: Any) -> None:
        try:
            act(self, *arguments)
        except BaseException as error:
            self.give_up(error)

    return call


def _wake() -> None:
    pass


class Map:
    """One map on one loop, in the loop's thread.

    Done-callbacks drive it: the end of a task starts the next one in its place. So it needs no queue, no semaphore and
    no coroutine that waits beside each task. A task that is cancelled before its first step is handled like any other.
    As a callback runs in the context in which it was added, no task inherits the context of another.
    """

    def __init__(self, asked: Request, loop: asyncio.AbstractEventLoop, alone: bool) -> None:
        self.asked = asked
        self.loop = loop
        self.alone = alone  # on its own loop: then a cancellation of main is ignored
        self.main: asyncio.Task[None] | None = None
        self.interrupt: BaseException | None = None  # raised by a signal handler
        self.broken: BaseException | None = None  # raised by the reporter
        self.calling_out = False  # init or the reporter is running
        self._over: asyncio.Future[None] = loop.create_future()
        self._limit = None if asked.timeout_ns is None else asked.timeout_ns / 1e9
        self._size: int | None = len(asked.values)  # None: not known yet
        self._workers = min(asked.workers, len(asked.values))
        self._next = 0  # the first task that has not been begun
        self._done = 0
        self._halted = False  # no further task begins
        self._why = _STOPPED
        self._lost = 0  # tasks that have failed for good
        self._free: list[int] = []  # numbers of workers that are free again
        self._unused = itertools.count()  # numbers that have not been used yet
        self._running: dict[asyncio.Task[None], Attempt] = {}  # in the order they began
        self._again: collections.deque[tuple[int, int]] = collections.deque()  # failed tasks to be tried again: index, attempt
        self._waiting: dict[int, tuple[int, asyncio.TimerHandle]] = {}  # those that wait for that: attempts used up, timer
        self._left: set[asyncio.Task[None]] = set()
        self._times = TimeKeeper() if asked.times else None
        self._setup = AsyncSetup(asked.init, asked.finish)
        self._unfit: BaseException | None = None  # raised by init
        self._alarm: asyncio.TimerHandle | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        try:
            if self.asked.deadline_ns is not None:
                seconds = self.asked.deadline_ns / 1e9
                self._deadline = self.loop.call_later(seconds, self._begin_no_more, _deadline.grace(seconds))
            await self._call_init()
            self._ticking = self.loop.call_later(_GLANCE, self._tick)
            self._fill()
            while not self._over.done():
                await self._wait([self._over])
        finally:
            await self._farewell()
        if self.interrupt is None and self.broken is None:
            self._show()

    def tell(self) -> None:
        self.asked.interrupt = self.interrupt
        self.asked.measured += [] if self._times is None else [self._times.measured()]
        if self.broken is not None and self.interrupt is None:
            raise self.broken
        if self.interrupt is None:
            self.asked.told += [(index, "stopped", self._why, attempt - 1, 0) for index, attempt in self._again]
            self.asked.told += [(index, "stopped", self._why, attempts, 0) for index, (attempts, _) in self._waiting.items()]
            self.asked.told += [(index, "stopped", self._why, 0, 0) for index in range(self._next, len(self.asked.values))]
        self.asked.told.sort()

    def interrupt_by(self, error: BaseException) -> bool:
        """Called in a signal handler with what it has raised. Returns whether the user's code was running."""
        self._set_interrupt(error)
        here = asyncio.current_task(self.loop)
        self._cancel_running(but=here)  # now, because tasks that are due would run before _farewell
        self._end()
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(_wake)  # the loop may be asleep
        return self.calling_out or here not in (None, self.main)

    def give_up(self, error: BaseException) -> None:
        if isinstance(error, KeyboardInterrupt):
            self._set_interrupt(error)
        elif self.broken is None:
            self.broken = error
        self._end()

    def _set_interrupt(self, error: BaseException) -> None:
        if self.interrupt is None:
            self.interrupt = error

    # ---- tasks

    def _fill(self) -> None:
        while len(self._running) < self._workers and not self._halted and not self._over.done():
            if self._again:
                index, attempt = self._again.popleft()
            elif self._may_begin():
                self._next += 1
                index, attempt = self._next - 1, 1
            else:
                break
            self._begin(index, attempt, self._free.pop() if self._free else next(self._unused))
        if not self._running and (self._halted or (not self._waiting and not self._more_will_come())):
            self._end()

    def _may_begin(self) -> bool:
        return self._size is not None and self._next < self._size

    def _more_will_come(self) -> bool:
        """Whether there are tasks that may not begin yet."""
        return False

    def _inputs(self, index: int) -> tuple[Any, ...]:
        return self.asked.product.arguments(index)

    def _put(self, it: Attempt) -> None:
        self.asked.values[it.index] = it.value
        if self.asked.heard is not None:
            self.asked.heard(it.index, it.value, None, it.attempt, self._seconds_of(it), it.worker)

    def _seconds_of(self, it: Attempt | None) -> float | None:
        return None if it is None or it.begun is None else self.loop.time() - it.begun

    def _put_failure(
        self, index: int, kind: str, message: bytes, attempts: int, error: BaseException | None, it: Attempt | None = None
    ) -> None:
        """`it`: the last attempt, if it has run to its end."""
        if error is not None:
            self.asked.raised[index] = error
        self.asked.told.append((index, kind, message, attempts, 0))
        if self.asked.heard is not None and kind != "stopped":
            failure = failure_of_task(self.asked, (index, kind, message, attempts, 0), error, self._inputs(index))
            self.asked.heard(index, None, failure, attempts, self._seconds_of(it), None if it is None else it.worker)

    def _begin(self, index: int, attempt: int, worker: int) -> None:
        it = Attempt(index, attempt, worker, self.asked.seed, self._setup.state)
        task = self.loop.create_task(self._attempt(it))
        self._running[task] = it
        task.add_done_callback(self._ended)

    async def _attempt(self, it: Attempt) -> None:
        """The coroutine of the asyncio task. Catches everything: SystemExit or KeyboardInterrupt would end the loop."""
        try:
            _task.running.set(it)
            it.begun = self.loop.time()
            if self.asked.recorder is not None:
                self.asked.recorder.begun(it.index, it.attempt, it.worker, time.monotonic())
            if self._limit is not None:
                self._limit_from_now(it.begun, self._limit)
            if self._unfit is not None:
                it.error = self._unfit
                return
            asked = self.asked
            it.value = await _steps(asked.func(*self._inputs(it.index), **asked.fargs), it)
        except BaseException as error:
            it.error = _from_users_frames(error)

    @_never_raises
    def _ended(self, task: asyncio.Task[None]) -> None:
        it = self._running.pop(task, None)
        if it is None:
            self._left.discard(task)
            return
        self._note_time(it)
        error = it.error
        if error is None and it.value is PENDING:
            error = asyncio.CancelledError()  # it was cancelled before its first step
        if it.late:
            self._failed(it, "timed_out", error)
        elif error is None:
            self._record(it, "", None)
            self._put(it)
            self._done += 1
            self._free.append(it.worker)
        elif it.stopped:
            self._failed(it, "stopped", None)
        else:
            self._failed(it, "out_of_memory" if isinstance(error, MemoryError) else "threw", error)
        self._fill()

    def _failed(self, it: Attempt, kind: str, error: BaseException | None) -> None:
        self._free.append(it.worker)
        goes_on = not self._over.done() and not self._halted
        if it.attempt <= self.asked.retries and (not goes_on or self._is_worth_a_retry(it, kind, error)):
            if goes_on and not self._over.done():
                self._record(it, kind, error, again=True)
                self._postpone(it)
                return
            kind, error = "stopped", None  # it has not failed for good, and is not tried again as the map ends
        if kind == "stopped":
            if self.interrupt is None:
                self._put_failure(it.index, kind, self._why, it.attempt, None)
            return
        if kind == "timed_out" and isinstance(error, asyncio.CancelledError):  # its traceback shows where the task was
            error = _errors.TaskTimeout().with_traceback(error.__traceback__)
        self._record(it, kind, error)
        self._put_failure(it.index, kind, b"", it.attempt, error, it)
        self._done += 1
        self._lost += 1
        if self.asked.max_failures is not None and self._lost >= self.asked.max_failures:
            self._halted = True
        if self.asked.stop_at_failure:
            self._end()

    def _is_worth_a_retry(self, it: Attempt, kind: str, error: BaseException | None) -> bool:
        if self.asked.wants_retry is None:
            return True
        self.calling_out = True
        try:
            failure = failure_of_task(self.asked, (it.index, kind, b"", it.attempt, 0), error, self._inputs(it.index))
            return bool(self.asked.wants_retry(failure))
        except BaseException as raised:
            self.give_up(raised)
            return False
        finally:
            self.calling_out = False

    def _postpone(self, it: Attempt) -> None:
        """The task is tried again, at once or after a while."""
        if not self.asked.retry_delay_ns:
            self._again.append((it.index, it.attempt + 1))
            return
        wait = _parmap.retry_wait(self.asked.retry_delay_ns, self.asked.seed, it.index, it.attempt) / 1e9
        self._waiting[it.index] = it.attempt, self.loop.call_later(wait, self._due, it.index)

    @_never_raises
    def _due(self, index: int) -> None:
        attempts, _ = self._waiting.pop(index)
        self._again.append((index, attempts + 1))
        self._fill()

    def _record(self, it: Attempt, kind: str, error: BaseException | None, again: bool = False) -> None:
        """Tells the trace how an attempt has ended; kind is empty if there is a value."""
        if self.asked.recorder is None or it.begun is None:
            return
        seconds = max(0.0, self.loop.time() - it.begun)
        message = "" if not kind else "ran longer than timeout_sec" if kind == "timed_out" else _errors.words_of(error)
        self.asked.recorder.ended(it.index, it.attempt, it.worker, time.monotonic() - seconds, seconds, kind, message, again)

    def _note_time(self, it: Attempt) -> None:
        if self._times is not None and it.begun is not None and not it.stopped:
            self._times.note_workers(it.worker + 1)
            self._times.add(it.index, it.attempt, self.loop.time() - it.begun)

    # ---- limits

    def forgive(self) -> None:
        """The process was stopped and goes on: each task has its whole limit again, as its time went on meanwhile."""
        now = self.loop.time()
        for it in self._running.values():
            if it.begun is not None:
                it.begun = now

    @_never_raises
    def _begin_no_more(self, grace: float) -> None:
        """The map's time is over. Running tasks have a grace."""
        self._halted = True
        self._why = _LATE
        if not self._running:
            self._end()
        self._deadline = self.loop.call_later(grace, self._end)

    def _limit_from_now(self, begun: float, limit: float) -> None:
        if self._alarm is None:  # one timer for all: the limit is the same, so tasks are due in the order they began
            self._alarm = self.loop.call_at(begun + limit, self._enforce_limit, limit)

    @_never_raises
    def _enforce_limit(self, limit: float) -> None:
        self._alarm = None
        now = self.loop.time()
        for task, it in self._running.items():
            if it.late or it.begun is None:
                continue
            if it.begun + limit > now:
                self._alarm = self.loop.call_at(it.begun + limit, self._enforce_limit, limit)
                return
            it.late = task.cancel()  # False if it has just ended
            if it.late:
                self.loop.call_later(_GRACE, self._leave_late, task)

    @_never_raises
    def _leave_late(self, task: asyncio.Task[None]) -> None:
        if not task.done() and task in self._running:
            self._leave(task)
            self._fill()

    def _leave(self, task: asyncio.Task[None]) -> None:
        """Leaves a task behind that has been cancelled and goes on."""
        it = self._running.pop(task)
        it.left = True
        self._left.add(task)
        silence(task)
        self._note_time(it)
        self._failed(it, "timed_out" if it.late else "stopped", None)

    # ---- the caller's side

    async def _call_init(self) -> None:
        self.calling_out = True
        try:
            await self._setup.enter()
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and not self.alone:
                raise
            self._unfit = _from_users_frames(error)
        finally:
            self.calling_out = False

    @_never_raises
    def _tick(self) -> None:
        self._ticking = self.loop.call_later(_GLANCE, self._tick)
        if self.asked.stop is not None and self.asked.stop.is_set():
            self._halted = True
            if not self._running:
                self._end()
        self._show()

    def _longest(self) -> tuple[int, float] | None:
        """The task that has been running for longest, and for how many seconds."""
        for it in self._running.values():
            if it.begun is not None:
                return it.index, self.loop.time() - it.begun
        return None

    def _show(self) -> None:
        if self.asked.report is None:
            return
        self.calling_out = True
        try:
            self.asked.report(self._done, self._size, self._lost, self._longest())
        except BaseException as error:
            self.give_up(error)
        finally:
            self.calling_out = False

    async def _wait(self, what: Iterable[asyncio.Future[Any]], seconds: float | None = None) -> None:
        try:
            await wait(what, seconds)
        except asyncio.CancelledError:
            if not self.alone:  # on its own loop only a task can have cancelled it
                raise

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _cancel_running(self, but: asyncio.Task[Any] | None = None) -> None:
        for task, it in list(self._running.items()):
            if not it.late and not it.stopped:
                it.stopped = task is but or task.cancel()

    async def _farewell(self) -> None:
        """Cancels the tasks that still run and gives them some time to end. After that nothing of the map runs."""
        self._end()
        for timer in (self._ticking, self._alarm, self._deadline, *(timer for _, timer in self._waiting.values())):
            if timer is not None:
                timer.cancel()
        self._cancel_running()
        try:
            await self._wait([*self._running, *self._left], _GRACE)
        finally:
            for task in [each for each in self._running if not each.done()]:
                self._leave(task)
            for task in self._left:
                task.cancel()
            await self._wait(self._left, _BRIEF)
            await self._call_finish()

    async def _call_finish(self) -> None:
        self.calling_out = True
        try:
            await self._setup.leave()
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and not self.alone:
                raise
            self.give_up(_from_users_frames(error))
        finally:
            self.calling_out = False
