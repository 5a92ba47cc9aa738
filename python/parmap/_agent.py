# SPDX-License-Identifier: MIT
"""An agent: one node's part of the maps of a cluster. Carriers (Dask, MPI) call exchange() and tell() in its process.

For each map the agent has a Job: a pool of worker processes (_pool.py), so crashes, limits and blame are those of multi. The
caller of the map owns the tasks. It hands out ranges of their numbers, and fetches outcomes; both travel in exchange():

- A job begins with the first exchange that brings its program. An agent that does not know a job says so, and gets the
  program: this is how an agent hears of a map for the first time, and also after it was lost and started anew.
- exchange() adds ranges, and waits until there is something worth telling. Outcomes stay here until an exchange takes them.
  If the answer is lost on its way, so is the agent to its caller, which then runs the open ranges again elsewhere.
- The job ends with an exchange that says so, by tell("kill"), or when the carrier says that the caller is gone.

The workers are forked from this process after the program has been read. So it travels to an agent once, and to a worker never.
More than 400 lines: one class, as exchanges, the job's thread and those of its ranges change the same counts under one lock.
"""

from __future__ import annotations

import contextlib
import functools
import heapq
import os
import pickle
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from . import _errors, _parmap
from ._agent_fold import run_blocks
from ._agent_tasks import Program, programs, run_task
from ._answer import Answer
from ._arguments import check
from ._axes import zip as zip_axes
from ._executor import Executor
from ._failures import Failure
from ._outcome import end_in_words
from ._pool import BrokenPool
from ._progress import Reporter
from ._stream import Stream

_FLOOR = 0.05  # seconds that an exchange lasts at least, unless all is done
_GLANCE = 0.25  # seconds between two looks whether the caller still wants the answer
_MOST_BYTES = 64 << 20  # of values in one answer, about
_GONE = 2.0  # seconds that the caller has to be gone
_END = 10.0  # for a killed range
_SHARE = 0.9  # of the memory that the node's manager grants


class Start(NamedTuple):
    """What an agent is told as a job begins, beside the program."""

    workers: int
    lane: int  # the number of its first worker, among those of all agents
    cores: tuple[int, ...]  # those that the workers may use; empty: those of the agent
    within: float  # seconds after which an outcome is to be told
    max_failures: int | None
    tells_failures: bool  # at once


_jobs: dict[str, Job] = {}
# Of maps that were killed and are not known here: the first exchange of one may still be on its way, in another thread.
_killed: deque[str] = deque(maxlen=1000)
_lock = threading.Lock()


def exchange(
    name: str,
    start: Start | None,
    program: bytes | None,
    ranges: list[tuple[int, int, list[bytes] | None]],
    low: int,
    patience: float,
    ends: bool = False,
    memory: int | None = None,
    is_unwanted: Callable[[], bool] | None = None,
) -> bytes:
    """Gives a job these ranges (first, end, the pickles of their elements if the first axis is read as it goes) and returns what has ended: when no more than `low` tasks are left, or after a
    while, at the latest after `patience` seconds. `ends`: there will be no more. `memory`: bytes that this node's manager
    grants. is_unwanted(): the caller has gone; it is also asked after the exchange."""
    with _lock:
        job = _jobs.get(name)
        if job is None or job.ended or job.broken:
            if program is None or start is None or name in _killed:
                return pickle.dumps(Answer("unknown"), 5)
            job = _jobs[name] = Job(name, start, program, memory)
    return pickle.dumps(job.exchange(ranges, low, patience, ends, is_unwanted), 5)


def tell(name: str, what: str) -> None:
    """ "halt": no further task begins. "kill": the job ends at once, with what runs. Returns at once."""
    with _lock:
        job = _jobs.get(name)
        if job is None and what == "kill":
            _killed.append(name)
    if job is not None:
        job.tell(what)


class Job:
    """One map's part on this node."""

    def __init__(self, name: str, start: Start, program: bytes, memory: int | None) -> None:
        self.name = name
        self.start = start
        self._lock = threading.RLock()  # that of `changed`; to take it directly saves a call
        self.changed = threading.Condition(self._lock)
        self.ended = False  # a new job may take its place
        self.halted = False
        self._kill = False
        self._finish = False
        self._memory = memory
        self._program: Program | None = None
        self._executor: Executor | None = None
        self._error = b""
        self.broken = False
        self._waiting: list[tuple[int, int, list[bytes] | None]] = []  # ranges, until the workers are there
        self._active = 0  # exchanges
        self._wanted_at = time.monotonic()
        self._is_unwanted: Callable[[], bool] | None = None  # as the last exchange has brought it
        self._low = 0
        self._urgent = False
        self._unfinished = 0
        self._due: list[float] = []  # a heap: when failed tasks are tried again
        self._has_postponed = False  # since the last answer
        self._failures = 0
        self._bytes = 0
        self._busy_since = 0.0
        self._done = Answer.empty()
        self._ends: list[str] = []
        self._streams: dict[_Told, threading.Thread] = {}
        self._thread = threading.Thread(target=self._live, args=(program,), name="parmap agent", daemon=True)
        self._thread.start()  # workers die with the thread that forks them, so it stays as long as they do

    # ---- in the carrier's threads

    def is_set(self) -> bool:
        """As a threading.Event: whether tasks are to be stopped."""
        return self.halted

    def tell(self, what: str) -> None:
        with self.changed:
            self.halted = True
            self._kill |= what == "kill"
            self.changed.notify_all()

    def exchange(
        self, ranges: list[tuple[int, int, list[bytes] | None]], low: int, patience: float, ends: bool, is_unwanted: Callable[[], bool] | None
    ) -> Answer:
        begun = time.monotonic()
        with self.changed:
            if self.ended:
                return Answer("unknown")
            self._active += 1
            self._is_unwanted = is_unwanted
            self._low = low
            for first, end, elements in ranges:
                if self._unfinished == 0:
                    self._busy_since = begun
                self._unfinished += end - first
                self._waiting.append((first, end, elements))
            if ranges:
                self.changed.notify_all()
            self._finish |= ends
            try:
                while not self._is_worth_telling(time.monotonic() - begun, patience):
                    if is_unwanted is not None and is_unwanted():
                        self._kill = self.halted = True
                        self.changed.notify_all()
                        break
                    waited = time.monotonic() - begun
                    moments = [each - waited for each in (_FLOOR, self.start.within, patience) if each > waited]
                    self.changed.wait(min([_GLANCE, *moments]))
            finally:
                self._active -= 1
            answer = self._answer()
        if ends:
            with self.changed:
                self.changed.notify_all()
            while self._thread.is_alive() and not (is_unwanted is not None and is_unwanted()):
                self._thread.join(_GLANCE)
            answer = answer._replace(ends=self._ends)
        return answer

    def _is_worth_telling(self, waited: float, patience: float) -> bool:
        if self._error or self.broken or self._kill or self._unfinished == 0 or waited >= patience or self._urgent:
            return True
        some = len(self._done.indexes) + len(self._done.failed) or self._has_postponed
        if not some or waited < _FLOOR:
            return False
        return self._unfinished - self._postponed() <= self._low or waited >= self.start.within or self._bytes > _MOST_BYTES

    def _answer(self) -> Answer:
        now = time.monotonic()
        state = "failed" if self._error else "broken" if self.broken or self._kill else "going"
        busy = now - self._busy_since if self._busy_since else 0.0
        finished = len(self._done.indexes) + (0 if self._folds else len(self._done.failed))
        postponed = self._postponed()
        answer = self._done._replace(state=state, unfinished=self._unfinished, postponed=postponed, finished=finished, busy=busy, error=self._error)
        self._done = Answer.empty()
        self._bytes = 0
        self._urgent = self._has_postponed = False
        self._busy_since = now if self._unfinished else 0.0
        return answer

    # ---- in the job's thread

    def _live(self, program: bytes) -> None:
        try:
            try:
                self._begin(program)
            except BaseException as error:
                with self.changed:
                    self._error = _errors.describe(error)
                    self.changed.notify_all()
            with self.changed:
                while not self._is_over():
                    while self._waiting and self._executor is not None:
                        threading.Thread(target=self._run_range, args=self._waiting.pop(0), name="parmap agent", daemon=True).start()
                    self.changed.wait(_GONE / 2)
                self.ended = True
                self.halted = True
            self._end()
        finally:
            with _lock:
                if _jobs.get(self.name) is self:
                    del _jobs[self.name]
                    programs.pop(self.name, None)

    def _is_over(self) -> bool:
        if self._kill or self.broken or (self._finish and (self._unfinished == 0 or self._error)):
            return True
        if self._active or self._is_unwanted is None or not self._is_unwanted():
            self._wanted_at = time.monotonic()
        return time.monotonic() - self._wanted_at > _GONE

    def _begin(self, text: bytes) -> None:
        if self.start.cores:
            os.sched_setaffinity(0, self.start.cores)  # of this thread, which forks the workers
        program: Program = pickle.loads(text)
        program.lane = self.start.lane
        self._program = program
        with _lock:
            if _jobs.get(self.name) is self:
                programs[self.name] = program
        limit = program.memory_limit
        if self._memory is not None:
            limit = min(limit or self._memory, int(self._memory * _SHARE))
        executor = Executor(
            self.start.workers, init=program.init, finish=program.finish, max_tasks=program.max_tasks, memory_limit=limit, seed=program.seed
        )
        with self.changed:
            self._executor = executor
            if self._unfinished:
                self._busy_since = time.monotonic()

    def _end(self) -> None:
        if self._executor is None:
            return
        if self._kill or not self._finish or self.broken:
            with self.changed:
                streams = list(self._streams.items())
            for stream, thread in streams:  # kills what runs; the pool ends when nobody reads from it
                stream.close()
                thread.join(_END)
            self._executor.kill_workers()
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # told by the caller of the map
            pool = self._executor._pool
            pool.end_later()
            if pool.thread is not None:
                pool.thread.join()
            self._ends = [end_in_words(each) for each in pool.asked.ends]
            pool.asked.ends.clear()

    # ---- in a thread of each range

    def _run_range(self, first: int, end: int, elements: list[bytes] | None) -> None:
        program = self._program
        assert program is not None
        failed: BaseException | None = None
        left = end - first
        try:
            if self._folds:
                left = run_blocks(self, program, first, end)
            else:
                tasks: Any = range(first, end)
                if elements is not None:
                    begin = first // program.of_one
                    tasks = zip_axes(tasks, [elements[k // program.of_one - begin] for k in tasks])
                with self.opened(run_task, tasks) as outcomes:
                    add_value, add_failure = self.add_value, self.add_failure
                    for index, _, value, told, attempts, seconds, worker in outcomes:
                        left -= 1
                        if told is None:
                            add_value(first + index, value, attempts, seconds, worker)
                        else:
                            add_failure(first + index, told, seconds, worker)
        except BaseException as error:
            failed = error
        with self.changed:
            self._unfinished -= left
            if left or failed is not None:
                if failed is None or (isinstance(failed, BrokenPool) and not failed.before_a_task) or self.ended:
                    self.broken = True
                elif not self._error:
                    self._error = _errors.describe(failed)
                self.changed.notify_all()

    @property
    def _folds(self) -> bool:
        """Whether what it is given and answers are blocks of a fold."""
        return self._program is not None and self._program.block > 0

    @contextlib.contextmanager
    def opened(self, run: Callable[..., Any], tasks: Any) -> Iterator[_Told]:
        """A stream of run(name of the job, ...) over these inputs, which begin with the number of a task."""
        program = self._program
        assert program is not None
        options: dict[str, Any] = dict(
            timeout_sec=None if program.timeout_ns is None else program.timeout_ns / 1e9, retries=program.retries,
            retry_delay_sec=program.retry_delay_ns / 1e9, seed=program.seed,
            retry_if=self._wants_retry if program.wants_retry is not None or program.retry_delay_ns else None,
        )  # fmt: skip
        asked = check(
            functools.partial(run, self.name), (tasks,), None, self._executor, n_worker=None, n_simul=None, on_error=None,
            memory_limit=None, init=None, finish=None, max_failures=None, stop=self, streams=True, window=min(len(tasks), 2**26), **options,
        )  # fmt: skip
        stream = _Told(asked, Reporter(), False, 1)
        with self.changed:
            self._streams[stream] = threading.current_thread()
            if self.ended:
                stream.close()
        try:
            yield stream
        finally:
            with self.changed:
                self._streams.pop(stream, None)

    def add_value(self, index: int, value: Any, attempts: int = 1, seconds: float | None = None, worker: int | None = None) -> None:
        """A task, or a block of a fold, has ended. This is called for each task, so it calls little itself."""
        with self._lock:
            self._unfinished = unfinished = self._unfinished - 1
            done = self._done  # as Answer.add_value does
            done.indexes.append(index)
            done.values.append(value)
            done.seconds.append(-1.0 if seconds is None else seconds)
            done.workers.append(-1 if worker is None else worker + self.start.lane)
            if attempts != 1:
                done.attempts[index] = attempts
            if type(value) is bytes or type(value) is str:
                self._bytes += len(value)
                self._tell_if_it_is_time()
            elif unfinished <= self._low or unfinished == 0 or self._due:
                self._tell_if_it_is_time()

    def add_failure(self, index: int, told: tuple[int, str, bytes, int, int], seconds: float | None, worker: int | None) -> None:
        """A task has failed; of a fold, its block goes on."""
        with self.changed:
            self._unfinished -= not self._folds
            self._done.add_failure(index, told, seconds, self.lane_of(worker))
            if told[1] != "stopped":
                self._failures += 1
                self._urgent |= self.start.tells_failures
                if self.start.max_failures is not None and self._failures >= self.start.max_failures:
                    self.halted = True
            self._tell_if_it_is_time()

    def lane_of(self, worker: int | None) -> int | None:
        return None if worker is None else worker + self.start.lane

    def _wants_retry(self, failure: Failure) -> bool:
        """Of an attempt that has failed. While its task waits, the agent can do with another one."""
        program = self._program
        assert program is not None
        if program.wants_retry is not None:
            index, *element = failure.task  # type: ignore[misc]  # of a fold it is the accumulator
            task = program.task(index, *(() if program.block else element))
            if not program.wants_retry(replace(failure, index=index, task=task)):
                return False
        if program.retry_delay_ns:
            wait = _parmap.retry_wait(program.retry_delay_ns, program.seed, failure.index, failure.attempts) / 1e9
            with self.changed:
                heapq.heappush(self._due, time.monotonic() + wait)
                self._has_postponed = True
                self.changed.notify_all()
        return True

    def _postponed(self) -> int:
        now = time.monotonic()
        while self._due and self._due[0] <= now:
            heapq.heappop(self._due)
        return min(len(self._due), self._unfinished)

    def _tell_if_it_is_time(self) -> None:
        if self._unfinished == 0 or self._unfinished - self._postponed() <= self._low or self._urgent or self._bytes > _MOST_BYTES:
            self.changed.notify_all()


class _Told(Stream):
    """Has what the extension tells of a failure in place of the Failure: its exception is not for this process."""

    def _failed(self, told: Any, raised: Any, task: Any) -> Any:
        return told, None
