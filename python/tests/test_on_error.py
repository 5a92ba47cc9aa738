# SPDX-License-Identifier: MIT
"""on_error: a function that is asked, or "raise"."""

import dataclasses
import threading
import time

import pytest

import parmap as package
from helpers import raising
from parmap import parmap


class OwnError(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int


class NoAttributes(Exception):
    def __setattr__(self, name, value):
        raise AttributeError(f"no {name} here")


def test_on_error_is_asked_in_order_in_the_callers_thread(skipping):
    asked = []

    def on_error(func, task, error):
        asked.append((func, task, type(error), threading.get_ident()))
        return -task[0]

    def task(a, b):
        if a == b:
            raise OwnError(a)
        return 0

    results = parmap(task, range(3), range(3), engine=skipping, on_error=on_error)
    assert results == [0, 0, 0, 0, -1, 0, 0, 0, -2]
    assert asked == [(task, (i, i), OwnError, threading.get_ident()) for i in range(3)]
    assert [each.index for each in results.failures] == [0, 4, 8]


def test_on_error_is_given_the_arguments_of_the_task(skipping):
    axes = range(2), "abc", package.zip([5, 6], ["x", "y"])
    asked = []
    parmap(lambda *task: 1 // 0, *axes, engine=skipping, on_error=lambda func, task, error: asked.append(task))
    assert asked == [(i, c, *pair) for i in range(2) for c in "abc" for pair in ((5, "x"), (6, "y"))]


def test_what_on_error_raises_passes(skipping):
    def on_error(func, task, error):
        raise LookupError(task) from error

    with pytest.raises(LookupError) as caught:
        parmap(lambda i: 1 // i, range(3), engine=skipping, on_error=on_error)
    assert type(caught.value.__cause__) is ZeroDivisionError


@pytest.mark.parametrize("kind", [OwnError, NoAttributes])
def test_on_error_raise(kind, skipping):
    with pytest.raises(Exception) as caught:
        parmap(lambda i: i if i != 30 else raising(kind("text"))(), range(5000), engine=skipping, on_error="raise")
    error = caught.value
    assert kind.__name__ in type(error).__name__ + str(error)
    assert "task 30" in error.__notes__[-1]
    kinds = {each.index: each.kind for each in error.results.failures}
    assert kinds.pop(30) == "threw" and set(kinds.values()) <= {"stopped"}
    assert list(error.results) == [i if i != 30 and i not in kinds else None for i in range(5000)]


def test_on_error_raise_begins_no_other_task():
    begun = []

    def task(i):
        begun.append(i)
        raise OwnError

    with pytest.raises(OwnError):
        parmap(task, range(100), engine="threads", n_worker=1, on_error="raise")
    assert begun == [0]


def test_on_error_raise_ends_those_that_are_in_the_middle():
    with pytest.raises(OwnError) as caught:
        parmap(lambda i: time.sleep(3600) if i else raising(OwnError())(), range(2), n_worker=2, on_error="raise")
    assert [each.kind for each in caught.value.results.failures] == ["threw", "stopped"]
    assert "another task failed" in str(caught.value.results.failures[1])


def test_on_error_raise_keeps_the_notes_there_are(skipping):
    error = OwnError("text")
    error.__notes__ = ["its own"]
    with pytest.raises(OwnError) as caught:
        parmap(lambda i: raising(error)(), [0], engine=skipping, on_error="raise")
    first, second = caught.value.__notes__
    assert first == "its own" and "task 0" in second


def test_on_error_raise_of_a_frozen_one():
    with pytest.raises(Frozen) as caught:
        parmap(lambda i: raising(Frozen(3))(), [0], engine="threads", on_error="raise")
    assert caught.value.code == 3 and caught.value.results == [None]


def test_on_error_raise_without_a_failure(skipping):
    assert parmap(abs, [1, -1], engine=skipping, on_error="raise") == [1, 1]
