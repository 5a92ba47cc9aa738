# SPDX-License-Identifier: MIT
"""maplike() and starmap(): parmap with the signatures that other libraries call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ._axes import zip as zip_axes
from ._map import parmap
from ._results import Results


def maplike(func: Callable[..., Any], *iterables: Iterable[Any], **options: Any) -> Results:
    """Call func on the elements of iterables in lockstep, in parallel, like the built-in map::

        maplike(pow, [2, 3], [3, 2])      # [pow(2, 3), pow(3, 2)]

    It is for libraries that take a function like map::

        scipy.optimize.differential_evolution(f, bounds, workers=parmap.maplike, updating="deferred")
        emcee.EnsembleSampler(walkers, dims, f, pool=types.SimpleNamespace(map=parmap.maplike))
        functools.partial(parmap.maplike, engine="threads")

    Arguments
    ---------
    func
        Any callable.
    *iterables
        One iterable or more, all finite and of the same length.
    **options
        Any option of parmap(). The default of on_error is "raise".

    Returns
    -------
    Results
        A list in input order, as from parmap().

    Raises
    ------
    Exception
        The exception of the first task that fails: the map then stops, as a plain loop does.
    ValueError
        The lengths are unequal. All other errors are those of parmap().

    Notes
    -----
    parmap() itself calls func on every combination of several iterables, and leaves None in place of a failed task.
    NumPy makes NaN of such a None. Several threads may call maplike at the same time.
    """
    options.setdefault("on_error", "raise")
    return parmap(func, zip_axes(*iterables), **options)


def starmap(func: Callable[..., Any], tasks: Iterable[Iterable[Any]], **options: Any) -> Results:
    """Call ``func(*task)`` for each task, in parallel, like itertools.starmap::

        starmap(pow, [(2, 3), (3, 2)])    # [pow(2, 3), pow(3, 2)]

    Arguments
    ---------
    func
        Any callable.
    tasks
        An iterable of tuples or other iterables, all of the same length, which is not 0. They are read into memory
        first.
    **options
        Any option of parmap(). The default of on_error is "raise".

    Returns
    -------
    Results
        A list in input order, as from parmap().

    Raises
    ------
    Exception
        The exception of the first task that fails: the map then stops.
    ValueError
        The tasks differ in length, or are empty. All other errors are those of parmap().

    Notes
    -----
    Several threads may call starmap at the same time.
    """
    options.setdefault("on_error", "raise")
    rows = [tuple(each) for each in tasks]
    if not rows:
        return parmap(func, (), **options)
    lengths = sorted({len(each) for each in rows})
    if len(lengths) > 1 or lengths[0] == 0:
        raise ValueError(
            f"parmap.starmap: all tasks must have one length, which is not 0, but the lengths are {', '.join(map(str, lengths))}"
        )
    return parmap(func, zip_axes(*zip(*rows)), **options)
