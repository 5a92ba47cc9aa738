# SPDX-License-Identifier: MIT
"""What identifies a function in a checkpoint: its name, what it has captured, and a digest of its code."""

from __future__ import annotations

import dis
import functools
import hashlib
import inspect
import sys
import sysconfig
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ._plain_json import main_name
from ._stored_values import Cell, TEXT, key_of, plain

_LARGE = 4096  # bytes of a fixed value; of a larger one only the checksum is kept


@dataclass
class FunctionIdentity:
    name: str  #: the module and the qualified name
    fields: list[tuple[str, Cell]] = field(default_factory=list)  #: what must stay the same, by name
    digest: str = ""  #: of the code; empty if there is none to be seen
    source: str = ""
    uncovered: list[str] = field(default_factory=list)  #: what cannot be compared


def identity_of(func: Callable[..., Any], fargs: dict[str, Any]) -> FunctionIdentity:
    found = FunctionIdentity("")
    while isinstance(func, functools.partial):
        for k, value in enumerate(func.args, 1):
            _add(found, f"partial argument {k}", value)
        for name, value in func.keywords.items():
            _add(found, f"partial argument {name}", value)
        func = func.func
    for name in sorted(fargs):
        _add(found, f"fixed {name}", fargs[name])
    owner = None
    if isinstance(func, types.MethodType):
        owner = func.__self__ if isinstance(func.__self__, type) else type(func.__self__)
        _add_object(found, "self", func.__self__)
        func = func.__func__
    digest = _Digest(found)
    inner = func
    called = getattr(type(func), "__call__", None)
    if not isinstance(func, (types.FunctionType, type)) and isinstance(called, types.FunctionType):
        _add_object(found, "the object that is called", func)
        inner, owner = called, type(func)
        found.name = _name(type(func))
    else:
        found.name = _name(func)
        for _ in range(16):  # such as functools.lru_cache; numba has py_func
            wrapped = getattr(inner, "__wrapped__", None) or getattr(inner, "py_func", None)
            if isinstance(inner, types.FunctionType) or wrapped is None:
                break
            inner = wrapped
    if isinstance(inner, types.FunctionType):
        for name, cell in zip(inner.__code__.co_freevars, inner.__closure__ or ()):
            _capture(found, digest, name, cell)
        digest.add_function(inner)
        if owner is not None:
            digest.add_class(owner)
        found.digest = digest.text()
        found.source = _source(inner)
    else:
        found.uncovered.append(f"the code of {found.name}")
    return found


def _name(it: Any) -> str:
    module = getattr(it, "__module__", None)
    qualified = getattr(it, "__qualname__", None) or getattr(it, "__name__", None) or type(it).__qualname__
    if module is None:  # a method of a C type
        module = getattr(getattr(it, "__objclass__", type(it)), "__module__", "builtins")
    return f"{main_name() if module == '__main__' else module}.{qualified}"


def _capture(found: FunctionIdentity, digest: _Digest, name: str, cell: Any) -> None:
    try:
        value = cell.cell_contents
    except ValueError:
        return  # not set yet
    if isinstance(value, types.FunctionType):
        digest.add_function(value)
    elif not isinstance(value, (types.ModuleType, type)):
        _add(found, f"captured {name}", value)


def _add_object(found: FunctionIdentity, name: str, it: Any) -> None:
    """Of an object without a plain form its attributes."""
    attributes = getattr(it, "__dict__", None)
    if fixed_cell(it) is not None or isinstance(it, type) or not isinstance(attributes, dict):
        return _add(found, name, it)
    for each, value in sorted(attributes.items()):
        _add(found, f"attribute {each}", value)


def _add(found: FunctionIdentity, name: str, value: Any) -> None:
    cell = fixed_cell(value)
    if cell is None:
        found.uncovered.append(f"{name}, of type {type(value).__qualname__}")
    else:
        found.fields.append((name, cell))


def fixed_cell(value: Any) -> Cell | None:
    """How a fixed value stands in the file; None if it has no plain form."""
    cell = plain(value)
    if cell is None and isinstance(value, (types.FunctionType, types.BuiltinFunctionType, type)):
        return TEXT, _name(value)
    if cell is None or not isinstance(cell[1], (str, bytes)) or len(cell[1]) <= _LARGE:
        return cell
    data = cell[1].encode("utf-8", "surrogatepass") if isinstance(cell[1], str) else cell[1]
    checksum = hashlib.blake2b(data, digest_size=16).hexdigest()
    what = f"array of shape {value.shape}" if hasattr(value, "shape") else type(value).__qualname__
    return TEXT, f"{what} with the checksum {checksum}"


def _source(func: types.FunctionType) -> str:
    try:
        return inspect.getsource(func)
    except (OSError, TypeError, SyntaxError, IndentationError):
        return ""


class _Digest:
    """Of the code of functions: constants, names and defaults, also of the functions and classes of the same module that they use, and of
    plain globals that they read; not of lines and file names. Bytecode differs between versions of Python, so it begins with
    that."""

    def __init__(self, found: FunctionIdentity) -> None:
        self._found = found
        self._hash = hashlib.blake2b(digest_size=16)
        self._seen: set[int] = set()

    def text(self) -> str:
        return f"{sys.implementation.cache_tag}:{self._hash.hexdigest()}"

    def add_function(self, func: types.FunctionType) -> None:
        if id(func.__code__) in self._seen:
            return
        self._seen.add(id(func.__code__))
        self._put("function")
        self._code(func.__code__, func.__doc__)
        for name, value in [*enumerate(func.__defaults__ or ()), *sorted((func.__kwdefaults__ or {}).items())]:
            self._value(f"default {name} of {func.__qualname__}", value)
        self._globals(func)
        if (inner := getattr(func, "__wrapped__", None)) is not None and isinstance(inner, types.FunctionType):
            self.add_function(inner)
        for cell in func.__closure__ or ():
            try:
                if isinstance(cell.cell_contents, types.FunctionType):
                    self.add_function(cell.cell_contents)
            except ValueError:
                pass

    def _globals(self, func: types.FunctionType) -> None:
        names, written = _global_names(func.__code__)
        for name in sorted(names):
            if name not in func.__globals__ or name in written:
                continue
            value = func.__globals__[name]
            if isinstance(value, type) and value.__module__ == func.__module__:
                self.add_class(value)
            if isinstance(value, (types.ModuleType, type)):
                continue
            if isinstance(value, types.FunctionType):
                if value.__module__ == func.__module__:
                    self._put(name)
                    self.add_function(value)
                elif not _is_installed(value.__module__):
                    self._miss(f"the code of {_name(value)}")
            elif isinstance(value, (types.BuiltinFunctionType, types.MethodType)) or _is_installed(type(value).__module__) and callable(value):
                continue
            else:
                self._value(f"the global {name}", value)

    def add_class(self, kind: type) -> None:
        """The methods of a class, and of those of the same module that it is made of."""
        for each in kind.__mro__:
            if each.__module__ != kind.__module__ or id(each) in self._seen:
                continue
            self._seen.add(id(each))
            for name, it in sorted(vars(each).items()):
                it = getattr(it, "__func__", getattr(it, "fget", it))  # of a class method, a property
                if isinstance(it, types.FunctionType):
                    self._put(name)
                    self.add_function(it)

    def _value(self, name: str, value: Any) -> None:
        cell = plain(value)
        if isinstance(value, types.FunctionType):
            return self.add_function(value)
        if cell is None:
            return self._miss(f"{name}, of type {type(value).__qualname__}")
        self._put(name)
        format, it = key_of(cell)
        self._put(f"{format} {it!r}" if not isinstance(it, (str, bytes)) else f"{format} {len(it)}")
        if isinstance(it, (str, bytes)):  # may be large
            self._hash.update(it.encode("utf-8", "surrogatepass") if isinstance(it, str) else it)

    def _miss(self, what: str) -> None:
        if what not in self._found.uncovered:
            self._found.uncovered.append(what)

    def _code(self, code: types.CodeType, doc: str | None = None) -> None:
        for each in (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags, code.co_names, code.co_varnames,
                     code.co_freevars, code.co_cellvars):  # fmt: skip
            self._put(repr(each))
        self._hash.update(code.co_code)
        self._hash.update(getattr(code, "co_exceptiontable", b""))
        for k, each in enumerate(code.co_consts):
            self._constant(None if k == 0 and doc is not None and each == doc else each)

    def _constant(self, it: Any) -> None:
        if isinstance(it, types.CodeType):
            self._code(it)
        elif isinstance(it, (tuple, frozenset)):
            self._put(type(it).__name__)
            for each in sorted(it, key=repr) if isinstance(it, frozenset) else it:  # a set has another order in each process
                self._constant(each)
        else:
            self._put(f"{type(it).__name__} {it!r}")

    def _put(self, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        self._hash.update(len(data).to_bytes(8, "little"))
        self._hash.update(data)


def _global_names(code: types.CodeType) -> tuple[set[str], set[str]]:
    """Those that a function reads, and those that it writes; also its inner functions."""
    read, written = set(), set()
    for each in dis.get_instructions(code):
        if each.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            read.add(each.argval)
        elif each.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            written.add(each.argval)
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            inner = _global_names(each)
            read |= inner[0]
            written |= inner[1]
    return read, written


_PLACES = tuple(path for name, path in sysconfig.get_paths().items() if name in ("stdlib", "platstdlib", "purelib", "platlib"))


def _is_installed(module: str | None) -> bool:
    """Whether it is a part of Python or of an installed package, whose versions are the user's matter."""
    found = sys.modules.get(module or "")
    file = getattr(found, "__file__", None)
    return module == "builtins" or (found is not None and (file is None and module != "__main__" or file is not None and file.startswith(_PLACES)))
