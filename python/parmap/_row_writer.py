# SPDX-License-Identifier: MIT
"""The thread that writes outcomes into a checkpoint. While it lives, nobody else uses its connection."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import sqlite3
import threading
import time
import weakref
from collections import deque
from typing import Any

from . import _checkpoint_file
from ._errors import StoreFailed

_PACE = 0.1  # seconds from the first row that waits to its commit
_BEAT = 1.0  # seconds between two signs of life
_MOST_WAITING = 64 << 20  # bytes
_BYTES_OF_ROW = 200  # besides its value
_COLUMNS = ("task", "kind", "attempts", "began", "seconds", "worker", "format", "value")  # of a row given to put(); the run is that of the file
_ROWS_OF_STATEMENT = 64

_alive: weakref.WeakSet[RowWriter] = weakref.WeakSet()


class RowWriter:
    """Takes rows from one thread at a time. What it cannot write it says at the next put(), or by finish().

    A row goes through queues that need no lock: append() and popleft() of a deque are atomic. Each byte count has one writer.
    """

    def __init__(self, path: str, version: int, run: int, done: int, failed: int) -> None:
        self._path, self._version, self._run = path, version, run
        self._done, self._failed = done, failed  # of the thread
        self._news = threading.Event()
        self._room = threading.Condition()
        self._fields: deque[str] = deque()  # of values, that the file does not have yet; put before the row that has them
        self._rows: deque[tuple[Any, ...]] = deque()
        self._erased: deque[int] = deque()  # tasks whose values are not needed any more; put after the row that replaces them
        self._bytes_put = 0
        self._bytes_taken = 0  # by the thread
        self._over = False
        self._place: tuple[int, int] | None = None
        self._process = os.getpid()
        self._ready = threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="parmap-checkpoint", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self.error is not None:
            self.finish()
        _alive.add(self)

    def put(self, row: tuple[Any, ...], fields: list[str] | None = None, erased: int | None = None) -> None:
        """A row of the table of outcomes: its _COLUMNS. Waits while 64 MiB wait to be written. Raises StoreFailed if rows cannot be
        written."""
        if fields:
            self._fields.extend(fields)
        value = row[-1]
        self._bytes_put += _BYTES_OF_ROW + (len(value) if isinstance(value, (str, bytes)) else 0)
        waiting = self._bytes_put - self._bytes_taken
        if waiting > _MOST_WAITING:
            self._wait_for_room()
        if self.error is not None:
            raise self._failure()
        self._rows.append(row)
        if erased is not None:
            self._erased.append(erased)
        # The thread is woken twice for a commit, and not for each row.
        if (len(self._rows) == 1 or waiting > _MOST_WAITING // 2) and not self._news.is_set():
            self._news.set()

    def _wait_for_room(self) -> None:
        self._news.set()
        with self._room:
            while self._rows and self._bytes_put - self._bytes_taken > _MOST_WAITING and self.error is None:
                self._room.wait(1.0)

    def finish(self) -> None:
        """Writes what waits, and ends. Raises StoreFailed if something could not be written."""
        self.end()
        if self.error is not None:
            raise self._failure()

    def end(self) -> None:
        if os.getpid() != self._process:
            return  # forked: the thread is the parent's
        self._over = True
        self._news.set()
        self._thread.join()
        _alive.discard(self)

    def _failure(self) -> StoreFailed:
        error = self.error
        text = str(error) if isinstance(error, StoreFailed) else f"parmap: {self._path}: {type(error).__name__}: {error}"
        made = StoreFailed(text)
        made.__cause__ = error
        return made

    # ---- in the thread

    def _serve(self) -> None:
        file = None
        try:
            file = _checkpoint_file.connected(self._path)
            self._place = _place_of(self._path)
            with _checkpoint_file.in_words(self._path):
                if _checkpoint_file.shared_file_system(self._path) is not None:
                    file.execute("PRAGMA locking_mode = EXCLUSIVE")
                for each in ("synchronous = FULL", "cache_size = -65536", "wal_autocheckpoint = 16384"):
                    file.execute(f"PRAGMA {each}")
                self._ready.set()
                self._write_all(file)
                self._say_the_end(file)
        except BaseException as error:
            with self._room:
                self.error = error
                self._room.notify_all()
        finally:
            self._ready.set()
            if file is not None:
                with contextlib.suppress(sqlite3.Error):  # what was committed stays, and the next run finds who has ended
                    if self.error is not None:
                        self._say_the_end(file)
                with contextlib.suppress(sqlite3.Error):
                    _checkpoint_file.close(file)

    def _say_the_end(self, file: sqlite3.Connection) -> None:
        now = time.time()
        file.execute("UPDATE run SET ended = ?, seen = ? WHERE number = ?", (now, now, self._run))

    def _write_all(self, file: sqlite3.Connection) -> None:
        over = False
        while not over:
            if not self._rows:  # else one came while the last were taken, and woke nobody
                self._news.wait(_BEAT)
            if self._rows and not self._over:
                self._pace()
            self._news.clear()
            over = self._over
            # In this order: a row that is taken has its fields, and a value is erased only with the row that replaces it.
            erased = _taken(self._erased)
            rows = _taken(self._rows)
            fields = list(dict.fromkeys(_taken(self._fields)))
            with self._room:
                self._bytes_taken += sum(_BYTES_OF_ROW + (len(row[-1]) if isinstance(row[-1], (str, bytes)) else 0) for row in rows)
                self._room.notify_all()
            self._write(file, rows, erased, fields)

    def _pace(self) -> None:
        """Waits until the first of the rows has to be written, unless many wait."""
        until = time.monotonic() + _PACE
        while (left := until - time.monotonic()) > 0 and not self._over and self._bytes_put - self._bytes_taken < _MOST_WAITING // 2:
            self._news.clear()
            self._news.wait(left)

    def _write(self, file: sqlite3.Connection, rows: list[tuple[Any, ...]], erased: list[int], fields: list[str]) -> None:
        table = f"result_{self._version}"
        if _place_of(self._path) != self._place:
            raise StoreFailed(f"parmap: {self._path}: it was moved or deleted while the map ran")
        failed = sum(1 for row in rows if row[1])
        self._failed += failed
        self._done += len(rows) - failed
        file.execute("BEGIN IMMEDIATE")
        try:
            if fields:
                _checkpoint_file.add_fields(file, self._version, fields)
            # sqlite3 gives the interpreter away for each execution of a statement, and then waits until a busy thread returns it. So
            # a statement writes many rows.
            whole = len(rows) - len(rows) % _ROWS_OF_STATEMENT
            many = self._insertion(table, _ROWS_OF_STATEMENT)
            for first in range(0, whole, _ROWS_OF_STATEMENT):
                file.execute(many, [*itertools.chain.from_iterable(rows[first : first + _ROWS_OF_STATEMENT])])
            file.executemany(self._insertion(table, 1), rows[whole:])
            if erased:
                file.executemany(f"UPDATE {table} SET format = 0, value = NULL WHERE task = ?", [(task,) for task in erased])
            file.execute(
                "UPDATE run SET seen = ?, done = ?, failed = ? WHERE number = ?", (time.time(), self._done, self._failed, self._run)
            )
            file.execute("COMMIT")
        except BaseException:
            if file.in_transaction:
                file.execute("ROLLBACK")
            raise

    def _insertion(self, table: str, rows: int) -> str:
        marks = f"({', '.join('?' * len(_COLUMNS))}, {self._run})"
        return f"INSERT OR REPLACE INTO {table}({', '.join(_COLUMNS)}, run) VALUES{', '.join([marks] * rows)}"


def _taken(queue: deque[Any]) -> list[Any]:
    return [queue.popleft() for _ in range(len(queue))]


def _place_of(path: str) -> tuple[int, int] | None:
    """Which file that is. Its name may be taken away while it is open."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@atexit.register
def _end_all() -> None:
    for each in list(_alive):
        each.end()
