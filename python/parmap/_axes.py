# SPDX-License-Identifier: MIT
"""The iterables given to parmap, made indexable. Their combinations are not stored."""

from __future__ import annotations

import builtins
import itertools
import math
import os
import resource
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ._loaded import loaded

# Types whose elements by index are exactly those of iteration, and will stay so.
_INDEXED = (list, tuple, range, str, bytes)


class zip:
    """Iterables that parmap() takes in lockstep, as one input, like the built-in zip::

        parmap(f, parmap.zip(a, b))         # f(a[0], b[0]), f(a[1], b[1]), ...
        parmap(f, parmap.zip(a, b), c)      # every combination of such a pair with an element of c
        parmap(f, grid=parmap.zip(mu=a, x0=b))     # f(mu=a[0], x0=b[0]), f(mu=a[1], x0=b[1]), ...

    Arguments
    ---------
    *iterables
        One iterable or more, all of the same length. Lists, tuples, ranges, strings, bytes and NumPy arrays are not
        copied; any other iterable is read into a list at once, so it must be finite.
    **named
        The same with names, in place of iterables without. Such a zip is for the option grid.

    Raises
    ------
    TypeError
        There is no argument, or one that is not iterable, or one that is known to have no end; or only some have names.
    ValueError
        The lengths are unequal, or an iterable has filled half of the free memory.

    Notes
    -----
    A zip has a length, and can be iterated and mapped any number of times. Several threads may do so at the same time,
    as long as nobody changes its iterables.
    """

    _names: tuple[str, ...] = ()
    _labels: tuple[axis | None, ...] = ()  # empty: none

    def __init__(self, /, *iterables: Iterable[Any], **named: Iterable[Any]) -> None:
        if not iterables and not named:
            raise TypeError("parmap.zip: at least one iterable is needed")
        if iterables and named:
            raise TypeError("parmap.zip: either all iterables have names, or none")
        self._names = tuple(named)
        self._labels = tuple(each if isinstance(each, axis) else None for each in (iterables or named.values()))
        self._axes = tuple(sequence(each, f"parmap.zip: argument {k}") for k, each in enumerate(iterables, 1)) or tuple(
            sequence(each, f"parmap.zip: {name}") for name, each in named.items()
        )
        if len({len(each) for each in self._axes}) > 1:
            lengths = [str(len(each)) for each in self._axes]
            said = [f"{name} {length}" for name, length in builtins.zip(named, lengths)] or lengths
            raise ValueError("parmap.zip: the iterables have unequal lengths: " + ", ".join(said))

    def __len__(self) -> int:
        return len(self._axes[0])

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return builtins.zip(*self._axes)


class axis(Sequence[Any]):
    """An input with a name, which stands in a checkpoint; and how to tell its elements apart there::

        parmap(fit, parmap.axis("model", models, key="name"), xs, checkpoint="fits.db")

    func gets the elements as without it. It stands in place of an iterable: in the arguments of parmap() and all that take
    these, in parmap.zip, and among the values of a grid.

    Arguments
    ---------
    name
        The name of the input in the file.
    values
        As an argument of parmap().
    key
        What stands in the file for an element that is an object: a callable that gets the element, or the name of its
        attribute. No two elements may have equal keys. Default: the element itself, which must be a number, text, array, or a
        tuple, list, dict or dataclass of these.

    Raises
    ------
    TypeError
        name is not a string, key is neither callable nor a string, or values cannot be iterated.
    """

    def __init__(self, name: str, values: Iterable[Any], key: Callable[[Any], Any] | str | None = None) -> None:
        if not isinstance(name, str) or not name:
            raise TypeError(f"parmap.axis: name must be a string, but is {name!r:.100}")
        if key is not None and not callable(key) and not isinstance(key, str):
            raise TypeError(f"parmap.axis: key must be a callable or the name of an attribute, but is {key!r:.100}")
        self._name = name
        self._key = key
        self._values = sequence(values, f"parmap.axis: {name}")

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, at: Any) -> Any:
        return self._values[at]

    def __repr__(self) -> str:
        return f"parmap.axis({self._name!r}, {len(self)} values)"


def sequence(items: Any, name: str) -> Sequence[Any]:
    """Return something that has len() and is indexed in the order of iteration."""
    if isinstance(items, axis):
        return items._values
    if type(items) in _INDEXED:
        return items  # type: ignore[no-any-return]
    numpy = loaded("numpy")
    if numpy is not None and type(items) is numpy.ndarray and items.ndim > 0:
        return items  # type: ignore[no-any-return]
    if isinstance(items, (itertools.count, itertools.cycle)):
        raise TypeError(f"{name} has no end: limit it, for example by itertools.islice(it, n)")
    try:
        iterator = iter(items)
    except TypeError:
        raise TypeError(
            f"{name} must be iterable, but is {items!r:.100} of type {type(items).__name__}; "
            "an argument that is the same for every call goes into fargs"
        ) from None
    return _read(iterator, name)


def _is_read_as_it_goes(items: Any) -> bool:
    """Whether a stream reads it element by element: an iterator, such as a generator, and what does not know its length."""
    if isinstance(items, Iterator):
        return True
    if isinstance(items, (zip, axis)) or not isinstance(items, Iterable):
        return False
    try:
        len(items)  # type: ignore[arg-type]
    except TypeError:
        return not hasattr(items, "__array__")  # an array without dimensions is refused as ever
    return False


def _read(iterator: Iterator[Any], name: str) -> list[Any]:
    """Every element. Of an iterator that has no end, refuses to fill more than half of the memory that is free."""
    found = list(itertools.islice(iterator, _UNWATCHED))
    if len(found) < _UNWATCHED:
        return found
    free, begun = _free_memory(), _memory_used()
    step = _UNWATCHED
    try:
        while (used := _memory_used() - begun) <= free // 2:
            wanted = len(found) + step
            found += itertools.islice(iterator, step)
            if len(found) < wanted:
                return found
            # Until the next look a sixteenth of what half of the free memory holds, by now's measure.
            step = len(found) if used <= 0 else max(_UNWATCHED, min(len(found), int(free / 32 / (used / len(found)))))
        filled = f"{used >> 20} of {free >> 20} MiB of free memory"
    except MemoryError:
        filled = "the free memory"
    size = len(found)
    found.clear()
    raise ValueError(f"{name} has filled {filled} with its first {size} elements: is it endless? Limit it, for example by itertools.islice(it, n)")


_UNWATCHED = 10_000  # elements that are read without a look at the memory


def _memory_used() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _free_memory() -> int:
    """Bytes that this process can still have: of the machine, of its cgroup, of its limit of address space."""
    with open("/proc/meminfo") as file:
        free = [int(line.split()[1]) << 10 for line in file if line.startswith("MemAvailable")]
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        try:
            with open(limit) as most, open(used) as now:
                free.append(max(0, int(most.read()) - int(now.read())))
        except (OSError, ValueError):
            pass  # there is none, or "max"
    most_space = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most_space != resource.RLIM_INFINITY:
        with open("/proc/self/statm") as file:
            left = most_space - int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        if left > 0:  # else an allocator has reserved what is left, as that of a Python without a GIL does
            free.append(left)
    return min(free, default=1 << 62)


class Product:
    """Every combination of the axes, the last one fastest. Stores only the axes.

    With `streams` the first one may be an iterator: `first` is then what to read, and the product has no size.
    """

    names: tuple[str, ...] | None = None  # of the inputs, in a grid
    left_out = 0  # combinations of a grid that are no tasks
    parameters: Any = None  # what remembered_parameters() gives; without names, of the results of a map

    def __init__(self, iterables: tuple[Any, ...], streams: bool = False) -> None:
        if not iterables:
            raise TypeError("parmap: at least one iterable is needed after func, or the option grid")
        self.first = iter(iterables[0]) if streams and _is_read_as_it_goes(iterables[0]) else None
        self.groups: tuple[tuple[Sequence[Any], ...], ...] = tuple(
            _axes_of_zip(each) if isinstance(each, zip)
            else (each,) if k == 1 and self.first is not None
            else (sequence(each, f"parmap: argument {k}"),)
            for k, each in enumerate(iterables, 1)
        )  # fmt: skip
        #: The axis objects that were given, as in groups; for a checkpoint.
        self.labels: tuple[tuple[axis | None, ...], ...] = tuple(_labels_of(each) for each in iterables)
        self.size = 0 if self.first is not None else math.prod(len(group[0]) for group in self.groups)
        #: Of an iterator that is read as a stream goes: arguments(index), as long as its outcome is not taken.
        self.task_of_stream: Callable[[int], tuple[Any, ...]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "labels": ()}  # keys may be functions that cannot be pickled

    @property
    def has_names(self) -> bool:
        return self.names is not None

    @property
    def whole_groups(self) -> tuple[tuple[Sequence[Any], ...], ...]:
        """The axes, whose combinations may be more than the tasks."""
        return self.groups

    def axes(self) -> list[tuple[Sequence[Any], int]]:
        """Of each input: its axis, and how many combinations an element of it lasts. See combinations()."""
        return strided(self.groups)

    def combinations(self, tasks: Sequence[int]) -> Sequence[int]:
        """The numbers of tasks among the combinations of the axes."""
        return tasks

    def arguments(self, index: int) -> tuple[Any, ...]:
        """What the engine passes to func in one task, without fargs."""
        if self.task_of_stream is not None:
            return self.task_of_stream(index)
        return arguments_at(self.groups, index)

    def as_task(self, arguments: tuple[Any, ...]) -> Any:
        """How users see them."""
        return arguments

    def task(self, index: int) -> Any:
        """The inputs of one task, as users see them: a tuple, or in a grid a dict."""
        return self.as_task(self.arguments(index))

    def callee(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """What the engine calls in place of func."""
        return func


def _labels_of(it: Any) -> tuple[axis | None, ...]:
    if isinstance(it, zip):
        return it._labels or (None,) * len(it._axes)
    return (it if isinstance(it, axis) else None,)


def arguments_at(groups: tuple[tuple[Sequence[Any], ...], ...], index: int) -> tuple[Any, ...]:
    """The elements of one combination."""
    if len(groups) == 1:
        return tuple([each[index] for each in groups[0]])
    found: list[Any] = []
    for group in reversed(groups):
        index, at = divmod(index, len(group[0]))
        found[:0] = [each[at] for each in group]
    return tuple(found)


def strided(groups: tuple[tuple[Sequence[Any], ...], ...]) -> list[tuple[Sequence[Any], int]]:
    found: list[tuple[Sequence[Any], int]] = []
    stride = 1
    for group in reversed(groups):
        found[:0] = [(each, stride) for each in group]
        stride *= len(group[0])
    return found


def _axes_of_zip(it: zip) -> tuple[Sequence[Any], ...]:
    if it._names:
        raise TypeError("parmap: a zip with names is a grid, whose values func gets by keyword: grid=parmap.zip(...)")
    return it._axes
