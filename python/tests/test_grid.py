# SPDX-License-Identifier: MIT
"""Inputs with names: grid=, where=, and what results tell of them."""

import asyncio
import copy
import functools
import gc
import math
import operator
import pickle
import warnings
import weakref

import pytest

import parmap as package
from helpers import for_engine, needs, quiet, run
from parmap import parmap

MUS, X0S = [0.1, 0.5], [1, 2, 3]
TASKS = [{"mu": mu, "x0": x0} for mu in MUS for x0 in X0S]


def simulate(mu, x0):
    if (mu, x0) == (0.5, 2):
        raise ValueError("no convergence")
    return f"{mu} {x0}"


def either(x0, mu):  # in another order than the grids here
    return f"{mu} {x0}"


class Model:
    def simulate(self, mu, x0, n=0):
        return f"{mu} {x0}"

    __call__ = simulate


SAID = [f"{mu} {x0}" for mu in MUS for x0 in X0S]


# ---- what is called


@pytest.mark.parametrize("engine", ["serial", "threads", "multi", "async"])
@pytest.mark.parametrize("func", [either, Model().simulate, functools.partial(either), Model()], ids=["function", "method", "partial", "object"])
def test_func_is_called_by_keyword(engine, func):
    called = for_engine(func, engine) if engine == "async" else func
    results = parmap(called, grid=dict(mu=MUS, x0=X0S), engine=engine)
    assert results == SAID and list(results.tasks) == TASKS


def test_workers_that_are_fresh_or_stay():
    pytest.importorskip("cloudpickle")
    grid = dict(mu=MUS, x0=X0S)
    where = lambda mu, x0: x0 > 1  # noqa: E731
    assert parmap(lambda x0, mu: f"{mu} {x0}", grid=grid, where=where, start="spawn", n_worker=1) == SAID[1:3] + SAID[4:]
    with package.Executor(1) as pool:
        assert parmap(either, grid=grid, engine=pool) == SAID
        assert parmap(lambda x0, mu: f"{mu} {x0}", grid=grid, where=where, engine=pool) == SAID[1:3] + SAID[4:]
        assert [each.task for each in package.stream(either, grid=grid, engine=pool, ordered=True)] == TASKS
        assert package.fold(0, lambda sum, mu, x0: sum + x0, operator.add, grid=grid, engine=pool) == 12


@pytest.mark.parametrize(
    "grid, tasks",
    [
        (package.zip(mu=MUS, x0=range(2)), [(0.1, 0), (0.5, 1)]),
        ([package.zip(mu=MUS, x0="ab"), dict(n=[1, 2])], [(0.1, "a", 1), (0.1, "a", 2), (0.5, "b", 1), (0.5, "b", 2)]),
        ((dict(n=(7,)), dict(mu=iter(MUS))), [(7, 0.1), (7, 0.5)]),
        (dict(pair=package.zip("ab", "cd")), [(("a", "c"),), (("b", "d"),)]),
        (dict(mu=[]), []),
    ],
    ids=["zip", "zip and dict", "dicts", "pairs", "nothing"],
)
def test_forms_of_a_grid(grid, tasks):
    results = parmap(lambda **inputs: tuple(inputs.values()), grid=grid, engine="threads")
    assert results == tasks == [tuple(each.values()) for each in results.tasks]


def test_arrays_and_fargs(engine):
    numpy = pytest.importorskip("numpy")
    grid = dict(row=numpy.arange(4).reshape(2, 2), x=numpy.array([0.5, 1.5]))
    assert parmap(lambda x, n, row: row.sum() * x + n, grid=grid, fargs=dict(n=1), engine=engine) == [1.5, 2.5, 3.5, 8.5]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_rows_of_a_data_frame(library):
    """A program of its own: once polars is imported, forks warn of it."""
    needs(library)
    program = f"""
        import datetime, {library}
        from parmap import parmap
        frame = {library}.DataFrame(dict(mu=[0.1, 0.5], x0=[1, 2], day=[datetime.datetime(2020, 1, 2)] * 2))
        kinds = lambda mu, x0, day: (type(mu), type(x0), isinstance(day, datetime.datetime))
        results = parmap(kinds, grid=frame, where=lambda x0, **rest: x0 > 1, engine="threads")
        print(results == [(float, int, True)], list(results.tasks)[0]["mu"])
    """
    assert run(program) == "True 0.5\n"


# ---- where


def test_where_leaves_combinations_out(engine):
    asked = []

    def where(mu, x0):
        asked.append({"mu": mu, "x0": x0})
        return x0 != 2

    results = parmap(either, grid=dict(mu=MUS, x0=X0S), where=where, engine=engine)
    assert asked == TASKS
    assert results == [SAID[k] for k in (0, 2, 3, 5)] and list(results.tasks) == [TASKS[k] for k in (0, 2, 3, 5)]
    assert list(results.left_out) == [TASKS[1], TASKS[4]]
    assert str(results.summary()).startswith("4 of the grid's 6 tasks in ") and results.summary().left_out == 2
    both = results + parmap(either, grid=dict(mu=MUS, x0=X0S))
    assert list(both.left_out) == [TASKS[1], TASKS[4]] and len(results[1:].left_out) == 0


def test_where_of_all_and_of_none():
    assert len(parmap(either, grid=dict(mu=MUS, x0=X0S), where=lambda mu, x0: True).left_out) == 0
    none = parmap(either, grid=dict(mu=MUS, x0=X0S), where=lambda mu, x0: False)
    assert none == [] and len(none.tasks) == 0 and list(none.left_out) == TASKS
    assert str(none.summary()).startswith("0 of the grid's 6 tasks in ")


def test_what_where_raises_leaves_the_map():
    with pytest.raises(ZeroDivisionError):
        parmap(either, grid=dict(mu=MUS, x0=X0S), where=lambda mu, x0: 1 // 0)


def test_holes_take_a_number_for_each_task():
    import tracemalloc

    tracemalloc.start()
    try:
        grid = package._grid.Grid(dict(mu=range(100), x0=range(1000)), lambda mu, x0: mu < x0, either, {}, 0)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert grid.size == 94_950 and most < 20 * grid.size
    assert grid.task(0) == {"mu": 0, "x0": 1} and grid.task(grid.size - 1) == {"mu": 99, "x0": 999}


# ---- other functions


@pytest.mark.parametrize("engine", ["serial", "threads", "multi"])
def test_streams(engine):
    grid = dict(mu=MUS, x0=X0S)
    with package.stream(either, grid=grid, where=lambda mu, x0: x0 > 1, ordered=True, engine=engine, times=True) as outcomes:
        assert outcomes.next(timeout=30).task == TASKS[1]
        assert [(each.index, each.task, each.value) for each in outcomes] == [(k, TASKS[n], SAID[n]) for k, n in ((1, 2), (2, 4), (3, 5))]
    assert str(outcomes.summary()).startswith("4 of the grid's 6 tasks in ")
    assert "(mu=" in str(outcomes.summary().slowest[0])
    assert list(package.imap(either, grid=grid, engine=engine)) == SAID
    assert sorted(package.imap_unordered(either, grid=grid, engine=engine)) == SAID


@pytest.mark.parametrize("engine", ["async", "threads"])
def test_async(engine):
    async def main():
        found = [each async for each in package.astream(for_engine(simulate, engine), grid=dict(mu=MUS, x0=X0S), ordered=True, engine=engine)]
        return found, await package.parmap_async(for_engine(either, "async"), grid=dict(mu=MUS, x0=X0S), where=lambda mu, x0: x0 > 1)

    outcomes, results = asyncio.run(main())
    assert [each.task for each in outcomes] == TASKS and outcomes[4].failure.task == TASKS[4]
    assert results == SAID[1:3] + SAID[4:]


@pytest.mark.parametrize("count", [6, 2048], ids=["a round", "rounds"])  # of more than 2047 tasks, some share an accumulator
def test_reductions(skipping, count):
    def step(sum, n, x, k):
        if (n, x) == (1, 1):
            raise ValueError("one")
        return sum + n * x * k

    grid = dict(n=range(2), x=range(count // 2))
    total = package.fold(0, step, operator.add, grid=grid, fargs=dict(k=10), engine=skipping, on_error="skip", full=True)
    last = len(grid["x"]) - 1
    assert total.partial == 10 * (last * (last + 1) // 2 - 1)
    assert [each.task for each in total.failures] == [{"n": 1, "x": 1}]
    with pytest.raises(ValueError) as raised:
        package.fold(0, step, operator.add, grid=grid, fargs=dict(k=10), engine=skipping)
    assert raised.value.__notes__ == [f"parmap: raised by task {last + 2}, called with (n=1, x=1)"]


def test_map_reduce(engine):
    grid = dict(n=range(2), x=range(3))
    total = package.map_reduce(lambda x, n: n + x, operator.add, grid=grid, where=lambda n, x: x, initial=0, engine=engine, full=True)
    assert total.value == 8 and str(total.summary()).startswith("4 of the grid's 6 tasks in ")


# ---- failures


def test_failures_name_their_inputs(skipping):
    told = []
    results = parmap(simulate, grid=dict(mu=MUS, x0=X0S), engine=skipping, on_error=lambda *failed: told.append(failed) or "none")
    (why,) = results.failures
    assert why.task == {"mu": 0.5, "x0": 2} and results[4] == "none" and told == [(simulate, why.task, why.exception)]
    with pytest.raises(ValueError, match="no convergence"):
        simulate(**why.task)
    with pytest.raises(ValueError) as raised:
        parmap(simulate, grid=dict(mu=MUS, x0=X0S), engine=skipping, on_error="raise")
    assert raised.value.__notes__[0] == "parmap: raised by task 4, called with (mu=0.5, x0=2)"
    with pytest.warns(package.ParmapWarning, match=r"task 4 threw: ValueError: no convergence, called with \(mu=0.5, x0=2\)"):
        parmap(simulate, grid=dict(mu=MUS, x0=X0S), engine=skipping)


def test_texts_name_inputs():
    numpy = pytest.importorskip("numpy")
    results = quiet(lambda mu, **rest: 1 // 0, grid=dict(mu=numpy.array([0.5, 1.5]), **{f"x{k}": [k] for k in range(6)}))
    assert str(results.failures.causes()[0]).endswith("; first task 0 (mu=0.5, x0=0, x1=1, x2=2, x3=3, x4=4, ...)")


def test_retry_if_gets_the_dict(engine):
    seen = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parmap(simulate, grid=dict(mu=MUS, x0=X0S), retries=1, retry_if=lambda why: seen.append(why.task), engine=engine)
        except ValueError:
            assert engine == "serial"
    assert seen == [{"mu": 0.5, "x0": 2}]


# ---- what results know


@pytest.fixture
def some():
    return quiet(simulate, grid=dict(mu=MUS, x0=X0S), engine="threads")


def test_slices_and_sums_keep_tasks(some):
    assert some.tasks[4] == {"mu": 0.5, "x0": 2} and some.tasks[-1] == TASKS[5] and len(some.tasks) == 6
    assert list(some[::-1].tasks) == TASKS[::-1] and list(some[1:5][1:].tasks) == TASKS[2:5] == list(some.tasks[2:5])
    assert list((some + some[:2]).tasks) == TASKS + TASKS[:2] and list((some + some)[4:8].tasks) == TASKS[4:] + TASKS[:2]
    assert list((some + some)[::-5].tasks) == (TASKS + TASKS)[::-5] and list(sum([some], []).tasks) == TASKS
    assert list(copy.deepcopy(some).tasks) == list(pickle.loads(pickle.dumps(some)).tasks) == list(some.copy().tasks) == TASKS
    twice = some.copy()
    twice += some
    assert list(twice.tasks) == TASKS + TASKS and len(twice[3:3].tasks) == 0
    with pytest.raises(IndexError):
        some.tasks[6]


def test_tasks_that_are_not_known(some):
    for unknown in (package.Results([1]), some + [7], [7] + some):
        with pytest.raises(ValueError, match="not known, because not all of the list is from a map"):
            _ = unknown.tasks
    some.append(7)
    with pytest.raises(ValueError, match="not known, because the list was changed"):
        _ = some.tasks


def test_tasks_without_a_grid():
    results = parmap(lambda a, b: a + b, [1, 2], package.zip([3, 4]), engine="threads")
    assert list(results.tasks) == [(1, 3), (1, 4), (2, 3), (2, 4)] and results.sel(a=2) == [5, 6] and len(results.left_out) == 0
    assert pickle.loads(pickle.dumps(results)) == results  # func, which cannot be pickled, stays here
    with pytest.raises(ValueError, match="not known"):
        _ = pickle.loads(pickle.dumps(results)).tasks


@pytest.mark.parametrize("large", ["a" * 2000, bytearray(2000), (1, b"a" * 2000)], ids=["text", "buffer", "pair"])
def test_large_inputs_without_names_are_not_kept(large):
    large = memoryview(large) if isinstance(large, bytearray) else large
    results = parmap(lambda a, b: b, [large], [1, 2], engine="threads")
    with pytest.raises(ValueError, match=r"or they are large and have no names: grid=dict\(name=...\) keeps them"):
        _ = results.tasks
    assert parmap(lambda a: 1, grid=dict(a=[large]), engine="threads").tasks[0]["a"] is large


def test_what_a_function_holds_is_not_kept():
    class Data:
        pass

    def mapped(data):
        return parmap(lambda x: data and x, [1], engine="threads"), weakref.ref(data)

    results, data = mapped(Data())
    gc.collect()
    assert data() is None and results.tasks[0] == (1,)


def test_the_caller_may_change_its_lists_after_a_map():
    mus = [0.1, 0.5]
    results = parmap(either, grid=dict(mu=mus, x0=X0S), engine="threads")
    mus.clear()
    assert list(results.tasks) == TASKS


# ---- sel


def test_sel(some):
    found = some.sel(mu=0.5, x0=[1, 2])
    assert found == [SAID[3], None] and [(each.index, each.task) for each in found.failures] == [(1, TASKS[4])]
    assert list(found.tasks) == TASKS[3:5] and found.seed == some.seed and type(found) is package.Results
    assert some.sel(x0=range(2, 4)).sel(mu=0.1) == SAID[1:3] and some.sel() == some
    assert (some + some).sel(mu=0.1, x0=3) == [SAID[2]] * 2 and some[2:].sel(x0=1) == [SAID[3]]
    pairs = parmap(lambda pair, **_: pair, grid=[dict(pair=[(1, 2), (3, 4), 1]), dict(mu=MUS)], engine="threads")
    assert pairs.sel(pair=(1, 2), mu=0.1) == [(1, 2)] and pairs.sel(pair=[(3, 4), 1], mu=0.1) == [(3, 4), 1]


@pytest.mark.parametrize(
    "chosen, words",
    [
        (dict(nu=1), "there is no input nu; the inputs are mu, x0"),
        (dict(mu=0.10000000000000002), "mu has no 0.10000000000000002; the nearest is 0.1"),
        (dict(x0=[1, 9]), "x0 has no 9; the nearest is 3"),
        (dict(mu="low"), "mu has no 'low'; it has 0.1, 0.5"),
    ],
)
def test_what_sel_does_not_find(some, chosen, words):
    with pytest.raises(KeyError) as error:
        some.sel(**chosen)
    assert str(error.value) == words


def test_sel_of_holes_and_arrays():
    numpy = pytest.importorskip("numpy")
    grid = dict(mu=numpy.array(MUS), x0=X0S)
    holes = parmap(either, grid=grid, where=lambda mu, x0: mu < 0.3, engine="threads")
    assert holes.sel(mu=0.5) == [] and holes.sel(mu=numpy.array([0.1]), x0=3) == [SAID[2]]
    with pytest.raises(KeyError, match="mu has no 0.3; the nearest is 0.1"):
        holes.sel(mu=numpy.float64(0.3))
    rows = parmap(lambda row: row.sum(), grid=dict(row=numpy.eye(2)), engine="threads")
    assert rows.sel(row=rows.tasks[1]["row"]) == [1.0]
    assert rows.sel(row=[rows.tasks[1]["row"], rows.tasks[1]["row"]]) == [1.0]
    twice = parmap(lambda x: x, grid=dict(x=[1, 2, 1, float("nan"), numpy.float32("nan")]), engine="threads")
    assert twice.sel(x=[1, 1]) == [1, 1] and len(twice.sel(x=math.nan)) == 2 and len(twice.sel(x=[math.nan, 2])) == 3


# ---- mistakes


def positional(x, /):
    return x


async def awhere(mu, x0):
    return True


PAIR = dict(mu=[1], x0=[2])
MISTAKES = {
    "both": (lambda: parmap(either, [1], grid=PAIR), TypeError, "stands in place of the iterables"),
    "where alone": (lambda: parmap(either, [1], [2], where=either), TypeError, "there is none: grid=dict"),
    "another type": (lambda: parmap(either, grid=5), TypeError, "a grid is a dict of names .* is of type int"),
    "an empty dict": (lambda: parmap(either, grid={}), ValueError, "an empty dict"),
    "an empty list": (lambda: parmap(either, grid=[]), ValueError, "the grid is empty"),
    "a zip without names": (lambda: parmap(either, grid=package.zip([1], [2])), TypeError, r"need names: grid=parmap\.zip\(mu="),
    "a zip with names for an iterable": (lambda: parmap(either, package.zip(mu=[1], x0=[2])), TypeError, r"grid=parmap\.zip"),
    "a zip with some names": (lambda: package.zip([1], mu=[1]), TypeError, "either all iterables have names, or none"),
    "a zip with names in a dict": (lambda: parmap(either, grid=dict(mu=package.zip(a=[1]))), TypeError, "put it beside the dict"),
    "unequal lengths": (lambda: package.zip(mu=[1], x0=[1, 2]), ValueError, "unequal lengths: mu 1, x0 2"),
    "a number": (lambda: parmap(either, grid=dict(mu=1, x0=[2])), TypeError, "the grid's mu must be iterable, but is 1 .*fargs"),
    "no string": (lambda: parmap(either, grid={1: [1]}), TypeError, "names of a grid must be strings, but 1 is not"),
    "no identifier": (lambda: parmap(either, grid={"a b": [1]}), ValueError, "'a b' is not a Python identifier"),
    "twice": (lambda: parmap(either, grid=[PAIR, dict(mu=[1])]), ValueError, "the name mu more than once"),
    "fargs": (lambda: parmap(either, grid=PAIR, fargs=dict(mu=1)), TypeError, "mu is in the grid and in fargs"),
    "another name": (lambda: parmap(simulate, grid=dict(nu=[1], x0=[2])), TypeError, r"simulate\(\) has no parameter nu; it has mu, x0$"),
    "a name that lacks": (lambda: parmap(simulate, grid=dict(mu=[1])), TypeError, r"simulate\(\) has a parameter x0, which neither grid nor"),
    "by position": (lambda: parmap(positional, grid=dict(x=[1])), TypeError, "takes x by position only"),
    "where that is none": (lambda: parmap(either, grid=PAIR, where=5), TypeError, "where must be callable, but is 5"),
    "where that is async": (lambda: parmap(either, grid=PAIR, where=awhere), TypeError, "where is an async function"),
    "where of other names": (lambda: parmap(either, grid=PAIR, where=lambda nu: 1), TypeError, "has no parameter mu; it has nu"),
    "a stream": (lambda: package.stream(either, [1], grid=PAIR), TypeError, "stands in place of the iterables"),
    "step": (lambda: package.fold(0, lambda sum, nu: sum, max, grid=dict(mu=[1])), TypeError, "has no parameter mu; it has nu"),
    "override": (lambda: package.override(grid=PAIR).__enter__(), TypeError, "cannot replace grid"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_says_the_remedy(mistake):
    do, kind, words = MISTAKES[mistake]
    with pytest.raises(kind, match=words) as error:
        do()
    assert "\n" not in str(error.value)


def test_parameters_that_are_not_known_are_not_checked():
    @functools.wraps(simulate)
    def with_n(*args, **fargs):
        return fargs["mu"]

    assert parmap(with_n, grid=dict(mu=[1]), engine="threads") == [1]
    assert parmap(dict, grid=dict(mu=[1], nu=[2]), engine="threads") == [{"mu": 1, "nu": 2}]
