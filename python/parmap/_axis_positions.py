# SPDX-License-Identifier: MIT
"""Where the elements of an axis stand in a checkpoint: known ones keep their positions, others are appended."""

from __future__ import annotations

import bisect
import math
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from . import _parmap
from ._checkpoint_file import StoredAxis
from ._failures import shown
from ._loaded import loaded
from ._stored_values import INTEGER, REAL, Cell, Unreadable, key_of, plain, value_of, without_numpy

HASHED_ABOVE = 100_000  # elements
BLOCK = 4096
_ULPS = 4  # how far a near miss is, at most
_MOST_TOLD = 3


class SweepAxis:
    """One axis of a call: its names, the elements, or their keys, and where it stands."""

    def __init__(self, names: tuple[str, ...], columns: Sequence[Sequence[Any]], place: int) -> None:
        self.names = names
        self.columns = columns
        self.place = place
        self.size = len(columns[0])

    def ordered_as(self, names: tuple[str, ...]) -> SweepAxis:
        """The same, with its columns as the file has them."""
        if names == self.names:
            return self
        return SweepAxis(names, [self.columns[self.names.index(name)] for name in names], self.place)

    def cells(self, begin: int, end: int) -> Iterator[tuple[Cell, ...]]:
        columns = [column[begin:end] for column in self.columns]
        for k, elements in enumerate(zip(*columns)):
            found = []
            for name, element in zip(self.names, elements):
                cell = plain(element)
                if cell is None:
                    raise TypeError(
                        f"parmap: a checkpoint cannot compare element {begin + k} of the axis {name}, {shown(element)} of type "
                        f'{type(element).__qualname__}, with that of a later run: name each by parmap.axis("{name}", values, key=...), '
                        "with an attribute or a function"
                    )
                found.append(cell)
            yield tuple(found)


def place(
    file: sqlite3.Connection, version: int, stored: StoredAxis, axis: SweepAxis, path: str, notes: list[str], of_both: bool = False
) -> Sequence[int]:
    """The position of each element. Adds those that are new to the file. `of_both`: a C++ program has written it, too, which has no
    scalars of NumPy, so that these are the numbers they hold."""
    if stored.hashed:
        return _compare_blocks(file, version, stored, axis, path, of_both)
    table = f"axis_{version}_{stored.number}"
    columns = len(stored.names)
    known: dict[tuple[Any, ...], list[int]] = {}  # the last position first
    count = 0
    for row in file.execute(f"SELECT * FROM {table} ORDER BY position DESC"):
        known.setdefault(tuple(key_of((row[2 * c + 1], row[2 * c + 2])) for c in range(columns)), []).append(row[0])
        count = max(count, row[0] + 1)
    there = list(known) if count else []
    positions: list[int] = []
    added: list[tuple[Any, ...]] = []
    for cells in axis.cells(0, axis.size):
        at = known.get(tuple(map(key_of, cells)))
        if not at and of_both:
            at = known.get(tuple(key_of(without_numpy(cell)) for cell in cells))
        if at:
            positions.append(at.pop())
            continue
        positions.append(count)
        added.append((count, *(part for cell in cells for part in cell)))
        count += 1
    file.executemany(f"INSERT INTO {table} VALUES(?{', ?, ?' * columns})", added)
    if there and added:
        _tell_near_misses(stored.names, there, added, notes)
    begin = positions[0] if positions else 0
    whole = range(begin, begin + len(positions))
    return whole if all(map(int.__eq__, positions, whole)) else positions


def add_first(file: sqlite3.Connection, version: int, stored: StoredAxis, cells: Sequence[Cell]) -> None:
    """The element that the rows before a new axis have on it."""
    values = [0, *(part for cell in cells for part in cell)]
    file.execute(f"INSERT INTO axis_{version}_{stored.number} VALUES({', '.join('?' * len(values))})", values)


# ---- long axes


def _compare_blocks(
    file: sqlite3.Connection, version: int, stored: StoredAxis, axis: SweepAxis, path: str, of_both: bool
) -> Sequence[int]:
    table = f"axis_{version}_{stored.number}"
    name = ", ".join(stored.names)
    rows = file.execute(f"SELECT first, size, hash FROM {table} ORDER BY first").fetchall()
    covered = 0
    for first, size, checksum in rows:
        end = first + size
        if first >= axis.size:
            break
        if end > axis.size:
            raise ValueError(
                f"parmap: {path} keeps the axis {name} as checksums of {BLOCK} elements, as it has more than {HASHED_ABOVE} of them; there it has "
                f"{sum(rows[-1][:2])} elements, and here it has {axis.size}, which end in the middle of such a block; let them be {first} or "
                f"{end}"
            )
        if _checksum(axis, first, end) != checksum and not (of_both and _checksum(axis, first, end, as_numbers=True) == checksum):
            raise ValueError(
                f"parmap: {path} keeps the axis {name} as checksums of {BLOCK} elements, as it has more than {HASHED_ABOVE} of them; elements "
                f"{first}..{end - 1} there have the checksum {checksum & 2**64 - 1:016x}, and here they have "
                f"{_checksum(axis, first, end) & 2**64 - 1:016x}: such an axis may grow at its end only"
            )
        covered = end
    for first in range(covered, axis.size, BLOCK):
        end = min(first + BLOCK, axis.size)
        file.execute(f"INSERT INTO {table} VALUES(?, ?, ?)", (first, end - first, _checksum(axis, first, end)))
    return range(axis.size)


def _checksum(axis: SweepAxis, begin: int, end: int, as_numbers: bool = False) -> int:
    """Over the cells: format, size and bytes of each. 64 bits, as SQLite's integer. `as_numbers`: scalars of NumPy as C++ has them."""
    data = None if as_numbers else _numbers(axis, begin, end)
    if data is None:
        change = without_numpy if as_numbers else lambda cell: cell
        data = b"".join(_bytes_of(change(cell)) for cells in axis.cells(begin, end) for cell in cells)
    return int(_parmap.checksum(data))


def _bytes_of(cell: Cell) -> bytes:
    format, it = cell
    if isinstance(it, str):
        it = it.encode()
    elif isinstance(it, int):
        it = it.to_bytes(8, "little", signed=True)
    elif isinstance(it, float):
        it = struct.pack("<d", it)
    elif it is None:
        it = b""
    return bytes((format,)) + len(it).to_bytes(8, "little") + bytes(it)


def _format_of(value: Any) -> int:
    cell = plain(value)
    assert cell is not None
    return cell[0]


def _numbers(axis: SweepAxis, begin: int, end: int) -> bytes | None:
    """The same bytes, fast, of a range and of an array of 64-bit numbers; None of others."""
    numpy = loaded("numpy")
    if numpy is None or len(axis.columns) != 1:
        return None
    column: Any = axis.columns[0]
    if type(column) is range and -(2**63) <= min(column[0], column[-1]) and max(column[0], column[-1]) < 2**63:
        part = column[begin:end]
        format, numbers = INTEGER, numpy.arange(part.start, part.stop, part.step, dtype="<i8")
    elif type(column) is numpy.ndarray and column.ndim == 1 and column.dtype in (numpy.dtype("<i8"), numpy.dtype("<f8")):
        format, numbers = _format_of(column[begin]), column[begin:end]
    else:
        return None
    made = numpy.empty(len(numbers), dtype=[("format", "u1"), ("size", "<u8"), ("value", numbers.dtype)])
    made["format"], made["size"], made["value"] = format, 8, numbers
    return bytes(made.tobytes())


# ---- near misses


def _tell_near_misses(names: tuple[str, ...], there: list[tuple[Any, ...]], added: list[tuple[Any, ...]], notes: list[str]) -> None:
    for c, name in enumerate(names):
        known = sorted(_numbers_of(each[c] for each in there))
        values = [number for number, _ in known]
        told = 0
        for number, shape in _numbers_of((row[2 * c + 1], row[2 * c + 2]) for row in added):
            if told == _MOST_TOLD:
                break
            at = bisect.bisect_left(values, number)
            near = [k for k in (at - 1, at) if 0 <= k < len(values) and abs(_ulps(values[k], number)) <= _ULPS]
            if not near or any(known[k] == (number, shape) for k in near):
                continue
            other, kind = known[near[0]]
            ulps = abs(_ulps(other, number))
            how = f"{ulps} ulp away" if ulps else f"of type {kind} and not {shape}"
            notes.append(f"parmap: axis {name}: {number!r} is new; the file has {other!r}, {how}")
            told += 1


def _numbers_of(cells: Any) -> Iterator[tuple[float, str]]:
    """Those that are finite numbers, with the names of their types."""
    for cell in cells:
        if cell[0] in (INTEGER, REAL) or cell[0] >= 32:
            try:
                value = value_of(cell, lambda name: None, allow_pickle=False)
                number = float(value)
            except (Unreadable, OverflowError):
                continue
            if math.isfinite(number):
                yield number, type(value).__name__


def _ulps(a: float, b: float) -> int:
    return _place(a) - _place(b)


def _place(x: float) -> int:
    (bits,) = struct.unpack("<q", struct.pack("<d", x))
    return bits if bits >= 0 else -(bits & 2**63 - 1)  # type: ignore[no-any-return]
