# SPDX-License-Identifier: MIT
"""Outcome: what a stream gives for each task."""

from __future__ import annotations

from typing import Any, NamedTuple

from ._failures import Failure


class _Fields(NamedTuple):
    index: int  # type: ignore[assignment]
    task: Any
    value: Any
    failure: Failure | None
    attempts: int
    seconds: float | None
    worker: int | None


class Outcome(_Fields):
    """What has become of one task: a value or a failure. stream() gives these; an outcome is true if there is a value::

        for outcome in parmap.stream(f, xs):
            if outcome:
                use(outcome.index, outcome.value)
            else:
                print(outcome.failure)

    It is a tuple of its attributes, so several threads may read it at the same time.

    Attributes
    ----------
    index : int
        The number of the task in input order, from 0.
    task : tuple or dict
        The inputs of this task, as in Failure.
    value : object
        What func has returned. Of a task that failed: what on_error has returned, or None.
    failure : Failure or None
        Why there is no value; None if there is one.
    attempts : int
        How often the task was started; 0 if it never was.
    seconds : float or None
        How long its last attempt took; None if that is not known, as it is for tasks that were stopped.
    worker : int or None
        The worker that ran its last attempt, as in parmap.context(); None if that is not known.
    stored : bool
        Whether it was in the file of a checkpoint. It is not one of the elements of the tuple.
    """

    __slots__ = ()
    stored = False

    def __bool__(self) -> bool:
        return self.failure is None


class StoredOutcome(Outcome):
    """One that was in the file of a checkpoint."""

    __slots__ = ()
    stored = True
