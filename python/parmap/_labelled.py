# SPDX-License-Identifier: MIT
"""Results of a full grid as an array of xarray."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ._frames import fields_of, import_for, is_missing, type_of, type_of_integers, unlike
from ._grid import Grid
from ._inputs import MISSING, Inputs, is_whole
from ._part import OTHER_PART


def array_of(results: Sequence[Any], inputs: Inputs, dims: Any, coords: Mapping[str, Any]) -> Any:
    xarray = import_for("to_xarray()", "xarray")
    axes, places = _axes_and_places(inputs)
    shape = tuple(len(elements) for elements in axes.values())
    failed = {each.index for each in results.failures}  # type: ignore[attr-defined]
    fields = fields_of([MISSING if k in failed or value is OTHER_PART else value for k, value in enumerate(results)])
    names = unlike(axes, fields)
    variables = {}
    used: set[str] = set()
    for name, values in zip(names, fields.values()):
        data = _data(name, values, places, math.prod(shape))
        own = _own_dims(name, data.ndim - 1, dims, axes)
        used.update(own)
        variables[name] = (*axes, *own), data.reshape(shape + data.shape[1:])
    for name in coords:
        if name in axes:
            raise ValueError(f"parmap: coords has {name}, whose coordinates are those of the grid")
    if unused := [each for each in _all_dims(dims) if each not in used]:
        raise ValueError(f"parmap: dims has {unused[0]}, but no value has that many dimensions: a dimension is one of a value that is an array")
    labels = {name: (name, _labels(elements)) for name, elements in axes.items()}
    if names == ["value"]:
        return xarray.DataArray(variables["value"][1], {**labels, **coords}, variables["value"][0], "value")
    return xarray.Dataset(variables, {**labels, **coords})


def _axes_and_places(inputs: Inputs) -> tuple[dict[str, list[Any]], list[int]]:
    """The elements of each axis, and where each task stands in the array."""
    grid, tasks = inputs.parts[0]
    if len(inputs.parts) > 1 or not isinstance(grid, Grid) or not grid.from_dicts:
        raise ValueError("parmap: to_xarray() is for the results of one grid=dict(...), a product of its inputs; use to_frame().to_xarray()")
    combinations = grid.combinations(tasks)
    axes: dict[str, list[Any]] = {}
    places = [0] * len(combinations)
    for name, (axis, stride) in zip(grid.names, grid.axes()):
        size = len(axis)
        here = [each // stride % size for each in combinations]
        present = range(size) if is_whole(grid, tasks) else sorted(set(here))
        rank = {position: k for k, position in enumerate(present)}
        places = [place * len(present) + rank[position] for place, position in zip(places, here)]
        axes[name] = [axis[each] for each in present]
    return axes, places


def _data(name: str, values: list[Any], places: list[int], size: int) -> Any:
    """An array with a row for each combination."""
    import numpy

    present = [(place, value) for place, value in zip(places, values) if not is_missing(value)]
    are_arrays = bool(present) and all(isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) > 0 for _, value in present)
    if are_arrays:
        rows = [(place, numpy.asarray(value)) for place, value in present]
        shape = rows[0][1].shape
        for place, row in rows:
            if row.shape != shape:
                raise ValueError(
                    f"parmap: the arrays of {name} have different shapes: {shape} of combination {rows[0][0]}, {row.shape} of {place}"
                )
        kind, row_shape = numpy.result_type(*{row.dtype for _, row in rows}), shape
    else:
        kind, row_shape = type_of([value for _, value in present]), ()
        if kind is int:
            kind = type_of_integers([value for _, value in present])
        kind = numpy.dtype(float if kind is None else object if kind is str else kind)
        rows = present
    if len(present) < size:
        kind = _with_holes(kind)
    if kind.kind == "f" and any(_has_large_integers(row) for _, row in rows):
        kind = numpy.dtype(object)  # they would lose digits
    data = numpy.empty((size, *row_shape), kind)
    data[...] = "NaT" if kind.kind in "mM" else numpy.nan if kind.kind in "fcO" else 0
    for place, row in rows:
        data[place] = row
    return data


def _with_holes(kind: Any) -> Any:
    """The type that can also say that there is no value, as xarray chooses it."""
    import numpy

    if kind.kind in "fcmMO":
        return kind
    return numpy.dtype(numpy.float64) if kind.kind in "iu" else numpy.dtype(object)


def _has_large_integers(row: Any) -> bool:
    if isinstance(row, (float, complex)):
        return False
    import numpy

    found = numpy.asarray(row)
    return found.dtype.kind in "iu" and found.size > 0 and max(-int(found.min()), int(found.max())) > 2**53


def _labels(elements: list[Any]) -> Any:
    import numpy

    kind = type_of(elements)
    if kind is int:
        return numpy.array(elements, type_of_integers(elements))
    if kind is not object:
        return numpy.array(elements)
    labels = numpy.empty(len(elements), object)
    for k, each in enumerate(elements):
        labels[k] = each
    return labels


def _own_dims(name: str, count: int, dims: Any, axes: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the dimensions of a variable's values."""
    own = dims.get(name, ()) if isinstance(dims, Mapping) else dims
    own = (own,) if isinstance(own, str) else tuple(own)
    if count == 0 and not isinstance(dims, Mapping):
        return ()
    if len(own) != count:
        arrays = f"{count} {'dimension' if count == 1 else 'dimensions'}"
        raise ValueError(f"parmap: the values of {name} have {arrays}, but dims has {len(own)} names: to_xarray(dims=(...)), or a dict by field")
    for each in own:
        if each in axes:
            raise ValueError(f"parmap: dims has {each}, which is an input of the grid")
    return own


def _all_dims(dims: Any) -> Iterator[str]:
    for each in dims.values() if isinstance(dims, Mapping) else [dims]:
        yield from (each,) if isinstance(each, str) else each
