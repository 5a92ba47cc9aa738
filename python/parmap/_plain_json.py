# SPDX-License-Identifier: MIT
"""Values as JSON that gives back exactly the same values and types.

What JSON has not is an object with one key that begins with "__": {"__tuple__": [1, 2]}. A dataclass is an object with the key
"__class__" and its fields.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import fractions
import io
import json
import math
import os
import pathlib
import struct
import sys
from collections.abc import Callable
from typing import Any

from ._loaded import loaded


class NotPlain(Exception):
    """A value that JSON cannot give back."""


_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":"), check_circular=False).encode


def to_json(value: Any) -> str:
    """Raises NotPlain, or RecursionError of what contains itself."""
    return _encode(_tree(value))


def from_json(text: str, find_class: Callable[[str], Any]) -> Any:
    """`find_class` gives the class of a name such as "study:price". A dataclass without one becomes a dict."""
    return _value(json.loads(text), find_class)


def main_name() -> str:
    """What the module __main__ is called where it is imported: so a program finds what it has stored as a module."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name != "__main__":
        return spec.name.removesuffix(".__main__")  # type: ignore[no-any-return]
    file = getattr(main, "__file__", None)
    return os.path.splitext(os.path.basename(file))[0] if file else "__main__"


def class_name(kind: type) -> str:
    module = main_name() if kind.__module__ == "__main__" else kind.__module__
    return f"{module}:{kind.__qualname__}"


def _tree(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        if value.bit_length() > 10_000:
            raise NotPlain
        return value
    if kind is float:
        return value if math.isfinite(value) else {"__float__": struct.pack(">d", value).hex()}
    if kind is list:
        return [_tree(each) for each in value]
    if kind is tuple:
        return {"__tuple__": [_tree(each) for each in value]}
    if kind is dict:
        if all(type(key) is str and not key.startswith("__") for key in value):
            return {key: _tree(each) for key, each in value.items()}
        return {"__dict__": [[_tree(key), _tree(each)] for key, each in value.items()]}
    if kind is bytes:
        return {"__bytes__": base64.b64encode(value).decode()}
    if kind is complex:
        return {"__complex__": [_tree(value.real), _tree(value.imag)]}
    if isinstance(value, enum.Enum):
        return _of_member(value)
    if (textual := _TEXTUAL.get(kind) or _textual_of_pandas(kind)) is not None:
        name, to_text, from_text = textual
        text = to_text(value)
        if from_text(text) != value or getattr(value, "tzinfo", None) is not None or getattr(value, "fold", 0):
            raise NotPlain
        return {f"__{name}__": text}
    numpy = loaded("numpy")
    if numpy is not None and (isinstance(value, numpy.generic) or kind is numpy.ndarray):
        return _of_numpy(numpy, value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _of_dataclass(value)
    raise NotPlain


def _of_numpy(numpy: Any, value: Any) -> Any:
    if type(value) is not numpy.ndarray:
        if type(value) is not value.dtype.type or value.dtype.hasobject or value.dtype.char in "gG":  # these have unused bytes
            raise NotPlain
        if value.dtype.kind == "U":
            return {"__numpy__": ["str_", value.item()]}
        if value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
            return {"__numpy__": [value.dtype.name, _tree(value.item())]}
        return {"__scalar__": _npy(numpy, numpy.asarray(value))}
    if value.dtype.hasobject or value.nbytes > 1 << 20:  # a large one is better kept as a pickle than as text
        raise NotPlain
    return {"__npy__": _npy(numpy, value)}


def _npy(numpy: Any, array: Any) -> str:
    with io.BytesIO() as file:
        numpy.lib.format.write_array(file, array, allow_pickle=False)
        return base64.b64encode(file.getvalue()).decode()


def _of_member(value: enum.Enum) -> Any:
    kind = type(value)
    if not _is_found(kind) or kind.__members__.get(value.name) is not value:
        raise NotPlain
    return {"__enum__": [class_name(kind), value.name]}


def _textual_of_pandas(kind: type) -> Any:
    pandas = loaded("pandas")
    if pandas is None or kind is not pandas.Timestamp:
        return None
    return "Timestamp", kind.isoformat, kind


def _of_dataclass(value: Any) -> Any:
    kind = type(value)
    names = [each.name for each in dataclasses.fields(kind)]
    if not _is_found(kind) or (hasattr(value, "__dict__") and set(vars(value)) - set(names)):
        raise NotPlain
    made = {"__class__": class_name(kind)}
    for name in names:
        if name.startswith("__") or not hasattr(value, name):
            raise NotPlain
        made[name] = _tree(getattr(value, name))
    return made


_found: dict[type, bool] = {}


def _is_found(kind: type) -> bool:
    """Whether its name leads to the class, and an object of it is no more than its fields."""
    if kind not in _found:
        found: Any = sys.modules.get(kind.__module__)
        for part in kind.__qualname__.split("."):
            found = getattr(found, part, None)
        builtin = (dict, list, tuple, str, int, float, bytes, set, frozenset, BaseException)
        _found[kind] = found is kind and (issubclass(kind, enum.Enum) or not issubclass(kind, builtin))
    return _found[kind]


_TEXTUAL: dict[type, tuple[str, Callable[[Any], str], Callable[[str], Any]]] = {
    decimal.Decimal: ("Decimal", str, decimal.Decimal),
    fractions.Fraction: ("Fraction", str, fractions.Fraction),
    datetime.date: ("date", datetime.date.isoformat, datetime.date.fromisoformat),
    datetime.datetime: ("datetime", datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    datetime.timedelta: (
        "timedelta", lambda it: f"{it.days} {it.seconds} {it.microseconds}", lambda text: datetime.timedelta(*map(int, text.split())),
    ),  # fmt: skip
    pathlib.PosixPath: ("Path", str, pathlib.PosixPath),
}
_FROM_TEXT = {f"__{name}__": from_text for name, _, from_text in _TEXTUAL.values()}


def _value(it: Any, find_class: Callable[[str], Any]) -> Any:
    if type(it) is list:
        return [_value(each, find_class) for each in it]
    if type(it) is not dict:
        return it
    if len(it) == 1:
        ((key, inner),) = it.items()
        if key.startswith("__") and key != "__class__":
            return _tagged(key, inner, find_class)
    if "__class__" in it:
        return _object(it, find_class)
    return {key: _value(each, find_class) for key, each in it.items()}


def _tagged(key: str, it: Any, find_class: Callable[[str], Any]) -> Any:
    if key == "__float__":
        return struct.unpack(">d", bytes.fromhex(it))[0]
    if key == "__tuple__":
        return tuple(_value(each, find_class) for each in it)
    if key == "__dict__":
        return {_value(name, find_class): _value(each, find_class) for name, each in it}
    if key == "__bytes__":
        return base64.b64decode(it)
    if key == "__complex__":
        return complex(*(_value(each, find_class) for each in it))
    if key == "__numpy__":
        import numpy

        return numpy.dtype(it[0]).type(_value(it[1], find_class))
    if key == "__npy__":
        import numpy

        with io.BytesIO(base64.b64decode(it)) as file:
            return numpy.load(file, allow_pickle=False)
    if key == "__scalar__":
        return _tagged("__npy__", it, find_class)[()]
    if key == "__enum__":
        kind = find_class(it[0])
        return kind[it[1]] if isinstance(kind, enum.EnumMeta) and it[1] in kind.__members__ else it[1]
    if key == "__Timestamp__":
        import pandas

        return pandas.Timestamp(it)
    if key in _FROM_TEXT:
        return _FROM_TEXT[key](it)
    raise ValueError(f"{key} is not known to this version of parmap")


def _object(it: dict[str, Any], find_class: Callable[[str], Any]) -> Any:
    fields = {key: _value(each, find_class) for key, each in it.items() if key != "__class__"}
    kind = find_class(it["__class__"])
    if kind is None or not dataclasses.is_dataclass(kind) or {each.name for each in dataclasses.fields(kind)} != set(fields):
        return {"__class__": it["__class__"], **fields}
    made: Any = object.__new__(kind)  # type: ignore[arg-type]
    for name, each in fields.items():
        object.__setattr__(made, name, each)
    return made
