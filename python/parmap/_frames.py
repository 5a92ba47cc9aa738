# SPDX-License-Identifier: MIT
"""Results as a table of pandas or polars."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ._axes import Product
from ._failures import Failures, message_of
from ._inputs import MISSING, Inputs, names_of
from ._loaded import loaded
from ._unknown_name import UnknownName

_OF_PARMAP = ("_kind", "_message", "_attempts")
_OF_RUNS = ("_seconds", "_worker")
#: A column: its name, its values, with MISSING where there is none, and its type, if that does not follow from the values: of a
#: frame's column the library and the type there.
Column = tuple[str, list[Any], Any]


def frame_of(results: Sequence[Any], inputs: Inputs | None, kind: str, tasks: Sequence[int]) -> Any:
    """`tasks`: their numbers."""
    make = _maker(kind)
    failures = {each.index: each for each in results.failures}  # type: ignore[attr-defined]
    named = {"_task": list(tasks)} if inputs is None else inputs.columns()
    runs = getattr(results, "_runs", None)
    if runs is not None and len(runs) != len(results):
        runs = None
    _check_names(named, _OF_PARMAP if runs is None else (*_OF_PARMAP, *_OF_RUNS))
    types = {} if inputs is None else _types_of(inputs)
    columns: list[Column] = [(name, values, types.get(name)) for name, values in named.items()]
    fields = fields_of([MISSING if k in failures else value for k, value in enumerate(results)])
    names = unlike([*named, *_OF_PARMAP, *_OF_RUNS], fields)
    columns += [(name, values, None) for name, values in zip(names, fields.values())]
    columns += _columns_of_failures([failures.get(k) for k in range(len(results))])
    if runs is not None:
        attempts, seconds, workers = runs.columns(MISSING)
        columns[-1:] = [("_attempts", attempts, int), ("_seconds", seconds, float), ("_worker", workers, int)]
    return make(columns, None if inputs is None else _index_of(inputs))


def frame_of_failures(failures: Failures, kind: str) -> Any:
    make = _maker(kind)
    known = failures._inputs
    products = [known] if isinstance(known, Product) else [] if known is None else [each for each, _ in known.parts]
    positions = names_of(products[0]) if len(products) == 1 else ()
    named: dict[str, list[Any]] = {}
    for k, each in enumerate(failures):
        task = each.task
        if not isinstance(task, dict):
            names = positions if len(positions) == len(task) else [f"x{i}" for i in range(len(task))]
            task = dict(zip(names, task))
        for name, value in task.items():
            column = named.setdefault(name, [])
            column += [MISSING] * (k - len(column))
            column.append(value)
    for column in named.values():
        column += [MISSING] * (len(failures) - len(column))
    _check_names(named, ("_task", *_OF_PARMAP))
    columns: list[Column] = [("_task", [each.index for each in failures], None)]
    columns += [(name, values, None) for name, values in named.items()]
    return make(columns + _columns_of_failures(failures), None)


def fields_of(values: list[Any]) -> dict[str, list[Any]]:
    """The values by field, if all of them have fields; else they are one, of the name "value"."""
    records = []
    for value in values:
        record = {} if value is MISSING or value is None else record_of(value)
        if record is None:
            return {"value": values}
        records.append(record)
    names = dict.fromkeys(name for record in records for name in record)
    if not names:
        return {"value": values}
    return {name: [record.get(name, MISSING) for record in records] for name in names}


def record_of(value: Any) -> dict[str, Any] | None:
    """The fields of a dict, a dataclass or a named tuple. None if it is something else."""
    if isinstance(value, dict):
        return value if all(isinstance(name, str) for name in value) else None
    if isinstance(value, tuple):
        names = getattr(value, "_fields", None)
        return dict(zip(names, value)) if isinstance(names, tuple) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    return None


def unlike(taken: Iterable[str], names: Iterable[str]) -> list[str]:
    """The names, with "_value" behind those that are taken."""
    used = {*taken}
    found = []
    for name in names:
        while name in used:
            name += "_value"
        used.add(name)
        found.append(name)
    return found


def type_of(values: list[Any]) -> Any:
    """What kind of values these are: bool, int, float, complex, str, the type of NumPy that they have, or object. None if there
    are none."""
    kinds = set(map(type, values))
    if not kinds:
        return None
    if len(kinds) == 1:
        (kind,) = kinds
        numpy = loaded("numpy")
        if numpy is not None and issubclass(kind, numpy.generic):
            dtype = values[0].dtype
            return dtype if all(each.dtype == dtype for each in values) and dtype.kind in "biufcmM" else object
        return kind if kind in (bool, int, float, complex, str) else object
    if all(_is_number(each) for each in kinds):
        if all(_is_whole(each) for each in kinds):
            return int
        return float if all(map(_is_exact_as_float, values)) else object
    return object


def type_of_integers(values: list[Any]) -> Any:
    """The type of NumPy that has room for all of these: int64, uint64 or object."""
    import numpy

    least, most = min(map(int, values), default=0), max(map(int, values), default=0)
    return numpy.dtype("int64" if -(2**63) <= least and most < 2**63 else "uint64" if 0 <= least and most < 2**64 else object)


def _is_exact_as_float(value: Any) -> bool:
    plain = int(value) if _is_whole(type(value)) else value  # NumPy would compare integers as floats
    try:
        return bool(float(plain) == plain or plain != plain)
    except OverflowError:
        return False


def _is_whole(kind: type) -> bool:
    numpy = loaded("numpy")
    return kind is int or (numpy is not None and issubclass(kind, numpy.integer) and not issubclass(kind, numpy.timedelta64))


def _is_number(kind: type) -> bool:
    numpy = loaded("numpy")
    return _is_whole(kind) or kind is float or (numpy is not None and issubclass(kind, numpy.floating))


def is_missing(value: Any) -> bool:
    return value is MISSING or value is None


def import_for(what: str, name: str) -> Any:
    """The library. Its package on the index has the same name."""
    try:
        return __import__(name)
    except ImportError as error:
        raise ImportError(f"parmap: {what} needs {name}: pip install {name}", name=name) from error


def _columns_of_failures(failures: Iterable[Any]) -> list[Column]:
    rows = [("ok", MISSING, MISSING) if each is None else (each.kind, message_of(each), each.attempts) for each in failures]
    return [(name, [row[k] for row in rows], kind) for k, (name, kind) in enumerate(zip(_OF_PARMAP, (str, str, int)))]


def _check_names(names: Iterable[str], reserved: Iterable[str]) -> None:
    for name in reserved:
        if name in names:
            raise ValueError(f"parmap: an input has the name {name}, which is that of a column of to_frame()")


def _types_of(inputs: Inputs) -> dict[str, tuple[str, Any]]:
    """Those of a frame's columns, if all inputs are of that frame."""
    products = {id(product): product for product, _ in inputs.parts}
    return {} if len(products) > 1 else getattr(inputs.parts[0][0], "types", {})


def _index_of(inputs: Inputs) -> Any:
    """That of the pandas frame which was the grid."""
    found = []
    for product, tasks in inputs.parts:
        index = getattr(product, "index", None)
        if index is None:
            return None
        found.append(index.take(list(product.combinations(tasks))))
    return found[0].append(found[1:]) if found[1:] else found[0]


def _maker(kind: str) -> Callable[[list[Column], Any], Any]:
    if kind not in ("pandas", "polars"):
        raise UnknownName("kind", kind, ("pandas", "polars"))
    import_for("to_frame()" if kind == "pandas" else 'to_frame("polars")', kind)
    return _pandas_frame if kind == "pandas" else _polars_frame


def _pandas_frame(columns: list[Column], index: Any) -> Any:
    import pandas

    return pandas.DataFrame({name: _pandas_column(values, of, index) for name, values, of in columns}, index=index)


def _pandas_column(values: list[Any], of: Any, index: Any) -> Any:
    import numpy
    import pandas

    if isinstance(of, tuple) and of[0] == "pandas" and not any(each is MISSING for each in values):
        return pandas.Series(values, index=index, dtype=of[1])
    lack = numpy.fromiter((is_missing(each) for each in values), bool, len(values))
    present = [each for each in values if not is_missing(each)]
    kind = type_of(present) if present or isinstance(of, tuple) else of
    if kind is int:
        kind = type_of_integers(present)
        kind = object if kind.hasobject else kind
    elif kind in (bool, float, complex):
        kind = numpy.dtype(kind)
    if isinstance(kind, numpy.dtype):
        column = numpy.zeros(len(values), kind)
        column[~lack] = present
        if kind.kind in "biu" and lack.any():
            array: Any = pandas.arrays.BooleanArray if kind.kind == "b" else pandas.arrays.IntegerArray
            return pandas.Series(array(column, lack), index=index)
        if lack.any():
            column[lack] = "NaT" if kind.kind in "mM" else numpy.nan
        return pandas.Series(column, index=index)
    objects = numpy.empty(len(values), object)
    for k, value in enumerate(values):
        objects[k] = None if value is MISSING else value
    made = pandas.Series(objects, index=index, dtype=object)
    # Text and times have types of their own in pandas; what is left of mixed ones is object.
    return made if kind is object and not _are_times(present) else made.infer_objects()


def _are_times(values: list[Any]) -> bool:
    """Whether the libraries have columns for them."""
    return any(all(isinstance(each, kind) for each in values) for kind in (datetime.date, datetime.timedelta))


def _polars_frame(columns: list[Column], index: Any) -> Any:
    import polars

    return polars.DataFrame([_polars_column(name, values, of) for name, values, of in columns])


def _polars_column(name: str, values: list[Any], of: Any) -> Any:
    import polars

    numpy = loaded("numpy")
    present = [each for each in values if not is_missing(each)]
    values = [None if each is MISSING else each for each in values]
    if isinstance(of, tuple) and of[0] == "polars":
        return polars.Series(name, values, dtype=of[1])
    kind = type_of(present) if present or isinstance(of, tuple) else of
    if numpy is not None and isinstance(kind, numpy.dtype) and kind.kind in "biufmM":
        filled = numpy.zeros(len(values), kind)
        lack = numpy.fromiter((each is None for each in values), bool, len(values))
        filled[~lack] = present
        return polars.DataFrame({name: filled, "": lack}).select(polars.when(~polars.col("")).then(polars.col(name)).alias(name))[name]
    known = {None: polars.Null, bool: polars.Boolean, int: polars.Int64, float: polars.Float64, str: polars.String}
    try:
        if kind in known:
            return polars.Series(name, [each if each is None or kind is str else kind(each) for each in values], dtype=known[kind])
        if _are_times(present):
            return polars.Series(name, values)
    except (OverflowError, TypeError):
        pass  # whole numbers that are too large, or times of several types
    return polars.Series(name, values, dtype=polars.Object)
