# SPDX-License-Identifier: MIT
"""The facts of Results, which are still in memory."""

from __future__ import annotations

import os
from typing import Any

from .._failures import inputs_text, message_of
from .._frames import fields_of
from .._inputs import MISSING, inputs_of
from .._part import OTHER_PART
from . import facts_of_file
from ._facts import CauseList, Facts, NotReadable, SlowTask
from ._grid_maker import GridMaker

_MOST_ROWS = 200_000


def facts_of_results(results: Any) -> Facts:
    """With the trace of the map, if it had one and it is still there, also its timeline."""
    facts = _of_trace(results._trace, len(results.here)) or Facts(source="results")
    facts.tasks = len(results.here)
    facts.completed = facts.tasks - len(results.failures)
    facts.stopped = sum(each.kind == "stopped" for each in results.failures)
    facts.failed = len(results.failures) - facts.stopped
    facts.elapsed = results._seconds if results._seconds is not None else facts.elapsed
    causes = CauseList()
    for each in results.failures:
        causes.add(each.kind, message_of(each), each.index, inputs_text(each.task))
    facts.causes = causes.all()
    if results._times is not None and not facts.slowest:
        facts.busy = results._times.running
        failed = {each.index for each in results.failures}
        facts.slowest = [SlowTask(each.index, inputs_text(each.task), each.seconds, each.attempt, each.index not in failed) for each in results._times.slowest]
        if facts.elapsed:
            facts.workers = round(results._times.available / facts.elapsed)
    facts.grid = _grid_of(results, facts)
    return facts


def _of_trace(path: str | None, tasks: int) -> Facts | None:
    if path is None or not os.path.exists(path):
        return None
    try:
        facts = facts_of_file(path)
    except NotReadable:
        return None
    return facts if facts.tasks == tasks else None


def _grid_of(results: Any, facts: Facts) -> Any:
    inputs = inputs_of(results._inputs, len(results))
    if inputs is None or len(inputs.parts) != 1 or len(results) > _MOST_ROWS:
        return None
    columns = inputs.columns()
    product = inputs.parts[0][0]
    names, at = [], 0
    for group in product.groups:
        names.append(list(columns)[at : at + len(group)])
        at += len(group)
    if sum(map(len, names)) != len(columns):
        names = [[name] for name in columns]
    failed = {each.index: each for each in results.failures}
    fields = fields_of([MISSING if k in failed or value is OTHER_PART else value for k, value in enumerate(results)])
    seconds = _seconds_of_tasks(facts)
    maker = GridMaker(names)
    rows = list(zip(*columns.values())) if columns else []
    for k, row in enumerate(rows):
        if results[k] is OTHER_PART:
            continue
        why = failed.get(k)
        maker.add(tuple(map(_plain, row)), why is None, "" if why is None else why.kind, None, None, seconds.get(k))
        if why is None:
            maker.set_last({name: number for name, values in fields.items() if (number := _number(values[k])) is not None})
    return maker.made(facts)


def _seconds_of_tasks(facts: Facts) -> dict[int, float]:
    """Of those that have a slice of their own in the trace: the last attempt."""
    slices = facts.slices
    return {slices.first[k]: slices.seconds[k] for k in range(len(slices)) if slices.tasks[k] == 1}


def _plain(value: Any) -> Any:
    """One that can be a key, and drawn."""
    value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
    return value if isinstance(value, (bool, int, float, str)) else inputs_text((value,))


def _number(value: Any) -> float | None:
    value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
    return value if isinstance(value, (int, float)) else None
