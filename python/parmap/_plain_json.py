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
import re
import struct
import sys
from collections.abc import Callable, Iterator
from typing import Any

from ._loaded import loaded


class NotPlain(Exception):
    """A value that JSON cannot give back."""


_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":"), check_circular=False).encode


def to_json(value: Any) -> str:
    """Raises NotPlain, or RecursionError of what contains itself."""
    return _encode(_tree(value))


class NoClass(Exception):
    """The class of a stored value is not there any more, or has other fields; the text says which."""


def from_json(text: str, find_class: Callable[[str], Any], lenient: bool) -> Any:
    """`find_class` gives the class of a name such as "study:price", or None. An object without its class is a dict, and a member of an
    enumeration its name, if the call is lenient; else that raises NoClass."""
    return _value(json.loads(text), _Classes(find_class, lenient))


class _Classes:
    def __init__(self, find: Callable[[str], Any], lenient: bool) -> None:
        self._find, self._lenient = find, lenient

    def __call__(self, name: str, fits: Callable[[Any], bool]) -> Any:
        """The class, if it fits; else None."""
        found = self._find(name)
        if found is not None and fits(found):
            return found
        if self._lenient:
            return None
        module, _, qualified = name.partition(":")
        what = "is not there any more" if found is None else "has other fields or members now"
        raise NoClass(f"it is of the class {qualified} of the module {module}, which {what}")


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
    if kind is str:
        if _PAIR.search(value):
            raise NotPlain
        return value
    if kind is bool or value is None:
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
            return {_tree(key): _tree(each) for key, each in value.items()}
        return {"__dict__": [[_tree(key), _tree(each)] for key, each in value.items()]}
    if kind is bytes:
        return {"__bytes__": base64.b64encode(value).decode()}
    if kind is complex:
        return {"__complex__": [_tree(value.real), _tree(value.imag)]}
    if isinstance(value, enum.Enum):
        return _of_member(value)
    if (textual := _TEXTUAL.get(kind) or _textual_of_pandas(kind)) is not None:
        name, to_text, from_text = textual
        if getattr(value, "tzinfo", None) is not None or getattr(value, "fold", False):
            raise NotPlain
        try:
            text = to_text(value)
            again = from_text(text)
            is_same = again == value and getattr(again, "unit", None) == getattr(value, "unit", None)  # of pandas' times
        except (ArithmeticError, ValueError):  # a signalling NaN; a fraction of more digits than Python reads
            is_same = False
        if not is_same or _PAIR.search(text):
            raise NotPlain
        return {f"__{name}__": text}
    numpy = loaded("numpy")
    if numpy is not None and (isinstance(value, numpy.generic) or kind is numpy.ndarray):
        return _of_numpy(numpy, value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _of_dataclass(value)
    raise NotPlain


def is_record(numpy: Any, dtype: Any) -> bool:
    """Whether its elements have attributes, of which NumPy's format .npy knows nothing."""
    return dtype.kind == "V" and dtype.type is not numpy.void


def _of_numpy(numpy: Any, value: Any) -> Any:
    if is_record(numpy, value.dtype):
        raise NotPlain
    if type(value) is not numpy.ndarray:
        if type(value) is not value.dtype.type or value.dtype.hasobject or value.dtype.char in "gG":  # these have unused bytes
            raise NotPlain
        if value.dtype.kind in "US":  # their arrays lose zeros at the end
            plain = "".join(value) if value.dtype.kind == "U" else bytes(value)  # str() loses them, too
            return {"__numpy__": [type(value).__name__, _tree(plain)]}
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
    if not _is_found(kind) or set(state_of(value)) - set(names):
        raise NotPlain
    made = {"__class__": class_name(kind)}
    for name in names:
        if name.startswith("__") or not hasattr(value, name):
            raise NotPlain
        made[name] = _tree(getattr(value, name))
    return made


def state_of(value: Any) -> Iterator[str]:
    """The names of what the object holds, in its __dict__ and in slots."""
    yield from getattr(value, "__dict__", ())
    for each in type(value).__mro__:
        slots = each.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name.startswith("__") and not name.endswith("__"):
                yield f"_{each.__name__.lstrip('_')}{name}"
            elif name not in ("__dict__", "__weakref__"):
                yield name


_found: dict[type, bool] = {}


def _is_found(kind: type) -> bool:
    """Whether its name leads to the class, and an object of it is no more than its fields."""
    if kind not in _found:
        found: Any = sys.modules.get(kind.__module__)
        for part in kind.__qualname__.split("."):
            found = getattr(found, part, None)
        # What is built on a type in C, or says itself how it is copied, has more.
        is_simple = all(getattr(kind, name) is getattr(object, name) for name in ("__reduce__", "__reduce_ex__")) and is_of_python(kind)
        _found[kind] = found is kind and (issubclass(kind, enum.Enum) or is_simple)
    return _found[kind]


def is_of_python(kind: type) -> bool:
    """Whether all that its objects hold has a name: it is built on no type in C."""
    made_by_class = 1 << 9  # Py_TPFLAGS_HEAPTYPE
    return all(each.__flags__ & made_by_class for each in kind.__mro__[:-1])


#: Two surrogates that JSON would take for one character.
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")

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


def _value(it: Any, classes: _Classes) -> Any:
    if type(it) is list:
        return [_value(each, classes) for each in it]
    if type(it) is not dict:
        return it
    if len(it) == 1:
        ((key, inner),) = it.items()
        if key.startswith("__") and key != "__class__":
            return _tagged(key, inner, classes)
    if "__class__" in it:
        return _object(it, classes)
    return {key: _value(each, classes) for key, each in it.items()}


def _tagged(key: str, it: Any, classes: _Classes) -> Any:
    if key == "__float__":
        return struct.unpack(">d", bytes.fromhex(it))[0]
    if key == "__tuple__":
        return tuple(_value(each, classes) for each in it)
    if key == "__dict__":
        return {_value(name, classes): _value(each, classes) for name, each in it}
    if key == "__bytes__":
        return base64.b64decode(it)
    if key == "__complex__":
        return complex(*(_value(each, classes) for each in it))
    if key == "__numpy__":
        import numpy

        return numpy.dtype(it[0]).type(_value(it[1], classes))
    if key == "__npy__":
        import numpy

        with io.BytesIO(base64.b64decode(it)) as file:
            return numpy.load(file, allow_pickle=False)
    if key == "__scalar__":
        return _tagged("__npy__", it, classes)[()]
    if key == "__enum__":
        kind = classes(it[0], lambda found: isinstance(found, enum.EnumMeta) and it[1] in found.__members__)
        return it[1] if kind is None else kind[it[1]]
    if key == "__Timestamp__":
        import pandas

        return pandas.Timestamp(it)
    if key in _FROM_TEXT:
        return _FROM_TEXT[key](it)
    raise ValueError(f"{key} is not known to this version of parmap")


def _object(it: dict[str, Any], classes: _Classes) -> Any:
    fields = {key: _value(each, classes) for key, each in it.items() if key != "__class__"}
    kind = classes(it["__class__"], lambda found: dataclasses.is_dataclass(found) and {each.name for each in dataclasses.fields(found)} == set(fields))
    if kind is None:
        return {"__class__": it["__class__"], **fields}
    made: Any = object.__new__(kind)
    for name, each in fields.items():
        object.__setattr__(made, name, each)
    return made
