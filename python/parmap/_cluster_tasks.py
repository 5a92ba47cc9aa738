# SPDX-License-Identifier: MIT
"""The tasks of a map on a cluster, as its caller knows them: still to be given, to be run again, or done; and how often they were lost."""

from __future__ import annotations

from collections import deque
from typing import Any

LOST_MOST = 5  # times
_PIECES = 8


class Range:
    """Tasks [first, end) that are open at an agent, or wait to run again."""

    __slots__ = ("end", "first", "lost")

    def __init__(self, first: int, end: int, lost: int = 0) -> None:
        self.first, self.end, self.lost = first, end, lost


class Tasks:
    """A byte for each says whether it has ended, so that none is lost and no outcome counts twice."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.next = 0  # the first that no agent has had
        self.again: deque[Range] = deque()
        self.failed = 0
        self.hosts: dict[int, str] = {}  # of those that failed
        self.given_up: list[Any] = []  # failures that nobody was told of
        self._done = bytearray(size)

    @property
    def are_all_given(self) -> bool:
        return self.next >= self.size and not self.again

    def grow(self, size: int) -> None:
        """More have become known."""
        if size > self.size:
            self._done += bytes(size - self.size)
            self.size = size

    def take(self, count: int) -> Range:
        first, self.next = self.next, self.next + count
        return Range(first, self.next)

    def note_value(self, index: int) -> None:
        self._done[index] = 1

    def note_failure(self, index: int, host: str) -> None:
        self._done[index] = 1
        self.failed += 1
        self.hosts[index] = host

    def is_done(self, it: Range) -> bool:
        return self._done.find(0, it.first, it.end) < 0

    def left(self) -> list[int]:
        """Those that have not ended."""
        return [index for first, end in self._runs(0, self.size) for index in range(first, end)]

    def _runs(self, first: int, end: int) -> list[tuple[int, int]]:
        """Those in there that have not ended."""
        found = []
        while (begin := self._done.find(0, first, end)) >= 0:
            stop = self._done.find(1, begin, end)
            first = end if stop < 0 else stop
            found.append((begin, first))
        return found

    # ---- losses

    def lose(self, ranges: list[Range], host: str) -> None:
        """Their agent was lost: they run again."""
        for each in ranges:
            for first, end in self._runs(each.first, each.end):
                self._count_loss(first, end, each.lost + 1, host)

    def lose_some(self, ranges: list[Range], some: set[int], host: str) -> list[Range]:
        """The same, of some tasks in there. Returns what is still open."""
        still_open = []
        for each in ranges:
            for first, end in self._runs(each.first, each.end):
                begin = first
                for index in range(first, end):
                    if index + 1 == end or (index in some) != (index + 1 in some):
                        if index in some:
                            self._count_loss(begin, index + 1, each.lost + 1, host)
                        else:
                            still_open.append(Range(begin, index + 1, each.lost))
                        begin = index + 1
        return still_open

    def _count_loss(self, first: int, end: int, lost: int, host: str) -> None:
        if lost >= LOST_MOST:
            for index in range(first, end):
                self.note_failure(index, host)
                self.given_up.append((index, "stopped", b"lost", LOST_MOST, 0, None, None))
        else:
            size = end - first if lost < 2 else -(-(end - first) // _PIECES)
            self.again += (Range(begin, min(begin + size, end), lost) for begin in range(first, end, size))
