# SPDX-License-Identifier: MIT
"""What a checkpoint has to know of a call: the function, the axes with their names, and which combinations are tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._arguments import Request
from ._axes import Product, axis
from ._axis_positions import SweepAxis
from ._checkpoint_run import Sweep
from ._failures import shown
from ._function_identity import identity_of
from ._parameters import names_of_positions, remembered_parameters
from ._stored_values import key_of, plain


def sweep_of(asked: Request, func: Any = None, skip: int = 0, fargs: dict[str, Any] | None = None) -> Sweep:
    """Raises TypeError or ValueError if it cannot be kept. `func`, `fargs`: where they are not those of the request; `skip`: how many
    of func's first arguments are no inputs."""
    product = asked.product
    if product.first is not None:
        raise TypeError(
            "parmap: a checkpoint compares the inputs with those of a later run, but the first one can be read only once: give a list, "
            "or something else that has a length"
        )
    func = asked.given if func is None else func
    groups = product.whole_groups
    names = _names_of(product, func, skip)
    axes = []
    for place, (columns, labels) in enumerate(zip(groups, product.labels)):
        own, names = names[: len(columns)], names[len(columns) :]
        axes.append(
            SweepAxis(own, [_keys_of(name, column, label) for name, column, label in zip(own, columns, labels)], place)
        )
    combinations = product.combinations(range(product.size))
    return Sweep(
        identity_of(func, asked.fargs if fargs is None else fargs), func, axes, None if combinations == range(product.size) else combinations,
        asked.seed if asked.seed_is_given else None, asked.seed,
    )  # fmt: skip


def _names_of(product: Product, func: Any, skip: int) -> tuple[str, ...]:
    if product.names is not None:
        return product.names
    labels = [label for group in product.labels for label in group]
    positions = names_of_positions(remembered_parameters(func), skip + len(labels))[skip:]
    if positions and positions[0] == f"x{skip}":
        positions = tuple(f"x{k}" for k in range(len(labels)))
    return tuple(name if label is None else label._name for name, label in zip(positions, labels))


def _keys_of(name: str, column: Sequence[Any], label: axis | None) -> Sequence[Any]:
    """The elements, or their keys."""
    if label is None or label._key is None:
        return column
    key = label._key
    if callable(key):
        keys = [key(each) for each in column]
    else:
        keys = [getattr(each, key) for each in column]
    seen: dict[Any, int] = {}
    for k, each in enumerate(keys):
        cell = plain(each)
        if cell is None:
            raise TypeError(
                f"parmap: the key of element {k} of the axis {name} is {shown(each)} of type {type(each).__qualname__}, which a checkpoint "
                "cannot compare: a key must be a number or text, or a tuple of these"
            )
        other = seen.setdefault(key_of(cell), k)
        if other != k:
            raise ValueError(f"parmap: elements {other} and {k} of the axis {name} have the same key, {shown(each)}: each needs its own")
    return keys

