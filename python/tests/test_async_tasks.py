# SPDX-License-Identifier: MIT
"""The engine async: what its tasks know, init, the reporter."""

import asyncio
import contextvars
import threading

import pytest

from helpers import generator_of, only_failure, quiet
from parmap import context, parmap, rng

pytestmark = pytest.mark.timeout(120)


async def power(x, n=2):
    await asyncio.sleep(0)
    return x**n


# ---- what tasks know


def test_random_numbers_are_those_of_numpy_also_in_a_retry():
    async def task(i):
        first = rng().random()
        await asyncio.sleep(0)
        if context().attempt < 3:
            raise OSError
        return first, rng().random()

    generators = [generator_of(11, i) for i in range(9)]
    found = parmap(task, range(9), engine="async", seed=11, retries=2, n_worker=4)
    assert found == [(each.random(), each.random()) for each in generators]


def test_a_thread_and_a_task_of_a_task_know_it_too():
    async def child():
        return context().index

    async def task(i):
        return await asyncio.to_thread(lambda: context().index), await asyncio.create_task(child())

    assert parmap(task, range(5), engine="async") == [(i, i) for i in range(5)]


def test_no_task_inherits_the_context_variables_of_another():
    kept = contextvars.ContextVar("kept", default=None)

    async def task(i):
        found = kept.get()
        kept.set(i)
        return found

    kept.set("the caller's")
    assert parmap(task, range(20), engine="async", n_worker=2) == ["the caller's"] * 20
    assert parmap(task, range(5), engine="async", init=lambda: kept.set("init's")) == ["init's"] * 5
    assert kept.get() == "the caller's"


# ---- init and the reporter


@pytest.mark.parametrize("is_async", [False, True])
def test_init_is_called_once_before_the_first_task(is_async):
    said = []

    def init():
        said.append(("init", threading.get_ident(), asyncio.get_running_loop()))

    async def async_init():
        await asyncio.sleep(0)
        init()

    async def task(i):
        said.append((i, threading.get_ident(), asyncio.get_running_loop()))

    parmap(task, range(5), engine="async", init=async_init if is_async else init)
    assert [each[0] for each in said] == ["init", 0, 1, 2, 3, 4]
    assert {each[1:] for each in said} == {(threading.get_ident(), said[0][2])}


def test_what_init_raises_is_the_failure_of_each_task():
    async def init():
        raise LookupError("init")

    results = quiet(power, range(5), engine="async", init=init, retries=1)
    assert results == [None] * 5
    assert {(type(each.exception), each.attempts) for each in results.failures} == {(LookupError, 2)}


def test_the_reporter_is_called_meanwhile_and_at_the_end():
    said, going = [], asyncio.Event()

    async def task(i):
        if i == 0:
            await going.wait()
        return i

    def reporter(i, n):
        said.append((i, n, threading.get_ident()))
        going.set()  # so one call at least came before the end

    parmap(task, range(10), engine="async", reporter=reporter)
    assert said == [(8, 10, threading.get_ident()), (9, 10, threading.get_ident())]


@pytest.mark.parametrize("kind", [LookupError, SystemExit, KeyboardInterrupt, StopIteration])
def test_what_the_reporter_raises_passes_and_tasks_are_cancelled(kind):
    ended = []

    async def task(i):
        try:
            if i > 0:
                await asyncio.sleep(60)
        finally:
            ended.append(i)

    def reporter(i, n):
        raise kind("reporter")

    with pytest.raises(kind, match="reporter"):
        parmap(task, range(50), engine="async", n_worker=5, reporter=reporter)
    assert ended == [0, 1, 2, 3, 4, 5]


def test_a_function_that_a_task_calls_first_fails_alone():
    async def task(i, **more):
        return 6 // i

    assert type(only_failure(quiet(task, range(3), engine="async", fargs=dict(a=1)), 0).exception) is ZeroDivisionError
