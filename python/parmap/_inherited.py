# SPDX-License-Identifier: MIT
"""What a worker inherits from other threads and libraries of the caller, and cannot use as it is: locks that nobody would
release, imports that nobody would finish, the state of random generators."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

from ._loaded import loaded

_first_seed = int.from_bytes(os.urandom(4), "little")
_kept: list[Any] = []  # objects of the caller that must not be freed here: their destructors are the caller's business


def give_tqdm_own_locks() -> None:
    """tqdm's lock is shared by all processes that are forked after it was made: a worker that dies while it draws would
    leave it locked for the caller, and for all other workers."""
    std: Any = loaded("tqdm.std")
    lock = getattr(std, "TqdmDefaultWriteLock", None)
    if std is None or lock is None:
        return
    _kept.append((getattr(lock, "mp_lock", None), lock.th_lock))
    lock.mp_lock = None
    lock.th_lock = threading.RLock()
    for bar in _with_subclasses(std.tqdm):
        if "_lock" in vars(bar):
            _kept.append(bar._lock)
            bar._lock = lock()


def _with_subclasses(kind: Any) -> Iterator[Any]:
    yield kind
    for each in kind.__subclasses__():
        yield from _with_subclasses(each)


def tell_multiprocessing() -> None:
    """Does what multiprocessing does in a process that it has forked: its queues, managers and locks begin anew, and its
    processes and finalizers are those of the caller."""
    util: Any = loaded("multiprocessing.util")
    process: Any = loaded("multiprocessing.process")
    if util is None or process is None:
        return
    _kept.append((dict(util._finalizer_registry), process._children))
    util._finalizer_registry.clear()
    process._children = set()
    tracker: Any = getattr(loaded("multiprocessing.resource_tracker"), "_resource_tracker", None)
    if (lock := getattr(tracker, "_lock", None)) is not None:
        _kept.append(lock)
        tracker._lock = type(lock)() if isinstance(lock, type(threading.RLock())) else threading.Lock()
    util._run_after_forkers()  # logs what one of them raises


def forget_imports_of_other_threads() -> None:
    """Those threads do not exist here, so a module that one of them was importing at the fork is imported anew when needed.

    Otherwise the import would wait for ever for the module's lock. If importlib has other internals, nothing is changed.
    """
    locks = getattr(loaded("_frozen_importlib"), "_module_locks", None)
    if type(locks) is not dict:
        return
    mine = threading.get_ident()
    for name, reference in list(locks.items()):
        owner = getattr(reference(), "owner", mine)
        if owner == mine:  # the module being imported called parmap
            continue
        del locks[name]
        module = loaded(name)
        if owner is not None and getattr(getattr(module, "__spec__", None), "_initializing", False):
            del sys.modules[name]


def draw_other_numbers(number: int) -> None:
    """Seeds the global generators of NumPy and torch anew, as the module random does by itself: no two workers draw the
    same numbers. `number` counts the caller's workers."""
    numpy_random = loaded("numpy.random")
    if getattr(numpy_random, "seed", None) is not None:  # else not imported, or not completely by another thread of the caller
        try:
            # That thread may also have held the generator's lock at the fork. Here no thread holds it.
            numpy_random.mtrand._rand._bit_generator.lock._at_fork_reinit()  # type: ignore[union-attr]
        except AttributeError:
            pass  # a NumPy that has no such lock
        # A number of 32 bits, as anything else touches a hundred pages more, each of which a worker has to copy first.
        numpy_random.seed((_first_seed + number) % 2**32)  # type: ignore[union-attr]
    give_workers_other_numbers()
    generator = getattr(loaded("torch"), "default_generator", None)
    if generator is not None:
        generator.manual_seed(int.from_bytes(os.urandom(8), "little") >> 1)


def give_workers_other_numbers() -> None:
    """The workers of this process get other numbers than those of the process that has forked it."""
    global _first_seed
    _first_seed = int.from_bytes(os.urandom(4), "little")
