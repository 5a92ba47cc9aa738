# SPDX-License-Identifier: MIT
"""What a worker process does before its first task, and how its output is kept from being lost or doubled."""

from __future__ import annotations

import _signal  # like signal, without converting each handler to an enum member: a worker must start fast
import ctypes
import gc
import io
import os
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

from . import _parmap


_other_threads = False  # whether the caller had other threads at the last fork
_streams_of_the_caller: list[Any] = []


def flush() -> list[io.BufferedWriter]:
    """Flushes stdout and stderr, because buffered text would come out twice after a fork, or not at all at a worker's end.
    Returns the buffers below them."""
    global _other_threads
    _other_threads = len(sys._current_frames()) > 1  # counts threads that the module threading does not know, too
    buffers = []
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
            if type(stream.buffer) is io.BufferedWriter:
                buffers.append(stream.buffer)
        except (AttributeError, OSError, ValueError):
            pass  # None, full or closed: a fork makes that no worse
    return buffers


def begin(workers: int) -> None:
    """Runs right after the fork, in the worker. What it raises is the failure of each of the worker's tasks."""
    gc.freeze()  # inherited objects are never collected here, so their pages are not touched and copied
    if _other_threads:
        _renew_streams()
        _forget_imports_of_other_threads()
    _signal.set_wakeup_fd(-1)  # it belongs to an event loop of the caller
    if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
        leave_ctrl_c_to_the_caller()
    _draw_other_numbers()
    share_cores(workers)


def _renew_streams() -> None:
    """Another thread of the caller that waited for the lock of such a buffer may have got it just before the fork, without
    the GIL. In the worker nothing would ever release it."""
    for name in ("stdout", "stderr"):
        old = getattr(sys, name)
        if type(old) is not io.TextIOWrapper or type(old.buffer) is not io.BufferedWriter or type(old.buffer.raw) is not io.FileIO:
            continue
        try:
            new = io.TextIOWrapper(
                io.BufferedWriter(io.FileIO(old.buffer.raw.fileno(), "w", closefd=False)),
                encoding=old.encoding, errors=old.errors, newline="\n", line_buffering=old.line_buffering, write_through=old.write_through,
            )  # fmt: skip
        except (OSError, ValueError):
            continue  # the stream is closed
        _streams_of_the_caller.append(old)  # never freed: its destructor would wait for the lock, too
        setattr(sys, name, new)
        if getattr(sys, f"__{name}__") is old:
            setattr(sys, f"__{name}__", new)
        logging = sys.modules.get("logging")
        for reference in list(getattr(logging, "_handlerList", ())):
            handler = reference()
            if getattr(handler, "stream", None) is old:
                handler.stream = new  # not setStream(), which would flush the old one


def leave_ctrl_c_to_the_caller() -> None:
    """The caller ends the workers, so they print no traceback. A handler, because SIG_IGN would be inherited by their programs."""
    _signal.signal(_signal.SIGINT, _ignore)


def _ignore(number: int, frame: Any) -> None:
    pass


def _forget_imports_of_other_threads() -> None:
    """Those threads do not exist here, so a module that one of them was importing at the fork is imported anew when needed.

    Otherwise the import would wait for ever for the module's lock. If importlib has other internals, nothing is changed.
    """
    locks = getattr(sys.modules.get("_frozen_importlib"), "_module_locks", None)
    if type(locks) is not dict:
        return
    mine = threading.get_ident()
    for name, reference in list(locks.items()):
        owner = getattr(reference(), "owner", mine)
        if owner == mine:  # the module being imported called parmap
            continue
        del locks[name]
        module = sys.modules.get(name)
        if owner is not None and getattr(getattr(module, "__spec__", None), "_initializing", False):
            del sys.modules[name]


def _draw_other_numbers() -> None:
    """Seeds NumPy's global generator anew, as the module random does by itself: no two workers draw the same numbers."""
    numpy_random = sys.modules.get("numpy.random")
    if getattr(numpy_random, "seed", None) is None:  # not imported, or not completely by another thread of the caller
        return
    try:
        # That thread may also have held the generator's lock at the fork. Here no thread holds it.
        numpy_random.mtrand._rand._bit_generator.lock._at_fork_reinit()
    except AttributeError:
        pass  # a NumPy that has no such lock
    numpy_random.seed()


_hazards_told: set[str] = set()


def warn_of_fork(stacklevel: int) -> None:
    """In the caller: warns once for each library that forked workers could not use."""
    for library, lost in _parmap.fork_hazards():
        if library not in _hazards_told:
            _hazards_told.add(library)
            warnings.warn(
                f"parmap forks workers from a process that has used {library}: {lost}. Try start='spawn', or leave "
                "that library to one side: the caller, or the tasks",
                RuntimeWarning,
                stacklevel=stacklevel + 1,
            )


# Variables that tell BLAS and OpenMP, when they are loaded, how many threads to use; and those of them that are not set.
_NAMES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_unset = tuple(name for name in _NAMES if name not in os.environ)

# The libraries that threadpoolctl has found, and how many modules were loaded when it looked.
_libraries: _ThreadPools | None = None


class _ThreadPools:
    """The thread pools of BLAS and OpenMP in this process."""

    def __init__(self, controller: Any, modules: int) -> None:
        self.modules = modules
        self._counts = []
        plain = []
        for library in controller.lib_controllers:
            try:
                # OpenBLAS's own function restarts all its threads after a fork in order to use fewer, and these then spin for some 30
                # ms. This is the number that it writes.
                if library.internal_api != "openblas" or library.threading_layer != "pthreads":
                    raise ValueError
                self._counts.append(ctypes.c_int.in_dll(library.dynlib, "blas_cpu_number"))
            except (AttributeError, ValueError):
                plain.append(library.filepath)
        self._others = controller.select(filepath=plain)

    def limit(self, threads: int) -> None:
        for count in self._counts:
            count.value = min(count.value, threads)
        if len(self._others):
            self._others.limit(limits=threads)


def find_thread_pools() -> None:
    """In the caller, once for all its workers, because looking for BLAS and OpenMP takes milliseconds."""
    global _libraries, _unset
    _unset = tuple(name for name in _NAMES if name not in os.environ)
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
    threads = max(1, cores // max(1, workers))
    for name in _unset:
        os.environ[name] = str(threads)
    if _libraries is not None:
        _libraries.limit(threads)


#: The usable cores of the caller, which its workers share.
cores = _parmap.usable_cores()


def numpy_scalars() -> tuple[tuple[type, str], ...]:
    """Returns the scalar types that fit into a slot, with numpy.dtype.kind of each."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return ()
    names = "bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 longlong ulonglong float16 float32 float64 complex64 complex128"
    try:
        types = [getattr(numpy, name) for name in names.split()]
        return tuple((each, numpy.dtype(each).kind) for each in types)
    except AttributeError:  # another thread is importing NumPy
        return ()
