# SPDX-License-Identifier: MIT
"""What a map returns: the examples of python-parmap, axes, functions, fargs, Results, seeds."""

import functools
import itertools
import math
import operator
import pickle
import threading
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import parmap as package
from helpers import quiet
from parmap import ParmapWarning, RemoteError, Results, WorkerDied, parmap

x = np.arange(5)


def sqr(x):
    return x * x


def power(x, n):
    return x**n


def hypotn(x, y, n):
    return (x**n + y**n) ** (1 / n)


@pytest.mark.parametrize("chosen", [{}, {"engine": "multi"}, {"engine": "threads"}, {"engine": "serial"}], ids=str)
def test_the_examples_of_python_parmap(chosen):
    assert parmap(sqr, x, **chosen) == [0, 1, 4, 9, 16]
    assert len(parmap(math.hypot, x, x, **chosen)) == 25
    assert parmap(power, x, fargs=dict(n=3), **chosen) == [0, 1, 8, 27, 64]
    assert parmap(hypotn, x, x, fargs=dict(n=3), **chosen) == [hypotn(a, b, 3) for a in x for b in x]


def test_its_slip_gives_five_none_and_one_warning_that_shows_the_type_error(skipping):
    def hypot(x, y):
        return math.hypot(x, y)

    with pytest.warns(ParmapWarning) as caught:
        results = parmap(hypot, x, fargs=dict(n=3), engine=skipping)
    assert results == [None] * 5
    assert len(caught) == 1
    assert "5 of 5 tasks failed" in str(caught[0].message)
    assert "TypeError" in str(caught[0].message) and "'n'" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_its_slip_in_a_plain_loop_raises():
    with pytest.raises(TypeError, match="'n'"):
        parmap(lambda x, y: math.hypot(x, y), x, fargs=dict(n=3), engine="serial")


@given(axes=st.lists(st.lists(st.integers(), max_size=5), min_size=1, max_size=4), threads=st.booleans())
def test_every_combination_the_last_fastest(axes, threads):
    expected = list(itertools.product(*axes))
    for engine in ("serial", "threads" if threads else "multi"):
        assert parmap(lambda *task: task, *axes, engine=engine) == expected


@given(
    one=st.lists(st.integers(), max_size=4),
    pairs=st.lists(st.tuples(st.integers(), st.text(max_size=3)), max_size=4),
)
def test_axes_walked_together_among_others(one, pairs):
    firsts, seconds = [a for a, _ in pairs], (b for _, b in pairs)
    results = parmap(lambda *task: task, one, package.zip(firsts, seconds), one, engine="serial")
    assert results == [(a, *pair, b) for a in one for pair in pairs for b in one]


def test_zip(engine):
    together = package.zip(range(3), "abc")
    assert len(together) == 3
    assert parmap(lambda n, c: c * n, together, engine=engine) == ["", "b", "cc"]
    assert parmap(lambda n, c: c * n, together, engine=engine) == ["", "b", "cc"], "again"


def test_zip_refuses():
    with pytest.raises(ValueError, match="unequal lengths: 2, 3"):
        package.zip([1, 2], [1, 2, 3])
    with pytest.raises(TypeError, match="at least one"):
        package.zip()
    with pytest.raises(TypeError, match="zip: argument 2 .*iterable"):
        package.zip([1], 1)


class Doubled(list):
    """Iterating gives something else than indexing."""

    def __iter__(self):
        return (2 * each for each in super().__iter__())


class OldStyle:
    def __getitem__(self, i):
        return {0: "a", 1: "b"}[i] if i < 2 else self.end()

    def end(self):
        raise IndexError


ITERABLES = {
    "list": lambda: [1, 2.5, None],
    "tuple": lambda: (1, "a"),
    "empty": lambda: [],
    "range": lambda: range(10, -3, -4),
    "huge range": lambda: range(-(2**63), 2**63, 2**62),
    "range beyond 64 bits": lambda: range(2**70, 2**70 + 3),
    "str": lambda: "añ😀",
    "bytes": lambda: b"\x00a",
    "bytearray": lambda: bytearray(b"ab"),
    "generator": lambda: (i * i for i in range(4)),
    "map": lambda: map(str, range(3)),
    "set": lambda: {1, 2, 3},
    "dict": lambda: {"a": 1, "b": 2},
    "keys": lambda: {"a": 1, "b": 2}.keys(),
    "items": lambda: {"a": 1, "b": 2}.items(),
    "file": lambda: open("/proc/self/limits"),
    "array": lambda: np.array([1.5, np.nan]),
    "rows of an array": lambda: np.arange(6).reshape(3, 2),
    "strided array": lambda: np.arange(10, dtype=np.uint8)[::-3],
    "array of objects": lambda: np.array([None, 1, "a"], dtype=object),
    "records": lambda: np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "heir of list": lambda: Doubled([1, 2]),
    "old protocol": lambda: OldStyle(),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("kind", ITERABLES)
def test_kinds_of_iterables(kind, engine):
    expected = [(type(each), repr(each)) for each in ITERABLES[kind]()]
    found = parmap(lambda each: (type(each), repr(each)), ITERABLES[kind](), engine=engine)
    assert found == expected


class Multiplier:
    def __init__(self, by):
        self.by = by

    def __call__(self, n):
        return n * self.by

    def method(self, n):
        return n * self.by

    @classmethod
    def of_class(cls, n):
        return n * 3

    @staticmethod
    def static(n):
        return n * 3


def closure():
    by = 3
    return lambda n: n * by


FUNCTIONS = {
    "lambda": lambda n: n * 3,
    "closure": closure(),
    "bound method": Multiplier(3).method,
    "class method": Multiplier.of_class,
    "static method": Multiplier.static,
    "callable object": Multiplier(3),
    "partial": functools.partial(operator.mul, 3),
    "builtin method": (3).__mul__,
    "cached": functools.lru_cache(lambda n: n * 3),
    "ufunc": functools.partial(np.multiply, 3),
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_kinds_of_functions(kind, engine):
    assert parmap(FUNCTIONS[kind], range(4), engine=engine) == [0, 3, 6, 9]


def test_a_builtin_and_a_class(engine):
    assert parmap(abs, [-1, 2], engine=engine) == [1, 2]
    assert parmap(complex, [1], [2, 3], engine=engine) == [1 + 2j, 1 + 3j]


def test_fargs_are_keywords_and_not_changed(engine):
    fixed = {"b": [2], "c": 3}
    assert parmap(lambda a, *, b, c: (a, b, c), [1], fargs=fixed, engine=engine) == [(1, [2], 3)]
    assert fixed == {"b": [2], "c": 3}
    assert parmap(lambda a: a, [1], fargs={}, engine=engine) == [1]


def test_results_are_a_list(engine):
    results = parmap(sqr, range(4), engine=engine)
    assert isinstance(results, list) and type(results) is Results
    assert results == [0, 1, 4, 9] and results[1:3] == [1, 4] and results.failures == []
    again = pickle.loads(pickle.dumps(results))
    assert again == results and again.seed == results.seed and again.failures == []


def test_results_with_a_failure_can_be_pickled(skipping):
    results = quiet(lambda n: 1 // n, range(2), engine=skipping)
    again = pickle.loads(pickle.dumps(results))
    assert again == [None, 1] and again.failures[0].index == 0


@pytest.mark.parametrize("error", [WorkerDied("words", 11, None), WorkerDied("words", None, 3), RemoteError("Kind", "text")])
def test_exceptions_of_parmap_can_be_pickled(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_threads_are_five_at_least():
    together = threading.Barrier(5)
    assert len(set(parmap(lambda i: together.wait(60), range(5), engine="threads"))) == 5


def test_seed_is_told(engine):
    assert parmap(sqr, [1], engine=engine, seed=2**64 - 1).seed == 2**64 - 1
    fresh = {parmap(sqr, [1], engine=engine).seed for _ in range(3)}
    assert len(fresh) == 3 and all(0 <= each < 2**64 for each in fresh)


def test_more_tasks_than_any_worker_takes_at_once(engine):
    n = 100_003
    assert parmap(lambda i: i + 1, range(n), engine=engine) == list(range(1, n + 1))


@pytest.mark.parametrize("name", ["n_worker", "n_simul"])
def test_workers_are_an_upper_bound(name, engine):
    seen = parmap(lambda i: package.context().worker, range(50), engine=engine, **{name: 3})
    assert set(seen) <= ({0} if engine == "serial" else {0, 1, 2})


def test_only_the_axes_are_held(engine):
    left = [object() for _ in range(3)]
    products = parmap(lambda a, b: a is left[b], left, range(3), engine=engine)
    assert products == [a == b for a in range(3) for b in range(3)]


BAD = {
    "engine unknown": (dict(engine="cuda"), (ValueError, KeyError), "engine 'cuda'.*multi, threads, serial"),
    "engine None": (dict(engine=None), (ValueError, KeyError), "engine None.*multi"),
    "reporter unknown": (dict(reporter="loud"), (ValueError, KeyError), "reporter 'loud'.*bar, text, silent, none"),
    "reporter a number": (dict(reporter=1), (TypeError,), "reporter"),
    "func": (dict(func=3), (TypeError,), "func"),
    "no axis": (dict(axes=()), (TypeError,), "iterable"),
    "first axis": (dict(axes=(5,)), (TypeError,), "argument 1"),
    "second axis": (dict(axes=([1], None)), (TypeError,), "argument 2"),
    "array without dimensions": (dict(axes=(np.array(5),)), (TypeError,), "argument 1"),
    "fargs": (dict(fargs=[1]), (TypeError,), "fargs"),
    "fargs key": (dict(fargs={1: 2}), (TypeError,), "fargs"),
    "n_worker 0": (dict(n_worker=0), (ValueError,), "n_worker"),
    "n_worker -1": (dict(n_worker=-1), (ValueError,), "n_worker"),
    "n_worker 1.5": (dict(n_worker=1.5), (TypeError,), "n_worker"),
    "n_worker huge": (dict(n_worker=2**40), (ValueError,), "n_worker"),
    "n_simul 0": (dict(n_simul=0), (ValueError,), "n_worker"),
    "both": (dict(n_simul=1, n_worker=1), (TypeError,), "n_simul"),
    "timeout_sec 0": (dict(timeout_sec=0), (ValueError,), "timeout_sec"),
    "timeout_sec -1": (dict(timeout_sec=-1), (ValueError,), "timeout_sec"),
    "timeout_sec nan": (dict(timeout_sec=math.nan), (ValueError,), "timeout_sec"),
    "timeout_sec text": (dict(timeout_sec="soon"), (TypeError,), "timeout_sec"),
    "timeout_sec digits": (dict(timeout_sec="5"), (TypeError,), "timeout_sec"),
    "timeout_sec list": (dict(timeout_sec=[1]), (TypeError,), "timeout_sec"),
    "on_error text": (dict(on_error="skip"), (TypeError,), "on_error"),
    "on_error number": (dict(on_error=1), (TypeError,), "on_error"),
    "retries -1": (dict(retries=-1), (ValueError,), "retries"),
    "retries 0.5": (dict(retries=0.5), (TypeError,), "retries"),
    "seed -1": (dict(seed=-1), (ValueError,), "seed"),
    "seed 2**64": (dict(seed=2**64), (ValueError,), "seed"),
    "seed text": (dict(seed="a"), (TypeError,), "seed"),
    "memory_limit 0": (dict(memory_limit=0, engine="multi"), (ValueError,), "memory_limit"),
    "memory_limit text": (dict(memory_limit="much", engine="multi"), (ValueError,), "memory_limit"),
    "memory_limit of threads": (dict(memory_limit=1, engine="threads"), (ValueError,), "memory_limit"),
    "memory_limit 0 of serial": (dict(memory_limit=0, engine="serial"), (ValueError,), "memory_limit"),
    "start unknown of serial": (dict(start="fax", engine="serial"), (ValueError, KeyError), "start 'fax'"),
    "init": (dict(init=3), (TypeError,), "init"),
    "unknown": (dict(timeout=3), (TypeError,), "timeout"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_named_before_anything_starts(what, engine):
    options, kinds, words = BAD[what]
    options = {"engine": engine} | options
    begun = []
    func = options.pop("func", begun.append)
    axes = options.pop("axes", ([1],))
    if "init" not in options:
        options["init"] = lambda: begun.append("init")
    with pytest.raises(kinds, match=words) as caught:
        parmap(func, *axes, **options)
    assert all(isinstance(caught.value, kind) for kind in kinds)
    assert str(caught.value).startswith("parmap")
    assert begun == []


ALL = dict(timeout_sec=60, memory_limit=2**40, n_worker=3, n_simul=None, retries=1, seed=5, on_error="raise", init=lambda: None)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_serial_accepts_every_option(start):
    """Whatever a map of multi was written with: to debug it, one changes one word."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = parmap(lambda i: i * i, range(9), engine="serial", start=start, **ALL)
    assert results == [i * i for i in range(9)] and results.seed == 5
    assert results == parmap(lambda i: i * i, range(9), engine="multi", start=start, **ALL)


def test_long_timeouts_are_none(engine):
    for seconds in (1e12, math.inf, 10**30, np.float32(3e9)):
        assert parmap(sqr, [3], timeout_sec=seconds, engine=engine) == [9]


def test_too_many_tasks_is_an_error_and_not_a_crash(engine):
    with pytest.raises((MemoryError, OverflowError, ValueError)):
        parmap(sqr, range(2**40), range(2**40), engine=engine)


def test_a_map_without_failures_warns_of_nothing(engine):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parmap(sqr, [], engine=engine) == []
        assert parmap(sqr, [2], engine=engine) == [4]
