# SPDX-License-Identifier: MIT
"""What a task may ask about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from . import _parmap

if TYPE_CHECKING:
    import numpy


class Context(NamedTuple):
    """The task that is running."""

    index: int  #: in input order, from 0
    attempt: int  #: 1 for the first try, at most 1 + retries
    worker: int  #: below the number of workers; no two tasks that run at the same time have the same


def context() -> Context:
    """The task that calls this. Outside of a task: RuntimeError."""
    return Context(*_parmap.task())


def rng() -> numpy.random.Generator:
    """This task's own random numbers: a NumPy Generator over Philox with key (seed, index).

    The same numbers whatever the engine, the number of workers or the attempt, and the same as those of the C++
    library's context::rng(). Further calls in one task go on with the same generator. Outside of a task: RuntimeError;
    without NumPy: ImportError.
    """
    return _parmap.task_generator(_make_generator)


def _make_generator(seed: int, index: int) -> numpy.random.Generator:
    try:
        import numpy
    except ImportError as error:
        raise ImportError("parmap.rng() needs NumPy: pip install numpy") from error
    return numpy.random.Generator(numpy.random.Philox(key=numpy.array([seed, index], dtype=numpy.uint64)))
