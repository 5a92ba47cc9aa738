# SPDX-License-Identifier: MIT
"""Random numbers belong to tasks; what a task may ask about itself."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import parmap as package
from helpers import for_engine, generator_of, run
from parmap import context, parmap, rng


def draw(i):
    return rng().integers(0, 2**64, size=3, dtype=np.uint64).tolist() + [rng().random()]


def expected(seed, i):
    generator = generator_of(seed, i)
    return generator.integers(0, 2**64, size=3, dtype=np.uint64).tolist() + [generator.random()]


@given(seed=st.integers(0, 2**64 - 1), n=st.integers(1, 20), workers=st.integers(1, 3))
def test_the_numbers_are_numpys_in_every_engine(seed, n, workers):
    for engine in package.ENGINES:
        found = parmap(for_engine(draw, engine), range(n), seed=seed, engine=engine, n_worker=workers)
        assert found == [expected(seed, i) for i in range(n)]


def test_the_seed_of_the_results_gives_them_again(engine):
    first = parmap(draw, range(5), engine=engine)
    assert parmap(draw, range(5), seed=first.seed) == first
    assert parmap(draw, range(5), engine=engine) != first


def test_a_retry_draws_the_same(engine):
    def act(i):
        drawn = rng().random()
        if context().attempt < 3:
            raise OSError
        return drawn

    first = [expected_first(7, i) for i in range(4)]
    assert parmap(act, range(4), seed=7, engine=engine, retries=2) == first


def expected_first(seed, i):
    return generator_of(seed, i).random()


def test_a_map_in_a_task_has_streams_of_its_own(engine):
    def act(i):
        before = rng().random()
        inner = parmap(lambda j: rng().random(), range(2), seed=i, engine=engine)
        return before, inner, rng() is rng()

    for i, (before, inner, same) in enumerate(parmap(act, range(3), seed=9, engine=engine)):
        assert before == expected_first(9, i) and same
        assert inner == [expected_first(i, j) for j in range(2)]


def test_a_naive_draw_never_repeats(engine):
    np.random.seed(3)
    random.seed(3)

    def act(i):
        return np.random.rand(), random.random(), np.random.default_rng().random()

    drawn = parmap(act, range(200), engine=engine, n_worker=4) + parmap(act, range(200), engine=engine, n_worker=4)
    for numbers in zip(*drawn, strict=True):
        assert len(set(numbers)) == 400


def test_a_naive_draw_in_a_map_in_a_task_never_repeats():
    drawn = parmap(lambda i: parmap(lambda j: (np.random.rand(), random.random()), range(4), n_worker=2), range(4))
    assert len({each for inner in drawn for each in inner}) == 16


def test_the_callers_generator_is_as_it_was():
    np.random.seed(3)
    parmap(lambda i: np.random.rand(), range(10))
    assert np.random.rand() == np.random.RandomState(3).rand()


def test_context(engine):
    for i, found in enumerate(parmap(lambda i: tuple(context()), range(40), engine=engine, n_worker=3)):
        index, attempt, worker = found
        assert (index, attempt) == (i, 1) and 0 <= worker < 3


def test_context_in_a_map_in_a_task(engine):
    def act(i):
        inner = parmap(lambda j: context().index, range(3), engine=engine)
        return inner, context().index

    assert parmap(act, range(4), engine=engine) == [([0, 1, 2], i) for i in range(4)]


def test_outside_of_a_task(engine):
    parmap(abs, [1], engine=engine)
    with pytest.raises(RuntimeError, match=r"parmap.context\(\)"):
        context()
    with pytest.raises(RuntimeError, match=r"parmap.rng\(\)"):
        rng()


def test_a_thread_of_a_task_is_outside_of_it(engine):
    import threading

    def act(i):
        seen = []

        def ask():
            try:
                seen.append(context())
            except RuntimeError as error:
                seen.append(type(error))

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        return seen

    assert parmap(act, [0], engine=engine) == [[RuntimeError]]


def test_without_numpy():
    program = f"""
        import sys
        sys.modules["numpy"] = None
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import parmap
        from helpers import for_engine
        for engine in parmap.ENGINES:
            print(parmap.parmap(for_engine(lambda i: i + 0.5, engine), range(3), engine=engine))
            try:
                parmap.parmap(for_engine(lambda i: parmap.rng(), engine), [0], engine=engine, on_error="raise")
            except ImportError as error:
                print(error)
    """
    line = "[0.5, 1.5, 2.5]\nparmap.rng() needs NumPy: pip install numpy\n"
    assert run(program) == len(package.ENGINES) * line
