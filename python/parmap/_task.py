# SPDX-License-Identifier: MIT
"""What a task can learn about itself: its context and its random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _parmap, _setup

if TYPE_CHECKING:
    import numpy


class _Numbers(NamedTuple):
    index: int  # type: ignore[assignment]  #: in input order, from 0
    attempt: int  #: 1 for the first try, at most 1 + retries
    worker: int  #: below the number of workers; no two tasks that run at the same time have the same


class Context(_Numbers):
    """The task that is running: index, attempt, worker = context(); and `state`, which is not one of the three."""

    state: Any = None  #: what init has returned in this worker, or what its context manager gave


class Running:
    """A task of async, or the one that serial is at. The extension knows the tasks of the other engines, by their thread;
    greenlets of one thread may each be in a map of serial."""

    __slots__ = ("attempt", "generator", "index", "seed", "state", "worker")

    def __init__(self, index: int, attempt: int, worker: int, seed: int, state: Any) -> None:
        self.state = state
        self.index = index
        self.attempt = attempt
        self.worker = worker
        self.seed = seed
        self.generator: numpy.random.Generator | None = None


#: Set by each task of async, as these take turns in one thread, and by each map of serial. None: ask the extension.
running: ContextVar[Running | None] = ContextVar("parmap.running", default=None)


@contextmanager
def of_the_extension(task: Running | None = None) -> Iterator[None]:
    """Use this while an engine of the extension runs, even inside a task of async, or of serial with a state. `task`: of
    serial, which tells it of each task."""
    token = running.set(task)
    outer, _setup.here.state = _setup.here.state, None
    try:
        yield
    finally:
        _setup.here.state = outer
        running.reset(token)


def in_task() -> bool:
    try:
        context()
    except RuntimeError:
        return False
    return True


def context() -> Context:
    """The task that calls this. Outside a task: RuntimeError."""
    task = running.get()
    if task is None:
        found = Context(*_parmap.task())
        found.state = _setup.here.state
    else:
        found = Context(task.index, task.attempt, task.worker)
        found.state = task.state if task.state is not None else _setup.here.state
    return found


def rng() -> numpy.random.Generator:
    """This task's own random numbers: a NumPy Generator over Philox with key (seed, index).

    The numbers depend on neither the engine, the number of workers nor the attempt, and equal those of the C++
    library's context::rng(). Further calls in a task continue with the same generator. Outside a task: RuntimeError;
    without NumPy: ImportError.
    """
    task = running.get()
    if task is None:
        return _parmap.task_generator(_make_generator)
    if task.generator is None:
        task.generator = _make_generator(task.seed, task.index)
    return task.generator


def _make_generator(seed: int, index: int) -> numpy.random.Generator:
    try:
        import numpy
    except ImportError as error:
        raise ImportError("parmap.rng() needs NumPy: pip install numpy") from error
    return numpy.random.Generator(numpy.random.Philox(key=numpy.array([seed, index], dtype=numpy.uint64)))
