# SPDX-License-Identifier: MIT
"""What a report knows of a map, wherever it was read."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .._failures import _without_numbers as without_numbers

#: What a slice of the timeline shows.
OK, FAILED, RETRIED, WAITS = range(4)

_PARTS = 10  # bins of a factor of ten


class NotReadable(Exception):
    """The file is no trace and no checkpoint, or cannot be read. Its text is for the user."""


@dataclass
class Cause:
    """Failures of one kind and message."""

    kind: str
    message: str
    count: int
    first: int  # a task
    inputs: str = ""

    def __str__(self) -> str:
        where = f"task {self.first}" + (f" ({self.inputs})" if self.inputs else "")
        what = self.kind.replace("_", " ") + (f": {self.message}" if self.message else "")
        return f"{where} {what}" if self.count == 1 else f"{self.count} x {what}; first {where}"


@dataclass
class SlowTask:
    index: int
    inputs: str
    seconds: float
    attempt: int = 1
    ok: bool = True


@dataclass
class Slices:
    """The timeline: column by column, as there may be a million."""

    worker: array[int] = field(default_factory=lambda: array("l"))
    begin: array[float] = field(default_factory=lambda: array("d"))  # seconds
    seconds: array[float] = field(default_factory=lambda: array("d"))
    kind: array[int] = field(default_factory=lambda: array("b"))
    first: array[int] = field(default_factory=lambda: array("q"))  # task
    tasks: array[int] = field(default_factory=lambda: array("q"))
    inputs: dict[int, str] = field(default_factory=dict)  # by slice

    def __len__(self) -> int:
        return len(self.worker)

    def add(self, worker: int, begin: float, seconds: float, kind: int, first: int, tasks: int = 1, inputs: str = "") -> None:
        if inputs:
            self.inputs[len(self.worker)] = inputs
        self.worker.append(worker)
        self.begin.append(begin)
        self.seconds.append(seconds)
        self.kind.append(kind)
        self.first.append(first)
        self.tasks.append(tasks)


class Histogram:
    """Times of tasks, in bins that grow by a factor each."""

    def __init__(self, counts: Sequence[int] = ()) -> None:
        self.counts = list(counts)

    def add(self, seconds: float, count: int = 1) -> None:
        k = max(0, math.floor(math.log10(max(seconds * 1e9, 1.0)) * _PARTS + 1e-9))
        if k >= len(self.counts):
            self.counts += [0] * (k + 1 - len(self.counts))
        self.counts[k] += count

    @staticmethod
    def begin(k: float) -> float:
        """Where bin k begins, in seconds."""
        return float(10 ** (k / _PARTS - 9))

    def quantile(self, share: float) -> float | None:
        """The time that this share of the tasks does not exceed, to the width of a bin (26 %)."""
        total = sum(self.counts)
        if total == 0:
            return None
        before = 0
        for k, count in enumerate(self.counts):
            if count and before + count >= share * total:
                return self.begin(k + (share * total - before) / count)
            before += count
        return self.begin(len(self.counts))


@dataclass
class Grid:
    """Quantities at each combination of axes, the last axis fastest; None where there is none."""

    names: list[str]
    values: list[list[Any]]  # of each axis
    quantities: dict[str, list[float | None]]
    failed: list[str | None] = field(default_factory=list)  # the kind of failure in each cell

    @property
    def cells(self) -> int:
        return math.prod(map(len, self.values))


@dataclass
class Facts:
    source: str
    label: str = ""
    engine: str = ""
    program: str = ""
    host: str = ""
    began: float | None = None  # Unix time
    elapsed: float | None = None  # seconds
    tasks: int | None = None
    stored: int = 0  # have an outcome of an earlier run
    completed: int = 0
    failed: int = 0  # without those that were stopped
    stopped: int = 0
    retried: int = 0
    workers: int = 0
    busy: float | None = None  # seconds of all attempts
    causes: list[Cause] = field(default_factory=list)
    slowest: list[SlowTask] = field(default_factory=list)
    histogram: Histogram = field(default_factory=Histogram)
    slices: Slices = field(default_factory=Slices)
    grid: Grid | None = None
    notes: list[str] = field(default_factory=list)  # what the reader has to know
    breaks: list[float] = field(default_factory=list)  # where another run begins on the timeline

    @property
    def busy_share(self) -> float | None:
        if self.busy is None or not self.elapsed or not self.workers:
            return None
        return min(1.0, self.busy / (self.elapsed * self.workers))


def cause_key(kind: str, message: str) -> str:
    """What two failures of one cause have in common: as in C++, the numbers count in the message of a death only."""
    return kind + (message if kind in ("crashed", "exited") else without_numbers(message))


class CauseList:
    """Groups failures; the number of causes is bounded."""

    most = 256

    def __init__(self) -> None:
        self._causes: dict[str, Cause] = {}
        self._others = 0

    def add(self, kind: str, message: str, index: int, inputs: str = "", count: int = 1) -> None:
        key = cause_key(kind, message)
        cause = self._causes.get(key)
        if cause is not None:
            cause.count += count
            if cause.message != message:
                cause.message = without_numbers(cause.message)
            if index < cause.first:
                cause.first, cause.inputs = index, inputs
        elif len(self._causes) < self.most:
            self._causes[key] = Cause(kind, message, count, index, inputs)
        else:
            self._others += count

    def all(self) -> list[Cause]:
        found = sorted(self._causes.values(), key=lambda each: (-each.count, each.first))
        if self._others:
            found.append(Cause("other", f"causes than the first {self.most}", self._others, -1))
        return found


def slowest_of(found: list[SlowTask], most: int = 20) -> list[SlowTask]:
    return sorted(found, key=lambda each: -each.seconds)[:most]
