# SPDX-License-Identifier: MIT
"""Reads the trace of a map: docs/internals/trace-format.md. One whose program was killed lacks its end."""

from __future__ import annotations

import gzip
import heapq
import io
import json
import zlib
from collections.abc import Iterator
from typing import IO, Any, cast

from ._facts import FAILED, OK, RETRIED, WAITS, Cause, CauseList, Facts, Histogram, NotReadable, SlowTask, slowest_of

_KINDS = {"ok": OK, "failed": FAILED, "retried": RETRIED, "wait": WAITS}


def read_trace(path: str, packed: bool) -> Facts:
    facts = Facts(source=path)
    end: dict[str, Any] | None = None
    causes = CauseList()
    slow: list[tuple[float, int, SlowTask]] = []
    known = False
    try:
        for event in _events(path, packed):
            name, phase = event.get("name"), event.get("ph")
            about = event.get("args") or {}
            if phase == "M" and name == "parmap":
                known = True
                _identify(facts, about)
            elif phase == "M" and name == "parmap_end":
                end = about
            elif phase == "X" and event.get("cat") in _KINDS:
                _add_slice(facts, event, about, causes, slow)
        if end is not None:
            _end(facts, end)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NotReadable(f"{path}: it is damaged: {type(error).__name__}: {error}") from error
    if not known:
        raise NotReadable(f"{path}: it is no trace of parmap: it has no event named parmap")
    if end is None:
        facts.notes.append("The trace has no end: the program was killed, or is still running. This is what was written until then.")
        facts.causes = causes.all()
        facts.slowest = slowest_of([each for _, _, each in slow])
        facts.failed = sum(each.count for each in facts.causes)
        slices = facts.slices
        facts.elapsed = max((b + s for b, s in zip(slices.begin, slices.seconds)), default=0.0)
        facts.workers = max(slices.worker, default=-1) + 1
    return facts


def _events(path: str, packed: bool) -> Iterator[dict[str, Any]]:
    """Event by event, as a line each is how parmap writes them; else the whole."""
    try:
        with cast("IO[bytes]", gzip.open(path, "rb") if packed else open(path, "rb")) as binary:
            lines = io.TextIOWrapper(binary, encoding="utf-8", errors="replace")
            first = lines.readline().strip()
            if first != "[":
                yield from _events_of_whole(path, first + lines.read())
                return
            for line in lines:
                text = line.strip().rstrip(",")
                if text == "]":
                    return
                try:
                    event = json.loads(text)
                except ValueError:  # cut off; what follows it, if anything, is of no use
                    return
                if isinstance(event, dict):
                    yield event
    except (EOFError, zlib.error):  # a cut archive: what came until then
        return
    except OSError as error:
        raise NotReadable(f"{path}: {error.strerror or error}") from None


def _events_of_whole(path: str, text: str) -> Iterator[dict[str, Any]]:
    try:
        whole = json.loads(text)
    except ValueError:
        raise NotReadable(f"{path}: it is neither a trace nor a checkpoint of parmap") from None
    if isinstance(whole, dict):
        if whole.get("parmap_status"):
            raise NotReadable(f"{path}: it is a status file: python -m parmap watch shows it; report takes the trace or the checkpoint")
        whole = whole.get("traceEvents")
    yield from (each for each in whole or () if isinstance(each, dict))


def _identify(facts: Facts, about: dict[str, Any]) -> None:
    facts.label = about.get("label", "")
    facts.engine = about.get("engine", "")
    facts.program = about.get("program", "")
    facts.host = about.get("host", "")
    facts.began = about.get("began")
    facts.tasks = about.get("tasks")
    facts.stored = about.get("stored", 0)


def _add_slice(facts: Facts, event: dict[str, Any], about: dict[str, Any], causes: CauseList, slow: list[tuple[float, int, SlowTask]]) -> None:
    kind = _KINDS[event["cat"]]
    seconds = event.get("dur", 0.0) / 1e6
    tasks = about.get("tasks", 1)
    first = about.get("task", about.get("first", -1))
    inputs = about.get("inputs", "")
    facts.slices.add(event.get("tid", 0), event.get("ts", 0.0) / 1e6, seconds, kind, first, tasks, inputs)
    if kind == WAITS:
        return
    # What follows counts only if the trace has no end.
    busy = about.get("busy", seconds * 1e6) / 1e6
    facts.busy = (facts.busy or 0.0) + busy
    if kind == RETRIED:
        facts.retried += 1
    elif "kind" in about:
        causes.add(about["kind"], about.get("message", ""), first, inputs)
    else:
        facts.completed += tasks - about.get("failed", 0)
        if about.get("failed"):
            causes.add("other", "failures of short tasks, which share a slice", first, count=about["failed"])
    facts.histogram.add(busy / max(tasks, 1), tasks)
    if tasks == 1:
        item = (seconds, len(facts.slices), SlowTask(first, inputs, seconds, about.get("attempt", 1), kind == OK))
        heapq.heappush(slow, item)
        if len(slow) > 20:
            heapq.heappop(slow)


def _end(facts: Facts, end: dict[str, Any]) -> None:
    _identify(facts, end)
    facts.elapsed = end.get("elapsed")
    facts.completed = end.get("completed", 0)
    facts.retried = end.get("retried", 0)
    facts.workers = end.get("workers", 0)
    facts.busy = end.get("busy")
    facts.causes = [
        Cause(each["kind"], each["message"], each["count"], each["first"], each.get("inputs", "")) for each in end.get("failures", ())
    ]
    if end.get("of_other_causes"):
        facts.causes.append(Cause("other", "causes", end["of_other_causes"], -1))
    facts.failed = end.get("failed", 0)
    if facts.tasks is not None:
        facts.stopped = max(0, facts.tasks - facts.stored - facts.completed - facts.failed)
    facts.slowest = [
        SlowTask(each["task"], each.get("inputs", ""), each["us"] / 1e6, each.get("attempt", 1), each.get("ok", True))
        for each in end.get("slowest", ())
    ]
    facts.histogram = Histogram(end.get("histogram", ()))
    if end.get("how") == "exception":
        facts.notes.append("An exception ended the map.")
    if end.get("left_out"):
        facts.notes.append(f"{end['left_out']} slices were left out of the timeline, as there were too many.")
