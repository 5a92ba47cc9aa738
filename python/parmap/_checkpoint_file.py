# SPDX-License-Identifier: MIT
"""The SQLite file of a checkpoint: connections, errors in words, tables, and who uses it. docs/internals/checkpoint-format.md."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from . import _parmap
from ._errors import StoreFailed
from ._failures import KINDS

APPLICATION = 0x7061726D
MOST_FIELDS = 100  # of values, that are columns of the view
FORMAT = 1
_BUSY_SECONDS = 10.0  # another program may read it, or write a little
_LONGEST_SILENCE = 30.0  # seconds, of a process on another host
_SHARED_FILE_SYSTEMS = {"nfs", "nfs4", "lustre", "cifs", "smb3", "smbfs", "afs", "gpfs", "9p", "ceph", "beegfs"}  # and fuse.*


def connected(path: str, *, to_write: bool = True, as_it_is: bool = False) -> sqlite3.Connection:
    """A connection without implicit transactions, which any thread may use, one at a time. Raises StoreFailed."""
    if os.path.realpath(path) in _used_by_parents:
        raise StoreFailed(f"parmap: {path}: the process that this one was forked from is using it")
    if os.path.exists(path) and not os.path.isfile(path):
        raise StoreFailed(f"parmap: {path}: it is a folder or a device, and not a file")
    with in_words(path):
        # Some builds of SQLite take a name that begins with "file:" for a URI.
        name = os.path.abspath(path) if to_write else f"file:{_quoted_path(path)}?mode=ro{'&immutable=1' if as_it_is else ''}"
        made = sqlite3.connect(name, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=not to_write)
    _open[id(made)] = made, os.path.realpath(path)
    return made


def close(connection: sqlite3.Connection) -> None:
    _open.pop(id(connection), None)
    connection.close()


#: The connections of this process. A child that was forked must never close them: that could write to the file.
_open: dict[int, tuple[sqlite3.Connection, str]] = {}
#: Nor may it open these files: SQLite in it believes that it holds their locks.
_used_by_parents: set[str] = set()


def _leave_to_the_parent() -> None:
    global opening
    opening = threading.Lock()  # another thread may have held it
    for connection, path in _open.values():
        _parmap.keep(connection)
        _used_by_parents.add(path)
    _open.clear()


os.register_at_fork(after_in_child=_leave_to_the_parent)


@contextlib.contextmanager
def in_words(path: str) -> Iterator[None]:
    """Makes a StoreFailed of what SQLite raises."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreFailed(f"parmap: {path}: {_words_of(error)}") from error


def _words_of(error: sqlite3.Error) -> str:
    text = str(error)
    for part, words in (
        ("not a database", "it is not a SQLite database: another program's file, or damaged"),
        ("malformed", f"it is damaged ({text}); sqlite3's .recover may save what it holds"),
        ("is full", "the disk is full"),
        ("locked", "another program holds a lock on it"),
        ("readonly", "it cannot be written"),
        ("unable to open", "it cannot be opened; does its folder exist?"),
    ):
        if part in text:
            return words
    return text


def _quoted_path(path: str) -> str:
    return os.path.abspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


# ---- opening


def prepare(path: str, file: sqlite3.Connection) -> str | None:
    """Before the transaction: refuses a foreign file, and chooses the modes. Returns what is to be said."""
    check_owner(path, file, may_be_empty=True)
    note = None
    if (system := shared_file_system(path)) is not None:
        file.execute("PRAGMA locking_mode = EXCLUSIVE")
        note = f"parmap: {path} lies on a network file system ({system}): no other program can read it while this one runs"
    for each in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536", "wal_autocheckpoint = 16384"):
        file.execute(f"PRAGMA {each}")
    return note


def check_owner(path: str, file: sqlite3.Connection, may_be_empty: bool) -> None:
    owner = file.execute("PRAGMA application_id").fetchone()[0]
    if owner != APPLICATION:
        tables = file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if owner == 0 and tables == 0 and may_be_empty:
            return
        what = "it is empty" if owner == 0 and tables == 0 else "it is a database, but not a checkpoint of parmap"
        raise StoreFailed(f"parmap: {path}: {what}")
    found = file.execute("PRAGMA user_version").fetchone()[0]
    if found != FORMAT:
        raise StoreFailed(f"parmap: {path}: it has format {found}, and this parmap knows format {FORMAT}")


def shared_file_system(path: str) -> str | None:
    """The type of the file system that the file lies on, if other machines may use that."""
    real = os.path.realpath(path)
    best, found = "", ""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                before, _, after = line.partition(" - ")
                place = before.split()[4].encode("utf-8", "surrogateescape").decode("unicode_escape")
                if (real == place or real.startswith(place.rstrip("/") + "/")) and len(place) >= len(best):
                    best, found = place, after.split()[0]
    except (OSError, IndexError, UnicodeError):
        return None
    return found if found in _SHARED_FILE_SYSTEMS or found.startswith("fuse.") else None


def make_tables(file: sqlite3.Connection) -> bool:
    """In the transaction. Returns whether the file is a new one."""
    if file.execute("PRAGMA application_id").fetchone()[0] == APPLICATION:
        return False
    for each in (
        f"PRAGMA application_id = {APPLICATION}",
        f"PRAGMA user_version = {FORMAT}",
        "CREATE TABLE version(number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL)",
        "CREATE TABLE field(version INTEGER NOT NULL, name TEXT NOT NULL, format INTEGER NOT NULL, value, PRIMARY KEY(version, name))",
        "CREATE TABLE axis(version INTEGER NOT NULL, number INTEGER NOT NULL, place INTEGER NOT NULL, names TEXT NOT NULL,"
        " hashed INTEGER NOT NULL, PRIMARY KEY(version, number))",
        "CREATE TABLE run(number INTEGER PRIMARY KEY, version INTEGER NOT NULL, began REAL NOT NULL, seen REAL NOT NULL, ended REAL,"
        " host TEXT NOT NULL, pid INTEGER NOT NULL, started INTEGER NOT NULL, parmap TEXT NOT NULL, language TEXT NOT NULL,"
        " command TEXT NOT NULL, git TEXT, code TEXT, tasks INTEGER NOT NULL, stored INTEGER NOT NULL,"
        " done INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0)",
        "CREATE TABLE code(digest TEXT PRIMARY KEY, source TEXT NOT NULL)",
        "CREATE TABLE spread(version INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY(version, name))",
    ):
        file.execute(each)
    return True


class StoredAxis(NamedTuple):
    number: int
    place: int
    names: tuple[str, ...]
    hashed: bool


def axes_of(file: sqlite3.Connection, version: int) -> list[StoredAxis]:
    """By number."""
    rows = file.execute("SELECT number, place, names, hashed FROM axis WHERE version = ? ORDER BY number", (version,))
    return [StoredAxis(number, place, tuple(json.loads(names)), bool(hashed)) for number, place, names, hashed in rows]


def make_axis(file: sqlite3.Connection, version: int, axis: StoredAxis) -> None:
    names = json.dumps(list(axis.names), ensure_ascii=False)
    file.execute("INSERT INTO axis VALUES(?, ?, ?, ?, ?)", (version, axis.number, axis.place, names, int(axis.hashed)))
    table = f"axis_{version}_{axis.number}"
    if axis.hashed:
        file.execute(f"CREATE TABLE {table}(first INTEGER PRIMARY KEY, size INTEGER NOT NULL, hash INTEGER NOT NULL)")
        return
    columns = "".join(f", format_{c} INTEGER NOT NULL, value_{c}" for c in range(1, len(axis.names) + 1))
    file.execute(f"CREATE TABLE {table}(position INTEGER PRIMARY KEY{columns})")


def make_version(file: sqlite3.Connection, version: int, axes: int) -> None:
    """The tables of a version: those of its combinations and of its outcomes."""
    ranges = "".join(f", start_{k} INTEGER NOT NULL, size_{k} INTEGER NOT NULL" for k in range(1, axes + 1))
    file.execute(f"CREATE TABLE extent_{version}(first INTEGER PRIMARY KEY, tasks INTEGER NOT NULL{ranges})")
    file.execute(  # no type for the value: SQLite then keeps what it is given
        f"CREATE TABLE result_{version}(task INTEGER PRIMARY KEY, kind INTEGER NOT NULL, attempts INTEGER, run INTEGER, began INTEGER,"
        " seconds REAL, worker INTEGER, format INTEGER, value)"
    )


def make_view(file: sqlite3.Connection, version: int) -> None:
    """The view `results`, if the version is the one that was made last."""
    if file.execute("SELECT max(number) FROM version").fetchone()[0] == version:
        file.execute("DROP VIEW IF EXISTS results")
        file.execute(f"CREATE VIEW results AS {outcome_query(file, version).sql}")


class OutcomeQuery(NamedTuple):
    """Selects a row for each outcome. SQLite's names have no case, so a name that is taken already has _value behind it."""

    sql: str
    inputs: list[str]  #: the columns of the inputs, in the order of the call
    value: str  #: the column of the value


def outcome_query(file: sqlite3.Connection, version: int) -> OutcomeQuery:
    """Besides the inputs and the value it has the fields of values that have them, and what parmap knows."""
    axes = axes_of(file, version)
    columns: dict[int, list[str]] = {}
    stride = "1"
    taken = {"_kind", "_message", "_attempts", "_began", "_seconds", "_worker", "_run", "_task"}

    def unlike(name: str) -> str:
        while name.lower() in taken:
            name += "_value"
        taken.add(name.lower())
        return name

    for axis in reversed(axes):
        k = axis.number
        position = f"e.start_{k} + (r.task - e.first) / ({stride}) % e.size_{k}"
        if axis.hashed:
            columns[k] = [position for _ in axis.names]
        else:
            # Not by JOIN, which SQLite permits for 64 tables.
            columns[k] = [f"(SELECT value_{c} FROM axis_{version}_{k} WHERE position = {position})" for c in range(1, len(axis.names) + 1)]
        stride += f" * e.size_{k}"
    in_order = sorted(axes, key=lambda axis: axis.place)
    inputs = [unlike(name) for axis in in_order for name in axis.names]
    chosen = [f"{each} AS {quoted(name)}" for name, each in zip(inputs, (each for axis in in_order for each in columns[axis.number]))]
    value = unlike("value")
    chosen.append(f"CASE WHEN r.kind = 0 THEN r.value END AS {quoted(value)}")
    for (name,) in file.execute("SELECT name FROM spread WHERE version = ? ORDER BY rowid", (version,)):
        chosen.append(f"CASE WHEN r.kind = 0 AND r.format IN (10, 11) THEN {_field(name)} END AS {quoted(unlike(name))}")
    kinds = "".join(f" WHEN {k} THEN '{kind}'" for k, kind in enumerate(KINDS, 1))
    chosen += [
        f"CASE r.kind WHEN 0 THEN 'ok'{kinds} END AS _kind", "CASE WHEN r.kind <> 0 THEN r.value END AS _message",
        "r.attempts AS _attempts", "u.began + r.began / 1e6 AS _began", "r.seconds AS _seconds", "r.worker AS _worker",
        "r.run AS _run", "r.task AS _task",
    ]  # fmt: skip
    sql = (
        f"SELECT {', '.join(chosen)} FROM result_{version} AS r JOIN extent_{version} AS e"
        f" ON e.first = (SELECT max(first) FROM extent_{version} WHERE first <= r.task) LEFT JOIN run AS u ON u.number = r.run"
    )
    return OutcomeQuery(sql, inputs, value)


def _field(name: str) -> str:
    """A field of a JSON object; of a NumPy number its value; of a NaN NULL."""
    path = "'$." + json.dumps(name).replace("'", "''")
    number = path + ".__numpy__[1]'"
    special = f"json_extract(r.value, {path}.__float__')"
    plain = f"coalesce(json_extract(r.value, {number}), json_extract(r.value, {path}'))"
    return f"CASE ifnull({special}, '') WHEN '' THEN {plain} WHEN '7ff0000000000000' THEN 9e999 WHEN 'fff0000000000000' THEN -9e999 END"


def add_fields(file: sqlite3.Connection, version: int, names: Sequence[str]) -> None:
    """Fields that values have had for the first time."""
    (known,) = file.execute("SELECT count(*) FROM spread WHERE version = ?", (version,)).fetchone()
    shown = [name for name in names if '"' not in name]  # SQLite's paths have no such name
    for name in shown[: max(0, MOST_FIELDS - known)]:
        file.execute("INSERT OR IGNORE INTO spread VALUES(?, ?)", (version, name))
    make_view(file, version)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# ---- who uses it


class User(NamedTuple):
    """A process that has entered itself into the table run, and lives."""

    run: int
    host: str
    pid: int
    silent: float  # seconds

    def __str__(self) -> str:
        who = "this process" if self.pid == os.getpid() and self.host == os.uname().nodename else f"process {self.pid} on {self.host}"
        return f"{who} is using it; it last wrote {self.silent:.0f} s ago"


#: The runs of this process that are not over: files and numbers.
active: set[tuple[str, int]] = set()


def users(path: str, file: sqlite3.Connection) -> tuple[list[User], list[int]]:
    """Those that live; and the runs of those that have ended without saying so."""
    alive, ended = [], []
    here = os.uname().nodename
    for run, host, pid, started, seen in file.execute("SELECT number, host, pid, started, seen FROM run WHERE ended IS NULL").fetchall():
        silent = max(0.0, time.time() - seen)
        if host != here:
            lives = silent < _LONGEST_SILENCE
        elif pid == os.getpid():
            lives = (os.path.realpath(path), run) in active  # else it could not write that it has ended
        else:
            lives = process_start(pid) == started
        if lives:
            alive.append(User(run, host, pid, silent))
        else:
            ended.append(run)
    return alive, ended


def process_start(pid: int) -> int | None:
    """When a process was started, in ticks since boot; None if it does not run."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if words[0] in (b"Z", b"X") else int(words[19])


#: Held by a thread that opens a file, as two of one process could otherwise both find it free.
opening = threading.Lock()
