# SPDX-License-Identifier: MIT
"""The arguments of a map, checked before anything starts."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
import operator
import os
import re
import time
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import _parmap
from . import _checkpoint, _deadline, _trace
from ._part import Part, part_of
from ._axes import Product, zip as zip_axes
from ._grid import product_of
from ._fork_hazards import Hazard
from ._interrupt import CtrlC
from ._loaded import loaded
from ._failures import Failure
from ._results import Results
from ._times import Measured
from ._unknown_name import UnknownName
from ._setup import Setup, setup_of

#: The names of the engines: what parmap()'s argument engine may be.
ENGINES = ("multi", "threads", "serial", "async")

#: Engines of other computers, which need a library of their own. An engine can also be a Client of Dask, or an object.
CLUSTERS = ("dask", "mpi")

#: The ways in which multi can start its workers.
STARTS = ("fork", "spawn")

_PROCESS = os.getpid()  # that has imported this, and whose forks have no connection to a cluster

_LEAST_THREADS = 5  # the default of python-parmap: threads mostly wait and rarely compute
_IN_FLIGHT = 64  # the default of async: a usual number of simultaneous connections


class _Pending:
    """Stands for a value that does not exist yet."""


PENDING = _Pending()


@dataclass
class Request:
    """The request to an engine, and what the engine reports. bindings.cpp reads and writes it."""

    engine: str
    func: Callable[..., Any]  # what the engine calls
    axes: tuple[Any, ...]
    fargs: dict[str, Any]
    values: Results  # to be filled; empty until there are results under multi
    init: Callable[[], Any] | None
    finish: Callable[[], Any] | None
    setup: Callable[[], Setup] | None  # makes that of one worker; not for async
    workers: int
    timeout_ns: int | None
    retries: int
    retry_delay_ns: int
    wants_retry: Callable[[Failure], Any] | None  # what the user has given
    seed: int
    memory_limit: int | None
    max_failures: int | None
    stop: Any  # has is_set(), or None
    max_tasks: int | None
    deadline_ns: int | None
    on_error: Any
    stop_at_failure: bool
    product: Product
    given: Callable[..., Any]  # the user's func
    start: str
    pool: Any = None  # a parmap.Executor, if the engine is "pool"
    cluster: Any = None  # a DaskEngine or MpiEngine, if the engine is "cluster"
    hosts: dict[int, str] = field(default_factory=dict)  # of a cluster, where tasks have failed
    show_places: Callable[[str], None] | None = None  # of a cluster
    ordered: bool = False  # of a stream, like the next one
    window: int = 0  # 0: chosen by the engine
    times: bool = False
    trace: Any = None  # a path, False, or a Recording
    recording: Any = None  # a _trace.Recording of this map
    recorder: Any = None  # its _parmap.Recorder, which engines tell
    record: Callable[..., None] | None = None  # of a map with a checkpoint: makes them
    checkpoint: _checkpoint.checkpoint | None = None
    part: Part | None = None  # None: all tasks
    seed_is_given: bool = False
    heard: Callable[..., Any] | None = None  # of async: called with each task that has ended
    is_quiet: bool = False  # the user wants no lines on stderr
    retry_if: Callable[..., bool] | None = None  # what bindings.cpp calls
    unenforced: tuple[str, ...] = ()  # the limits that were given and that this engine does not enforce
    hazards: list[Hazard] = field(default_factory=list)  # of a caller that forks
    report: Callable[..., None] | None = None
    ctrl_c: CtrlC = field(default_factory=CtrlC)
    # What became of the map. It is stored here and not returned, because Ctrl-C may cost the return value of a
    # function.
    told: list[tuple[int, str, bytes, int, int]] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)  # with the option times: one item
    # What went wrong at the ends of workers: (how many were killed, a number of _worker_end.DOING), or what finish raised.
    ends: list[tuple[int, int] | BaseException] = field(default_factory=list)
    raised: dict[int, BaseException] = field(default_factory=dict)
    interrupt: BaseException | None = None
    begun: float = field(default_factory=time.monotonic)
    results: Results | None = None

    @property
    def may_skip(self) -> bool:
        """Whether some of the tasks need not run: they are stored, or in other parts."""
        return self.checkpoint is not None or self.part is not None


def check(
    func: Any, args: Any, fargs: Any, engine: Any, timeout_sec: Any, n_worker: Any, n_simul: Any, on_error: Any,
    retries: Any, seed: Any, memory_limit: Any, init: Any, finish: Any, max_failures: Any, stop: Any, max_tasks: Any = None, start: Any = "fork",
    deadline_sec: Any = None, deadline: Any = None, retry_delay_sec: Any = 0, retry_if: Any = None, times: Any = False, ordered: Any = False,
    window: Any = 0, grid: Any = None, where: Any = None, checkpoint: Any = None, streams: bool = False, trace: Any = None,
    part: Any = None,
) -> Request:  # fmt: skip
    """`streams`: for a stream, whose first iterable may be read as it goes."""
    pool = cluster = None
    if engine == "asyncio":
        engine = "async"
    elif getattr(type(engine), "_is_parmap_pool", False):
        pool, engine = engine, "pool"
        _refuse_options_of_pool(memory_limit=memory_limit, init=init, finish=finish, max_tasks=max_tasks, start=None if start == "fork" else start)
    elif engine not in ENGINES:
        cluster = _cluster_of(engine)
        if cluster is None:
            raise UnknownName("engine", engine, (*ENGINES, *CLUSTERS))
        _check_cluster(engine, args, grid, fargs, start)
        engine = "cluster"
    if not callable(func):
        raise TypeError(f"parmap: func must be callable, but is {func!r:.100}")
    said = engine if cluster is None else cluster._name
    _check_async("func", func, said)
    if engine == "async" and not _is_async(func):
        raise TypeError(
            f"parmap: engine='async' is for async functions, but func is {func!r:.100}: define it by async def (a lambda "
            "that returns a coroutine is not one), or use engine='threads' for a function that waits"
        )
    if fargs is not None and not isinstance(fargs, dict):
        raise TypeError(f"parmap: fargs must be a dict, but is of type {type(fargs).__name__}")
    if fargs and not all(isinstance(name, str) for name in fargs):
        raise TypeError("parmap: the keys of fargs must be strings, the names of arguments")
    if n_simul is not None:
        if n_worker is not None:
            raise TypeError("parmap: n_simul is another name for n_worker; give only one of them")
        n_worker = n_simul
    if on_error is not None and on_error != "raise" and not callable(on_error):
        raise TypeError(f"parmap: on_error must be None, 'raise' or a callable(func, task, exc), not {on_error!r:.100}")
    if init is not None and not callable(init):
        raise TypeError(f"parmap: init must be callable, but is {init!r:.100}")
    if finish is not None and not callable(finish):
        raise TypeError(f"parmap: finish must be callable, but is {finish!r:.100}")
    _check_async("init", init, said)
    _check_async("finish", finish, said)
    workers = 0 if n_worker is None else _whole("n_worker", n_worker, 1, 2**32)
    if n_worker is None and engine == "threads":
        workers = max(_LEAST_THREADS, _parmap.usable_cores())
    if n_worker is None and engine == "async":
        workers = _IN_FLIGHT
    retries = _whole("retries", retries, 0, 2**31 - 1)
    retry_delay_ns = 0 if retry_delay_sec == 0 else _nanoseconds("retry_delay_sec", retry_delay_sec) or 2**62
    if retry_if is not None and not callable(retry_if):
        raise TypeError(f"parmap: retry_if must be callable, but is {retry_if!r:.100}")
    part = part_of(part)
    seed_is_given = seed is not None
    if seed is None and part is not None:
        seed = 0  # all parts have the same
    seed = int.from_bytes(os.urandom(8), "little") if seed is None else _whole("seed", seed, 0, 2**64)
    timeout_ns = _nanoseconds("timeout_sec", timeout_sec)
    if deadline is not None:
        if deadline_sec is not None:
            raise TypeError("parmap: deadline and deadline_sec are two ways to say the same; give only one of them")
        deadline_sec = _deadline.seconds_left(deadline)
    deadline_ns = _nanoseconds("deadline_sec", deadline_sec)
    if memory_limit is not None:
        memory_limit = _whole("memory_limit", _bytes(memory_limit), 1, 2**63)
        if engine not in ("multi", "serial", "cluster"):
            raise ValueError(f"parmap: the engine {engine} has no memory_limit, because its tasks share one process; use multi")
    if max_failures is not None:
        max_failures = _whole("max_failures", max_failures, 1, 2**63)
    if stop is not None and not callable(getattr(stop, "is_set", None)):
        raise TypeError(f"parmap: stop must be a threading.Event or have its is_set(), but is {stop!r:.100}")
    if max_tasks is not None:
        max_tasks = _whole("max_tasks", max_tasks, 1, 2**63)
        if engine not in ("multi", "serial", "cluster"):
            raise ValueError(f"parmap: the engine {engine} has no max_tasks, because its workers are not processes; use multi")
    if start not in STARTS:
        raise UnknownName("start", start, STARTS)
    if start != "fork" and engine not in ("multi", "serial"):
        raise ValueError(f"parmap: start={start!r} is for the engine multi; {engine} starts no processes")
    unenforced: tuple[str, ...] = ()
    if engine == "serial":  # accepts all arguments, so that switching to it changes one word
        limits = {"timeout_sec": timeout_ns, "memory_limit": memory_limit, "max_tasks": max_tasks}
        unenforced = tuple(name for name, limit in limits.items() if limit is not None)
        workers, timeout_ns, memory_limit, max_tasks = 0, None, None, None
    hazards: list[Hazard] = []
    if pool is not None:  # what its messages need
        of_pool = pool._pool.asked
        timeout_ns, memory_limit, hazards = timeout_ns or of_pool.timeout_ns, of_pool.memory_limit, of_pool.hazards
    window = _whole("window", window, 0, 2**26 + 1)
    product = Product(args, streams) if grid is None and where is None else product_of(args, streams, grid, where, func, fargs)
    if part is not None and product.first is not None:
        raise TypeError(
            "parmap: a part is chosen by the numbers of the tasks, but the first input can be read only once, and has no length: give a list, or "
            "something else that has one"
        )
    return Request(
        engine=engine,
        func=product.callee(func),
        axes=product.groups,
        fargs=dict(fargs or {}),  # of its own: a task may change the caller's, and free the values in it
        values=Results(() if engine == "multi" or streams else itertools.repeat(PENDING, product.size)),
        init=init,
        finish=finish,
        setup=setup_of(init, finish),
        workers=workers,
        timeout_ns=timeout_ns,
        retries=retries,
        retry_delay_ns=retry_delay_ns,
        wants_retry=retry_if,
        seed=seed,
        memory_limit=memory_limit,
        max_failures=max_failures,
        stop=stop,
        max_tasks=max_tasks,
        deadline_ns=deadline_ns,
        on_error=on_error,
        stop_at_failure=on_error == "raise" and engine != "serial" and not streams,
        product=product,
        given=func,
        start=start,
        unenforced=unenforced,
        ordered=bool(ordered),
        window=window,
        times=bool(times),
        trace=_trace.check(trace),
        checkpoint=_checkpoint.checkpoint_of(checkpoint),
        part=part,
        seed_is_given=seed_is_given,
        pool=pool,
        cluster=cluster,
        hazards=hazards,
    )


def is_cluster(engine: Any) -> bool:
    """Whether it is the engine of other computers."""
    client = getattr(loaded("distributed"), "Client", None)
    is_client = client is not None and isinstance(engine, client)
    return is_client or getattr(type(engine), "_is_parmap_cluster", False) or (isinstance(engine, str) and engine in CLUSTERS)


def _cluster_of(engine: Any) -> Any:
    """The engine, if it is that of a cluster. Its library is imported only then."""
    if not is_cluster(engine):
        return None
    if getattr(type(engine), "_is_parmap_cluster", False):
        return engine
    if engine != "mpi":
        from ._dask_engine import DaskEngine

        return DaskEngine(None if engine == "dask" else engine)
    from ._mpi_engine import MpiEngine

    return MpiEngine()


def _check_cluster(engine: Any, args: Any, grid: Any, fargs: Any, start: Any) -> None:
    """Before the inputs are read."""
    from ._carrier import refuse_lazy

    if os.getpid() != _PROCESS:
        raise RuntimeError(
            "parmap: a task in a worker process cannot use the cluster of its caller, as a fork has no connection to it: use "
            "engine='multi' or 'serial' there, or flatten the loops into one map"
        )
    name = engine if isinstance(engine, str) else type(engine).__name__
    if start == "spawn":
        raise ValueError(f"parmap: start='spawn' is for the engine multi; the workers of {name} are forked by its agents, which have none of your libraries")
    for k, each in enumerate(args, 1):
        for axis in each._axes if isinstance(each, zip_axes) else (each,):
            refuse_lazy(f"argument {k}", axis)
    for part in grid if isinstance(grid, (list, tuple)) else (grid,):
        if isinstance(part, dict):
            for each, values in part.items():
                refuse_lazy(f"the grid's {each}", values)
        else:
            refuse_lazy("the grid", part)
    for each, value in fargs.items() if isinstance(fargs, dict) else ():
        refuse_lazy(f"fargs[{each!r}]", value)


def _refuse_options_of_pool(**options: Any) -> None:
    for name, value in options.items():
        if value is not None:
            raise ValueError(
                f"parmap: {name} belongs to the workers of an Executor, for all that they run: parmap.Executor({name}=...)"
            )


def _is_async(func: Any) -> bool:
    if type(func) is types.FunctionType and not func.__dict__:  # most are, and inspect takes a while
        return bool(func.__code__.co_flags & inspect.CO_COROUTINE)
    while isinstance(func, functools.partial):
        func = func.func
    return inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(getattr(type(func), "__call__", None))


def _check_async(name: str, func: Any, engine: str) -> None:
    if func is not None and engine != "async" and _is_async(func):
        raise TypeError(
            f"parmap: {name} is an async function, whose coroutines engine={engine!r} would never run: use "
            "engine='async', or await parmap.parmap_async(...) where an event loop is running"
        )


def _whole(name: str, value: Any, least: int, end: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"parmap: {name} must be a whole number, but is {value!r:.100}") from None
    if not least <= number < end:
        raise ValueError(f"parmap: {name} must be at least {least} and less than {end}, but is {number}")
    return number


_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def _bytes(size: Any) -> Any:
    """A text such as "1.5GB" (1000 based) or "1GiB" (1024 based) as a number; anything else as it is."""
    if not isinstance(size, str):
        return size
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", size, re.IGNORECASE)
    if found is None or (found[3] and not found[2]):
        raise ValueError(f"parmap: memory_limit must be a number of bytes, or a text like '1GB' or '512MiB', but is {size!r:.100}")
    return int(float(found[1]) * (1024 if found[3] else 1000) ** _UNITS[found[2].upper()])


def _nanoseconds(name: str, value: Any) -> int | None:
    if value is None:
        return None
    try:
        if isinstance(value, (str, bytes, bytearray)):
            raise TypeError
        seconds = float(value)
    except OverflowError:
        raise ValueError(f"parmap: {name} is too large for a float; None means no limit") from None
    except (TypeError, ValueError):
        raise TypeError(f"parmap: {name} must be a number of seconds, but is {value!r:.100}") from None
    if not seconds > 0:
        raise ValueError(f"parmap: {name} must be positive, but is {value!r}; None means no limit")
    return None if seconds > 2**33 else max(1, math.ceil(seconds * 1e9))  # 272 years are no limit either
