# SPDX-License-Identifier: MIT
"""What stands for a checkpoint in a map or stream of one part that has none: nothing is stored, and the tasks of the part are missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from ._arguments import Request


class PartRun:
    """See CheckpointRun."""

    path = place = ""  #: there is no file
    stored = values = kept_failures = 0
    notes: tuple[str, ...] = ()
    warning = ""

    def __init__(self, asked: Request) -> None:
        assert asked.part is not None
        tasks = asked.product.size
        self.seed = asked.seed
        self.numbers = range(tasks)
        self.here = self.missing = range(asked.part.index, tasks, asked.part.count)
        self.flags: Sequence[int] = bytes(tasks)

    def reader(self, ordered: bool) -> Iterator[Any]:
        return iter(())

    def read(self, ordered: bool = False) -> Iterator[Any]:
        return iter(())

    def value(self, index: int, cell: Any) -> NoReturn:
        raise AssertionError("nothing is stored")

    def say_the_end(self) -> None:
        pass

    def end(self) -> None:
        pass
