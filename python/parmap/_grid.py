# SPDX-License-Identifier: MIT
"""The option grid: inputs with names, which func gets by keyword; and where, which leaves combinations out."""

from __future__ import annotations

import copy
import inspect
import math
import types
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ._axes import Product, axis as axis_with_name, sequence, strided, zip as zip_axes
from ._loaded import loaded
from ._parameters import parameters_of

_KINDS = (
    "a dict of names and their values, a parmap.zip with names, a pandas or polars data frame, or a list of these, of which every "
    "combination is taken"
)


def product_of(
    args: tuple[Any, ...], streams: bool, grid: Any, where: Any, func: Callable[..., Any], fargs: Mapping[str, Any] | None, skip: int = 0
) -> Product:
    """The tasks of a map. `skip`: how many arguments func gets before its inputs."""
    if grid is None:
        if where is not None:
            raise TypeError("parmap: where chooses among the combinations of a grid, but there is none: grid=dict(...)")
        return Product(args, streams)
    if isinstance(grid, Grid):  # made by map_reduce or fold
        return grid
    if args:
        raise TypeError("parmap: the grid stands in place of the iterables after func; give only one of them")
    return Grid(grid, where, func, fargs or {}, skip)


#: Names, and axes in lockstep.
_Named = tuple[tuple[str, ...], tuple[Sequence[Any], ...]]


class Grid(Product):
    """A product whose inputs have names. With holes, its one group is what is left."""

    names: tuple[str, ...] = ()

    def __init__(self, grid: Any, where: Any, func: Callable[..., Any], fargs: Mapping[str, Any], skip: int) -> None:
        self.first = None
        self.task_of_stream = None
        self.index: Any = None  # of the pandas frame that is the grid
        self.types: dict[str, tuple[str, Any]] = {}  # of a frame's columns: the library, and the type there
        self.from_dicts = True  # each input varies by itself
        parts = list(grid) if isinstance(grid, (list, tuple)) else [grid]
        if not parts:
            raise ValueError(f"parmap: the grid is empty; it is {_KINDS}")
        named: list[_Named] = []
        self._given_axes: dict[str, axis_with_name] = {}
        for part in parts:
            named += self._read(part)
        if len(parts) > 1:
            self.index = None
        names = tuple(name for group, _ in named for name in group)
        _check_names(names, fargs)
        check_keywords(func, "func", names, fargs, skip)
        self.names = names
        self.groups = self._whole = tuple(axes for _, axes in named)
        self.labels = tuple(tuple(self._given_axes.get(name) for name in group) for group, _ in named)
        del self._given_axes
        self._kept: array[int] | None = None
        self.size = math.prod(len(axes[0]) for axes in self.groups)
        if where is not None:
            self._choose(where)

    def _read(self, part: Any) -> list[_Named]:
        if isinstance(part, dict):
            if not part:
                raise ValueError("parmap: the grid is an empty dict, which names no inputs")
            for name, values in part.items():
                self._note_axis(name, values)
            return [((name,), (_axis(name, values),)) for name, values in part.items()]
        if isinstance(part, axis_with_name):
            self._note_axis(part._name, part)
            return [((part._name,), (_axis(part._name, part),))]
        self.from_dicts = False
        if isinstance(part, zip_axes):
            if not part._names:
                raise TypeError("parmap: the iterables of a zip that is a grid need names: grid=parmap.zip(mu=..., x0=...)")
            for name, label in zip(part._names, part._labels):
                self._note_axis(name, label)
            return [(part._names, tuple(_own(each) for each in part._axes))]
        if _is_frame_of("pandas", part):
            names = tuple(part.columns)
            columns = tuple(part.iloc[:, k].tolist() for k in range(len(names)))
            self.index = part.index
            self.types.update((name, ("pandas", kind)) for name, kind in zip(names, part.dtypes))
        elif _is_frame_of("polars", part):
            names = tuple(part.columns)
            columns = tuple(part[name].to_list() for name in names)
            self.types.update((name, ("polars", kind)) for name, kind in part.schema.items())
        else:
            raise TypeError(f"parmap: a grid is {_KINDS}; but this is of type {type(part).__name__}")
        if not names:
            raise ValueError("parmap: the data frame that is the grid has no columns")
        return [(names, columns)]

    def _note_axis(self, name: Any, values: Any) -> None:
        if not isinstance(values, axis_with_name):
            return
        if values._name != name:
            raise ValueError(f"parmap: the grid calls an input {name}, but its parmap.axis has the name {values._name}")
        self._given_axes[name] = values

    def _choose(self, where: Any) -> None:
        if not callable(where):
            raise TypeError(f"parmap: where must be callable, but is {where!r:.100}")
        if inspect.iscoroutinefunction(where):
            raise TypeError("parmap: where is an async function, but it is called before any task starts: define it by def")
        check_keywords(where, "where", self.names, {})
        kept = array("q")
        for number, values in enumerate(_combinations(self.groups)):
            if where(**dict(zip(self.names, values))):
                kept.append(number)
        if len(kept) < self.size:
            self._keep(kept)

    def _keep(self, kept: array[int]) -> None:
        self._kept = kept
        self.left_out = math.prod(len(axes[0]) for axes in self._whole) - len(kept)
        self.groups = (tuple(_Picked(axis, stride, kept) for axis, stride in self.axes()),)
        self.size = len(kept)

    def rest(self) -> Grid:
        """Of what `where` has left out."""
        found = copy.copy(self)
        left = set(range(self.size + self.left_out))
        left.difference_update(range(self.size) if self._kept is None else self._kept)
        found._keep(array("q", sorted(left)))
        return found

    def axes(self) -> list[tuple[Sequence[Any], int]]:
        return strided(self._whole)

    @property
    def whole_groups(self) -> tuple[tuple[Sequence[Any], ...], ...]:
        return self._whole

    def combinations(self, tasks: Sequence[int]) -> Sequence[int]:
        return tasks if self._kept is None else array("q", [self._kept[each] for each in tasks])

    def as_task(self, arguments: tuple[Any, ...]) -> Any:
        return dict(zip(self.names, arguments))

    def callee(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """What the engine calls with the inputs in the order of their names."""
        code = getattr(getattr(func, "__func__", func), "__code__", None)
        if type(func) in (types.FunctionType, types.MethodType) and isinstance(code, types.CodeType) and not code.co_posonlyargcount:
            first = 1 if type(func) is types.MethodType else 0
            if code.co_varnames[first : code.co_argcount][: len(self.names)] == self.names:
                return func  # by position means the same, and takes no time
        return ByKeyword(func, self.names)


class ByKeyword:
    """Calls func by keyword. It can be pickled if func can."""

    __slots__ = ("func", "names")

    def __init__(self, func: Callable[..., Any], names: tuple[str, ...]) -> None:
        self.func = func
        self.names = names

    def __call__(self, /, *values: Any, **fargs: Any) -> Any:
        return self.func(**dict(zip(self.names, values)), **fargs)


class _Picked(Sequence[Any]):
    """The elements of an axis in the combinations that are kept; made when they are asked for."""

    __slots__ = ("_axis", "_stride", "_kept")

    def __init__(self, axis: Sequence[Any], stride: int, kept: array[int]) -> None:
        self._axis, self._stride, self._kept = axis, stride, kept

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self[i] for i in range(len(self))[at]]
        return self._axis[self._kept[at] // self._stride % len(self._axis)]


def _combinations(groups: tuple[tuple[Sequence[Any], ...], ...]) -> Iterator[tuple[Any, ...]]:
    if len(groups) == 1:
        yield from zip(*groups[0])
        return
    for first in zip(*groups[0]):
        for rest in _combinations(groups[1:]):
            yield first + rest


def _is_frame_of(library: str, part: Any) -> bool:
    kind = getattr(loaded(library), "DataFrame", None)
    return kind is not None and isinstance(part, kind)


def _axis(name: Any, values: Any) -> Sequence[Any]:
    if isinstance(values, zip_axes) and values._names:
        raise TypeError(
            f"parmap: the values of {name} are a zip with names of its own; put it beside the dict: grid=[parmap.zip(...), dict(...)]"
        )
    return _own(sequence(values, f"parmap: the grid's {name}"))


def _own(axis: Sequence[Any]) -> Sequence[Any]:
    """A copy of what the caller may change, as results refer to it: of a list, and of an array of numbers, not of rows."""
    if type(axis) is list or getattr(axis, "ndim", 0) == 1:
        return copy.copy(axis)
    return axis


def _check_names(names: tuple[Any, ...], fargs: Iterable[str]) -> None:
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"parmap: the names of a grid must be strings, but {name!r:.100} is not: func gets its inputs by keyword")
        if not name.isidentifier():
            raise ValueError(
                f"parmap: {name!r:.100} is not a Python identifier, so no parameter of func can have that name; rename it, in a data "
                "frame for example by frame.rename(columns=...)"
            )
        if name in fargs:
            raise TypeError(f"parmap: {name} is in the grid and in fargs; give only one of them")
        if names.count(name) > 1:
            raise ValueError(f"parmap: the grid has the name {name} more than once")


def check_keywords(func: Callable[..., Any], role: str, names: tuple[str, ...], fargs: Iterable[str], skip: int = 0) -> None:
    """Raises if func cannot be called with these keywords, as far as that can be known."""
    parameters = parameters_of(func)
    if parameters is None:
        return
    of_any_name = any(each.kind is each.VAR_KEYWORD for each in parameters)
    parameters = [each for each in parameters if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)][skip:]
    known = {each.name: each for each in parameters}
    said = f"{getattr(func, '__name__', role)}()"
    for name in names:
        if of_any_name:
            continue
        if name not in known:
            has = ", ".join(known) or "none"
            raise TypeError(f"parmap: {said} has no parameter {name}; it has {has}")
        if known[name].kind is inspect.Parameter.POSITIONAL_ONLY:
            raise TypeError(f"parmap: {said} takes {name} by position only, but a grid gives it by keyword: take a lambda")
    if hasattr(func, "__wrapped__"):
        return  # its parameters are those of another function: a decorator may give some of them
    for each in parameters:
        if each.default is each.empty and each.name not in names and each.name not in fargs:
            gives = "the grid does not give" if role == "where" else "neither grid nor fargs gives"
            raise TypeError(f"parmap: {said} has a parameter {each.name}, which {gives}")
