# SPDX-License-Identifier: MIT
"""parmap() and stream() on the workers of an Executor."""

from __future__ import annotations

from typing import Any

from . import _errors, _parmap
from ._arguments import Request

_FIRST = 64  # elements in the first block
_MOST = 8192
_BYTES = 1 << 16  # that a block should have
_LARGE = 1 << 14  # bytes of an element


def run(asked: Request) -> None:
    pool, function = _prepared(asked)
    _parmap.run_pool(pool.handle, asked, function, _Inputs(pool.pickles, asked.axes).next)


def open_stream(stream: Any, asked: Request, bare: bool, skips: bool) -> None:
    pool, function = _prepared(asked)
    first = asked.product.first
    inputs = _Inputs(pool.pickles, asked.axes if first is None else ((), *asked.axes[1:]))
    next_inputs = inputs.next if first is None else inputs.of_elements
    _parmap.open_pool_stream(stream, asked, first, bare, skips, pool.handle, function, next_inputs)


def _prepared(asked: Request) -> tuple[Any, bytes]:
    pool = asked.pool._pool
    with pool.changed:
        pool.check_open()
    try:
        return pool, pool.pickles.function(asked.func, asked.fargs)
    except Exception as error:
        _errors.add_note(error, "parmap: func and fargs reach the workers of an Executor by pickle")
        raise


class _Inputs:
    """The axes, cut into blocks if they are walked together: so a worker reads little that is not for its tasks, and tasks run
    while further elements are pickled. Of several axes, each worker reads each element once."""

    def __init__(self, pickles: Any, groups: tuple[Any, ...]) -> None:
        self._pickles = pickles
        self._groups = groups
        self._count = _FIRST

    def next(self, first: int) -> tuple[int, bytes, list[Any]]:
        """The tasks from `first` on: how many, their pickle, and buffers that are not in it."""
        groups = self._groups
        if len(groups) > 1 or all(type(each) is range for each in groups[0]):
            data, buffers = self._pickled(groups)
            size = 1
            for group in groups:
                size *= len(group[0])
            return size, data, buffers
        if first == 0 and begins_with_large(groups[0]):
            self._count = 1
        count = min(self._count, len(groups[0][0]) - first)
        data, buffers = self._pickled((tuple([each[first : first + count] for each in groups[0]]),))
        size = len(data)
        for each in buffers:
            size += memoryview(each).nbytes
        self._count = max(1, min(_MOST, 4 * self._count, _BYTES * count // size))
        return count, data, buffers

    def of_elements(self, count: int, elements: list[Any]) -> tuple[int, bytes, list[Any]]:
        """`count` tasks, of these elements of an iterator that is the first axis."""
        return count, *self._pickled(((elements,), *self._groups[1:]))

    def _pickled(self, axes: tuple[Any, ...]) -> tuple[bytes, list[Any]]:
        try:
            return self._pickles.inputs(axes)  # type: ignore[no-any-return]
        except Exception as error:
            _errors.add_note(error, "parmap: the elements of an iterable reach the workers of an Executor by pickle")
            raise


def begins_with_large(axes: Any) -> bool:
    """Whether a first element of these is so large that it should travel alone."""
    for axis in axes:
        first: Any = axis[0] if len(axis) else None
        size = len(first) if isinstance(first, (bytes, str)) else getattr(first, "nbytes", None)
        if isinstance(size, int) and size > _LARGE:
            return True
    return False
