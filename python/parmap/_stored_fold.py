# SPDX-License-Identifier: MIT
"""fold() with a checkpoint: the accumulator after each task is stored, and that of its block before it is erased.

An accumulator has what the tasks of its block before it have given. So a fold goes on where the stored tasks of a block end, and what
is stored behind a task that has to run again is taken out of the file: _checkpoint_run.py, _keep_prefixes.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from . import _reduction_steps, _trace
from ._axes import zip as zip_axes
from ._errors import StoreFailed
from ._fold_request import request_of
from ._function_identity import fixed_cell
from ._stored_tasks import StoredTasks
from ._stored_values import INTEGER
from ._stream import stream
from ._sweep import sweep_of
from ._times import TimeKeeper, added_times

#: Options that say what a fold is, and not how its rounds run.
_OF_THE_WHOLE = ("checkpoint", "reporter", "label", "seed", "deadline", "deadline_sec", "max_failures", "on_error", "ordered", "window")


def run_stored(steps: Any) -> None:
    """Does what _Steps.run() does."""
    given = dict(steps._options)
    if given.get("start", "fork") != "fork":
        raise ValueError("parmap.fold: with a checkpoint a fold needs start='fork'; a parmap.Executor(start='spawn') as engine does it, too")
    asked, shown = request_of(steps)
    try:
        sweep = sweep_of(asked, func=steps._step, skip=1, fargs=steps._fargs)
        sweep.block = steps._block
        sweep.function.fields.append(("tasks in a block of the fold", (INTEGER, steps._block)))
        cell = fixed_cell(steps._identity)
        if cell is None:
            sweep.function.uncovered.append(f"identity, of type {type(steps._identity).__qualname__}")
        else:
            sweep.function.fields.append(("identity", cell))
        tasks = StoredTasks(asked, shown, sweep)
        with _trace.recorded(asked):
            given["trace"] = asked.recording or False  # one for all maps of the fold
            given["times"] = asked.times
            _StoredSteps(steps, tasks, given).run()
    finally:
        shown.close()


class _StoredSteps:
    def __init__(self, steps: Any, tasks: StoredTasks, options: dict[str, Any]) -> None:
        self._steps, self._tasks = steps, tasks
        self._asked = tasks.asked
        self._options = {name: value for name, value in options.items() if name not in _OF_THE_WHOLE}
        self._newest: dict[int, int] = {}  # of each block the task whose accumulator is stored
        self._times = TimeKeeper() if self._asked.times else None
        self._done = tasks.run.stored
        self._failed = 0

    def run(self) -> None:
        steps, tasks = self._steps, self._tasks
        steps.seed = steps._options["seed"] = self._asked.seed
        steps.stored = tasks.run.stored
        try:
            self._read()
            missing = set(tasks.missing)
            for r in range(steps._block if missing else 0):
                round_tasks = [i for i in range(r, steps._product.size, steps._block) if i in missing]
                if round_tasks:
                    self._run_round(round_tasks)
        finally:
            tasks.finish()
        if self._times is not None:
            steps.times = added_times(None, self._times.times(time.monotonic() - self._asked.begun))

    def _read(self) -> None:
        steps = self._steps
        for index, outcome in self._tasks.run.read(ordered=True):
            if outcome.kind != 0:
                steps.failures.append(self._tasks.failure_of(index, outcome))
                continue
            block = index // steps._block
            steps.first.setdefault(block, index)
            if outcome.cell[0] != 0:
                steps.accumulators[block] = self._tasks.value_of(index, outcome)
                self._newest[block] = index

    def _run_round(self, round_tasks: list[int]) -> None:
        steps, asked = self._steps, self._asked
        options = dict(self._options)
        task: Callable[..., Any] = steps._numbered_task
        inputs: Any = round_tasks
        if asked.engine in ("pool", "cluster"):  # workers that have not inherited the accumulators
            task = functools.partial(_reduction_steps.numbered, steps._step, steps._fargs, asked.seed)
            inputs = zip_axes(round_tasks, [steps._accumulator(i) for i in round_tasks], [steps._product.task(i) for i in round_tasks])
        if asked.deadline_ns is not None:
            options["deadline_sec"] = max(1e-9, asked.deadline_ns / 1e9 - (time.monotonic() - asked.begun))
        most = 1 if steps._raises else asked.max_failures
        if most is not None:
            options["max_failures"] = max(1, most - self._failed)
        if most is not None and self._failed >= most:
            options["stop"] = _Set()
        if asked.recorder is not None:
            asked.recorder.renumber(round_tasks)
        with stream(task, inputs, reporter="silent", **options) as outcomes:
            if self._tasks._writer is None:
                self._tasks.start_writer()
            if self._times is not None:
                self._times.note_workers(outcomes._tally._times._workers)  # type: ignore[union-attr]
            count = 0
            while True:
                try:
                    it = next(outcomes)
                except StopIteration:
                    break
                except Exception as error:
                    if asked.engine == "serial" and not isinstance(error, StoreFailed):
                        self._tasks.put_raised_of(round_tasks[count], error)
                    raise
                count += 1
                self._take(round_tasks[it.index], it)
        steps.raise_first()

    def _take(self, index: int, it: Any) -> None:
        steps, tasks = self._steps, self._tasks
        block = index // steps._block
        failure, erased = None, None
        if it.failure is None:
            steps.accumulators[block] = it.value
            steps.first.setdefault(block, index)
            erased = self._newest.get(block)
            self._newest[block] = index
        else:
            failure = tasks.named(it.failure, index)
            steps.failures.append(failure)
            self._failed += failure.kind != "stopped"
        if self._times is not None and it.seconds is not None:
            self._times.add(index, it.attempts, it.seconds, steps._product.task(index))
        tasks.put_of(index, it.value, failure, it.attempts, it.seconds, it.worker, erased)
        self._done += 1
        tasks.shown.show(self._done, tasks.tasks, len(steps.failures))


class _Set:
    """An event that is set: no further task begins."""

    @staticmethod
    def is_set() -> bool:
        return True
