# SPDX-License-Identifier: MIT
"""The results of parmap: a list in input order, with its failures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, SupportsIndex, overload

from . import _errors
from ._failures import SHORT, Failure, Failures, moved_failures_of
from ._summary import Summary
from ._times import Times, busy_and_slowest


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
    failures : Failures
        The tasks that have no result: a list of Failure, sorted by index. Empty if no task failed.
    seed : int
        The seed of parmap.rng() in this map. Another map with this seed draws the same numbers.
    ok : bool
        True if no task failed.

    Methods
    -------
    raise_for_failures()
        Raise the exception of the first failed task, if a task failed.
    summary()
        What happened, in a few numbers, with the failures grouped by cause.
    """

    failures: Failures
    seed: int
    _seconds: float | None = None  # the wall time of the map
    _times: Times | None = None  # with the option times

    def __init__(self, values: Any = (), failures: Iterable[Failure] | None = None, seed: int = 0) -> None:
        super().__init__(values)
        self.failures = failures if isinstance(failures, Failures) else Failures(failures or ())
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

    def summary(self) -> Summary:
        """Return what happened in the map: the time, the counts, and the failures grouped by cause; with times=True also how
        busy the workers were, and the slowest tasks::

            print(results.summary())     # 200 tasks in 2.0 s: 197 ok, 3 failed ...
        """
        failures = Failures(self.failures)
        return Summary(len(self), len(self) - len(failures), self._seconds, failures.causes(), *busy_and_slowest(self._times))

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
        return Results([*self, *other], [*self.failures, *moved_failures_of(other, len(self))], self.seed)

    def __radd__(self, other: Any) -> Any:
        if not isinstance(other, list):
            return NotImplemented
        return Results([*other, *self], moved_failures_of(self, len(other)), self.seed)

    def __iadd__(self, other: Any) -> Results:  # type: ignore[override,misc]
        self.failures += moved_failures_of(other, len(self))
        super().__iadd__(other)
        return self
