# SPDX-License-Identifier: MIT
"""The results of parmap: a list in input order, with its failures."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, field, replace
from typing import Any, SupportsIndex, overload

from . import _errors


# Describes the arguments of a task: always short, and safe if a __repr__ raises.
SHORT = reprlib.Repr()
SHORT.maxother = SHORT.maxstring = 100


@dataclass(frozen=True)
class Failure:
    """One task that has no result, and the reason. parmap() makes these; see Results.failures::

        for why in results.failures:
            print(why)             # task 3 threw: ValueError: no convergence
            print(why.traceback)
        f(*why.task)               # runs that task again, in this process

    A Failure cannot be changed, so several threads may read it at the same time.

    Attributes
    ----------
    index : int
        The number of the task in input order, from 0.
    task : tuple
        The arguments of func in this task, without fargs.
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
    """

    index: int
    task: tuple[Any, ...]
    kind: str
    exception: BaseException
    attempts: int
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
        """One line: the index, the kind, the exception, and the number of attempts if it is more than one."""
        said = f"{type(self.exception).__name__}: {_errors.text_of(self.exception)}"
        words = f"task {self.index} {self.kind.replace('_', ' ')}: {said}"
        return words if self.attempts <= 1 else f"{words} ({self.attempts} attempts)"


class Results(list[Any]):
    """The results of a map: a list in input order, with None in place of each failed task. parmap() makes it::

        results = parmap(f, xs)
        if not results.ok:
            for why in results.failures:
                print(why)             # task 3 threw: ValueError: no convergence
        again = parmap(f, xs, seed=results.seed)     # draws the same random numbers

    A slice, a copy and a sum of results are Results too, and keep the failures of their elements, with new indices.
    Other changes to the list, such as del and sort(), do not change the failures.

    As with any list, several threads may read it at the same time.

    Attributes
    ----------
    failures : list of Failure
        The tasks that have no result, sorted by index. Empty if no task failed.
    seed : int
        The seed of parmap.rng() in this map. Another map with this seed draws the same numbers.
    ok : bool
        True if no task failed.

    Methods
    -------
    raise_for_failures()
        Raise the exception of the first failed task, if a task failed.
    """

    failures: list[Failure]
    seed: int

    def __init__(self, values: Any = (), failures: list[Failure] | None = None, seed: int = 0) -> None:
        super().__init__(values)
        self.failures = [] if failures is None else failures
        self.seed = seed

    @property
    def ok(self) -> bool:
        """True if no task failed."""
        return not self.failures

    def raise_for_failures(self) -> None:
        """Raise the exception of the first failed task, if a task failed, as on_error="raise" does.

        A note on the exception says which task it was, and its attribute results is this list. A task that failed comes
        before tasks that were only stopped.
        """
        if self.ok:
            return
        first = next((each for each in self.failures if each.kind != "stopped"), self.failures[0])
        error = first.exception
        _errors.add_note(error, f"parmap: raised by task {first.index}, called with {SHORT.repr(first.task)}")
        _errors.set_attribute(error, "results", self)
        raise error

    @overload
    def __getitem__(self, at: SupportsIndex) -> Any: ...
    @overload
    def __getitem__(self, at: slice) -> Results: ...
    def __getitem__(self, at: SupportsIndex | slice) -> Any:
        if not isinstance(at, slice):
            return super().__getitem__(at)
        places = range(len(self))[at]
        failures = [replace(each, index=places.index(each.index)) for each in self.failures if each.index in places]
        return Results(super().__getitem__(at), sorted(failures, key=lambda each: each.index), self.seed)

    def copy(self) -> Results:
        """Return a copy, with the failures and the seed."""
        return self[:]

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, list):
            return NotImplemented
        return Results([*self, *other], self.failures + _moved(other, len(self)), self.seed)

    def __radd__(self, other: Any) -> Any:
        if not isinstance(other, list):
            return NotImplemented
        return Results([*other, *self], _moved(self, len(other)), self.seed)

    def __iadd__(self, other: Any) -> Results:  # type: ignore[override,misc]
        self.failures += _moved(other, len(self))
        super().__iadd__(other)
        return self


def _moved(results: Any, by: int) -> list[Failure]:
    return [replace(each, index=each.index + by) for each in getattr(results, "failures", ())]
