# SPDX-License-Identifier: MIT
"""Reads a checkpoint, while others may write it: docs/internals/checkpoint-format.md. Changes nothing in it."""

from __future__ import annotations

import heapq
import sqlite3
from typing import Any

from .._checkpoint_file import axes_of, close, in_words, outcome_query, quoted
from .._errors import StoreFailed
from .._load import find_version, opened
from .._part_files import check, in_ranges, part_file
from ._facts import FAILED, OK, CauseList, Facts, NotReadable, SlowTask, slowest_of
from ._grid_maker import GridMaker, value_text

_MOST_SLICES = 1_000_000


def read_checkpoint(path: str) -> Facts:
    return _read([path], path, None)


def read_parts(pattern: str, paths: list[str]) -> Facts:
    """Of several files, as of the parts of a job array, on one timeline."""
    parts, began = [], []
    try:
        for path in paths:
            file = opened(path)
            try:
                with in_words(path):
                    parts.append(part_file(path, file, find_version(path, file, None)[0]))
                    began += file.execute("SELECT min(began) FROM run").fetchone()
            finally:
                close(file)
        missing = check(pattern, parts)
    except (OSError, StoreFailed, ValueError) as error:
        raise NotReadable(_words_of(pattern, str(error))) from None
    facts = _read(paths, pattern, min((each for each in began if each is not None), default=0.0))
    if missing:
        facts.notes.append(f"{'Part' if len(missing) == 1 else 'Parts'} {in_ranges(missing)} of {parts[0].part.count} have no file.")  # type: ignore[union-attr]
    return facts


def _read(paths: list[str], source: str, origin: float | None) -> Facts:
    reader = _Reader(source, origin)
    for path in paths:
        try:
            file = opened(path)
            try:
                with in_words(path):
                    reader.read(path, file)
            finally:
                close(file)
        except (OSError, StoreFailed) as error:
            raise NotReadable(_words_of(path, str(error))) from None
    return reader.made()


def _words_of(path: str, text: str) -> str:
    if "lock" in text.removeprefix(f"parmap: {path}: "):
        text += "; a map that uses it on this file system keeps others off: try again when it has ended, or use python -m parmap watch"
    return text


class _Reader:
    """Reads files, one after the other. `origin`: when the timeline begins on which they stand together, their workers below each other;
    None: there is one file."""

    def __init__(self, source: str, origin: float | None) -> None:
        self.facts = Facts(source=source, began=origin)
        self._together = origin is not None
        self._grid: GridMaker | None = None
        self._causes = CauseList()
        self._slow: list[tuple[float, int, SlowTask]] = []
        self._busy, self._known_times = 0.0, False
        self._end = 0.0  # of the timeline
        self._workers = 0  # of the files that were read
        self._unended = self._resumed = 0

    def read(self, path: str, database: sqlite3.Connection) -> None:
        self.path, self.database = path, database
        self.database.execute("BEGIN")  # one state of the file
        (version,) = self.database.execute("SELECT max(number) FROM version").fetchone()
        if not version:
            raise NotReadable(f"{self.path}: it has no results yet")
        names = [list(axis.names) for axis in sorted(axes_of(self.database, version), key=lambda axis: axis.place)]
        offsets = self._read_runs(version)
        if self._grid is None:
            self._grid = GridMaker(names)
        self._read_results(version, names, offsets, self._grid)

    def made(self) -> Facts:
        facts = self.facts
        facts.causes = self._causes.all()
        facts.slowest = slowest_of([each for _, _, each in self._slow])
        for k, at in enumerate(self._places_of_slowest(facts)):
            if at is not None:
                facts.slices.inputs[at] = facts.slowest[k].inputs
        facts.workers = self._workers
        facts.busy = self._busy if self._known_times else None
        facts.elapsed = self._end
        if self._together:
            facts.notes += [f"The last runs of {self._unended} files have not ended, or their programs were killed."] if self._unended else []
            facts.notes += [f"{self._resumed} files were resumed."] if self._resumed else []
        if facts.tasks is not None:
            facts.tasks = max(facts.tasks, facts.completed + facts.failed + facts.stopped)
        assert self._grid is not None
        facts.grid = self._grid.made(facts)
        return facts

    def _read_runs(self, version: int) -> dict[int, float]:
        """Returns where each run stands on the timeline: those of one file follow each other, whatever time lies between them; those of
        several files stand where they were."""
        facts = self.facts
        sql = "SELECT number, began, seen, ended, host, command, tasks, stored FROM run WHERE version = ? ORDER BY number"
        at, last, own = 0.0, None, 0
        offsets: dict[int, float] = {}
        for number, began, seen, ended, host, command, tasks, stored in self.database.execute(sql, (version,)):
            facts.began = began if facts.began is None else facts.began
            facts.host, facts.program = host, command
            own = tasks
            if self._together:
                at = began - (facts.began or 0.0)
            elif offsets:
                facts.breaks.append(at)
            offsets[number] = at
            at += max(0.0, (ended or seen or began) - began)
            last = ended
            self._end = max(self._end, at)
        if offsets:
            facts.tasks = (facts.tasks or 0) + own
        if self._together:
            self._unended += bool(offsets) and last is None
            self._resumed += len(offsets) > 1
            return offsets
        if offsets and last is None:
            facts.notes.append("The last run has not ended, or its program was killed.")
        if len(offsets) > 1:
            facts.notes.append(f"{len(offsets)} runs have made these results; on the timeline they follow each other.")
        return offsets

    def _read_results(self, version: int, names: list[list[str]], offsets: dict[int, float], grid: GridMaker) -> None:
        facts, causes, slow = self.facts, self._causes, self._slow
        flat = [name for axis in names for name in axis]
        query = outcome_query(self.database, version)
        chosen = "".join(f"v.{quoted(name)}, " for name in query.inputs)
        sql = (
            f"SELECT {chosen}r.task, v._kind, v._message, v.{quoted(query.value)}, r.attempts, r.seconds, r.worker, r.format, r.run, r.began"
            f" FROM ({query.sql}) AS v JOIN result_{version} AS r ON r.task = v._task"
        )
        workers: dict[Any, int] = {}
        for row in self.database.execute(sql):
            inputs = row[: len(flat)]
            index, kind, message, value, attempts, seconds, worker, form, run, began = row[len(flat) :]
            ok = kind == "ok"
            if ok:
                facts.completed += 1
            elif kind == "stopped":
                facts.stopped += 1
            else:
                facts.failed += 1
            if attempts and attempts > 1:
                facts.retried += attempts - 1
            text = ""
            if not ok:
                text = inputs_text(flat, inputs)
                causes.add(kind, value_text(message), index, text)
            if seconds is not None and kind != "stopped":
                self._known_times = True
                self._busy += seconds
                facts.histogram.add(seconds)
                if len(slow) < 20 or seconds > slow[0][0]:
                    task = SlowTask(index, text or inputs_text(flat, inputs), seconds, attempts or 1, ok)
                    heapq.heappush(slow, (seconds, index, task))
                    if len(slow) > 20:
                        heapq.heappop(slow)
                if worker is not None:
                    workers[run] = max(workers.get(run, 0), worker + 1)
                    if began is not None and len(facts.slices) < _MOST_SLICES:
                        begin = offsets.get(run, 0.0) + began / 1e6
                        self._end = max(self._end, begin + seconds)
                        facts.slices.add(self._workers + worker, begin, seconds, OK if ok else FAILED, index)
            grid.add(inputs, ok, kind, value, form, seconds)
        self._workers += max(workers.values(), default=0)

    @staticmethod
    def _places_of_slowest(facts: Facts) -> list[int | None]:
        wanted = {each.index: k for k, each in enumerate(facts.slowest)}
        found: list[int | None] = [None] * len(facts.slowest)
        for at, index in enumerate(facts.slices.first):
            if index in wanted:
                found[wanted[index]] = at
        return found


def inputs_text(names: list[str], inputs: tuple[Any, ...]) -> str:
    return ", ".join(f"{name}={value_text(value)}" for name, value in zip(names, inputs))[:200]
