# SPDX-License-Identifier: MIT
"""The tasks of a map of a cluster: what an agent gets of the map, once, and what its workers call."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import _errors, _parmap, _task
from ._arguments import Request
from ._axes import arguments_at

_loads = pickle.loads  # a task may replace it

#: Of the maps of this agent, by name. Workers have inherited those of their map.
programs: dict[str, Program] = {}

# What reaches the agent, and the caller, as it is. All else is pickled by the worker and unpickled by the caller.
_AS_THEY_ARE = frozenset((int, float, complex, bool, type(None), str))


@dataclass
class Program:
    """Read from a pickle by the agent; its workers are forked after that."""

    func: Callable[..., Any]  # what the engine calls
    fargs: dict[str, Any]
    groups: tuple[Any, ...]
    names: tuple[str, ...] | None  # of the inputs, in a grid
    init: Callable[[], Any] | None
    finish: Callable[[], Any] | None
    wants_retry: Callable[[Any], Any] | None
    seed: int
    timeout_ns: int | None
    retries: int
    retry_delay_ns: int
    memory_limit: int | None
    max_tasks: int | None
    of_one: int = 0  # tasks of an element of the first axis, if that is read as the stream goes
    block: int = 0  # of a fold, whose func is its step: tasks that share an accumulator
    identity: Any = None  # of a fold
    lane: int = 0  # the number of the agent's first worker

    def arguments(self, index: int, element: bytes | None) -> tuple[Any, ...]:
        """`element`: of the first axis, pickled, if that is read as the stream goes."""
        if element is None:
            return arguments_at(self.groups, index)
        return (_loads(element), *arguments_at(self.groups[1:], index % self.of_one))

    def task(self, index: int, element: bytes | None = None) -> Any:
        """The inputs of a task, as users see them."""
        found = self.arguments(index, element)
        return found if self.names is None else dict(zip(self.names, found))


def pickled_program(asked: Request, of_one: int = 0, block: int = 0, identity: Any = None) -> bytes:
    """Functions of __main__ go by value. `of_one`, `block`, `identity`: see Program."""
    try:
        import cloudpickle
    except ImportError:
        raise ImportError("parmap: the engines dask and mpi need cloudpickle: pip install cloudpickle") from None
    program = Program(
        asked.func, asked.fargs, ((), *asked.product.groups[1:]) if of_one else asked.product.groups, asked.product.names, asked.init, asked.finish, asked.wants_retry, asked.seed,
        asked.timeout_ns, asked.retries, asked.retry_delay_ns, asked.memory_limit, asked.max_tasks, of_one, block, identity,
    )  # fmt: skip
    try:
        return _errors._pickled_by(cloudpickle, program, None)
    except Exception as error:
        _errors.add_note(error, "parmap: func, its iterables, fargs, init, finish and retry_if reach the nodes of a cluster by pickle")
        raise


def run_task(job: str, index: int, element: bytes | None = None) -> Any:
    """In a worker: the task with this number, among those of the whole map."""
    program = programs[job]
    token = _begin(program, index)
    try:
        # (For a tiny task a further call is a good part of the cost.)
        arguments = arguments_at(program.groups, index) if element is None else program.arguments(index, element)
        value = program.func(*arguments, **program.fargs)
    finally:
        _task.running.reset(token)
    return value if type(value) in _AS_THEY_ARE else _as_it_travels(value)


def run_step(job: str, index: int, accumulator: Any) -> Any:
    """In a worker: the task of a fold with this number. `accumulator`: as run_step() has returned it, or BEGINNING."""
    program = programs[job]
    mine = copy.deepcopy(program.identity) if type(accumulator) is tuple else as_it_was(accumulator)
    task = program.task(index)
    token = _begin(program, index)
    try:
        made = program.func(mine, **task, **program.fargs) if program.names is not None else program.func(mine, *task, **program.fargs)
    finally:
        _task.running.reset(token)
    return _as_it_travels(mine if made is None else made)


#: In place of an accumulator before the first step. Those that travel are never tuples.
BEGINNING = ()


def as_it_was(value: Any) -> Any:
    return _loads(value) if type(value) is bytes else value


def _begin(program: Program, index: int) -> Any:
    _, attempt, worker = _parmap.task()  # the number there is that in the stream
    return _task.running.set(_task.Running(index, attempt, program.lane + worker, program.seed, None))


def _as_it_travels(value: Any) -> Any:
    if type(value) in _AS_THEY_ARE:
        return value
    try:
        return _errors.pickled(value)
    except BaseException:
        return value  # the worker fails to pickle it, too, and tells of that


_errors.hidden.update((run_task.__code__, run_step.__code__))
