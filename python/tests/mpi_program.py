# SPDX-License-Identifier: MIT
"""What test_mpi.py runs on several ranks: checks of one kind, named on the command line; prints "ok" in the end."""

import os
import signal
import sys
import threading
import time

import parmap
from cluster_checks import check_folds
from parmap import parmap as pmap


kept = []


class Point:
    def __init__(self, x):
        self.x = x


def quiet(func, *axes, **options):
    return pmap(func, *axes, on_error=lambda func, task, error: None, **options)


def values():
    assert sys.argv[2:] == ["an argument"]
    assert pmap(lambda x: x * x, range(5000), engine="mpi") == [x * x for x in range(5000)]
    assert pmap(lambda x, y, n: (x, y, n), [1, 2], "ab", fargs=dict(n=3), engine="mpi") == [(x, y, 3) for x in (1, 2) for y in "ab"]
    assert pmap(lambda mu, x0: mu + x0, grid=parmap.zip(mu=[1, 2], x0=[3, 4]), engine="mpi") == [4, 6]
    points = pmap(Point, range(10), engine="mpi")
    assert [type(each) for each in points] == [Point] * 10 and [each.x for each in points] == list(range(10))
    assert pmap(bytes, [30_000_000] * 3, engine="mpi") == [bytes(30_000_000)] * 3
    assert pmap(lambda data: sum(data[:10]), [bytes([1]) * 30_000_000], engine="mpi") == [10]

    def draw(i):
        return parmap.rng().random(3).tolist()

    assert pmap(draw, range(50), seed=42, engine="mpi") == pmap(draw, range(50), seed=42, engine="serial")
    numbers = pmap(lambda i: time.sleep(0.02) or (parmap.context().worker, os.getpid()), range(40), engine=parmap.MpiEngine(n_worker=2))
    assert len(set(numbers)) == len({pid for _, pid in numbers}) == len({worker for worker, _ in numbers}) == 2 * int(os.environ["NODES"])
    assert len(set(pmap(lambda i: time.sleep(0.05) or os.getpid(), range(12), n_worker=2, engine="mpi"))) <= 2
    assert parmap.map_reduce(float, lambda a, b: a + b, range(2000), initial=0.0, engine="mpi") == sum(range(2000))
    check_folds("mpi")


def faults():
    def task(i):
        if i == 7:
            os._exit(3)
        if i == 11:
            time.sleep(1000)
        if i == 13:
            os.kill(os.getpid(), signal.SIGSEGV)
        if i == 17:
            raise KeyError("x")
        return i

    results = quiet(task, range(100), timeout_sec=2, engine="mpi")
    kinds = {each.index: each.kind for each in results.failures}
    assert kinds == {7: "exited", 11: "timed_out", 13: "crashed", 17: "threw"}, kinds
    assert [each for i, each in enumerate(results) if i not in kinds] == [i for i in range(100) if i not in kinds]
    assert all(each.host for each in results.failures)

    def loses_its_node(i):
        if i == 50:
            os.kill(os.getppid(), signal.SIGKILL)  # what starts and watches the workers
            time.sleep(100)
        return i

    results = quiet(loses_its_node, range(100), engine="mpi")
    assert [each.index for each in results.failures] == [50] and "lost 5 times" in str(results.failures[0])


def ends():
    slow = lambda i: time.sleep(0.05) or i  # noqa: E731
    try:
        pmap(lambda i: 1 // (i - 5), range(1000), on_error="raise", engine="mpi")
    except ZeroDivisionError as error:
        assert len(error.results.failures) > 0
    else:
        raise AssertionError
    results = quiet(slow, range(10_000), deadline_sec=0.3, engine="mpi")
    assert {each.kind for each in results.failures} == {"stopped"} and 0 < len(results.failures) < 10_000
    stop = threading.Event()
    results = quiet(slow, range(10_000), stop=stop, reporter=lambda i, n: stop.set(), engine="mpi")
    assert 0 < len(results.failures) < 10_000
    try:
        pmap(slow, range(10_000), reporter=lambda i, n: os.kill(os.getpid(), signal.SIGINT), engine="mpi")
    except KeyboardInterrupt as error:
        assert 0 < len(error.results.failures) < 10_000
    else:
        raise AssertionError
    outcomes = list(parmap.stream(lambda x: 1 // x, range(50), engine="mpi", ordered=True))
    assert [each.index for each in outcomes] == list(range(50)) and [each.index for each in outcomes if not each] == [0]
    assert list(parmap.imap(abs, iter(range(100)), engine="mpi")) == list(range(100))
    for value in parmap.imap(slow, range(10_000), engine="mpi"):
        assert value == 0
        break
    inner = pmap(lambda i: pmap(abs, [i], engine="mpi"), [1], on_error=lambda func, task, error: str(error), engine="mpi")
    assert "a fork has no connection" in inner[0]
    left = parmap.stream(slow, range(10_000), engine="mpi")  # as the program ends
    next(left)
    kept.append(left)


if __name__ == "__main__":
    dict(values=values, faults=faults, ends=ends)[sys.argv[1]]()
    print("ok")
