# SPDX-License-Identifier: MIT
"""What a worker does when its work is done: for whatever was made in it, what a Python process does at its end. What it
has inherited ends with the caller.

begin() is called in the worker before its first task, finish() after its last one, if it leaves in order. The supervisor
gives finish() ten seconds (or timeout_sec, if that is more), kills the worker then, and the caller warns.
"""

from __future__ import annotations

import atexit
import gc
import io
import os
import sys
import tempfile
import threading
import traceback
import weakref
from collections.abc import Callable
from typing import Any

from . import _parmap
from ._loaded import loaded

#: What a worker is doing as it ends, by the number that it tells; the caller warns by these words.
DOING = (
    "its last steps",
    "finish, or the end of the context manager that init has returned",
    "the threads and executors that its tasks have left running",
    "the handlers of atexit and weakref.finalize, and the queues of multiprocessing, that its tasks have left",
    "the files that its tasks have left open",
)

_exit_functions = 0  # of threading, at birth
_executor_ends: list[Callable[[], None]] = []  # of modules that the caller has imported
_finalizers = 0  # the number of the first one that is made here
_free_descriptor = -1  # the lowest, at birth
_coverage: Any = None  # what measures this worker
_handlers: set[int] = set()  # of logging, of the caller: references by id
_kept: list[Any] = []  # of the caller


def begin(inherits: bool) -> None:
    """`inherits`: what is registered by now is the caller's."""
    global _free_descriptor
    if inherits:
        _leave_registries_to_the_caller()
        _measure()
    _free_descriptor = _lowest_free_descriptor()


def _leave_registries_to_the_caller() -> None:
    """Nothing is taken out of them: what they alone refer to would be destroyed here."""
    global _exit_functions, _finalizers
    _exit_functions = len(getattr(threading, "_threading_atexits", ()))
    _forget_executors()
    _finalizers = next(weakref.finalize._index_iter)  # type: ignore[attr-defined]
    weakref.finalize._registered_with_atexit = False  # type: ignore[attr-defined]  # the first one made here registers anew
    # Handlers run newest first, so this one runs before those of the caller; it does not return.
    atexit.register(_last_steps, os.getpid())
    if (util := loaded("multiprocessing.util")) is not None:
        atexit.register(util._exit_function)
    _handlers.update(map(id, getattr(loaded("logging"), "_handlerList", ())))


def _forget_executors() -> None:
    """The threads of the caller's executors do not exist here, and the pipes that wake them are the caller's. What tasks make
    is registered anew; the modules have registered their own ends with threading in the caller."""
    for name, registry in (
        ("concurrent.futures.thread", "_threads_queues"),
        ("concurrent.futures.process", "_threads_wakeups"),
    ):
        module: Any = loaded(name)
        if module is None or not hasattr(module, registry) or not hasattr(module, "_python_exit"):
            continue
        _executor_ends.append(module._python_exit)
        if len(getattr(module, registry)) > 0:
            _kept.append(getattr(module, registry))
            setattr(module, registry, weakref.WeakKeyDictionary())


def finish(leave: Callable[[], None] | None) -> None:
    """Does not return if this is a worker of its own right. `leave` is the counterpart of init, or None."""
    if leave is not None:
        _parmap.tell_leaving(1)
        _tell_if_raises("finish", leave)
    _parmap.tell_leaving(2)
    _end_threads()
    _parmap.tell_leaving(3)
    registry = weakref.finalize._registry  # type: ignore[attr-defined]
    if weakref.finalize._registered_with_atexit:  # type: ignore[attr-defined]
        for info in list(registry.values()):
            if info.index < _finalizers:
                info.atexit = False  # of the caller
    atexit._run_exitfuncs()  # ends with _last_steps
    _last_steps(os.getpid())  # a task has called atexit._clear()


def _last_steps(worker: int) -> None:
    if os.getpid() != worker:
        os._exit(0)  # a child that a task has forked, and that ends like a program: the rest is the caller's
    if (logging := loaded("logging")) is not None:
        logging.shutdown([each for each in logging._handlerList if id(each) not in _handlers])
    if _coverage is not None:
        _tell_if_raises("coverage", _coverage.stop)
        _tell_if_raises("coverage", _coverage.save)
    _parmap.tell_leaving(4)
    if _lowest_free_descriptor() != _free_descriptor:
        _write_files()
    _parmap.leave_worker()


def _tell_if_raises(what: str, call: Callable[[], Any]) -> None:
    try:
        call()
    except BaseException:
        print(f"parmap: {what} raised at the end of a worker:", file=sys.stderr)
        traceback.print_exc()


def _end_threads() -> None:
    """As threading._shutdown does, which cannot be told to leave out what was inherited."""
    for call in reversed([*_executor_ends, *getattr(threading, "_threading_atexits", ())[_exit_functions:]]):
        _tell_if_raises("a thread's end", call)
    me = threading.current_thread()
    while rest := [each for each in threading.enumerate() if each is not me and not each.daemon]:
        for each in rest:
            each.join()


def _lowest_free_descriptor() -> int:
    try:
        number = os.dup(2)
    except OSError:
        return -1
    os.close(number)
    return number


def _write_files() -> None:
    """A file that is still open has what was written to it in its buffer. Inherited objects are frozen (gc.freeze), so these
    are the worker's own."""
    for each in gc.get_objects():
        try:
            if isinstance(each, tempfile._TemporaryFileWrapper):
                each.close()
            elif isinstance(each, (io.BufferedWriter, io.BufferedRandom, io.TextIOWrapper)) and not each.closed:
                each.flush()
        except (OSError, ValueError, ReferenceError):
            pass  # as at the end of a program, where it is freed


def _measure() -> None:
    """coverage measures a worker if it was told to measure processes: by concurrency = multiprocessing, or by patch = fork,
    which has begun to do so in the fork."""
    global _coverage
    kind = getattr(loaded("coverage"), "Coverage", None)
    current = kind.current() if kind is not None else None
    if current is None:
        return
    try:
        if "multiprocessing" in current.get_option("run:concurrency") and not _has_patch(current, "fork"):
            current.stop()
            _coverage = kind(data_suffix=True, auto_data=True)  # type: ignore[misc]
            _coverage._warn_preimported_source = _coverage._warn_no_data = False
            _coverage.start()
        elif _has_patch(current, "fork"):
            _coverage = current
    except Exception:
        print("parmap: coverage cannot measure a worker:", file=sys.stderr)
        traceback.print_exc()


def _has_patch(current: Any, name: str) -> bool:
    try:
        return name in (current.get_option("run:patch") or ())
    except Exception:  # a coverage that has no such option
        return False
