# SPDX-License-Identifier: MIT
"""map_reduce and fold: the order in which values are combined, and what failures leave."""

import collections
import math
import operator
import os
import signal
import threading
import time

import parmap
import pytest

ENGINES = ["multi", "threads", "serial"]
SKIPPING = ["multi", "threads"]
BLOCK = 512


def in_brackets(a, b):
    return f"({a} {b})"


def term(i):
    return math.ldexp(math.sin(i + 0.5), i * 7 % 60 - 30)


def by_hand(leaves, combine, broken=lambda b, e: False):
    """Combines what blocks come to: (block, value), in a tree over all block numbers."""
    width = 1
    while width <= max(leaves):
        width *= 2

    def node(b, width):
        if width == 1:
            return leaves.get(b)
        left, right = node(b, width // 2), node(b + width // 2, width // 2)
        if left is None or right is None or broken(b, b + width):
            return right if left is None else left
        return combine(left, right)

    return node(0, width)


def reduced_by_hand(f, op, initial, n, failed=(), broken=lambda b, e: False):
    leaves = {0: initial}
    for i in range(n):
        if i not in failed:
            b = i // BLOCK
            leaves[b] = op(leaves[b], f(i)) if b in leaves else f(i)
    return by_hand(leaves, op, broken)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_order_is_the_documented_one(engine):
    for n in (0, 1, 2, 511, 512, 513, 1024, 1537, 3000):
        for workers in (1, 3):
            value = parmap.map_reduce(str, in_brackets, range(n), initial="init", engine=engine, n_worker=workers)
            assert value == reduced_by_hand(str, in_brackets, "init", n)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_sum_is_bitwise_the_same_for_any_number_of_workers(engine):
    expected = reduced_by_hand(term, operator.add, 0.1, 5000)
    for workers in range(1, 9):
        assert parmap.map_reduce(term, operator.add, range(5000), initial=0.1, engine=engine, n_worker=workers) == expected
    loop = 0.1
    for i in range(5000):
        loop += term(i)
    assert loop != expected  # so that the order is seen


@pytest.mark.parametrize("engine", ENGINES)
def test_matrices_are_multiplied_in_input_order(engine):
    numpy = pytest.importorskip("numpy")
    f = lambda i: numpy.array([[1.0, i], [0.5, 1.0]]) / (1 + i)
    value = parmap.map_reduce(f, operator.matmul, range(1200), initial=numpy.eye(2), engine=engine)
    assert (value == reduced_by_hand(f, operator.matmul, numpy.eye(2), 1200)).all()


def test_several_iterables_fargs_and_random_numbers():
    f = lambda a, b, c: f"{a}{b}{c}"
    assert parmap.map_reduce(f, operator.add, "ab", iter("xy"), initial="", fargs=dict(c=".")) == "ax.ay.bx.by."
    draw = lambda _: parmap.rng().random()
    sums = {parmap.map_reduce(draw, operator.add, range(700), initial=0.0, seed=3, engine=each) for each in ENGINES}
    assert len(sums) == 1


def test_a_reduction_tells_all():
    r = parmap.map_reduce(abs, operator.add, [-1, -2], initial=0, seed=5, full=True)
    assert (r.value, r.partial, r.ok, r.size, len(r), r.seed, r.failures) == (3, 3, True, 2, 2, 5, [])
    assert r.summary().completed == 2
    assert bool(parmap.map_reduce(abs, operator.add, [], initial=0, full=True))
    assert "Reduction of 2 tasks" in repr(r)


def fails(i):
    if i % 300 == 0:
        raise ValueError(f"no {i}")
    return str(i)


@pytest.mark.parametrize("engine", SKIPPING)
def test_failed_tasks_are_left_out(engine):
    r = parmap.map_reduce(fails, in_brackets, range(2000), initial="init", on_error="skip", full=True, engine=engine)
    failed = set(range(0, 2000, 300))
    assert {each.index for each in r.failures} == failed
    assert r.failures[1].task == (300,)
    assert r.partial == reduced_by_hand(str, in_brackets, "init", 2000, failed)
    with pytest.raises(ValueError, match="no 0") as raised:
        _ = r.value
    assert raised.value.results is r
    assert not r.ok and r.summary().failed == 7


@pytest.mark.parametrize("engine", ENGINES)
def test_the_first_failure_is_raised(engine):
    with pytest.raises(ValueError, match="no "):
        parmap.map_reduce(fails, in_brackets, range(2000), initial="", engine=engine)


def test_what_is_skipped_is_told():
    with pytest.warns(parmap.ParmapWarning, match="map_reduce: 2 of 500 tasks failed and were left out"):
        parmap.map_reduce(fails, in_brackets, range(500), initial="", on_error="skip")


@pytest.mark.parametrize("engine", SKIPPING)
def test_op_that_raises_names_the_tasks(engine):
    def op(a, b):
        if b == "700" or (len(b) > 100 and "1100" in b):
            raise ValueError("op")
        return in_brackets(a, b)

    r = parmap.map_reduce(str, op, range(2000), initial="init", on_error="skip", full=True, engine=engine)
    assert [str(each) for each in r.failures] == [
        "task 700 threw: combining tasks 512..1023: ValueError: op",
        "task 1024 threw: combining tasks 0..1999: ValueError: op",
    ]
    assert r.partial == reduced_by_hand(str, in_brackets, "init", 2000, {700}, lambda b, e: (b, e) == (0, 4))
    with pytest.raises(ValueError, match="op") as raised:
        parmap.map_reduce(str, op, range(2000), initial="init", engine=engine)
    assert any("tasks 512..1023 were combined" in note for note in raised.value.__notes__)


def test_serial_lets_out_what_op_raises():
    def op(a, b):
        raise LookupError("op")

    with pytest.raises(LookupError, match="op"):
        parmap.map_reduce(str, op, range(3), initial="", engine="serial", on_error="skip")


def test_op_that_ends_its_worker_costs_its_value_alone():
    def op(a, b):
        if b == "70" or (len(b) > 100 and " 600" in b):
            os.kill(os.getpid(), signal.SIGKILL)
        return in_brackets(a, b)

    r = parmap.map_reduce(str, op, range(1000), initial="init", on_error="skip", full=True)
    assert [(each.index, each.kind) for each in r.failures] == [(70, "crashed"), (512, "crashed")]
    assert "combining tasks 0..511: " in str(r.failures[0])
    assert "combining tasks 0..999: " in str(r.failures[1])
    assert r.partial == reduced_by_hand(str, in_brackets, "init", 1000, {70}, lambda b, e: (b, e) == (0, 2))


def test_op_that_hangs_is_ended():
    def op(a, b):
        if b == "2":
            time.sleep(3600)
        return in_brackets(a, b)

    r = parmap.map_reduce(str, op, range(4), initial="init", on_error="skip", full=True, timeout_sec=0.5)
    assert [(each.index, each.kind) for each in r.failures] == [(2, "timed_out")]
    assert r.partial == "(((init 0) 1) 3)"


def test_deaths_and_retries_change_nothing():
    def f(i):
        if i % 170 == 50 and parmap.context().attempt == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return term(i)

    assert parmap.map_reduce(f, operator.add, range(1200), initial=0.0, retries=1) == reduced_by_hand(term, operator.add, 0.0, 1200)


# ---- fold


def add(bins, i):
    bins[i * 7 % 16] += term(i)


def add_all(bins, more):
    for k, each in enumerate(more):
        bins[k] += each


def folded_by_hand(n, failed=()):
    block = min(max(n // 1024, 1), 512)
    leaves = {0: [0.0] * 16}
    for i in range(n):
        if i not in failed:
            add(leaves.setdefault(i // block, [0.0] * 16), i)

    def combine(a, b):
        made = list(a)
        add_all(made, b)
        return made

    return by_hand(leaves, combine)


@pytest.mark.parametrize("engine", ENGINES)
def test_fold_has_the_documented_order(engine):
    for n in (0, 1, 2, 1000, 2047, 2048, 5000):
        for workers in (1, 3):
            assert parmap.fold([0.0] * 16, add, add_all, range(n), engine=engine, n_worker=workers) == folded_by_hand(n)


def test_fold_of_a_counter_and_of_a_number():
    lines = ["a b a", "b c"]
    count = lambda counts, line: counts.update(line.split())
    identity = collections.Counter()
    assert parmap.fold(identity, count, collections.Counter.update, lines) == {"a": 2, "b": 2, "c": 1}
    assert not identity  # it is as it was
    assert parmap.fold(0, lambda total, x: total + x, operator.add, range(3000)) == sum(range(3000))
    assert parmap.fold(0, lambda total, x, by: total + x * by, operator.add, range(10), fargs=dict(by=2)) == 90


@pytest.mark.parametrize("engine", SKIPPING)
@pytest.mark.parametrize("n", [1000, 3000])
def test_a_step_that_raises_half_way_leaves_no_trace(engine, n):
    def step(bins, i):
        add(bins, i)
        if i % 41 == 0:
            bins.clear()
            raise ValueError("half-way")

    r = parmap.fold([0.0] * 16, step, add_all, range(n), engine=engine, on_error="skip", full=True)
    failed = set(range(0, n, 41))
    assert [each.index for each in r.failures] == sorted(failed)
    assert r.failures[-1].task == (max(failed),)
    assert r.partial == folded_by_hand(n, failed)
    with pytest.raises(ValueError, match="half-way"):
        parmap.fold([0.0] * 16, step, add_all, range(n), engine=engine)


@pytest.mark.parametrize("n", [700, 2500])
def test_fold_restores_the_accumulator_before_a_retry(n):
    def step(bins, i):
        if i % 100 == 3 and parmap.context().attempt == 1:
            bins.clear()
            if i % 200 == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("half-way")
        add(bins, i)

    assert parmap.fold([0.0] * 16, step, add_all, range(n), retries=1) == folded_by_hand(n)


def test_steps_know_their_task_and_have_its_random_numbers():
    def step(all_of, _):
        return [*all_of, (parmap.context().index, parmap.rng().random())]

    def expected(n):
        return parmap.parmap(lambda i: (i, parmap.rng().random()), range(n), seed=9)

    for n in (10, 2100):
        for engine in ENGINES:
            assert parmap.fold([], step, operator.add, range(n), seed=9, engine=engine) == expected(n)


def test_fold_is_stopped():
    stop = threading.Event()
    stop.set()
    r = parmap.fold(0, operator.add, operator.add, range(3000), stop=stop, on_error="skip", full=True)
    assert {each.kind for each in r.failures} == {"stopped"}
    assert len(r.failures) == 3000 and r.partial == 0

    def always(total, x):
        raise ValueError("no")

    r = parmap.fold(0, always, operator.add, range(3000), max_failures=3, on_error="skip", full=True)
    assert len(r.failures) == 3000 and r.summary().count("threw") < 100


def test_fold_ends_at_its_deadline():
    def slow(total, x):
        time.sleep(0.01)
        return total + 1

    r = parmap.fold(0, slow, operator.add, range(4000), n_worker=2, deadline_sec=0.5, on_error="skip", full=True)
    assert 0 < r.summary().count("stopped") < 4000
    assert r.partial == 4000 - len(r.failures)


def test_progress_of_a_fold_goes_over_all_tasks():
    seen = []
    parmap.fold(0, operator.add, operator.add, range(2100), reporter=lambda i, n: seen.append((i, n)))
    assert seen[-1] == (2099, 2100)
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: parmap.map_reduce(abs, operator.add, [1], initial=0, on_error="ignore"), ValueError, "on_error must be 'raise' or 'skip'"),
        (lambda: parmap.map_reduce(abs, 3, [1], initial=0), TypeError, "op must be callable"),
        (lambda: parmap.map_reduce(abs, operator.add, [1]), TypeError, "initial"),
        (lambda: parmap.map_reduce(abs, operator.add, initial=0), TypeError, "at least one iterable"),
        (lambda: parmap.map_reduce(abs, operator.add, [1], initial=0, engine="async"), ValueError, "async has no map_reduce"),
        (lambda: parmap.fold(0, 3, operator.add, [1]), TypeError, "step must be callable"),
        (lambda: parmap.fold(0, operator.add, 3, [1]), TypeError, "merge must be callable"),
        (lambda: parmap.fold(0, operator.add, operator.add, [1], engine="async"), ValueError, "async has no fold"),
    ],
)
def test_mistakes_are_explained(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_the_blocks_are_those_of_cpp():
    from pathlib import Path

    header = Path(__file__).resolve().parents[2] / "include/parmap/reduction.hpp"
    text = header.read_text(encoding="utf-8")
    assert "reduction_block = 512" in text and "clamp<std::uint64_t>(tasks / 1024, 1, reduction_block)" in text
