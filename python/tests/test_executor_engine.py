# SPDX-License-Identifier: MIT
"""parmap(engine=executor): results, failures and messages as under multi."""

import ctypes
import operator
import os
import signal
import threading
import time

import numpy
import pytest

import parmap
from helpers import only_failure, quiet, run
from parmap import parmap as pmap


@pytest.fixture
def pool():
    with parmap.Executor(2) as made:
        yield made


def power(x, p=2, q=0):
    return x**p + q


def test_values_are_those_of_multi(pool):
    xs = [0.5, 2, "a", (1, 2), {"k": [1]}, None, numpy.float32(1.5), 10**30]
    assert pmap(lambda x: (x, type(x)), xs, engine=pool) == pmap(lambda x: (x, type(x)), xs)
    for n in (0, 1, 63, 64, 65, 1000):
        assert pmap(abs, [-k for k in range(n)], engine=pool) == list(range(n))
    assert pmap(power, range(3), [2, 3], engine=pool, fargs=dict(q=1)) == pmap(power, range(3), [2, 3], fargs=dict(q=1))
    assert pmap(power, parmap.zip(range(200), [2] * 200), engine=pool) == [k * k for k in range(200)]
    assert pmap(power, parmap.zip([1, 2], (3, 4)), "ab", engine=pool, on_error=lambda *_: 7) == [7] * 4
    assert pmap(ord, "äx", engine=pool) == [228, 120]


def test_arrays_go_and_come(pool):
    a = numpy.arange(60_000.0).reshape(6, 10_000)
    out = pmap(lambda row: row * 2, a, engine=pool)
    assert all(numpy.array_equal(out[k], 2 * a[k]) for k in range(6))
    pieces = [numpy.full(100_000, float(k)) for k in range(12)]
    assert pmap(numpy.sum, pieces, engine=pool) == [k * 100_000.0 for k in range(12)]
    out = pmap(lambda x: x, pieces, engine=pool)
    out[3][:] = 5  # they are the caller's own
    assert out[3].sum() == 500_000 and pieces[3][0] == 3.0

    def write(x):
        x[0] = -1  # and those of a task are its own
        return x[0]

    assert pmap(write, pieces, engine=pool) == [-1.0] * 12
    assert pieces[0][0] == 0.0


def test_failures_are_those_of_multi(pool):
    def task(k):
        if k == 3:
            raise KeyError("three")
        if k == 5:
            os._exit(2)
        if k == 7:
            ctypes.string_at(0)
        if k == 9:
            return threading.Lock()
        return k

    here, there = quiet(task, range(12), engine=pool), quiet(task, range(12))
    assert here == there
    assert [str(each) for each in here.failures] == [str(each) for each in there.failures]
    assert [each.task for each in here.failures] == [each.task for each in there.failures]
    assert 'raise KeyError("three")' in here.failures[0].traceback
    with pytest.warns(parmap.ParmapWarning, match="4 of 12 tasks failed"):
        pmap(task, range(12), engine=pool)
    with pytest.raises(KeyError) as raised:
        pmap(task, range(4), engine=pool, on_error="raise")
    assert len(raised.value.results) == 4


def test_limits(pool):
    def hang(k):
        while k == 2:
            time.sleep(1)
        return k

    late = only_failure(quiet(hang, range(5), engine=pool, timeout_sec=0.5), 2)
    assert (late.kind, str(late.exception)) == ("timed_out", "ran longer than timeout_sec=0.5")
    left = quiet(hang, range(5), engine=pool, deadline_sec=0.5)
    assert {each.kind for each in left.failures} == {"stopped"} and 2 in {each.index for each in left.failures}
    with parmap.Executor(2, timeout_sec=0.5) as other:
        assert only_failure(quiet(hang, range(5), engine=other), 2).kind == "timed_out"
    few = quiet(lambda k: 1 / 0, range(5000), engine=pool, max_failures=3)
    assert sum(each.kind == "threw" for each in few.failures) < 500
    assert len(few.failures) == 5000
    stop = threading.Event()
    stop.set()
    stopped = quiet(lambda k: time.sleep(0.05), range(100), engine=pool, stop=stop).failures
    assert stopped and {each.kind for each in stopped} == {"stopped"}


def test_retries(pool):
    def second(k):
        if parmap.context().attempt == 1 and k % 3 == 0:
            os._exit(1)
        if parmap.context().attempt <= 2 and k == 4:
            raise ValueError
        return parmap.context().attempt

    assert pmap(second, range(6), engine=pool, retries=2) == [2, 1, 1, 2, 3, 1]
    assert pmap(second, range(6), engine=pool, retries=2, retry_delay_sec=0.01) == [2, 1, 1, 2, 3, 1]
    asked = []

    def wants(failure):
        asked.append(failure.index)
        return failure.kind == "exited"

    some = quiet(second, range(6), engine=pool, retries=2, retry_if=wants)
    assert sorted(asked) == [0, 3, 4]
    assert only_failure(some, 4).attempts == 1
    with pytest.raises(ZeroDivisionError):
        pmap(second, range(6), engine=pool, retries=2, retry_if=lambda failure: 1 / 0)


def test_random_numbers_are_those_of_every_engine(pool):
    def draw(_):
        return parmap.rng().integers(1 << 62)

    assert pmap(draw, range(300), seed=5, engine=pool) == pmap(draw, range(300), seed=5, engine="serial")


def test_a_reporter_is_called_and_may_end_the_map(pool):
    seen = []
    pmap(lambda k: time.sleep(0.05), range(20), engine=pool, reporter=lambda i, n: seen.append((i, n)))
    assert seen[-1] == (19, 20) and len(seen) > 1

    def end(i, n):
        raise OSError("enough")

    with pytest.raises(OSError, match="enough"):
        pmap(lambda k: time.sleep(0.05), range(20), engine=pool, reporter=end)
    assert pmap(abs, [-1], engine=pool) == [1]


def test_options_of_the_pool_are_refused(pool):
    for option in (dict(memory_limit="1GB"), dict(init=print), dict(finish=print), dict(max_tasks=3), dict(start="spawn")):
        with pytest.raises(ValueError, match=r"parmap\.Executor\("):
            pmap(abs, [1], engine=pool, **option)


def test_n_worker_limits_what_runs_at_once():
    def most(k):
        with open(counter, "a") as file:
            file.write("+")
        time.sleep(0.01)
        return os.getpid()

    import tempfile

    with tempfile.TemporaryDirectory() as folder, parmap.Executor(3) as pool:
        counter = folder + "/n"
        assert pmap(most, range(5), engine=pool, n_worker=1) is not None


def test_times(pool):
    summary = pmap(lambda k: time.sleep(0.01), range(10), engine=pool, times=True).summary()
    assert len(summary.slowest) == 5 and summary.slowest[0].seconds >= 0.01


def test_several_threads_map_at_once_and_submit(pool):
    errors = []

    def work(n):
        try:
            for k in range(30):
                assert pmap(operator.neg, range(n, n + k), engine=pool) == [-each for each in range(n, n + k)]
                assert pool.submit(abs, -k).result() == k
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(100 * n,)) for n in range(5)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not errors


def test_ctrl_c_ends_the_map_and_keeps_what_is_done():
    text = run(
        """
        import os, signal, threading, time, parmap
        from parmap import parmap as pmap
        pool = parmap.Executor(2)
        main = os.getpid()
        def task(k):
            if k == 5:
                os.kill(main, signal.SIGINT)
                time.sleep(100)
            return k
        try:
            pmap(task, range(6), engine=pool)
        except KeyboardInterrupt as error:
            print(error.results[:5], [each.index for each in error.results.failures])
        print(pmap(abs, [-1], engine=pool))
        """
    )
    assert text == "[0, 1, 2, 3, 4] [5]\n[1]\n"


def test_a_function_that_changes_counts_as_it_is_now():
    text = run(
        """
        import parmap
        from parmap import parmap as pmap
        pool = parmap.Executor(2)
        factor = 1
        table = [1]
        def inner(x): return factor * x
        def f(x): return inner(x) + table[0]
        print(pmap(f, [1, 2], engine=pool))
        factor = 10
        print(pmap(f, [1, 2], engine=pool))
        table[0] = 100
        print(pmap(f, [1, 2], engine=pool))
        def inner(x): return -x
        print(pmap(f, [1, 2], engine=pool), pool.submit(f, 5).result(), list(pool.map(f, [6])))
        class Scale:
            def __init__(self): self.by = 2
            def __call__(self, x): return self.by * x
        scale = Scale()
        print(pmap(scale, [1, 2], engine=pool))
        scale.by = 3
        print(pmap(scale, [1, 2], engine=pool))
        class Point:
            def __init__(self, x): self.x = x
        made = pmap(Point, [1, 2], engine=pool)
        print([type(each) is Point for each in made], pmap(lambda p: p.x, made, engine=pool))
        """
    )
    assert text.splitlines() == [
        "[2, 3]", "[11, 21]", "[110, 120]", "[99, 98] 95 [94]", "[2, 4]", "[3, 6]", "[True, True] [1, 2]",
    ]  # fmt: skip


def test_a_function_whose_parts_change_counts_as_it_is_now():
    text = run(
        """
        import functools, math, parmap
        from parmap import parmap as pmap
        pool = parmap.Executor(2)
        def f(x, by=1): return x * by
        print(pmap(f, [1], engine=pool), pmap(f, [1], engine=pool))
        f.__defaults__ = (7,)
        print(pmap(f, [1], engine=pool))
        f.__code__ = (lambda x, by: -x).__code__
        print(pmap(f, [1], engine=pool))
        def made():
            n = 1
            def get(x): return x + n
            def set(k):
                nonlocal n
                n = k
            return get, set
        get, set = made()
        print(pmap(get, [1], engine=pool))
        set(50)
        print(pmap(get, [1], engine=pool))
        def later(x): return helper(x)
        print([type(each.exception) for each in pmap(later, [1], engine=pool, on_error=lambda *_: 0).failures])
        def helper(x): return 3 * x
        print(pmap(later, [1], engine=pool))
        root = math.sqrt
        def g(x): return root(x)
        print(pmap(g, [4.0], engine=pool), pmap(functools.partial(g), [4.0], engine=pool))
        root = math.floor
        print(pmap(g, [4.0], engine=pool), pmap(functools.partial(g), [4.0], engine=pool))
        wrapped = [g]
        def h(x): return wrapped[0](x)
        print(pmap(h, [4.0], engine=pool))
        def g(x): return "new"
        wrapped[0] = g
        print(pmap(h, [4.0], engine=pool))
        g.factor = 2
        def uses(x): return g.factor
        print(pmap(uses, [1], engine=pool))
        g.factor = 3
        print(pmap(uses, [1], engine=pool))
        """
    )
    assert text.splitlines() == [
        "[1] [1]", "[7]", "[-1]", "[2]", "[51]", "[<class 'NameError'>]", "[3]", "[2.0] [2.0]", "[4] [4]", "[4]", "['new']", "[2]", "[3]",
    ]  # fmt: skip


def test_without_cloudpickle_a_changed_function_is_refused():
    text = run(
        """
        import sys
        sys.modules["cloudpickle"] = None
        import parmap
        from parmap import parmap as pmap
        def f(x): return x + 1
        pool = parmap.Executor(2)
        print(pmap(f, [1, 2], engine=pool))
        def f(x): return x + 2
        def g(x): return x
        for each in (f, g):
            try:
                pmap(each, [1, 2], engine=pool)
            except Exception as error:
                print(type(error).__name__, "cloudpickle" in str(error) and "restart" in str(error))
        pool.restart()
        print(pmap(f, [1, 2], engine=pool))
        """
    )
    assert text.splitlines() == ["[2, 3]", "PicklingError True", "PicklingError True", "[3, 4]"]


def test_the_template_is_killed_during_a_map(pool):
    template = pool.submit(os.getppid).result()

    def task(k):
        if k == 3:
            os.kill(template, signal.SIGKILL)
            time.sleep(100)
        return k

    with pytest.raises(parmap.BrokenPool, match=r"restart\(\)"):
        pmap(task, range(10), engine=pool)


def test_a_shared_array_travels_as_a_reference():
    def look(table, k):
        return float(table[k]), table.flags.writeable, type(table) is numpy.ndarray

    with parmap.Executor(2) as pool:
        given = numpy.arange(1_000_000.0).reshape(1000, 1000)
        table = pool.share(given)
        assert not table.flags.writeable and given.flags.writeable and numpy.array_equal(table, given)
        assert len(pool._pool.pickles.inputs((table,))[0]) < 500
        expected = [float(given[0, 1]), False, True]
        assert pool.submit(lambda t: look(t[0], 1), table).result() == (*expected,)
        assert pmap(lambda k, t: look(t[0], k), [1], fargs=dict(t=table), engine=pool) == [(*expected,)]
        other = pool.share(numpy.asfortranarray(given[:10]))
        assert pool.submit(numpy.array_equal, other, given[:10]).result()
        assert pool.submit(numpy.sum, table[0]).result() == given[0].sum()  # a part, by value
        assert pool.submit(lambda t: t + 1, table[0, :3]).result().tolist() == [1, 2, 3]
        import pickle

        again = pickle.loads(pickle.dumps(table))  # elsewhere it is any array
        assert numpy.array_equal(again, given)
        with pytest.raises(TypeError, match="objects"):
            pool.share(numpy.array([None]))
        with pytest.raises(ValueError, match="read-only"):
            pool.submit(numpy.copyto, table, 0).result()
