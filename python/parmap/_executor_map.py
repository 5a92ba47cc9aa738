# SPDX-License-Identifier: MIT
"""Executor.map(): its calls travel in blocks, as one future for each of many cheap calls would cost more than they do."""

from __future__ import annotations

import concurrent.futures
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import _parmap
from ._arguments import PENDING
from ._pool import Pool
from ._pool_map import begins_with_large

_FIRST = 64  # calls in the first block
_MOST = 8192
_BYTES = 1 << 16  # of inputs that a block should have
_NOTICES = 0.002  # seconds


class Block:
    """Consecutive calls that were submitted together."""

    def __init__(self, pool: Pool, changed: threading.Condition, axes: tuple[Any, ...], count: int) -> None:
        self.pool = pool
        self.changed = changed
        self.axes = axes
        self.first = -1  # the number of the first call
        self.values: list[Any] = [PENDING] * count
        self.failed: dict[int, tuple[int, str, bytes, int, int]] = {}
        self.left = count
        self.error: BaseException | None = None
        self.notified = 0.0  # when, by time.monotonic()

    def notify(self) -> None:
        self.notified = time.monotonic()
        with self.changed:
            self.changed.notify_all()

    def is_worth_a_notice(self) -> bool:
        """Not each time that some values of many cheap calls have come: who waits takes the GIL."""
        return self.left == 0 or time.monotonic() - self.notified > _NOTICES

    def _broke(self, error: BaseException) -> None:
        self.error = error
        self.notify()

    def task(self, k: int) -> tuple[Any, ...]:
        return tuple(each[k] for each in self.axes)

    def cancel(self) -> None:
        """By shutdown(cancel_futures=True)."""
        if self.left > 0:
            self.pool.halt_block(self.first, len(self.values))


class Values(itertools.chain):  # type: ignore[type-arg]
    """What map() returns: an iterator."""

    calls: Calls

    def close(self) -> None:
        """Cancel the calls that have not begun."""
        self.calls.cancel()


class Calls:
    """The calls of one map(), cut into blocks."""

    def __init__(self, pool: Pool, fn: Callable[..., Any], iterables: tuple[Iterable[Any], ...], most: int | None) -> None:
        self._pool = pool
        self._function = pool.pickles.function(fn, {})
        self._changed = threading.Condition()
        self._count = _FIRST
        self._most = most
        self._blocks: deque[Block] = deque()
        self._sequences = iterables if all(type(each) in (list, tuple, range) for each in iterables) else None
        self._at = 0
        if self._sequences is None:
            self._rows: Iterator[tuple[Any, ...]] = zip(*iterables)
            self._count = 1  # their size is not known
        else:
            self._size = min(map(len, self._sequences), default=0)  # type: ignore[arg-type]
            if begins_with_large(self._sequences):
                self._count = 1
        self._waiting = 0  # calls that were submitted and not read
        self._is_read = not iterables
        try:
            self.submit()
        except BaseException:
            self.cancel()
            raise

    def submit(self) -> None:
        while not self._is_read and (self._most is None or self._waiting < self._most):
            count = self._count if self._most is None else min(self._count, self._most - self._waiting)
            if self._sequences is not None:
                axes = tuple(each[self._at : min(self._at + count, self._size)] for each in self._sequences)  # type: ignore[index]
                self._at += count
            else:
                axes = tuple(zip(*itertools.islice(self._rows, count)))
            size = len(axes[0]) if axes else 0
            self._is_read = size < count
            if size == 0:
                return
            self._submit_block(axes, size)

    def _submit_block(self, axes: tuple[Any, ...], size: int) -> None:
        pool = self._pool
        data, buffers = pool.pickles.inputs((axes,))
        block = Block(pool, self._changed, axes, size)
        with pool.changed:
            pool.check_open()
            block.first = _parmap.pool_submit_block(pool.handle, block, block.values, block.failed, self._function, data, buffers)
            pool.add(block.first, block)
        self._waiting += size
        self._blocks.append(block)
        bytes_of_one = (len(data) + sum(memoryview(each).nbytes for each in buffers)) / size
        self._count = max(1, min(_MOST, 4 * self._count, int(_BYTES / bytes_of_one)))

    def results(self, end: float | None) -> Values:
        """`end`: by time.monotonic(), when a TimeoutError is raised."""
        made: Any = Values.from_iterable(self._of_blocks(end))
        made.calls = self
        return made  # type: ignore[no-any-return]

    def _of_blocks(self, end: float | None) -> Iterator[Iterator[Any]]:
        """Values that are there, together: so most of them cost no call of Python code."""
        try:
            while self._blocks:
                block = self._blocks[0]
                k = 0
                while k < len(block.values):
                    self._wait(block, k, end)
                    ready = _parmap.take_values(block.values, k, PENDING)
                    k += len(ready)
                    if self._most is None:
                        yield itertools.starmap(ready.pop, itertools.repeat((), len(ready)))  # nothing keeps a value
                        continue
                    while ready:
                        yield iter((ready.pop(),))
                        self._waiting -= 1
                        self.submit()
                if self._blocks:  # else close() was called meanwhile
                    self._blocks.popleft()
        finally:
            self.cancel()

    def _wait(self, block: Block, k: int, end: float | None) -> None:
        """Until the value of call k is there. Raises its exception."""
        if block.values[k] is PENDING:
            with self._changed:
                while block.values[k] is PENDING and k not in block.failed and block.error is None:
                    left = None if end is None else end - time.monotonic()
                    if left is not None and left <= 0:
                        raise concurrent.futures.TimeoutError
                    self._changed.wait(left)
        if block.values[k] is not PENDING:
            return
        if k in block.failed:
            raise self._pool.exception_of(block.failed[k], block.task(k), block.first + k)
        assert block.error is not None
        raise block.error

    def cancel(self) -> None:
        """No further call begins."""
        blocks, self._blocks = self._blocks, deque()
        self._is_read = True
        for each in blocks:
            each.cancel()
