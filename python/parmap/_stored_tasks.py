# SPDX-License-Identifier: MIT
"""The tasks of a map or stream that run, where these are not all: a checkpoint has outcomes, or some are in other parts. The request for
an engine, and what becomes of each outcome.

The engine sees them as tasks 0, 1, 2, ... of their own; in their function they have the index of the call and the random stream that
the file gives.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import fields as fields_of_dataclass, is_dataclass, replace
from typing import Any

from . import _errors, _task
from ._arguments import PENDING, Request
from ._axes import Product, arguments_at, zip as zip_axes
from ._checkpoint_file import MOST_FIELDS
from ._checkpoint_run import CheckpointRun, StoredOutcome, Sweep
from ._part_run import PartRun
from ._errors import StoreFailed
from ._failures import KINDS, Failure, message_of
from ._interrupt import CtrlC
from ._progress import Reporter
from ._results import Results
from ._row_writer import RowWriter
from ._stored_values import DATACLASS, JSON, TEXT, stored
from ._sweep import sweep_of


class Numbered:
    """What the engine calls. It can be pickled if func and the inputs can."""

    def __init__(self, func: Callable[..., Any], groups: tuple[tuple[Sequence[Any], ...], ...], seed: int) -> None:
        self.func = func
        self.groups = groups
        self.seed = seed

    def __call__(self, index: int, number: int | None = None, /, **fargs: Any) -> Any:
        token = _task.running.set(_task.Renumbered(index, index if number is None else number, _task.context(), self.seed))
        try:
            return self.func(*self.inputs(index), **fargs)
        finally:
            _task.running.reset(token)

    def inputs(self, index: int) -> tuple[Any, ...]:
        return arguments_at(self.groups, index)


class AsyncNumbered(Numbered):
    """The same of async: each task has a context of its own, in which its coroutine runs."""

    async def __call__(self, index: int, number: int | None = None, /, **fargs: Any) -> Any:
        _task.running.set(_task.Renumbered(index, index if number is None else number, _task.context(), self.seed))
        return await self.func(*self.inputs(index), **fargs)


class StoredTasks:
    """One use of a checkpoint, from its opening to the last row; or of none, by a part. Attributes: run; missing, the tasks that run;
    total, how many tasks there are, in this part; tasks, in all."""

    def __init__(self, asked: Request, shown: Reporter, sweep: Sweep | None = None) -> None:
        self.asked = asked
        self.run: CheckpointRun | PartRun
        if asked.checkpoint is None:
            self.run = PartRun(asked)
        else:
            self.run = CheckpointRun(asked.checkpoint, sweep_of(asked) if sweep is None else sweep, asked.part)
        asked.seed = self.run.seed
        self.missing = self.run.missing
        self._numbers = self.run.numbers
        self.tasks = len(self._numbers)
        self.total = len(self.run.here)
        self._known_fields: set[str] = set()
        self._writer: RowWriter | None = None
        self.reporter_error: BaseException | None = None
        self.shown = shown
        try:
            self._tell()
        except BaseException:
            with contextlib.suppress(StoreFailed):  # the file is free again; the first error is the one to raise
                self.finish()
            raise

    def _tell(self) -> None:
        asked, shown = self.asked, self.shown
        if sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):  # it is full or closed, which is no reason to end
                for note in [*([] if asked.is_quiet else self.run.notes), *filter(None, [self.run.warning])]:
                    print(note, file=sys.stderr, flush=True)
        shown.begin_at(self.run.stored)
        if asked.record is not None:
            asked.record((self.run.path + ".status",) if self.run.path else ())
        if asked.recorder is not None:
            asked.recorder.set_tasks(len(self.missing), self.run.stored)

    def inner_request(self) -> Request:
        asked = self.asked
        columns: list[Sequence[int]] = [self.missing]
        if not isinstance(self._numbers, range):
            columns.append([self._numbers[i] for i in self.missing])
        product = Product((zip_axes(*columns),))
        kind = AsyncNumbered if asked.engine == "async" else Numbered
        made = replace(
            asked, func=kind(asked.func, asked.product.groups, asked.seed), axes=product.groups, product=product, on_error=None, checkpoint=None, part=None,
            values=Results([PENDING] * len(self.missing) if asked.engine == "async" else ()), wants_retry=self._asking(asked.wants_retry),
            retry_if=None, told=[], measured=[], ends=[], raised={}, ctrl_c=CtrlC(), hazards=list(asked.hazards),
            recording=None,
        )  # fmt: skip
        if asked.report is not None:
            made.report = self._report
        if asked.recorder is not None:
            asked.recorder.renumber(list(self.missing))
        return made

    def _asking(self, wants_retry: Callable[[Failure], Any] | None) -> Callable[[Failure], Any] | None:
        return None if wants_retry is None else lambda failure: wants_retry(self.of_call(failure))

    def _report(self, done: int, total: int | None, failed: int, longest: tuple[int, float] | None = None) -> None:
        if longest is not None:
            longest = self.missing[longest[0]], longest[1]
        try:
            self.shown.show(self.run.stored + done, self.total, self.run.kept_failures + failed, longest)
        except BaseException as error:
            self.reporter_error = error
            raise

    def reporter(self) -> Reporter:
        """For a stream of the missing tasks."""
        return _Inner()

    # ---- what is stored

    def start_writer(self) -> None:
        """Once the workers are there: a thread of this process does not outlive a fork."""
        if isinstance(self.run, PartRun):
            return
        self._writer = RowWriter(self.run.place, self.run.version, self.run.run, self.run.values, self.run.kept_failures)

    def value_of(self, index: int, outcome: StoredOutcome) -> Any:
        return self.run.value(index, outcome.cell)

    def failure_of(self, index: int, outcome: StoredOutcome) -> Failure:
        kind = KINDS[outcome.kind - 1]
        error = _exception_of(kind, str(outcome.cell[1]))
        return Failure(index, self.asked.product.task(index), kind, error, outcome.attempts, "")

    # ---- what ends

    def of_call(self, failure: Failure) -> Failure:
        """The failure of a missing task, with its index and its inputs in the call."""
        return self.named(failure, self.missing[failure.index])

    def named(self, failure: Failure, index: int) -> Failure:
        return replace(failure, index=index, task=self.asked.product.task(index))

    def put(self, k: int, value: Any, failure: Failure | None, attempts: int, seconds: float | None, worker: int | None) -> int:
        """Keeps the outcome of missing task k; see put_of()."""
        return self.put_of(self.missing[k], value, failure, attempts, seconds, worker)

    def put_of(
        self, index: int, value: Any, failure: Failure | None, attempts: int, seconds: float | None, worker: int | None,
        erased: int | None = None,
    ) -> int:
        """Keeps the outcome of a task. Returns how many bytes it has, of text and the like. `erased`: a task whose value is not
        needed any more. Raises StoreFailed."""
        if failure is not None and failure.kind == "stopped":
            return 0
        if isinstance(self.run, PartRun):
            return len(value) if isinstance(value, (str, bytes)) else getattr(value, "nbytes", 0)
        fields = None
        if failure is None:
            kind = 0
            try:
                cell = stored(value)
            except Exception as error:
                raise StoreFailed(
                    f"parmap: {self.run.path}: the value of task {index}, of type {type(value).__qualname__}, cannot be stored, as it "
                    f"cannot be pickled: {type(error).__name__}: {_errors.text_of(error)}"
                ) from error
            if cell[0] in (JSON, DATACLASS):
                fields = self._new_fields(value)
        else:
            kind = KINDS.index(failure.kind) + 1
            cell = TEXT, message_of(failure).encode("utf-8", "replace").decode()
        began = int((time.time() - self.run.began - (seconds or 0.0)) * 1e6)
        assert self._writer is not None
        self._writer.put((self._numbers[index], kind, attempts, began, seconds, worker, *cell), fields,
                         None if erased is None else self._numbers[erased])  # fmt: skip
        return len(cell[1]) if isinstance(cell[1], (str, bytes)) else 0

    def put_raised(self, k: int, error: Exception) -> Failure | None:
        """Of serial, where the first exception of a task ends the map. Returns its failure, unless the reporter has raised it."""
        return None if error is self.reporter_error else self.put_raised_of(self.missing[k], error)

    def put_raised_of(self, index: int, error: Exception) -> Failure:
        """Keeps the exception of a task that ends the map."""
        kind = "out_of_memory" if isinstance(error, MemoryError) else "threw"
        attempts = 1 + self.asked.retries
        failure = Failure(index, self.asked.product.task(index), kind, error, attempts)
        self.put_of(index, None, failure, attempts, None, 0)
        return failure

    def _new_fields(self, value: Any) -> list[str] | None:
        if type(value) is dict:
            names = [each for each in value if type(each) is str and not each.startswith("__")]
            if len(names) < len(value):
                return None
        elif is_dataclass(value):
            names = [each.name for each in fields_of_dataclass(value)]
        else:
            return None
        if len(self._known_fields) >= MOST_FIELDS:  # each value has other ones
            return None
        new = [each for each in names if each not in self._known_fields]
        self._known_fields.update(new)
        return new

    def finish(self) -> None:
        """Writes what waits. Raises StoreFailed."""
        try:
            if self._writer is None:
                self.run.say_the_end()  # nothing was written
            else:
                self._writer.finish()
        finally:
            self.run.end()


def inner_stream(asked: Request, shown: Reporter, level: int) -> Any:
    """The stream of the missing tasks."""
    if asked.engine == "cluster":
        from ._cluster_stream import ClusterStream

        return ClusterStream(asked, shown, False, level + 1)
    from ._stream import Stream

    return Stream(asked, shown, False, level + 1)


class _Inner(Reporter):
    """What the stream of the missing tasks closes; the reporter of the call is closed by who made it."""


def _exception_of(kind: str, message: str) -> BaseException:
    """Of a failure that was stored: its message has the type of its exception."""
    name, colon, text = message.partition(": ")
    if not colon or not name.replace(".", "").isidentifier():
        name, text = "", message
    if kind == "timed_out":
        return _errors.TaskTimeout(text)
    if kind in ("crashed", "exited"):
        return _errors.WorkerDied(text)
    if kind == "out_of_memory":
        return MemoryError(text)
    return _errors.RemoteError(name, text) if name else _errors.RemoteError(text, "")
