# SPDX-License-Identifier: MIT
"""fold() on a cluster: what its nodes are given are blocks (_agent_fold.py), and what comes from them are accumulators."""

from __future__ import annotations

import pickle
from typing import Any

from . import _trace
from ._agent_fold import Folded
from ._agent_tasks import pickled_program
from ._answer import Answer
from ._arguments import Request
from ._cluster import Caller, record
from ._cluster_map import Glances, unpickled
from ._fold_request import request_of
from ._outcome import failure_of
from ._times import TimeKeeper, times_of


def run_on_cluster(steps: Any) -> None:
    """Does what _Steps.run() does."""
    asked, shown = request_of(steps, on_error="raise" if steps._raises else None)
    asked.func, asked.fargs = steps._step, steps._fargs  # what the nodes get
    try:
        with _trace.recorded(asked), asked.ctrl_c as ctrl_c:
            ctrl_c.keep_off()  # until the end: a glance hears it
            _ClusterFold(steps, asked).run()
    finally:
        shown.close()
    steps.raise_first()


class _ClusterFold:
    def __init__(self, steps: Any, asked: Request) -> None:
        self._steps = steps
        self._asked = asked
        self._size, self._block = asked.product.size, steps._block
        self._told: dict[int, tuple[int, str, bytes, int, int]] = {}  # of tasks that failed
        self._early: dict[int, tuple[int, str, bytes, int, int]] = {}  # the same, of blocks that have not ended
        self._ended = bytearray(self._size)
        self._count = 0
        self._times = TimeKeeper() if asked.times else None

    def run(self) -> None:
        asked, steps = self._asked, self._steps
        steps.seed = asked.seed
        carrier = asked.cluster._open(asked.workers)
        try:
            program = pickled_program(asked, block=self._block, identity=steps._identity)
            caller = Caller(asked, carrier, -(-self._size // self._block), carrier.within, program=program, fold=True)
            glances = Glances(asked, caller, self._size, lambda: self._count)
            caller.run(self._take, glances.look)
            if self._times is not None:
                self._times.note_workers(caller.workers)
                steps.times = times_of([self._times.measured()], asked.product.task)
            self._finish(caller.why)
            glances.report()
        finally:
            carrier.close()

    def _take(self, answer: Answer, host: str) -> None:
        for number, value in zip(answer.indexes, answer.values):
            self._take_block(number, pickle.loads(value), host)
        for index, kind, message, attempts, status, *_ in answer.failed:
            if kind == "stopped":  # a block, whose nodes were lost
                for i in self._tasks_of(index):
                    self._end(i, (i, kind, message, attempts, status), host)
            else:
                self._early[index] = index, kind, message, attempts, status
                self._asked.hosts[index] = host

    def _take_block(self, number: int, it: Folded, host: str) -> None:
        for index in self._tasks_of(number):
            self._early.pop(index, None)
        value, lost = it.accumulator, None
        if type(value) is bytes:
            value, lost = unpickled(value, self._asked.ctrl_c.has_raised)
        if it.first >= 0 and lost is None:
            self._steps.accumulators[number] = value
            self._steps.first[number] = it.first
        for index in it.tasks.indexes:
            self._end(index, None if lost is None else (index, "unencodable", lost, it.tasks.attempts.get(index, 1), 0), host)
        for index, kind, message, attempts, status, *_ in it.tasks.failed:
            self._end(index, (index, kind, message, attempts, status), host)
        if self._asked.recorder is not None:
            record(self._asked.recorder, it.tasks)
        if self._times is not None:
            for index, seconds in zip(it.tasks.indexes, it.tasks.seconds):
                if seconds >= 0:
                    self._times.add(index, it.tasks.attempts.get(index, 1), seconds)
            for index, _, _, attempts, _, took, _ in it.tasks.failed:
                if took is not None:
                    self._times.add(index, attempts, took)

    def _tasks_of(self, block: int) -> range:
        return range(block * self._block, min((block + 1) * self._block, self._size))

    def _end(self, index: int, told: tuple[int, str, bytes, int, int] | None, host: str) -> None:
        self._ended[index] = 1
        self._count += 1
        if told is not None:
            self._told[index] = told
            self._asked.hosts[index] = host

    def _finish(self, why: bytes) -> None:
        """Makes the failures, also of what has not ended."""
        for index in range(self._size):
            if not self._ended[index]:
                self._told[index] = self._early.get(index) or (index, "stopped", why, 0, 0)
        for index in sorted(self._told):
            self._steps.failures.append(failure_of(self._asked, self._told[index], None))
