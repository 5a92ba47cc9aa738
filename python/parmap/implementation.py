# SPDX-License-Identifier: MIT
"""A parallel map in one file of pure Python (3.10 or newer), which needs nothing else and may be copied into a project::

    from parmap import parmap              # single_file/parmap.py of the project, beside your program

    r = parmap(f, xs)                      # [f(x) for x in xs], on all cores, in worker processes
    r = parmap(f, xs, ys)                  # every combination, the last iterable fastest
    r.failures, r.ok, r.summary()          # a task that raises, crashes, exits or hangs costs only its own result

It has the call and the promises of the package parmap-cpp, whose compiled core is faster: zip, fargs, the engines multi, threads,
async and serial, on_error, retries, timeout_sec, deadline_sec, max_failures, stop, seed and rng(), context(), init and finish,
reporter, times, max_tasks; stream, imap, imap_unordered, maplike, starmap, parmap_async. help(parmap) has the options.
It refuses what it does not have, and names it: grid, checkpoint, part, trace, memory_limit, Executor, map_reduce, fold, astream, override, data frames.

How multi starts its workers (``results.engine`` tells): by fork on Linux; by spawn on macOS and Windows, and with start="spawn":

    the same program              by fork                        by spawn
    func, init, finish            anything                       what pickle knows; with cloudpickle anything
    inputs and fargs              not copied                     pickled, and sent once to each worker
    global variables              as they are at the call        as the modules define them when imported
    if __name__ == "__main__":    not needed                     needed, unless cloudpickle is installed
    a notebook                    works                          needs cloudpickle
    a worker starts in            the time of a fork             the time of python and of your imports
    libraries with threads        may hang in a task             work
"""

from __future__ import annotations

import asyncio
import atexit
import builtins
import collections
import contextlib
import functools
import gc
import heapq
import inspect
import io
import itertools
import math
import operator
import os
import pickle
import random
import re
import reprlib
import selectors
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
import types
import warnings
import weakref
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Generator, Iterable, Iterator, NamedTuple, NoReturn, Sequence

__version__ = "0.1.0"
__all__ = ["ENGINES", "Context", "Failure", "FailureCause", "Failures", "Outcome", "ParmapWarning", "RemoteError", "Results", "Stream", "Summary",
           "TaskNotRun", "TaskTime", "TaskTimeout", "UnpicklableResult", "WorkerDied", "context", "imap", "imap_unordered", "maplike", "parmap",
           "parmap_async", "rng", "starmap", "stream", "zip"]  # fmt: skip
ENGINES = ("multi", "threads", "serial", "async")
_CAN_FORK = hasattr(os, "fork")
_START = "fork" if _CAN_FORK and sys.platform != "darwin" else "spawn"  # macOS's own libraries do not survive a fork
_CHUNK = 0.01  # seconds that a worker of multi is given work for
_TICK = 0.05  # seconds between two looks at the clock
_PATIENCE = 10.0  # seconds that a worker has to begin, and to end
_STOPPED, _LATE, _OTHER, _INTERRUPTED = "the map was stopped", "the deadline was reached", "another task failed", "the map was interrupted"
_NO_VALUE: Any = object()
_dumps, _loads = pickle.dumps, pickle.loads  # a task may replace them


def _lacks(what: str) -> str:
    return f"parmap: {what} is not in the pure form of parmap; the package parmap-cpp has it, where its compiled core runs (64-bit Linux)"


def __getattr__(name: str) -> NoReturn:
    if name in (
        "AsyncStream", "BrokenPool", "DaskEngine", "Executor", "Future", "MpiEngine", "OTHER_PART", "Reduction", "StoreFailed", "Stored", "StoredRow",
        "astream", "axis", "checkpoint", "fold", "joblib", "load", "map_reduce", "override", "watch",
    ):  # fmt: skip
        raise AttributeError(_lacks(f"parmap.{name}"))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# ---- Exceptions, and how they leave a worker


class ParmapWarning(RuntimeWarning):
    """Tasks of a map failed, or a worker did not end as it should. As an exception, `results` has what parmap would have returned."""

    results: Any


warnings.simplefilter("always", ParmapWarning, append=True)  # not only the first of a line


class TaskTimeout(TimeoutError):
    """A task ran longer than timeout_sec. Under engine="threads" it is raised in the task itself, too."""


class WorkerDied(RuntimeError):
    """A task ended its worker process: by a signal (attribute signal), or by an exit (attribute status)."""

    def __init__(self, message: str, signal: int | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.signal, self.status = signal, status

    def __reduce__(self) -> Any:
        return type(self), (self.args[0], self.signal, self.status)


class RemoteError(RuntimeError):
    """Takes the place of an exception that cannot be pickled, or not unpickled: its type's name and its text."""

    def __init__(self, type_name: str, text: str) -> None:
        super().__init__(f"{type_name}: {text}" if text else type_name)
        self.type_name, self.text = type_name, text

    def __reduce__(self) -> Any:
        return type(self), (self.type_name, self.text)


class UnpicklableResult(TypeError):
    """The result of a task could not be brought from its worker."""


class TaskNotRun(RuntimeError):
    """A task did not begin, or did not end, because the map was stopped."""


class _RemoteTraceback(Exception):
    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


class _NoGuard(BaseException):
    """A spawned worker imports the program, and this starts a map: it must not."""


class UnknownName(ValueError, KeyError):
    def __init__(self, what: str, name: object, known: Iterable[str]) -> None:
        super().__init__(f"parmap: there is no {what} {name!r}; the names are " + ", ".join(known))

    def __str__(self) -> str:  # KeyError would quote it
        return str(self.args[0])


def _type_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except (Exception, SystemExit) as worse:
        return f"(its __str__ raised {type(worse).__name__})"


def _traceback_of(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except (Exception, SystemExit):  # its __str__ may raise
        return "".join(traceback.format_tb(error.__traceback__)) + f"{_type_name(error)}: {_text_of(error)}\n"


def _set(error: BaseException, name: str, value: Any) -> None:
    BaseException.__setattr__(error, name, value)  # also of a frozen dataclass


def _add_note(error: BaseException, note: str) -> None:
    notes = getattr(error, "__notes__", None)
    if note not in (notes or ()):
        with contextlib.suppress(Exception):
            _set(error, "__notes__", [*(notes or ()), note])


def _pickled(value: Any) -> bytes:
    """By pickle; by cloudpickle, if that is installed, what pickle refuses."""
    try:
        return _dumps(value, protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError):
        try:
            import cloudpickle
        except ImportError:
            cloudpickle = None
        if cloudpickle is None:
            raise

        class Pickler(cloudpickle.Pickler):  # type: ignore[misc,name-defined]
            dispatch_table = collections.ChainMap(
                {io.TextIOWrapper: _refuse_file, memoryview: lambda it: (_viewed, (it.tobytes(), it.format, it.shape))}, cloudpickle.Pickler.dispatch_table
            )

        with io.BytesIO() as file:
            Pickler(file, protocol=5).dump(value)
            return file.getvalue()


def _refuse_file(file: Any) -> NoReturn:
    raise pickle.PicklingError(f"an open file cannot leave its worker ({file.name!r:.100}): return its name or its contents")


def _viewed(data: bytes, format: str, shape: tuple[int, ...]) -> memoryview:
    flat = memoryview(data)
    return flat if format == "B" and len(shape) == 1 else flat.cast("B").cast(format, shape)  # type: ignore[call-overload,no-any-return]


def _describe(error: BaseException) -> bytes:
    """In the worker: all that _restore() needs. The exception itself only if it comes out of pickle as it went in."""
    data, text, lost = None, _text_of(error), False
    try:
        data = _pickled(error)
        again = _loads(data)
        bare = re.sub("0x[0-9a-f]+", "", _text_of(again)) == re.sub("0x[0-9a-f]+", "", text)
        if not bare and type(again) is type(error):  # pickling loses its text: that is restored
            again.args, lost = (text,), True
            bare = str(again) == text and again.__dict__.keys() == error.__dict__.keys()
        if type(again) is not type(error) or not bare or len(data) > 8 << 20:
            data = None
    except BaseException:  # it does not survive; what it raises is not the task's
        data = None
    notes = getattr(error, "__notes__", None)
    notes = [each for each in notes if isinstance(each, str)] if isinstance(notes, (list, tuple)) else []
    return _dumps((_type_name(error), text[: 1 << 20], _traceback_of(error)[-(1 << 20) :], data, lost, notes))


def _describe_result(value: Any, why: BaseException) -> BaseException:
    """The exception for a result that cannot be pickled."""
    kind = type(value)
    error = UnpicklableResult(
        f"a result of type {kind.__module__}.{kind.__qualname__} cannot be pickled: {_type_name(why)}: {_text_of(why)}; "
        "return plain data, install cloudpickle, or use engine='threads'"
    )
    error.__cause__ = why
    return error


def _restore(message: bytes) -> tuple[BaseException, str]:
    type_name, text, trace, data, lost, notes = _loads(message)
    error: BaseException = RemoteError(type_name, text)
    if data is not None:
        with contextlib.suppress(BaseException):  # Ctrl-C is held back meanwhile
            error = _loads(data)
            if lost:
                error.args = (text,)
    _set(error, "__cause__", _RemoteTraceback(trace))
    for note in notes:
        _add_note(error, note)
    return error, trace


_ADVICE = {
    "SIGSEGV": "an invalid memory access or a stack overflow; run this task alone with engine='serial' under python -X faulthandler",
    "SIGABRT": "abort, a failed assertion, an uncaught exception or a damaged heap; see stderr, or run this task alone with engine='serial' under python -X faulthandler",
    "SIGFPE": "an integer division by zero, or INT_MIN / -1; check this task's input and the extension module that divides",
    "SIGILL": "a missing return, or code for another CPU (-march); install extension modules that were built for this CPU",
    "SIGBUS": "a mapped file that shrank or whose disk is full (see df), or a misaligned access; run this task alone with engine='serial' under python -X faulthandler",
    "SIGKILL": "killed from outside: kill -9, a batch system, or memory ran out (see dmesg); try a smaller n_worker",
}
_CONNECTION_LOST = 115  # the exit status of a worker that cannot reach its caller any more


def _of_death(status: int | None) -> tuple[str, WorkerDied]:
    """Of a worker that has died on its own: kind and exception. `status`: negative for a signal; None: somebody else has reaped it."""
    if status is None:
        return "crashed", WorkerDied("its worker died, and the cause is unknown, because this process ignores SIGCHLD or reaps every child")
    if status == _CONNECTION_LOST:
        return "exited", WorkerDied("its worker lost its connection, as the task has closed a descriptor that it had not opened", status=status)
    if status >= 0:
        return "exited", WorkerDied(f"its worker exited with status {status}, as by os._exit({status}) or exit() in C code", status=status)
    try:
        name = signal.Signals(-status).name
        words = f"{name} ({signal.strsignal(-status)})"
    except ValueError:
        name = words = f"signal {-status}"
    advice = _ADVICE.get(name, "sent to this worker alone, by kill, a batch system or the task; retries runs the task again")
    return "crashed", WorkerDied(f"its worker was killed by {words}: {advice}", signal=-status)


# ---- Failures, summaries, results

_SHORT = reprlib.Repr()
_SHORT.maxother = _SHORT.maxstring = 100
_NUMBER = re.compile(r"(?<![A-Za-z0-9_])[+-]?(?:0x[0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)*(?:[eE][+-]?[0-9]+)?)")


def _inputs_text(task: tuple[Any, ...]) -> str:
    return ", ".join(map(_SHORT.repr, task))


@dataclass(frozen=True)
class Failure:
    """One task that has no result: index, task (its inputs), kind, exception, attempts, traceback.

    kind is "threw", "crashed", "exited", "timed_out", "out_of_memory", "unencodable" or "stopped"."""

    index: int
    task: Any
    kind: str
    exception: BaseException
    attempts: int
    _trace: str | None = field(default=None, repr=False, compare=False)

    @property
    def traceback(self) -> str:
        """The traceback of the exception in the task, as text; empty if there is none, as after a crash."""
        if self._trace is not None:
            return self._trace
        return "" if self.exception.__traceback__ is None else _traceback_of(self.exception)

    @property
    def _message(self) -> str:
        return f"{type(self.exception).__name__}: {_text_of(self.exception)}"

    def __str__(self) -> str:
        words = f"task {self.index} {self.kind.replace('_', ' ')}: {self._message}"
        return words if self.attempts <= 1 else f"{words} ({self.attempts} attempts)"


@dataclass(frozen=True)
class FailureCause:
    """The failures of one kind whose messages differ in numbers only: their kind, message, count, and the first of them."""

    kind: str
    message: str
    count: int
    first: Failure

    def __str__(self) -> str:
        if self.count == 1:
            return str(self.first)
        return f"{self.count} x {self.kind.replace('_', ' ')}: {self.message}; first task {self.first.index} ({_inputs_text(self.first.task)})"


class Failures(list[Failure]):
    """The failures of a map, sorted by index. causes() groups them."""

    def causes(self) -> list[FailureCause]:
        """The failures grouped by cause: the cause of most failures first."""
        groups: dict[tuple[str, str], list[Failure]] = {}
        for each in self:
            words = each._message if each.kind in ("crashed", "exited") else _NUMBER.sub("...", each._message)
            groups.setdefault((each.kind, words), []).append(each)
        found = []
        for (kind, words), these in groups.items():
            first = min(these, key=lambda each: each.index)
            same = all(each._message == first._message for each in these)
            found.append(FailureCause(kind, first._message if same else words, len(these), first))
        return sorted(found, key=lambda cause: -cause.count)

    def _lines(self) -> list[str]:
        return [str(each) for each in self] if len(self) <= 5 else _lines_of_causes(self.causes())

    def to_frame(self, kind: str = "pandas") -> NoReturn:
        raise NotImplementedError(_lacks("to_frame()"))

    def __str__(self) -> str:
        return "\n  ".join([f"{len(self)} {'task' if len(self) == 1 else 'tasks'} failed", *self._lines()])


def _lines_of_causes(causes: list[FailureCause]) -> list[str]:
    lines = [str(each) for each in causes[:5]]
    if others := causes[5:]:
        kinds = "1 other cause" if len(others) == 1 else f"{len(others)} other causes"
        lines.append(f"and {sum(each.count for each in others)} more, of {kinds}")
    return lines


@dataclass(frozen=True)
class TaskTime:
    """One of the slowest tasks of a map with times=True."""

    index: int
    task: Any
    seconds: float
    attempt: int

    def __str__(self) -> str:
        return f"task {self.index} ({_inputs_text(self.task)}) in {_span(self.seconds)}"


@dataclass(frozen=True)
class Summary:
    """What happened in a map: counts, wall time, causes of failures; with times=True also busy and slowest."""

    tasks: int
    completed: int
    seconds: float | None
    causes: list[FailureCause]
    busy: float | None = None
    slowest: list[TaskTime] = field(default_factory=list)
    left_out: int = 0

    @property
    def failed(self) -> int:
        return self.tasks - self.completed

    def count(self, kind: str) -> int:
        return sum(each.count for each in self.causes if each.kind == kind)

    def __str__(self) -> str:
        stopped = self.count("stopped")
        lines = [_count_line(self.seconds, self.completed, self.failed - stopped, stopped), *_lines_of_causes(self.causes)]
        if self.busy is not None:
            lines.append(f"workers busy {int(self.busy * 100 + 0.5)} % of the time")
        if self.slowest:
            lines.append("slowest: " + ", ".join(map(str, self.slowest)))
        return "\n  ".join(lines)


def _count_line(seconds: float | None, completed: int, failed: int, stopped: int) -> str:
    tasks = completed + failed + stopped
    text = f"{tasks} {'task' if tasks == 1 else 'tasks'}{'' if seconds is None else f' in {_span(seconds)}'}: {completed} ok"
    return text + (f", {failed} failed" if failed else "") + (f", {stopped} stopped" if stopped else "")


def _span(seconds: float) -> str:
    for unit, size in (("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)):
        value = max(0.0, seconds / size)
        if value < (59.5 if unit == "s" else 999.5):
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60:02d} s" if whole < 3600 else f"{whole // 3600} h {whole // 60 % 60:02d} min"


class Results(list[Any]):
    """The results of a map in input order, None in place of each failed task: a list with failures, seed, ok, tasks, engine.

    A slice, a copy and a sum are Results too, and keep the failures of their elements, with new indices."""

    engine = ""  #: who ran it, such as "multi (pure, spawn)"
    _seconds: float | None = None
    _times: tuple[float | None, list[TaskTime]] = (None, [])
    _inputs: Sequence[Any] | None = None

    def __init__(self, values: Any = (), failures: Iterable[Failure] | None = None, seed: int = 0) -> None:
        super().__init__(values)
        self.failures = Failures(failures or ())
        self.seed = seed

    @property
    def ok(self) -> bool:
        return not self.failures

    @property
    def tasks(self) -> Sequence[Any]:
        """The inputs of the tasks, made when they are asked for."""
        if self._inputs is None or len(self._inputs) != len(self):
            raise ValueError("parmap: the inputs of these results are not known, because not all of the list is from one map")
        return self._inputs

    def raise_for_failures(self) -> None:
        """Raise the exception of the first task that failed, as on_error="raise" does."""
        if self.failures:
            first = next((each for each in self.failures if each.kind != "stopped"), self.failures[0])
            _add_note(first.exception, f"parmap: raised by task {first.index}, called with {_SHORT.repr(first.task)}")
            _set(first.exception, "results", self)
            raise first.exception

    def summary(self) -> Summary:
        return Summary(len(self), len(self) - len(self.failures), self._seconds, self.failures.causes(), *self._times)

    def __getitem__(self, at: Any) -> Any:
        if not isinstance(at, slice):
            return super().__getitem__(at)
        places = range(len(self))[at]
        failures = [replace(each, index=places.index(each.index)) for each in self.failures if each.index in places]
        made = Results(super().__getitem__(at), sorted(failures, key=lambda each: each.index), self.seed)
        made.engine = self.engine
        made._inputs = self._inputs[at] if self._inputs is not None and len(self._inputs) == len(self) else None
        return made

    def copy(self) -> Results:
        return self[:]  # type: ignore[no-any-return]

    def __add__(self, other: Any) -> Any:
        return _joined(self, other, self.seed) if isinstance(other, list) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return _joined(other, self, self.seed) if isinstance(other, list) else NotImplemented

    def __iadd__(self, other: Any) -> Results:  # type: ignore[override,misc]
        other = other if isinstance(other, Results) else list(other)
        self.failures += [replace(each, index=each.index + len(self)) for each in getattr(other, "failures", ())]
        super().__iadd__(other)
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_inputs"}

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError(_lacks("to_frame(), to_xarray() and sel()"))

    to_frame = to_xarray = sel = _refuse


def _joined(first: list[Any], second: list[Any], seed: int) -> Results:
    moved = [replace(each, index=each.index + len(first)) for each in getattr(second, "failures", ())]
    return Results([*first, *second], [*getattr(first, "failures", ()), *moved], seed)


# ---- Inputs


class zip:
    """Iterables that parmap() takes in lockstep, as one input: parmap(f, zip(a, b)) calls f(a[0], b[0]), f(a[1], b[1]), ..."""

    def __init__(self, /, *iterables: Iterable[Any], **named: Iterable[Any]) -> None:
        if named:
            raise ValueError(_lacks("a zip with names"))
        if not iterables:
            raise TypeError("parmap.zip: at least one iterable is needed")
        self._axes = tuple(_sequence(each, f"parmap.zip: argument {k}") for k, each in enumerate(iterables, 1))
        if len({len(each) for each in self._axes}) > 1:
            raise ValueError("parmap.zip: the iterables have unequal lengths: " + ", ".join(str(len(each)) for each in self._axes))

    def __len__(self) -> int:
        return len(self._axes[0])

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return builtins.zip(*self._axes)


def _sequence(items: Any, name: str) -> Any:
    """What has len() and is indexed in the order of iteration."""
    numpy: Any = sys.modules.get("numpy")
    if type(items) in (list, tuple, range, str, bytes) or (numpy is not None and type(items) is numpy.ndarray and items.ndim > 0):
        return items
    if isinstance(items, (itertools.count, itertools.cycle)):
        raise TypeError(f"{name} has no end: limit it, for example by itertools.islice(it, n)")
    try:
        iterator = iter(items)
    except TypeError:
        raise TypeError(
            f"{name} must be iterable, but is {items!r:.100} of type {type(items).__name__}; an argument that is the same for every call goes into fargs"
        ) from None
    found, step = list(itertools.islice(iterator, 10_000)), 10_000
    free, begun = _memory()
    try:
        while len(found) % 10_000 == 0 and found:
            before = len(found)
            found += itertools.islice(iterator, step)
            if len(found) < before + step:
                return found
            used = _memory()[1] - begun
            if used > free // 2:
                raise MemoryError
            step = 10_000 * max(1, min(len(found), int(free / 32 / max(1e-3, used / len(found)))) // 10_000)
    except MemoryError:
        size = len(found)
        found.clear()
        raise ValueError(f"{name} has filled half of the free memory with its first {size} elements: is it endless? Limit it, for example by "
                         "itertools.islice(it, n)") from None  # fmt: skip
    return found


def _memory() -> tuple[int, int]:
    """Bytes that are free, and that this process has; where they are not known, so much that nothing is refused."""
    try:
        with open("/proc/meminfo") as all, open("/proc/self/statm") as own:
            free = next(int(line.split()[1]) << 10 for line in all if line.startswith("MemAvailable"))
            return free, int(own.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, StopIteration):
        return 1 << 62, 0


class _Product(Sequence[Any]):
    """Every combination of the axes, the last one fastest: the tasks, as tuples. In a stream the first axis may be an iterator."""

    def __init__(self, iterables: tuple[Any, ...], streams: bool) -> None:
        if not iterables:
            raise TypeError("parmap: at least one iterable is needed after func")
        read = streams and isinstance(iterables[0], Iterator)
        self.first: Any = iterables[0] if read else None
        groups = [each._axes if isinstance(each, zip) else (_sequence(each, f"parmap: argument {k}"),)
                  for k, each in enumerate(iterables, 1) if k > 1 or not read]  # fmt: skip
        self.groups = tuple(groups)
        self.each = math.prod(len(group[0]) for group in groups)  # tasks, or of an iterator for each of its elements
        self.places = range(0 if read else self.each)
        if len(iterables) > 1 and self.each > sys.maxsize:
            raise OverflowError(f"parmap: {self.each} combinations are more than a list can hold")

    def arguments(self, index: int) -> tuple[Any, ...]:
        found: list[Any] = []
        for group in reversed(self.groups):
            index, at = divmod(index, len(group[0]))
            found[:0] = [each[at] for each in group]
        return tuple(found)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, at: Any) -> Any:
        if not isinstance(at, slice):
            return self.arguments(self.places[at])
        made = object.__new__(_Product)
        made.first, made.groups, made.each, made.places = None, self.groups, self.each, self.places[at]
        return made


# ---- What a task may ask about itself


class _Numbers(NamedTuple):
    index: int  # type: ignore[assignment]
    attempt: int
    worker: int


class Context(_Numbers):
    """The task that is running: index, attempt, worker, and the worker's state (what init has returned)."""

    state: Any = None


class _Running:
    """One attempt of a task."""

    kind, value, error, trace = "ok", None, None, None  # type: str, Any, Any, str | None
    late = False  # it has exceeded its limit, or was ended
    left = False  # of async: nobody waits for it any more
    patience = 0.0  # of async: when it is no longer waited for
    generator: Any = None

    def __init__(self, index: int, attempt: int, worker: int, seed: int, state: Any = None) -> None:
        self.index, self.attempt, self.worker, self.seed, self.state = index, attempt, worker, seed, state
        self.thread, self.begun = threading.get_ident(), time.monotonic()


_here: ContextVar[_Running | None] = ContextVar("parmap.running", default=None)
_in_worker = False  # this process is a worker of multi


def _running(what: str) -> _Running:
    it = _here.get()
    if it is None:
        raise RuntimeError(f"parmap.{what}() is for tasks, but no parmap task is running here")
    return it


def context() -> Context:
    """The Context of the task that calls it: index, attempt, worker and state."""
    it = _running("context")
    found = Context(it.index, it.attempt, it.worker)
    found.state = it.state
    return found


def rng() -> Any:
    """The numpy.random.Generator of the task that calls it: Philox, with the seed of the map and the index of the task as key."""
    it = _running("rng")
    if it.generator is None:
        try:
            import numpy
        except ImportError as error:
            raise ImportError("parmap.rng() needs NumPy: pip install numpy") from error
        it.generator = numpy.random.Generator(numpy.random.Philox(key=numpy.array([it.seed, it.index], dtype=numpy.uint64)))
    return it.generator


def _retry_wait(first: float, seed: int, task: int, attempt: int) -> float:
    """Seconds until the next attempt: doubled with each, times a number of Philox4x64-10 from 0.75 to 1.25, at most a day."""
    mask = 2**64 - 1
    counter, key = [attempt, 0, 0, mask], [seed, task]
    for _ in range(10):
        low, high = 0xD2E7470EE14C6C93 * counter[0], 0xCA5A826395121157 * counter[2]
        counter = [(high >> 64) ^ counter[1] ^ key[0], high & mask, (low >> 64) ^ counter[3] ^ key[1], low & mask]
        key = [(key[0] + 0x9E3779B97F4A7C15) & mask, (key[1] + 0xBB67AE8584CAA73B) & mask]
    return min(first * (0.75 + (counter[0] >> 11) * 2.0**-54) * 2.0 ** min(attempt - 1, 60), 86400.0)


class _Setup:
    """init and finish of one worker. If init returns a context manager, that is entered and left."""

    def __init__(self, asked: Any) -> None:
        self.init, self.finish, self.manager = asked.init, asked.finish, None  # type: Any, Any, Any

    def enter(self) -> Any:
        made = None if self.init is None else self.init()
        if hasattr(type(made), "__enter__") and hasattr(type(made), "__exit__"):
            self.manager = made
            return getattr(type(made), "__enter__")(made)  # noqa: B009
        return made

    def leave(self) -> None:
        try:
            if self.finish is not None:
                self.finish()
        finally:
            if self.manager is not None:
                type(self.manager).__exit__(self.manager, None, None, None)


# ---- Arguments, checked before anything starts

_ELSEWHERE = {
    **dict.fromkeys(("timeout", "task_timeout", "time_limit"), "timeout_sec"),
    **dict.fromkeys(("workers", "n_workers", "n_jobs", "processes", "pm_processes", "max_workers", "num_workers", "n_threads"), "n_worker"),
    **dict.fromkeys(("initializer", "worker_init"), "init"),
    **dict.fromkeys(("kwargs", "kwds", "args", "constants"), "fargs, a dict"),
    **dict.fromkeys(("backend", "method", "executor", "prefer"), "engine"),
    **dict.fromkeys(("progress_bar", "progress", "pbar", "pm_pbar", "verbose"), "reporter"),
    **dict.fromkeys(("context", "mp_context", "start_method"), "start"),
    **dict.fromkeys(("maxtasksperchild", "max_tasks_per_child", "pm_maxtasksperchild"), "max_tasks"),
    **dict.fromkeys(("error_callback", "errors", "return_exceptions"), "on_error"),
}


def _unknown_argument(function: str, name: str) -> TypeError:
    said = f"{function}() got an unexpected keyword argument {name!r}"
    if name in ("store", "window", "ordered"):
        return TypeError(f"{said}: {_lacks(name)}" if name == "store" else f"{said}: it is for parmap.stream")
    if name in ("chunksize", "chunk_size", "batch_size", "pm_chunksize", "pre_dispatch"):
        return TypeError(f"{said}: leave it out, because parmap chooses the chunk size")
    if name in _ELSEWHERE:
        return TypeError(f"{said}: here that is {_ELSEWHERE[name]}")
    return TypeError(f"{said}; an argument that is the same for every call of func goes into fargs: fargs=dict({name}=...)")


def _cores() -> int:
    """The cores that this process may use: by its affinity, and by the quota of its cgroup."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError), open("/sys/fs/cgroup/cpu.max") as file:
        quota, period = map(int, file.read().split())  # ValueError if it is "max"
        count = min(count, max(1, math.ceil(quota / period)))
    return count


def _whole(name: str, value: Any, least: int, end: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"parmap: {name} must be a whole number, but is {value!r:.100}") from None
    if not least <= number < end:
        raise ValueError(f"parmap: {name} must be at least {least} and less than {end}, but is {number}")
    return number


def _seconds(name: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        seconds = float("text" if isinstance(value, (str, bytes, bytearray)) else value)
    except OverflowError:
        raise ValueError(f"parmap: {name} is too large for a float; None means no limit") from None
    except (TypeError, ValueError):
        raise TypeError(f"parmap: {name} must be a number of seconds, but is {value!r:.100}") from None
    if not seconds > 0:
        raise ValueError(f"parmap: {name} must be positive, but is {value!r}; None means no limit")
    return None if seconds > 2**33 else seconds


def _of_slurm(deadline: Any) -> float | None:
    """Seconds until the end of this Slurm job, less what running tasks (30 s) and the rest of the program (60 s) need."""
    if deadline != "slurm":
        raise ValueError(f"parmap: deadline must be 'slurm', but is {deadline!r:.100}; for a number of seconds use deadline_sec")
    if "SLURM_JOB_ID" not in os.environ:
        return None
    if not (end := os.environ.get("SLURM_JOB_END_TIME", "")).isdecimal():
        raise ValueError("parmap: deadline='slurm' needs SLURM_JOB_END_TIME, which Slurm sets since 22.05; use deadline_sec")
    left = int(end) - time.time() - 60.0
    return max(0.001, left / 1.1, left - 30.0)


def _is_async(func: Any) -> bool:
    while isinstance(func, functools.partial):
        func = func.func
    return inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(getattr(type(func), "__call__", None))


def _check(streams: bool = False, **given: Any) -> Any:
    """The request, checked; its attributes are the options."""
    asked = types.SimpleNamespace(**given)
    engine = "async" if asked.engine == "asyncio" else os.environ.get("PARMAP_ENGINE") or asked.engine if asked.engine != "async" else "async"
    if engine not in ENGINES:
        raise UnknownName("engine", engine, ENGINES)
    if not callable(asked.func):
        raise TypeError(f"parmap: func must be callable, but is {asked.func!r:.100}")
    if engine == "async" and not _is_async(asked.func):
        raise TypeError(f"parmap: engine='async' is for async functions, but func is {asked.func!r:.100}: define it by async def (a lambda that "
                        "returns a coroutine is not one), or use engine='threads' for a function that waits")  # fmt: skip
    for name in ("func", "init", "finish"):
        value = given[name]
        if value is not None and not callable(value):
            raise TypeError(f"parmap: {name} must be callable, but is {value!r:.100}")
        if value is not None and engine != "async" and _is_async(value):
            raise TypeError(f"parmap: {name} is an async function, whose coroutines engine={engine!r} would never run: use engine='async', "
                            "or await parmap.parmap_async(...) where an event loop is running")  # fmt: skip
    if asked.fargs is not None and not isinstance(asked.fargs, dict):
        raise TypeError(f"parmap: fargs must be a dict, but is of type {type(asked.fargs).__name__}")
    if not all(isinstance(name, str) for name in asked.fargs or ()):
        raise TypeError("parmap: the keys of fargs must be strings, the names of arguments")
    if asked.n_simul is not None and asked.n_worker is not None:
        raise TypeError("parmap: n_simul is another name for n_worker; give only one of them")
    if asked.on_error is not None and asked.on_error != "raise" and not callable(asked.on_error):
        raise TypeError(f"parmap: on_error must be None, 'raise' or a callable(func, task, exc), not {asked.on_error!r:.100}")
    if asked.retry_if is not None and not callable(asked.retry_if):
        raise TypeError(f"parmap: retry_if must be callable, but is {asked.retry_if!r:.100}")
    if asked.stop is not None and not callable(getattr(asked.stop, "is_set", None)):
        raise TypeError(f"parmap: stop must be a threading.Event or have its is_set(), but is {asked.stop!r:.100}")
    if asked.label is not None and not isinstance(asked.label, str):
        raise TypeError(f"parmap: label must be a string, but is {asked.label!r:.100}")
    if asked.start not in ("fork", "spawn"):
        raise UnknownName("start", asked.start, ("fork", "spawn"))
    if asked.start == "fork" and not _CAN_FORK and engine == "multi":
        raise ValueError("parmap: start='fork' is not possible on this system; leave it out")
    for name, default in (("memory_limit", None), ("max_tasks", None), ("start", _START)):
        if given[name] != default and given[name] is not None and engine not in ("multi", "serial"):
            raise ValueError(f"parmap: {name}={given[name]!r} is for the engine multi; {engine} starts no processes; use multi")
    if asked.memory_limit is not None:
        size = re.fullmatch(r"\s*(\d+(\.\d+)?)\s*([KMGT]i?)?B?\s*", asked.memory_limit, re.I) if isinstance(asked.memory_limit, str) else None
        if isinstance(asked.memory_limit, str) and size is None:
            raise ValueError(f"parmap: memory_limit must be a number of bytes, or a text like '1GB' or '512MiB', but is {asked.memory_limit!r:.100}")
        _whole("memory_limit", 1 if size is not None else asked.memory_limit, 1, 2**63)
        if engine == "multi":
            raise ValueError(_lacks("the option memory_limit"))
    for name in ("grid", "where", "trace", "checkpoint", "part"):
        if given[name] not in (None, False):
            raise ValueError(_lacks(f"the option {name}"))
    usual = {"threads": max(5, _cores()), "async": 64, "serial": 1}.get(engine, 1 if _in_worker else _cores())
    wanted = asked.n_worker if asked.n_simul is None else asked.n_simul
    asked.workers = usual if wanted is None else _whole("n_worker", wanted, 1, 2**32)
    asked.retries = _whole("retries", asked.retries, 0, 2**31 - 1)
    asked.delay = 0.0 if asked.retry_delay_sec == 0 else _seconds("retry_delay_sec", asked.retry_delay_sec) or 2.0**33
    asked.seed = int.from_bytes(os.urandom(8), "little") if asked.seed is None else _whole("seed", asked.seed, 0, 2**64)
    asked.timeout = _seconds("timeout_sec", asked.timeout_sec)
    if asked.deadline is not None:
        if asked.deadline_sec is not None:
            raise TypeError("parmap: deadline and deadline_sec are two ways to say the same; give only one of them")
        asked.deadline_sec = _of_slurm(asked.deadline)
    asked.deadline = _seconds("deadline_sec", asked.deadline_sec)
    for name in ("max_failures", "max_tasks"):
        if given[name] is not None:
            setattr(asked, name, _whole(name, given[name], 1, 2**63))
    asked.window = _whole("window", given.get("window", 0), 0, 2**26 + 1)
    asked.product = _Product(asked.args, streams)
    asked.fargs = dict(asked.fargs or {})
    asked.streams, asked.engine, asked.begun = streams, engine, time.monotonic()
    asked.raises = asked.on_error == "raise" and engine != "serial" and not streams
    asked.name = f"{engine} (pure{', ' + asked.start if engine == 'multi' else ''})"
    asked.shown = _reporter(asked.reporter, asked.label, nested=_in_worker or _here.get() is not None)
    if engine == "serial":
        for limit, others in (("timeout_sec", "threads or multi"), ("memory_limit", "the package, and multi"), ("max_tasks", "multi")):
            if given[limit] is not None:
                asked.shown.tell_once(f"parmap: the engine serial does not enforce {limit}; use {others}")
        asked.timeout = asked.max_failures = None
    return asked


# ---- Progress


class _Reporter:
    """Shows nothing."""

    def show(self, done: int, total: int | None, failed: int, longest: tuple[int, float] | None = None) -> None: ...
    def tell_once(self, line: str) -> None: ...
    def close(self) -> None: ...


class _Shown(_Reporter):
    """A bar of tqdm's kind, or lines of text: every `rest` seconds, or on a terminal in one place."""

    _told: set[str] = set()

    def __init__(self, kind: Any, label: str | None, own: bool, patience: float = 0.0, rest: float = 10.0) -> None:
        self.kind, self.label, self.own, self.patience, self.rest = kind, label, own, patience, rest
        self.begun = self.last = time.monotonic()
        self.counts: tuple[int, int | None, int] = (0, 0, 0)
        self.bar: Any = None
        self.ended = False

    def show(self, done: int, total: int | None, failed: int, longest: tuple[int, float] | None = None) -> None:
        now = time.monotonic()
        news, self.counts = done != self.counts[0] or self.bar is None, (done, total, failed)
        if now - self.begun < self.patience or self.ended:
            return
        slow = f"task {longest[0]}: {longest[1]:.0f} s" if longest is not None and longest[1] >= 5 else ""
        words = ", ".join(filter(None, (f"{failed} failed" if failed else "", slow)))
        if self.kind is not None:
            if self.bar is None:
                given = self.kind if isinstance(self.kind, functools.partial) else functools.partial(self.kind)
                self.bar = given.func(*given.args, **{"total": total, **given.keywords, **({} if self.label is None else {"desc": self.label})})
            if words and hasattr(self.bar, "set_postfix_str"):
                self.bar.set_postfix_str(words, refresh=False)
            if news or now - self.last >= 1:
                self.last = now
                self.bar.update(done - self.bar.n)
        elif (done == total or now - self.last >= self.rest) and sys.stderr is not None:
            self.last, self.ended = now, done == total
            of = f"{done}" if not total else f"{100 * done // total}% {done}/{total}"
            left = f", {_span((total - done) * (now - self.begun) / done)} left" if total and 0 < done < total else ""
            line = f"{self.label + ': ' if self.label else ''}{of} in {_span(now - self.begun)}{left}{', ' + words if words else ''}"
            place, end = ("\r\x1b[K", "\n" if self.ended else "") if self.rest < 1 else ("", "\n")
            print(place + line, end=end, file=sys.stderr, flush=True)

    def tell_once(self, line: str) -> None:
        if self.own and line not in self._told and sys.stderr is not None:
            self._told.add(line)
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
        done, total, failed = self.counts
        stopped = (total or done) - done
        if self.own and (failed or stopped) and (self.bar is not None or self.rest >= 1 or self.last > self.begun) and sys.stderr is not None:
            print(_count_line(time.monotonic() - self.begun, done - failed, failed, stopped), file=sys.stderr, flush=True)


class _Call(_Reporter):
    def __init__(self, call: Callable[[int, int | None], Any]) -> None:
        self.call, self.done = call, 0

    def show(self, done: int, total: int | None, failed: int, longest: tuple[int, float] | None = None) -> None:
        if done > self.done:
            self.done = done
            self.call(done - 1, total)


def _bar(label: str | None, patience: float) -> _Reporter:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Shown(None, label, True, patience, 0.2 if sys.stderr.isatty() else 10.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind = type("tqdm", (tqdm,), {"monitor_interval": 0, "__module__": tqdm.__module__})  # else a thread looks after it
    return _Shown(functools.partial(kind, miniters=0, mininterval=0), label, True, patience)


def _reporter(who: Any, label: str | None, nested: bool) -> _Reporter:
    terminal = getattr(sys.stderr, "isatty", None)
    if who is None:
        shows = not nested and ("ipykernel" in sys.modules or (terminal is not None and not sys.stderr.closed and terminal()))
        return _bar(label, 0.5) if shows else _Reporter()
    if isinstance(who, str):
        if who not in ("bar", "text", "silent", "none"):
            raise UnknownName("reporter", who, ("bar", "text", "silent", "none"))
        return _Reporter() if who in ("silent", "none") or sys.stderr is None else _bar(label, 0.0) if who == "bar" else _Shown(None, label, True)
    kind = who.func if isinstance(who, functools.partial) else who
    if hasattr(kind, "update") and hasattr(kind, "close"):
        if not isinstance(kind, type):
            raise TypeError("parmap: reporter is a bar and not a class; give its class, or functools.partial(tqdm, desc='x'), and parmap makes the bar")
        return _Shown(who, label, False)
    if callable(who):
        return _Call(who)
    raise TypeError(f"parmap: reporter must be a name such as 'text', a tqdm class or a callable(i, n), not {type(who).__name__}")


# ---- The state of a map, for every engine


class _Map:
    """Which tasks have begun, wait and have ended. `mutex` guards it; who changes what others wait for notifies `changed`.

    sink(index, value, failure, attempts, seconds, worker) gets each outcome, with the mutex held."""

    def __init__(self, asked: Any, sink: Callable[..., None]) -> None:
        self.asked, self.sink = asked, sink
        self.mutex = threading.Lock()
        self.changed = threading.Condition(self.mutex)
        self.retrying = threading.Lock()  # retry_if is called by one thread at a time
        self.total = None if asked.product.first is not None else len(asked.product)
        self.allowed = 0 if asked.streams else self.total or 0  # tasks that may begin by now: in a stream the reader lets them
        self.next = 0  # the first task that nobody was given
        self.given_back: collections.deque[tuple[int, int]] = collections.deque()  # ranges of such
        self.again: collections.deque[tuple[int, int]] = collections.deque()  # index and attempt
        self.waiting: list[tuple[float, int, int]] = []  # the same, from a moment on: a heap
        self.running: dict[int, _Running] = {}  # by worker
        self.inputs: dict[int, tuple[Any, ...]] = {}  # of a stream: of elements that were read
        self.done = self.failed = 0
        self.why = ""  # no further task begins
        self.kill = False  # running tasks are ended, too
        self.broken: BaseException | None = None  # what a signal handler, the reporter or retry_if has raised: it ends the map
        self.closed = False  # nobody listens any more
        self.ends: list[str] = []  # warnings of how workers have ended
        self.wake: Callable[[], None] = lambda: None  # lets the supervisor look again
        self.begun = self.looked = self.told = time.monotonic()
        self.busy, self.slowest, self.workers = 0.0, [], 0  # type: float, list[TaskTime], int

    def task(self, index: int) -> tuple[Any, ...]:
        return self.inputs[index] if self.asked.product.first is not None else self.asked.product.arguments(index)

    def claim(self, most: int = 1) -> tuple[int, int, int] | None:
        """The next tasks: first, end, attempt. With the mutex held."""
        if self.why or self.broken is not None:
            return None
        if self.waiting and self.waiting[0][0] <= time.monotonic():
            self.again.append(heapq.heappop(self.waiting)[1:])
        if self.again:
            index, attempt = self.again.popleft()
            return index, index + 1, attempt
        if self.given_back:
            low, high = self.given_back.popleft()
            if high - low > most:
                self.given_back.appendleft((low + most, high))
            return low, min(high, low + most), 1
        if self.next < self.allowed:
            low, self.next = self.next, min(self.allowed, self.next + most)
            return low, self.next, 1
        return None

    def claimable(self) -> int:
        if self.why or self.broken is not None:
            return 0
        due = bool(self.waiting) and self.waiting[0][0] <= time.monotonic()
        return self.allowed - self.next + sum(high - low for low, high in self.given_back) + len(self.again) + due

    def over(self) -> bool:
        return self.broken is not None or (not self.running and (bool(self.why) or self.done == self.total))

    def next_moment(self) -> float:
        """Seconds until the supervisor has to look again."""
        return max(0.0, min([_TICK, *(each[0] - time.monotonic() for each in self.waiting[:1])]))

    def left(self) -> Iterator[tuple[int, int]]:
        """The tasks that have no outcome, with the number of their attempts."""
        some = [(index, attempt - 1) for index, attempt in self.again]
        some += [(index, attempt - 1) for _, index, attempt in self.waiting]
        some += [(index, 0) for low, high in self.given_back for index in range(low, high)]
        some += [(it.index, 0) for it in self.running.values()]
        yield from sorted(some)
        yield from ((index, 0) for index in range(self.next, self.allowed if self.total is None else self.total))

    def halt(self, why: str, kill: bool = False) -> None:
        self.why, self.kill = self.why or why, self.kill or kill
        self.wake()

    def give_up(self, error: BaseException) -> None:
        """The map ends, and raises this."""
        if self.broken is None:
            self.broken = error
        self.halt(_INTERRUPTED, kill=True)

    def tick(self) -> None:
        """Looks at the clock, the option stop and the reporter. Called by the supervisor, every 0.1 s at least."""
        now, asked = time.monotonic(), self.asked
        if now - self.looked > 2.0:  # the process was stopped (Ctrl-Z) and goes on: that time does not count
            for it in list(self.running.values()):
                it.begun += now - self.looked
        self.looked = now
        try:
            if asked.stop is not None and not self.why and asked.stop.is_set():
                self.halt(_STOPPED)
            if asked.deadline is not None and now - asked.begun >= asked.deadline:
                self.halt(_LATE, kill=now - asked.begun >= asked.deadline + min(asked.deadline / 10, 30.0))
            if now - self.told >= 0.1 and not asked.streams:
                self.show()
        except BaseException as error:
            self.give_up(error)

    def show(self) -> None:
        self.told = time.monotonic()
        with self.mutex:
            oldest = min(self.running.values(), key=lambda it: it.begun, default=None)
        self.asked.shown.show(self.done, self.total, self.failed, None if oldest is None else (oldest.index, self.told - oldest.begun))

    def is_late(self, it: _Running) -> bool:
        return self.asked.timeout is not None and time.monotonic() - it.begun > self.asked.timeout

    def ended(self, it: _Running, seconds: float | None = None) -> None:
        """An attempt has ended: it.kind is "ok" or that of its failure. Without the mutex, as it may call retry_if."""
        asked, kind, error = self.asked, it.kind, it.error
        again = kind not in ("ok", "stopped") and it.attempt <= asked.retries
        if again and not self.why and asked.retry_if is not None:
            try:
                with self.retrying:
                    again = bool(asked.retry_if(Failure(it.index, self.task(it.index), kind, error, it.attempt, it.trace)))  # type: ignore[arg-type]
            except BaseException as raised:
                return self.give_up(raised)
        with self.mutex:
            if self.closed:
                return
            if seconds is not None and asked.times:
                self._note_time(it, seconds)
            if again and not self.why:
                if asked.delay:
                    wait = _retry_wait(asked.delay, asked.seed, it.index, it.attempt)
                    heapq.heappush(self.waiting, (time.monotonic() + wait, it.index, it.attempt + 1))
                else:
                    self.again.append((it.index, it.attempt + 1))
            else:
                if again or kind == "stopped":  # it has not failed for good, and is not tried again as the map ends
                    kind, error = "stopped", TaskNotRun(f"not finished, because {self.why or _STOPPED}")
                self._deliver(it, kind, error, seconds)
            self.changed.notify_all()

    def _deliver(self, it: _Running, kind: str, error: Any, seconds: float | None) -> None:
        task = self.inputs.pop(it.index) if self.asked.product.first is not None else self.asked.product.arguments(it.index) if kind != "ok" or self.asked.streams else ()
        failure = None if kind == "ok" else Failure(it.index, task, kind, error, it.attempt, it.trace if kind != "stopped" else "")
        self.done += kind != "stopped"
        self.failed += kind not in ("ok", "stopped")
        if failure is not None and kind != "stopped":
            if self.asked.raises:
                self.halt(_OTHER, kill=True)
            if self.asked.max_failures is not None and self.failed >= self.asked.max_failures:
                self.halt(_STOPPED)
        self.sink(it.index, task, it.value if kind == "ok" else None, failure, it.attempt, seconds, it.worker)

    def _note_time(self, it: _Running, seconds: float) -> None:
        self.busy += seconds
        self.workers = max(self.workers, it.worker + 1)
        known = [each for each in self.slowest if each.index != it.index or each.seconds > seconds]
        if not any(each.index == it.index for each in known):
            known.append(TaskTime(it.index, self.task(it.index), seconds, it.attempt))
        self.slowest = sorted(known, key=lambda each: -each.seconds)[:5]

    def times(self) -> tuple[float | None, list[TaskTime]]:
        available = (time.monotonic() - self.begun) * self.workers
        return (min(1.0, self.busy / available) if available else None), self.slowest

    def timed_out(self, it: _Running) -> None:
        """Makes the exception of a task that has exceeded its limit. What it has raised itself is the cause."""
        late, raised = TaskTimeout(f"ran longer than timeout_sec={self.asked.timeout:g}"), it.error
        if isinstance(raised, (TaskTimeout, asyncio.CancelledError)):
            late.__traceback__ = raised.__traceback__
        else:
            late.__cause__ = raised
        it.kind, it.error = "timed_out", late

    def failed_with(self, it: _Running, error: BaseException) -> None:
        it.kind, it.error = "out_of_memory" if isinstance(error, MemoryError) else "threw", error


# ---- serial: a plain loop


def _serial(m: _Map) -> Generator[None, None, None]:
    """Yields after each outcome. The first exception passes, unchanged."""
    asked = m.asked
    setup = _Setup(asked)
    state = setup.enter()
    try:
        while not m.over():
            m.tick()
            with m.mutex:
                claimed = m.claim()
            if claimed is None:
                if m.broken is not None or m.why:
                    break
                if not m.waiting:
                    yield  # of a stream: no further task may begin yet
                time.sleep(m.next_moment() if m.waiting else 0)
                continue
            it = m.running[0] = _Running(claimed[0], claimed[2], 0, asked.seed, state)
            token = _here.set(it)
            try:
                it.value = asked.func(*m.task(it.index), **asked.fargs)
            except BaseException as error:
                _here.reset(token)
                if isinstance(error, KeyboardInterrupt) or it.attempt > asked.retries:
                    raise
                if asked.retry_if is not None:
                    kind = "out_of_memory" if isinstance(error, MemoryError) else "threw"
                    if not asked.retry_if(Failure(it.index, m.task(it.index), kind, error, it.attempt)):
                        raise
                wait = _retry_wait(asked.delay, asked.seed, it.index, it.attempt) if asked.delay else 0.0
                with m.mutex:
                    del m.running[0]
                    m.waiting.append((time.monotonic() + wait, it.index, it.attempt + 1))
                    m.next, m.allowed, held = it.index + 1, it.index + 1, m.allowed  # as a plain loop: no other task meanwhile
                while not m.over() and not m.why and m.waiting[0][0] > time.monotonic():
                    time.sleep(m.next_moment())
                    m.tick()
                m.allowed = held
                continue
            _here.reset(token)
            del m.running[0]
            m.ended(it, time.monotonic() - it.begun)
            yield
    finally:
        setup.leave()


# ---- threads


class _Heard(BaseException):
    pass


def _raise_in(thread: int, kind: Any) -> None:
    """Raises an exception in a thread at its next bytecode; None takes back one that has not been raised yet. Not on PyPy."""
    if sys.implementation.name == "cpython":
        import ctypes

        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), None if kind is None else ctypes.py_object(kind))


_supervising: dict[int, _Map] = {}  # the map that a thread waits for


def _end_task(it: _Running, kind: Any) -> None:
    """Ends a task of another thread at its next bytecode; if it runs a map, that map, in order."""
    inner = _supervising.get(it.thread)
    if inner is not None:
        inner.give_up(kind())
    else:
        _raise_in(it.thread, kind)


def _raise_nothing_here() -> None:
    """Takes back what may be about to be raised in this thread: by an exception in its place, as else Python 3.11 would look for it for ever."""
    if sys.implementation.name == "cpython":
        try:
            _raise_in(threading.get_ident(), _Heard)
            while True:
                pass
        except _Heard:
            pass


def _run_threads(m: _Map) -> None:
    asked, threads = m.asked, []  # type: Any, list[threading.Thread]
    context, live = copy_context(), [0]
    count = asked.workers if m.total is None else min(asked.workers, m.total)
    live[0] = count
    for k in range(count):
        thread = threading.Thread(target=_thread, args=(m, k, context.copy(), live), name=f"parmap-{k}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # there are too many
            if not threads:
                raise
            with m.mutex:
                live[0] -= 1
            continue
        threads.append(thread)
    try:
        while m.broken is None and live[0] > 0:
            with m.mutex:
                m.changed.wait(m.next_moment() or 0.001)
            m.tick()
            with m.mutex:
                for it in m.running.values():
                    if not it.late and (m.kill or m.is_late(it)):
                        it.late = True
                        _end_task(it, TaskNotRun if m.kill else TaskTimeout)
                        it.kind = "stopped" if m.kill else "timed_out"
                    elif it.kind == "timed_out" and m.kill:
                        it.kind = "stopped" if m.broken else "timed_out"
                if m.waiting or m.over():
                    m.changed.notify_all()
    except BaseException as error:  # of a signal handler
        m.give_up(error)
    if m.broken is not None:
        with m.mutex:
            m.changed.notify_all()
            for it in m.running.values():
                it.late, it.kind = True, "stopped"
                _end_task(it, TaskNotRun)
    until = time.monotonic() + 0.15
    for each in threads:
        each.join(None if m.broken is None else max(0.0, until - time.monotonic()))
    if m.running and m.broken is not None:
        with m.mutex:
            m.closed = True
            for it in m.running.values():
                _raise_in(it.thread, None)
        _raise_nothing_here()


def _thread(m: _Map, number: int, context: Any, live: list[int]) -> None:
    """What one thread does."""
    asked, setup = m.asked, _Setup(m.asked)
    state: Any = None
    unfit: BaseException | None = None
    decimal: Any = sys.modules.get("decimal")

    def call(it: _Running) -> Any:
        _here.set(it)
        if decimal is not None:
            decimal.setcontext(decimal.getcontext().copy())  # a copy of a context shares it
        return asked.func(*m.task(it.index), **asked.fargs)

    try:
        state = context.run(setup.enter)
    except BaseException as why:
        unfit = why
    while True:
        with m.mutex:
            while (claimed := m.claim()) is None and not m.over() and not m.why:
                m.changed.wait()
            if claimed is None:
                break
            it = m.running[number] = _Running(claimed[0], claimed[2], number, asked.seed, state)
        value: Any = None
        error: BaseException | None = None
        try:
            try:
                if unfit is not None:
                    raise unfit
                value = context.copy().run(call, it)
            except BaseException as raised:
                error = raised
        except (TaskTimeout, TaskNotRun) as raised:
            error = raised
        while True:
            try:
                with m.mutex:  # from here on nobody raises in this thread
                    m.running.pop(number, None)
                if it.late:
                    _raise_nothing_here()
                break
            except (TaskTimeout, TaskNotRun):
                pass
        it.value, it.error = value, error
        if not it.late and m.is_late(it) and m.broken is None:
            it.late, it.kind = True, "timed_out"  # it has ended just behind its limit
        if it.kind == "timed_out":
            m.timed_out(it)
        elif isinstance(error, TaskNotRun):
            it.kind = "stopped"
        elif error is not None:
            m.failed_with(it, error)
        elif it.kind == "stopped":
            it.kind = "ok"
        m.ended(it, time.monotonic() - it.begun)
    if unfit is None:
        try:
            context.run(setup.leave)
        except BaseException as why:
            m.ends.append(f"parmap: finish raised {type(why).__name__}: {_text_of(why)}")
    with m.mutex:
        live[0] -= 1
        m.changed.notify_all()


# ---- async


@types.coroutine
def _steps(coroutine: Any, it: _Running) -> Generator[Any, Any, Any]:
    """Like `await coroutine`, but once it is left behind, a cancellation ends it without running it: a loop that waits for it can end."""
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
                chain, inner = [], coroutine
                while inner is not None:  # what it awaits, and so on
                    chain.append(inner)
                    inner = getattr(inner, "cr_await", None)
                with contextlib.suppress(BaseException):  # it may end by GeneratorExit
                    coroutine.close()
                for each in chain:
                    if getattr(each, "cr_frame", None) is not None:
                        _keep(each)
                return None
            step, argument = coroutine.throw, error


async def _attempt(m: _Map, it: _Running, unfit: BaseException | None) -> None:
    _here.set(it)
    it.begun = time.monotonic()
    try:
        if unfit is not None:
            raise unfit
        it.value = await _steps(_maybe(m.asked.func(*m.task(it.index), **m.asked.fargs)), it)
        it.kind = "ok"
    except BaseException as error:  # SystemExit and KeyboardInterrupt would end the loop
        m.failed_with(it, error)


async def _maybe(made: Any) -> Any:
    return await made if inspect.isawaitable(made) else made


async def _run_async(m: _Map, alone: bool) -> None:
    """The tasks take turns in the running loop."""
    asked, loop = m.asked, asyncio.get_running_loop()
    manager, leave, state, unfit = None, None, None, None
    tasks: dict[Any, _Running] = {}
    left: list[Any] = []  # those that were cancelled, and go on
    ended: collections.deque[Any] = collections.deque()
    free, unused = [], itertools.count()  # type: list[int], Iterator[int]
    waker: list[Any] = [loop.create_future()]

    def wake(*_: Any) -> None:
        if not waker[0].done():
            waker[0].set_result(None)

    def note(task: Any) -> None:
        ended.append(task)
        wake()

    def close(task: Any, it: _Running) -> None:
        """Its outcome, whether it has ended or is left behind."""
        del tasks[task]
        m.running.pop(it.worker, None)
        free.append(it.worker)
        if it.kind == "pending":  # it was cancelled before its first step, or goes on
            it.kind, it.error = "threw", asyncio.CancelledError()
        if it.late:
            it.kind = "stopped" if it.patience < 0 else it.kind
            if it.patience >= 0:
                m.timed_out(it)
        m.ended(it, time.monotonic() - it.begun)

    def leave_behind(task: Any, it: _Running) -> None:
        it.left = True
        left.append(task)
        task.remove_done_callback(note)
        task.add_done_callback(lambda it: it.cancelled() or it.exception())
        task._log_destroy_pending = False
        _kept.append(task)

    m.wake = lambda: None if loop.is_closed() else [loop.call_soon_threadsafe(wake)].clear()
    try:
        made = await _maybe(None if asked.init is None else asked.init())
        manager = made if any(hasattr(type(made), name) for name in ("__aenter__", "__enter__")) else None
        enter = getattr(type(made), "__aenter__", None) or getattr(type(made), "__enter__", None)
        leave = getattr(type(made), "__aexit__", None) or getattr(type(made), "__exit__", None)
        state = await _maybe(enter(made)) if manager is not None and enter is not None else made
    except Exception as error:
        unfit = error
    try:
        while not m.over():
            while len(tasks) < asked.workers and (claimed := m.claim()) is not None:
                it = _Running(claimed[0], claimed[2], free.pop() if free else next(unused), asked.seed, state)
                it.kind = "pending"
                task = loop.create_task(_attempt(m, it, unfit))
                tasks[task] = m.running[it.worker] = it
                task.add_done_callback(note)
            timer = loop.call_later(m.next_moment(), wake)
            try:
                await waker[0]
            except asyncio.CancelledError:
                if not alone:  # else a task has done it
                    raise
            timer.cancel()
            waker[0] = loop.create_future()
            m.tick()
            now = time.monotonic()
            for task, it in list(tasks.items()):
                if it.late and now > abs(it.patience):
                    leave_behind(task, it)
                    close(task, it)
                elif not it.late and not task.done() and (m.kill or m.is_late(it)):
                    it.late = task.cancel()
                    it.patience = -(now + 0.1) if m.kill else now + 0.1  # negative: stopped
            while ended:
                if (task := ended.popleft()) in tasks:
                    close(task, tasks[task])
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(list(tasks), timeout=0.1)
        for task, it in tasks.items():
            if not task.done():
                leave_behind(task, it)
        for task in left:  # they end now
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=0.05)
        if unfit is None:
            try:
                await _maybe(None if asked.finish is None else asked.finish())
                if manager is not None and leave is not None:
                    await _maybe(leave(manager, None, None, None))
            except Exception as error:
                m.give_up(error)


_kept: list[Any] = []  # what must not be freed


def _keep(coroutine: Any) -> None:
    """One that ignores its cancellation: freed, also as Python ends, it would run on and print warnings."""
    _kept.append(coroutine)
    if sys.implementation.name == "cpython":
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(coroutine))


def _run_loop(m: _Map) -> None:
    """async on a loop of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError("parmap: an event loop is running in this thread, as in a notebook or an async function, and engine='async' "
                           "would block it: use results = await parmap.parmap_async(func, ...)")  # fmt: skip
    loop = asyncio.new_event_loop()
    main = loop.create_task(_run_async(m, alone=True))
    with _HeldSignal(m, lambda: asyncio.current_task(loop) not in (None, main)):
        try:
            while not main.done():  # again if a task has stopped the loop
                try:
                    loop.run_until_complete(main)
                except (SystemExit, KeyboardInterrupt, RuntimeError) as error:  # of a task that a task has made; or the loop was stopped
                    if main.done():
                        raise
                    if isinstance(error, KeyboardInterrupt):
                        m.give_up(error)
        finally:
            rest = asyncio.all_tasks(loop)
            for each in rest:
                each.cancel()
            with contextlib.suppress(BaseException):
                if rest:
                    loop.run_until_complete(asyncio.wait(rest, timeout=0.1))
                loop.run_until_complete(asyncio.wait_for(loop.shutdown_asyncgens(), 0.1))
            for each in asyncio.all_tasks(loop):
                each._log_destroy_pending = False  # type: ignore[attr-defined]
                _kept.append(each)
            loop.close()


class _HeldSignal:
    """Ctrl-C ends the map in order, and is raised at its end. A second one, and one while `passes()`, is raised at once, too."""

    def __init__(self, m: _Map, passes: Callable[[], bool] = lambda: False) -> None:
        self.m, self.passes, self.old = m, passes, None  # type: _Map, Callable[[], bool], Any

    def __enter__(self) -> None:
        handler = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(handler):
            self.old = handler
            signal.signal(signal.SIGINT, self._handle)

    def _handle(self, number: int, frame: Any) -> None:
        try:
            self.old(number, frame)
        except BaseException as error:
            again = self.m.broken is not None
            self.m.give_up(error)
            if again or self.passes():
                raise

    def __exit__(self, *_: Any) -> None:
        if self.old is not None and signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, self.old)

# ---- multi: a worker, as it sees itself. Its caller sends orders, and it sends a record for each task that has ended.

_ORDER = struct.Struct("<qqqq")  # first task (-1: no more), end, attempt, bytes of the inputs that follow
_RECORD = struct.Struct("<bqdq")  # what, task, seconds, bytes of the message that follows
_VALUE, _THREW, _NO_MEMORY, _UNENCODABLE, _REST, _BORN, _READY, _LEAVING, _NO_GUARD = range(9)
_DOING = ("its last steps", "finish, or the end of the context manager that init has returned",
          "the threads that its tasks have left running", "the handlers of atexit that its tasks have left")  # fmt: skip
_callers_ends: set[socket.socket] = set()  # of the connections of this process to its workers, which a fork inherits
_importing_program = False  # this is a spawned worker that begins


def _receive(line: socket.socket, size: int) -> bytes:
    data, some = bytearray(), b""
    while len(data) < size:
        with contextlib.suppress(OSError):
            some = line.recv(min(size - len(data), 1 << 20))
        if not some:
            os._exit(1)  # the caller has gone
        data += some
        some = b""
    return bytes(data)


def _tell(line: socket.socket, what: int, index: int = 0, seconds: float = 0.0, message: bytes = b"") -> None:
    try:
        head = _RECORD.pack(what, index, seconds, len(message))
        if len(message) < 1 << 16:
            line.sendall(head + message)
        else:
            line.sendall(head)
            line.sendall(message)
    except OSError:
        os._exit(_CONNECTION_LOST)


def _work(line: socket.socket, asked: Any, number: int) -> NoReturn:
    me, setup, state, unfit = os.getpid(), _Setup(asked), None, asked.unfit
    try:
        state = None if unfit is not None else setup.enter()
    except BaseException as error:
        unfit = error
    _tell(line, _READY)
    while True:
        low, high, attempt, size = _ORDER.unpack(_receive(line, _ORDER.size))
        if low < 0:
            break
        given = _receive(line, size) if size else None
        begun = time.monotonic()
        for index in range(low, high):
            now = time.monotonic()
            if index > low and now - begun > 2 * _CHUNK:  # others may have nothing to do
                _tell(line, _REST, index)
                break
            it = _Running(index, attempt, number, asked.seed, state)
            what, message = _run(it, asked, unfit, given, index - low)
            if os.getpid() != me:
                os._exit(0)  # a process that the task has forked, and that has come back
            _tell(line, what, index, time.monotonic() - now, message)
    if unfit is None:
        _tell(line, _LEAVING, 1)
        _say_if_it_raises("finish", setup.leave)
    _tell(line, _LEAVING, 2)
    for call in reversed(getattr(threading, "_threading_atexits", ())):  # of concurrent.futures
        _say_if_it_raises("a thread's end", call)
    for each in threading.enumerate():
        if each is not threading.current_thread() and not each.daemon:
            each.join()
    _tell(line, _LEAVING, 3)
    atexit._run_exitfuncs()  # the handlers of this worker; by fork _leave() is the last of them
    _leave(me)
    raise AssertionError


def _run(it: _Running, asked: Any, unfit: BaseException | None, given: bytes | None, at: int) -> tuple[int, bytes]:
    token, value = _here.set(it), _NO_VALUE
    try:
        if unfit is not None:
            raise unfit
        arguments = asked.product.arguments(it.index) if given is None else _loads(given)[at]
        value = asked.func(*arguments, **asked.fargs)
        _here.reset(token)
        return _VALUE, _pickled(value)
    except BaseException as error:
        if value is not _NO_VALUE and not isinstance(error, MemoryError):
            return _UNENCODABLE, _describe(_describe_result(value, error))
        if isinstance(error, NameError) and asked.spawned:
            _add_note(error, "parmap: this worker was spawned and has imported the modules anew: what a program sets below "
                             'if __name__ == "__main__": or at run time is not there; pass it by fargs, or define it above')  # fmt: skip
        return _NO_MEMORY if isinstance(error, MemoryError) else _THREW, _describe(error)


def _say_if_it_raises(what: str, call: Callable[[], Any]) -> None:
    try:
        call()
    except BaseException:
        print(f"parmap: {what} raised at the end of a worker:", file=sys.stderr)
        traceback.print_exc()


def _leave(worker: int) -> None:
    if os.getpid() == worker:
        for each in gc.get_objects():  # files that tasks have left open; what was inherited is frozen, and so not among them
            with contextlib.suppress(Exception):
                if isinstance(each, (io.BufferedWriter, io.TextIOWrapper)) and not each.closed:
                    each.flush()
        _flush()
    os._exit(0)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # it is None, full or closed
            stream.flush()


def _die_with(caller: int, line: socket.socket) -> None:
    """Without its caller a worker ends, whatever it does."""
    if sys.platform == "linux" and (libc := _libc()) is not None:
        libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != caller:
            os._exit(1)
        return

    def watch() -> None:
        while True:
            time.sleep(0.5)
            with contextlib.suppress(OSError):
                if select.select([line], [], [], 0)[0] and line.recv(1, socket.MSG_PEEK) == b"":
                    os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@functools.lru_cache
def _libc() -> Any:
    try:
        import ctypes

        return ctypes.CDLL(None)
    except (ImportError, OSError):
        return None


@functools.lru_cache
def _find_blas(modules: int) -> list[Any]:
    import ctypes

    import threadpoolctl

    found = []
    for library in threadpoolctl.ThreadpoolController().lib_controllers:
        with contextlib.suppress(AttributeError, ValueError):
            found.append(ctypes.c_int.in_dll(library.dynlib, "blas_cpu_number"))
    return found


def _blas_threads() -> list[Any]:
    """Where each OpenBLAS of this process keeps its number of threads; its own function would start them anew in each worker."""
    try:
        return _find_blas(len(sys.modules)) if "numpy" in sys.modules else []
    except ImportError:
        return []


def _be_a_worker(workers: int) -> None:
    """After a fork, or in a fresh interpreter."""
    global _in_worker
    _in_worker = True
    _here.set(None)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda number, frame: None)  # the caller ends its workers; a handler, as programs inherit SIG_IGN
    share = str(max(1, _cores() // max(1, workers)))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
        os.environ.setdefault(name, share)
    for count in _blas_threads():
        count.value = min(count.value, int(share))


def _forget_the_caller() -> None:
    """After a fork: what belongs to the caller alone, and what no two workers may have in common."""
    getattr(gc, "freeze", gc.collect)()  # inherited objects are not collected here
    for each in list(_callers_ends):
        each.close()
    _callers_ends.clear()
    signal.set_wakeup_fd(-1)
    with contextlib.suppress(OSError):
        if not os.isatty(0):
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.close(nothing)
            sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
    random.seed()
    numpy, torch, std = (sys.modules.get(name) for name in ("numpy.random", "torch", "tqdm.std"))  # type: Any, Any, Any
    if numpy is not None and hasattr(numpy, "seed"):
        numpy.seed(int.from_bytes(os.urandom(4), "little"))
    if torch is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(int.from_bytes(os.urandom(8), "little") >> 1)
    if std is not None and hasattr(std, "TqdmDefaultWriteLock"):  # all processes share it: who dies while it draws leaves it locked
        std.TqdmDefaultWriteLock.mp_lock, std.TqdmDefaultWriteLock.th_lock = None, threading.RLock()
        std.tqdm._lock = std.TqdmDefaultWriteLock()
    for name, registry in (("thread", "_threads_queues"), ("process", "_threads_wakeups")):
        if (module := sys.modules.get(f"concurrent.futures.{name}")) is not None:
            _kept.append(getattr(module, registry, None))
            setattr(module, registry, weakref.WeakKeyDictionary())
    for info in weakref.finalize._registry.values():  # type: ignore[attr-defined]
        info.atexit = False
    weakref.finalize._registered_with_atexit = False  # type: ignore[attr-defined]
    atexit.register(_leave, os.getpid())  # handlers run newest first: those of the caller come after it, and so never
    util, process = (sys.modules.get(f"multiprocessing.{name}") for name in ("util", "process"))  # type: Any, Any
    if util is not None and process is not None:
        _kept.append((dict(util._finalizer_registry), process._children))
        util._finalizer_registry.clear()
        process._children = set()
        util._run_after_forkers()
        atexit.register(util._exit_function)


def _spawned(descriptor: int, caller: int) -> NoReturn:
    """The program of a worker that is a fresh interpreter."""
    global _importing_program
    if descriptor >= 0:
        line = socket.socket(fileno=descriptor)
    else:
        line = socket.fromshare(sys.stdin.buffer.read())  # type: ignore[attr-defined]  # Windows
    line.set_inheritable(False)
    _die_with(caller, line)
    _tell(line, _BORN)
    number, size = struct.unpack("<qq", _receive(line, 16))
    head, job = _loads(_receive(line, size))
    asked = types.SimpleNamespace(func=None, product=None, fargs={}, init=None, finish=None, seed=head["seed"], unfit=None, spawned=True)
    _be_a_worker(head["workers"])
    sys.argv[:] = head["argv"]
    try:
        if head["main"]:
            import multiprocessing.process
            import multiprocessing.spawn

            _importing_program = multiprocessing.process.current_process()._inheriting = True  # type: ignore[attr-defined]
            multiprocessing.spawn.prepare(head["main"])
            _importing_program = False
            del multiprocessing.process.current_process()._inheriting  # type: ignore[attr-defined]
        asked.func, asked.product, asked.fargs, asked.init, asked.finish = _loads(job)
    except _NoGuard:
        _tell(line, _NO_GUARD)
        os._exit(1)
    except BaseException as error:
        if isinstance(error, AttributeError):
            _add_note(error, "parmap: what an interactive session or a notebook defines reaches a spawned worker only if cloudpickle is installed")
        asked.unfit = error
    _work(line, asked, number)


# ---- multi: the supervisor of the workers, in the caller


class _Worker:
    """A worker, as its caller sees it."""

    ready = eof = stopping = False
    begun = 0.0  # when it was born, or asked to end
    killed = ""  # why, if its caller has done it
    low = high = attempt = 0  # the tasks that it has and that have not ended; the first one runs
    size, done, doing, program, status = 1, 0, 0, None, None  # type: int, int, int, Any, int | None
    begun_chunk = 0.0

    def __init__(self, number: int, line: socket.socket, pid: int) -> None:
        self.number, self.line, self.pid, self.data = number, line, pid, bytearray()
        self.begun = time.monotonic()

    def has_died(self) -> bool:
        """Sets status: negative for a signal, None if somebody else has reaped it."""
        if self.program is not None:
            self.status = self.program.poll()
            return self.status is not None
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid:
            self.status = os.waitstatus_to_exitcode(status)
        return bool(pid)


def _children_of(pid: int) -> list[int]:
    """All processes that this one has started, and they in turn."""
    parents: dict[int, list[int]] = {}
    if os.path.isdir("/proc/self"):
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
                parents.setdefault(int(file.read().rsplit(b")", 1)[1].split()[1]), []).append(int(name))
    else:
        with contextlib.suppress(OSError, ValueError):
            for line in subprocess.run(["ps", "-axo", "pid=,ppid="], stdout=subprocess.PIPE, check=False).stdout.splitlines():
                child, parent = map(int, line.split())
                parents.setdefault(parent, []).append(child)
    found, unseen = [], [pid]
    while unseen:
        found += (some := parents.get(unseen.pop(), []))
        unseen += some
    return found


def _hazards() -> list[str]:
    """Libraries that this process has used, and whose threads or devices do not survive a fork."""
    found, names = [], ""
    with contextlib.suppress(Exception):  # they have other internals than those that are known
        if "polars" in sys.modules or "grpc" in sys.modules:
            for each in os.listdir("/proc/self/task"):
                with open(f"/proc/self/task/{each}/comm") as file:
                    names += file.read()
        found += [library for library, thread in (("polars", "polars-"), ("gRPC", "grpc_")) if thread in names]
        if getattr(sys.modules.get("jax._src.xla_bridge"), "_backends", None):
            found.append("jax")
        if "torch.cuda" in sys.modules and sys.modules["torch.cuda"].is_initialized():
            found.append("CUDA")
    return found


class _Supervisor:
    """Gives tasks to workers, hears from them, ends the late ones and replaces the dead."""

    def __init__(self, m: _Map) -> None:
        self.m, self.asked = m, m.asked
        self.workers: dict[int, _Worker] = {}  # by number
        self.limit = self.asked.workers if m.total is None else min(self.asked.workers, m.total)
        self.stillborn = 0  # workers in a row that died before they began a task
        self.pace = 0.0  # seconds a task, of late
        self.job = b""
        if self.asked.start == "spawn":
            self._make_job()
        else:
            _blas_threads()  # found once, and not in each worker
            if sys.platform == "linux":
                _libc()
        self.poll = getattr(selectors, "PollSelector", selectors.SelectSelector)()
        self.woken = socket.socketpair()  # the first end is heard when something is sent into the second
        for each in self.woken:
            each.setblocking(False)
        self.poll.register(self.woken[0], selectors.EVENT_READ)
        m.wake = self._wake

    def _wake(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.woken[1].send(b"x")

    def _make_job(self) -> None:
        asked = self.asked
        try:
            import cloudpickle as pickler
        except ImportError:
            pickler = pickle  # type: ignore[no-redef]
        if not sys.executable:
            raise RuntimeError("parmap: start='spawn' cannot start Python, because sys.executable is empty")
        main: dict[str, Any] = {}
        if pickler is pickle:
            import multiprocessing.spawn

            main = {k: v for k, v in multiprocessing.spawn.get_preparation_data("parmap").items() if k.startswith("init_main")}
            if not os.path.exists(main.get("init_main_from_path", __file__)):
                main = {}  # of an interactive session
        try:
            job = pickler.dumps((asked.func, asked.product if asked.product.first is None else None, asked.fargs, asked.init, asked.finish), protocol=5)
        except Exception as error:
            _add_note(error, "parmap: start='spawn' has to pickle func, its iterables, fargs, init and finish; cloudpickle, if it is "
                             "installed, takes lambdas, closures and what a notebook defines")  # fmt: skip
            raise
        head = dict(seed=asked.seed, workers=self.limit, argv=sys.argv, main=main)
        self.job = _dumps((head, job), protocol=5)

    def run(self) -> None:
        m = self.m
        try:
            while not m.over():
                self._assign()
                born = self._hire()
                self._hear(0.0 if born else m.next_moment())
                m.tick()
                self._look_after()
            if m.broken is None and not m.kill:
                self._dismiss()
        finally:
            self._end()

    def _assign(self) -> None:
        m = self.m
        for w in list(self.workers.values()):
            if not w.ready or w.high > w.low or w.stopping or w.eof:
                continue
            if self.asked.max_tasks is not None and w.done >= self.asked.max_tasks:
                self._stop(w)
                continue
            with m.mutex:
                most = min(w.size, 1 + m.claimable() // (4 * max(1, self.limit)))
                if self.asked.max_tasks is not None:
                    most = min(most, self.asked.max_tasks - w.done)
                claimed = m.claim(1 if self.asked.max_failures is not None else most)
                if claimed is None:
                    continue
                w.low, w.high, w.attempt = claimed
                w.begun_chunk = time.monotonic()
                m.running[w.number] = _Running(w.low, w.attempt, w.number, 0)
                given = [m.inputs[index] for index in range(w.low, w.high)] if m.asked.product.first is not None else None
            data = b""
            if given is not None:
                try:
                    data = _pickled(given)
                except BaseException as error:
                    m.give_up(error)
                    return
            self._send(w, _ORDER.pack(*claimed, len(data)) + data)

    def _send(self, w: _Worker, data: bytes) -> None:
        left = memoryview(data)
        while left and self.m.broken is None:
            try:
                left = left[w.line.send(left, getattr(socket, "MSG_NOSIGNAL", 0)) :]
            except BlockingIOError:
                time.sleep(0.001)  # its buffer is full: it reads soon
            except OSError:
                return  # it has died

    def _hire(self) -> bool:
        """Begins one more worker, if there is work for it."""
        m = self.m
        with m.mutex:
            work = m.claimable()
        coming = sum(not w.ready or w.stopping for w in self.workers.values())
        if len(self.workers) >= self.limit or work <= sum(not w.ready for w in self.workers.values()) or (coming and work <= coming):
            return False
        number = next(k for k in itertools.count() if k not in self.workers)
        mine, theirs = socket.socketpair()
        try:
            w = (self._spawn if self.job else self._fork)(number, mine, theirs)
        except OSError:
            mine.close()
            if not self.workers:
                raise
            self.limit = len(self.workers)
            return False
        finally:
            theirs.close()
        mine.setblocking(False)
        _callers_ends.add(mine)
        self.workers[number] = w
        self.poll.register(mine, selectors.EVENT_READ, w)
        return True

    def _fork(self, number: int, mine: socket.socket, theirs: socket.socket) -> _Worker:
        _flush()
        caller = os.getpid()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
            pid = os.fork()
        if pid == 0:
            try:
                mine.close()
                for each in self.woken:
                    each.close()
                _die_with(caller, theirs)
                _forget_the_caller()
                _be_a_worker(self.limit)
                self.asked.unfit, self.asked.spawned = None, False
                _work(theirs, self.asked, number)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        return _Worker(number, mine, pid)

    def _spawn(self, number: int, mine: socket.socket, theirs: socket.socket) -> _Worker:
        windows = sys.platform == "win32"
        path = [os.path.abspath(each) if each == "" else each for each in map(os.fspath, sys.path)]
        file = os.path.abspath(__file__)
        if "." in __name__:  # of the package
            home = os.path.dirname(os.path.dirname(file))
            text = f"import sys; sys.path[:] = {path + [home]!r}; import {__name__} as it; sys.path.pop(); "
        else:
            text = (f"import sys; sys.path[:] = {path!r}; import importlib.util as u; s = u.spec_from_file_location({__name__!r}, {file!r}); "
                    f"it = sys.modules[{__name__!r}] = u.module_from_spec(s); s.loader.exec_module(it); ")  # fmt: skip
        text += f"it._spawned({-1 if windows else theirs.fileno()}, {os.getpid()})"
        environment = {**os.environ, **({"PARMAP_PURE": "1"} if __name__ == "parmap.implementation" else {})}
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        stdin = subprocess.PIPE if windows else None if os.isatty(0) else subprocess.DEVNULL
        program = subprocess.Popen([sys.executable, *flags, "-c", text], stdin=stdin, env=environment,
                                   **({} if windows else {"pass_fds": [theirs.fileno()]}))  # type: ignore[call-overload]  # fmt: skip
        if windows:
            program.stdin.write(theirs.share(program.pid))  # type: ignore[attr-defined]
            program.stdin.close()
        w = _Worker(number, mine, program.pid)
        w.program = program
        return w

    def _hear(self, seconds: float) -> None:
        for key, _ in self.poll.select(seconds):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    self.woken[0].recv(4096)
            else:
                self._read(key.data)

    def _read(self, w: _Worker) -> None:
        """Takes what has come. Whole records only count."""
        while not w.eof:
            try:
                some = w.line.recv(1 << 18)
            except BlockingIOError:
                break
            except OSError:
                some = b""
            w.data += some
            if not some:
                w.eof = True
                self.poll.unregister(w.line)
            if len(some) < 1 << 18:
                break
        at = 0
        while len(w.data) - at >= _RECORD.size:
            what, index, seconds, size = _RECORD.unpack_from(w.data, at)
            if len(w.data) - at - _RECORD.size < size:
                break
            begin = at + _RECORD.size
            message = bytes(memoryview(w.data)[begin : begin + size])
            at = begin + size
            self._take(w, what, index, seconds, message)
        del w.data[:at]

    def _take(self, w: _Worker, what: int, index: int, seconds: float, message: bytes) -> None:
        m = self.m
        if what == _BORN:
            self._send(w, struct.pack("<qq", w.number, len(self.job)) + self.job)
        elif what == _READY:
            w.ready = True
        elif what == _LEAVING:
            w.doing = index
        elif what == _NO_GUARD:
            m.give_up(RuntimeError(
                "parmap: the program starts workers by spawn as it is imported: each worker imports it, too. Put the map below these two lines:\n"
                '    if __name__ == "__main__":\n        main()\n(or install cloudpickle: then workers need not import it)'))  # fmt: skip
        elif what == _REST:
            with m.mutex:
                m.given_back.appendleft((index, w.high))
            self._finished_chunk(w)
        else:
            it = m.running[w.number]
            it.index = index
            self.stillborn = 0
            w.low, w.done = index + 1, w.done + 1
            self.pace = seconds if not self.pace else 0.8 * self.pace + 0.2 * seconds
            try:
                if what == _VALUE:
                    it.value = _loads(message)
                else:
                    it.error, it.trace = _restore(message)
                    it.kind = {_THREW: "threw", _NO_MEMORY: "out_of_memory", _UNENCODABLE: "unencodable"}[what]
            except BaseException as error:
                lost = UnpicklableResult(f"the result was pickled by its worker but cannot be unpickled here: {_type_name(error)}: {_text_of(error)}")
                lost.__cause__ = error
                it.kind, it.error = ("out_of_memory", error) if isinstance(error, MemoryError) else ("unencodable", lost)
            if w.low == w.high:
                self._finished_chunk(w)
            else:
                m.running[w.number] = _Running(w.low, w.attempt, w.number, 0)
            m.ended(it, seconds)

    def _finished_chunk(self, w: _Worker) -> None:
        with self.m.mutex:
            self.m.running.pop(w.number, None)
        wanted = int(_CHUNK / max(self.pace, 1e-7))
        w.size = max(1, min(wanted, 8 * w.size))
        w.low = w.high = 0

    def _look_after(self) -> None:
        m, asked, now = self.m, self.asked, time.monotonic()
        for w in list(self.workers.values()):
            it = m.running.get(w.number)
            if m.kill and m.broken is None and it is not None:
                self._kill(w, "stopped")
            elif it is not None and m.is_late(it):
                self._kill(w, "timed_out", it)
            elif it is None and (not w.ready or w.stopping) and now - w.begun > max(_PATIENCE, asked.timeout or 0) * (1 if w.stopping else 6):
                self._kill(w, "slow")
            if w.killed or w.eof or now - w.begun_chunk > _TICK:
                w.begun_chunk = now
                if w.killed or w.has_died():
                    self._bury(w)
                elif w.eof and not w.stopping and now - w.begun > 1.0:
                    self._kill(w, "")  # it has closed its connection
                    self._bury(w)

    def _kill(self, w: _Worker, why: str, late: _Running | None = None) -> None:
        """Ends a worker and what it has started. One whose task is late is stopped first: the task may just have ended."""
        if late is not None and w.program is None:
            with contextlib.suppress(OSError):
                os.kill(w.pid, signal.SIGSTOP)
            for _ in range(100):
                try:
                    pid, status = os.waitpid(w.pid, os.WUNTRACED | os.WNOHANG)
                except ChildProcessError:
                    break
                if pid and not os.WIFSTOPPED(status):
                    w.status, w.killed = os.waitstatus_to_exitcode(status), "died"
                    return
                if pid:
                    break
                time.sleep(0.001)
        if late is not None:
            self._read(w)
            if self.m.running.get(w.number) is not late:
                if w.program is None:
                    os.kill(w.pid, signal.SIGCONT)
                return
        w.killed = why
        if sys.platform != "win32":
            with contextlib.suppress(OSError):
                os.kill(w.pid, signal.SIGSTOP)  # it does not see those die, nor start others
            for each in _children_of(w.pid):
                with contextlib.suppress(OSError):
                    os.kill(each, signal.SIGKILL)
        with contextlib.suppress(OSError):
            w.program.kill() if w.program is not None else os.kill(w.pid, signal.SIGKILL)
        try:
            w.status = w.program.wait() if w.program is not None else os.waitstatus_to_exitcode(os.waitpid(w.pid, 0)[1])
        except ChildProcessError:
            pass

    def _bury(self, w: _Worker) -> None:
        """It has died: the task that it ran is to blame, unless it was killed here; those behind it go to others."""
        m = self.m
        self._read(w)
        if not w.eof:
            self.poll.unregister(w.line)
        w.line.close()
        _callers_ends.discard(w.line)
        del self.workers[w.number]
        with m.mutex:
            it = m.running.pop(w.number, None)
            if it is not None and w.high > w.low + 1:
                m.given_back.appendleft((w.low + 1, w.high))
        if it is not None:
            self.stillborn = 0
            it.value = None
            if w.killed == "timed_out":
                m.timed_out(it)
            elif w.killed == "stopped":
                it.kind = "stopped"
            else:
                it.kind, it.error = _of_death(w.status)
                it.trace = ""
            m.ended(it, time.monotonic() - it.begun)
        elif w.killed == "slow" and w.stopping:
            m.ends.append(f"parmap: a worker was killed, because ending after the last task took too long. Not finished: {_DOING[w.doing]}")
        elif not w.stopping and m.broken is None and not w.done:
            self.stillborn += 1
            if self.stillborn >= 3:
                _, why = _of_death(w.status)
                m.give_up(RuntimeError(f"parmap: {self.stillborn} workers in a row died before they began a task; the last one: {why}"))

    def _stop(self, w: _Worker) -> None:
        w.stopping, w.begun = True, time.monotonic()
        self._send(w, _ORDER.pack(-1, 0, 0, 0))

    def _dismiss(self) -> None:
        """Workers end as programs do, in time."""
        for w in list(self.workers.values()):
            if not w.ready:
                self._kill(w, "stopped")
            elif not w.stopping:
                self._stop(w)
        while self.workers and self.m.broken is None:
            self._hear(_TICK)
            self.m.looked = time.monotonic()
            self._look_after()

    def _end(self) -> None:
        """Nothing is left behind, whatever has happened."""
        for w in list(self.workers.values()):
            if not w.has_died():
                self._kill(w, "stopped")
            w.line.close()
            _callers_ends.discard(w.line)
        self.workers.clear()
        self.poll.close()
        for each in self.woken:
            each.close()


# ---- Streams


class _Fields(NamedTuple):
    index: int  # type: ignore[assignment]
    task: Any
    value: Any
    failure: Failure | None
    attempts: int
    seconds: float | None
    worker: int | None


class Outcome(_Fields):
    """What has become of one task: index, task, value, failure, attempts, seconds, worker. It is true if there is a value."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return self.failure is None


class Stream:
    """What stream(), imap() and imap_unordered() give, as it comes: an iterator with next(timeout), close() and summary()."""

    def __init__(self, asked: Any, ordered: bool, bare: bool) -> None:
        self._asked, self._ordered, self._bare, self.seed, self._process = asked, ordered, bare, asked.seed, os.getpid()
        self._window = asked.window or max(16, 4 * asked.workers)
        self._found: collections.deque[Any] = collections.deque()
        self._early: dict[int, Any] = {}  # of ordered: outcomes that are not next yet
        self._read = self._completed = 0
        self._failures = Failures()
        self._m = m = _Map(asked, functools.partial(_put, self._found))
        self._rest: Any = None
        self._thread: threading.Thread | None = None
        self._raised: list[BaseException] = []
        self._serial = _serial(m) if asked.engine == "serial" else None
        self._allow()
        _open.add(self)
        if self._serial is None:
            self._thread = threading.Thread(target=_run_stream, args=(m, self._raised), name="parmap-stream", daemon=True)
            self._thread.start()

    def _allow(self) -> None:
        """Lets tasks begin as far as the window goes. Reads the first iterable, if that is an iterator."""
        m, product = self._m, self._asked.product
        wanted = self._read + self._window
        while product.first is not None and m.total is None and m.allowed < wanted:
            try:
                element = next(product.first)
            except StopIteration:
                with m.mutex:
                    m.total = m.allowed
                    m.changed.notify_all()
                break
            with m.mutex:
                for k in range(product.each):
                    m.inputs[m.allowed] = (element, *product.arguments(k))
                    m.allowed += 1
                m.changed.notify_all()
        if product.first is None:
            with m.mutex:
                m.allowed = min(m.total or 0, wanted)
                m.changed.notify_all()
        m.wake()

    def next(self, timeout: float | None = None) -> Any:
        """The next value. Raises TimeoutError if none comes in so many seconds, and StopIteration at the end."""
        until = None if timeout is None else time.monotonic() + timeout
        try:
            while True:
                outcome = self._next(until)
                index, task, value, failure = outcome[:4]
                self._read += 1
                self._completed += failure is None
                self._allow()
                if failure is None:
                    return value if self._bare else outcome
                self._failures.append(failure)
                if self._asked.on_error == "raise":
                    _add_note(failure.exception, f"parmap: raised by task {index}, called with {_SHORT.repr(task)}")
                    raise failure.exception
                if self._asked.on_error is not None:
                    value = self._asked.on_error(self._asked.func, task, failure.exception)
                    return value if self._bare else outcome._replace(value=value)
                if not self._bare:
                    return outcome
        except TimeoutError as error:
            if error.args != (_NOT_YET,):
                self.close()
            raise
        except BaseException:
            self.close()
            raise

    def _next(self, until: float | None) -> Any:
        m = self._m
        while True:
            while self._found and not (self._ordered and self._read in self._early):
                outcome = self._found.popleft()
                if not self._ordered:
                    return outcome
                self._early[outcome[0]] = outcome
            if self._ordered and self._read in self._early:
                return self._early.pop(self._read)
            if self._serial is not None:
                next(self._serial, None)
                if self._found:
                    continue
            if self._raised:
                raise self._raised.pop()
            over = m.over() and (self._thread is None or not self._thread.is_alive())
            if over and not self._found:
                if self._rest is None:
                    self._rest = m.left() if m.why and m.broken is None and not m.closed else iter(())
                for index, attempts in self._rest:
                    task = m.task(index)
                    error = TaskNotRun(f"not finished, because {m.why}")
                    self._found.append(Outcome(index, task, None, Failure(index, task, "stopped", error, attempts, ""), attempts, None, None))
                    break
                else:
                    self.close()
                    raise StopIteration
                continue
            if until is not None and time.monotonic() >= until:
                raise TimeoutError(_NOT_YET)
            with m.mutex:
                if not self._found and not m.over():
                    m.changed.wait(_TICK)
                elif not self._found:
                    m.changed.wait(0.001)
            if time.monotonic() - m.told >= 0.1:
                m.show()

    def close(self) -> None:
        """End the stream, and leave nothing behind."""
        m = self._m
        if m.closed or os.getpid() != self._process:
            return
        if not m.over():
            m.halt(_STOPPED, kill=True)
            with m.mutex:
                m.changed.notify_all()
        if self._serial is not None:
            self._serial.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(None if self._asked.engine == "multi" else 1.0)
        with m.mutex:
            m.closed = True
        m.show()
        self._asked.shown.close()
        for end in m.ends:
            warnings.warn(end, ParmapWarning, stacklevel=3)
        if self._bare and self._failures and self._asked.on_error is None:
            warnings.warn(_words_of_failures(self._failures, self._read), ParmapWarning, stacklevel=3)

    def summary(self) -> Summary:
        times = self._m.times() if self._asked.times else (None, [])
        return Summary(self._read, self._completed, time.monotonic() - self._asked.begun, self._failures.causes(), *times)

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        return self.next()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_thread"):
            self.close()


_NOT_YET = "parmap: no outcome has come in this time"
_open: weakref.WeakSet[Stream] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for each in list(_open):
        each.close()


def _put(found: collections.deque[Any], index: int, task: Any, value: Any, failure: Any, attempts: int, seconds: Any, worker: int) -> None:
    found.append(Outcome(index, task, value, failure, attempts, seconds, worker))


def _run_stream(m: _Map, raised: list[BaseException]) -> None:
    try:
        _Supervisor(m).run() if m.asked.engine == "multi" else _run_threads(m)
    except BaseException as error:
        m.give_up(error)
    if m.broken is not None:
        raised.append(m.broken)
    with m.mutex:
        m.changed.notify_all()


# ---- The functions


def _words_of_failures(failures: Failures, tasks: int) -> str:
    first = failures[0]
    text = f"{len(failures)} of {tasks} tasks failed; the first: {first}, called with {_SHORT.repr(first.task)}"
    if first.traceback:
        text += "\n" + first.traceback.rstrip()
    if len(first.task) == 1 and isinstance(first.task[0], (tuple, list)) and isinstance(first.exception, TypeError) \
            and re.search(r"missing \d+ required positional argument|takes .* positional argument", str(first.exception)):  # fmt: skip
        text += ("\nThe elements are tuples, and func was called with one of them as its argument. To call func(*pair): "
                 "parmap.starmap(func, pairs), or parmap(func, parmap.zip(a, b)) for two iterables in lockstep.")  # fmt: skip
    return text if len(failures) == 1 else "\n".join([text, "The failures:", *(f"  {line}" for line in failures._lines())])


def _collect(m: _Map, results: Results) -> None:
    """Adds the failures of the tasks that have no outcome."""
    with m.mutex:
        m.closed = True
    attempted = dict(itertools.takewhile(lambda each: each[0] < m.next, m.left()))
    why = _INTERRUPTED if m.broken is not None else m.why or _STOPPED
    for index, value in enumerate(results):
        if value is _NO_VALUE:
            attempts = attempted.get(index, 0)
            results.failures.append(Failure(index, m.asked.product.arguments(index), "stopped", TaskNotRun(f"not finished, because {why}"), attempts, ""))
            results[index] = None
    results.failures.sort(key=lambda each: each.index)
    results._seconds, results._inputs = time.monotonic() - m.asked.begun, m.asked.product
    if m.asked.times:
        results._times = m.times()


def _begin(asked: Any) -> tuple[_Map, Results]:
    if _importing_program and asked.engine == "multi":
        raise _NoGuard
    results = Results(itertools.repeat(_NO_VALUE, len(asked.product)), seed=asked.seed)
    results.engine = asked.name

    def sink(index: int, task: Any, value: Any, failure: Failure | None, attempts: int, seconds: Any, worker: int) -> None:
        results[index] = value
        if failure is not None:
            results.failures.append(failure)

    return _Map(asked, sink), results


def _conclude(m: _Map, results: Results, level: int) -> Results:
    asked = m.asked
    for end in m.ends:
        warnings.warn(end, ParmapWarning, stacklevel=level)
    if results.failures and asked.on_error == "raise":
        results.raise_for_failures()
    elif results.failures and asked.on_error is not None:
        for each in results.failures:
            results[each.index] = asked.on_error(asked.func, each.task, each.exception)
    elif results.failures:
        try:
            warnings.warn(_words_of_failures(results.failures, len(results)), ParmapWarning, stacklevel=level)
        except ParmapWarning as warning:
            warning.results = results
            raise
        except ValueError:  # stderr is closed: the results have the failures
            if not getattr(sys.stderr, "closed", False):
                raise
    return results


_told_of_none = False


def _tell_if_all_are_none(results: Results, level: int) -> None:
    global _told_of_none
    if len(results) > 1 and not _told_of_none and not _in_worker and all(value is None for value in results):
        _told_of_none = True
        warnings.warn("parmap: every task has returned None. If a task changes a variable, list or array, only its worker process sees that: "
                      "return the value, or use engine='threads'. (If your tasks write files, ignore this. It is shown only once.)",
                      RuntimeWarning, stacklevel=level)  # fmt: skip


def parmap(
    func: Callable[..., Any], *args: Iterable[Any], grid: Any = None, where: Any = None, fargs: dict[str, Any] | None = None,
    engine: Any = "multi", timeout_sec: float | None = None, deadline_sec: float | None = None, deadline: str | None = None,
    n_worker: int | None = None, on_error: Any = None, reporter: Any = None, label: str | None = None, times: bool = False,
    trace: Any = None, retries: int = 0, retry_delay_sec: float = 0, retry_if: Callable[[Failure], Any] | None = None, seed: int | None = None,
    memory_limit: Any = None, init: Callable[[], Any] | None = None, finish: Callable[[], Any] | None = None,
    max_failures: int | None = None, stop: Any = None, max_tasks: int | None = None, start: str = _START, checkpoint: Any = None,
    part: Any = None, n_simul: int | None = None, **unknown: Any,
) -> Results:  # fmt: skip
    """Call func on every element of an iterable, or on every combination of several iterables, in parallel::

        parmap(sqr, x)                            # [sqr(x[0]), sqr(x[1]), ...]
        parmap(hypot, x, y)                       # every combination, y varies fastest
        parmap(hypot, zip(x, y))                  # in lockstep; this module's zip
        parmap(power, x, fargs=dict(n=3))         # power(x[0], n=3), ...
        parmap(download, urls, engine="threads")  # also "async" for an async func, "serial" for a plain loop

    engine        "multi" (processes), "threads", "async", "serial"
    timeout_sec   of each task: multi kills, async cancels, threads raises TaskTimeout at the next bytecode, serial ignores it
    deadline_sec  of the map: then no task is started; running ones have a tenth of it, at most 30 s. deadline="slurm": the job's end
    n_worker      the most workers; default: the usable cores, at least 5 for threads, 64 for async. n_simul is another name
    on_error      None: failed tasks are None in the results, and a ParmapWarning tells; "raise": stop and raise the first;
                  or a function(func, task, exc) that gives the result
    retries       how often a failed task is tried again; retry_delay_sec: after a while, which doubles; retry_if(failure): only then
    seed          of rng(); max_failures, stop (an object with is_set()): then no further task is started
    init, finish  called in each worker; context().state is what init returns. max_tasks: a worker is replaced after so many
    reporter      None, "bar", "text", "silent", a class like tqdm, or a function(i, n); label; times: for results.summary()
    start         "fork" or "spawn": see help() of this module

    Returns Results: a list in input order, with failures, seed, ok, tasks, engine and summary(). Ctrl-C raises KeyboardInterrupt,
    whose attribute results has what is done. Wrong arguments are a TypeError or ValueError before any task starts.
    """
    given = dict(locals())
    if unknown:
        raise _unknown_argument("parmap", next(iter(unknown)))
    asked = _check(**given)
    m, results = _begin(asked)
    thread = threading.get_ident()
    outer = _supervising.get(thread)
    try:
        if asked.engine != "serial":
            _supervising[thread] = m
        if asked.engine == "serial":
            collections.deque(_serial(m), maxlen=0)
        elif asked.engine == "async":
            _run_loop(m)
        elif len(asked.product):
            for library in _hazards() if asked.engine == "multi" and asked.start == "fork" else ():
                warnings.warn(f"parmap forks workers from a process that has used {library}, which does not survive a fork: a task that uses it may wait "
                              "for ever. Try start='spawn', or use that library only in tasks", RuntimeWarning, stacklevel=2)  # fmt: skip
            with _HeldSignal(m):
                _run_threads(m) if asked.engine == "threads" else _Supervisor(m).run()
        if m.broken is not None:
            raise m.broken
        m.show()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) or error is m.broken:
            m.broken = error
            _collect(m, results)
            _set(error, "results", results)
        raise
    finally:
        if asked.engine != "serial":
            _supervising.pop(thread, None)
            if outer is not None:
                _supervising[thread] = outer
        asked.shown.close()
    _collect(m, results)
    if asked.engine == "multi" and not results.failures:
        _tell_if_all_are_none(results, 3)
    return _conclude(m, results, 3)


async def parmap_async(func: Callable[..., Any], *args: Iterable[Any], **options: Any) -> Results:
    """Call an async func as parmap(..., engine="async") does, on the event loop that is running, as in a notebook."""
    if unknown := [name for name in options if name not in _DEFAULTS or name in ("engine", "start", "max_tasks")]:
        raise _unknown_argument("parmap_async", unknown[0])
    asked = _check(**{**_DEFAULTS, **options, "func": func, "args": args, "engine": "async"})
    m, results = _begin(asked)
    try:
        await _run_async(m, alone=False)
    finally:
        asked.shown.close()
    _collect(m, results)
    if m.broken is not None:
        raise m.broken
    return _conclude(m, results, 3)


_DEFAULTS = {name: each.default for name, each in inspect.signature(parmap).parameters.items() if each.kind is inspect.Parameter.KEYWORD_ONLY}


def _stream(name: str, ordered: bool, bare: bool, func: Any, args: Any, buffersize: int | None, options: dict[str, Any]) -> Stream:
    if unknown := [each for each in options if each not in _DEFAULTS and each != "window"]:
        raise _unknown_argument(f"parmap.{name}", unknown[0])
    if buffersize is not None and options.get("window"):
        raise TypeError(f"parmap.{name}: buffersize is another name for window; give only one of them")
    if options.get("engine") in ("async", "asyncio"):
        raise ValueError(_lacks(f"{name} of engine='async'"))
    window = options.pop("window", 0) if buffersize is None else buffersize
    asked = _check(True, **{**_DEFAULTS, **({"on_error": "raise"} if bare else {}), **options, "func": func, "args": args, "window": window})
    if _importing_program and asked.engine == "multi":
        raise _NoGuard
    return Stream(asked, ordered, bare)


def stream(func: Callable[..., Any], *args: Iterable[Any], ordered: bool = False, **options: Any) -> Stream:
    """Give an Outcome for each task as it ends (ordered: in input order), while the rest still runs. The first iterable may be an endless
    iterator. At most `window` tasks have begun and not been read. Of on_error=None the outcome has the failure."""
    return _stream("stream", ordered, False, func, args, None, options)


def imap(func: Callable[..., Any], *args: Iterable[Any], buffersize: int | None = None, **options: Any) -> Stream:
    """Give the values of func in input order, one by one, while the rest still runs. The first iterable may be an endless iterator.

    At most buffersize (or window) tasks have begun and not been read. on_error is "raise" unless given; None leaves failed tasks out."""
    return _stream("imap", True, True, func, args, buffersize, options)


def imap_unordered(func: Callable[..., Any], *args: Iterable[Any], buffersize: int | None = None, **options: Any) -> Stream:
    """Like imap(), but as the tasks end, in whatever order that is."""
    return _stream("imap_unordered", False, True, func, args, buffersize, options)


def maplike(func: Callable[..., Any], *iterables: Iterable[Any], **options: Any) -> Results:
    """Like the built-in map: func on the elements of iterables in lockstep. on_error is "raise" unless given."""
    return parmap(func, zip(*iterables), **{"on_error": "raise", **options})


def starmap(func: Callable[..., Any], tasks: Iterable[Iterable[Any]], **options: Any) -> Results:
    """Like itertools.starmap: func(*task) for each task. on_error is "raise" unless given."""
    rows = [tuple(each) for each in tasks]
    if len(lengths := sorted({len(each) for each in rows})) > 1 or lengths == [0]:
        raise ValueError(f"parmap.starmap: all tasks must have one length, which is not 0, but the lengths are {', '.join(map(str, lengths))}")
    return parmap(func, *([zip(*builtins.zip(*rows))] if rows else [()]), **{"on_error": "raise", **options})
