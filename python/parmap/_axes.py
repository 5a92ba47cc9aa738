# SPDX-License-Identifier: MIT
"""The iterables given to parmap, made indexable. Their combinations are not stored."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

# Types whose elements by index are exactly those of iteration, and will stay so.
_INDEXED = (list, tuple, range, str, bytes)


class zip:
    """Iterables that parmap walks together, as one axis: parmap(f, parmap.zip(a, b)) calls f(a[i], b[i]).

    Unequal lengths are a ValueError.
    """

    def __init__(self, *iterables: Iterable[Any]) -> None:
        if not iterables:
            raise TypeError("parmap.zip: at least one iterable is needed")
        self._axes = tuple(_sequence(each, f"parmap.zip: argument {k}") for k, each in enumerate(iterables, 1))
        lengths = {len(each) for each in self._axes}
        if len(lengths) > 1:
            raise ValueError(
                "parmap.zip: the iterables have unequal lengths: " + ", ".join(str(len(each)) for each in self._axes)
            )

    def __len__(self) -> int:
        return len(self._axes[0])


def _sequence(items: Iterable[Any], name: str) -> Sequence[Any]:
    """Return something that has len() and is indexed in the order of iteration."""
    if type(items) in _INDEXED:
        return items  # type: ignore[return-value]
    numpy = sys.modules.get("numpy")
    if numpy is not None and type(items) is numpy.ndarray and items.ndim > 0:
        return items
    if isinstance(items, (itertools.count, itertools.cycle)):
        raise TypeError(f"{name} has no end: bound it, as by itertools.islice(it, n)")
    try:
        iterator = iter(items)
    except TypeError:
        raise TypeError(
            f"{name} must be iterable, but is {items!r:.100} of type {type(items).__name__}; "
            "arguments that stay the same go into fargs"
        ) from None
    return list(iterator)


class Product:
    """Every combination of the axes, the last one fastest. Stores only the axes."""

    def __init__(self, iterables: tuple[Any, ...]) -> None:
        if not iterables:
            raise TypeError("parmap: at least one iterable is needed after func")
        self.groups = tuple(
            each._axes if isinstance(each, zip) else (_sequence(each, f"parmap: argument {k}"),)
            for k, each in enumerate(iterables, 1)
        )
        self.size = math.prod(len(group[0]) for group in self.groups)

    def task(self, index: int) -> tuple[Any, ...]:
        """Return the arguments of one task."""
        found: list[Any] = []
        for group in reversed(self.groups):
            index, at = divmod(index, len(group[0]))
            found[:0] = [each[at] for each in group]
        return tuple(found)
