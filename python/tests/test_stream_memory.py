# SPDX-License-Identifier: MIT
"""A stream takes the memory of its window: large arrays, endless inputs, many failures."""

import pytest

from helpers import run

pytestmark = pytest.mark.timeout(110)

# Memory of this process and of all that it has started, in MiB.
MEASURE = """
import gc, itertools, os, parmap

def below(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            found = [int(each) for each in file.read().split()]
    except OSError:
        return [pid]
    return [pid, *(each for child in found for each in below(child))]

def held():
    total = 0
    for pid in below(os.getpid()):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except OSError:
            pass  # it has just ended
    return total / 1024

def files():
    # of shared memory that nobody maps
    with open("/proc/self/maps") as maps:
        pass
    return sum(os.stat(f"/proc/self/fd/{fd}").st_blocks * 512 for fd in os.listdir("/proc/self/fd")
               if os.path.exists(f"/proc/self/fd/{fd}") and "memfd" in os.readlink(f"/proc/self/fd/{fd}")) / 2**20
"""


@pytest.mark.parametrize("call", ["parmap.imap_unordered", "parmap.imap"])
def test_arrays(call):
    pytest.importorskip("numpy")
    program = MEASURE + f"""
import numpy

def array(i):
    return numpy.full(131072, float(i))

before, most = held(), 0
for k, made in enumerate({call}(array, range(1500), n_worker=2)):
    assert made[0] == made[-1]
    if k % 25 == 0:
        most = max(most, held() + files() - before)
    del made
print(round(most))
"""
    assert int(run(program, timeout=100)) < 64 + 16


def test_arrays_that_are_kept_stay_as_they_are():
    pytest.importorskip("numpy")
    out = run(
        MEASURE + """
import numpy

def array(i):
    return numpy.full(20_000, float(i))

kept = []
for made in parmap.imap(array, range(300), n_worker=2):
    if made[0] % 10 == 0:
        kept.append(made)
    if made[0] % 50 == 0:
        assert list(parmap.parmap(lambda each: float(each[-1]), kept)) == [float(each[0]) for each in kept]
        with parmap.stream(lambda each: float(each[-1]), kept) as inner:
            assert {outcome.index: outcome.value for outcome in inner} == {k: 10.0 * k for k in range(len(kept))}
del made
gc.collect()
assert all((each == each[0]).all() and each[0] == 10 * k for k, each in enumerate(kept))
kept[3][:] = 7
assert (kept[3] == 7).all() and (kept[4] == 40).all()
print("right")
"""
    )
    assert out == "right\n"


def test_arrays_of_a_process_that_was_forked():
    pytest.importorskip("numpy")
    out = run(
        """
        import numpy, os, parmap

        it = parmap.imap(lambda i: numpy.full(20_000, float(i)), range(20), n_worker=2)
        kept = [next(it) for _ in range(10)]
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(read, 1)  # the parent has dropped its own
            os._exit(0 if all((each == k).all() for k, each in enumerate(kept)) else 1)
        kept.clear()
        rest = [each[0] for each in it]
        os.write(write, b"x")
        assert os.waitpid(child, 0)[1] == 0 and rest == list(range(10, 20))
        print("right")
        """
    )
    assert out == "right\n"


@pytest.mark.parametrize("engine", ["serial", "threads", "multi"])
def test_an_endless_input(engine):
    program = MEASURE + f"""
def inputs():
    for i in itertools.count():
        yield bytes(1000)

def task(each):
    return each * 2

def take(n):
    for _ in itertools.islice(it, n):
        pass

it = parmap.imap_unordered(task, inputs(), engine="{engine}", n_worker=2)
take(5000)
before = held()
take(20000)
print(round(held() - before))
it.close()
"""
    assert int(run(program, timeout=100)) < 16


@pytest.mark.parametrize("engine", ["threads", "multi"])
def test_failures_without_end(engine):
    program = MEASURE + f"""
def task(i):
    raise ValueError("word" + "abcdefghijklmnopqrstuvwxyz"[i % 26] + str(i))

it = parmap.stream(task, itertools.count(), engine="{engine}", n_worker=2)

def take(n):
    for _ in itertools.islice(it, n):
        pass

take(1000)
before = held()
take(6000)
print(round(held() - before), len(it.summary().causes))
it.close()
"""
    grown, causes = run(program, timeout=100).split()
    assert int(grown) < 16 and int(causes) == 257


@pytest.mark.parametrize("engine", ["serial", "threads", "multi"])
def test_hundreds_of_streams_leave_nothing(engine):
    program = MEASURE + f"""
def count():
    gc.collect()
    with open("/proc/self/maps") as maps:
        shared = sum(" /dev/zero" in line or "rw-s" in line for line in maps)
    return dict(fds=len(os.listdir("/proc/self/fd")), threads=len(os.listdir("/proc/self/task")), shared=shared), len(gc.get_objects()), held()

def some(n):
    for k in range(n):
        it = parmap.stream(str, iter(range(60)) if k % 2 else range(60), engine="{engine}", n_worker=2, timeout_sec=60)
        for outcome in it:
            if k % 3 == 0:
                break
        del outcome, it

some(30)
before = count()
some(150)
after = count()
for _ in range(1000):  # the last thread is ending
    if after[0] != before[0]:
        after = count()
assert after[0] == before[0], (before, after)
assert after[1] < before[1] + 200 and after[2] < before[2] + 8, (before, after)
print("none")
"""
    assert run(program, timeout=100) == "none\n"
