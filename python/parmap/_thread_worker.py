# SPDX-License-Identifier: MIT
"""What a thread of the engine threads has in common with one that threading.Thread starts: a name, the hooks of debuggers
and profilers, the size of its stack; and what a task takes over from the caller."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from ._loaded import loaded


def begin(worker: int) -> None:
    """Called in the thread before its first task of a map."""
    threading.current_thread().name = f"parmap-{worker}"
    if (trace := threading.gettrace()) is not None:
        sys.settrace(trace)
    if (profile := threading.getprofile()) is not None:
        sys.setprofile(profile)


def end() -> None:
    """Called in the thread after its last task of the map."""
    sys.settrace(None)
    sys.setprofile(None)


def end_with_stream() -> None:
    """Called in a thread of a stream, which ends now: begin() has made the module threading know it."""
    end()
    if type(threading.current_thread()) is threading._DummyThread:
        threading._active.pop(threading.get_ident(), None)  # type: ignore[attr-defined]


def hooks_are_set() -> bool:
    return threading.gettrace() is not None or threading.getprofile() is not None


def state_of_the_caller() -> Callable[[], None] | None:
    """Returns a function that each task calls first, in its copy of the caller's context (contextvars), or None. It takes
    over what that copy shares or lacks: decimal's context, which a task could change for all, and the errors of NumPy
    before 2, which belong to a thread."""
    acts: list[Callable[[], Any]] = []
    if (decimal := loaded("decimal")) is not None:
        acts.append(lambda: decimal.setcontext(decimal.getcontext().copy()))
    numpy = loaded("numpy")
    if numpy is not None and getattr(numpy, "__version__", "2").startswith("1."):
        errors = numpy.geterr()
        acts.append(lambda: numpy.seterr(**errors))
    if not acts:
        return None

    def begin_task() -> None:
        for act in acts:
            act()

    return begin_task
