# SPDX-License-Identifier: MIT
"""A parallel map in one file of pure Python, which needs nothing else and may be copied into a project::

    from parmap import parmap              # single_file/parmap.py of the project, beside your program

    r = parmap(f, xs)                      # [f(x) for x in xs], on all cores, in worker processes
    r = parmap(f, xs, ys)                  # every combination, the last iterable fastest
    r.failures, r.ok                       # a task that raises, crashes, exits or hangs costs only its own result

It has the call and the promises of the package parmap-cpp, whose compiled core is faster: zip, fargs, the engines
multi, threads, async and serial, on_error, retries, timeout_sec, seed and rng(), init and context(), reporter, imap,
parmap_async. help(parmap) has the options. What it does not have it refuses, by name: pools, checkpoints and more.

How multi starts its workers (``results.engine`` tells): by fork on Linux, by spawn elsewhere, or as start="..." says:

    the same program              by fork                        by spawn
    func, init                    anything                       what pickle knows; with cloudpickle anything
    inputs and fargs              not copied                     pickled, and sent once to each worker
    global variables              as they are at the call        as the modules define them when imported
    if __name__ == "__main__":    not needed                     needed
    a notebook                    works                          needs cloudpickle
    a worker starts in            the time of a fork             the time of python and of your imports
    libraries with threads        may hang in a task             work

It is one file because it is made to be copied. In the order of reading: what a caller sees (exceptions, results,
inputs, options, progress), the schedule of a map (_Map), and who runs its attempts: _serial, _Threads, _run_async,
and _Processes, whose workers run _work.
"""

from __future__ import annotations

import asyncio
import builtins
import collections
import contextlib
import functools
import gc
import inspect
import itertools
import math
import multiprocessing
import multiprocessing.connection
import operator
import os
import pickle
import re
import reprlib
import signal
import subprocess
import sys
import threading
import time
import traceback
import types
import warnings
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, Callable, Generator, Iterable, Iterator, NamedTuple, NoReturn, Sequence

__version__ = "0.1.0"
__all__ = [
    "ENGINES", "Context", "Failure", "Failures", "ParmapWarning", "RemoteError", "Results", "TaskNotRun", "TaskTimeout",
    "UnpicklableResult", "WorkerDied", "context", "imap", "imap_unordered", "parmap", "parmap_async", "rng", "zip",
]
ENGINES = ("multi", "threads", "serial", "async")
_START = "fork" if hasattr(os, "fork") and sys.platform != "darwin" else "spawn"  # libraries of macOS survive no fork
_CHUNK = 0.01  # seconds that a worker of multi is given work for
_TICK = 0.05  # seconds between two looks at the clock
_PATIENCE = 10.0  # seconds that a worker has to end; six times as many to begin
_LARGE = 1 << 20  # bytes: no more of an exception leaves its worker
_OTHER, _INTERRUPTED, _CLOSED = "another task failed", "the map was interrupted", "the map was stopped"
_NO_VALUE: Any = object()
_dumps, _loads = pickle.dumps, pickle.loads  # a task may replace them
_IN_THE_PACKAGE = """AsyncStream BrokenPool DaskEngine Executor FailureCause Future MpiEngine OTHER_PART Outcome Reduction
    StoreFailed Stored StoredRow Stream Summary TaskTime astream axis checkpoint fold joblib load map_reduce maplike
    override starmap stream watch""".split()


def _lacks(what: str) -> str:
    return f"parmap: {what} is not in the pure form of parmap; the package parmap-cpp with its compiled core has it"


def __getattr__(name: str) -> NoReturn:
    words = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(_lacks(f"parmap.{name}") if name in _IN_THE_PACKAGE else words)


# ---- Exceptions, and how they leave a worker


class ParmapWarning(RuntimeWarning):
    """Tasks failed, or a worker did not end as it should. As an exception: `results` has what parmap would return."""

    results: Any


warnings.simplefilter("always", ParmapWarning, append=True)  # not only the first of a line


class TaskTimeout(TimeoutError):
    """A task ran longer than timeout_sec. Under engine="threads" it is raised in the task itself, too."""


class WorkerDied(RuntimeError):
    """A task ended its worker process: by a signal (attribute signal), or by an exit (attribute status)."""

    def __init__(self, message: str, signal: int | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.signal, self.status = signal, status


class RemoteError(RuntimeError):
    """Takes the place of an exception that pickle does not bring back as it was: its type's name and its text."""

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


class UnknownName(ValueError, KeyError):
    def __init__(self, what: str, name: object, known: Iterable[str]) -> None:
        super().__init__(f"parmap: there is no {what} {name!r}; the names are {', '.join(known)}")

    __str__ = Exception.__str__  # KeyError's quotes it


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except (Exception, SystemExit) as worse:
        return f"(its __str__ raised {type(worse).__name__})"


def _traceback_of(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except (Exception, SystemExit):  # its __str__ may raise
        return "".join(traceback.format_tb(error.__traceback__)) + f"{type(error).__name__}: {_text_of(error)}\n"


def _set(error: BaseException, name: str, value: Any) -> None:
    BaseException.__setattr__(error, name, value)  # also of a frozen dataclass


def _add_note(error: BaseException, note: str) -> None:
    notes = getattr(error, "__notes__", None) or ()
    if note not in notes:
        with contextlib.suppress(Exception):
            _set(error, "__notes__", [*notes, note])


def _note_task(failure: Failure) -> None:
    _add_note(failure.exception, f"parmap: raised by task {failure.index}, called with {_SHORT.repr(failure.task)}")


def _pickled(value: Any) -> bytes:
    """By pickle; by cloudpickle, if that is installed, what pickle refuses."""
    try:
        return _dumps(value, protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError):
        if (cloudpickle := _cloudpickle()) is None:
            raise
        return bytes(cloudpickle.dumps(value, protocol=5))


def _cloudpickle() -> Any:
    try:
        import cloudpickle
    except ImportError:
        return None
    return cloudpickle


def _with_text(error: BaseException, text: str) -> BaseException | None:
    """An exception as pickle brings it back; if it has lost its text, that is put back. None if it differs still."""
    for args in (error.args, (text,)):
        error.args = args
        if re.sub("0x[0-9a-f]+", "", _text_of(error)) == re.sub("0x[0-9a-f]+", "", text):
            return error
    return None


def _described(error: BaseException) -> bytes:
    """In the worker: all that _restored() needs. The exception itself only if it comes out of pickle as it went in."""
    kind, text, data = type(error), _text_of(error), b""
    trace = _traceback_of(error)[-_LARGE:]
    _set(error, "__traceback__", None)  # tblib, which Dask installs, would pickle it, however deep it is
    with contextlib.suppress(BaseException):  # what its own methods raise is not the task's
        again = _with_text(_loads(copy := _pickled(error)), text)
        data = copy if type(again) is kind and len(copy) <= _LARGE else b""
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    notes = [note for note in getattr(error, "__notes__", None) or () if isinstance(note, str)]
    return _dumps((name, text[:_LARGE], trace, data, notes))


def _restored(message: bytes) -> tuple[BaseException, str]:
    """In the caller: the exception, and its traceback as text."""
    name, text, trace, data, notes = _loads(message)
    error: BaseException = RemoteError(name, text)
    if data:
        with contextlib.suppress(BaseException):  # Ctrl-C is held back meanwhile
            error = _with_text(_loads(data), text) or error
    _set(error, "__cause__", _RemoteTraceback(trace))
    for note in notes:
        _add_note(error, note)
    return error, trace


_ADVICE = {
    "SIGSEGV": "an invalid memory access or a stack overflow; run it with engine='serial' under python -X faulthandler",
    "SIGABRT": "abort, a failed assertion or a damaged heap; see stderr, or run this task alone with engine='serial'",
    "SIGKILL": "killed from outside: kill -9, a batch system, or memory ran out (see dmesg); try a smaller n_worker",
}
_CONNECTION_LOST, _NO_GUARD = 115, 116  # exit statuses: the worker cannot reach its caller; see _check()


def _of_death(status: int | None) -> tuple[str, WorkerDied]:
    """Of a worker that has died on its own: kind and exception. `status`: negative for a signal."""
    if status is None:
        return "crashed", WorkerDied("its worker died; how is unknown, as this process ignores SIGCHLD")
    if status == _CONNECTION_LOST:
        return "exited", WorkerDied("its worker lost its connection: the task has closed it", status=status)
    if status >= 0:
        words = f"its worker exited with status {status}, as by os._exit({status}) or exit() in C code"
        return "exited", WorkerDied(words, status=status)
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    advice = _ADVICE.get(name, "sent to it alone, by kill, a batch system or the task; retries runs the task again")
    return "crashed", WorkerDied(f"its worker was killed by {name}: {advice}", signal=-status)


# ---- Failures and results

_SHORT = reprlib.Repr()
_SHORT.maxother = _SHORT.maxstring = 100
_NUMBER = re.compile(r"(?<![A-Za-z0-9_])[+-]?(?:0x[0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)*(?:[eE][+-]?[0-9]+)?)")


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


class Failures(list):  # type: ignore[type-arg]
    """The failures of a map, sorted by index. As text: one line for each; if they are many, one for each cause."""

    def _lines(self) -> list[str]:
        if len(self) <= 5:
            return [str(each) for each in self]
        causes: dict[tuple[str, str], list[Failure]] = {}  # messages of one cause differ in numbers only
        for each in self:
            causes.setdefault((each.kind.replace("_", " "), _NUMBER.sub("...", each._message)), []).append(each)
        lines = []
        for (kind, words), (first, *others) in sorted(causes.items(), key=lambda cause: -len(cause[1])):
            inputs = ", ".join(map(_SHORT.repr, first.task))
            many = f"{len(others) + 1} x {kind}: {words}; first task {first.index} ({inputs})"
            lines.append(many if others else str(first))
        return [*lines[:5], *([f"and {len(lines) - 5} more causes"] if len(lines) > 5 else [])]

    def __str__(self) -> str:
        return "\n  ".join([f"{len(self)} {'task' if len(self) == 1 else 'tasks'} failed", *self._lines()])


class Results(list):  # type: ignore[type-arg]
    """The results of a map in input order, None for each failed task: a list with failures, seed, ok, engine."""

    engine = ""  #: who ran it, such as "multi (pure, spawn)"

    def __init__(self, values: Iterable[Any] = (), failures: Iterable[Failure] = (), seed: int = 0) -> None:
        super().__init__(values)
        self.failures, self.seed = Failures(failures), seed

    @property
    def ok(self) -> bool:
        return not self.failures

    def raise_for_failures(self) -> None:
        """Raise the exception of the first task that failed, as on_error="raise" does."""
        if self.failures:
            first = next((each for each in self.failures if each.kind != "stopped"), self.failures[0])
            _note_task(first)
            _set(first.exception, "results", self)
            raise first.exception

    def __getattr__(self, name: str) -> NoReturn:
        lacks = name in ("report", "sel", "stored", "summary", "tasks", "to_frame", "to_xarray")
        raise AttributeError(_lacks(f"results.{name}") if lacks else f"Results have no attribute {name!r}")


# ---- Inputs


class zip:
    """Iterables in lockstep, as one input: parmap(f, zip(a, b)) calls f(a[0], b[0]), f(a[1], b[1]), ..."""

    def __init__(self, /, *iterables: Iterable[Any], **named: Iterable[Any]) -> None:
        if named:
            raise ValueError(_lacks("a zip with names"))
        if not iterables:
            raise TypeError("parmap.zip: at least one iterable is needed")
        self._axes = tuple(_sequence(each, f"parmap.zip: argument {k}") for k, each in enumerate(iterables, 1))
        lengths = [len(axis) for axis in self._axes]
        if min(lengths) != max(lengths):
            raise ValueError(f"parmap.zip: the iterables have unequal lengths: {', '.join(map(str, lengths))}")

    def __len__(self) -> int:
        return len(self._axes[0])

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return builtins.zip(*self._axes)


def _sequence(items: Any, name: str) -> Any:
    """What has len() and is indexed in the order of iteration."""
    numpy: Any = sys.modules.get("numpy")
    if type(items) in (list, tuple, range, str, bytes) or (numpy and type(items) is numpy.ndarray and items.ndim > 0):
        return items
    if isinstance(items, (itertools.count, itertools.cycle)):
        raise TypeError(f"{name} has no end: limit it, for example by itertools.islice(it, n)")
    return list(_iterator(items, name))


def _iterator(items: Any, name: str) -> Iterator[Any]:
    try:
        return iter(items)
    except TypeError:
        raise TypeError(f"{name} must be iterable, but is {items!r:.100} of type {type(items).__name__}; an argument "
                        "that is the same for every call goes into fargs") from None


class _Product:
    """Every combination of the axes, the last one fastest: the inputs of each task, by its index."""

    def __init__(self, iterables: Sequence[Any], first: int = 1) -> None:
        self.groups = [each._axes if isinstance(each, zip) else (_sequence(each, f"parmap: argument {k}"),)
                       for k, each in enumerate(iterables, first)]
        self.size = math.prod(len(group[0]) for group in self.groups)
        if self.size > sys.maxsize:
            raise OverflowError(f"parmap: {self.size} combinations are more than a list can hold")

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        found: list[Any] = []
        for group in reversed(self.groups):
            index, at = divmod(index, len(group[0]))
            found[:0] = [axis[at] for axis in group]
        return tuple(found)


def _read_lazily(iterables: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """The same tasks one by one; the first iterable may be endless."""
    first, rest = _iterator(iterables[0], "parmap: argument 1"), _Product(iterables[1:], 2)
    heads = first if isinstance(iterables[0], zip) else ((each,) for each in first)
    return ((*head, *rest[k]) for head in heads for k in range(len(rest)))


# ---- What a task may ask about itself


class _Attempt:
    """One attempt of a task: where it runs, and what has become of it."""

    kind, value, error, trace = "ok", None, None, None  # type: str, Any, Any, str | None
    late = left = False  # its engine has ended it, because of its limit; and waits for it no more
    generator: Any = None

    def __init__(self, index: int, attempt: int, worker: int, seed: int, state: Any = None) -> None:
        self.index, self.attempt, self.worker, self.seed, self.state = index, attempt, worker, seed, state
        self.thread, self.begun = threading.get_ident(), time.monotonic()

    def failed(self, error: BaseException) -> None:
        self.kind, self.error = "out_of_memory" if isinstance(error, MemoryError) else "threw", error


class _Numbers(NamedTuple):
    index: int  # type: ignore[assignment]
    attempt: int
    worker: int


class Context(_Numbers):
    """The task that is running: index, attempt, worker, and the worker's state (what init has returned)."""

    state: Any = None


_here: ContextVar[_Attempt | None] = ContextVar("parmap.here", default=None)
_in_worker = False  # this process is a worker of multi


def _attempt_here(what: str) -> _Attempt:
    it = _here.get()
    if it is None:
        raise RuntimeError(f"parmap.{what}() is for tasks, but no parmap task is running here")
    return it


def context() -> Context:
    """The Context of the task that calls it: index, attempt, worker and state."""
    it = _attempt_here("context")
    found = Context(it.index, it.attempt, it.worker)
    found.state = it.state
    return found


def rng() -> Any:
    """The numpy.random.Generator of the task that calls it: Philox, keyed by the map's seed and the task's index."""
    it = _attempt_here("rng")
    if it.generator is None:
        try:
            import numpy
        except ImportError as error:
            raise ImportError("parmap.rng() needs NumPy: pip install numpy") from error
        key = numpy.array([it.seed, it.index], dtype=numpy.uint64)
        it.generator = numpy.random.Generator(numpy.random.Philox(key=key, counter=2**256 - 1))  # the next is 0
    return it.generator


# ---- Options, checked before anything starts

_REFUSED = ("grid", "where", "deadline_sec", "deadline", "label", "times", "trace", "retry_delay_sec", "retry_if",
            "memory_limit", "finish", "max_failures", "stop", "max_tasks", "checkpoint", "part")


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


def _limit(value: Any) -> float | None:
    try:
        seconds = float([] if isinstance(value, (str, bytes, bytearray)) else value)  # type: ignore[arg-type]
    except OverflowError:
        raise ValueError("parmap: timeout_sec is too large for a float; None means no limit") from None
    except (TypeError, ValueError):
        raise TypeError(f"parmap: timeout_sec must be a number of seconds, but is {value!r:.100}") from None
    if not seconds > 0:
        raise ValueError(f"parmap: timeout_sec must be positive, but is {value!r}; None means no limit")
    return None if seconds > 2**33 else seconds


def _is_async(func: Any) -> bool:
    while isinstance(func, functools.partial):
        func = func.func
    return inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(getattr(type(func), "__call__", None))


def _check(function: str, given: dict[str, Any], lazily: bool = False) -> Any:
    """The request: its attributes are the options. `lazily`: for imap, which reads its first iterable as it goes."""
    asked = types.SimpleNamespace(**given)

    def check(good: Any, kind: type[Exception], words: str) -> None:
        if not good:
            raise kind(f"parmap: {words}")

    for name in asked.unknown:
        raise TypeError(f"{function}() got an unexpected keyword argument {name!r}: help(parmap) has the options; an "
                        f"argument that is the same for every call of func goes into fargs: fargs=dict({name}=...)")
    engine = asked.engine = "async" if asked.engine == "asyncio" else asked.engine
    if engine not in ENGINES:
        raise UnknownName("engine", engine, ENGINES)
    if asked.start not in ("fork", "spawn"):
        raise UnknownName("start", asked.start, ("fork", "spawn"))
    for name in _REFUSED:
        if given[name] is not None and given[name] is not False and (given[name] or name != "retry_delay_sec"):
            raise ValueError(_lacks(f"the option {name}"))
    if lazily and engine == "async":
        raise ValueError(_lacks(f"{function} of engine='async'"))
    check(callable(asked.func), TypeError, f"func must be callable, but is {asked.func!r:.100}")
    check(asked.init is None or callable(asked.init), TypeError, f"init must be callable, but is {asked.init!r:.100}")
    for name in ("func", "init"):
        check(engine == "async" or not _is_async(given[name]), TypeError,
              f"{name} is an async function, whose coroutines engine={engine!r} would never run: use engine='async', "
              "or await parmap.parmap_async(...) where an event loop is running")
    check(engine != "async" or _is_async(asked.func), TypeError,
          f"engine='async' is for async functions, but func is {asked.func!r:.100}: define it by async def, or use "
          "engine='threads' for a function that waits")
    check(asked.fargs is None or isinstance(asked.fargs, dict), TypeError, "fargs must be a dict")
    asked.fargs = dict(asked.fargs or {})
    check(all(isinstance(name, str) for name in asked.fargs), TypeError, "the keys of fargs must be strings")
    check(asked.n_simul is None or asked.n_worker is None, TypeError,
          "n_simul is another name for n_worker; give only one of them")
    check(asked.on_error is None or asked.on_error == "raise" or callable(asked.on_error), TypeError,
          f"on_error must be None, 'raise' or a callable(func, task, exc), not {asked.on_error!r:.100}")
    check(asked.start == _START or engine in ("multi", "serial"), ValueError,
          f"start={asked.start!r} is for the engine multi; {engine} starts no processes")
    check(asked.start == "spawn" or hasattr(os, "fork"), ValueError, "start='fork' is not possible on this system")
    usual = {"threads": max(5, _cores()), "async": 64, "serial": 1, "multi": 1 if _in_worker else _cores()}[engine]
    wanted = asked.n_worker if asked.n_simul is None else asked.n_simul
    asked.workers = usual if wanted is None else _whole("n_worker", wanted, 1, 2**32)
    asked.retries = _whole("retries", asked.retries, 0, 2**31 - 1)
    random = int.from_bytes(os.urandom(8), "little")
    asked.seed = random if asked.seed is None else _whole("seed", asked.seed, 0, 2**64)
    asked.limit = None if asked.timeout_sec is None else _limit(asked.timeout_sec)
    asked.window = _whole("window", given.get("window", 0), 0, 2**26 + 1) or max(16, 4 * asked.workers)
    asked.stops_at_failure = asked.on_error == "raise" and not lazily
    check(asked.args, TypeError, "at least one iterable is needed after func")
    asked.inputs = _read_lazily(asked.args) if lazily else _Product(asked.args)
    asked.progress = _progress(asked.reporter, nested=_in_worker or _here.get() is not None)
    if engine == "serial" and asked.limit is not None:
        asked.limit = None
        if asked.reporter in ("bar", "text"):
            _tell_once("parmap: the engine serial does not enforce timeout_sec; use threads or multi")
    if engine == "multi" and getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(_NO_GUARD)  # a spawned worker imports the program, which starts a map
    return asked


# ---- Progress


class _Bar:
    """A bar of tqdm's kind, made once `patience` seconds have passed; none if there is no kind."""

    bar: Any = None

    def __init__(self, kind: Any, patience: float = 0.0) -> None:
        self.kind, self.drawn = kind, time.monotonic() - 1 + patience

    def show(self, done: int, total: int | None, failed: int) -> None:
        now = time.monotonic()
        if self.bar is None and self.kind is not None and now - self.drawn >= 1:
            self.bar = self.kind(total=total)
        if self.bar is not None and (done != self.bar.n or now - self.drawn >= 1):
            self.drawn = now
            if failed and hasattr(self.bar, "set_postfix_str"):
                self.bar.set_postfix_str(f"{failed} failed", refresh=False)
            self.bar.update(done - self.bar.n)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


class _Text:
    """The same as lines on stderr: one every 10 s, and one at the end."""

    n, failed = 0, ""

    def __init__(self, total: int | None) -> None:
        self.total, self.begun, self.last = total, time.monotonic(), time.monotonic()

    def set_postfix_str(self, words: str, refresh: bool) -> None:
        self.failed = f", {words}"

    def update(self, n: int) -> None:
        self.n, now = self.n + n, time.monotonic()
        if self.n == self.total or now - self.last >= 10:
            self.last = now
            left = (now - self.begun) * ((self.total or 0) - self.n) / max(1, self.n)
            words = f"{self.n}/{self.total} in {now - self.begun:.0f} s{self.failed}"
            print(words + (f", {left:.0f} s left" if left > 0 else ""), file=sys.stderr, flush=True)

    def close(self) -> None: ...


class _Called(_Bar):
    def __init__(self, call: Callable[[int, int | None], Any]) -> None:
        self.call, self.done = call, 0

    def show(self, done: int, total: int | None, failed: int) -> None:
        if done > self.done:
            self.done = done
            self.call(done - 1, total)


def _progress(who: Any, nested: bool) -> _Bar:
    terminal = sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()
    kind = who.func if isinstance(who, functools.partial) else who
    if isinstance(who, str) and who not in ("bar", "text", "silent", "none"):
        raise UnknownName("reporter", who, ("bar", "text", "silent", "none"))
    if who in ("silent", "none") or (who is None and (nested or not terminal)):
        return _Bar(None)
    if who is None or who == "bar":
        kind = _Text
        with contextlib.suppress(ImportError):
            from tqdm.auto import tqdm

            kind = type("tqdm", (tqdm,), {"monitor_interval": 0})  # else it starts a thread
            kind = functools.partial(kind, miniters=0, mininterval=0)
        return _Bar(kind, patience=0.0 if who else 0.5)
    if who == "text":
        return _Bar(_Text)
    if isinstance(kind, type) and hasattr(kind, "update") and hasattr(kind, "close"):
        return _Bar(who)
    if callable(who) and not hasattr(kind, "update"):
        return _Called(who)
    raise TypeError(f"parmap: reporter must be a name, a class like tqdm, or a callable(i, n), not {who!r:.100}")


@functools.lru_cache(maxsize=None)
def _tell_once(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# ---- The schedule of a map: every engine takes attempts from it, and gives them back ended


class _Map:
    """Which tasks wait, run and have ended. deliver(index, value, failure) gets each outcome, once. `lock` guards it.

    A task is in one place: at or behind `next`, in `again`, in `running`, or delivered. What is not delivered as the
    map ends is "stopped"."""

    def __init__(self, asked: Any, inputs: Any, deliver: Callable[[int, Any, Failure | None], None]) -> None:
        self.asked, self.inputs, self.deliver = asked, inputs, deliver
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.total = len(inputs) if isinstance(inputs, _Product) else None  # of imap it is known at the end
        self.next, self.allowed = 0, self.total or 0  # these have not begun, and may; of imap its reader lets them
        self.again: collections.deque[tuple[int, int, int]] = collections.deque()  # first task, end, attempt
        self.running: dict[int, _Attempt] = {}  # by worker
        self.done = self.failed = 0
        self.why = ""  # no further task begins, and those that run are ended
        self.broken: BaseException | None = None  # what the map raises: of a signal handler, the reporter, or its own
        self.closed = False  # nobody listens any more
        self.wake: Callable[[], Any] = lambda: None  # lets the engine look again
        self.looked = self.told = time.monotonic()

    def claim(self, most: int = 1) -> tuple[int, int, int] | None:
        """The next tasks: first, end, attempt. With the lock held."""
        if self.why or not self.claimable():
            return None
        if not self.again:
            low, self.next = self.next, min(self.allowed, self.next + most)
            return low, self.next, 1
        low, high, attempt = self.again.popleft()
        if high - low > most:
            self.again.appendleft((low + most, high, attempt))
        return low, min(high, low + most), attempt

    def claimable(self) -> int:
        return self.allowed - self.next + sum(high - low for low, high, _ in self.again)

    def over(self) -> bool:
        return bool(self.why) or self.done == self.total

    def halt(self, why: str, error: BaseException | None = None) -> None:
        """Ends the map, which raises the error. Takes no lock: signal handlers call it."""
        self.broken, self.why = self.broken or error, self.why or why
        self.wake()

    def ended(self, it: _Attempt) -> None:
        """An attempt has ended: its outcome is delivered, or the task is tried again."""
        with self.lock:
            if self.running.get(it.worker) is it:
                del self.running[it.worker]
            if self.closed:
                return
            if it.kind != "ok" and it.attempt <= self.asked.retries:
                self.again.append((it.index, it.index + 1, it.attempt + 1))
            else:
                failure = None
                if it.kind != "ok":
                    failure = Failure(it.index, self.inputs[it.index], it.kind, it.error, it.attempt, it.trace)
                    self.failed += 1
                    if self.asked.stops_at_failure:
                        self.halt(_OTHER)
                self.done += 1
                self.deliver(it.index, it.value if failure is None else None, failure)
            if self.again or self.over():
                self.changed.notify_all()

    def late(self) -> list[_Attempt]:
        """The attempts that have exceeded their limit since the last call."""
        limit, now = self.asked.limit or math.inf, time.monotonic()
        with self.lock:
            found = [it for it in self.running.values() if not it.late and now - it.begun > limit]
        for it in found:
            it.late = True
        return found

    def timed_out(self, it: _Attempt) -> None:
        """Makes the exception of a late attempt. What it has raised itself is the cause."""
        error, raised = TaskTimeout(f"ran longer than timeout_sec={self.asked.limit:g}"), it.error
        if isinstance(raised, (TaskTimeout, asyncio.CancelledError)):
            error.__traceback__ = raised.__traceback__
        else:
            error.__cause__ = raised
        it.kind, it.error = "timed_out", error

    def tick(self) -> None:
        """Looks at the clock and shows progress. Whoever waits for the map calls it, every 0.1 s at least."""
        now = time.monotonic()
        if now - self.looked > 2.0:  # the process was stopped (Ctrl-Z) and goes on: that time does not count
            for it in list(self.running.values()):
                it.begun += now - self.looked
        self.looked = now
        if now - self.told >= 0.1:
            self.told = now
            try:
                self.show()
            except BaseException as error:
                self.halt(_INTERRUPTED, error)

    def show(self) -> None:
        self.asked.progress.show(self.done, self.total, self.failed)

    def begun(self) -> dict[int, int]:
        """Of the tasks that have begun and have no outcome: the number of their attempts."""
        return {**{low: attempt - 1 for low, _, attempt in self.again},
                **{it.index: it.attempt for it in self.running.values()}}


class _Waiting:
    """While this thread waits for a map, Ctrl-C ends that in order and is raised at its end; so does _Threads.end().

    If the map has not ended a second later, another Ctrl-C is raised at once."""

    inner: dict[int, _Map] = {}  # by thread: the map that it waits for

    def __init__(self, m: _Map) -> None:
        self.m, self.thread = m, threading.get_ident()
        self.old, self.heard = None, math.inf  # type: Any, float

    def __enter__(self) -> None:
        self.outer, self.inner[self.thread] = self.inner.get(self.thread), self.m
        handler, holds = signal.getsignal(signal.SIGINT), self.m.asked.engine != "serial"
        if holds and threading.current_thread() is threading.main_thread() and callable(handler):
            self.old = handler
            signal.signal(signal.SIGINT, self.handle)

    def handle(self, number: int, frame: Any) -> None:
        try:
            self.old(number, frame)
        except BaseException as error:
            self.heard = min(self.heard, time.monotonic())
            self.m.halt(_INTERRUPTED, error)
            if time.monotonic() - self.heard > 1.0:
                raise

    def __exit__(self, *_: Any) -> None:
        if self.old is not None and signal.getsignal(signal.SIGINT) == self.handle:
            signal.signal(signal.SIGINT, self.old)
        if self.outer is None:
            del self.inner[self.thread]
        else:
            self.inner[self.thread] = self.outer


# ---- serial: a plain loop


class _Serial:
    """The first exception passes, unchanged."""

    def __init__(self, m: _Map) -> None:
        self.m, self.state = m, None if m.asked.init is None else m.asked.init()

    def step(self) -> None:
        m, asked = self.m, self.m.asked
        with m.lock:
            index, _, _ = m.claim() or (-1, 0, 0)
        for attempt in range(1, asked.retries + 2 if index >= 0 else 0):
            it = m.running[0] = _Attempt(index, attempt, 0, asked.seed, self.state)
            token = _here.set(it)
            try:
                it.value = asked.func(*m.inputs[it.index], **asked.fargs)
                return m.ended(it)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt) or attempt > asked.retries:
                    raise
            finally:
                _here.reset(token)

    def close(self) -> None: ...


# ---- threads


def _supervise(m: _Map, crew: Any, enough: Callable[[], Any]) -> None:
    """The loop of the thread that waits for a map. The crew runs attempts: step() waits a little and takes what has
    ended, end() ends a late attempt, close() leaves nothing behind."""
    try:
        while not enough():
            crew.step()
            m.tick()
            for it in m.late():
                crew.end(it)
    except BaseException as error:  # of a signal handler; or no worker could be started
        if m.asked.engine == "serial":
            raise
        m.halt(_INTERRUPTED, error)


def _raise_in(thread: int, kind: Any) -> None:
    """Raises an exception in a thread at its next bytecode; None takes back one that is to be raised. Not on PyPy."""
    if sys.implementation.name == "cpython":
        import ctypes

        what = None if kind is None else ctypes.py_object(kind)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), what)


class _Heard(BaseException):
    pass


def _raise_nothing_here() -> None:
    """Takes back what is to be raised in this thread, by one in its place: Python 3.11 would look for it for ever."""
    if sys.implementation.name == "cpython":
        try:
            _raise_in(threading.get_ident(), _Heard)
            while True:
                pass
        except _Heard:
            pass


class _Threads:
    """Each thread claims tasks by itself."""

    def __init__(self, m: _Map) -> None:
        self.m, self.threads, context = m, [], copy_context()  # type: _Map, list[threading.Thread], Any
        for k in range(min(m.asked.workers, m.asked.workers if m.total is None else m.total)):
            thread = threading.Thread(target=self._run, args=(k, context.copy()), name=f"parmap-{k}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # there are too many
                if not self.threads:
                    raise
                break
            self.threads.append(thread)

    def step(self) -> None:
        with self.m.lock:
            if not self.m.over():
                self.m.changed.wait(_TICK)

    def end(self, it: _Attempt, kind: type[BaseException] = TaskTimeout) -> None:
        with self.m.lock:
            if self.m.running.get(it.worker) is not it:
                return  # it has ended meanwhile
            if (inner := _Waiting.inner.get(it.thread)) is not None:  # it waits for a map, which ends in order
                inner.halt(_INTERRUPTED, kind())
            else:
                _raise_in(it.thread, kind)

    def close(self) -> None:
        """Waits for the threads; after Ctrl-C for 0.15 s: then those that are blocked in C are left."""
        m, until = self.m, time.monotonic() + 0.15
        for it in list(m.running.values()):
            it.late = True
            self.end(it, TaskNotRun)
        with m.lock:
            m.changed.notify_all()
        for each in self.threads:
            each.join(None if m.broken is None else max(0.0, until - time.monotonic()))
        with m.lock:
            m.closed = True
            for it in m.running.values():
                _raise_in(it.thread, None)
        if m.running:
            _raise_nothing_here()

    def _run(self, number: int, context: Any) -> None:
        m, asked, state, unfit = self.m, self.m.asked, None, None  # type: _Map, Any, Any, BaseException | None
        try:
            state = None if asked.init is None else context.run(asked.init)
        except BaseException as why:
            unfit = why
        while True:
            with m.lock:
                while (claimed := m.claim()) is None and not m.over():
                    m.changed.wait()
            if claimed is None:
                return
            it = _Attempt(claimed[0], claimed[2], number, asked.seed, state)
            value, error = None, None  # type: Any, BaseException | None
            try:
                try:
                    with m.lock:  # from here on others may raise in this thread
                        m.running[number] = it
                    if unfit is not None:
                        raise unfit
                    value = context.copy().run(self._call, it)
                except BaseException as raised:
                    error = raised
            except (TaskTimeout, TaskNotRun) as raised:  # as the task's own exception was caught
                error = raised
            while True:
                try:
                    with m.lock:  # and from here on nobody does
                        m.running.pop(number, None)
                    if it.late:
                        _raise_nothing_here()
                    break
                except (TaskTimeout, TaskNotRun):
                    pass
            it.value, it.error = value, error
            if isinstance(error, TaskNotRun) and m.why:
                with m.lock:
                    m.again.append((it.index, it.index + 1, it.attempt + 1))
                continue
            if asked.limit is not None and time.monotonic() - it.begun > asked.limit:
                m.timed_out(it)
            elif error is not None:
                it.failed(error)
            m.ended(it)

    def _call(self, it: _Attempt) -> Any:
        _here.set(it)
        if decimal := sys.modules.get("decimal"):
            decimal.setcontext(decimal.getcontext().copy())  # a copy of a context shares it
        return self.m.asked.func(*self.m.inputs[it.index], **self.m.asked.fargs)


# ---- async: the tasks take turns in an event loop

_left: list[Any] = []  # tasks and coroutines that ignore their cancellation


def _leave(it: Any) -> None:
    """Freed, also as Python ends, a coroutine that ignores all would run on."""
    _left.append(it)
    if sys.implementation.name == "cpython":
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(it))


async def _run_async(m: _Map, alone: bool) -> None:
    """In the running loop. `alone`: only a task can have cancelled this."""
    asked, loop, woken = m.asked, asyncio.get_running_loop(), asyncio.Event()
    tasks: dict[Any, _Attempt] = {}
    free, unused, left, look = [], itertools.count(), [], 0.0  # type: Any, Iterator[int], list[Any], float
    state, unfit = None, None  # type: Any, Any
    ended: collections.deque[Any] = collections.deque()

    def note(task: Any) -> None:
        ended.append(task)
        woken.set()

    def settle(task: Any) -> None:
        if (it := tasks.pop(task, None)) is not None:
            free.append(it.worker)
            if it.late:
                m.timed_out(it)
            elif it.kind == "pending":  # it was cancelled before its first step
                it.failed(asyncio.CancelledError())
            m.ended(it)

    async def wait(what: Any) -> None:
        try:
            await what
        except asyncio.CancelledError:
            if not alone:
                raise

    m.wake = lambda: loop.is_closed() or loop.call_soon_threadsafe(woken.set)
    try:
        state = None if asked.init is None else asked.init()
        state = await state if inspect.isawaitable(state) else state
    except Exception as error:
        unfit = error
    try:
        while not m.over():
            while len(tasks) < asked.workers and (claimed := m.claim()) is not None:
                it = _Attempt(claimed[0], claimed[2], free.pop() if free else next(unused), asked.seed, state)
                it.kind, it.begun = "pending", math.inf
                task = loop.create_task(_attempt(m, it, unfit))
                tasks[task] = m.running[it.worker] = it
                task.add_done_callback(note)
            timer = loop.call_later(_TICK, woken.set)
            await wait(woken.wait())
            timer.cancel()
            woken.clear()
            m.tick()
            if (now := time.monotonic()) > look:
                look, late = now + 0.01, set(m.late())
                for task, it in list(tasks.items()):
                    if it in late:
                        task.cancel()
                    elif it.late and now - it.begun > asked.limit + 0.1 and not task.done():  # it ignores that
                        it.left = True
                        left.append(task)
                        settle(task)
            while ended:
                settle(ended.popleft())
    finally:
        for patience in (0.1, 0.05):
            for task in (rest := [task for task in (*left, *tasks) if not task.done()]):
                task.cancel()
            if rest:
                await wait(asyncio.wait(rest, timeout=patience))
            for it in tasks.values():
                it.left = True
        for task in (*left, *tasks):
            task._log_destroy_pending = False
            if not task.done():
                _leave(task)


@types.coroutine
def _steps(coroutine: Any, it: _Attempt) -> Generator[Any, Any, Any]:
    """Like `await coroutine`; but once that is left behind, the next cancellation ends this and not that: who waits
    for all tasks of the loop can end."""
    thrown = None
    while True:
        try:
            waits_for = coroutine.send(None) if thrown is None else coroutine.throw(thrown)
        except StopIteration as end:
            return end.value
        try:
            yield waits_for
            thrown = None
        except BaseException as error:
            if it.left:
                each = coroutine
                while each is not None:  # it, and what it awaits
                    _leave(each)
                    each = getattr(each, "cr_await", None)
                with contextlib.suppress(BaseException):
                    coroutine.close()
                return None
            thrown = error


async def _attempt(m: _Map, it: _Attempt, unfit: BaseException | None) -> None:
    _here.set(it)
    it.begun = time.monotonic()
    try:
        if unfit is not None:
            raise unfit
        it.value = await _steps(m.asked.func(*m.inputs[it.index], **m.asked.fargs), it)
        it.kind = "ok"
    except BaseException as error:  # SystemExit and KeyboardInterrupt would end the loop
        it.failed(error)
    it.begun = math.inf  # it cannot be late any more


def _run_loop(m: _Map) -> None:
    """async in a loop of its own."""
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("parmap: an event loop is running in this thread, as in a notebook, and engine='async' "
                           "would block it: use results = await parmap.parmap_async(func, ...)")
    loop = asyncio.new_event_loop()
    main = loop.create_task(_run_async(m, alone=True))
    try:
        with _Waiting(m):
            while not main.done():  # again if a task has stopped the loop, or one that it made has raised SystemExit
                with contextlib.suppress(SystemExit, KeyboardInterrupt, RuntimeError):
                    loop.run_until_complete(main)
        main.result()
    finally:
        with contextlib.suppress(BaseException):
            if rest := asyncio.all_tasks(loop):
                for each in rest:
                    each.cancel()
                loop.run_until_complete(asyncio.wait(rest, timeout=0.1))
            loop.run_until_complete(asyncio.wait_for(loop.shutdown_asyncgens(), 0.1))
        for each in asyncio.all_tasks(loop):
            each._log_destroy_pending = False  # type: ignore[attr-defined]
            _leave(each)
        loop.close()


# ---- multi: a worker, as it sees itself. Its caller sends orders, and it sends a record for each task that has ended.

_VALUE, _THREW, _NO_MEMORY, _UNENCODABLE, _REST, _BORN, _READY = range(7)
_callers_ends: set[Any] = set()  # of the connections of this process to its workers, which a fork inherits


def _work(line: Any, number: int, caller: int, asked: Any) -> None:
    """What a worker does. After a fork it has all that was asked; else `asked` is None, and it is told."""
    me, state, unfit = os.getpid(), None, None  # type: int, Any, BaseException | None

    def tell(what: int, index: int = 0, message: bytes = b"") -> None:
        try:
            line.send_bytes(_dumps((what, index, message)))
        except OSError:
            os._exit(_CONNECTION_LOST)

    def hear() -> Any:
        try:
            return line.recv_bytes()
        except (EOFError, OSError):
            os._exit(1)  # the caller has gone

    _be_a_worker(caller, forked=asked is not None)
    try:
        if asked is None:
            tell(_BORN)
            seed, job = _loads(hear())
            asked = types.SimpleNamespace(func=None, inputs=None, fargs={}, init=None, seed=seed, spawned=True)
            asked.func, asked.inputs, asked.fargs, asked.init = _loads(job)
        state = None if asked.init is None else asked.init()
    except BaseException as error:
        unfit = error
    tell(_READY)
    while (order := _loads(hear())) is not None:
        low, high, attempt, data = order
        inputs, why, begun = asked.inputs, unfit, time.monotonic()
        if data is not None:  # the inputs of these tasks, as imap has read them
            try:
                inputs = dict(builtins.zip(range(low, high), _loads(data)))
            except BaseException as error:
                why = error
        for index in range(low, high):
            if index > low and time.monotonic() - begun > 2 * _CHUNK:  # others may have nothing to do
                tell(_REST, index)
                break
            what, message = _run(_Attempt(index, attempt, number, asked.seed, state), asked, inputs, why)
            if os.getpid() != me:
                os._exit(0)  # a process that the task has forked, and that has come back
            tell(what, index, message)


def _run(it: _Attempt, asked: Any, inputs: Any, unfit: BaseException | None) -> tuple[int, bytes]:
    """Runs one task in a worker: what to tell of it."""
    token, value = _here.set(it), _NO_VALUE
    try:
        if unfit is not None:
            raise unfit
        value = asked.func(*inputs[it.index], **asked.fargs)
        _here.reset(token)
        return _VALUE, _pickled(value)
    except BaseException as error:
        if value is not _NO_VALUE and not isinstance(error, MemoryError):
            lost = UnpicklableResult(
                f"a result of type {type(value).__module__}.{type(value).__qualname__} cannot be pickled: "
                f"{type(error).__name__}: {_text_of(error)}; return plain data, or use engine='threads'")
            lost.__cause__ = error
            return _UNENCODABLE, _described(lost)
        if isinstance(error, NameError) and asked.spawned:
            _add_note(error, "parmap: this worker was spawned and has imported the modules anew: what a program sets "
                             'at run time, or below if __name__ == "__main__":, is not there; pass it by fargs')
        return _NO_MEMORY if isinstance(error, MemoryError) else _THREW, _described(error)


def _be_a_worker(caller: int, forked: bool) -> None:
    """What is another's in a worker; and without its caller it ends, whatever it does."""
    global _in_worker
    _in_worker = True
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # a handler, as programs would inherit SIG_IGN
        signal.signal(signal.SIGINT, lambda number, frame: None)  # the caller ends its workers
    if sys.platform == "linux":
        with contextlib.suppress(ImportError, OSError, AttributeError):
            import ctypes

            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != caller:
            os._exit(1)
    else:
        parent: Any = multiprocessing.parent_process()
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
    if forked:
        for each in _callers_ends:
            each.close()
        _callers_ends.clear()
        _here.set(None)
        signal.set_wakeup_fd(-1)
        getattr(gc, "freeze", gc.collect)()  # inherited objects are not collected here
        if "numpy.random" in sys.modules:
            sys.modules["numpy.random"].seed(int.from_bytes(os.urandom(4), "little"))


# ---- multi: the workers, as their caller sees them


class _Worker:
    """low ... high are the tasks that it has and that have not ended; the first one runs."""

    ready = late = False
    first = low = high = attempt = 0
    size = 1  # of its next chunk

    def __init__(self, number: int, line: Any, process: Any) -> None:
        self.number, self.line, self.process = number, line, process
        self.begun = time.monotonic()  # when it was born, or given its chunk

    def is_alive(self) -> bool:
        """Where SIGCHLD is ignored there is no exitcode. Where a child of a task goes on, it holds the sentinel."""
        return self.process.exitcode is None and not multiprocessing.connection.wait([self.process.sentinel], 0)


def _descendants(pid: int) -> list[int]:
    """All processes that this one has started, and they in turn."""
    pairs = []
    if os.path.isdir("/proc/self"):
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError, ValueError), open(f"/proc/{name}/stat", "rb") as file:
                pairs.append((int(name), int(file.read().rsplit(b")", 1)[1].split()[1])))
    else:
        with contextlib.suppress(OSError, ValueError):
            table = subprocess.run(["ps", "-axo", "pid=,ppid="], stdout=subprocess.PIPE, check=False).stdout
            pairs = [(int(child), int(parent)) for child, parent in map(bytes.split, table.splitlines())]
    found = [pid]
    for each in found:
        found += [child for child, parent in pairs if parent == each]
    return found[1:]


class _Processes:
    """Gives tasks to workers, hears from them, ends the late ones and replaces the dead."""

    def __init__(self, m: _Map) -> None:
        self.m, self.asked = m, m.asked
        self.workers: dict[int, _Worker] = {}  # by number
        self.limit = min(m.asked.workers, m.asked.workers if m.total is None else m.total)
        self.stillborn = 0  # workers in a row that died before they were ready
        self.looked = 0.0
        self.context = multiprocessing.get_context(m.asked.start)
        self.job = self._job() if m.asked.start == "spawn" else b""
        m.asked.spawned = False
        multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]  # of a Pool, say

    def _job(self) -> bytes:
        """What spawned workers need."""
        asked, inputs = self.asked, self.m.inputs
        try:
            job = (asked.func, inputs if isinstance(inputs, _Product) else None, asked.fargs, asked.init)
            return _dumps((asked.seed, (_cloudpickle() or pickle).dumps(job, protocol=5)))
        except Exception as error:
            _add_note(error, "parmap: start='spawn' has to pickle func, its iterables, fargs and init; cloudpickle, if "
                             "it is installed, takes lambdas, closures and what a notebook defines")
            raise

    def step(self) -> None:
        self._assign()
        seconds = 0.0 if self._hire() else _TICK
        lines = {w.line: w for w in self.workers.values()}
        for line in multiprocessing.connection.wait([*lines], seconds):
            self._read(lines[line])
        now = time.monotonic()
        if now - self.looked > _TICK:
            self.looked = now
            for w in list(self.workers.values()):
                if not w.is_alive() or (not w.ready and now - w.begun > 6 * _PATIENCE):
                    self._bury(w)

    def end(self, it: _Attempt) -> None:
        w = self.workers[it.worker]
        w.late = True
        self._bury(w)

    def close(self) -> None:
        """No worker is left: each is asked to end, or killed if the map was ended. What has come by then counts."""
        until, workers = time.monotonic() + _PATIENCE, list(self.workers.values())
        for w in workers:
            if w.ready and not self.m.why:
                self._send(w, None)
        while not self.m.why and time.monotonic() < until \
                and (ends := [w.process.sentinel for w in workers if w.ready and w.is_alive()]):
            multiprocessing.connection.wait(ends, _TICK)
        for w in workers:
            if w.ready and w.is_alive() and not self.m.why:
                warnings.warn("parmap: a worker was killed, because threads that its tasks have started did not end",
                              ParmapWarning, stacklevel=2)
            self._bury(w)

    def _assign(self) -> None:
        m = self.m
        for w in self.workers.values():
            if w.ready and w.low == w.high:
                with m.lock:
                    claimed = m.claim(min(w.size, 1 + m.claimable() // (4 * self.limit)))
                if claimed is None:
                    return
                w.low, w.high, w.attempt = claimed
                w.first, w.begun = w.low, time.monotonic()
                m.running[w.number] = _Attempt(w.low, w.attempt, w.number, 0)
                lazy = not isinstance(m.inputs, _Product)
                self._send(w, (*claimed, _pickled([m.inputs[k] for k in range(w.low, w.high)]) if lazy else None))

    def _send(self, w: _Worker, order: Any) -> None:
        with contextlib.suppress(OSError):  # it has died
            w.line.send_bytes(_dumps(order))

    def _hire(self) -> bool:
        """Begins one more worker, if there is work for it."""
        if len(self.workers) >= self.limit or self.m.claimable() <= sum(w.low == w.high for w in self.workers.values()):
            return False
        number = next(k for k in itertools.count() if k not in self.workers)
        mine, theirs = self.context.Pipe()
        _callers_ends.add(mine)
        given = (theirs, number, os.getpid(), None if self.job else self.asked)
        process = self.context.Process(target=_work, args=given)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
                process.start()
            multiprocessing.process._children.discard(process)  # type: ignore[attr-defined]  # nobody else ends it
        except OSError:
            mine.close()
            _callers_ends.discard(mine)
            if not self.workers:
                raise
            self.limit = len(self.workers)
            return False
        finally:
            theirs.close()
        self.workers[number] = _Worker(number, mine, process)
        return True

    def _read(self, w: _Worker) -> None:
        try:
            while w.line.poll():
                self._take(w, *_loads(w.line.recv_bytes()))
        except (EOFError, OSError):
            w.process.join(1.0)
            self._bury(w)

    def _take(self, w: _Worker, what: int, index: int, message: bytes) -> None:
        m = self.m
        if what == _BORN:
            return w.line.send_bytes(self.job)  # type: ignore[no-any-return]
        if what == _READY:
            w.ready, self.stillborn = True, 0
            return
        if what == _REST:
            with m.lock:
                m.again.appendleft((index, w.high, w.attempt))
            w.high = index
        it = m.running.pop(w.number)
        w.low = index if what == _REST else index + 1
        if w.low < w.high:
            m.running[w.number] = _Attempt(w.low, w.attempt, w.number, 0)
        elif self.asked.limit is None:  # the next chunk is to last _CHUNK. With a limit, a late task dies alone
            wanted = int((w.low - w.first) * _CHUNK / max(time.monotonic() - w.begun, 1e-6))
            w.size = max(1, min(wanted, 8 * w.size))
        if what == _REST:
            return
        try:
            if what == _VALUE:
                it.value = _loads(message)
            else:
                it.error, it.trace = _restored(message)
                it.kind = {_THREW: "threw", _NO_MEMORY: "out_of_memory", _UNENCODABLE: "unencodable"}[what]
        except BaseException as error:
            words = f"the result cannot be unpickled here: {type(error).__name__}: {_text_of(error)}"
            it.kind, it.error = "unencodable", UnpicklableResult(words)
            it.error.__cause__ = error
        m.ended(it)

    def _bury(self, w: _Worker) -> None:
        """A worker has died, or is ended with what it has started. The task that it ran is to blame, if the map goes
        on; those behind that go to others."""
        m, process, alive = self.m, w.process, w.is_alive()
        if alive:
            if sys.platform != "win32":
                with contextlib.suppress(OSError):
                    os.kill(process.pid, signal.SIGSTOP)  # it does not see those die, nor starts others
                for each in _descendants(process.pid):
                    with contextlib.suppress(OSError):
                        os.kill(each, signal.SIGKILL)
            process.kill()
        process.join()
        with contextlib.suppress(EOFError, OSError):
            while w.line.poll():
                self._take(w, *_loads(w.line.recv_bytes()))
        w.line.close()
        _callers_ends.discard(w.line)
        del self.workers[w.number]
        it, status = m.running.get(w.number), _CONNECTION_LOST if alive and w.ready else process.exitcode
        if it is not None and not m.why:
            with m.lock:
                if w.high > w.low + 1:
                    m.again.appendleft((w.low + 1, w.high, w.attempt))
            it.trace = ""
            if w.late:
                m.timed_out(it)
            else:
                it.kind, it.error = _of_death(status)
            m.ended(it)
        elif not w.ready and not m.over():
            self.stillborn += 1
            if status == _NO_GUARD:
                m.halt(_INTERRUPTED, RuntimeError(
                    "parmap: the program starts workers by spawn as it is imported: each worker imports it, too. Put "
                    'the map below these two lines:\n    if __name__ == "__main__":\n        main()\n'))
            elif self.stillborn >= 3:
                m.halt(_INTERRUPTED, RuntimeError("parmap: 3 workers in a row died before they began a task; the last "
                                                  f"one: {_of_death(status)[1]}"))


# ---- The functions


def _warn_of(failures: Failures, tasks: int, results: Any, level: int) -> None:
    first = failures[0]
    text = f"{len(failures)} of {tasks} tasks failed; the first: {first}, called with {_SHORT.repr(first.task)}"
    text += "\n" + first.traceback.rstrip() if first.traceback else ""
    if len(failures) > 1:
        text = "\n".join([text, "The failures:", *(f"  {line}" for line in failures._lines())])
    try:
        warnings.warn(text, ParmapWarning, stacklevel=level + 1)
    except ParmapWarning as warning:
        warning.results = results
        raise
    except ValueError:  # stderr is closed: the results have the failures
        if not getattr(sys.stderr, "closed", False):
            raise


def _begin(asked: Any) -> tuple[_Map, Results]:
    results = Results(itertools.repeat(_NO_VALUE, len(asked.inputs)), seed=asked.seed)
    results.engine = f"{asked.engine} (pure{', ' + asked.start if asked.engine == 'multi' else ''})"

    def deliver(index: int, value: Any, failure: Failure | None) -> None:
        results[index] = value
        if failure is not None:
            results.failures.append(failure)

    return _Map(asked, asked.inputs, deliver), results


def _collect(m: _Map, results: Results) -> None:
    """The map has ended: adds the failures of the tasks that have no outcome."""
    with m.lock:
        m.closed = True
        begun = m.begun()
    for index, value in enumerate(results):
        if value is _NO_VALUE:
            error = TaskNotRun(f"not finished, because {m.why or _INTERRUPTED}")
            results.failures.append(Failure(index, m.inputs[index], "stopped", error, begun.get(index, 0), ""))
            results[index] = None
    results.failures.sort(key=lambda each: each.index)


def _conclude(m: _Map, results: Results, level: int) -> Results:
    asked, failures = m.asked, results.failures
    if failures and asked.on_error is None:
        _warn_of(failures, len(results), results, level + 1)
    elif failures and asked.on_error == "raise":
        results.raise_for_failures()
    for each in failures if callable(asked.on_error) else ():
        results[each.index] = asked.on_error(asked.func, each.task, each.exception)
    return results


def parmap(
    func: Callable[..., Any], *args: Iterable[Any], grid: Any = None, where: Any = None,
    fargs: dict[str, Any] | None = None, engine: Any = "multi", timeout_sec: float | None = None,
    deadline_sec: Any = None, deadline: Any = None, n_worker: int | None = None, on_error: Any = None,
    reporter: Any = None, label: Any = None,
    times: bool = False, trace: Any = None, retries: int = 0, retry_delay_sec: float = 0, retry_if: Any = None,
    seed: int | None = None, memory_limit: Any = None, init: Callable[[], Any] | None = None, finish: Any = None,
    max_failures: Any = None, stop: Any = None, max_tasks: Any = None, start: str = _START, checkpoint: Any = None,
    part: Any = None, n_simul: int | None = None,
    **unknown: Any,
) -> Results:
    """Call func on every element of an iterable, or on every combination of several iterables, in parallel::

        parmap(sqr, x)                            # [sqr(x[0]), sqr(x[1]), ...]
        parmap(hypot, x, y)                       # every combination, y varies fastest
        parmap(hypot, zip(x, y))                  # in lockstep; this module's zip
        parmap(power, x, fargs=dict(n=3))         # power(x[0], n=3), ...
        parmap(download, urls, engine="threads")  # also "async" for an async func, "serial" for a plain loop

    engine       "multi" (processes), "threads", "async", "serial"
    timeout_sec  of each task: multi kills, async cancels, threads raises TaskTimeout at the next bytecode
    n_worker     the most workers; default: the usable cores, at least 5 for threads, 64 for async. Also n_simul
    on_error     None: failed tasks are None in the results, and a ParmapWarning tells; "raise": stop at the first
                 failure and raise it; or a function(func, task, exc) that gives the result
    retries      how often a failed task is tried again;  seed: of rng(), which numpy makes
    init         called once in each worker; context().state is what it returns
    reporter     None (a bar on terminals), "bar" (tqdm's, if there), "text", "silent", a class like tqdm, or a
                 function(i, n)
    start        "fork" or "spawn": see help() of this module

    Returns Results: a list in input order, with failures, seed, ok and engine. Ctrl-C raises KeyboardInterrupt, whose
    attribute results has what is done. Wrong arguments are a TypeError or ValueError before any task starts. The other
    arguments are options of the package that this form refuses.
    """
    asked = _check("parmap", dict(locals()))
    m, results = _begin(asked)
    try:
        if asked.engine == "async":
            _run_loop(m)
        elif m.total:
            with _Waiting(m):
                crew = _ENGINES[asked.engine](m)
                try:
                    _supervise(m, crew, m.over)
                finally:
                    crew.close()
        if m.broken is not None:
            raise m.broken
        m.show()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) or asked.engine != "serial":
            m.why = m.why or _INTERRUPTED
            _collect(m, results)
            _set(error, "results", results)
        raise
    finally:
        asked.progress.close()
    _collect(m, results)
    return _conclude(m, results, 2)


_ENGINES: dict[str, Any] = {"multi": _Processes, "threads": _Threads, "serial": _Serial}
_OPTIONS = {name: it.default for name, it in inspect.signature(parmap).parameters.items() if it.kind is it.KEYWORD_ONLY}


def _given(func: Any, args: Any, options: dict[str, Any], *known: str) -> dict[str, Any]:
    unknown = {name: value for name, value in options.items() if name not in _OPTIONS and name not in known}
    return {**_OPTIONS, **options, "func": func, "args": args, "unknown": unknown}


async def parmap_async(func: Callable[..., Any], *args: Iterable[Any], **options: Any) -> Results:
    """Call an async func as parmap(..., engine="async") does, on the event loop that is running, as in a notebook."""
    asked = _check("parmap_async", {**_given(func, args, options), "engine": "async"})
    m, results = _begin(asked)
    try:
        await _run_async(m, alone=False)
        if m.broken is not None:
            raise m.broken
        m.show()
    finally:
        asked.progress.close()
        _collect(m, results)
    return _conclude(m, results, 2)


class _Values:
    """What imap() and imap_unordered() give: an iterator of values, and a context manager. One thread reads it."""

    def __init__(self, name: str, ordered: bool, func: Any, args: Any, buffersize: int | None, options: Any) -> None:
        options = {"on_error": "raise", **options, **({} if buffersize is None else {"window": buffersize})}
        asked = _check(f"parmap.{name}", _given(func, args, options, "window"), lazily=True)
        self._values, self.seed = _values(asked, ordered), asked.seed

    def __enter__(self) -> _Values:
        return self

    __iter__ = __enter__

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __next__(self) -> Any:
        return next(self._values)

    def close(self) -> None:
        """End the map, and leave nothing behind."""
        self._values.close()


def _values(asked: Any, ordered: bool) -> Generator[Any, None, None]:
    found: dict[int, tuple[Any, Failure | None]] = {}  # outcomes that were not read

    def deliver(index: int, value: Any, failure: Failure | None) -> None:
        found[index] = value, failure
        del m.inputs[index]
        m.changed.notify_all()

    m, failures, here = _Map(asked, {}, deliver), Failures(), os.getpid()
    with _Waiting(m):
        crew = _ENGINES[asked.engine](m)
    try:
        for read in itertools.count():
            while m.total is None and m.allowed < read + asked.window:
                task = next(asked.inputs, None)
                with m.lock:
                    if task is None:
                        m.total = m.allowed
                    else:
                        m.inputs[m.allowed] = task
                        m.allowed += 1
                    m.changed.notify_all()
            wanted = {read} if ordered else found.keys()
            with _Waiting(m):
                _supervise(m, crew, lambda: m.over() or wanted & found.keys())
            if m.broken is not None:
                raise m.broken
            if read not in found and (ordered or not found):
                break
            value, failure = found.pop(read if ordered else next(iter(found)))
            if failure is not None:
                failures.append(failure)
                if asked.on_error == "raise":
                    _note_task(failure)
                    raise failure.exception
                if asked.on_error is None:
                    continue
                value = asked.on_error(asked.func, failure.task, failure.exception)
            yield value
    finally:
        if os.getpid() == here:  # else a fork has inherited this
            if not m.over():
                m.halt(_CLOSED)
            with _Waiting(m):
                crew.close()
            m.show()
            asked.progress.close()
        if failures and asked.on_error is None:
            _warn_of(failures, m.done, None, 3)


def imap(func: Callable[..., Any], *args: Iterable[Any], buffersize: int | None = None, **options: Any) -> _Values:
    """Give the values of func in input order, one by one, while the rest still runs. The first iterable may be endless.

    At most buffersize (or window) tasks have begun and not been read. on_error is "raise" unless given; None leaves
    failed tasks out. Limits are looked after, and workers get new tasks, while the program waits for a value."""
    return _Values("imap", True, func, args, buffersize, options)


def imap_unordered(
    func: Callable[..., Any], *args: Iterable[Any], buffersize: int | None = None, **options: Any
) -> _Values:
    """Like imap(), but as the tasks end, in whatever order that is."""
    return _Values("imap_unordered", False, func, args, buffersize, options)
