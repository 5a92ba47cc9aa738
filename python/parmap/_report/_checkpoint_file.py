# SPDX-License-Identifier: MIT
"""Reads a checkpoint, while others may write it: docs/internals/checkpoint-format.md. Changes nothing in it."""

from __future__ import annotations

import heapq
import sqlite3
from typing import Any

from .._checkpoint_file import axes_of, close, in_words, outcome_query, quoted
from .._errors import StoreFailed
from .._load import opened
from ._facts import FAILED, OK, CauseList, Facts, NotReadable, SlowTask, slowest_of
from ._grid_maker import GridMaker, value_text

_MOST_SLICES = 1_000_000


def read_checkpoint(path: str) -> Facts:
    try:
        file = opened(path)
    except (OSError, StoreFailed) as error:
        raise NotReadable(_words_of(path, str(error))) from None
    try:
        with in_words(path):
            return _Reader(path, file).read()
    except StoreFailed as error:
        raise NotReadable(_words_of(path, str(error))) from None
    finally:
        close(file)


def _words_of(path: str, text: str) -> str:
    if "lock" in text.removeprefix(f"parmap: {path}: "):
        text += "; a map that uses it on this file system keeps others off: try again when it has ended, or use python -m parmap watch"
    return text


class _Reader:
    def __init__(self, path: str, database: sqlite3.Connection) -> None:
        self.database = database
        self.path = path
        self.facts = Facts(source=path)

    def read(self) -> Facts:
        self.database.execute("BEGIN")  # one state of the file
        (version,) = self.database.execute("SELECT max(number) FROM version").fetchone()
        if not version:
            raise NotReadable(f"{self.path}: it has no results yet")
        names = [list(axis.names) for axis in sorted(axes_of(self.database, version), key=lambda axis: axis.place)]
        offsets = self._read_runs(version)
        grid = GridMaker(names)
        self._read_results(version, names, offsets, grid)
        facts = self.facts
        facts.grid = grid.made(facts)
        return facts

    def _read_runs(self, version: int) -> dict[int, float]:
        """Returns where each run stands on the timeline: they follow each other, whatever time lies between them."""
        facts = self.facts
        sql = "SELECT number, began, seen, ended, host, command, tasks, stored FROM run WHERE version = ? ORDER BY number"
        at, last = 0.0, None
        offsets: dict[int, float] = {}
        for number, began, seen, ended, host, command, tasks, stored in self.database.execute(sql, (version,)):
            facts.began = began if facts.began is None else facts.began
            facts.host, facts.program = host, command
            facts.tasks = tasks
            if offsets:
                facts.breaks.append(at)
            offsets[number] = at
            at += max(0.0, (ended or seen or began) - began)
            last = ended
        facts.elapsed = at
        if offsets and last is None:
            facts.notes.append("The last run has not ended, or its program was killed.")
        if len(offsets) > 1:
            facts.notes.append(f"{len(offsets)} runs have made these results; on the timeline they follow each other.")
        return offsets

    def _read_results(self, version: int, names: list[list[str]], offsets: dict[int, float], grid: GridMaker) -> None:
        facts, causes = self.facts, CauseList()
        slow: list[tuple[float, int, SlowTask]] = []
        flat = [name for axis in names for name in axis]
        query = outcome_query(self.database, version)
        chosen = "".join(f"v.{quoted(name)}, " for name in query.inputs)
        sql = (
            f"SELECT {chosen}r.task, v._kind, v._message, v.{quoted(query.value)}, r.attempts, r.seconds, r.worker, r.format, r.run, r.began"
            f" FROM ({query.sql}) AS v JOIN result_{version} AS r ON r.task = v._task"
        )
        workers: dict[Any, int] = {}
        busy, known_times, latest = 0.0, False, 0.0
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
                known_times = True
                busy += seconds
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
                        latest = max(latest, begin + seconds)
                        facts.slices.add(worker, begin, seconds, OK if ok else FAILED, index)
            grid.add(inputs, ok, kind, value, form, seconds)
        facts.causes = causes.all()
        facts.slowest = slowest_of([each for _, _, each in slow])
        for k, at in enumerate(self._places_of_slowest(facts)):
            if at is not None:
                facts.slices.inputs[at] = facts.slowest[k].inputs
        facts.workers = max(workers.values(), default=0)
        facts.busy = busy if known_times else None
        facts.elapsed = max(facts.elapsed or 0.0, latest)
        if facts.tasks is not None:
            facts.tasks = max(facts.tasks, facts.completed + facts.failed + facts.stopped)

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
