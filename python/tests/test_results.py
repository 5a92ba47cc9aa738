# SPDX-License-Identifier: MIT
"""maplike and starmap; Results as a list with failures."""

import functools
import itertools
import pickle

import pytest

import parmap as package
from helpers import quiet
from parmap import parmap


# ---- maplike and starmap


def test_maplike_is_the_built_in_map():
    assert package.maplike(pow, [2, 3], (2, 3)) == list(map(pow, [2, 3], (2, 3)))
    assert package.maplike(abs, []) == []
    with pytest.raises(ZeroDivisionError):
        package.maplike(lambda x: 1 // x, [1, 0])
    with pytest.raises(ValueError, match="unequal lengths"):
        package.maplike(pow, [1], [1, 2])
    assert pickle.loads(pickle.dumps(package.maplike)) is package.maplike
    assert functools.partial(package.maplike, engine="threads")(abs, [-1]) == [1]


def test_starmap():
    assert package.starmap(pow, [(2, 3), (3, 2)]) == list(itertools.starmap(pow, [(2, 3), (3, 2)]))
    assert package.starmap(pow, []) == []
    with pytest.raises(ZeroDivisionError):
        package.starmap(lambda x, y: x // y, [(1, 0)])
    with pytest.raises(ValueError, match="one length"):
        package.starmap(pow, [(1, 2), (1, 2, 3)])


def test_pairs_lead_to_starmap():
    with pytest.warns(package.ParmapWarning, match=r"parmap\.starmap\(func, pairs\), or parmap\(func, parmap\.zip\(a, b\)\)"):
        parmap(lambda a, b: a + b, [(1, 2), (3, 4)])


# ---- Results


@pytest.fixture
def some():
    return quiet(lambda i: 1 // (i % 3), range(6))  # 0 and 3 fail


def places(results):
    return [(each.index, each.task) for each in results.failures]


def test_slices_and_sums_keep_failures(some):
    assert places(some) == [(0, (0,)), (3, (3,))] and not some.ok
    assert places(some[1:4]) == [(2, (3,))] and some[1:4] == [1, 0, None] and some[1:4].seed == some.seed
    assert places(some[::-1]) == [(2, (3,)), (5, (0,))]
    assert some[1:3].ok and type(some[::2]) is package.Results and some[1] == 1
    assert places(some + some) == [(0, (0,)), (3, (3,)), (6, (0,)), (9, (3,))]
    assert places([7] + some) == [(1, (0,)), (4, (3,))] and ([7] + some)[0] == 7
    assert places(some + [7]) == places(some.copy()) == places(some)
    some += some[3:]
    assert places(some) == [(0, (0,)), (3, (3,)), (6, (3,))] and len(some) == 9


def test_raise_for_failures(some):
    with pytest.raises(ZeroDivisionError) as caught:
        some.raise_for_failures()
    assert caught.value.results is some and "task 0" in caught.value.__notes__[0]
    parmap(abs, [1]).raise_for_failures()
