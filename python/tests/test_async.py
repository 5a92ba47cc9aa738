# SPDX-License-Identifier: MIT
"""The engine async: what it takes and refuses, how many tasks are in flight, where it may be called."""

import asyncio
import functools
import gc
import inspect
import sys
import threading
import types
import warnings

import pytest

import parmap as package
from helpers import run, shown
from parmap import ParmapWarning, Results, context, parmap, parmap_async, rng

pytestmark = pytest.mark.timeout(120)


async def power(x, n=2):
    await asyncio.sleep(0)
    return x**n


async def add(a, b):
    return a + b


class Holder:
    async def method(self, x):
        return x * x

    @classmethod
    async def of_class(cls, x):
        return x * x

    @staticmethod
    async def static(x):
        return x * x

    async def __call__(self, x):
        return x * x


KINDS = {
    "function": power,
    "partial": functools.partial(power, n=2),
    "partial of a partial": functools.partial(functools.partial(power), n=2),
    "bound method": Holder().method,
    "class method": Holder.of_class,
    "static method": Holder.static,
    "object": Holder(),
    "partial of an object": functools.partial(Holder()),
}


# ---- what it takes


@pytest.mark.parametrize("name", ["async", "asyncio"])
def test_the_call_is_that_of_the_other_engines(name):
    results = parmap(power, range(5), engine=name)
    assert results == [0, 1, 4, 9, 16] and type(results) is Results and results.failures == []
    assert parmap(add, [1, 2], [10, 20, 30], engine=name) == [11, 21, 31, 12, 22, 32]
    assert parmap(add, package.zip([1, 2], [10, 20]), engine=name) == [11, 22]
    assert parmap(power, range(3), fargs=dict(n=3), engine=name) == [0, 1, 8]
    assert parmap(power, [], engine=name) == []
    assert parmap(power, iter([3]), engine=name, n_worker=100, timeout_sec=5, seed=7).seed == 7


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_async_functions(kind):
    assert parmap(KINDS[kind], range(4), engine="async") == [0, 1, 4, 9]


@pytest.mark.parametrize("kind", KINDS)
def test_other_engines_refuse_them(kind, engine):
    with pytest.raises(TypeError, match='func is an async function.*engine="async"|func.*engine=\'async\''):
        parmap(KINDS[kind], [1], engine=engine, init=lambda: pytest.fail("begun"))


def test_other_engines_refuse_an_async_init(engine):
    with pytest.raises(TypeError, match="init is an async function"):
        parmap(abs, [1], engine=engine, init=Holder().method)


@pytest.mark.parametrize("func", [abs, lambda x: power(x), Holder, functools.partial(max, 1), Holder.__init__], ids=shown)
def test_it_refuses_a_func_that_is_not_async(func):
    with pytest.raises(TypeError, match="async def.*engine='threads'"):
        parmap(func, [1], engine="async", init=lambda: pytest.fail("begun"))


def test_an_async_generator_is_none_either():
    async def func(i):
        yield i

    with pytest.raises(TypeError, match="async def"):
        parmap(func, [1], engine="async")


def test_names():
    assert "async" in package.ENGINES
    with pytest.raises(ValueError, match="engine 'await'.*multi, threads, serial, async"):
        parmap(power, [1], engine="await")
    program = "import runpy; runpy.run_module('parmap', run_name='__main__')"
    assert "engines: multi, threads, serial, async\n" in run(program)


@pytest.mark.parametrize("bad", [dict(memory_limit=1), dict(n_worker=0), dict(timeout_sec=0), dict(retries=-1)], ids=str)
def test_bad_options(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        parmap(power, [1], engine="async", init=lambda: pytest.fail("begun"), **bad)
    with pytest.raises(ValueError, match=next(iter(bad))):
        asyncio.run(parmap_async(power, [1], init=lambda: pytest.fail("begun"), **bad))


def test_what_is_awaitable_but_no_coroutine():
    class Awaitable:
        def __await__(self):
            yield from asyncio.sleep(0).__await__()
            return 5

    def func(i):
        return Awaitable()

    with pytest.raises(TypeError):
        parmap(func, [1], engine="async")
    if sys.version_info >= (3, 12):  # it may say that it is one
        assert parmap(inspect.markcoroutinefunction(func), [1], engine="async") == [5]


# ---- how many


@pytest.mark.parametrize(("options", "most"), [({}, 64), (dict(n_worker=3), 3), (dict(n_simul=5), 5)], ids=str)
def test_at_most_so_many_are_in_flight_and_no_two_share_a_number(options, most):
    running, seen, full = set(), [], asyncio.Event()

    async def task(i):
        mine = context().worker
        assert mine not in running
        running.add(mine)
        seen.append(len(running))
        if len(running) == most:
            full.set()
        await full.wait()  # the map would hang if it were fewer
        for _ in range(i % 4):
            await asyncio.sleep(0)
            assert context().worker == mine and context().index == i
        running.remove(mine)
        return mine

    workers = parmap(task, range(300), engine="async", on_error="raise", **options)
    assert max(seen) == most and set(workers) == set(range(most))


def test_many_tasks_are_never_many_objects():
    counts = []

    async def task(i):
        await asyncio.sleep(0)
        if i % 10_000 == 5_000:
            alive = [each for each in gc.get_objects() if type(each) is types.CoroutineType]
            counts.append((len(asyncio.all_tasks()), len(alive)))
        return i

    assert parmap(task, range(30_000), engine="async", n_worker=50) == list(range(30_000))
    assert len(counts) == 3 and max(tasks for tasks, _ in counts) < 60 and max(alive for _, alive in counts) < 250


def test_each_task_is_one_of_asyncio():
    async def task(i):
        await asyncio.sleep(0)
        return asyncio.current_task()

    found = parmap(task, range(100), engine="async", n_worker=4)
    assert len({id(each) for each in found}) == 100


# ---- where it may be called


def test_a_running_loop_is_told_the_other_call():
    async def main():
        begun = []
        with pytest.raises(RuntimeError, match=r"await parmap\.parmap_async"):
            parmap(power, [1], engine="async", init=lambda: begun.append(1))
        return begun, await parmap_async(power, range(3), n_worker=2)

    assert asyncio.run(main()) == ([], [0, 1, 4])


def test_parmap_async_takes_what_parmap_does():
    of_parmap = dict(inspect.signature(parmap).parameters)
    del of_parmap["engine"], of_parmap["start"], of_parmap["max_tasks"]  # these are about processes
    assert dict(inspect.signature(parmap_async).parameters) == of_parmap
    assert inspect.iscoroutinefunction(parmap_async) and "parmap_async" in package.__all__


@pytest.mark.parametrize("here", [False, True])
def test_one_warning_at_the_callers_line(here):
    async def task(i):
        return 1 // i

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if here:

            async def main():
                return await parmap_async(task, [0, 1, 0]), inspect.currentframe().f_lineno

            results, line = asyncio.run(main())
        else:
            results, line = parmap(task, [0, 1, 0], engine="async"), inspect.currentframe().f_lineno
    assert results == [None, 1, None] and len(caught) == 1
    assert (caught[0].filename, caught[0].lineno, caught[0].category) == (__file__, line, ParmapWarning)
    assert "2 of 3 tasks failed; the first: task 0 threw: ZeroDivisionError" in str(caught[0].message)
    assert "in task" in str(caught[0].message) and "parmap/_async.py" not in str(caught[0].message)


@pytest.mark.parametrize("outer", ["serial", "threads", "multi"])
def test_inside_a_task_of_another_engine(outer):
    async def inner(i):
        await asyncio.sleep(0)
        return context().index, float(rng().random())

    def task(i):
        return parmap(inner, range(3), engine="async", seed=i), context().index

    found = parmap(task, range(6), engine=outer, n_worker=3)
    alone = [parmap(inner, range(3), engine="async", seed=i) for i in range(6)]
    assert found == [(alone[i], i) for i in range(6)]


def test_inside_a_task_of_its_own():
    async def inner(j):
        await asyncio.sleep(0)
        return context().index

    async def task(i):
        before = rng().random()
        results = await parmap_async(inner, range(3), n_worker=2)
        return results, context().index, rng() is rng(), before

    found = parmap(task, range(5), engine="async", seed=3)
    assert [each[:3] for each in found] == [([0, 1, 2], i, True) for i in range(5)]
    with pytest.raises(RuntimeError, match="outside|no parmap task"):
        context()


@pytest.mark.parametrize("inner", ["serial", "threads", "multi"])
def test_other_engines_inside_its_tasks(inner):
    async def task(i):
        await asyncio.sleep(0)
        found = parmap(lambda j: (context().index, float(rng().random())), range(3), engine=inner, n_worker=2, seed=i)
        await asyncio.sleep(0)
        return found, context().index

    here = [parmap(lambda j: (context().index, float(rng().random())), range(3), engine="serial", seed=i) for i in range(4)]
    assert parmap(task, range(4), engine="async") == [(here[i], i) for i in range(4)]


def test_a_worker_of_multi_whose_caller_has_a_running_loop():
    async def main():
        return parmap(lambda i: parmap(power, range(i), engine="async"), range(5), n_worker=2)

    assert asyncio.run(main()) == [[j * j for j in range(i)] for i in range(5)]


def test_from_several_threads_at_once():
    found = [None] * 4

    def act(k):
        async def task(i):
            await asyncio.sleep(0)
            return i + k, threading.get_ident() == mine

        mine = threading.get_ident()
        found[k] = [parmap(task, range(200), engine="async", n_worker=7) for _ in range(5)]

    threads = [threading.Thread(target=act, args=(k,)) for k in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [[[(i + k, True) for i in range(200)]] * 5 for k in range(4)]


def test_maps_beside_each_other_on_one_loop():
    async def main():
        return await asyncio.gather(*[parmap_async(power, range(100), n_worker=3, seed=k) for k in range(5)])

    assert asyncio.run(main()) == [[i * i for i in range(100)]] * 5


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no eager tasks before Python 3.12")
def test_a_loop_whose_tasks_begin_at_once():
    async def task(i):
        if i % 3 == 0:
            await asyncio.sleep(0)
        return 100 // i

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        return await parmap_async(task, range(200), n_worker=3, timeout_sec=50, on_error=lambda func, task, error: -1)

    assert asyncio.run(main()) == [-1] + [100 // i for i in range(1, 200)]
