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
    """One task that has no value, and why."""

    index: int  #: in input order
    task: tuple[Any, ...]  #: the elements of the axes that func was called with
    #: threw, crashed, exited, timed_out, out_of_memory, unencodable or stopped
    kind: str
    exception: BaseException
    attempts: int  #: how often the task was begun; 0 if never
    _trace: str | None = field(default=None, repr=False, compare=False)

    @property
    def traceback(self) -> str:
        """The traceback where the task ran, as text; empty if there was none."""
        if self._trace is not None:
            return self._trace
        if self.exception.__traceback__ is None:
            return ""
        return _errors.traceback_of(self.exception)

    def __str__(self) -> str:
        said = f"{type(self.exception).__name__}: {_errors.text_of(self.exception)}"
        words = f"task {self.index} {self.kind.replace('_', ' ')}: {said}"
        return words if self.attempts <= 1 else f"{words} ({self.attempts} attempts)"


class Results(list[Any]):
    """The results of a map, in input order: a list, with None in place of each failed task.

    failures: a list of Failure, sorted by index. seed: of parmap.rng() in this map; pass it as seed= to get the same
    numbers again. A slice, a copy and a sum of results keep the failures of their elements.
    """

    failures: list[Failure]
    seed: int

    def __init__(self, values: Any = (), failures: list[Failure] | None = None, seed: int = 0) -> None:
        super().__init__(values)
        self.failures = [] if failures is None else failures
        self.seed = seed

    @property
    def ok(self) -> bool:
        """Whether no task failed."""
        return not self.failures

    def raise_for_failures(self) -> None:
        """Raises the exception of the first failed task, if one failed, as on_error="raise" does: with a note that tells
        the task, and these results as its `results`. Tasks that were only stopped come after those that failed."""
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
