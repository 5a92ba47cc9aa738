# SPDX-License-Identifier: MIT
"""The number that each combination of axis elements has in a checkpoint, for ever, while the axes grow.

The same as task_numbers.inl.hpp in C++, number for number: docs/internals/checkpoint-format.md.
"""

from __future__ import annotations

import bisect
import math
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

#: Consecutive positions on one axis: the first, and how many.
Range = tuple[int, int]
Box = tuple[Range, ...]


class Extent(NamedTuple):
    """The combinations of a box have the consecutive numbers from `first` on, the last axis fastest."""

    first: int
    box: Box

    @property
    def size(self) -> int:
        return math.prod(size for _, size in self.box)


def added_extents(known: Sequence[Extent], positions: Sequence[Sequence[int]]) -> list[Extent]:
    """Gives numbers to the combinations of these positions (of each axis: all different) that have none. A first call with
    positions 0, 1, 2, ... gives the numbers in the order of the tasks."""
    end = max((each.first + each.size for each in known), default=0)
    added = []
    for box in _Uncovered([_ranges(each) for each in positions]).find(known):
        made = Extent(end, box)
        end += made.size
        if end >= 2**63:
            raise OverflowError("parmap: a checkpoint has room for 2^63 tasks")
        added.append(made)
    return added


def numbers_of(extents: Iterable[Extent], positions: Sequence[Sequence[int]]) -> Sequence[int]:
    """The numbers of all combinations of these positions, in the order of the tasks. Each must have one."""
    sizes = [len(each) for each in positions]
    total = math.prod(sizes)
    extents = list(extents)
    if are_indices(extents, positions):
        return range(total)
    numbers = array("q", bytes(8 * total))
    strides = [math.prod(sizes[k + 1 :]) for k in range(len(sizes))]
    for first, box in extents:
        inside = [
            [(i * stride, p - begin) for i, p in enumerate(own) if begin <= p < begin + size]
            for own, stride, (begin, size) in zip(positions, strides, box)
        ]
        if all(inside):
            _fill(numbers, 0, first, inside, [size for _, size in box])
    return numbers


def numbers_of_some(
    extents: Sequence[Extent], positions: Sequence[Sequence[int]], strides: Sequence[int], combinations: Iterable[int], add: bool = False
) -> tuple[Sequence[int], list[Extent]]:
    """The numbers of some of the combinations, of which axis k has the element index // strides[k] % its size. With `add`, those
    that have none get the next ones, in their order; returns the extents of these, which are runs along the last axis."""
    axes = [(own, stride, len(own)) for own, stride in zip(positions, strides)]
    numbers, added = array("q"), []
    known = _Lookup(extents)
    end = max((each.first + each.size for each in extents), default=0)
    run: tuple[list[int], int, int, int] | None = None  # the other axes, the first number, the first position, how many
    for index in combinations:
        at = [own[index // stride % size] for own, stride, size in axes]
        number = known.number(at)
        if number is None:
            if not add:
                raise AssertionError("a combination without a number")
            number, end = end, end + 1
            if run is not None and run[0] == at[:-1] and sum(run[2:]) == at[-1]:
                run = *run[:3], run[3] + 1
            else:
                added += [] if run is None else [_extent_of(run)]
                run = at[:-1], number, at[-1], 1
        numbers.append(number)
    added += [] if run is None else [_extent_of(run)]
    same = all(number == index for index, number in enumerate(numbers))
    return range(len(numbers)) if same else numbers, added


def _extent_of(run: tuple[list[int], int, int, int]) -> Extent:
    others, first, begin, size = run
    return Extent(first, (*((each, 1) for each in others), (begin, size)))


class _Lookup:
    """Finds the numbers of combinations. Runs along the last axis, of which there may be many, are found by the other axes."""

    def __init__(self, extents: Sequence[Extent]) -> None:
        self._runs: dict[tuple[int, ...], list[tuple[int, int, int]]] = {}  # where each begins, its size and its first number
        self._boxes = []
        for each in extents:
            if all(size == 1 for _, size in each.box[:-1]):
                self._runs.setdefault(tuple(begin for begin, _ in each.box[:-1]), []).append((*each.box[-1], each.first))
            else:
                self._boxes.append(each)
        for runs in self._runs.values():
            runs.sort()

    def number(self, at: list[int]) -> int | None:
        runs = self._runs.get(tuple(at[:-1]), [])
        k = bisect.bisect_right(runs, (at[-1], math.inf)) - 1
        if k >= 0:
            begin, size, first = runs[k]
            if at[-1] < begin + size:
                return first + at[-1] - begin
        for first, box in self._boxes:
            number = 0
            for position, (begin, size) in zip(at, box):
                if not begin <= position < begin + size:
                    break
                number = number * size + position - begin
            else:
                return first + number
        return None


def are_indices(extents: Iterable[Extent], positions: Sequence[Sequence[int]]) -> bool:
    """Whether the numbers are those of the tasks. That is the common case, in which the file is of this grid, or of one whose first
    axis is longer."""
    if not all(isinstance(each, range) and each == range(len(each)) for each in positions):
        return False
    sizes = [(0, len(each)) for each in positions]
    return any(each.first == each.box[0][0] == 0 and each.box[0] >= sizes[0] and each.box[1:] == tuple(sizes[1:]) for each in extents)


def _fill(numbers: array[int], index: int, number: int, inside: list[list[tuple[int, int]]], sizes: list[int]) -> None:
    stride = math.prod(sizes[1:])
    if len(inside) == 1:
        for i, at in inside[0]:
            numbers[index + i] = number + at
        return
    for i, at in inside[0]:
        _fill(numbers, index + i, number + at * stride, inside[1:], sizes[1:])


def _ranges(positions: Sequence[int]) -> list[Range]:
    if isinstance(positions, range) and positions.step == 1:
        return [(positions.start, len(positions))] if len(positions) else []
    found: list[Range] = []
    for position in sorted(positions):
        if found and sum(found[-1]) == position:
            found[-1] = found[-1][0], found[-1][1] + 1
        else:
            found.append((position, 1))
    return found


class _Uncovered:
    """Those combinations of consecutive positions that no extent has. It goes through the axes in order: on each it cuts the
    wanted ranges where an extent that matters there begins or ends."""

    def __init__(self, wanted: list[list[Range]]) -> None:
        self._wanted = wanted
        self._found: list[Box] = []

    def find(self, known: Sequence[Extent]) -> list[Box]:
        self._descend([each.box for each in known], ())
        return self._found

    def _descend(self, known: list[Box], box: Box) -> None:
        axis = len(box)
        if axis == len(self._wanted):
            if not known:
                self._add(box)
            return
        for wanted in self._wanted[axis]:
            for piece in _pieces(wanted, known, axis):
                have = [each for each in known if each[axis][0] <= piece[0] < sum(each[axis])]
                self._descend(have, (*box, piece))

    def _add(self, box: Box) -> None:
        """Joined to an earlier box if the two differ on one axis only, and adjoin there."""
        for at in range(len(self._found) - 1, -1, -1):
            earlier = self._found[at]
            differing = [k for k in range(len(box)) if earlier[k] != box[k]]
            if len(differing) != 1 or sum(earlier[differing[0]]) != box[differing[0]][0]:
                continue
            k = differing[0]
            del self._found[at]
            return self._add((*box[:k], (earlier[k][0], earlier[k][1] + box[k][1]), *box[k + 1 :]))
        self._found.append(box)


def _pieces(wanted: Range, known: list[Box], axis: int) -> list[Range]:
    end = sum(wanted)
    cuts = {wanted[0], end}
    for box in known:
        cuts |= {at for at in (box[axis][0], sum(box[axis])) if wanted[0] < at < end}
    ordered = sorted(cuts)
    return [(a, b - a) for a, b in zip(ordered, ordered[1:])]
