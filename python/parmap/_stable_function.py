# SPDX-License-Identifier: MIT
"""Whether a function is still what it was: then its pickle by value is, too."""

from __future__ import annotations

import dis
import sys
import types
from typing import Any

from ._loaded import loaded

_WRITES_GLOBALS = frozenset((dis.opmap["STORE_GLOBAL"], dis.opmap["DELETE_GLOBAL"]))
_PLAIN = frozenset((int, float, complex, str, bytes, bool, type(None), type(Ellipsis)))
_NOTHING = object()
_MOST = 200  # parts; a function that refers to more is pickled each time
_LARGE = 1 << 16  # bytes; of an array whose contents are compared


def stable_parts(func: types.FunctionType) -> list[Any] | None:
    """All that a function of __main__ is made of, if each of these objects can never change: its code, and what its defaults,
    its closure and the globals that it names refer to. As long as these are the same objects, so is what it does. Arrays that
    are not large are there with their contents, and the number of imported modules, as it may use one that is imported later.
    None if something of it may change unnoticed, such as a list, or if it changes a global itself."""
    parts: list[Any] = [len(sys.modules).to_bytes(4, "little")]
    return parts if _add_function(func, parts, set()) else None


def are_same(parts: list[Any], others: list[Any]) -> bool:
    return len(parts) == len(others) and all(map(_is_same, parts, others))


def _is_same(a: Any, b: Any) -> bool:
    return a is b or (type(a) is bytes and type(b) is bytes and a == b)


def _add_function(func: types.FunctionType, parts: list[Any], seen: set[int]) -> bool:
    if id(func) in seen:
        return True
    seen.add(id(func))
    if func.__kwdefaults__ or func.__dict__ or len(parts) > _MOST:
        return False
    parts.append(func)
    parts.append(func.__code__)
    for default in func.__defaults__ or ():
        if not _add(default, parts, seen):
            return False
    for cell in func.__closure__ or ():
        try:
            if not _add(cell.cell_contents, parts, seen):
                return False
        except ValueError:  # it is empty
            parts.append(_NOTHING)
    return _add_globals(func.__code__, func.__globals__, parts, seen)


def _add_globals(code: types.CodeType, names: dict[str, Any], parts: list[Any], seen: set[int]) -> bool:
    if not _WRITES_GLOBALS.isdisjoint(code.co_code[::2]):
        return False
    for name in code.co_names:
        if not _add(names.get(name, _NOTHING), parts, seen):
            return False
    for each in code.co_consts:
        if type(each) is types.CodeType and not _add_globals(each, names, parts, seen):
            return False
    return True


def _add(it: Any, parts: list[Any], seen: set[int]) -> bool:
    kind = type(it)
    if kind in _PLAIN or it is _NOTHING:
        parts.append(it)
        return True
    if kind is types.FunctionType and it.__module__ == "__main__":
        return _add_function(it, parts, seen)
    if kind is tuple:
        parts.append(it)
        return all(_add(each, parts, seen) for each in it)
    if kind is getattr(loaded("numpy"), "ndarray", None) and it.nbytes <= _LARGE and not it.dtype.hasobject:
        parts += it, it.dtype, repr((it.shape, it.strides)).encode(), it.tobytes()
        return True
    if not _goes_by_name(it, kind):
        return False
    parts.append(it)
    return True


def _goes_by_name(it: Any, kind: type) -> bool:
    """Whether a pickle has no more of it than its name."""
    if isinstance(it, types.ModuleType):
        return it.__name__ != "__main__" and sys.modules.get(it.__name__) is it
    if kind is types.BuiltinFunctionType and not isinstance(it.__self__, (types.ModuleType, type(None))):
        return False
    if kind not in (types.FunctionType, types.BuiltinFunctionType, type):
        return False
    module = getattr(it, "__module__", None)
    found: Any = sys.modules.get(module) if isinstance(module, str) and module != "__main__" else None
    for name in it.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is it
