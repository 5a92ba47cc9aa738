# SPDX-License-Identifier: MIT
"""map_reduce() and fold(): combine the values of all tasks into one, in an order that does not depend on who ran them.

The tasks run as those of parmap(). Their values are combined in workers of the same engine (_combining.py). A good part of this file is
the docstrings, which are the reference.
"""

from __future__ import annotations

import copy
import functools
import os
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from . import _deadline, _errors, _reduction_steps, _task, _trace
from ._arguments import is_cluster
from ._axes import Product, zip as zip_axes
from ._combining import REDUCTION_BLOCK, Combining, fold_block
from ._failures import SHORT, Failure, Failures, call_text, lines_of_failures
from ._map import parmap
from ._override import overridden
from ._progress import make_reporter
from ._reduction_inputs import axes_of, check_call, grid_of, product_for
from ._results import Results
from ._summary import Summary
from ._times import TaskTime, Times, added_times, busy_and_slowest


class Reduction:
    """What map_reduce() and fold() return with full=True: the value of all tasks, and the failures::

        r = parmap.map_reduce(f, operator.add, xs, initial=0.0, on_error="skip", full=True)
        r.value                  # raises the exception of the first failed task, if a task failed
        r.partial                # without the tasks that failed
        for why in r.failures:
            print(why)

    Its length is the number of tasks. Several threads may read it at the same time.

    Attributes
    ----------
    partial : object
        The combined value of the tasks that did not fail, as if the others were not there.
    failures : Failures
        A list of Failure, sorted by index. That of values that could not be combined names the tasks: "combining tasks
        512..1023".
    seed : int
        The seed of parmap.rng() in these tasks.

    Methods
    -------
    raise_for_failures()
        Raise the exception of the first failed task, if a task failed.
    summary()
        What happened, in a few numbers, with the failures grouped by cause.
    """

    def __init__(self, partial: Any, size: int, failures: Iterable[Failure] = (), seed: int = 0, seconds: float | None = None) -> None:
        self.partial = partial
        self.failures = Failures(sorted(failures, key=lambda each: each.index))
        self.seed = seed
        self._size = size
        self._seconds = seconds
        self._times: Times | None = None
        self._left_out = 0
        self._stored = 0

    @property
    def value(self) -> Any:
        """The combined value of all tasks. Raises the exception of the first failed task, if a task failed."""
        self.raise_for_failures()
        return self.partial

    @property
    def ok(self) -> bool:
        """True if no task failed."""
        return not self.failures

    @property
    def size(self) -> int:
        """The number of tasks."""
        return self._size

    def __len__(self) -> int:
        return self._size

    def __bool__(self) -> bool:
        return True  # also without tasks

    def __repr__(self) -> str:
        return f"<Reduction of {self._size} tasks: {SHORT.repr(self.partial)}, {len(self.failures)} failed>"

    def raise_for_failures(self) -> None:
        """Raise the exception of the first failed task, if a task failed. Its attribute results is this Reduction."""
        if self.failures:
            first = next((each for each in self.failures if each.kind != "stopped"), self.failures[0])
            _errors.set_attribute(first.exception, "results", self)
            raise first.exception

    def summary(self) -> Summary:
        """Return what happened: the time, the counts, and the failures grouped by cause. With times=True also how busy the
        workers were with the tasks, and the slowest ones."""
        causes = self.failures.causes()
        return Summary(
            self._size, self._size - len(self.failures), self._seconds, causes, *busy_and_slowest(self._times), left_out=self._left_out,
            stored=self._stored,
        )  # fmt: skip


def map_reduce(
    func: Callable[..., Any],
    op: Callable[[Any, Any], Any],
    *args: Iterable[Any],
    initial: Any,
    on_error: str = "raise",
    full: bool = False,
    **options: Any,
) -> Any:
    """Call func on every element, or on every combination, in parallel, and combine the results by op into one value::

        map_reduce(norm, operator.add, vectors, initial=0.0)              # the sum of norm(v) for all v
        map_reduce(matrix, operator.matmul, angles, initial=numpy.eye(3)) # the product, in the order of angles

    Arguments
    ---------
    func
        As for parmap().
    op
        op(a, b) returns the combination of two values. It must be associative, and need not be commutative. It must not
        change a or b: see fold() for that. It runs in workers of the engine.
    args
        As for parmap().
    initial
        Where the combination begins, at the left. It is the value if there is no task.
    on_error
        - "raise" (default): the map stops at the first failure, and the exception of that task is raised.
        - "skip": failed tasks are left out. A ParmapWarning tells how many, unless full is true.

        serial always raises the first exception, unchanged.
    full
        If true, return a Reduction, with the failures, and not the bare value.
    options
        All options of parmap() except on_error, also grid and where. The engine async has no map_reduce. Of a map on a cluster the values
        are combined in workers of this computer.

    Returns
    -------
    object
        The value; with full=True a Reduction.

    Raises
    ------
    TypeError, ValueError
        An argument is wrong. All other errors are those of parmap().

    Notes
    -----
    The tasks are divided into blocks of 512 consecutive ones. Each block is combined from left to right:
    op(op(v0, v1), v2) and so on; block 0 begins with initial. Then neighbours are combined: blocks 0 and 1, 2 and 3 and
    so on, and the results in the same way, until one is left. So up to 512 tasks the value is that of a plain loop, and
    beyond that a sum of floats may differ from a loop's in its last bits. It is bitwise the same for any engine, any
    number of workers, and after deaths and retries; and the same as that of map_reduce in C++.

    If op raises, or ends its worker, the failure says "combining tasks 512..1023". If that was the value of a task, this
    task is left out; if it was two parts, the right one, and the failure has the index of its first task. Each call of op
    may take timeout_sec. op is not tried again.

    The values of all tasks are kept until they are combined, in the process that called map_reduce.
    """
    check_call("map_reduce", op, on_error, options)
    product = product_for("map_reduce", func, args, options, options.get("fargs"), 0)
    begun = time.monotonic()
    results = parmap(func, *axes_of(product), grid=grid_of(product), on_error=on_error if on_error == "raise" else _nothing, **options)
    combining = Combining(op, product, REDUCTION_BLOCK, options, on_error == "raise")
    failed = {each.index for each in results.failures}
    blocks = []
    for b in range(0, max(1, product.size), REDUCTION_BLOCK):
        values = [(i, results[i]) for i in range(b, min(b + REDUCTION_BLOCK, product.size)) if i not in failed]
        if b == 0:
            blocks.append((0, 0, initial, values))
        elif values:
            blocks.append((b // REDUCTION_BLOCK, values[0][0], values[0][1], values[1:]))
    value = combining.tree(combining.fold_blocks(blocks))
    failures = [*results.failures, *combining.failures]
    return answer("map_reduce", value, product, failures, results.seed, begun, full, results._times, len(results.stored))


def fold(
    identity: Any,
    step: Callable[..., Any],
    merge: Callable[[Any, Any], Any],
    *args: Iterable[Any],
    on_error: str = "raise",
    full: bool = False,
    **options: Any,
) -> Any:
    """Fold every element, or every combination, into accumulators, in parallel, and merge these into one::

        def add(counts, line):
            counts.update(line.split())

        fold(collections.Counter(), add, collections.Counter.update, lines)

    Arguments
    ---------
    identity
        What each accumulator begins as: a copy (copy.deepcopy) of this. To merge it changes nothing.
    step
        step(accumulator, x, ...) changes the accumulator; or it returns a new one, anything but None.
    merge
        merge(a, b) adds b to a, or returns a new accumulator. b is of later tasks.
    args
        As for parmap().
    on_error, full
        As for map_reduce().
    options
        All options of parmap() except on_error. fargs are further arguments of step, and of a grid step gets the inputs by
        keyword: step(accumulator, mu=..., x0=...). The engine async has no fold.

    Returns
    -------
    object
        The accumulator of all tasks; with full=True a Reduction.

    Raises
    ------
    TypeError, ValueError
        An argument is wrong. All other errors are those of parmap().

    Notes
    -----
    Up to 2047 tasks each task has an accumulator of its own. Of more tasks n, blocks of n // 1024 consecutive ones, at most
    512, share one, on which step is called in order. The accumulators are merged in a binary tree, as in map_reduce().
    The value is bitwise the same for any engine, any number of workers, and after deaths and retries; and the same as that
    of fold in C++.

    A step that fails leaves no trace: it works on a copy of the accumulator. Failures of merge are as those of op in
    map_reduce().

    Under multi the accumulators are pickled on their way to the caller, after each step. If blocks have several tasks,
    there is a map for the first task of each block, one for the second and so on, each with workers of its own: init is
    called in each of them.

    On a cluster each node folds whole blocks, and sends their accumulators; these are merged in workers of this computer. If a node
    is lost, its blocks begin anew elsewhere.

    With a checkpoint, the accumulators are stored. As they depend on what lies before them, the axes must then stay as they are.
    """
    check_call("fold", merge, on_error, options)
    if not callable(step):
        raise TypeError(f"parmap.fold: step must be callable, but is {step!r:.100}")
    fargs = dict(options.pop("fargs", None) or {})
    product = product_for("fold", step, args, options, fargs, 1)
    begun = time.monotonic()
    block = fold_block(product.size)
    steps = _Steps(identity, step, product, block, fargs, on_error == "raise", options)
    steps.run()

    combining = Combining(functools.partial(_reduction_steps.merged, merge), product, block, options, on_error == "raise")
    nodes = [(b, steps.first[b], value) for b, value in sorted(steps.accumulators.items())]
    if not nodes or nodes[0][0] != 0:
        nodes.insert(0, (0, 0, copy.deepcopy(identity)))
    value = combining.tree(nodes)
    failures = [*steps.failures, *combining.failures]
    return answer("fold", value, product, failures, steps.seed, begun, full, steps.times, steps.stored)


class _Steps:
    """The tasks of a fold. Task r of every block is one map, so that each task is one of parmap's."""

    def __init__(self, identity: Any, step: Callable[..., Any], product: Product, block: int, fargs: dict[str, Any], raises: bool,
                 options: dict[str, Any]) -> None:  # fmt: skip
        self._identity, self._step, self._product, self._block, self._fargs = identity, step, product, block, fargs
        self._raises = raises
        self._options = dict(options)
        self.accumulators: dict[int, Any] = {}  # by block; of those of which a task has succeeded
        self.first: dict[int, int] = {}  # the first task that is in it
        self.failures: list[Failure] = []
        self.times: Times | None = None
        self.seed = 0
        self._done = 0  # tasks of earlier maps
        self.stored = 0  # tasks whose outcomes were in the file of a checkpoint

    def run(self) -> None:
        if self._options.get("checkpoint") is not None:
            from ._stored_fold import run_stored  # imports sqlite3

            return run_stored(self)
        if self._block > 1 and is_cluster(overridden({"engine": self._options.get("engine", "multi")})["engine"]):
            from ._cluster_fold import run_on_cluster

            return run_on_cluster(self)
        if self._block == 1:
            on_error = "raise" if self._raises else _nothing
            first = functools.partial(_reduction_steps.stepped, self._step, self._fargs, self._identity)
            results = parmap(first, *axes_of(self._product), grid=grid_of(self._product), on_error=on_error, **self._options)
            self._keep(results, list(range(self._product.size)))
            return
        if self._options.get("seed") is None:  # all maps have the same one
            self._options["seed"] = int.from_bytes(os.urandom(8), "little")
        reporter, label = self._options.pop("reporter", None), self._options.pop("label", None)
        recording = self._begin_recording(label, reporter in ("silent", "none"))
        shown = make_reporter(reporter, label, nested=_task.in_task())
        begun, seconds = time.monotonic(), self._options.pop("deadline_sec", None)
        if (deadline := self._options.pop("deadline", None)) is not None:
            if seconds is not None:
                raise TypeError("parmap: deadline and deadline_sec are two ways to say the same; give only one of them")
            seconds = _deadline.seconds_left(deadline)
        try:
            for r in range(self._block):
                tasks = list(range(r, self._product.size, self._block))
                if (why := self._why_stopped(begun, seconds)) is not None:
                    error = _errors.TaskNotRun(f"not finished, because {why}")
                    self.failures += [Failure(i, self._product.task(i), "stopped", error, 0, _trace="") for i in tasks]
                    continue
                if recording is not None:
                    recording.recorder.number_from(r, self._block)
                self._run_round(tasks, None if seconds is None else seconds - (time.monotonic() - begun), shown)
        except BaseException:
            if recording is not None:
                recording.abandon()
            raise
        finally:
            shown.close()
        if recording is not None:
            recording.finish()

    def _begin_recording(self, label: Any, silent: bool) -> _trace.Recording | None:
        """One trace for all maps of the fold."""
        engine = self._options.get("engine", "multi")
        in_calls = engine == "serial"
        trace = _trace.check(self._options.get("trace"))
        recording = _trace.begin(trace, engine if isinstance(engine, str) else "pool", label, self._product, in_calls, silent)
        self._options["trace"] = False if recording is None else recording
        if recording is not None:
            self._options["times"] = True
        return recording

    def _why_stopped(self, begun: float, seconds: float | None) -> str | None:
        most, stop = self._options.get("max_failures"), self._options.get("stop")
        if seconds is not None and time.monotonic() - begun >= seconds:
            return "the deadline was reached"
        if (most is not None and len(self.failures) >= most) or (stop is not None and stop.is_set()):
            return "the map was stopped"
        return None

    def _run_round(self, tasks: list[int], seconds: float | None, shown: Any) -> None:
        options = dict(self._options)
        if self._raises:
            options["max_failures"] = 1
        elif options.get("max_failures") is not None:
            options["max_failures"] -= len(self.failures)
        before, failed = self._done, len(self.failures)
        task: Callable[..., Any] = self._numbered_task
        inputs: Any = tasks
        if not isinstance(self._options.get("engine", ""), str):  # workers that were there before
            task = functools.partial(_reduction_steps.numbered, self._step, self._fargs, self._options["seed"])
            inputs = zip_axes(tasks, [self._accumulator(i) for i in tasks], [self._product.task(i) for i in tasks])
        results = parmap(
            task, inputs, on_error=_nothing, deadline_sec=seconds,
            reporter=lambda i, n: shown.show(before + i + 1, self._product.size, failed), **options,
        )  # fmt: skip
        self._keep(results, tasks)
        self._done += len(tasks)
        self.raise_first()

    def raise_first(self) -> None:
        """If a task has failed, and the fold does not skip it."""
        if self._raises and self.failures:
            first = next((each for each in self.failures if each.kind != "stopped"), self.failures[0])
            _errors.add_note(first.exception, f"parmap: raised by task {first.index}, called with {call_text(first.task)}")
            raise first.exception

    def _keep(self, results: Results, tasks: list[int]) -> None:
        self.seed = results.seed
        if (times := results._times) is not None:
            slowest = [self._time_of_task(each, tasks[each.index]) for each in times.slowest]
            self.times = added_times(self.times, replace(times, slowest=slowest))
        failed = set()
        for each in results.failures:
            failed.add(each.index)
            i = tasks[each.index]
            self.failures.append(replace(each, index=i, task=self._product.task(i)))
        for k, value in enumerate(results):
            if k not in failed:
                block = tasks[k] // self._block
                self.accumulators[block] = value
                self.first.setdefault(block, tasks[k])

    def _time_of_task(self, it: TaskTime, index: int) -> TaskTime:
        return replace(it, index=index, task=self._product.task(index))

    def _accumulator(self, i: int) -> Any:
        return self.accumulators.get(i // self._block, self._identity)

    def _numbered_task(self, i: int) -> Any:
        return _reduction_steps.numbered(self._step, self._fargs, self._options["seed"], i, self._accumulator(i), self._product.task(i))


def answer(
    function: str, value: Any, product: Product, failures: list[Failure], seed: int, begun: float, full: bool, times: Times | None,
    stored: int,
) -> Any:  # fmt: skip
    made = Reduction(value, product.size, failures, seed, time.monotonic() - begun)
    made._times, made._left_out, made._stored = times, product.left_out, stored
    if full:
        return made
    if made.failures:
        lines = "".join(f"\n  {line}" for line in lines_of_failures(made.failures))
        text = f"parmap.{function}: {len(made.failures)} of {product.size} tasks failed and were left out:{lines}"
        warnings.warn(text, _errors.ParmapWarning, stacklevel=3)
    return value


def _nothing(*_: Any) -> None:
    """on_error of a map whose failures are read from its results."""
