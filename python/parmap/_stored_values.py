# SPDX-License-Identifier: MIT
"""Values as a checkpoint keeps them: a number of a format and what SQLite stores; and back, bit for bit and type for type.

docs/internals/checkpoint-format.md is the list of formats.
"""

from __future__ import annotations

import dataclasses
import io
import pickle
import struct
import sys
from collections.abc import Callable
from typing import Any

from . import _errors
from ._loaded import loaded
from ._plain_json import NoClass, NotPlain, class_name, from_json, is_record, to_json

NOTHING, INTEGER, REAL, BOOLEAN, TEXT, OTHER_TEXT, NATURAL, ARRAY, ENCODED, PICKLE, JSON, DATACLASS, NONE, BYTES = range(14)
FIRST_OF_NUMPY = 32
NUMPY_SCALARS = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
)  # fmt: skip

#: A value in a file: its format, and what SQLite stores.
Cell = tuple[int, Any]

_REAL = struct.Struct("<d")
_NATURAL = struct.Struct("<Q")
_LEAST, _END = -(2**63), 2**63
_MOST_BITS = 10_000  # of an integer as JSON: Python limits how many digits are read


class Unreadable(Exception):
    """A stored value that cannot be given back here; the text says why."""


def stored(value: Any) -> Cell:
    """Returns the value's cell. Raises what pickle raises if it has no other form."""
    cell = plain(value)
    return (PICKLE, _errors.pickled(value)) if cell is None else cell


def plain(value: Any) -> Cell | None:
    """The cell of a value that needs no pickle, which is the same in each run; None if it needs one."""
    make = _PLAIN.get(type(value))
    if make is not None:
        return make(value)
    numpy = loaded("numpy")
    if numpy is not None:
        if isinstance(value, numpy.generic) and (cell := _of_scalar(value)) is not None:
            return cell
        if type(value) is numpy.ndarray:
            return _of_array(numpy, value)
    return _of_tree(value)


def _of_integer(value: int) -> Cell | None:
    if _LEAST <= value < _END:
        return INTEGER, value
    if 0 <= value < 2**64:
        return NATURAL, _NATURAL.pack(value)
    return (JSON, str(value)) if value.bit_length() <= _MOST_BITS else None


def _of_text(value: str) -> Cell:
    if "\0" not in value:
        try:
            value.encode()
            return TEXT, value
        except UnicodeEncodeError:
            pass
    return OTHER_TEXT, value.encode("utf-8", "surrogatepass")


def _of_float(value: float) -> Cell:
    return REAL, value if value == value else _REAL.pack(value)  # SQLite has no NaN


def _of_scalar(value: Any) -> Cell | None:
    try:
        at = NUMPY_SCALARS.index(value.dtype.name)
    except ValueError:
        return None  # a complex, a longdouble, a date
    if type(value) is not value.dtype.type:
        return None
    number = value.item()
    if isinstance(number, float):
        return FIRST_OF_NUMPY + at, number if number == number else _REAL.pack(number)
    made = _of_integer(int(number))
    return None if made is None else (FIRST_OF_NUMPY + at, made[1])


def _of_array(numpy: Any, value: Any) -> Cell | None:
    if value.dtype.hasobject or is_record(numpy, value.dtype):
        return None
    try:
        if numpy.lib.format.descr_to_dtype(numpy.lib.format.dtype_to_descr(value.dtype)) != value.dtype:
            return None
        with io.BytesIO() as file:
            numpy.lib.format.write_array(file, value, allow_pickle=False)
            return ARRAY, file.getvalue()
    except (TypeError, ValueError):
        return None


def _of_tree(value: Any) -> Cell | None:
    """A dict, a list, a dataclass or the like, if all that is in it is plain."""
    try:
        text = to_json(value)
    except (NotPlain, RecursionError):
        return None
    return (DATACLASS if dataclasses.is_dataclass(value) else JSON), text


_PLAIN: dict[type, Callable[[Any], Cell | None]] = {
    float: _of_float,
    int: _of_integer,
    bool: lambda value: (BOOLEAN, int(value)),
    str: _of_text,
    bytes: lambda value: (BYTES, value),
    type(None): lambda value: (NONE, None),
}


# ---- back


def value_of(cell: Cell, find_class: Callable[[str], Any], allow_pickle: bool, lenient: bool = True) -> Any:
    """The value again. `find_class` gives the class of a name such as "study:price", or None; `lenient`: see from_json. Raises
    Unreadable."""
    format, it = cell
    try:
        if format == REAL:
            return it if type(it) is float else _real_of(it)
        if format in (INTEGER, TEXT, BYTES):
            return bytes(it) if format == BYTES else it
        if format in (NOTHING, NONE):
            return None
        if format == BOOLEAN:
            return bool(it)
        if format == OTHER_TEXT:
            return _text_of(bytes(it))
        if format == NATURAL:
            return _NATURAL.unpack(it)[0]
        if format == ARRAY:
            return _array_of(it)
        if format == ENCODED:
            return bytes(it)
        if format in (JSON, DATACLASS):
            return from_json(it, find_class, lenient)
        if format == PICKLE:
            if not allow_pickle:
                raise Unreadable("it is a pickle, and to unpickle the file of a stranger may run any code: pass allow_pickle=True")
            return pickle.loads(it)
        if FIRST_OF_NUMPY <= format < FIRST_OF_NUMPY + len(NUMPY_SCALARS):
            return _scalar_of(NUMPY_SCALARS[format - FIRST_OF_NUMPY], it)
    except Unreadable:
        raise
    except NoClass as error:
        raise Unreadable(str(error)) from None
    except Exception as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from error
    raise Unreadable(f"its format is {format}, which this version of parmap does not know")


def _real_of(it: Any) -> float:
    return float(it) if isinstance(it, int) else _REAL.unpack(it)[0]  # type: ignore[no-any-return]


def _text_of(data: bytes) -> str:
    for errors in ("strict", "surrogatepass"):
        try:
            return data.decode("utf-8", errors)
        except UnicodeDecodeError:
            pass
    return data.decode("utf-8", "surrogateescape")  # of C++


def _array_of(data: bytes) -> Any:
    import numpy

    with io.BytesIO(data) as file:
        return numpy.load(file, allow_pickle=False)


def _scalar_of(name: str, it: Any) -> Any:
    import numpy

    if name.startswith("float"):
        number: Any = it if isinstance(it, float) else _real_of(it)
    else:
        number = _NATURAL.unpack(it)[0] if isinstance(it, bytes) else it
    return numpy.dtype(name).type(number)


# ---- elements and fixed arguments

def without_numpy(cell: Cell) -> Cell:
    """Of a scalar of NumPy the number that it holds, as C++ would store it."""
    format, it = cell
    if format < FIRST_OF_NUMPY:
        return cell
    if format == FIRST_OF_NUMPY:
        return BOOLEAN, it
    if NUMPY_SCALARS[format - FIRST_OF_NUMPY].startswith("float"):
        return REAL, it
    return (NATURAL if isinstance(it, bytes) else INTEGER), it



def key_of(cell: Cell) -> tuple[int, Any]:
    """Equal keys are equal cells, bit for bit: 0.0 is not -0.0, and a NaN is itself."""
    format, it = cell
    return (format, _REAL.pack(it)) if type(it) is float else cell


def in_words(cell: Cell | None) -> str:
    """For messages: short."""
    if cell is None:
        return "none"
    try:
        value = value_of(cell, lambda name: None, allow_pickle=False)
    except Unreadable:
        return f"a value of format {cell[0]}"
    text = str(value) if type(value) is str else repr(value)
    return text if len(text) <= 200 else text[:97] + "..."


def class_of_modules(name: str, also: Any = None) -> Any:
    """The class of a name such as "study:price", if its module is imported already, or is that of `also`, a function."""
    module, _, qualified = name.partition(":")
    for each in (sys.modules.get(module), sys.modules.get("__main__"), sys.modules.get(getattr(also, "__module__", None) or "")):
        found = each
        for part in qualified.split("."):
            found = getattr(found, part, None)
        if isinstance(found, type) and class_name(found) == name:
            return found
    return None


def imported_class(name: str, also: Any = None) -> Any:
    """The same; imports the module."""
    if (found := class_of_modules(name, also)) is not None:
        return found
    import importlib

    try:
        importlib.import_module(name.partition(":")[0])
    except ImportError:
        return None
    return class_of_modules(name, also)
