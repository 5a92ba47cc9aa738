# SPDX-License-Identifier: MIT
"""The results of parmap: a list in input order, with its failures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import _errors


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
    numbers again.
    """

    failures: list[Failure]
    seed: int

    def __init__(self, values: Any = (), failures: list[Failure] | None = None, seed: int = 0) -> None:
        super().__init__(values)
        self.failures = [] if failures is None else failures
        self.seed = seed
