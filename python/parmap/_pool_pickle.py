# SPDX-License-Identifier: MIT
"""How functions and inputs reach the workers of a pool, which were forked before: as bytes.

What belongs to __main__ goes by value, by cloudpickle: workers have __main__ as it was when the pool was made, and what a
notebook or a script has defined or changed since then must count. All else goes by name, by pickle.
"""

from __future__ import annotations

import io
import pickle
import sys
import types
from collections import ChainMap
from collections.abc import Callable
from typing import Any

from . import _errors
from ._loaded import loaded
from ._stable_function import are_same, stable_parts

_loads = pickle.loads  # a task may replace it

_LARGE = 1 << 16  # bytes; such buffers of inputs lie beside the pickle
_MOST_KEPT = 64


class Pickles:
    """Of one pool. Make it before the fork."""

    def __init__(self) -> None:
        self._cloudpickle = _find_cloudpickle()
        self._at_birth = {} if self._cloudpickle is not None else _definitions()
        self.has_shared_arrays = False
        self._kept: dict[int, _Kept] = {}  # by the id of the function

    def function(self, func: Callable[..., Any], fargs: dict[str, Any] | None = None) -> bytes:
        """Of func alone, or of (func, fargs)."""
        if type(func) is types.FunctionType and func.__module__ == "__main__" and not fargs and self._cloudpickle is not None:
            kept = self.kept(func)
            if kept is not None:
                return kept.alone if fargs is None else kept.without_fargs
        return self._dumped(func if fargs is None else (func, fargs), None)

    def kept(self, func: types.FunctionType) -> _Kept | None:
        """A function of __main__, whose pickle by value takes long, if it is what it was when that was made."""
        parts = stable_parts(func)
        if parts is None:
            return None
        kept = self._kept.get(id(func))
        if kept is None or not are_same(parts, kept.parts):
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            kept = self._kept[id(func)] = _Kept(parts, _errors._pickled_by(self._cloudpickle, func, None))
        return kept

    def inputs(self, what: Any) -> tuple[bytes, list[Any]]:
        """The pickle, and buffers that are not in it."""
        buffers: list[Any] = []

        def goes_inside(buffer: pickle.PickleBuffer) -> bool:
            with buffer.raw() as view:
                if view.nbytes < _LARGE:
                    return True
            buffers.append(buffer)
            return False

        return self._dumped(what, goes_inside, buffers.clear), buffers

    def _dumped(self, what: Any, goes_inside: Callable[[Any], bool] | None, again: Callable[[], None] | None = None) -> bytes:
        if not self.has_shared_arrays:
            return self._dumped_by_value(what, goes_inside, again)
        from ._shared_array import here

        outer, here.pickles = here.pickles, self
        try:
            return self._dumped_by_value(what, goes_inside, again)
        finally:
            here.pickles = outer

    def _dumped_by_value(self, what: Any, goes_inside: Callable[[Any], bool] | None, again: Callable[[], None] | None) -> bytes:
        refused: Exception | None = None
        try:
            data = pickle.dumps(what, 5, buffer_callback=goes_inside)
            if b"__main__" not in data and not _has_modules_by_value():
                return data
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            refused = error
        if again is not None:
            again()
        if self._cloudpickle is not None:
            return by_value(self._cloudpickle, self, what, goes_inside, again)
        if refused is not None:
            raise refused
        return _ByName.dumped(what, goes_inside, self._at_birth)


class _Kept:
    """A function that was pickled; the parts keep it alive."""

    def __init__(self, parts: list[Any], data: bytes) -> None:
        self.parts = parts
        self._data = data
        self.alone = pickle.dumps(self, 5)
        self.without_fargs = pickle.dumps((self, {}), 5)

    def __reduce__(self) -> Any:
        """A worker gets the function."""
        return _function_of, (self._data,)


def by_value(
    cloudpickle: Any, pickles: Pickles, what: Any, goes_inside: Any, again: Callable[[], None] | None, reducers: dict[Any, Any] | None = None
) -> bytes:
    """Takes kept functions if all functions of __main__ in it are such. Else one may set a global that another reads, and they are
    pickled together."""
    for are_kept in (True, False) if pickles._cloudpickle is not None else (False,):
        with io.BytesIO() as file:
            pickler = _pickler_of(cloudpickle)(file, goes_inside, pickles, are_kept)
            if reducers:  # cloudpickle's class has an attribute of that name, which hides this one
                pickle.Pickler.dispatch_table.__set__(pickler, ChainMap(reducers, type(pickler).dispatch_table))  # type: ignore[attr-defined]
            pickler.dump(what)
            if pickler.kept_ones == 0 or pickler.others == 0:
                return file.getvalue()
        if again is not None:
            again()
    raise AssertionError


_picklers: dict[Any, Any] = {}


def _pickler_of(cloudpickle: Any) -> Any:
    if (made := _picklers.get(cloudpickle)) is not None:
        return made

    class Pickler(_errors._pickler_of(cloudpickle)):  # type: ignore[misc]
        """Takes the pickles of functions that have not changed from where they are kept."""

        def __init__(self, file: io.BytesIO, goes_inside: Callable[[Any], bool] | None, pickles: Pickles, are_kept: bool) -> None:
            super().__init__(file, protocol=5, buffer_callback=goes_inside)
            self._pickles = pickles
            self._are_kept = are_kept
            self.kept_ones = 0
            self.others = 0

        def reducer_override(self, it: Any) -> Any:
            if self._are_kept and type(it) is types.FunctionType and it.__module__ == "__main__":
                if (kept := self._pickles.kept(it)) is not None:
                    self.kept_ones += 1
                    return kept.__reduce__()
                self.others += 1
            return super().reducer_override(it)

    _picklers[cloudpickle] = Pickler
    return Pickler


def _find_cloudpickle() -> Any:
    try:
        import cloudpickle
    except ImportError:
        return None
    return cloudpickle


def _has_modules_by_value() -> bool:
    """Whether the program has told cloudpickle that modules of its own change."""
    return bool(getattr(loaded("cloudpickle.cloudpickle"), "_PICKLE_BY_VALUE_MODULES", None))


# ---- without cloudpickle


def _definitions() -> dict[str, Any]:
    """The functions (by their code) and classes of __main__."""
    return {
        name: each.__code__ if isinstance(each, types.FunctionType) else each
        for name, each in vars(sys.modules["__main__"]).items()
        if isinstance(each, (types.FunctionType, type))
    }


class _ByName(pickle.Pickler):
    """Refuses functions and classes of __main__ that the workers do not have as they are now."""

    def __init__(self, file: io.BytesIO, goes_inside: Callable[[Any], bool] | None, at_birth: dict[str, Any]) -> None:
        super().__init__(file, 5, buffer_callback=goes_inside)
        self._at_birth = at_birth

    @staticmethod
    def dumped(what: Any, goes_inside: Callable[[Any], bool] | None, at_birth: dict[str, Any]) -> bytes:
        with io.BytesIO() as file:
            _ByName(file, goes_inside, at_birth).dump(what)
            return file.getvalue()

    def reducer_override(self, it: Any) -> Any:
        if isinstance(it, (types.FunctionType, type)) and it.__module__ == "__main__":
            then = self._at_birth.get(it.__qualname__.partition(".")[0])
            now = it.__code__ if isinstance(it, types.FunctionType) and "." not in it.__qualname__ else it
            if then is None or (then != now and "." not in it.__qualname__):
                raise pickle.PicklingError(
                    f"parmap: the workers of this pool do not have {it.__qualname__} of __main__ as it is now, because it was defined "
                    "or changed after they were started: install cloudpickle (pip install cloudpickle), put it into a module, or "
                    "call restart() of the executor"
                )
        return NotImplemented


# ---- in a worker


_read: dict[bytes, Any] = {}


def _function_of(data: bytes) -> Any:
    """What Pickles.kept() has pickled. The same bytes give the same function."""
    if data not in _read:
        if len(_read) >= _MOST_KEPT:
            _read.clear()
        _read[data] = _loads(data)
    return _read[data]


def read_function(data: bytes) -> Any:
    """What function() has pickled."""
    try:
        return _loads(data)
    except Exception as error:
        raise TypeError(
            f"parmap: the function cannot be read by a worker of the pool: {type(error).__name__}: {error}; a worker has each module "
            "as it was when the pool was made or when the worker imported it: restart() of the executor makes new workers"
        ) from error


def read_inputs(data: bytes, buffers: list[Any]) -> Any:
    """What inputs() has pickled."""
    try:
        return _loads(data, buffers=buffers)
    except Exception as error:
        raise TypeError(
            f"parmap: the arguments cannot be read by a worker of the pool: {type(error).__name__}: {error}"
        ) from error
