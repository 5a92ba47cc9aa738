# SPDX-License-Identifier: MIT
"""What map_reduce() and fold() are called with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._arguments import ENGINES
from ._axes import Product, zip as zip_axes
from ._grid import product_of


def check_call(function: str, op: Any, on_error: Any, options: dict[str, Any]) -> None:
    if not callable(op):
        name = "op" if function == "map_reduce" else "merge"
        raise TypeError(f"parmap.{function}: {name} must be callable, but is {op!r:.100}")
    if on_error not in ("raise", "skip"):
        raise ValueError(f"parmap.{function}: on_error must be 'raise' or 'skip', but is {on_error!r:.100}")
    if options.get("part") is not None:
        raise ValueError(
            f"parmap.{function}: it has no part, as it combines the values in the order of all tasks: keep the values by parmap.parmap(..., part=..., "
            "checkpoint=...), and combine what parmap.load gives when all parts have ended"
        )
    if options.get("engine") in ("async", "asyncio"):
        others = ", ".join(each for each in ENGINES if each != "async")
        raise ValueError(f"parmap.{function}: the engine async has no {function}; use one of {others}")


def product_for(
    function: str, func: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any], fargs: dict[str, Any] | None, skip: int
) -> Product:
    """Takes grid and where from the options. `skip`: how many arguments func gets before its inputs."""
    grid, where = options.pop("grid", None), options.pop("where", None)
    if grid is not None and not callable(func):
        raise TypeError(f"parmap.{function}: func must be callable, but is {func!r:.100}")
    return product_of(args, False, grid, where, func, fargs, skip)


def axes_of(product: Product) -> list[zip_axes]:
    """The arguments of a map over what was read already; none if that is a grid."""
    axes: list[zip_axes] = []
    for group, labels in () if product.has_names else zip(product.groups, product.labels):
        axis = zip_axes.__new__(zip_axes)
        axis._axes, axis._labels = group, labels
        axes.append(axis)
    return axes


def grid_of(product: Product) -> Product | None:
    """The option grid of such a map."""
    return product if product.has_names else None
