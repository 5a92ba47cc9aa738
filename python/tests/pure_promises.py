#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The promises of the stand-alone file, checked by a program that needs nothing but that file and the standard library.

  pure_promises.py FILE [fork|spawn]     FILE: single_file/parmap.py; prints a line for each promise; fails at the first that is broken

So it runs on every Python, with and without pip: CPython, PyPy (3.9 or newer), any system.
"""

import asyncio
import gc
import importlib.util
import itertools
import os
import signal
import sys
import threading
import time
import warnings
from multiprocessing import resource_tracker
from pathlib import Path


def load(file):
    spec = importlib.util.spec_from_file_location("parmap", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules["parmap"] = module
    spec.loader.exec_module(module)
    return module


pure = load(sys.argv[1]) if len(sys.argv) > 1 and "parmap" not in sys.modules else __import__("parmap")
START = sys.argv[2] if len(sys.argv) > 2 else pure._START
HERE = os.getpid()


def square(x):
    return x * x


def power(x, n):
    return x**n


def combine(*task):
    return task


def divide(x):
    return 12 // x


def end(x):
    if x == 3:
        os._exit(5)
    if x == 4:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    if x == 5:
        raise KeyError("five")
    return x


def hang(x):
    if x == 2:
        time.sleep(3600)
    return x


def spin(x):
    while x == 2:
        pass
    return x


def flaky(x):
    if pure.context().attempt <= x % 3:
        raise OSError("not yet")
    return pure.context().attempt


def where(x):
    index, attempt, worker = pure.context()
    assert (index, attempt) == (x, 1)
    return worker, os.getpid(), pure.context().state


def setup():
    return f"state of {os.getpid()}"


def unpicklable(x):
    return threading.Lock() if x == 1 else x


def interrupt(x):
    if x == 5:
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(3600)
    return x


def inner(x):
    return sum(pure.parmap(square, range(x), engine="serial"))


async def wait(x):
    await asyncio.sleep(3600 if x == 2 else 0.001)
    return x


async def plain(x):
    return x * x


def quiet(func, *axes, **options):
    if options.get("engine", "multi") == "multi":
        options = {"start": START, "n_worker": 2, **options}
    return pure.parmap(func, *axes, on_error=lambda *failed: None, **options)


def kinds(results):
    return [(each.index, each.kind) for each in results.failures]


def every_engine():
    for engine in ("serial", "threads", "multi"):
        for axes, expected in (((range(5),), [0, 1, 4, 9, 16]), (([],), [])):
            assert quiet(square, *axes, engine=engine) == expected
        assert quiet(combine, "ab", [1, 2], engine=engine) == list(itertools.product("ab", [1, 2]))
        assert quiet(combine, pure.zip("ab", [1, 2]), (3,), engine=engine) == [("a", 1, 3), ("b", 2, 3)]
        assert quiet(power, range(4), fargs={"n": 3}, engine=engine) == [0, 1, 8, 27]
    assert quiet(plain, range(5), engine="async") == [0, 1, 4, 9, 16]
    results = quiet(square, range(3))
    assert results.engine == f"multi (pure, {START})" and results.ok
    assert all(pid != HERE for _, pid, _ in quiet(where, range(8)))


def a_failure_costs_one_task():
    results = quiet(end, range(20))
    assert results == [i if i not in (3, 4, 5) else None for i in range(20)]
    assert kinds(results)[0] == (3, "exited") and kinds(results)[2] == (5, "threw"), kinds(results)
    assert results.failures[0].exception.status == 5 and "KeyError" in results.failures[2].traceback
    assert str(results.failures).splitlines()[0] == "3 tasks failed" and len(str(results.failures).splitlines()) == 4
    assert kinds(quiet(unpicklable, range(3))) == [(1, "unencodable")]
    assert kinds(quiet(divide, [1, 0, 2], engine="threads")) == [(1, "threw")]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        pure.parmap(divide, [0, 1], start=START)
    assert [each.category for each in said] == [pure.ParmapWarning] and "1 of 2 tasks failed" in str(said[0].message)


def limits():
    results = quiet(hang, range(5), timeout_sec=1)
    assert results == [0, 1, None, 3, 4] and kinds(results) == [(2, "timed_out")]
    assert kinds(quiet(wait, range(5), engine="async", timeout_sec=0.3)) == [(2, "timed_out")]
    if sys.implementation.name == "cpython":
        assert kinds(quiet(spin, range(5), engine="threads", timeout_sec=0.3)) == [(2, "timed_out")]


def retries_and_errors():
    for engine in ("threads", "multi", "serial"):
        assert quiet(flaky, range(6), engine=engine, retries=2) == [1, 2, 3, 1, 2, 3]
    found = quiet(flaky, range(3), retries=1)
    assert found == [1, 2, None] and found.failures[0].attempts == 2
    assert quiet(divide, [3, 0]) == [4, None]
    assert pure.parmap(divide, [3, 0], start=START, on_error=lambda func, task, error: (task, type(error))) == [4, ((0,), ZeroDivisionError)]
    for engine in ("threads", "multi", "serial"):
        try:
            pure.parmap(divide, [3, 0], engine=engine, on_error="raise", **({"start": START} if engine == "multi" else {}))
        except ZeroDivisionError as error:
            assert engine == "serial" or error.results[0] == 4
        else:
            raise AssertionError


def workers_have_state():
    states = quiet(where, range(20), init=setup)
    assert {state for _, _, state in states} == {f"state of {pid}" for _, pid, _ in states}
    assert quiet(inner, range(5)) == [sum(i * i for i in range(x)) for x in range(5)]


def streams():
    for engine in ("serial", "threads", "multi"):
        options = {"engine": engine, **({"start": START, "n_worker": 2} if engine == "multi" else {})}
        assert list(pure.imap(square, range(50), **options)) == [i * i for i in range(50)]
        assert sorted(pure.imap_unordered(square, iter(range(50)), **options)) == [i * i for i in range(50)]
        assert list(itertools.islice(pure.imap(square, itertools.count(), **options), 30)) == [i * i for i in range(30)]
        if engine != "serial":
            assert list(pure.imap(divide, [3, 0, 2], on_error=lambda func, task, error: task, **options)) == [4, (0,), 6]
        read = []
        with pure.imap(square, (read.append(i) or i for i in range(1000)), buffersize=5, **options) as values:
            assert next(values) == 0
        assert len(read) <= 7, read
        try:
            list(pure.imap(divide, [1, 0, 3], **options))
        except ZeroDivisionError:
            pass
        else:
            raise AssertionError


def ctrl_c_keeps_what_is_done():
    if os.name != "posix":
        return
    try:
        quiet(interrupt, range(100), n_worker=1)
    except KeyboardInterrupt as error:
        assert error.results[:5] == [0, 1, 2, 3, 4] and kinds(error.results)[0] == (5, "stopped") and len(error.results) == 100
    else:
        raise AssertionError


def what_is_lacking_is_refused():
    for options in ({"grid": {"x": [1]}}, {"memory_limit": "1GB"}, {"checkpoint": "x"}, {"stop": threading.Event()}, {"max_tasks": 1}):
        try:
            pure.parmap(square, [1], **options)
        except ValueError as error:
            assert "parmap-cpp" in str(error)
        else:
            raise AssertionError(options)
    for name in ("Executor", "map_reduce", "stream", "checkpoint", "override"):
        try:
            getattr(pure, name)
        except AttributeError as error:
            assert "parmap-cpp" in str(error)
        else:
            raise AssertionError(name)


def nothing_is_left():
    if os.name != "posix":
        return
    gc.collect()  # PyPy frees what is left of streams only then
    resource_tracker._resource_tracker._stop()  # Python's own, one for all that spawn: it would end with the program
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        pass
    else:
        raise AssertionError("a process is left")
    assert not pure._callers_ends


def main():
    for promise in (every_engine, a_failure_costs_one_task, limits, retries_and_errors, workers_have_state, streams,
                    ctrl_c_keeps_what_is_done, what_is_lacking_is_refused, nothing_is_left):  # fmt: skip
        promise()
        print("ok", promise.__name__, flush=True)


if __name__ == "__main__":
    assert Path(pure.__file__).resolve() == Path(sys.argv[1]).resolve()
    main()
