# SPDX-License-Identifier: MIT
"""The first iterable of a stream on a cluster, if it is an iterator: read as the stream goes, by the thread that reads the stream.

An element and its pickle are kept until the outcomes of all its tasks have been read: a node that is lost may make it travel again.
"""

from __future__ import annotations

import math
import pickle
from typing import Any

from . import _errors
from ._axes import Product, arguments_at


class Feed:
    """read() and taken() are called by the reader, tasks, ended and pickles() by the thread that hears from the nodes."""

    def __init__(self, product: Product) -> None:
        self._iterator = product.first
        self._rest = product.groups[1:]
        self.of_one = math.prod(len(group[0]) for group in self._rest)  # tasks of an element
        self._elements: dict[int, tuple[Any, bytes]] = {}
        self._left: dict[int, int] = {}  # tasks of each that have not been taken
        self._count = 0
        self.tasks = 0  # of the elements that have been read
        self.ended = self.of_one == 0
        self.fault: BaseException | None = None  # raised by the iterator

    def read(self) -> None:
        """One element more."""
        assert self._iterator is not None
        try:
            element = next(self._iterator)
            data = _pickled(element)
        except StopIteration:
            self.ended = True
            return
        except Exception as error:
            self.fault = error
            self.ended = True
            return
        self._elements[self._count] = element, data
        self._left[self._count] = self.of_one
        self._count += 1
        self.tasks += self.of_one  # last, as it tells the other thread

    def pickles(self, first: int, end: int) -> list[bytes]:
        """Of the elements of tasks [first, end)."""
        return [self._elements[k][1] for k in range(first // self.of_one, (end - 1) // self.of_one + 1)]

    def arguments(self, index: int) -> tuple[Any, ...]:
        at, rest = divmod(index, self.of_one)
        return (self._elements[at][0], *arguments_at(self._rest, rest))

    def taken(self, index: int) -> None:
        at = index // self.of_one
        self._left[at] -= 1
        if not self._left[at]:
            del self._left[at], self._elements[at]


def _pickled(element: Any) -> bytes:
    """What belongs to __main__ goes by value."""
    try:
        data = pickle.dumps(element, 5)
        if b"__main__" not in data:
            return data
    except (pickle.PicklingError, AttributeError, TypeError):
        pass
    try:
        import cloudpickle

        return _errors._pickled_by(cloudpickle, element, None)
    except Exception as error:
        kind = type(element)
        raise TypeError(
            f"parmap: an element of type {kind.__module__}.{kind.__qualname__} cannot be pickled, but the elements of an iterator reach the "
            f"nodes of a cluster by pickle: {type(error).__name__}: {error}"
        ) from error
