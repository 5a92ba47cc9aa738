# SPDX-License-Identifier: MIT
"""Reads a checkpoint, while others may write it: docs/internals/checkpoint-format.md. Changes nothing in it."""

from __future__ import annotations

import heapq
import json
import sqlite3
import urllib.parse
from typing import Any

from ._facts import FAILED, OK, CauseList, Facts, NotReadable, SlowTask, slowest_of
from ._grid_maker import GridMaker, value_text

_APPLICATION = 0x7061726D
_OURS = ("value", "_kind", "_message", "_attempts", "_seconds", "_worker", "_task", "_run", "_began", "_format")
_MOST_SLICES = 1_000_000


def read_checkpoint(path: str) -> Facts:
    uri = f"file:{urllib.parse.quote(path)}?mode=ro"
    try:
        database = sqlite3.connect(uri, uri=True, timeout=5)
    except sqlite3.Error as error:
        raise NotReadable(f"{path}: {error}") from None
    try:
        return _Reader(path, database).read()
    except sqlite3.OperationalError as error:
        text = str(error)
        if "locked" in text:
            text += "; a map that uses it on this file system keeps others off: try again when it has ended, or use python -m parmap watch"
        raise NotReadable(f"{path}: {text}") from None
    except sqlite3.DatabaseError as error:
        raise NotReadable(f"{path}: {error}") from None
    finally:
        database.close()


class _Reader:
    def __init__(self, path: str, database: sqlite3.Connection) -> None:
        self.database = database
        self.path = path
        self.facts = Facts(source=path, engine="")

    def read(self) -> Facts:
        if self._number("PRAGMA application_id") != _APPLICATION:
            raise NotReadable(f"{self.path}: it is a database, but not a checkpoint of parmap")
        version = self._number("SELECT max(number) FROM version")
        if not version:
            raise NotReadable(f"{self.path}: it has no results yet")
        self.database.execute("BEGIN")  # one state of the file
        names = self._names(version)
        offsets = self._read_runs(version)
        grid = GridMaker(names)
        self._read_results(version, names, offsets, grid)
        facts = self.facts
        facts.grid = grid.made(facts)
        return facts

    def _number(self, sql: str) -> int:
        return int(self.database.execute(sql).fetchone()[0] or 0)

    def _columns(self, table: str) -> list[str]:
        return [row[1] for row in self.database.execute(f'PRAGMA table_info("{table}")')]

    def _names(self, version: int) -> list[list[str]]:
        """Of each axis, in the order of the call."""
        found: dict[int, list[str]] = {}
        if "names" in self._columns("axis"):
            sql = "SELECT number, place, names FROM axis WHERE version = ? ORDER BY place, number"
            for _, _, names in self.database.execute(sql, (version,)):
                found[len(found)] = json.loads(names)
        else:
            found[0] = [each for each in self._columns("results") if each not in _OURS]
        return list(found.values())

    def _read_runs(self, version: int) -> dict[int, float]:
        """Returns where each run stands on the timeline: they follow each other, whatever time lies between them."""
        facts = self.facts
        columns = self._columns("run")
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
        if "label" in columns:
            row = self.database.execute("SELECT label FROM run WHERE version = ? ORDER BY number DESC", (version,)).fetchone()
            facts.label = (row and row[0]) or ""
        return offsets

    def _read_results(self, version: int, names: list[list[str]], offsets: dict[int, float], grid: GridMaker) -> None:
        facts, causes = self.facts, CauseList()
        slow: list[tuple[float, int, SlowTask]] = []
        flat = [name for axis in names for name in axis]
        chosen = ", ".join(f'v."{name.replace(chr(34), chr(34) * 2)}"' for name in flat)
        chosen = chosen + ", " if chosen else ""
        timed = {"run", "began"} <= set(self._columns(f"result_{version}"))
        when = "r.run, r.began" if timed else "NULL, NULL"
        sql = (
            f"SELECT {chosen}r.task, v._kind, v._message, v.value, r.attempts, r.seconds, r.worker, r.format, {when} "
            f"FROM results AS v JOIN result_{version} AS r ON r.task = v._task"
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
