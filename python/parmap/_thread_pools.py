# SPDX-License-Identifier: MIT
"""The threads of BLAS and OpenMP, and the workers of joblib: workers share the caller's cores."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from . import _parmap

# Variables that tell BLAS and OpenMP, when they are loaded, how many threads to use; and those of them that are not set.
_NAMES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_unset = tuple(name for name in _NAMES if name not in os.environ)

# How many each worker has, if its caller has said so.
_asked: ContextVar[int | None] = ContextVar("parmap.threads_of_each_worker", default=None)

# How many workers joblib would start in a worker for n_jobs=-1.
_JOBLIB = "LOKY_MAX_CPU_COUNT"

# The libraries that threadpoolctl has found, and how many modules were loaded when it looked.
_libraries: _ThreadPools | None = None


class _ThreadPools:
    """The thread pools of BLAS and OpenMP in this process."""

    def __init__(self, controller: Any, modules: int) -> None:
        self.modules = modules
        self._counts = []
        self._others = []
        for library in controller.lib_controllers:
            try:
                # OpenBLAS's own function restarts all its threads after a fork in order to use fewer, and these then spin for some 30
                # ms. This is the number that it writes.
                if library.internal_api != "openblas" or library.threading_layer != "pthreads":
                    raise ValueError
                self._counts.append(ctypes.c_int.in_dll(library.dynlib, "blas_cpu_number"))
            except (AttributeError, ValueError):
                self._others.append(library)

    def limit(self, threads: int) -> None:
        for count in self._counts:
            count.value = min(count.value, threads)
        for library in self._others:
            library.set_num_threads(min(library.get_num_threads() or threads, threads))


def find_thread_pools() -> None:
    """In the caller, once for all its workers, because looking for BLAS and OpenMP takes milliseconds."""
    global _libraries, _unset
    if (unset := tuple(name for name in _NAMES if name not in os.environ)) != _unset:
        _unset = unset
    if _libraries is not None and _libraries.modules == len(sys.modules):
        return
    if "numpy" not in sys.modules:
        return
    try:
        import threadpoolctl
    except ImportError:
        return
    _libraries = _ThreadPools(threadpoolctl.ThreadpoolController(), len(sys.modules))


def share_cores(workers: int) -> None:
    """Limits the threads of BLAS and OpenMP, whether these are loaded already or later."""
    share = max(1, cores // max(1, workers))
    asked = _asked.get()
    threads = asked or share
    for name in _NAMES if asked else _unset:
        os.environ[name] = str(threads)
    os.environ.setdefault(_JOBLIB, str(share))
    if _libraries is not None:
        _libraries.limit(threads)


@contextmanager
def of_each_worker(threads: int | None) -> Iterator[None]:
    """Workers that are forked meanwhile have so many; None: their share of the cores."""
    token = _asked.set(threads)
    try:
        yield
    finally:
        _asked.reset(token)


#: The usable cores of the caller, which its workers share.
cores = _parmap.usable_cores()
