# SPDX-License-Identifier: MIT
"""maplike() and starmap(): parmap with the signatures that other libraries call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ._axes import zip as zip_axes
from ._map import parmap
from ._results import Results


def maplike(func: Callable[..., Any], *iterables: Iterable[Any], **options: Any) -> Results:
    """Like the built-in map, in parallel, for iterables of equal lengths::

        maplike(pow, [2, 3], [3, 2])      # [pow(2, 3), pow(3, 2)]

    A task that fails raises its exception, as a plain loop would. For libraries that take a map-like callable::

        scipy.optimize.differential_evolution(f, bounds, workers=parmap.maplike, updating="deferred")
        emcee.EnsembleSampler(walkers, dims, f, pool=types.SimpleNamespace(map=parmap.maplike))
        functools.partial(parmap.maplike, engine="threads")

    options: any of parmap's. parmap.parmap itself calls func on every combination of several iterables, and leaves None in
    place of a failed task, which NumPy makes a NaN.
    """
    options.setdefault("on_error", "raise")
    return parmap(func, zip_axes(*iterables), **options)


def starmap(func: Callable[..., Any], tasks: Iterable[Iterable[Any]], **options: Any) -> Results:
    """Like itertools.starmap, in parallel, for tasks of one length::

        starmap(pow, [(2, 3), (3, 2)])    # [pow(2, 3), pow(3, 2)]

    A task that fails raises its exception. options: any of parmap's.
    """
    options.setdefault("on_error", "raise")
    rows = [tuple(each) for each in tasks]
    if not rows:
        return parmap(func, (), **options)
    lengths = sorted({len(each) for each in rows})
    if len(lengths) > 1 or lengths[0] == 0:
        raise ValueError(f"parmap.starmap: the tasks must have one length, which is not 0, but have {', '.join(map(str, lengths))}")
    return parmap(func, zip_axes(*zip(*rows)), **options)
