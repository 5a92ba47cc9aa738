#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A quick test of an installed package of Python, which needs nothing but the package: quick_test.py [--emulated]

Every engine runs, a task crashes, one hangs past its limit, one raises, and workers stay in a pool. For environments that have neither pytest nor this
tree: what ./test runs is far more. --emulated leaves out what qemu-user does not do as Linux does: processes from a program that has threads.
"""

import asyncio
import operator
import os
import sys
import time
import warnings

import parmap


def fragile(i):
    if i == 3:
        os.abort()
    if i == 4:
        time.sleep(600)
    return 60 // (i - 5)


def processes():
    """Failures cost their own tasks only."""
    results = parmap.parmap(fragile, range(10), timeout_sec=2, reporter="silent")
    assert results == [None if i in (3, 4, 5) else 60 // (i - 5) for i in range(10)], results
    kinds = [(each.index, each.kind) for each in results.failures]
    assert kinds == [(3, "crashed"), (4, "timed_out"), (5, "threw")], kinds
    assert parmap.parmap(lambda a, b: (a, b), "ab", range(2)) == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]


def other_engines():
    assert parmap.parmap(str, range(1000), engine="serial") == [str(i) for i in range(1000)]
    assert parmap.parmap(str, range(1000), engine="threads") == [str(i) for i in range(1000)]
    assert parmap.parmap(asyncio.sleep, [0] * 10, engine="async") == [None] * 10


def sums():
    """The same bits by every engine, and random numbers that do not depend on the workers."""
    def third(i):
        return i / 3

    by = [parmap.map_reduce(third, operator.add, range(2000), initial=0.0, engine=each, n_worker=n) for each, n in (("serial", 1), ("threads", 3))]
    assert by[0] == by[1], by


def processes_that_stream():
    outcomes = parmap.stream(lambda i: i * i, iter(range(100)), ordered=True, n_worker=2)
    assert [each.value for each in outcomes] == [i * i for i in range(100)]


def square(i):
    return i * i


def values_as_they_come():
    assert list(parmap.imap(square, iter(range(100)), n_worker=2)) == [i * i for i in range(100)]


def fresh_interpreters():
    results = parmap.parmap(square, range(10), start="spawn", n_worker=2)
    assert results == [i * i for i in range(10)] and results.engine == "multi (pure, spawn)", results.engine


def pools():
    with parmap.Executor(2) as pool:
        assert parmap.parmap(abs, range(-50, 50), engine=pool) == [abs(i) for i in range(-50, 50)]
        dies, lives = pool.submit(os._exit, 7), pool.submit(abs, -7)
        assert lives.result(60) == 7
        assert dies.exception(60) is not None


def main():
    warnings.simplefilter("ignore", parmap.ParmapWarning)
    option = "".join(sys.argv[1:])
    # Beside the tests of its own tree, another copy of the package could be what is tested.
    assert "python/parmap/" not in parmap.__file__.replace(os.sep, "/"), parmap.__file__
    tests = {
        "--emulated": [other_engines, sums], "--pure": [processes, other_engines, values_as_they_come, fresh_interpreters],
    }.get(option, [processes, other_engines, sums, values_as_they_come, processes_that_stream, pools])  # fmt: skip
    for each in tests:
        each()
        print("ok", each.__name__, flush=True)
    print(f"parmap {parmap.__version__} works with Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
