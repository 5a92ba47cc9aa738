# SPDX-License-Identifier: MIT
"""What identifies a function in a checkpoint: its name, what it has captured, and a digest of its code."""

from __future__ import annotations

import dis
import enum
import functools
import hashlib
import importlib.util
import inspect
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ._plain_json import is_of_python, main_name, state_of
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
    fields = _Fields(found := FunctionIdentity(""))
    func = fields.add_partial("partial argument ", func)
    for name in sorted(fargs):
        fields.add(f"fixed {name}", fargs[name])
    owner = None
    if isinstance(func, types.MethodType):
        owner = func.__self__ if isinstance(func.__self__, type) else type(func.__self__)
        fields.add_object("self", func.__self__)
        func = func.__func__
    inner: Any
    if _is_called_in_python(func) and not isinstance(func, type):
        fields.add_object("the object that is called", func)
        inner, owner = type(func).__call__, type(func)
        found.name = _name(owner)
    else:
        found.name = _name(func)
        inner = function_behind(func)
        if isinstance(func, type) and not _is_installed(func.__module__):
            inner = owner = func
        elif inner is None and not isinstance(itself := getattr(func, "__self__", None), (types.ModuleType, type, type(None))):
            fields.add("self", itself)  # of a method in C
    if inner is None:
        found.uncovered.append(f"the code of {found.name}")
        return found
    if isinstance(inner, types.FunctionType):
        fields.add_captured("captured ", inner)
        fields.digest.add_function(inner, captured=False)
    if owner is not None:
        fields.digest.add_used(owner)
    found.digest = fields.digest.text()
    found.source = _source(inner)
    return found


def function_behind(it: Any) -> types.FunctionType | None:
    """The function itself, or that of what stands for one and holds nothing else: functools.lru_cache, numba, a property."""
    for _ in range(16):
        if isinstance(it, types.FunctionType):
            return it
        if isinstance(it, (classmethod, staticmethod, property, functools.cached_property)):
            names: tuple[str, ...] = ("__func__", "fget", "func")
        elif callable(it) and not isinstance(it, (type, types.MethodType)) and not _is_called_in_python(it):
            names = ("__wrapped__", "py_func")
        else:
            return None
        it = next((inner for name in names if (inner := getattr(it, name, None)) is not None), None)
    return None


def _is_called_in_python(it: Any) -> bool:
    """Whether it is an object of a class that has __call__ by def."""
    return isinstance(getattr(type(it), "__call__", None), types.FunctionType)


def _name(it: Any) -> str:
    module = getattr(it, "__module__", None)
    qualified = getattr(it, "__qualname__", None) or getattr(it, "__name__", None) or type(it).__qualname__
    if module is None:  # a method of a C type
        module = getattr(getattr(it, "__objclass__", type(it)), "__module__", "builtins")
    return f"{main_name() if module == '__main__' else module}.{qualified}"


class _Fields:
    """What must stay the same: the values that belong to a function. The code of functions among them goes into the digest."""

    def __init__(self, found: FunctionIdentity) -> None:
        self._found = found
        self.digest = _Digest(found)
        self._within: set[int] = set()  # functions and objects, which may refer to themselves

    def add(self, name: str, value: Any) -> None:
        if isinstance(value, functools.partial):
            return self.add(name, self.add_partial(f"{name}.", value))
        if isinstance(value, types.MethodType):
            self.add_object(f"{name}.self", value.__self__)
            value = value.__func__
        cell = fixed_cell(value)
        if cell is None:
            self._found.uncovered.append(f"{name}, of type {type(value).__qualname__}")
            return
        self._found.fields.append((name, cell))
        if (function := function_behind(value)) is not None:
            self.digest.add_used(function, captured=False)
            self.add_captured(f"{name}.", function)
        elif isinstance(value, type):
            self.digest.add_used(value)

    def add_partial(self, prefix: str, func: Any) -> Any:
        """The arguments of a functools.partial, also of one that it is made of. Returns the function."""
        arguments: tuple[Any, ...] = ()
        keywords: dict[str, Any] = {}
        while isinstance(func, functools.partial):
            arguments = (*func.args, *arguments)
            keywords = {**func.keywords, **keywords}
            func = func.func
        for name, value in [*enumerate(arguments, 1), *sorted(keywords.items())]:
            self.add(f"{prefix}{name}", value)
        return func

    def add_object(self, name: str, it: Any) -> None:
        """Of an object without a plain form its attributes."""
        if plain(it) is not None or isinstance(it, type):
            return self.add(name, it)
        if id(it) in self._within:
            return
        self._within.add(id(it))
        if not is_of_python(type(it)):
            self._found.uncovered.append(f"{name}, of type {type(it).__qualname__}")
        prefix = f"{name}." if name.endswith(".self") else "attribute "
        for each in sorted(set(state_of(it))):
            if hasattr(it, each):
                self.add(f"{prefix}{each}", getattr(it, each))

    def add_captured(self, prefix: str, func: types.FunctionType) -> None:
        if id(func) in self._within:
            return
        self._within.add(id(func))
        for name, value in captured_values(func):
            self.add(f"{prefix}{name}", value)


def captured_values(func: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(func.__code__.co_freevars, func.__closure__ or ()):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not set yet
            pass


def fixed_cell(value: Any) -> Cell | None:
    """How a fixed value stands in the file; None if it has no plain form."""
    cell = plain(value)
    if cell is None and (isinstance(value, (types.BuiltinFunctionType, types.ModuleType, type)) or function_behind(value) is not None):
        return TEXT, value.__name__ if isinstance(value, types.ModuleType) else _name(value)
    if cell is None or not isinstance(cell[1], (str, bytes)) or len(cell[1]) <= _LARGE:
        return cell
    data = cell[1].encode("utf-8", "surrogatepass") if isinstance(cell[1], str) else cell[1]
    checksum = hashlib.blake2b(data, digest_size=16).hexdigest()
    what = f"array of shape {value.shape}" if hasattr(value, "shape") else type(value).__qualname__
    return TEXT, f"{what} with the checksum {checksum}"


def _source(func: Any) -> str:
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

    def add_used(self, it: Any, captured: bool = True) -> None:
        """A function or class that is used, unless it is a part of Python or of an installed package."""
        if _is_installed(it.__module__):
            return
        if isinstance(it, type):
            self.add_class(it)
        else:
            self.add_function(it, captured)

    def add_function(self, func: types.FunctionType, captured: bool = True) -> None:
        """`captured`: with the values that it has captured."""
        if id(func) in self._seen:
            return
        self._seen.add(id(func))
        self._put("function")
        self._code(func.__code__, func.__doc__)
        for name, value in [*enumerate(func.__defaults__ or ()), *sorted((func.__kwdefaults__ or {}).items())]:
            self._value(f"default {name} of {func.__qualname__}", value)
        self._globals(func)
        if (inner := getattr(func, "__wrapped__", None)) is not None and isinstance(inner, types.FunctionType):
            self.add_function(inner, captured)
        is_of_library = _is_a_place(func.__code__.co_filename)  # a wrapper, such as dataclass makes for __repr__
        for name, value in captured_values(func) if captured else ():
            if not is_of_library or plain(value) is not None or function_behind(value) is not None:  # what else it holds is its own
                self._value(f"{name}, captured by {func.__qualname__}", value)

    def _globals(self, func: types.FunctionType) -> None:
        if _is_installed(func.__module__):
            return
        names = _Names(func.__code__)
        for name in sorted(names.read - names.written):
            if name in func.__globals__:
                self._global(name, func.__globals__[name], func.__module__)
        for module in sorted(names.imported):
            if not _is_installed(module):
                self._miss(f"the code of the module {module}")

    def _global(self, name: str, value: Any, module: str) -> None:
        function = value if isinstance(value, type) else function_behind(value)
        if function is not None:
            if function.__module__ == module:
                self._put(name)
                self.add_used(function)
            elif not _is_installed(function.__module__):
                self._miss(f"the code of {_name(function)}")
        elif isinstance(value, types.ModuleType):
            if not _is_installed(value.__name__):
                self._miss(f"the code of the module {value.__name__}")
        else:
            self._value(f"the global {name}", value)

    def add_class(self, kind: type) -> None:
        """The methods and constants of a class, and of those of the same module that it is made of."""
        for each in kind.__mro__:
            if each.__module__ != kind.__module__:
                if not _is_installed(each.__module__):
                    self._miss(f"the code of {_name(each)}")
                continue
            if id(each) in self._seen:
                continue
            self._seen.add(id(each))
            for name, member in getattr(each, "__members__", {}).items() if issubclass(each, enum.Enum) else ():
                self._put(name)
                self._value(f"the value of {each.__qualname__}.{name}", member.value)
            for name, it in sorted(vars(each).items()):
                if (function := function_behind(it)) is not None:
                    self._put(name)
                    self.add_function(function)
                elif not name.startswith("__") and not (issubclass(each, enum.Enum) or name == "_abc_impl" or hasattr(type(it), "__get__")):
                    self._put(name)
                    self._value(f"{each.__qualname__}.{name}", it)

    def _value(self, name: str, value: Any) -> None:
        if type(value).__qualname__ == "vectorize" and type(value).__module__.partition(".")[0] == "numpy":
            value = value.pyfunc
        if isinstance(value, functools.partial):
            self._value(name, value.func)
            for each in (*value.args, *(part for item in sorted(value.keywords.items()) for part in item)):
                self._value(f"an argument of {name}", each)
            return
        if (cell := plain(value)) is None:
            function = value if isinstance(value, type) else function_behind(value)
            if function is None and not isinstance(value, (types.ModuleType, types.BuiltinFunctionType)) and not _is_of_installed_module(value):
                return self._miss(f"{name}, of type {type(value).__qualname__}")
            self._put(value.__name__ if isinstance(value, types.ModuleType) else _name(value))
            if function is not None:
                self.add_used(function)
            return
        self._put(name)
        format, it = key_of(cell)
        self._put(f"{format} {it!r}" if not isinstance(it, (str, bytes)) else f"{format} {len(it)}")
        if isinstance(it, (str, bytes)):  # may be large
            self._hash.update(it.encode("utf-8", "surrogatepass") if isinstance(it, str) else it)

    def _miss(self, what: str) -> None:
        if what not in self._found.uncovered:
            self._found.uncovered.append(what)

    def _code(self, code: types.CodeType, doc: str | None = None) -> None:
        for each in (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & ~_HAS_DOCSTRING, code.co_names,
                     code.co_varnames, code.co_freevars, code.co_cellvars):  # fmt: skip
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


class _Names:
    """The globals that a function reads and writes, and the modules that it imports; also of its inner functions."""

    def __init__(self, code: types.CodeType) -> None:
        self.read: set[str] = set()
        self.written: set[str] = set()
        self.imported: set[str] = set()
        self._add(code)

    def _add(self, code: types.CodeType) -> None:
        for each in dis.get_instructions(code):
            if each.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
                self.read.add(each.argval)
            elif each.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                self.written.add(each.argval)
            elif each.opname == "IMPORT_NAME" and each.argval:
                self.imported.add(each.argval)
        for it in code.co_consts:
            if isinstance(it, types.CodeType):
                self._add(it)


_HAS_DOCSTRING = 0x4000000  # in co_flags, from Python 3.13 on
_PLACES = tuple(path for name, path in sysconfig.get_paths().items() if name in ("stdlib", "platstdlib", "purelib", "platlib"))


def _is_installed(module: str | None) -> bool:
    """Whether it is a part of Python or of an installed package, whose versions are the user's matter."""
    if module == "builtins" or (module or "").partition(".")[0] == __package__:
        return True
    if not module or module == "__main__":
        return False
    file, folders = _where_it_is(module)
    if file is None:  # made by a program; or a folder without __init__.py, which has only paths
        return bool(folders) and all(map(_is_a_place, folders))
    return file in ("built-in", "frozen") or _is_a_place(file)


def _where_it_is(module: str) -> tuple[str | None, list[str]]:
    found = sys.modules.get(module)
    if found is not None and getattr(found, "__file__", None):
        return found.__file__, []
    try:
        spec = getattr(found, "__spec__", None) or importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        spec = None
    return (None, []) if spec is None else (spec.origin, list(spec.submodule_search_locations or ()))


def _is_a_place(path: str) -> bool:
    return path.startswith(_PLACES) or "/site-packages/" in path or "/dist-packages/" in path


def _is_of_installed_module(it: Any) -> bool:
    """Whether it is what an installed module calls by its name, such as numpy.sin."""
    module = getattr(it, "__module__", None) or type(it).__module__
    found: Any = sys.modules.get(module) if isinstance(module, str) and _is_installed(module) else None
    for part in str(getattr(it, "__qualname__", None) or getattr(it, "__name__", "")).split("."):
        found = getattr(found, part, None)
    return found is it
