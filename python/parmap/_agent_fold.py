# SPDX-License-Identifier: MIT
"""Blocks of a fold, at an agent: each task of a block gets the accumulator that the task before it has left.

The tasks that could begin now, one of each block, run as streams on the workers. There is always one more stream than the workers
need, so a slow task holds up its own block alone, and short tasks share a stream. The accumulators between two tasks stay on this
node; only that of the last task goes to the caller.
"""

from __future__ import annotations

import math
import pickle
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from ._agent_tasks import BEGINNING, Program, run_step
from ._answer import Answer
from ._axes import zip as zip_axes
from ._pool import BrokenPool

if TYPE_CHECKING:
    from ._agent import Job

_GATHER = 0.001  # seconds in which further tasks may become ready, before a stream begins that is too small for all workers


class Folded(NamedTuple):
    """What becomes of a block. If the map was halted, tasks at its end are missing."""

    first: int  # the first task that is in the accumulator; -1: none
    accumulator: Any  # as it travels
    tasks: Answer  # of its tasks, without values


class _Block:
    def __init__(self, number: int, size: int, tasks: int) -> None:
        self.number = number
        self.next = number * size
        self.end = min(self.next + size, tasks)
        self.first = -1
        self.accumulator: Any = BEGINNING
        self.answer = Answer.empty()


def run_blocks(job: Job, program: Program, first: int, end: int) -> int:
    """Runs blocks [first, end), and tells the job of each that has ended. Returns how many have not, as the workers were lost."""
    return _Blocks(job, program, first, end).run()


class _Blocks:
    def __init__(self, job: Job, program: Program, first: int, end: int) -> None:
        tasks = math.prod(len(group[0]) for group in program.groups)
        self._job = job
        self._changed = threading.Condition()
        self._ready = [_Block(number, program.block, tasks) for number in range(first, end)]
        self._left = end - first
        self._running = 0  # tasks
        self._streams = 0
        self._fault: BaseException | None = None

    def run(self) -> int:
        workers = self._job.start.workers
        with self._changed:
            while self._left and self._fault is None:
                if not self._ready or self._running >= 2 * workers:
                    self._changed.wait()
                    continue
                if self._running and len(self._ready) < workers:
                    self._changed.wait_for(lambda: len(self._ready) >= workers or self._fault is not None, _GATHER)
                blocks, self._ready = self._ready, []
                self._running += len(blocks)
                self._streams += 1
                threading.Thread(target=self._run_tasks, args=(blocks,), name="parmap agent", daemon=True).start()
            self._changed.wait_for(lambda: not self._streams)
        if self._fault is not None:
            raise self._fault
        return self._left

    # ---- in a thread of each stream

    def _run_tasks(self, blocks: list[_Block]) -> None:
        """The next task of each."""
        waiting = dict(enumerate(blocks))
        fault: BaseException | None = None
        try:
            with self._job.opened(run_step, zip_axes([each.next for each in blocks], [each.accumulator for each in blocks])) as outcomes:
                for k, _, value, told, attempts, seconds, worker in outcomes:
                    if told is not None and told[1] == "stopped" and not self._job.halted:
                        raise BrokenPool
                    self._take(waiting.pop(k), value, told, attempts, seconds, worker)
            if waiting:
                raise BrokenPool
        except BaseException as error:
            fault = error
        with self._changed:
            self._running -= len(waiting)
            self._streams -= 1
            self._fault = self._fault or fault
            self._changed.notify_all()

    def _take(self, block: _Block, value: Any, told: Any, attempts: int, seconds: float | None, worker: int | None) -> None:
        job = self._job
        if told is None:
            block.accumulator = value
            if block.first < 0:
                block.first = block.next
            block.answer.add_value(block.next, None, attempts, seconds, job.lane_of(worker))
        elif told[1] != "stopped":
            block.answer.add_failure(block.next, told, seconds, job.lane_of(worker))
            job.add_failure(block.next, told, seconds, worker)
        block.next += 1
        goes_on = block.next < block.end and not job.halted
        if not goes_on:
            job.add_value(block.number, pickle.dumps(Folded(block.first, block.accumulator, block.answer), 5))
        with self._changed:
            self._running -= 1
            if goes_on:
                self._ready.append(block)
            else:
                self._left -= 1
            self._changed.notify_all()
