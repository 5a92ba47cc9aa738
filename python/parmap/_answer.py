# SPDX-License-Identifier: MIT
"""What an agent answers to its caller."""

from __future__ import annotations

from array import array
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """Of an exchange. Travels as a pickle, so that no carrier walks through the values."""

    state: str  # "unknown" (the agent needs the program), "going", "broken" (as if the agent were lost), "failed" (see error)
    unfinished: int = 0  # tasks that it has been given and that have not ended
    postponed: int = 0  # of these, wait to be tried again
    finished: int = 0  # since the last answer
    busy: float = 0.0  # seconds since then with unfinished tasks
    indexes: array[int] = array("Q")  # of values
    values: list[Any] = []  # bytes are a pickle
    seconds: array[float] = array("d")
    workers: array[int] = array("l")
    attempts: dict[int, int] = {}  # of values that took more than one
    failed: list[tuple[int, str, bytes, int, int, float | None, int | None]] = []
    error: bytes = b""  # of _errors.describe()
    ends: list[str] = []  # what went wrong at the ends of workers, in words

    @classmethod
    def empty(cls) -> Answer:
        return cls("going", 0, 0, 0, 0.0, array("Q"), [], array("d"), array("l"), {}, [], b"", [])

    def add_value(self, index: int, value: Any, attempts: int, seconds: float | None, worker: int | None) -> None:
        self.indexes.append(index)
        self.values.append(value)
        self.seconds.append(-1.0 if seconds is None else seconds)
        self.workers.append(-1 if worker is None else worker)
        if attempts != 1:
            self.attempts[index] = attempts

    def add_failure(self, index: int, told: tuple[int, str, bytes, int, int], seconds: float | None, worker: int | None) -> None:
        _, kind, message, attempts, status = told
        self.failed.append((index, kind, message, attempts, status, seconds, worker))
