# SPDX-License-Identifier: MIT
"""The thread that writes outcomes into a checkpoint. While it lives, nobody else uses its connection."""

from __future__ import annotations

import atexit
import contextlib
import os
import sqlite3
import threading
import time
import weakref
from typing import Any

from . import _checkpoint_file
from ._errors import StoreFailed

_PACE = 0.1  # seconds from the first row that waits to its commit
_BEAT = 1.0  # seconds between two signs of life
_MOST_WAITING = 64 << 20  # bytes
_BYTES_OF_ROW = 200  # besides its value

_alive: weakref.WeakSet[RowWriter] = weakref.WeakSet()


class RowWriter:
    """Takes rows from one thread at a time. What it cannot write it says at the next put(), or by finish()."""

    def __init__(self, path: str, version: int, run: int, done: int, failed: int) -> None:
        self._path, self._version, self._run = path, version, run
        self._done, self._failed = done, failed
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._room = threading.Condition(self._lock)
        self._rows: list[tuple[Any, ...]] = []
        self._erased: list[int] = []  # tasks whose values are not needed any more
        self._fields: dict[str, None] = {}  # of values, that the file does not have yet
        self._bytes = 0
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

    def put(self, row: tuple[Any, ...], done: int, failed: int, fields: list[str] | None = None, erased: int | None = None) -> None:
        """A row of the table of outcomes, and the numbers of tasks that are done and have failed with it. Waits while 64 MiB wait
        to be written. Raises StoreFailed if rows cannot be written."""
        value = row[-1]
        size = _BYTES_OF_ROW + (len(value) if isinstance(value, (str, bytes)) else 0)
        with self._lock:
            while self._bytes and self._bytes + size > _MOST_WAITING and self.error is None:
                self._room.wait(1.0)
            if self.error is None:
                if not self._rows:
                    self._news.set()
                self._rows.append(row)
                self._bytes += size
                self._done, self._failed = done, failed
                if fields:
                    self._fields.update(dict.fromkeys(fields))
                if erased is not None:
                    self._erased.append(erased)
                return
        raise self._failure()

    def finish(self) -> None:
        """Writes what waits, and ends. Raises StoreFailed if something could not be written."""
        self.end()
        if self.error is not None:
            raise self._failure()

    def end(self) -> None:
        if os.getpid() != self._process:
            return  # forked: the thread is the parent's
        with self._lock:
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
            with self._lock:
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
        while True:
            self._news.wait(_BEAT)
            self._news.clear()
            if self._rows and not self._over:
                self._pace()
            with self._lock:
                over = self._over
                rows, self._rows = self._rows, []
                fields, self._fields = list(self._fields), {}
                erased, self._erased = self._erased, []
                counts = self._done, self._failed
                self._bytes = 0
                self._room.notify_all()
            self._write(file, rows, erased, fields, counts)
            if over:
                return

    def _pace(self) -> None:
        """Waits until the first of the rows has to be written, unless many wait."""
        until = time.monotonic() + _PACE
        while (left := until - time.monotonic()) > 0 and not self._over and self._bytes < _MOST_WAITING // 2:
            self._news.wait(left)
            self._news.clear()

    def _write(
        self, file: sqlite3.Connection, rows: list[tuple[Any, ...]], erased: list[int], fields: list[str], counts: tuple[int, int]
    ) -> None:
        table = f"result_{self._version}"
        if _place_of(self._path) != self._place:
            raise StoreFailed(f"parmap: {self._path}: it was moved or deleted while the map ran")
        file.execute("BEGIN IMMEDIATE")
        try:
            if fields:
                _checkpoint_file.add_fields(file, self._version, fields)
            file.executemany(
                f"INSERT OR REPLACE INTO {table}(task, kind, attempts, run, began, seconds, worker, format, value)"
                f" VALUES(?, ?, ?, {self._run}, ?, ?, ?, ?, ?)",
                rows,
            )
            if erased:
                file.executemany(f"UPDATE {table} SET format = 0, value = NULL WHERE task = ?", [(task,) for task in erased])
            file.execute("UPDATE run SET seen = ?, done = ?, failed = ? WHERE number = ?", (time.time(), *counts, self._run))
            file.execute("COMMIT")
        except BaseException:
            if file.in_transaction:
                file.execute("ROLLBACK")
            raise


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
