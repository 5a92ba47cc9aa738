# SPDX-License-Identifier: MIT
"""The measurements of benchmarks/python.py: tasks, their number, the peers that map them, and targets for parmap."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

CALLER = "parmap"
LOOP = "plain loop"
POOL = "Pool.map"
POOL_1 = "Pool.map, chunksize=1"
EXECUTOR = "ProcessPoolExecutor.map, chunksize=n/8"
EXECUTOR_1 = "ProcessPoolExecutor.map, chunksize=1"
POOL_PARTIAL = "Pool.map, array in a partial"
POOL_SIZES = {size: f"Pool.map, chunksize={size}" for size in (100, 1000, 10_000)}
PYTHON_PARMAP = "python-parmap"
BY_HAND = "os.fork by hand, for int64"  # the minimal cost of forks in Python; not a library

STREAM, STREAM_IN_ORDER = "parmap.imap_unordered", "parmap.imap"
POOL_STREAM, POOL_STREAM_LARGE = "Pool.imap_unordered", "Pool.imap_unordered, chunksize=500"
JOBLIB_STREAM = 'joblib, return_as="generator"'
MPIRE_STREAM = "mpire, imap_unordered"

LOKY, LOKY_1 = "loky, chunksize=n/8", "loky, chunksize=1"
JOBLIB, JOBLIB_LARGE = "joblib", "joblib, batch_size=n/8"
MPIRE = "mpire"
PEBBLE, PEBBLE_1 = "pebble, chunksize=n/8", "pebble, chunksize=1"

#: Each peer in its best form: with its own choice of chunks if it has one, else with those of Pool.map.
LARGE = [LOOP, CALLER, POOL, EXECUTOR, LOKY, JOBLIB, JOBLIB_LARGE, MPIRE, PEBBLE]


def successor(i):
    return i + 1


def text(i):
    """Return a string of 100 characters."""
    return f"{i:0100d}"


def record(i):
    """Return a dict of ten entries."""
    return {f"key {k}": i + k for k in range(10)}


def filled(i):
    """Return an array of 1 MB."""
    import numpy  # imported here, so that other workloads do not load it
    return numpy.full(125_000, float(i))


def part_sum(array, i):
    """Return the sum of one of 20 slices."""
    share = len(array) // 20
    return float(array[i * share:(i + 1) * share].sum())


def whole_sum(array, i):
    return float(array[i:].sum())


kept: Callable[..., Any]


def keep(f, shared) -> None:
    """In a worker, before its first task: keep what all tasks share, so that it is not sent with each task."""
    global kept
    kept = functools.partial(f, shared)


def call_kept(i):
    return kept(i)


@dataclass(frozen=True)
class Unit:
    """A unit in which the seconds for n tasks are shown."""

    name: str
    of: Callable[[float, int], float]
    more_is_better: bool = False


MICROSECONDS = Unit("µs a task", lambda seconds, n: seconds / n * 1e6)
MILLISECONDS = Unit("ms", lambda seconds, n: seconds * 1e3)
SECONDS = Unit("s", lambda seconds, n: seconds)
MEGABYTES = Unit("MB/s", lambda seconds, n: n / seconds, more_is_better=True)  # for tasks that return 1 MB each


@dataclass(frozen=True)
class Case:
    """A column of a table: f(i), or f(shared, i), for each i < n."""

    name: str
    f: Callable[..., Any]
    n: int
    unit: Unit
    numpy: bool = False
    shared_mb: int = 0
    summed: bool = False  # the caller sums each array, within the measured time
    memory: bool = False  # the peak of all processes is measured too, in separate runs
    unordered: bool = False  # the results may come in any order

    def quick(self) -> "Case":
        return replace(self, n=self.n if self.n <= 20 else self.n // 50, shared_mb=self.shared_mb // 50)


@dataclass(frozen=True)
class Target:
    """A target: parmap takes at most 1/divisor of the time (or memory) of the best of the others named, or of all peers."""

    case: str
    divisor: int
    others: tuple = ()
    memory: bool = False


@dataclass(frozen=True)
class Workload:
    """A table of cases and peers."""

    title: str
    cases: list
    peers: list
    targets: list


def halves(f, title):
    """Return a workload whose values must be encoded. The target is Pool at its best chunk size."""
    return Workload(title, [Case("", f, 100_000, MICROSECONDS)], [*LARGE, *POOL_SIZES.values()],
                    [Target("", 2, (POOL, *POOL_SIZES.values()))])


WORKLOADS = {
    "tiny": Workload(
        "100 000 tasks x + 1", [Case("", successor, 100_000, MICROSECONDS)],
        [*LARGE, POOL_1, EXECUTOR_1, PYTHON_PARMAP, BY_HAND],
        [Target("", 2, (POOL,)), Target("", 20, (POOL_1,)), Target("", 5000, (PYTHON_PARMAP,))]),
    "stream": Workload(
        "100 000 tasks x + 1, whose values are taken one by one as they come", [Case("", successor, 100_000, MICROSECONDS, unordered=True)],
        [LOOP, STREAM, STREAM_IN_ORDER, POOL_STREAM, POOL_STREAM_LARGE, JOBLIB_STREAM, MPIRE_STREAM], []),
    "fixed": Workload(
        "Few tasks x + 1: the fixed cost of a map", [Case(f"n = {n}", successor, n, MILLISECONDS) for n in (1, 10)],
        [*LARGE, PYTHON_PARMAP, BY_HAND], [Target(f"n = {n}", 3, (POOL,)) for n in (1, 10)]),
    "arrays": Workload(
        "400 tasks that return a NumPy array of 1 MB each",
        [Case("returned", filled, 400, MEGABYTES, numpy=True),
         Case("returned and summed", filled, 400, MEGABYTES, numpy=True, summed=True)],
        [*LARGE, POOL_1, EXECUTOR_1, LOKY_1, PEBBLE_1, PYTHON_PARMAP], [Target(name, 3) for name in ("returned", "returned and summed")]),
    "captured": Workload(
        "20 tasks with an array of 200 MB: each sums a slice of it, or all",
        [Case(name, f, 20, SECONDS, numpy=True, shared_mb=200, memory=True)
         for name, f in (("slices", part_sum), ("whole", whole_sum))],
        [*LARGE, POOL_PARTIAL, PYTHON_PARMAP],
        [Target(name, 1, memory=memory) for name in ("slices", "whole") for memory in (False, True)]),
    "strings": halves(text, "100 000 tasks that return a string of 100 characters"),
    "dicts": halves(record, "100 000 tasks that return a dict of ten entries"),
}
