# SPDX-License-Identifier: MIT
"""Results that are read while workers run, and dicts that are read as copies of others: nothing of it is to be seen."""

import gc
import os
import random
import signal
import sys
import threading
import time

import pytest

from helpers import only_failure, quiet, run
from parmap import WorkerDied, parmap


def name_of(i):
    return f"task {i} " + "." * (i % 50)


def busy(seconds):
    """Work for a while, that no scheduler can hide."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def test_many_results_of_a_map_that_lasts():
    def task(i):
        if i % 100 == 0:
            busy(0.0005)
        return name_of(i)

    assert parmap(task, range(50_000), n_worker=2) == [name_of(i) for i in range(50_000)]


@pytest.mark.parametrize("place", [0, 9_999, 10_000, 19_999])
def test_a_death_in_the_midst_costs_its_task_alone(place):
    def task(i):
        if i == place:
            busy(0.05)
            os.kill(os.getpid(), signal.SIGKILL)
        return name_of(i)

    results = quiet(task, range(20_000), n_worker=2)
    assert isinstance(only_failure(results, place).exception, WorkerDied)
    assert all(value == name_of(i) for i, value in enumerate(results) if i != place)


def test_failures_among_results():
    def task(i):
        if i % 7 == 3:
            raise ValueError(i)
        if i % 50 == 0:
            busy(0.0005)
        return name_of(i)

    results = quiet(task, range(20_000), n_worker=2)
    assert [each.index for each in results.failures] == list(range(3, 20_000, 7))
    assert all(value == (None if i % 7 == 3 else name_of(i)) for i, value in enumerate(results))


def test_pickles_among_plain_values():
    def task(i):
        if i % 50 == 0:
            busy(0.0005)
        return {i} if i % 1000 == 999 else (i, name_of(i))

    found = parmap(task, range(20_000), n_worker=2)
    assert all(value == ({i} if i % 1000 == 999 else (i, name_of(i))) for i, value in enumerate(found))


def test_the_collector_rests_only_while_results_are_made():
    seen = []

    def task(i):
        if i % 20 == 0:
            busy(0.0005)
        return [i, name_of(i)]

    def reporter(i, n):
        seen.append(gc.isenabled())

    assert gc.isenabled()
    found = parmap(task, range(20_000), n_worker=2, reporter=reporter)
    assert len(found) == 20_000 and gc.isenabled()
    assert len(seen) > 1 and all(seen), seen


def test_other_threads_run_meanwhile():
    seen = []
    over = threading.Event()

    def other():
        while not over.wait(0.001):
            seen.append(gc.isenabled())

    def task(i):
        if i % 20 == 0:
            busy(0.0005)
        return name_of(i)

    thread = threading.Thread(target=other)
    thread.start()
    try:
        parmap(task, range(20_000), n_worker=2)
    finally:
        over.set()
        thread.join()
    assert len(seen) > 5 and all(seen)


def test_a_worker_that_is_born_late_has_a_collector():
    def task(i):
        if i == 10_000:
            busy(0.05)
            os._exit(1)
        return gc.isenabled()

    results = quiet(task, range(20_000), n_worker=2)
    assert only_failure(results, 10_000).kind == "exited"
    assert set(results) == {True, None}


KEYS = ["a", "b", "key", "é", "", 1, None, (1, 2), "k" * 100]


def anything(random, depth):
    kind = random.randrange(12 if depth < 4 else 7)
    if kind == 0:
        return random.choice([None, True, False])
    if kind == 1:
        return random.choice([0, 127, -128, 128, -129, 2**31 - 1, -(2**31), 2**31, -(2**31) - 1, 2**63 - 1, -(2**63), 2**63])
    if kind == 2:
        return random.random()
    if kind == 3:
        return "é€" * random.randrange(4)
    if kind in (4, 5):
        return random.choice(["a", b"x"]) * random.choice([0, 1, 254, 255, 256, 300])
    if kind == 6:
        return (anything(random, depth + 1) for _ in range(2)).__next__() if depth < 4 else 0
    many = random.choice([0, 1, 3, 254, 255, 256]) if depth == 0 else random.randrange(4)
    if kind == 7:
        return [anything(random, depth + 1) for _ in range(many)]
    if kind == 8:
        return tuple(anything(random, depth + 1) for _ in range(random.randrange(4)))
    return {
        random.choice(KEYS) if random.random() < 0.4 else f"k{k}": anything(random, depth + 1)
        for k in range(random.randrange(6))
    }


def some_record(i):
    """Mostly the same keys, sometimes others, in another order, or fewer; some dicts in dicts."""
    seeded = random.Random(i)
    if seeded.random() < 0.2:
        return anything(seeded, 0)
    names = [f"k{k}" for k in range(seeded.choice([3, 3, 3, 3, 5]))]
    if seeded.random() < 0.1:
        seeded.shuffle(names)
    if seeded.random() < 0.1:
        names[seeded.randrange(3)] = seeded.choice(KEYS)
    return {name: anything(seeded, 1) for name in names}


def shown(value):
    """With types, and dicts in their order; as equal values may be of different types."""
    return repr(value)


def test_dicts_of_the_same_and_of_other_keys():
    found = parmap(some_record, range(10_000), n_worker=2)
    for i, value in enumerate(found):
        expected = some_record(i)
        assert shown(value) == shown(expected), i


def test_dicts_that_are_read_alike_are_not_the_same_one():
    found = parmap(lambda i: {"a": i, "b": []}, range(1000), n_worker=2)
    found[0]["c"] = 1
    found[0]["b"].append(1)
    assert found[1:] == [{"a": i, "b": []} for i in range(1, 1000)]
    assert len({id(each) for each in found}) == len({id(each["b"]) for each in found}) == 1000
    assert sys.getsizeof(found[1]) == sys.getsizeof({"a": 1, "b": []})


def family(i):
    """A dict in a dict of one more key, in one of one more, and so on; the innermost ones differ from task to task."""
    inside = {f"{i % 3}": i}
    for size in range(2, 12):
        inside = {f"{size} holds": inside, **{f"{size} has {k}": i for k in range(size - 1)}}
    return inside


def test_dicts_inside_dicts_of_one_key_more():
    found = parmap(family, range(1000), n_worker=2)
    for i, value in enumerate(found):
        assert shown(value) == shown(family(i)), i


def test_what_an_import_brings_along():
    """tqdm takes longer to import than all the rest, hashlib brings OpenSSL: 5 MB in each caller."""
    loaded = run("""
        import sys
        from parmap import parmap
        parmap(abs, range(3), n_worker=1)
        print([name for name in ("tqdm", "hashlib", "secrets", "asyncio", "numpy") if name in sys.modules])
    """)
    assert loaded == "[]\n"
