# SPDX-License-Identifier: MIT
"""astream: outcomes for `async for`, on the running loop, and of the other engines by a thread."""

import asyncio
import itertools
import os
import signal
import threading
import time

import pytest

import parmap as package
from parmap import TaskTimeout, astream, context, rng

pytestmark = pytest.mark.timeout(60)


async def square(x):
    await asyncio.sleep(0)
    return x * x


def plain_square(x):
    return x * x


async def numbers(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield i


def run(main):
    """The loop is left with no task on it."""

    async def all_of_it():
        value = await main
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return value

    return asyncio.run(all_of_it())


@pytest.fixture(params=("async", "serial", "threads", "multi"))
def every(request):
    """An engine, and a function that it takes."""
    return request.param, square if request.param == "async" else plain_square


async def all_of(outcomes):
    return [outcome async for outcome in outcomes]


def test_all_outcomes(every):
    engine, func = every
    outcomes = run(all_of(astream(func, range(200), engine=engine)))
    assert {each.index: (each.task, each.value) for each in outcomes} == {i: ((i,), i * i) for i in range(200)}
    ordered = run(all_of(astream(func, range(200), engine=engine, ordered=True, window=5)))
    assert [each.value for each in ordered] == [i * i for i in range(200)]
    assert run(all_of(astream(func, [], engine=engine))) == []


def test_inputs_that_are_read_as_the_stream_goes(every):
    engine, func = every
    assert [each.value for each in run(all_of(astream(func, numbers(50), engine=engine, ordered=True)))] == [i * i for i in range(50)]
    read = itertools.count()

    async def main():
        async with astream(func, (i for i in read), engine=engine, window=8, n_worker=2) as outcomes:
            taken = 0
            async for _ in outcomes:
                taken += 1
                if taken == 50:
                    break
        assert next(read) <= 50 + 8 + 1
        assert outcomes.summary().completed == 50

    run(main())


def test_combinations():
    async def join(a, b):
        return f"{a}{b}"

    outcomes = run(all_of(astream(join, iter("ab"), [1, 2], ordered=True)))
    assert [(each.task, each.value) for each in outcomes] == [((a, b), f"{a}{b}") for a in "ab" for b in (1, 2)]


@pytest.mark.parametrize("asynchronous", [True, False])
def test_an_input_that_raises(every, asynchronous):
    engine, func = every

    async def some():
        for i in range(5):
            yield i
        raise KeyError("no more")

    def plain():
        yield from range(5)
        raise KeyError("no more")

    async def main():
        found = []
        outcomes = astream(func, some() if asynchronous else plain(), engine=engine)
        with pytest.raises(KeyError, match="no more"):
            async for each in outcomes:
                found.append(each.value)
        assert sorted(found) == [0, 1, 4, 9, 16]
        assert [each async for each in outcomes] == []

    run(main())


def test_failures_and_on_error():
    async def task(i):
        if i == 3:
            raise ValueError("three")
        return i

    outcomes = run(all_of(astream(task, range(5), ordered=True)))
    assert [bool(each) for each in outcomes] == [True] * 3 + [False, True] and outcomes[3].failure.kind == "threw"
    outcomes = run(all_of(astream(task, range(5), ordered=True, on_error=lambda func, inputs, error: inputs)))
    assert outcomes[3].value == (3,) and not outcomes[3]

    async def main():
        found = []
        with pytest.raises(ValueError, match="three"):
            async for each in astream(task, itertools.count(), ordered=True, on_error="raise"):
                found.append(each.value)
        assert found == [0, 1, 2]

    run(main())


def test_limits_retries_and_stopped_tasks():
    async def task(i):
        if i == 1:
            await asyncio.sleep(3600)
        if i == 2 and context().attempt < 3:
            raise ValueError
        return context().attempt

    outcomes = run(all_of(astream(task, range(4), timeout_sec=0.2, retries=2, ordered=True, retry_if=lambda why: why.kind == "threw")))
    assert [each.value for each in outcomes] == [1, None, 3, 1] and type(outcomes[1].failure.exception) is TaskTimeout
    assert [each.attempts for each in outcomes] == [1, 1, 3, 1]

    async def bad(i):
        raise ValueError

    outcomes = run(all_of(astream(bad, range(50), max_failures=2, n_worker=1, ordered=True)))
    assert [each.failure.kind for each in outcomes] == ["threw"] * 2 + ["stopped"] * 48
    outcomes = run(all_of(astream(square, itertools.count(), deadline_sec=0.2)))
    assert len(outcomes) > 0


def test_init_finish_seed_and_progress():
    ended, calls = [], []

    async def task(i):
        return context().state, rng().random()

    options = dict(seed=3, init=lambda: "state", finish=lambda: ended.append(1))
    outcomes = astream(task, range(20), ordered=True, reporter=lambda i, n: calls.append((i, n)), **options)
    assert outcomes.seed == 3
    found = [each.value for each in run(all_of(outcomes))]
    assert found == package.parmap(task, range(20), engine="async", **options) and ended == [1, 1]
    assert calls[-1] == (19, 20)


def test_a_loop_that_is_left(every):
    engine, func = every

    async def main():
        async for _ in astream(func, itertools.count(), engine=engine, n_worker=2):
            break
        while asyncio.all_tasks() != {asyncio.current_task()}:
            await asyncio.sleep(0)

    run(main())


def test_aclose_while_another_task_waits(every):
    engine, _ = every

    async def asleep(i):
        await asyncio.sleep(3600)

    def plain(i):
        while True:
            time.sleep(3600 if engine == "multi" else 0.001)

    if engine == "serial":
        return  # its task runs in the thread that reads

    async def main():
        outcomes = astream(asleep if engine == "async" else plain, range(3), engine=engine)
        waiting = asyncio.ensure_future(all_of(outcomes))
        while not outcomes._busy:
            await asyncio.sleep(0)
        with pytest.raises(ValueError, match="by another task"):
            await anext(outcomes)
        await outcomes.aclose()
        assert await waiting == []

    run(main())


def test_a_wait_that_is_cancelled_costs_nothing():
    async def main(engine, func, go):
        outcomes = astream(func, [1], engine=engine)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(outcomes), 0.05)
        go.set()
        assert (await anext(outcomes)).value == "gone"
        assert await all_of(outcomes) == []

    async def on_loop():
        go = asyncio.Event()

        async def wait(i):
            await go.wait()
            return "gone"

        await main("async", wait, go)

    asyncio.run(on_loop())
    go = threading.Event()
    asyncio.run(main("threads", lambda i: go.wait(50) and "gone", go))


def test_ctrl_c():
    async def task(i):
        if i == 5:
            os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(all_of(astream(task, itertools.count(), n_worker=2)))


def test_others_run_meanwhile():
    async def main():
        other = asyncio.ensure_future(square(3))
        async for _ in astream(lambda i: time.sleep(0.01), range(3), engine="multi", n_worker=1):
            pass
        assert other.done()

    run(main())


def test_two_at_once():
    async def main():
        return await asyncio.gather(*[all_of(astream(square, numbers(20), ordered=True)) for _ in range(3)])

    assert [[each.value for each in outcomes] for outcomes in run(main())] == [[i * i for i in range(20)]] * 3


def test_mistakes():
    with pytest.raises(TypeError, match="is for async functions"):
        astream(plain_square, [1])
    with pytest.raises(TypeError, match="n_worker"):
        astream(square, [1], processes=2)
    with pytest.raises(ValueError, match="window"):
        astream(square, [1], window=-2)
    with pytest.raises(ValueError, match="start='fork'"):
        run(all_of(astream(plain_square, [1], engine="multi", start="spawn")))
