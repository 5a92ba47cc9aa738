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
    index: int  # type: ignore[assignment]
    attempt: int
    worker: int


class Context(_Numbers):
    """The task that is running, as parmap.context() returns it: a tuple of three numbers, and the state of the worker::

        def task(x):
            index, attempt, worker = parmap.context()
            return parmap.context().state.query(x)

    Attributes
    ----------
    index : int
        The number of the task in input order, from 0.
    attempt : int
        1 at the first attempt, and at most 1 + retries.
    worker : int
        At least 0 and less than the number of workers. Tasks of a map that run at the same time have different ones.
    state : object
        What init has returned in this worker, or what its context manager gave; None without init. It is not one of
        the three elements of the tuple.
    """

    state: Any = None


class Running:
    """A task of async, or the one that serial is at. The extension knows the tasks of the other engines, by their thread;
    greenlets of one thread may each be in a map of serial."""

    __slots__ = ("attempt", "generator", "index", "seed", "state", "worker")
    number: int | None = None  #: of the random stream, if that is not the index

    def __init__(self, index: int, attempt: int, worker: int, seed: int, state: Any) -> None:
        self.state = state
        self.index = index
        self.attempt = attempt
        self.worker = worker
        self.seed = seed
        self.generator: numpy.random.Generator | None = None


class Renumbered(Running):
    """A task of a map with a checkpoint: its random stream has the number that the file gives."""

    __slots__ = ("number",)

    def __init__(self, index: int, number: int, of: Context, seed: int) -> None:
        super().__init__(index, of.attempt, of.worker, seed, of.state)
        self.number = number


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
    return running.get() is not None or _parmap.in_task()


def context() -> Context:
    """Return the Context of the task that calls it: index, attempt, worker and state::

        def task(x):
            return parmap.context().index

    Raises
    ------
    RuntimeError
        It is called outside a task. Threads that a task starts count as outside; coroutines that a task of async
        starts, and functions that it gives to asyncio.to_thread, do not.

    Notes
    -----
    Tasks may call it at the same time; each gets its own Context.
    """
    task = running.get()
    if task is None:
        found = Context(*_parmap.task())
        found.state = _setup.here.state
    else:
        found = Context(task.index, task.attempt, task.worker)
        found.state = task.state if task.state is not None else _setup.here.state
    return found


def rng() -> numpy.random.Generator:
    """Return the random generator of the task that calls it, a numpy.random.Generator::

        def draw(_):
            return parmap.rng().normal()

        parmap(draw, range(1000), seed=42)     # the same numbers in every run

    The numbers depend only on the seed and on the task's index. They do not depend on the engine, the number of
    workers or the attempt. They equal those of context::rng() in the C++ library: Philox4x64-10 with the key (seed, index), from
    counter 0 on, as ``numpy.random.Philox(key=[seed, index], counter=2**256 - 1)``.

    All calls in one attempt of a task return the same generator, so its numbers go on. A retry draws the same numbers
    again.

    Raises
    ------
    RuntimeError
        It is called outside a task, as explained for parmap.context().
    ImportError
        NumPy is not installed.

    Notes
    -----
    Each task has its own generator, so tasks that run at the same time do not share one.
    """
    task = running.get()
    if task is None:
        return _parmap.task_generator(_make_generator)
    if task.generator is None:
        task.generator = _make_generator(task.seed, task.index if task.number is None else task.number)
    return task.generator


def _make_generator(seed: int, index: int) -> numpy.random.Generator:
    try:
        import numpy
    except ImportError as error:
        raise ImportError("parmap.rng() needs NumPy: pip install numpy") from error
    # NumPy adds 1 to the counter before it draws, and C++ after it.
    return numpy.random.Generator(numpy.random.Philox(key=numpy.array([seed, index], dtype=numpy.uint64), counter=2**256 - 1))
