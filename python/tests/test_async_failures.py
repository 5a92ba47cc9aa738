# SPDX-License-Identifier: MIT
"""The engine async when tasks throw: each costs itself alone; on_error; ten thousand of each kind."""

import asyncio
import time

import pytest

from helpers import only_failure, quiet
from parmap import TaskNotRun, TaskTimeout, context, parmap, parmap_async

pytestmark = pytest.mark.timeout(120)

class OwnError(Exception):
    pass


def at_7(act, **options):
    """The only failure of 20 tasks of which the seventh acts."""

    async def task(i):
        return await act() if i == 7 else i  # the innocent take one step: they cannot be late, whatever the machine does

    results = quiet(task, range(20), engine="async", **options)
    assert [each for i, each in enumerate(results) if i != 7] == [i for i in range(20) if i != 7]
    return only_failure(results, 7)


def raising(error):
    async def act():
        raise error

    return act


# ---- what tasks raise


ERRORS = [
    OwnError("text"), SystemExit(3), KeyboardInterrupt("mine"), GeneratorExit(), asyncio.CancelledError("mine"),
    TimeoutError("mine"), TaskTimeout("mine"), StopAsyncIteration(), asyncio.TimeoutError(),
]  # fmt: skip


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_the_exception_itself(error):
    failure = at_7(raising(error), timeout_sec=50)
    assert failure.exception is error and failure.kind == "threw" and failure.attempts == 1
    assert error.__cause__ is None and not hasattr(error, "__notes__")
    assert "in act" in failure.traceback and "parmap/_" not in failure.traceback


def test_a_memory_error_is_told_as_one():
    assert at_7(raising(MemoryError("mine"))).kind == "out_of_memory"


def test_what_a_task_of_a_task_raises_is_the_failure_of_who_waits_for_it():
    async def child(kind):
        raise kind("child")

    for kind in (SystemExit, OwnError):

        async def act(kind=kind):
            await asyncio.create_task(child(kind))

        assert type(at_7(act).exception) is kind


def test_one_that_cancels_everybody_or_stops_the_loop():
    async def cancel_all():
        for each in asyncio.all_tasks():
            each.cancel()
        await asyncio.sleep(0)

    async def task(i):
        if i == 3:
            await cancel_all()
        return i

    results = quiet(task, range(50), engine="async", n_worker=8)
    assert {each.index for each in results.failures} == {3, 4, 5, 6, 7}, "also those that had not begun yet"
    assert {type(each.exception) for each in results.failures} == {asyncio.CancelledError}
    assert {each.kind for each in results.failures} == {"threw"}
    failed = {each.index for each in results.failures}
    assert list(results) == [None if i in failed else i for i in range(50)]

    async def cancel_all_late(i):
        try:
            await asyncio.sleep(60)
        finally:
            await cancel_all()

    # Whoever is late first cancels the others: those whose own limit comes later, by microseconds, were cancelled by a task.
    results = quiet(cancel_all_late, range(3), engine="async", timeout_sec=0.05)
    kinds = [each.kind for each in results.failures]
    assert len(kinds) == 3
    assert "timed_out" in kinds
    assert set(kinds) <= {"timed_out", "threw"}

    with pytest.raises(OwnError):  # which stops the others, who strike as the map waits for them to end

        async def at_the_end(i):
            return await (cancel_all_late(i) if i else raising(OwnError("text"))())

        parmap(at_the_end, range(3), engine="async", on_error="raise")

    async def stop(i):
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        return i

    assert parmap(stop, range(20), engine="async", n_worker=3) == list(range(20))


def test_retries_and_attempts():
    async def task(i):
        await asyncio.sleep(0)
        if context().attempt <= i:
            raise OwnError(i)
        return context().attempt

    results = quiet(task, range(5), engine="async", retries=2)
    assert results == [1, 2, 3, None, None]
    assert [(each.index, each.attempts) for each in results.failures] == [(3, 3), (4, 3)]


# ---- on_error


def test_on_error_of_both_calls():
    async def task(a, b):
        return a // b

    asked = []

    def on_error(func, task, error):
        asked.append((func, task, type(error)))
        return -1

    expected = [-1, 1, -1, 2]
    assert parmap(task, [1, 2], [0, 1], engine="async", on_error=on_error) == expected
    assert asyncio.run(parmap_async(task, [1, 2], [0, 1], on_error=on_error)) == expected
    assert asked == [(task, (1, 0), ZeroDivisionError), (task, (2, 0), ZeroDivisionError)] * 2


@pytest.mark.parametrize("here", [False, True])
def test_raise_stops_at_the_first_failure(here):
    begun, ended = [], []

    async def task(i):
        begun.append(i)
        try:
            if i == 3:
                raise OwnError(i)
            if i > 1:
                await asyncio.sleep(60)
        finally:
            ended.append(i)
        return i

    with pytest.raises(OwnError) as caught:
        if here:
            asyncio.run(parmap_async(task, range(1000), n_worker=4, on_error="raise", retries=0))
        else:
            parmap(task, range(1000), engine="async", n_worker=4, on_error="raise")
    error = caught.value
    assert "task 3" in error.__notes__[-1] and sorted(begun) == sorted(ended)
    assert error.results[:2] == [0, 1] and error.results[2:] == [None] * 998
    kinds = {each.index: each.kind for each in error.results.failures}
    assert kinds.pop(3) == "threw" and kinds == dict.fromkeys([2, *range(4, 1000)], "stopped")
    for each in error.results.failures:
        assert each.attempts == (each.index in begun)
        assert each.index == 3 or (type(each.exception) is TaskNotRun and "another task" in str(each.exception))


# ---- ten thousand of each

N = 10_000


async def mixed(i):
    await asyncio.sleep(0)
    if i % 4 == 1:
        raise OwnError(i)
    if i % 4 == 2:
        await asyncio.sleep(60)
    if i % 4 == 3:
        raise asyncio.CancelledError
    return i


@pytest.mark.parametrize("parts", [[0], [1], [2], [3], [0, 1, 2, 3]], ids=str)
def test_ten_thousand(parts):
    kinds = ["", "threw", "timed_out", "threw"]
    which = [4 * i + parts[i % len(parts)] for i in range(N)]
    results = quiet(mixed, which, engine="async", n_worker=5000, timeout_sec=2 if parts == [0, 1, 2, 3] else 0.5)
    told = {each.index: each.kind for each in results.failures}
    for i, each in enumerate(which):
        # A limit may strike an innocent one where the machine is busy; but no other kind of failure.
        assert told.get(i, "") in (kinds[each % 4], "timed_out"), i
        assert results[i] == (None if i in told else each)
    if parts != [2]:
        assert list(told.values()).count("timed_out") < N


def test_ten_thousand_are_cancelled():
    ended = []

    async def task(i):
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(i)

    async def main():
        map = asyncio.create_task(parmap_async(task, range(N), n_worker=N))
        while len(asyncio.all_tasks()) < N:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        map.cancel()
        with pytest.raises(asyncio.CancelledError):
            await map
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1 and sorted(ended) == list(range(N))


def test_ten_thousand_nested():
    async def inner(j):
        await asyncio.sleep(0)
        return j

    async def task(i):
        return sum(await parmap_async(inner, range(100), n_worker=10))

    assert parmap(task, range(100), engine="async") == [4950] * 100
    begun = time.monotonic()
    assert parmap(lambda i: sum(parmap(inner, range(100), engine="async")), range(100), n_worker=2) == [4950] * 100
    print(f"{time.monotonic() - begun:.2f} s for 100 loops")


@pytest.mark.parametrize("steps", range(0, 40, 3))
def test_raise_names_the_task_that_failed_for_good(steps):
    """Task 0 has a retry left when task 1 fails for the second time: it is stopped, whichever callback comes first."""

    async def task(i):
        if i == 0:
            for _ in range(steps):
                await asyncio.sleep(0)
            if context().attempt == 1:
                raise ValueError("transient")
            return "fine"
        raise KeyError("for good")

    with pytest.raises(KeyError, match="for good") as caught:
        parmap(task, [0, 1], engine="async", retries=1, on_error="raise")
    assert {(each.index, each.kind) for each in caught.value.results.failures} <= {(0, "stopped"), (1, "threw")}
