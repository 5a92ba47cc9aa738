# SPDX-License-Identifier: MIT
"""What a stream keeps of its failures: their number, and the first one of each cause. How it answers to one. And its times."""

from __future__ import annotations

from typing import Any

from . import _errors
from ._arguments import Request
from ._failures import Causes, Failure, FailureCause, call_text
from ._summary import Summary
from ._times import TimeKeeper, busy_and_slowest

_MOST_CAUSES = 256  # that a summary tells apart


class StreamTally:
    def __init__(self, asked: Request) -> None:
        self._asked = asked
        self._causes = Causes(_MOST_CAUSES)
        self._first_of_others: Failure | None = None
        self._times = TimeKeeper() if asked.times else None

    @property
    def failed(self) -> int:
        return self._causes.failed

    def answer(self, failure: Failure) -> Any:
        """Counts it. Returns what on_error gives in place of a value, or raises what it wants to be raised."""
        others = self._causes.of_other_causes
        self._causes.add(failure)
        if self._first_of_others is None and self._causes.of_other_causes > others:
            self._first_of_others = failure
        on_error = self._asked.on_error
        if on_error is None:
            return None
        if on_error != "raise":
            return on_error(self._asked.given, failure.task, failure.exception)
        _errors.add_note(failure.exception, f"parmap: raised by task {failure.index}, called with {call_text(failure.task)}")
        raise failure.exception

    def note_workers(self, workers: int) -> None:
        if self._times is not None:
            self._times.note_workers(workers)

    def add_time(self, index: int, attempts: int, seconds: float | None, task: Any) -> None:
        """Of the last attempt of a task, if its time is known."""
        if self._times is not None and seconds is not None:
            self._times.add(index, attempts, seconds, task)

    def summary(self, tasks: int, completed: int, seconds: float) -> Summary:
        causes = self._causes.causes()
        if self._first_of_others is not None:
            words = f"other causes than the first {_MOST_CAUSES}"
            causes.append(FailureCause(self._first_of_others.kind, words, self._causes.of_other_causes, self._first_of_others))
        times = None if self._times is None else self._times.times(seconds)
        product = self._asked.product
        left_out = product.left_out if tasks == product.size else 0
        return Summary(tasks, completed, seconds, causes, *busy_and_slowest(times), left_out=left_out)
