# SPDX-License-Identifier: MIT
"""The files of several checkpoints that are read together, as of the parts of a job array: which there are, and whether they are parts of
one sweep."""

from __future__ import annotations

import glob as glob_of_files
import hashlib
import os
import re
import sqlite3
from collections.abc import Iterable
from typing import Any, NamedTuple

from . import _checkpoint_file
from ._checkpoint_file import in_words
from ._part import Part
from ._stored_values import Cell, in_words as value_in_words, key_of

_MOST_TOLD = 5

#: Fields that say nothing of the sweep.
_OWN = ("part", "accepted")


def paths_of(pattern: str) -> list[str] | None:
    """Of a pattern with * or ?, in order; None if it is the name of one file. Raises FileNotFoundError."""
    if os.path.exists(pattern) or not glob_of_files.has_magic(pattern):
        return None
    paths = sorted(each for each in glob_of_files.glob(pattern) if not each.endswith(("-wal", "-shm", ".status")))
    if not paths:
        raise FileNotFoundError(2, "parmap: there is no checkpoint", pattern)
    return paths


class PartFile(NamedTuple):
    """What says of which part of which sweep a file is."""

    path: str
    part: Part | None
    fields: dict[str, Cell]
    names: str  # of the axes
    axes: bytes  # a digest of their elements, and of the numbers of their combinations

    def differs_from(self, other: PartFile) -> str:
        """What is another sweep's, in words; empty if nothing is. Files that were made without the option part may have elements and seeds
        of their own."""
        if self.names != other.names:
            return f"the axes are {self.names} and {other.names}"
        are_parts = self.part is not None and other.part is not None
        for name in [*self.fields, *(each for each in other.fields if each not in self.fields)]:
            if name == "seed" and not are_parts:
                continue
            own, its = self.fields.get(name), other.fields.get(name)
            if own is None or its is None or key_of(own) != key_of(its):
                return f"{name} is {value_in_words(own)} and {value_in_words(its)}"
        if are_parts and self.axes != other.axes:
            return "the elements of the axes differ, or have not come in the same order; run the parts again by one call"
        return ""


def part_file(path: str, file: sqlite3.Connection, version: int) -> PartFile:
    fields = {
        name: (format, value)
        for name, format, value in file.execute("SELECT name, format, value FROM field WHERE version = ?", (version,))
    }
    axes = _checkpoint_file.axes_of(file, version)
    digest = hashlib.blake2b(digest_size=16)
    for table in (*(f"axis_{version}_{axis.number}" for axis in axes), f"extent_{version}"):
        for row in file.execute(f"SELECT * FROM {table} ORDER BY 1"):
            digest.update(repr(row).encode("utf-8", "surrogatepass"))
        digest.update(b";")
    said = re.fullmatch(r"(\d+) of (\d+)", str(fields["part"][1])) if "part" in fields else None
    names = " x ".join(",".join(axis.names) for axis in axes)
    kept = {name: cell for name, cell in fields.items() if name.partition(" ")[0] not in _OWN}
    return PartFile(path, None if said is None else Part(int(said[1]), int(said[2])), kept, names, digest.digest())


def check(pattern: str, files: list[PartFile]) -> list[int]:
    """Raises ValueError if they are not parts of one sweep, or two are the same part. Returns the numbers of the parts that are missing."""
    first = files[0]
    for each in files[1:]:
        if words := first.differs_from(each):
            raise ValueError(f"parmap: {first.path} and {each.path} are of different sweeps: {words}")
    if all(each.part is None for each in files):
        _check_names(pattern, [each.path for each in files])
        return []
    seen: dict[int, PartFile] = {}
    for each in files:
        if each.part is None or first.part is None:
            whole, part = (each, first) if each.part is None else (first, each)
            raise ValueError(f"parmap: {whole.path} and {part.path} overlap: one has all tasks, the other is part {part.part}")
        if each.part.count != first.part.count:
            raise ValueError(
                f"parmap: {first.path} and {each.path} overlap: one is part {first.part}, the other is part {each.part}; name those of one "
                "number of parts"
            )
        other = seen.setdefault(each.part.index, each)
        if other is not each:
            raise ValueError(f"parmap: {other.path} and {each.path} overlap: both are part {each.part}")
    assert first.part is not None
    return [number for number in range(first.part.count) if number not in seen]


def in_ranges(numbers: Iterable[int]) -> str:
    """"3, 7-9", as Slurm's --array takes them."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] + 1 == number:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


def refuse_missing(pattern: str, missing: list[int], count: int) -> None:
    """Raises ValueError if there are some."""
    if missing:
        some = "part" if len(missing) == 1 else "parts"
        raise ValueError(f"parmap: {pattern}: {len(missing)} of {count} parts are missing: {some} {in_ranges(missing)}")


def _check_names(pattern: str, paths: list[str]) -> None:
    """Of files that no part was asked for: the numbers in the names, where these differ in one number only. None may be missing
    between two."""
    split = [re.split(r"(\d+)", os.path.basename(path)) for path in paths]
    if len({len(each) for each in split}) != 1:
        return
    differing = [k for k in range(len(split[0])) if len({each[k] for each in split}) > 1]
    if len(differing) != 1 or differing[0] % 2 == 0:
        return
    k = differing[0]
    numbers = {int(each[k]) for each in split}
    missing = [number for number in range(min(numbers), max(numbers)) if number not in numbers]
    if missing:
        width = len(split[0][k])
        names = ["".join([*split[0][:k], str(number).zfill(width), *split[0][k + 1 :]]) for number in missing]
        more = f" and {len(names) - _MOST_TOLD} more" if len(names) > _MOST_TOLD else ""
        raise ValueError(f"parmap: {pattern}: parts are missing: {', '.join(names[:_MOST_TOLD])}{more}")
