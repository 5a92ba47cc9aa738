# SPDX-License-Identifier: MIT
"""load(): the outcomes of a checkpoint as a table."""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from . import _checkpoint_file, _part_files
from ._checkpoint_file import in_words
from ._errors import StoreFailed
from ._failures import KINDS
from ._frames import Column, _maker, fields_of, unlike
from ._inputs import MISSING
from ._stored_values import Cell, Unreadable, class_of_modules, imported_class, key_of, value_of
from ._task_numbers import Extent

_OF_PARMAP = ("_kind", "_message", "_attempts", "_began", "_seconds", "_worker")


class StoredRow(NamedTuple):
    """One outcome of a checkpoint; see Stored."""

    task: dict[str, Any]
    value: Any
    kind: str
    message: str
    attempts: int | None
    began: float | None
    seconds: float | None
    worker: int | None

    def __bool__(self) -> bool:
        return self.kind == "ok"


class Stored(Sequence[StoredRow]):
    """The outcomes in the file of a checkpoint, or in several: a sequence of rows. load() makes it::

        for row in parmap.load("sweep.db"):
            if row:
                print(row.task, row.value)       # {"mu": 0.5, "x0": 1} 0.25

    A row has the attributes task (a dict of the inputs by name; of an axis with keys the key, of one of more than 100 000 elements
    its index), value (None of a failure), kind ("ok", or that of the failure), message, attempts, began (Unix time), seconds and
    worker. It is true if there is a value. The rows are in the order in which the file has first seen their tasks.

    It keeps the rows as they were when it was made.

    Attributes
    ----------
    names : tuple of str
        The names of the inputs.
    version : str
        That of the function.
    versions : list of str
        All that are in the file.
    tasks : int
        How many tasks have a place in the file, with or without an outcome.
    fields : dict
        What had to stay the same: the function, the seed, fixed arguments and so on, by name.

    Methods
    -------
    to_frame(kind="pandas")
        A data frame with a row for each outcome.
    """

    def __init__(
        self, names: tuple[str, ...], rows: list[StoredRow], version: str, versions: list[str], tasks: int, fields: dict[str, Any]
    ) -> None:
        self.names, self.version, self.versions, self.tasks, self.fields = names, version, versions, tasks, fields
        self._rows = rows
        self._numbers: Sequence[int] = ()  # of their tasks in the file

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: Any) -> Any:
        return self._rows[at]

    def __repr__(self) -> str:
        failed = sum(1 for row in self._rows if not row)
        return f"<the outcomes of {len(self)} of {self.tasks} tasks ({', '.join(self.names)}), {failed} failed>"

    def to_frame(self, kind: str = "pandas") -> Any:
        """Return a data frame with a row for each outcome: a column for each input, value or a column for each field of the
        values, and _kind, _message, _attempts, _began, _seconds and _worker, as in Results.to_frame().

        Arguments
        ---------
        kind
            "pandas" or "polars".

        Raises
        ------
        ImportError
            The library is not installed.
        """
        make = _maker(kind)
        columns: list[Column] = [(name, [row.task[name] for row in self._rows], None) for name in self.names]
        fields = fields_of([_without_class(row.value) if row else MISSING for row in self._rows])
        for name, values in zip(unlike([*self.names, *_OF_PARMAP], fields), fields.values()):
            columns.append((name, values, None))
        columns += [
            ("_kind", [row.kind for row in self._rows], str),
            ("_message", [MISSING if row else row.message for row in self._rows], str),
        ]
        for name, of in (("attempts", int), ("began", float), ("seconds", float), ("worker", int)):
            values = [getattr(row, name) for row in self._rows]
            columns.append((f"_{name}", [MISSING if each is None else each for each in values], of))
        return make(columns, None)


def _without_class(value: Any) -> Any:
    """A dataclass whose module is not imported is a dict; its name is no column."""
    return {name: each for name, each in value.items() if name != "__class__"} if type(value) is dict and "__class__" in value else value


def load(path: str | os.PathLike[str], allow_pickle: bool = False, version: str | None = None) -> Stored:
    """Read the outcomes in the file of a checkpoint, of a Python or a C++ program; also while a map writes it::

        frame = parmap.load("sweep.db").to_frame()
        parmap.load("sweep.part*.db")        # several files, those of the option part, as of a job array

    Arguments
    ---------
    path
        The file; or a pattern with * or ?, for several.
    allow_pickle
        Whether to unpickle values that are kept as pickles. The pickle of a stranger can run any code. Otherwise such a value is
        a ValueError.
    version
        That of the function. Default: the one that was made last.

    Returns
    -------
    Stored
        A sequence of rows, with to_frame(). Values have the types that func returned; dataclasses whose module is not imported are
        dicts (with allow_pickle it is imported), and values that a C++ program has encoded are bytes.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    StoreFailed
        It is no checkpoint, or damaged.
    ValueError
        A value is a pickle; there is no such version; or of several files, a part is missing, two are the same part or hold the same
        task, or they are of different sweeps: of another function, seed, axis and so on.
    """
    text = os.fspath(path)
    paths = _part_files.paths_of(text)
    if paths is not None:
        return _load_parts(text, paths, allow_pickle, version)
    return _with_part(text, allow_pickle, version)[0]


def opened(path: str) -> sqlite3.Connection:
    """To be read. Raises FileNotFoundError and StoreFailed."""
    if not os.path.exists(path):
        raise FileNotFoundError(2, "parmap: there is no checkpoint", path)
    file = _checkpoint_file.connected(path, to_write=False)
    try:
        with in_words(path):
            try:
                _checkpoint_file.check_owner(path, file, may_be_empty=False)
            except sqlite3.OperationalError as error:
                if "unable to open" not in str(error):
                    raise
                # In a folder that cannot be written a file in WAL mode has to be taken as it is.
                _checkpoint_file.close(file)
                if os.path.exists(path + "-wal") and os.path.getsize(path + "-wal"):
                    raise StoreFailed(
                        f"parmap: {path}: its folder cannot be written, which SQLite needs to read what is in {path}-wal; copy both to another folder"
                    ) from error
                file = _checkpoint_file.connected(path, to_write=False, as_it_is=True)
                _checkpoint_file.check_owner(path, file, may_be_empty=False)
    except BaseException:
        _checkpoint_file.close(file)
        raise
    return file


def find_version(path: str, file: sqlite3.Connection, version: str | None) -> tuple[int, str, list[str]]:
    """Its number, its name, and the names of all."""
    versions = dict(file.execute("SELECT number, name FROM version ORDER BY number").fetchall())
    if not versions:
        raise StoreFailed(f"parmap: {path}: it is empty")
    if version is None:
        return max(versions), versions[max(versions)], list(versions.values())
    for number, name in versions.items():
        if name == version:
            return number, name, list(versions.values())
    raise ValueError(f"parmap: {path} has no version {version!r}; it has {', '.join(map(repr, versions.values()))}")


def _read(path: str, file: sqlite3.Connection, allow_pickle: bool, version: str | None) -> Stored:
    number, name, versions = find_version(path, file, version)
    axes = _checkpoint_file.axes_of(file, number)

    def value(cell: Cell, what: str) -> Any:
        try:
            return value_of(cell, imported_class if allow_pickle else class_of_modules, allow_pickle)
        except Unreadable as error:
            raise ValueError(f"parmap: {path}: {what} cannot be read: {error}") from error

    elements: list[dict[int, tuple[Any, ...]] | None] = []  # of each axis: by position the elements; None if it is hashed
    for axis in axes:
        if axis.hashed:
            elements.append(None)
            continue
        found = {}
        for row in file.execute(f"SELECT * FROM axis_{number}_{axis.number}"):
            found[row[0]] = tuple(value(row[k : k + 2], f"an element of the axis {', '.join(axis.names)}") for k in range(1, len(row), 2))
        elements.append(found)
    columns = "".join(f", start_{axis.number}, size_{axis.number}" for axis in axes)
    extents = [
        Extent(row[0], tuple(zip(row[1::2], row[2::2])))
        for row in file.execute(f"SELECT first{columns} FROM extent_{number} ORDER BY first")
    ]
    order = sorted(range(len(axes)), key=lambda k: axes[k].place)
    inputs = _InputsByNumber(path, extents, elements)
    began = dict(file.execute("SELECT number, began FROM run").fetchall())
    rows, numbers = [], []
    for task, kind, attempts, run, since, seconds, worker, format, it in file.execute(
        f"SELECT task, kind, attempts, run, began, seconds, worker, format, value FROM result_{number} ORDER BY task"
    ):
        numbers.append(task)
        parts = inputs[task]
        named = {each: part for k in order for each, part in zip(axes[k].names, parts[k])}
        start = None if since is None or run not in began else began[run] + since / 1e6
        if kind == 0:
            rows.append(StoredRow(named, value((format, it), f"the value of task {task}"), "ok", "", attempts, start, seconds, worker))
        else:
            rows.append(StoredRow(named, None, KINDS[kind - 1], str(it), attempts, start, seconds, worker))
    fields = {
        each: value((format, it), f"the field {each}")
        for each, format, it in file.execute("SELECT name, format, value FROM field WHERE version = ?", (number,))
        if not each.startswith("accepted ")
    }
    names = tuple(each for k in order for each in axes[k].names)
    made = Stored(names, rows, name, versions, sum(each.size for each in extents), fields)
    made._numbers = numbers
    return made


class _InputsByNumber:
    """Of each axis the elements of a combination. Asked for in the order of the numbers."""

    def __init__(self, path: str, extents: list[Extent], elements: list[Any]) -> None:
        self._path, self._extents, self._elements = path, extents, elements
        self._at = 0

    def __getitem__(self, number: int) -> list[tuple[Any, ...]]:
        while self._at < len(self._extents) and number >= self._extents[self._at].first + self._extents[self._at].size:
            self._at += 1
        if self._at == len(self._extents) or number < self._extents[self._at].first:
            raise StoreFailed(f"parmap: {self._path}: it is damaged: a result without its task")
        extent = self._extents[self._at]
        rest = number - extent.first
        found: list[tuple[Any, ...]] = []
        for (begin, size), own in zip(reversed(extent.box), reversed(self._elements)):
            rest, at = divmod(rest, size)
            found.append((begin + at,) if own is None else own[begin + at])
        return found[::-1]


# ---- several files


def _load_parts(pattern: str, paths: list[str], allow_pickle: bool, version: str | None) -> Stored:
    of_files = [_with_part(each, allow_pickle, version) for each in paths]
    missing = _part_files.check(pattern, [part for _, part in of_files])
    first, part = of_files[0]
    if part.part is not None:
        _part_files.refuse_missing(pattern, missing, part.part.count)
    seen: dict[tuple[Any, ...], str] = {}
    rows: list[tuple[int, StoredRow]] = []
    for stored, part in of_files:
        if stored.version != first.version:
            raise ValueError(
                f"parmap: {of_files[0][1].path} and {part.path} are of different versions of the function, {first.version!r} and "
                f"{stored.version!r}: parmap.load(path, version=...)"
            )
        for number, row in zip(stored._numbers, stored._rows):
            key = tuple(_key(each) for each in row.task.values())
            if (other := seen.setdefault(key, part.path)) != part.path:
                raise ValueError(f"parmap: {other} and {part.path} overlap: both have the task {row.task}")
            rows.append((number, row))
    if part.part is not None:  # their numbers are those of the whole
        rows.sort(key=lambda each: each[0])
    versions = list(dict.fromkeys(itertools.chain.from_iterable(stored.versions for stored, _ in of_files)))
    tasks = max(len(rows), max(stored.tasks for stored, _ in of_files))
    fields = {name: value for name, value in first.fields.items() if name != "part"}
    made = Stored(first.names, [row for _, row in rows], first.version, versions, tasks, fields)
    made._numbers = [number for number, _ in rows]
    return made


def _with_part(path: str, allow_pickle: bool, version: str | None) -> tuple[Stored, _part_files.PartFile]:
    file = opened(path)
    try:
        with in_words(path):
            file.execute("BEGIN")  # one state of the file
            return _read(path, file, allow_pickle, version), _part_files.part_file(path, file, find_version(path, file, version)[0])
    finally:
        _checkpoint_file.close(file)


def _key(value: Any) -> Any:
    from ._stored_values import plain

    cell = plain(value)
    return repr(value) if cell is None else key_of(cell)
