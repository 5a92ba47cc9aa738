# SPDX-License-Identifier: MIT
"""Libraries of the caller whose threads do not survive a fork: which are in use, what is done, and what is said.

libgomp and CUDA are recognised by the extension (fork_hazards.cpp), the others here: by the names of their threads, or by
what they tell of themselves. docs/howto/openmp-blas-fork.md has the table for users.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from typing import NamedTuple

from . import _parmap


class Hazard(NamedTuple):
    library: str
    lost: str  #: what does not survive
    happened: str = "was used before the fork"

    def __str__(self) -> str:
        return f"{self.library} {self.happened}: try start='spawn'"


def find() -> list[Hazard]:
    """Those of this process. Ends OpenMP's idle threads first, where its library can (it starts others when they are
    needed); takes some µs if none of these libraries has been imported."""
    threads_of_python = [each.native_id for each in threading.enumerate() if each.native_id is not None]
    found = [Hazard(library, lost) for library, lost in _parmap.fork_hazards(threads_of_python)]
    for module, uses, hazard in _LIBRARIES:
        if module in sys.modules:
            try:
                if uses():
                    found.append(hazard)
            except Exception:  # it has other internals than those that are known
                pass
    return found


def locks_of_other_threads() -> list[Hazard]:
    """Without a GIL each object has a lock, which another thread may hold at the fork: rarely, so this is no reason to warn
    before anything has happened."""
    if _parmap.free_threaded and threading.active_count() > 1:
        lost = "a lock that one of them held at the fork stays locked in the worker"
        return [Hazard("other threads, in a Python without a GIL,", lost, "may have held a lock at the fork")]
    return []


def use_one_openmp_thread(hazards: Iterable[Hazard]) -> None:
    """In a worker: a parallel region of one thread needs none of those that are lost."""
    if any("libgomp" in each.library for each in hazards):
        _parmap.limit_libgomp(1)


def _has_thread(*prefixes: str) -> Callable[[], bool]:
    return lambda: any(name.startswith(prefixes) for name in _thread_names())


def _thread_names() -> Iterable[str]:
    for number in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{number}/comm") as file:
                yield file.read()
        except OSError:
            pass  # it has just ended


def _jax_is_running() -> bool:
    return bool(sys.modules["jax._src.xla_bridge"]._backends)


def _tensorflow_is_running() -> bool:
    context = sys.modules["tensorflow.python.eager.context"]._context
    return context is not None and bool(context._initialized)


def _numba_runs_on_openmp() -> bool:
    import numba

    return bool(numba.threading_layer() == "omp")  # raises ValueError if it has started no threads


_LIBRARIES: tuple[tuple[str, Callable[[], bool], Hazard], ...] = (
    ("polars", _has_thread("polars-"), Hazard("polars", "its threads do not survive a fork, and a task that uses it waits for ever")),
    (
        "grpc",
        _has_thread("grpc_", "event_engine", "default-executo", "resolver-executo"),
        Hazard("gRPC", "its threads do not survive a fork, and a task that uses a channel of the caller may wait for ever"),
    ),
    (
        "jax._src.xla_bridge",
        _jax_is_running,
        Hazard("jax", "its threads do not survive a fork, and a task that uses it may wait for ever"),
    ),
    (
        "tensorflow.python.eager.context",
        _tensorflow_is_running,
        Hazard("tensorflow", "its threads do not survive a fork, and a task that uses it may wait for ever"),
    ),
    (
        "numba.np.ufunc.parallel",
        _numba_runs_on_openmp,
        Hazard("numba's OpenMP layer", "it terminates a forked process that uses it"),
    ),
)


def warn(hazards: Iterable[Hazard], stacklevel: int) -> None:
    """A warning for each. Python's filters show it once for each line that maps."""
    for library, lost, _ in hazards:
        warnings.warn(
            f"parmap forks workers from a process that has used {library}: {lost}. Try start='spawn', or use "
            "that library only before the map or only in tasks",
            RuntimeWarning,
            stacklevel=stacklevel + 1,
        )


class StallWatch:
    """Wraps the report of a map with hazards. Warns once if no task ends for ten seconds while each worker waits for a lock
    that has no limit: such a task may wait for a thread that does not exist."""

    patience = 10.0

    def __init__(self, hazards: list[Hazard], report: Callable[..., None] | None) -> None:
        self._hazards = hazards
        self._report = report
        self._done = -1
        self._since = 0.0
        self._told = False

    def show(self, done: int, total: int, failed: int, longest: tuple[int, float] | None = None) -> None:
        if self._report is not None:
            self._report(done, total, failed, longest)
        now = time.monotonic()
        if done != self._done:
            self._done, self._since = done, now
        elif not self._told and done < total and now - self._since >= self.patience and workers_sleep():
            self._told = True
            warnings.warn(
                f"parmap: no task has ended for {now - self._since:.0f} s, and each worker waits for a lock. The likely cause: "
                + "; ".join(map(str, self._hazards)),
                RuntimeWarning,
                stacklevel=2,
            )


#: The number of the system call futex.
_FUTEX = {"x86_64": "202", "aarch64": "98", "riscv64": "98", "s390x": "238", "ppc64le": "221"}.get(os.uname().machine)


def workers_sleep() -> bool:
    """Whether this thread has forked workers, and each of them sleeps in a futex without a limit of time."""
    try:
        me = os.readlink("/proc/self/exe")
        with open(f"/proc/self/task/{threading.get_native_id()}/children") as file:
            children = file.read().split()
        workers = [each for each in children if os.readlink(f"/proc/{each}/exe") == me]
        return bool(workers) and all(_sleeps(each) for each in workers)
    except OSError:
        return False  # one has just ended, or /proc does not tell


def _sleeps(process: str) -> bool:
    with open(f"/proc/{process}/syscall") as file:
        words = file.read().split()
    # The number, then six arguments: the fourth is the limit.
    return len(words) > 4 and words[0] == _FUTEX and words[4] == "0x0"
