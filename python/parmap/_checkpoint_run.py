# SPDX-License-Identifier: MIT
"""The use of a checkpoint by one map: opens the file, compares, gives positions and numbers, and tells what is stored.

All of that is one transaction: if anything is refused, the file is as it was. So its steps stand together here.
"""

from __future__ import annotations

import math
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from . import _axis_positions, _checkpoint_file
from ._axis_positions import HASHED_ABOVE, SweepAxis
from ._checkpoint import checkpoint
from ._checkpoint_file import StoredAxis, in_words
from ._errors import StoreFailed
from ._failures import KINDS
from ._function_identity import FunctionIdentity
from ._part import Part
from ._parmap import __version__
from ._program_facts import command_line, git_commit
from ._stored_values import ENCODED, TEXT, Cell, Unreadable, imported_class, in_words as value_in_words, key_of, plain, value_of
from ._task_numbers import Extent, added_extents, numbers_of, numbers_of_some


#: In the place of the type of a value, which C++ knows before there is one: any.
OF_PYTHON = TEXT, "Python"

#: What some fields are called in messages.
_WORDS = {
    "function": "the function", "seed": "the seed", "kind": "the kind of call", "result": "the type of a value", "part": "the part of the tasks",
}  # fmt: skip


@dataclass
class Sweep:
    """What a call asks for."""

    function: FunctionIdentity
    func: Callable[..., Any]
    axes: list[SweepAxis]
    combinations: Sequence[int] | None  #: the tasks among the combinations of the axes; None: all
    seed: int | None  #: None: none was given
    fresh_seed: int
    block: int = 0  #: of a fold: so many consecutive tasks share an accumulator, which depends on those before it

    @property
    def tasks(self) -> int:
        if self.combinations is not None:
            return len(self.combinations)
        total = 1
        for axis in self.axes:
            total *= axis.size
        return total


class StoredOutcome(NamedTuple):
    kind: int
    attempts: int
    seconds: float | None
    worker: int | None
    cell: Cell  #: of a failure its message


class CheckpointRun:
    """Attributes: path, of the part's file; seed; numbers, of each task the number that it has in the file; here, the tasks of the part;
    missing, the tasks that have to run; notes, to be said on stderr."""

    def __init__(self, asked: checkpoint, sweep: Sweep, part: Part | None = None) -> None:
        self._asked, self._sweep, self._part = asked, sweep, part
        self.path = asked.path if part is None else part.path(asked.path)  # for messages
        self.place = os.path.abspath(self.path)  # as the program may change its folder while the map runs
        self.notes: list[str] = []
        self.warning = ""  #: is said also by a map whose reporter is silent: stored values are not those of this code
        self._identity = sweep.function
        self._check_name()
        self._made = False  # the tables, by this
        is_new = not os.path.lexists(self.place)
        with _checkpoint_file.opening:
            file = _checkpoint_file.connected(self.path)
            try:
                with in_words(self.path):
                    self._open(file)
            except BaseException:
                _checkpoint_file.close(file)
                if self._made and is_new:
                    _remove(self.place)
                raise
        _checkpoint_file.close(file)

    def _open(self, file: sqlite3.Connection) -> None:
        note = _checkpoint_file.prepare(self.path, file)
        self._is_shared = note is not None
        if note is not None:
            self.notes.append(note)
        file.execute("BEGIN IMMEDIATE")
        try:
            self._made = _checkpoint_file.make_tables(file)
            self._take_over(file)
            self._find_version(file)
            self._find_axes(file)
            self._compare(file)
            self._place(file)
            self._find_missing(file)
            self._compare_code(file)
            self._begin_run(file)
            file.execute("COMMIT")
            _checkpoint_file.active.add(self._key)
        except BaseException:
            if file.in_transaction:
                file.execute("ROLLBACK")
            raise

    # ---- opening

    def _check_name(self) -> None:
        if self._asked.name is not None:
            self._identity.name = self._asked.name
        elif "<lambda>" in self._identity.name:
            raise ValueError(
                f"parmap: {self.path} needs a name for func, as a lambda has none that stays: parmap.checkpoint(path, name=\"simulate\")"
            )
        names = [name for axis in self._sweep.axes for name in axis.names]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"parmap: {self.path} needs names that differ, but two axes are named {name}")
        for name in self._asked.existing:
            if name not in names:
                raise ValueError(f"parmap: existing names {name}, but the axes are {' x '.join(names)}")

    def _take_over(self, file: sqlite3.Connection) -> None:
        alive, ended = _checkpoint_file.users(self.path, file)
        if alive:
            raise StoreFailed(f"parmap: {self.path}: {alive[0]}")
        for run in ended:
            file.execute("UPDATE run SET ended = seen WHERE number = ?", (run,))

    def _find_version(self, file: sqlite3.Connection) -> None:
        found = file.execute("SELECT number FROM version WHERE name = ?", (self._asked.version,)).fetchone()
        self.is_new = found is None
        if found is not None:
            self.version = found[0]
            #: How many values a run of a C++ program had; None: there is none.
            (self._of_cpp,) = file.execute("SELECT max(done) FROM run WHERE version = ? AND language = 'C++'", (self.version,)).fetchone()
            return
        (last,) = file.execute("SELECT coalesce(max(number), 0) FROM version").fetchone()
        self.version = last + 1
        self._of_cpp = None
        file.execute("INSERT INTO version VALUES(?, ?)", (self.version, self._asked.version))

    def _find_axes(self, file: sqlite3.Connection) -> None:
        """Pairs the axes of the call with those of the file, by their names, in the order of the file."""
        here = {frozenset(axis.names): axis for axis in self._sweep.axes}
        stored = _checkpoint_file.axes_of(file, self.version)
        self.axes: list[tuple[StoredAxis, SweepAxis]] = []
        for axis in stored:
            own = here.pop(frozenset(axis.names), None)
            if own is None or len(own.names) != len(axis.names):
                self._refuse_axes(stored)
            self.axes.append((axis, own.ordered_as(axis.names)))
            if axis.place != own.place:
                file.execute("UPDATE axis SET place = ? WHERE version = ? AND number = ?", (own.place, self.version, axis.number))
        if not self.is_new:
            for own in here.values():
                if not all(name in self._asked.existing for name in own.names):
                    self._refuse_axes(stored, new=own.names)
                self._add_axis(file, own)
            return
        for own in self._sweep.axes:
            axis = StoredAxis(len(self.axes) + 1, own.place, own.names, own.size > HASHED_ABOVE)
            _checkpoint_file.make_axis(file, self.version, axis)
            self.axes.append((axis, own))
        _checkpoint_file.make_version(file, self.version, len(self.axes))
        _checkpoint_file.make_view(file, self.version)

    def _add_axis(self, file: sqlite3.Connection, own: SweepAxis) -> None:
        axis = StoredAxis(len(self.axes) + 1, own.place, own.names, False)
        cells = []
        for name in own.names:
            value = self._asked.existing[name]
            cell = plain(value)
            if cell is None:
                raise TypeError(
                    f"parmap: existing has {name}={value!r:.100}, of type {type(value).__qualname__}, which a checkpoint cannot compare; give "
                    "the key of that element"
                )
            cells.append(cell)
        _checkpoint_file.make_axis(file, self.version, axis)
        _axis_positions.add_first(file, self.version, axis, cells)
        k = axis.number
        file.execute(f"ALTER TABLE extent_{self.version} ADD COLUMN start_{k} INTEGER NOT NULL DEFAULT 0")
        file.execute(f"ALTER TABLE extent_{self.version} ADD COLUMN size_{k} INTEGER NOT NULL DEFAULT 1")
        self.axes.append((axis, own))
        _checkpoint_file.make_view(file, self.version)

    def _refuse_axes(self, stored: list[StoredAxis], new: tuple[str, ...] = ()) -> NoReturn:
        def text(axes: Sequence[StoredAxis | SweepAxis]) -> str:
            return " x ".join(",".join(axis.names) for axis in sorted(axes, key=lambda axis: axis.place))

        remedy = "take another file, or begin anew in this one by parmap.checkpoint(path, version=...)"
        if new:
            says = ", ".join(f"{name}=..." for name in new)
            remedy = f"say what the rows that are there have on the new axis, parmap.checkpoint(path, existing=dict({says})), or {remedy}"
        self._refuse("the axes", text(stored), text(self._sweep.axes), remedy)

    def _refuse(self, what: str, there: str, here: str, remedy: str | None = None) -> NoReturn:
        remedy = remedy or "take another file, or begin anew in this one by parmap.checkpoint(path, version=...)"
        raise ValueError(f"parmap: {self.path} has the results of another sweep: {what} there is {there}, and here it is {here}; {remedy}")

    # ---- comparing

    def _compare(self, file: sqlite3.Connection) -> None:
        rows = file.execute("SELECT name, format, value FROM field WHERE version = ?", (self.version,)).fetchall()
        there: dict[str, Cell] = {name: (format, value) for name, format, value in rows if not name.startswith("accepted ")}
        self.seed = self._sweep.fresh_seed if self._sweep.seed is None else self._sweep.seed
        if self._sweep.seed is None and "seed" in there:
            self.seed = int(there["seed"][1])
        here: dict[str, Cell] = {"function": (TEXT, self._identity.name), **dict(self._identity.fields), "seed": (TEXT, str(self.seed))}
        here["result"] = there.get("result", OF_PYTHON)  # that of a C++ program stays, which goes on with the file
        here["kind"] = (TEXT, "fold" if self._sweep.block else "map")
        if self._part is not None:
            here["part"] = (TEXT, str(self._part))
        if self.is_new:
            file.executemany("INSERT INTO field VALUES(?, ?, ?, ?)", [(self.version, name, *cell) for name, cell in here.items()])
            for each in self._identity.uncovered:
                self.notes.append(f"parmap: {self.path}: not covered: {each}; if that changes, old values stay")
            return
        for name in [*here, *(each for each in there if each not in here)]:
            own, other = here.get(name), there.get(name)
            if own is None or other is None or key_of(own) != key_of(other):
                words = _WORDS.get(name, name)
                self._refuse(words, value_in_words(other), value_in_words(own))
        if self._of_cpp:
            self.notes.append(
                f"parmap: {self.path} has values of a program in C++: whether {self._identity.name.rpartition('.')[2]}() computes the same in "
                "both languages cannot be seen"
            )

    def _place(self, file: sqlite3.Connection) -> None:
        positions = [
            _axis_positions.place(file, self.version, axis, own, self.path, self.notes, self._of_cpp is not None) for axis, own in self.axes
        ]
        columns = ", ".join(f"start_{axis.number}, size_{axis.number}" for axis, _ in self.axes)
        rows = file.execute(f"SELECT first, {columns} FROM extent_{self.version} ORDER BY first").fetchall()
        known = [Extent(row[0], tuple(zip(row[1::2], row[2::2]))) for row in rows]
        self.numbers, added = self._numbers(known, positions)
        for each in added:
            values = [each.first, each.size, *(number for own in each.box for number in own)]
            file.execute(
                f"INSERT INTO extent_{self.version}(first, tasks, {columns}) VALUES({', '.join('?' * len(values))})", values
            )
        if self._sweep.block:
            there = sum(each.size for each in known)
            others = self._sweep.block > 1 and not self.is_new and there != self._sweep.tasks
            if others or any(number != index for index, number in enumerate(self.numbers)):
                self._refuse("the number of tasks of the fold, or the order of its axes,", str(there), str(self._sweep.tasks))

    def _numbers(self, known: list[Extent], positions: list[Sequence[int]]) -> tuple[Sequence[int], list[Extent]]:
        """Of the tasks, whose axes may have another order than in the file, and which may not be all combinations; and the extents of
        those that are new. In a first map the number of a task is its index, so that its random numbers are those without a file."""
        places = [own.place for _, own in self.axes]
        chosen = self._sweep.combinations
        sizes = [own.size for _, own in sorted(self.axes, key=lambda axis: axis[1].place)]
        strides = [math.prod(sizes[place + 1 :]) for place in places]
        if chosen is not None:
            return numbers_of_some(known, positions, strides, chosen, add=True)
        added = added_extents(known, positions)
        if places == sorted(places):
            return numbers_of([*known, *added], positions), added
        return numbers_of_some([*known, *added], positions, strides, range(math.prod(sizes)))[0], added

    def _find_missing(self, file: sqlite3.Connection) -> None:
        """Which tasks have a value or a failure that stays, and which have to run."""
        tasks = len(self.numbers)
        self.index_of: Callable[[int], int | None] = _indices(self.numbers)
        flags = bytearray(tasks)  # 0: never ran; 1: is to run again; 2: has a failure that stays; 3: has a value
        rerun = self._asked.rerun
        again = {k for k, kind in enumerate(KINDS, 1) if kind == "stopped" or rerun is None or kind in rerun}
        for number, kind in file.execute(f"SELECT task, kind FROM result_{self.version}"):
            if (index := self.index_of(number)) is not None:
                flags[index] = 3 if kind == 0 else 1 if kind in again else 2
        if self._sweep.block > 0:
            self._keep_prefixes(file, flags)
        self.here: Sequence[int] = range(tasks)
        if self._part is not None:
            index, count = self._part
            if isinstance(self.numbers, range):
                self.here = range(index, tasks, count)
            else:  # a task stays in its part while the axes grow
                self.here = [i for i, number in enumerate(self.numbers) if number % count == index]
        self.flags = flags
        self.values = flags.count(3)
        self.kept_failures = flags.count(2)
        self.again = flags.count(1)
        self.stored = self.values + self.kept_failures
        self.missing: Sequence[int] = self.here if self.stored == 0 else [i for i in self.here if flags[i] < 2]

    def _keep_prefixes(self, file: sqlite3.Connection, flags: bytearray) -> None:
        """Of a fold: in each block what lies behind a task that has to run is worth nothing, and is taken out of the file. So is all
        of a block whose last accumulator is not there."""
        table, size = f"result_{self.version}", self._sweep.block
        erased = {self.index_of(number) for (number,) in file.execute(f"SELECT task FROM {table} WHERE kind = 0 AND format = 0")}
        gone = []
        for begin in range(0, len(flags), size):
            end = min(begin + size, len(flags))
            stop = next((i for i in range(begin, end) if flags[i] < 2), end)
            newest = next((i for i in range(stop - 1, begin - 1, -1) if flags[i] == 3), None)
            for i in range(begin if newest in erased else stop, end):
                if flags[i]:
                    gone.append((self.numbers[i],))
                    flags[i] = flags[i] == 1
        file.executemany(f"DELETE FROM {table} WHERE task = ?", gone)

    def _compare_code(self, file: sqlite3.Connection) -> None:
        digest = self._identity.digest
        if not digest or self.is_new:
            return
        accepted = {
            value for (value,) in file.execute(
                "SELECT value FROM field WHERE version = ? AND name LIKE 'accepted %' AND name = 'accepted ' || value || ' ' || ?",
                (self.version, digest),
            )
        }  # fmt: skip
        changed = 0
        for other, count, source in file.execute(
            f"SELECT u.code, count(*), c.source FROM result_{self.version} AS r JOIN run AS u ON u.number = r.run LEFT JOIN code AS c"
            " ON c.digest = u.code WHERE r.kind = 0 GROUP BY u.code"
        ).fetchall():
            if not other or other == digest or other in accepted:
                continue
            if other.partition(":")[0] != digest.partition(":")[0] and source and source == self._identity.source:
                continue  # stored by another version of Python, whose bytecode is another one
            if self._asked.accept_code_change:
                file.execute("INSERT OR IGNORE INTO field VALUES(?, ?, ?, ?)", (self.version, f"accepted {other} {digest}", TEXT, other))
            else:
                changed += count
        if not changed:
            return
        said = f"{self._identity.name.rpartition('.')[2]}() changed since {grouped(changed)} {'row was' if changed == 1 else 'rows were'} stored"
        never = sum(1 for each in self.missing if self.flags[each] == 0)
        if never and self.stored:
            raise ValueError(
                f"parmap: {self.path}: {said}: pass version= to start anew, or accept_code_change=True (both to parmap.checkpoint); "
                f"{'1 task' if never == 1 else grouped(never) + ' tasks'} would run by the new code"
            )
        if self.stored:
            count = len(self.missing)
            runs = "; all is stored, so nothing runs"
            if count:
                runs = f"; {'1 task that failed runs' if count == 1 else grouped(count) + ' tasks that failed run'} by the new code"
            self.warning = f"parmap: {self.path}: {said}{runs}"

    def _begin_run(self, file: sqlite3.Connection) -> None:
        now = time.time()
        digest = self._identity.digest or None
        if digest:
            file.execute("INSERT OR IGNORE INTO code VALUES(?, ?)", (digest, self._identity.source))
        made = file.execute(
            "INSERT INTO run(version, began, seen, host, pid, started, parmap, language, command, git, code, tasks, stored, done, failed)"
            " VALUES(?, ?, ?, ?, ?, ?, ?, 'Python', ?, ?, ?, ?, ?, ?, ?)",
            (self.version, now, now, os.uname().nodename, os.getpid(), _checkpoint_file.process_start(os.getpid()) or 0, __version__,
             command_line(), git_commit(), digest, len(self.here), self.stored, self.values, self.kept_failures),
        )  # fmt: skip
        assert made.lastrowid is not None
        self.run = made.lastrowid
        self._key = os.path.realpath(self.path), self.run
        self.began = now
        if self.stored or self.again:
            text = f"parmap: {self.path}: resumed: {grouped(self.stored)} of {grouped(len(self.here))} stored"
            self.notes.append(text + (f", {grouped(self.again)} failed again to try" if self.again else ""))

    def say_the_end(self) -> None:
        """In the file, if there was no writer that does it. Once."""
        if self._key not in _checkpoint_file.active:
            return
        file = _checkpoint_file.connected(self.place)
        try:
            with in_words(self.path):
                now = time.time()
                file.execute("UPDATE run SET ended = ?, seen = ? WHERE number = ?", (now, now, self.run))
        finally:
            _checkpoint_file.close(file)

    def end(self) -> None:
        """Nothing is written any more."""
        _checkpoint_file.active.discard(self._key)

    # ---- what is stored

    def reader(self, ordered: bool) -> Iterator[tuple[int, StoredOutcome]]:
        """read() for a stream: the outcomes are read while others are written, where the file system permits two connections."""
        found = self.read(ordered)
        return iter(list(found)) if self._is_shared else found

    def read(self, ordered: bool = False) -> Iterator[tuple[int, StoredOutcome]]:
        """The outcomes that are there, with the indices of their tasks."""
        if not self.stored:
            return
        file = _checkpoint_file.connected(self.place)
        try:
            with in_words(self.path):
                yield from self._read(file, ordered)
        finally:
            _checkpoint_file.close(file)

    def _read(self, file: sqlite3.Connection, ordered: bool) -> Iterator[tuple[int, StoredOutcome]]:
        columns = "SELECT task, kind, attempts, seconds, worker, format, value FROM"
        if ordered and not isinstance(self.numbers, range):
            for index, number in enumerate(self.numbers):
                if self.flags[index] >= 2:
                    (row,) = file.execute(f"{columns} result_{self.version} WHERE task = ?", (number,))
                    yield index, _outcome_of(row)
            return
        for row in file.execute(f"{columns} result_{self.version} ORDER BY task"):
            found = self.index_of(row[0])
            if found is not None and self.flags[found] >= 2:
                yield found, _outcome_of(row)

    def value(self, index: int, cell: Cell) -> Any:
        func = self._sweep.func
        if cell[0] == ENCODED:
            raise StoreFailed(
                f"parmap: {self.path}: the stored value of task {index} cannot be read: it is in the form of a C++ type that Python does not "
                "know, parmap::codec; return numbers, text, or containers of these there, or begin anew by version="
            )
        try:
            return value_of(cell, lambda name: imported_class(name, func), allow_pickle=True, lenient=False)
        except Unreadable as error:
            raise StoreFailed(f"parmap: {self.path}: the stored value of task {index} cannot be read: {error}") from error


def _outcome_of(row: tuple[Any, ...]) -> StoredOutcome:
    _, kind, attempts, seconds, worker, format, value = row
    return StoredOutcome(kind, attempts, seconds, worker, (format, value))


def grouped(count: int) -> str:
    """With a space between thousands."""
    return f"{count:,}".replace(",", " ")


def _indices(numbers: Sequence[int]) -> Callable[[int], int | None]:
    if isinstance(numbers, range):
        size = len(numbers)
        return lambda number: number if number < size else None
    return {number: index for index, number in enumerate(numbers)}.get


def _remove(path: str) -> None:
    """What a refusal has left of a file that was not there."""
    for each in (path, path + "-wal", path + "-shm"):
        try:
            os.unlink(each)
        except OSError:
            pass
