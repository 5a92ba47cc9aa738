# SPDX-License-Identifier: MIT
"""What the workers of map_reduce() and fold() run. Functions and no methods, as workers that were there before get them by pickle,
and a method would take its object along."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from . import _task


def folded(op: Callable[[Any, Any], Any], serial: bool, block: tuple[Any, list[tuple[int, Any]]]) -> tuple[Any, int]:
    """The accumulator, and how many values are in it. op is called again for the one that failed, alone."""
    value, rest = block
    for count, (_, more) in enumerate(rest):
        try:
            value = op(value, more)
        except Exception:
            if serial:
                raise
            return value, count
    return value, len(rest)


def joined(op: Callable[[Any, Any], Any], sides: tuple[Any, Any]) -> Any:
    return op(*sides)


def numbered(
    step: Callable[..., Any], fargs: dict[str, Any], seed: int, i: int, accumulator: Any, task: tuple[Any, ...] | dict[str, Any]
) -> Any:
    """Task i of the fold, which has another number in its map."""
    here = _task.context()
    token = _task.running.set(_task.Running(i, here.attempt, here.worker, seed, here.state))
    try:
        if isinstance(task, dict):
            return stepped(step, fargs, accumulator, **task)
        return stepped(step, fargs, accumulator, *task)
    finally:
        _task.running.reset(token)


def stepped(step: Callable[..., Any], fargs: dict[str, Any], accumulator: Any, /, *elements: Any, **inputs: Any) -> Any:
    """`inputs`: of a grid."""
    mine = copy.deepcopy(accumulator)
    made = step(mine, *elements, **inputs, **fargs)
    return mine if made is None else made


def merged(merge: Callable[..., Any], left: Any, right: Any) -> Any:
    mine = copy.deepcopy(left)
    made = merge(mine, right)
    return mine if made is None else made
