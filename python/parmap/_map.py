# SPDX-License-Identifier: MIT
"""parmap: the one verb. Checks what it is asked, lets an engine run it, makes exceptions of what failed."""

from __future__ import annotations

import itertools
import math
import operator
import pickle
import reprlib
import secrets
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from . import _errors, _parmap, _worker
from ._axes import Product
from ._interrupt import CtrlC, hear
from ._names import UnknownName
from ._progress import Reporter, make_reporter
from ._results import Failure, Results
from ._spawn import Program

#: The engines, by name.
ENGINES = ("multi", "threads", "serial")

#: How multi gets its workers.
STARTS = ("fork", "spawn")

_LEAST_THREADS = 5  # the default of python-parmap: threads are for waiting, more than for computing

warnings.simplefilter("always", _errors.ParmapWarning, append=True)


# What a task was called with, in words: never long, and whatever its __repr__ does.
_SHORT = reprlib.Repr()
_SHORT.maxother = _SHORT.maxstring = 100


class _Pending:
    """In place of a value that there is not yet."""


_PENDING = _Pending()


def parmap(
    func: Callable[..., Any],
    *args: Iterable[Any],
    fargs: dict[str, Any] | None = None,
    engine: str = "multi",
    timeout_sec: float | None = None,
    n_worker: int | None = None,
    on_error: Callable[[Callable[..., Any], tuple[Any, ...], BaseException], Any] | str | None = None,
    reporter: Any = None,
    retries: int = 0,
    seed: int | None = None,
    memory_limit: int | None = None,
    init: Callable[[], Any] | None = None,
    start: str = "fork",
    n_simul: int | None = None,
) -> Results:
    """Call func on every element of an iterable, or on every combination of several, in parallel.

        parmap(sqr, x)                            # [sqr(x[0]), sqr(x[1]), ...]
        parmap(hypot, x, y)                       # every combination, the last iterable fastest: len(x) * len(y)
        parmap(hypot, parmap.zip(x, y))           # (import parmap) walked together: len(x)
        parmap(power, x, fargs=dict(n=3))         # power(x[i], n=3)
        parmap(download, urls, engine="threads")

    A task that fails costs itself alone, whatever it does: raise, crash, exit, hang past timeout_sec.

    Arguments
    ---------
    func
        Anything callable: also a lambda, a closure, a bound method. It is not pickled.
    *args
        One iterable or more. Only they are held, never their combinations. They must not change meanwhile.
    fargs
        A dict of keyword arguments that are the same for every call.
    engine
        "multi" (default): forked worker processes; no task can take the map down. "threads": for functions that wait
        or release the GIL. "serial": a plain loop, for debugging.
    timeout_sec
        Seconds a task may take, from its own start. multi kills it; threads raise TaskTimeout in it at its next
        bytecode (a task that is blocked in C goes on until it returns, and counts as timed out then); serial ignores it.
    n_worker
        At most so many workers, never more than tasks; default: the usable cores (affinity and cgroup quota), for
        threads at least 5; inside a task of multi, 1. serial ignores it. n_simul is the same.
    on_error
        None: a failed task leaves None in the results, and one ParmapWarning counts the failures and shows the first.
        on_error(func, task, exc): called for each failed task, in input order, in this thread, with the tuple of its
        arguments and its exception; what it returns takes the place, without a warning; what it raises passes.
        "raise": the map stops at the first failure and raises that task's own exception.
        serial always raises the first exception, untouched.
    reporter
        None: a tqdm bar, if stderr is a terminal (or in a notebook) and the map lasts over half a second. "bar",
        "text", "silent" or "none"; a class like tqdm.tqdm; or a callable(i, n), called in this thread at most every
        0.1 s and at the end, i being the number of tasks that have ended, less 1.
    retries
        How often a failed task is tried again.
    seed
        Of parmap.rng(), 0 <= seed < 2**64; None: fresh entropy, told by results.seed.
    memory_limit
        Bytes a worker process may add to what it inherits; a task that wants more fails with MemoryError. multi only.
    init
        Called without arguments, once in each worker, before its first task. What it raises is the failure of each of
        that worker's tasks.
    start
        How multi gets its workers. "fork": they inherit everything. "spawn": they are fresh interpreters, for libraries
        that do not survive a fork (gcc's OpenMP, CUDA); func, its iterables, fargs and init are pickled by cloudpickle,
        once, and a worker takes as long to begin as Python and their imports do.

    Returns
    -------
    Results: a list in input order, with `failures` (index, task, kind, exception, traceback, attempts) and `seed`.

    The exception of a failed task is its own, with the worker's traceback as text in its __cause__; RemoteError if it
    cannot be pickled; TaskTimeout; WorkerDied (signal, status) if it crashed or exited; MemoryError;
    UnpicklableResult. What a task writes elsewhere than to its result stays in its worker, under multi.

    Raises
    ------
    TypeError, ValueError: a bad argument, before anything starts. KeyboardInterrupt (Ctrl-C), within 0.3 s; its
    `results` holds what is done. OSError if no worker can be had.
    """
    asked = _check(
        func, args, fargs, engine, timeout_sec, n_worker, n_simul, on_error, retries, seed, memory_limit, init, start
    )
    shown = make_reporter(reporter, nested=_in_task())
    asked.report = None if type(shown) is Reporter else shown.show
    try:
        try:
            _run_and_collect(engine, asked)
        finally:
            shown.close()
        assert asked.results is not None
        if asked.results.failures:
            _answer(asked.results, func, on_error)
        return asked.results
    except KeyboardInterrupt as error:
        # Before the engine began, or a second Ctrl-C: nothing of the user's is to run now.
        results = _collect(asked, unpickle=False) if asked.results is None else asked.results
        _errors.set_attribute(error, "results", results)
        raise


@dataclass
class _Request:
    """What the engines are asked, and what they tell; read and written by bindings.cpp."""

    func: Callable[..., Any]
    axes: tuple[Any, ...]
    fargs: dict[str, Any]
    values: Results  # to be filled
    init: Callable[[], Any] | None
    workers: int
    timeout_ns: int | None
    retries: int
    seed: int
    memory_limit: int | None
    stop_at_failure: bool
    product: Product
    start: str
    report: Callable[[int, int], None] | None = None
    ctrl_c: CtrlC = field(default_factory=CtrlC)
    # What became of it, here and not in what functions return, which Ctrl-C may cost.
    told: list[tuple[int, str, bytes, int, int]] = field(default_factory=list)
    raised: dict[int, BaseException] = field(default_factory=dict)
    interrupt: BaseException | None = None
    results: Results | None = None


def _check(
    func: Any, args: Any, fargs: Any, engine: Any, timeout_sec: Any, n_worker: Any, n_simul: Any, on_error: Any,
    retries: Any, seed: Any, memory_limit: Any, init: Any, start: Any,
) -> _Request:  # fmt: skip
    if engine not in ENGINES:
        raise UnknownName("engine", engine, ENGINES)
    if not callable(func):
        raise TypeError(f"parmap: func must be callable, but is {func!r:.100}")
    if fargs is not None and not isinstance(fargs, dict):
        raise TypeError(f"parmap: fargs must be a dict, but is of type {type(fargs).__name__}")
    if fargs and not all(isinstance(name, str) for name in fargs):
        raise TypeError("parmap: the keys of fargs must be names of arguments, that is strings")
    if n_simul is not None:
        if n_worker is not None:
            raise TypeError("parmap: n_simul is another name for n_worker; give one of them")
        n_worker = n_simul
    if on_error is not None and on_error != "raise" and not callable(on_error):
        raise TypeError(f"parmap: on_error must be None, 'raise' or a callable(func, task, exc), not {on_error!r:.100}")
    if init is not None and not callable(init):
        raise TypeError(f"parmap: init must be callable, but is {init!r:.100}")
    workers = 0 if n_worker is None else _whole("n_worker", n_worker, 1, 2**32)
    if n_worker is None and engine == "threads":
        workers = max(_LEAST_THREADS, _parmap.usable_cores())
    retries = _whole("retries", retries, 0, 2**31 - 1)
    seed = secrets.randbits(64) if seed is None else _whole("seed", seed, 0, 2**64)
    timeout_ns = _nanoseconds(timeout_sec)
    if memory_limit is not None:
        memory_limit = _whole("memory_limit", memory_limit, 1, 2**63)
        if engine != "multi":
            raise ValueError(f"parmap: the engine {engine} has no memory_limit, as its tasks share one memory; use multi")
    if start not in STARTS:
        raise UnknownName("start", start, STARTS)
    if start != "fork" and engine != "multi":
        raise ValueError(f"parmap: start={start!r} is for the engine multi; {engine} has no processes")
    product = Product(args)
    return _Request(
        func=func,
        axes=product.groups,
        fargs=fargs or {},
        values=Results(itertools.repeat(_PENDING, product.size)),
        init=init,
        workers=0 if engine == "serial" else workers,
        timeout_ns=None if engine == "serial" else timeout_ns,
        retries=retries,
        seed=seed,
        memory_limit=memory_limit,
        stop_at_failure=on_error == "raise" and engine != "serial",
        product=product,
        start=start,
    )


def _whole(name: str, value: Any, least: int, end: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"parmap: {name} must be a whole number, but is {value!r:.100}") from None
    if not least <= number < end:
        raise ValueError(f"parmap: {name} must be at least {least} and less than {end}, but is {number}")
    return number


def _nanoseconds(timeout_sec: Any) -> int | None:
    if timeout_sec is None:
        return None
    try:
        if isinstance(timeout_sec, (str, bytes, bytearray)):
            raise TypeError
        seconds = float(timeout_sec)
    except (TypeError, ValueError):
        raise TypeError(f"parmap: timeout_sec must be a number of seconds, but is {timeout_sec!r:.100}") from None
    if not seconds > 0:
        raise ValueError(f"parmap: timeout_sec must be positive, but is {timeout_sec!r}; None is no limit")
    return None if seconds > 2**33 else max(1, math.ceil(seconds * 1e9))  # three lives are no limit either


def _in_task() -> bool:
    try:
        _parmap.task()
    except RuntimeError:
        return False
    return True


def _run_and_collect(engine: str, asked: _Request) -> None:
    """Makes asked.results. An interrupt is raised by the end of this, and knows them."""
    try:
        with asked.ctrl_c as ctrl_c:
            try:
                _run(engine, asked)
            except KeyboardInterrupt as error:  # out of serial, or just after another engine
                ctrl_c.keep_off()
                asked.interrupt = error
            asked.results = _collect(asked)
        if asked.interrupt is not None:
            raise asked.interrupt
    except BaseException as error:
        if asked.results is not None:
            _errors.set_attribute(error, "results", asked.results)
        raise


def _run(engine: str, asked: _Request) -> None:
    if engine == "serial":
        _parmap.run_serial(asked)
    elif engine == "threads":
        if sys.is_finalizing():  # no other thread gets the GIL any more
            raise RuntimeError("parmap: the engine threads cannot begin while Python ends; use serial")
        _parmap.run_threads(asked, asked.raised, _errors.TaskTimeout, hear)
    else:
        _run_multi(asked)


def _run_multi(asked: _Request) -> None:
    program = None
    if asked.start == "spawn":
        program = Program(asked)
    else:
        _worker.warn_of_fork(stacklevel=5)  # parmap's caller
        _worker.find_thread_pools()
    try:
        _parmap.run_multi(
            asked,
            begin=_worker.begin,
            flush=_worker.flush,
            dumps=pickle.dumps,
            otherwise=_errors.pickled_otherwise,
            loads=pickle.loads,
            scalar_types=_worker.numpy_scalars(),
            program=program,
        )
    except RuntimeError as error:
        if program is not None:
            _errors.add_note(error, f"parmap: start='spawn' runs {sys.executable}")
        raise
    finally:
        if program is not None:
            program.close()


def _collect(asked: _Request, unpickle: bool = True) -> Results:
    """The values there are, and a Failure for each task that has none."""
    interrupted = asked.interrupt is not None or not unpickle
    results = Results(asked.values) if interrupted else asked.values  # tasks left behind go on to fill that
    results.seed = asked.seed
    for index, kind, message, attempts, status in asked.told:
        error, trace = _exception(kind, message, status, asked, asked.raised.get(index), unpickle)
        results.failures.append(Failure(index, asked.product.task(index), kind, error, attempts, trace))
        results[index] = None
    if interrupted:
        _tell_of_what_is_left(results, asked)
    return results


def _tell_of_what_is_left(results: Results, asked: _Request) -> None:
    """Tasks of threads and of a loop that Ctrl-C has left behind: nobody else does."""
    for index, value in enumerate(results):
        if value is _PENDING:
            error = _errors.TaskNotRun("not finished, as the map was interrupted")
            results.failures.append(Failure(index, asked.product.task(index), "stopped", error, 0, ""))
            results[index] = None
    results.failures.sort(key=lambda each: each.index)


def _exception(
    kind: str, message: bytes, status: int, asked: _Request, raised: BaseException | None, unpickle: bool
) -> tuple[BaseException, str | None]:
    """What a failed task's exception is, and its traceback in the worker if there was a worker."""
    if kind == "timed_out":
        assert asked.timeout_ns is not None
        late = _errors.TaskTimeout(f"ran longer than timeout_sec={asked.timeout_ns / 1e9:g}")
        if isinstance(raised, _errors.TaskTimeout):
            late.__traceback__ = raised.__traceback__
        else:
            late.__cause__ = raised  # what it made of that
        return late, None
    if kind == "stopped":
        why = "another one had failed" if asked.stop_at_failure else "the map was stopped"
        if not message:
            return _errors.TaskNotRun("its result was not read, as Ctrl-C came twice"), ""
        return _errors.TaskNotRun(f"not finished, as {why}"), ""
    if raised is not None:
        return raised, None
    if kind in ("crashed", "exited"):
        return _errors.of_death(kind, message.decode(errors="replace"), status), ""
    error, trace = _errors.restore(message, unpickle)
    if kind == "out_of_memory" and not isinstance(error, MemoryError):
        why = "memory_limit was reached" if asked.memory_limit else "an allocation was refused"
        return MemoryError(f"{why}: {error}" if trace else _words(message, why)), trace
    if kind == "out_of_memory" and asked.memory_limit:
        _errors.add_note(error, f"parmap: memory_limit={asked.memory_limit} may have been reached")
    if kind == "unencodable" and not isinstance(error, _errors.UnpicklableResult):
        return _errors.UnpicklableResult(_words(message, "its result was lost")), trace
    return error, trace


def _words(message: bytes, otherwise: str) -> str:
    return message.decode(errors="replace") or otherwise


def _answer(results: Results, func: Callable[..., Any], on_error: Any) -> None:
    """What is to become of the failures. Two frames below the caller."""
    if on_error == "raise":
        first = next((each for each in results.failures if each.kind != "stopped"), results.failures[0])
        error = first.exception
        _errors.add_note(error, f"parmap: raised by task {first.index}, called with {_SHORT.repr(first.task)}")
        _errors.set_attribute(error, "results", results)
        raise error
    if on_error is not None:
        for each in results.failures:
            results[each.index] = on_error(func, each.task, each.exception)
        return
    first = results.failures[0]
    text = f"{len(results.failures)} of {len(results)} tasks failed; the first: {first}, called with {_SHORT.repr(first.task)}"
    if first.traceback:
        text += "\n" + first.traceback.rstrip()
    try:
        warnings.warn(text, _errors.ParmapWarning, stacklevel=3)
    except _errors.ParmapWarning as warning:
        warning.results = results  # type: ignore[attr-defined]
        raise
    except ValueError:  # nobody can read it where stderr is closed, and nothing is lost: the results have it
        if not getattr(sys.stderr, "closed", False):
            raise
