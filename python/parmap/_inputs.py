# SPDX-License-Identifier: MIT
"""The inputs of tasks, made when they are asked for; and which tasks have given inputs."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ._axes import Product
from ._failures import shown
from ._loaded import loaded
from ._parameters import names_of_positions, remembered_parameters

_MOST_SHOWN = 5  # values of an axis
_LARGE = 1024  # bytes of an input


class Inputs(Sequence[Any]):
    """The inputs of the tasks of results: of each task a dict by name if it is of a grid, else a tuple. Made by Results.tasks.

    `parts`: tasks of maps, with their numbers there. Several, if results were added.
    """

    def __init__(self, parts: Sequence[tuple[Product, Sequence[int]]]) -> None:
        self.parts = [(product, tasks) for product, tasks in parts if len(tasks)] or list(parts[:1])
        self._size = sum(len(tasks) for _, tasks in self.parts)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            if len(self.parts) == 1:
                product, tasks = self.parts[0]
                return Inputs([(product, tasks[at])])
            return self.of(range(self._size)[at])
        at = range(self._size)[at]
        for product, tasks in self.parts:
            if at < len(tasks):
                return product.task(tasks[at])
            at -= len(tasks)
        raise AssertionError

    def of(self, places: Iterable[int]) -> Inputs:
        """The inputs at these places."""
        found: list[tuple[Product, array[int]]] = []
        ends = list(itertools.accumulate(len(tasks) for _, tasks in self.parts))
        part, begin, end = 0, 0, -1
        for place in places:
            if not begin <= place < end:
                part = next(k for k, each in enumerate(ends) if place < each)
                begin, end = ends[part] - len(self.parts[part][1]), ends[part]
                found.append((self.parts[part][0], array("q")))
            found[-1][1].append(self.parts[part][1][place - begin])
        return Inputs(found or [(self.parts[0][0], array("q"))])

    @property
    def has_names(self) -> bool:
        return all(product.has_names for product, _ in self.parts)

    def __add__(self, other: Inputs) -> Inputs:
        return Inputs([*self.parts, *other.parts])

    def __repr__(self) -> str:
        return f"<the inputs of {self._size} {'task' if self._size == 1 else 'tasks'}>"

    def columns(self) -> dict[str, list[Any]]:
        """The inputs by name. Of tasks that have no input of a name: MISSING."""
        found: dict[str, list[Any]] = {}
        done = 0
        for product, tasks in self.parts:
            combinations = product.combinations(tasks)
            for name, (axis, stride) in zip(names_of(product), product.axes()):
                size = len(axis)
                column = found.setdefault(name, [MISSING] * done)
                column += [axis[each // stride % size] for each in combinations]
            done += len(tasks)
            for column in found.values():
                column += [MISSING] * (done - len(column))
        return found

    def places_of(self, chosen: dict[str, Any]) -> list[int]:
        """The places of the tasks with these inputs. Raises NoSuchInput."""
        wanted = [(name, _Wanted(name, value)) for name, value in chosen.items()]
        of_parts = []
        for product, tasks in self.parts:
            combinations = product.combinations(tasks)
            axes = dict(zip(names_of(product), product.axes()))
            found = range(len(tasks))
            for name, want in wanted:
                if name not in axes:
                    continue
                axis, stride = axes[name]
                size = len(axis)
                present = range(size) if is_whole(product, tasks) else sorted({each // stride % size for each in combinations})
                hits = want.hits(axis, present)
                found = [k for k in found if combinations[k] // stride % size in hits]  # type: ignore[assignment]
            of_parts.append(found if all(name in axes for name, _ in wanted) else [])
        for name, want in wanted:
            want.check(self._names())
        begins = itertools.accumulate((len(tasks) for _, tasks in self.parts), initial=0)
        return [begin + k for begin, found in zip(begins, of_parts) for k in found]

    def left_out(self) -> Inputs:
        """The combinations of whole grids that are no tasks."""
        rests = [product.rest() for product, tasks in self.parts if is_whole(product, tasks) and product.left_out]  # type: ignore[attr-defined]
        return Inputs([(each, range(each.size)) for each in rests] or [(self.parts[0][0], ())])

    def _names(self) -> list[str]:
        return list(dict.fromkeys(name for product, _ in self.parts for name in names_of(product)))


class _Missing:
    def __repr__(self) -> str:
        return "missing"


MISSING = _Missing()


class NoSuchInput(KeyError):
    def __str__(self) -> str:  # KeyError would quote it
        return str(self.args[0])


def is_whole(product: Product, tasks: Sequence[int]) -> bool:
    return tasks == range(product.size)


def names_of(product: Product) -> tuple[str, ...]:
    if product.names is not None:
        return product.names
    names = names_of_positions(product.parameters, sum(map(len, product.groups)))
    labels = [label for group in product.labels for label in group]  # parmap.axis
    return tuple(name if label is None else label._name for name, label in zip(names, labels)) if len(labels) == len(names) else names


def kept_inputs(product: Product, func: Callable[..., Any]) -> Product | None:
    """What results keep of the inputs: those of a grid; without one, only if they do not begin with something large, as else
    programs that map what an earlier map gave would keep that in memory, too."""
    if product.names is None:
        for group in product.groups:
            for axis in group:
                if len(axis) and _is_large(axis[0]):
                    return None
        product.parameters = remembered_parameters(func)
    return product


def _is_large(value: Any) -> bool:
    kind = type(value)
    if kind is int or kind is float:
        return False
    if kind is str or kind is bytes:
        return len(value) > _LARGE
    if kind is tuple:
        return any(map(_is_large, value))
    size = getattr(value, "nbytes", None)
    return size > _LARGE if isinstance(size, int) else hasattr(kind, "memory_usage") or hasattr(kind, "estimated_size")  # frames


def inputs_of(known: Product | Inputs | None, size: int) -> Inputs | None:
    """Of a list that parmap has made: what it keeps of them, and its length."""
    made = Inputs([(known, range(known.size))]) if isinstance(known, Product) else known
    return made if made is not None and len(made) == size else None


def joined(first: Inputs | None, second: Inputs | None) -> Inputs | None:
    return None if first is None or second is None else first + second


class _Wanted:
    """What is chosen of an input: an element, or several."""

    def __init__(self, name: str, value: Any) -> None:
        self._name = name
        self._value = value
        self._several = _elements(value)
        self._seen: list[Any] = []  # what there is
        self._found: set[int] = set()  # numbers of those of several
        self._is_known = False  # the name
        self._is_one = False

    def hits(self, axis: Sequence[Any], present: Sequence[int]) -> set[int]:
        self._is_known = True
        elements = [axis[each] for each in present]
        self._seen += elements
        found = {at for at, each in zip(present, elements) if _is_same(each, self._value)}
        if found or self._several is None:
            self._is_one |= bool(found)
            return found
        numbers = _numbers_of(self._several, elements)
        self._found.update(k for k in numbers if k is not None)
        return {at for at, k in zip(present, numbers) if k is not None}

    def check(self, names: list[str]) -> None:
        if not self._is_known:
            raise NoSuchInput(f"there is no input {self._name}; the inputs are {', '.join(names)}")
        if self._is_one:
            return
        missing = [self._value] if self._several is None else [v for k, v in enumerate(self._several) if k not in self._found]
        if missing:
            raise NoSuchInput(f"{self._name} has no {shown(missing[0])}{_nearest(missing[0], self._seen)}")


def _elements(value: Any) -> list[Any] | None:
    numpy = loaded("numpy")
    if isinstance(value, (list, tuple, range, set, frozenset)) or (numpy is not None and isinstance(value, numpy.ndarray) and value.ndim):
        try:
            return list(dict.fromkeys(value))
        except TypeError:  # one has no hash
            found: list[Any] = []
            for each in value:
                if not any(_is_same(each, other) for other in found):
                    found.append(each)
            return found
    return None


def _numbers_of(several: list[Any], elements: list[Any]) -> list[int | None]:
    """Which of several values each element is, which are all different."""
    try:
        numbers = {value: k for k, value in enumerate(several)}
        if all(value == value for value in several):
            return [numbers.get(each) for each in elements]
    except (TypeError, ValueError):  # one has no hash, or is an array
        pass
    return [next((k for k, value in enumerate(several) if _is_same(each, value)), None) for each in elements]


def _is_same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    try:
        equal = a == b
        if getattr(a, "ndim", 0) and getattr(b, "ndim", 0):
            return bool(a.shape == b.shape and equal.all())
        return bool(equal or (a != a and b != b))  # two NaNs
    except (AttributeError, TypeError, ValueError):  # of arrays
        return False


def _nearest(value: Any, elements: list[Any]) -> str:
    if not elements:
        return ", as there are no tasks"
    try:
        return f"; the nearest is {shown(min(elements, key=lambda each: abs(each - value)))}"
    except (TypeError, ValueError):
        distinct: list[str] = list(dict.fromkeys(map(shown, elements)))
        more = ["..."] if len(distinct) > _MOST_SHOWN else []
        return "; it has " + ", ".join(distinct[:_MOST_SHOWN] + more)
