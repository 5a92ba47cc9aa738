# SPDX-License-Identifier: MIT
"""The failures of a map: each of them, the list, and the list grouped by cause."""

from __future__ import annotations

import itertools
import re
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from . import _errors
from ._loaded import loaded

# Describes the arguments of a task: always short, and safe if a __repr__ raises.
SHORT = reprlib.Repr()
SHORT.maxother = SHORT.maxstring = 100

#: Failure.kind. As in C++: in a checkpoint the kind of a failure is 1 + its place here.
KINDS = ("threw", "crashed", "exited", "timed_out", "out_of_memory", "unencodable", "stopped")

_MOST_SHOWN = 5  # failures, or causes
_MOST_NAMES = 6  # of the inputs of a task


def inputs_text(task: Any) -> str:
    """The inputs of a task, without brackets: "0.5, 2", or with the names of a grid "mu=0.5, x0=2"."""
    if not isinstance(task, dict):
        return ", ".join(map(shown, task))
    named = [f"{name}={shown(value)}" for name, value in itertools.islice(task.items(), _MOST_NAMES)]
    return ", ".join(named if len(task) <= _MOST_NAMES else [*named, "..."])


def shown(value: Any) -> str:
    """The text of an input: short, and of a number of NumPy that of the number."""
    numpy = loaded("numpy")
    return SHORT.repr(value.item() if numpy is not None and isinstance(value, numpy.number) else value)


def call_text(task: Any) -> str:
    """The same in brackets, as in a call."""
    return f"({inputs_text(task)})" if isinstance(task, dict) else SHORT.repr(task)


@dataclass(frozen=True)
class Failure:
    """One task that has no result, and the reason. parmap() makes these; see Results.failures::

        for why in results.failures:
            print(why)             # task 3 threw: ValueError: no convergence
            print(why.traceback)
        f(*why.task)               # runs that task again, in this process; of a grid: f(**why.task)

    A Failure cannot be changed, so several threads may read it at the same time.

    Attributes
    ----------
    index : int
        The number of the task in input order, from 0.
    task : tuple or dict
        The inputs of this task, without fargs: the arguments of func as a tuple, or with the option grid as a dict by name.
    kind : str
        - "threw": the task raised an exception, or init did.
        - "crashed": its worker was killed by a signal, for example at a segmentation fault.
        - "exited": the task ended its worker, for example by os._exit().
        - "timed_out": it ran longer than timeout_sec.
        - "out_of_memory": it raised MemoryError, reached memory_limit, or was killed because memory was short.
        - "unencodable": its result could not be brought from the worker to the caller.
        - "stopped": the map was stopped before the task began or ended.
    exception : BaseException
        The exception that the task raised. Otherwise one that says what happened: TaskTimeout, WorkerDied, MemoryError,
        RemoteError, UnpicklableResult or TaskNotRun.
    attempts : int
        How often the task was started; 0 if it never was.
    host : str
        The name of the computer that ran it, with the engines dask and mpi; empty with all others.
    """

    index: int
    task: Any
    kind: str
    exception: BaseException
    attempts: int
    host: str = field(default="", compare=False)
    _trace: str | None = field(default=None, repr=False, compare=False)

    @property
    def traceback(self) -> str:
        """The traceback of the exception in the task, as text; empty if there is none, as after a crash."""
        if self._trace is not None:
            return self._trace
        if self.exception.__traceback__ is None:
            return ""
        return _errors.traceback_of(self.exception)

    def __str__(self) -> str:
        """One line: the index, the kind, the exception, the host of a cluster, and the number of attempts if it is more than one."""
        words = f"task {self.index} {_kind_and_message(self.kind, message_of(self))}"
        if self.host:
            words += f" (on {self.host})"
        return words if self.attempts <= 1 else f"{words} ({self.attempts} attempts)"


@dataclass(frozen=True)
class FailureCause:
    """The failures of a map that have one cause: their kind and the type of their exceptions are the same, and their
    messages differ in numbers only. (In the message of a death the numbers count, too: they are a signal or an exit
    status.) See Failures.causes::

        for cause in results.failures.causes():
            print(cause)           # 2999 x threw: RuntimeError: no convergence; first task 7 (0.5, 2)

    Attributes
    ----------
    kind : str
        The kind of these failures; see Failure.
    message : str
        The message that they share, with "..." in place of each number if the numbers differ.
    count : int
        The number of these failures.
    first : Failure
        The one of the lowest index.
    """

    kind: str
    message: str
    count: int
    first: Failure

    def __str__(self) -> str:
        """One line. If there is one such failure only, that of the failure itself."""
        if self.count == 1:
            return str(self.first)
        first = f"first task {self.first.index} ({inputs_text(self.first.task)})"
        return f"{self.count} x {_kind_and_message(self.kind, self.message)}; {first}"


class Causes:
    """Groups failures by cause. Keeps the first one of each cause, and counts the others; with `most`, that many causes."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._groups: dict[tuple[str, str], _Group] = {}
        self.failed = 0
        self.stopped = 0
        self.of_other_causes = 0  #: those that have a cause beyond `most`

    def add(self, why: Failure) -> None:
        self.failed += 1
        self.stopped += why.kind == "stopped"
        message = message_of(why)
        key = why.kind, message if why.kind in ("crashed", "exited") else _without_numbers(message)
        group = self._groups.get(key)
        if group is not None:
            group.count += 1
            group.differs |= group.message != message
            if why.index < group.first.index:
                group.first = why
        elif self._most is None or len(self._groups) < self._most:
            self._groups[key] = _Group(why, message)
        else:
            self.of_other_causes += 1

    def causes(self) -> list[FailureCause]:
        """The cause of most failures first."""
        found = [
            FailureCause(kind, pattern if group.differs else group.message, group.count, group.first)
            for (kind, pattern), group in self._groups.items()
        ]
        return sorted(found, key=lambda cause: -cause.count)


class _Group:
    def __init__(self, first: Failure, message: str) -> None:
        self.first = first
        self.message = message
        self.count = 1
        self.differs = False


class Failures(list[Failure]):
    """The failures of a map: a list, sorted by index. See Results.failures::

        print(results.failures)    # "3 tasks failed", and a line for each

    Its text has a line for each failure; if they are more than five, a line for each of the five most frequent causes.
    As with any list, several threads may read it at the same time.

    Methods
    -------
    causes()
        The failures grouped by cause.
    to_frame(kind="pandas")
        A data frame with a row for each failure.
    """

    _inputs: Any = None  # of the results; they have the names of the inputs

    def causes(self) -> list[FailureCause]:
        """Return the failures grouped by cause: the cause of most failures first."""
        groups = Causes()
        for each in self:
            groups.add(each)
        return groups.causes()

    def to_frame(self, kind: str = "pandas") -> Any:
        """Return a data frame with a row for each failure::

            results.failures.to_frame()      # columns _task, mu, x0, _kind, _message, _attempts

        Arguments
        ---------
        kind
            "pandas" or "polars".

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
            _task is the index of the task. The other columns are as in Results.to_frame().

        Raises
        ------
        ValueError
            An input is called _task, _kind, _message or _attempts.
        ImportError
            The library is not installed.
        """
        from . import _frames

        return _frames.frame_of_failures(self, kind)

    def __getstate__(self) -> dict[str, Any]:
        return state_to_pickle(vars(self))

    def __str__(self) -> str:
        count = "1 task" if len(self) == 1 else f"{len(self)} tasks"
        return "\n  ".join([f"{count} failed", *lines_of_failures(self)])

    def __repr__(self) -> str:
        shown = ", ".join(repr(each) for each in self[:_MOST_SHOWN])
        return f"[{shown}]" if len(self) <= _MOST_SHOWN else f"[{shown}, ... {len(self) - _MOST_SHOWN} more]"


def state_to_pickle(state: dict[str, Any]) -> dict[str, Any]:
    """Of results or failures: without inputs that have no names, as these may be what cannot be pickled."""
    known = state.get("_inputs")
    return state if known is None or known.has_names else {**state, "_inputs": None}


def lines_of_failures(failures: Failures) -> list[str]:
    """One line each; if they are many, one for each cause."""
    return [str(each) for each in failures] if len(failures) <= _MOST_SHOWN else lines_of_causes(failures.causes())


def lines_of_causes(causes: list[FailureCause]) -> list[str]:
    lines = [str(each) for each in causes[:_MOST_SHOWN]]
    if others := causes[_MOST_SHOWN:]:
        kinds = "1 other cause" if len(others) == 1 else f"{len(others)} other causes"
        lines.append(f"and {sum(each.count for each in others)} more, of {kinds}")
    return lines


def moved_failures_of(results: Iterable[Any], by: int) -> list[Failure]:
    """The failures of Results, with `by` added to each index; none of another list."""
    return [replace(each, index=each.index + by) for each in getattr(results, "failures", ())]


def message_of(why: Failure) -> str:
    return f"{type(why.exception).__name__}: {_errors.text_of(why.exception)}"


def _kind_and_message(kind: str, message: str) -> str:
    return f"{kind.replace('_', ' ')}: {message}"


def _without_numbers(text: str) -> str:
    """The text with "..." in place of each number. Two messages of one cause often differ in a number only."""
    return _NUMBER.sub("...", text)


_NUMBER = re.compile(r"(?<![A-Za-z0-9_])[+-]?(?:0x[0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)*(?:[eE][+-]?[0-9]+)?)")
