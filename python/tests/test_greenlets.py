# SPDX-License-Identifier: MIT
"""Maps of several greenlets of one thread that overlap, as under gevent whatever waits: each has its own state."""

import time

import pytest

import parmap as package
from parmap import parmap

greenlet = pytest.importorskip("greenlet")


def in_turns(*acts):
    """Runs each in a greenlet of its own; act(switch) calls switch() to let the next one go on."""
    hub = greenlet.getcurrent()
    found = {}

    def run(k, act):
        found[k] = act(hub.switch)

    all = [greenlet.greenlet(lambda k=k, act=act: run(k, act)) for k, act in enumerate(acts)]
    while rest := [each for each in all if not each.dead]:
        for each in rest:
            each.switch()
    return [found[k] for k in range(len(acts))]


def test_reporters_that_switch():
    def act(factor):
        def task(i):
            time.sleep(0.01)
            return i * factor, [i]

        return lambda switch: parmap(task, range(30 * factor), n_worker=2, reporter=lambda i, n: switch())

    assert in_turns(act(1), act(2), act(3)) == [[(i * k, [i]) for i in range(30 * k)] for k in (1, 2, 3)]


def read(i):
    greenlet.getcurrent().parent.switch()
    return i


class Result:
    def __init__(self, i):
        self.i = i

    def __reduce__(self):
        return read, (self.i,)


def test_results_whose_unpickling_switches():
    def act(factor):
        return lambda switch: parmap(lambda i: Result(i * factor), range(20), n_worker=2)

    assert in_turns(act(1), act(2)) == [[i * k for i in range(20)] for k in (1, 2)]


def test_tasks_of_serial_that_switch():
    def act(n):
        def run(switch):
            def task(i):
                before = package.context().index, package.rng().random()
                switch()
                assert package.context().index == before[0] == i
                return before[1], package.rng().random()

            return parmap(task, range(n), engine="serial", seed=n)

        return run

    def plainly(n):
        return parmap(lambda i: tuple(package.rng().random(2)), range(n), engine="serial", seed=n)

    assert in_turns(act(5), act(9)) == [plainly(5), plainly(9)]
