# SPDX-License-Identifier: MIT
"""The engine async when tasks are late, are cancelled or ignore that: nothing hangs, nothing is said, nothing is left."""

import asyncio
import gc
import weakref

import pytest

from helpers import quiet, run
from parmap import TaskTimeout, context, parmap, parmap_async
from test_async_failures import OwnError, at_7, raising

pytestmark = pytest.mark.timeout(120)

LIMIT = 0.05


async def sleep():
    await asyncio.sleep(60)


async def wait_deep():
    await asyncio.wait_for(asyncio.gather(asyncio.create_task(sleep()), sleep()), 50)


async def clean_up():
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0)


async def ignore_it():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass


async def ignore_all():
    while True:
        try:
            await asyncio.sleep(60)
        except BaseException:
            pass


async def wait_for_one_that_ignores():
    await asyncio.create_task(ignore_all())


async def clean_up_for_ever():
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.Event().wait()


async def hang_in_a_generator():
    async def numbers():
        try:
            await asyncio.sleep(60)
            yield 1
        finally:
            await asyncio.Event().wait()

    async for _ in numbers():
        pass


async def wait_for_the_deaf():
    class Deaf(asyncio.Future):
        def cancel(self, *words):
            return True

    await Deaf()


STUBBORN = [wait_for_the_deaf, ignore_it, ignore_all, wait_for_one_that_ignores, clean_up_for_ever, hang_in_a_generator]


# ---- timeouts


@pytest.mark.parametrize("act", [sleep, wait_deep, clean_up, *STUBBORN])
def test_a_limit(act):
    failure = at_7(act, timeout_sec=LIMIT, n_worker=3)
    assert failure.kind == "timed_out" and type(failure.exception) is TaskTimeout
    assert f"timeout_sec={LIMIT:g}" in str(failure.exception)
    if act in (sleep, wait_deep, clean_up):
        assert f"in {act.__name__}" in failure.traceback, "where it was is told"


@pytest.mark.parametrize("act", [raising, None])
def test_what_a_task_makes_of_its_cancellation_is_the_cause_and_a_value_comes_too_late(act):
    async def late():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if act is not None:
                raise OwnError("late") from None
        return 5

    failure = at_7(late, timeout_sec=LIMIT)
    assert failure.kind == "timed_out" and type(failure.exception) is TaskTimeout
    assert type(failure.exception.__cause__) is (OwnError if act else type(None))


def test_the_limit_counts_from_the_start_of_each_task_and_anew_for_a_retry():
    async def task(i):
        await asyncio.sleep(60 if (i, context().attempt) == (0, 1) else 0.4)
        return i

    assert parmap(task, range(3), engine="async", n_worker=1, timeout_sec=1, retries=1) == [0, 1, 2]


@pytest.mark.parametrize("act", STUBBORN)
def test_one_that_ignores_it_gives_its_place_to_the_next(act):
    async def task(i):
        return await act() if i % 2 else context().worker

    results = quiet(task, range(8), engine="async", n_worker=1, timeout_sec=LIMIT)
    assert results == [0, None] * 4 and {each.kind for each in results.failures} == {"timed_out"}


def test_what_one_that_was_left_does_later_is_ignored():
    said = []

    async def task(i):
        if i > 0:
            await until.wait()
            return i
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.15)
        said.append("late")
        until.set()
        raise OwnError

    async def main():
        return await parmap_async(task, range(3), n_worker=1, timeout_sec=1, on_error=lambda func, task, error: None)

    until = asyncio.Event()
    results = asyncio.run(main())
    assert list(results) == [None, 1, 2] and [each.kind for each in results.failures] == ["timed_out"]
    assert said == ["late"]


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("act", STUBBORN)
def test_nothing_is_said_and_nothing_hangs(act, debug):
    """Also as Python ends, where one that ignores all would still be complained of."""
    run(
        f"""
        import asyncio, gc, logging, sys
        sys.path.insert(0, {str(__file__).rsplit("/", 1)[0]!r})
        from parmap import parmap, parmap_async
        from test_async_limits import {act.__name__} as act

        # In debug mode asyncio says so where the machine is slow.
        logging.getLogger("asyncio").addFilter(lambda record: not record.getMessage().startswith("Executing"))

        async def task(i):
            return await act() if i % 5 == 0 else i

        def check(results):
            assert list(results) == [i if i % 5 else None for i in range(10)], results
            assert [each.kind for each in results.failures] == ["timed_out"] * 2
            gc.collect()

        options = dict(n_worker=3, timeout_sec=0.05, on_error=lambda *failed: None)

        async def main():
            return await parmap_async(task, range(10), **options), len(asyncio.all_tasks())

        for _ in range(2):
            check(parmap(task, range(10), engine="async", **options))
            if act.__name__ == "wait_for_one_that_ignores":  # the user's own task, which would be complained of
                continue
            if act.__name__ == "wait_for_the_deaf":  # for which asyncio.run would wait
                loop = asyncio.new_event_loop()
                results, left = loop.run_until_complete(main())
                loop.close()
            else:
                results, left = asyncio.run(main())
                assert left == 1
            check(results)
        """,
        arguments=["-X", "dev"] if debug else [],
    )


# ---- cancellation


@pytest.mark.parametrize("act", [sleep, clean_up, ignore_it])
def test_who_cancels_parmap_async_cancels_its_tasks(act):
    begun, ended, ready = [], [], asyncio.Event()

    async def task(i):
        begun.append(i)
        if len(begun) == 5:
            ready.set()
        try:
            await act()
        finally:
            ended.append(i)

    async def main():
        map = asyncio.create_task(parmap_async(task, range(1000), n_worker=5, reporter=lambda i, n: None))
        await ready.wait()
        map.cancel()
        with pytest.raises(asyncio.CancelledError):
            await map
        return map.cancelled(), len(asyncio.all_tasks())

    assert asyncio.run(main()) == (True, 1)
    assert begun == sorted(ended) == [0, 1, 2, 3, 4]


def test_a_limit_around_parmap_async():
    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(parmap_async(lambda_sleep, range(10)), 0.05)
        return len(asyncio.all_tasks())

    async def lambda_sleep(i):
        await asyncio.sleep(60)

    assert asyncio.run(main()) == 1


# ---- what is left


def test_the_loop_is_closed_its_generators_and_tasks_are_ended():
    said, loops = [], []

    async def numbers():
        try:
            while True:
                yield 1
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0)
            said.append("generator")

    async def beside():
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            said.append("task")

    kept = []

    async def task(i):
        loops.append(asyncio.get_running_loop())
        kept.append(numbers())
        kept.append(asyncio.create_task(beside()))
        async for _ in kept[0]:
            break

    parmap(task, [0], engine="async")
    assert sorted(said) == ["generator", "task"] and loops[0].is_closed()


def test_a_failed_task_holds_nothing_but_its_own():
    class Held:
        pass

    def one():
        held = Held()

        async def task(i):
            held.i = i
            raise OwnError(i)

        results = quiet(task, range(3), engine="async")
        assert len(results.failures) == 3
        return weakref.ref(held)

    dead = one()
    gc.collect()
    assert dead() is None
