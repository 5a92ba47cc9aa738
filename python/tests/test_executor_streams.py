# SPDX-License-Identifier: MIT
"""stream(), imap(), map_reduce() and fold() with engine=executor."""

import itertools
import operator
import os
import signal
import threading
import time

import numpy
import pytest

import parmap


@pytest.fixture
def pool():
    with parmap.Executor(2) as made:
        yield made


def test_a_stream_gives_each_outcome(pool):
    def root(k):
        if k == 3:
            raise ValueError("three")
        if k == 5:
            os._exit(1)
        return k * k

    got = list(parmap.stream(root, range(500), engine=pool))
    assert sorted(each.index for each in got) == list(range(500))
    assert {each.index: each.failure.kind for each in got if not each} == {3: "threw", 5: "exited"}
    assert all(each.value == each.index**2 and each.task == (each.index,) for each in got if each)
    assert [each.index for each in parmap.stream(root, range(100), engine=pool, ordered=True)] == list(range(100))
    assert list(parmap.stream(root, [], engine=pool)) == []


def test_an_endless_input_is_read_as_far_as_the_window(pool):
    read = []

    def numbers():
        for k in itertools.count():
            read.append(k)
            yield k

    with parmap.imap(operator.neg, numbers(), engine=pool, window=20) as values:
        assert [next(values) for _ in range(200)] == [-k for k in range(200)]
        assert len(read) <= 221
    with parmap.stream(pow, (k for k in range(100)), [1, 2, 3], engine=pool, ordered=True) as outcomes:
        got = [(each.value, each.task) for each in outcomes]
    assert got == [(k**p, (k, p)) for k in range(100) for p in (1, 2, 3)]
    assert sorted(parmap.imap_unordered(abs, iter(range(-50, 0)), engine=pool)) == list(range(1, 51))


def test_what_an_iterator_gives_and_raises(pool):
    def numbers():
        yield 1
        yield 2
        raise OSError("no more")

    values = parmap.imap(abs, numbers(), engine=pool)
    with pytest.raises(OSError, match="no more"):
        list(values)
    with pytest.raises(TypeError, match="pickle"):
        list(parmap.imap(abs, iter([threading.Lock()]), engine=pool))
    assert pool.submit(abs, -1).result() == 1


def test_leaving_a_stream_ends_its_tasks(pool):
    for outcome in parmap.stream(time.sleep, [0] + [100] * 10, engine=pool):
        assert outcome.index == 0
        break
    assert pool.submit(abs, -1).result() == 1


def test_retries_limits_and_random_numbers(pool):
    def second(k):
        if parmap.context().attempt == 1:
            raise ValueError
        return parmap.rng().integers(1 << 60)

    got = list(parmap.imap(second, range(20), engine=pool, retries=1, seed=3))
    assert got == parmap.parmap(lambda k: parmap.rng().integers(1 << 60), range(20), seed=3, engine="serial")
    asked = []
    kinds = [each.failure.kind for each in parmap.stream(time.sleep, [100], engine=pool, timeout_sec=0.3, retries=1,
                                                         retry_if=lambda failure: asked.append(failure.kind))]  # fmt: skip
    assert kinds == ["timed_out"] == asked


def test_large_arrays(pool):
    def double(a):
        return a * 2

    for k, each in enumerate(parmap.imap(double, (numpy.full(50_000, float(k)) for k in range(30)), engine=pool)):
        assert each[0] == 2 * k and each.shape == (50_000,)
        each[0] = 1


def test_reductions(pool):
    for n in (0, 1, 600, 1500):
        assert parmap.map_reduce(lambda k: [k], operator.add, range(n), initial=[], engine=pool) == list(range(n))
    xs = numpy.random.default_rng(1).normal(size=3000).tolist()
    here = parmap.map_reduce(abs, operator.add, xs, initial=0.0, engine=pool)
    assert here == parmap.map_reduce(abs, operator.add, xs, initial=0.0, engine="serial")
    some = parmap.map_reduce(lambda k: 1 / k, operator.add, range(5), initial=0, engine=pool, on_error="skip", full=True)
    assert [each.index for each in some.failures] == [0]

    def step(counts, x):
        counts[int(x) % 5] += parmap.rng().integers(10)

    for n in (10, 3000):
        folds = [parmap.fold(numpy.zeros(5), step, operator.add, xs[:n], engine=each, seed=4) for each in (pool, "multi")]
        assert numpy.array_equal(*folds)


def test_the_template_is_killed(pool):
    template = pool.submit(os.getppid).result()
    values = parmap.imap(time.sleep, [0, 100], engine=pool)
    assert next(values) is None
    os.kill(template, signal.SIGKILL)
    with pytest.raises(parmap.BrokenPool):
        next(values)


def test_a_stream_outlives_shutdown():
    pool = parmap.Executor(2)
    values = parmap.imap(abs, range(-100, 0), engine=pool)
    assert next(values) == 100
    pool.shutdown()
    assert list(values) == list(range(99, 0, -1))
