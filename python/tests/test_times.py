# SPDX-License-Identifier: MIT
"""The option times: how busy the workers were, and the slowest tasks."""

import asyncio
import copy
import operator
import os
import pickle
import signal
import sys
import time

import pytest

import parmap as package
from helpers import for_engine, quiet
from parmap import Results, Summary, TaskTime, parmap
from parmap._times import TimeKeeper, Times, added_times, times_of

ENGINES = {
    "multi": {},
    "spawn": {"start": "spawn"},
    "threads": {"engine": "threads"},
    "serial": {"engine": "serial"},
    "async": {"engine": "async"},
}
SLOW = (1, 2, 4, 6, 7)  # of 8 tasks
LONG = 0.1


@pytest.fixture(scope="module", autouse=True)
def functions_by_value():
    """Test modules are not to be imported in workers that are programs."""
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def slow_task(i, letter):
    time.sleep(LONG if 2 * i + "ab".index(letter) in SLOW else 0)
    return letter * i


async def slow_coroutine(i, letter):
    await asyncio.sleep(LONG if 2 * i + "ab".index(letter) in SLOW else 0)
    return letter * i


def slow(engine):
    return slow_coroutine if engine == "async" else slow_task


def expect_slow(summary, task=lambda i: (i // 2, "ab"[i % 2])):
    assert sorted(each.index for each in summary.slowest) == list(SLOW)
    for each in summary.slowest:
        assert type(each) is TaskTime and each.task == task(each.index)
        assert each.seconds >= 0.9 * LONG and each.attempt == 1
    times = [each.seconds for each in summary.slowest]
    assert times == sorted(times, reverse=True)
    assert 0 < summary.busy <= 1


@pytest.mark.parametrize("engine", ENGINES)
def test_the_five_slowest_tasks(engine):
    summary = parmap(slow(engine), range(4), "ab", n_worker=3, times=True, **ENGINES[engine]).summary()
    expect_slow(summary)
    head, busy, slowest = str(summary).splitlines()
    assert head.startswith("8 tasks in ") and head.endswith(": 8 ok")
    assert busy == f"  workers busy {int(summary.busy * 100 + 0.5)} % of the time"
    assert slowest == "  slowest: " + ", ".join(str(each) for each in summary.slowest)


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_without_the_option(engine):
    results = parmap(slow(engine), range(4), "ab", n_worker=8, **ENGINES[engine])
    summary = results.summary()
    assert summary.busy is None and summary.slowest == [] and "_times" not in vars(results)
    assert str(summary).count("\n") == 0
    empty = parmap(slow(engine), [], "ab", times=True, **ENGINES[engine]).summary()
    assert empty.tasks == 0 and not empty.busy and empty.slowest == []


def test_parmap_async():
    expect_slow(asyncio.run(package.parmap_async(slow_coroutine, range(4), "ab", times=True)).summary())


def test_override():
    with package.override(times=True):
        assert len(parmap(abs, range(4), engine="serial").summary().slowest) == 4
        assert len(package.starmap(pow, [(2, 3)]).summary().slowest) == 1
    assert parmap(abs, range(4), engine="serial").summary().slowest == []


# ---- failures and retries


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_tasks_that_die(start):
    def task(i):
        if i == 3:
            time.sleep(LONG)
            os.kill(os.getpid(), signal.SIGKILL)
        if i == 5:
            time.sleep(60)

    results = quiet(task, range(20), timeout_sec=3 * LONG, n_worker=2, times=True, start=start)
    assert [each.kind for each in results.failures] == ["crashed", "timed_out"]
    late, dead = results.summary().slowest[:2]
    assert (late.index, late.task, dead.index, dead.task) == (5, (5,), 3, (3,))
    assert late.seconds >= 3 * LONG and dead.seconds >= LONG
    assert 0 < results.summary().busy <= 1


@pytest.mark.parametrize("engine", ["threads", "async"])
def test_tasks_that_are_late(engine):
    def task(i):
        while i == 5:
            time.sleep(0.001)

    async def coroutine(i):
        await asyncio.sleep(60 if i == 5 else 0)

    results = quiet(coroutine if engine == "async" else task, range(20), timeout_sec=2 * LONG, engine=engine, times=True)
    assert [each.kind for each in results.failures] == ["timed_out"]
    assert results.summary().slowest[0].index == 5 and results.summary().slowest[0].seconds >= 2 * LONG


def test_a_coroutine_that_is_left_behind():
    async def stubborn(i):
        try:
            await asyncio.sleep(60 if i == 1 else 0)
        finally:
            await asyncio.sleep(1 if i == 1 else 0)

    slowest = quiet(stubborn, range(3), engine="async", timeout_sec=LONG, times=True).summary().slowest
    assert [each.index for each in slowest].count(1) == 1 and slowest[0].index == 1 and slowest[0].seconds >= LONG


@pytest.mark.parametrize("slow_attempt", [1, 2])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_task_counts_with_its_slowest_attempt(engine, slow_attempt):
    def task(i):
        if i == 2:
            time.sleep(LONG if package.context().attempt == slow_attempt else 0)
            if package.context().attempt < 3:
                raise ValueError("again")

    results = parmap(for_engine(task, engine), range(4), retries=2, n_worker=2, times=True, **ENGINES[engine])
    assert results.ok
    slowest = results.summary().slowest
    assert sorted(each.index for each in slowest) == [0, 1, 2, 3]
    assert (slowest[0].index, slowest[0].attempt) == (2, slow_attempt) and slowest[0].seconds >= LONG


@pytest.mark.parametrize("engine", ENGINES)
def test_the_wait_for_a_retry_is_no_time_of_the_task(engine):
    def task(i):
        if i == 0 and package.context().attempt == 1:
            raise ValueError("again")
        time.sleep(5 * LONG if i == 1 else 0)

    waits = {"retry_if": lambda failure: time.sleep(15 * LONG) is None} if engine != "serial" else {"retry_delay_sec": 15 * LONG}
    results = parmap(for_engine(task, engine), range(2), retries=1, n_worker=1, times=True, **waits, **ENGINES[engine])
    assert results.ok and [each.index for each in results.summary().slowest] == [1, 0]


# ---- reductions


@pytest.mark.parametrize("engine", ["multi", "threads", "serial"])
def test_reductions(engine):
    made = package.map_reduce(slow_task, operator.add, range(4), "ab", initial="", engine=engine, times=True, full=True)
    expect_slow(made.summary())
    assert made.value == "abaabbaaabbb"

    def step(sum, i, letter):
        slow_task(i, letter)
        return sum + i

    made = package.fold(0, step, operator.add, range(4), "ab", engine=engine, times=True, full=True)
    expect_slow(made.summary())
    assert made.value == 12
    made = package.fold(0, step, operator.add, range(4), "ab", engine=engine, full=True)
    assert made.summary().busy is None and made.summary().slowest == []


@pytest.mark.parametrize("engine", ["multi", "threads", "serial"])
def test_a_fold_by_several_maps(engine):
    """Of 2100 tasks two share a block: the even ones are one map, the odd ones another."""
    slow = (7, 8, 1000, 1501, 2099)

    def step(sum, x):
        time.sleep(LONG if -x in slow else 0)
        return sum + x

    made = package.fold(0, step, operator.add, range(0, -2100, -1), engine=engine, n_worker=3, times=True, full=True)
    assert made.value == -2100 * 2099 // 2
    summary = made.summary()
    assert sorted(each.index for each in summary.slowest) == list(slow)
    assert all(each.task == (-each.index,) and each.seconds >= LONG for each in summary.slowest)
    assert 0 < summary.busy <= 1


# ---- streams


@pytest.mark.parametrize("lazy", [False, True], ids=["sequence", "iterator"])
@pytest.mark.parametrize("open", [package.stream, package.imap, package.imap_unordered])
@pytest.mark.parametrize("engine", ["multi", "threads", "serial"])
def test_streams(engine, open, lazy):
    outcomes = open(slow_task, iter(range(4)) if lazy else range(4), "ab", engine=engine, n_worker=3, times=True)
    assert len(list(outcomes)) == 8
    expect_slow(outcomes.summary())
    plain = open(slow_task, range(1), "a", engine=engine)
    assert len(list(plain)) == 1 and plain.summary().busy is None and plain.summary().slowest == []


@pytest.mark.parametrize("engine", ["async", "multi"])
def test_a_stream_on_a_loop(engine):
    async def read():
        outcomes = package.astream(slow(engine), range(4), "ab", engine=engine, n_worker=3, times=True)
        assert len([each async for each in outcomes]) == 8
        return outcomes.summary()

    expect_slow(asyncio.run(read()))


@pytest.mark.parametrize("engine", ["multi", "threads", "async"])
def test_failures_of_a_stream(engine):
    def task(i):
        time.sleep(LONG if i == 2 else 0)
        if i == 2:
            raise ValueError("two")

    async def coroutine(i):
        await asyncio.sleep(LONG if i == 2 else 0)
        if i == 2:
            raise ValueError("two")

    async def read():
        return [each async for each in stream]

    if engine == "async":
        stream = package.astream(coroutine, range(8), times=True)
        outcomes = asyncio.run(read())
    else:
        stream = package.stream(task, range(8), engine=engine, times=True)
        outcomes = list(stream)
    failed = [each for each in outcomes if not each]
    assert [each.index for each in failed] == [2] and failed[0].seconds >= 0.9 * LONG and failed[0].worker >= 0
    assert stream.summary().slowest[0].index == 2 and stream.summary().slowest[0].seconds == failed[0].seconds


def test_a_stream_tells_of_what_has_been_read():
    with package.stream(abs, range(100), engine="threads", times=True) as outcomes:
        read = [next(outcomes).index for _ in range(3)]
        assert sorted(each.index for each in outcomes.summary().slowest) == sorted(read)
    assert len(outcomes.summary().slowest) == 3 and 0 < outcomes.summary().busy <= 1


# ---- an interrupted map


@pytest.mark.parametrize("engine", ["multi", "threads", "serial", "async"])
def test_after_ctrl_c(engine):
    caller = os.getpid()

    def task(i):
        time.sleep(LONG if i == 0 else 0)
        if i == 1:
            os.kill(caller, signal.SIGINT)
            time.sleep(4 * LONG)  # under threads it is left behind

    with pytest.raises(KeyboardInterrupt) as raised:
        parmap(for_engine(task, engine), range(3), engine=engine, n_worker=1, times=True)
    summary = raised.value.results.summary()
    assert summary.slowest[0].index in (0, 1) and 0 in [each.index for each in summary.slowest]
    assert 0 < summary.busy <= 1
    time.sleep(4 * LONG if engine == "threads" else 0)  # the thread writes to memory of the map


# ---- what keeps and adds times


def test_lists_that_are_made_of_results():
    made = parmap(abs, range(3), engine="serial", times=True)
    for other in (made[:2], made.copy(), made + made, made + [1], [1] + made, Results(made)):
        assert other.summary().busy is None and other.summary().slowest == []
    for same in (copy.copy(made), pickle.loads(pickle.dumps(made))):
        assert same.summary() == made.summary() and len(same.summary().slowest) == 3


def test_the_text():
    slowest = [TaskTime(7, (0.5, "x" * 200), 1.23, 2), TaskTime(3, (), 0.00204, 1)]
    assert str(slowest[0]) == f"task 7 (0.5, '{'x' * 47}...{'x' * 48}') in 1.2 s"
    summary = Summary(100, 100, 2.04, [], 0.925, slowest)
    assert str(summary) == f"100 tasks in 2.0 s: 100 ok\n  workers busy 93 % of the time\n  slowest: {slowest[0]}, task 3 () in 2.0 ms"


def test_busy():
    some = [TaskTime(0, (), 3, 1)]
    assert Times(1.0, 4.0, some).busy == 0.25 and Times(5.0, 4.0, some).busy == 1.0
    assert Times(0.0, 0.0, some).busy is None and Times(0.0, 4.0, []).busy is None  # without tasks
    both = added_times(Times(1.0, 2.0, [TaskTime(0, (), 3, 1), TaskTime(1, (), 1, 1)]), Times(2.0, 6.0, [TaskTime(2, (), 2, 1)]))
    assert both.busy == 3 / 8 and [each.index for each in both.slowest] == [0, 2, 1]
    assert added_times(None, both) is added_times(both, None) is both and added_times(None, None) is None
    assert times_of([], str) is None


def test_the_keeper_of_coroutines_and_streams():
    keeper = TimeKeeper()
    for index, attempt, seconds in [(0, 1, 3), (1, 1, 1), (2, 1, 5), (0, 2, 4), (2, 2, 2), (3, 1, 6), (4, 1, 0.5), (5, 1, 0.7), (6, 1, 0.6)]:
        keeper.add(index, attempt, seconds, (index,))
    keeper.note_workers(2)
    keeper.note_workers(1)
    times = keeper.times(100)
    assert [(each.index, each.attempt, each.seconds) for each in times.slowest] == [(3, 1, 6), (2, 1, 5), (0, 2, 4), (1, 1, 1), (5, 1, 0.7)]
    assert all(each.task == (each.index,) for each in times.slowest) and times.busy == pytest.approx(22.8 / 200)


def test_the_name_in_another_library():
    with pytest.raises(TypeError, match="here that is times"):
        parmap(abs, [1], enable_insights=True)
