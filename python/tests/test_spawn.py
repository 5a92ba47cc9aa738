# SPDX-License-Identifier: MIT
"""start="spawn": workers that are fresh interpreters keep every promise that forked ones keep."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import parmap as package
from helpers import at_7, only_failure, quiet, raising, run
from parmap import TaskTimeout, UnpicklableResult, WorkerDied, parmap


@pytest.fixture(scope="module", autouse=True)
def functions_by_value():
    """Test modules are not to be imported in workers: cloudpickle takes their functions along."""
    import cloudpickle

    import helpers

    modules = (sys.modules[__name__], helpers)
    for each in modules:
        cloudpickle.register_pickle_by_value(each)
    yield
    for each in modules:
        cloudpickle.unregister_pickle_by_value(each)


def spawned(func, *axes, **options):
    return parmap(func, *axes, start="spawn", **({"n_worker": 2} | options))


class Point:
    def __init__(self, x):
        self.x = x


def test_values_of_every_kind():
    values = [None, True, 3, 2**80, 1.5, "text" * 10, b"bytes", [1, {2: (3,)}], np.float32(2.5), np.int8(-3), np.arange(5)]
    found = spawned(lambda i: values[i], range(len(values)))
    assert [repr(each) for each in found] == [repr(each) for each in values]
    assert [type(each) for each in found] == [type(each) for each in values]


def test_large_arrays():
    found = spawned(lambda i: np.full(100_000, i), range(6))
    assert all((array == i).all() and array.flags.writeable for i, array in enumerate(found))


def test_objects_of_the_callers_classes_are_of_that_class():
    found = spawned(Point, range(3))
    assert [(type(each) is Point, each.x) for each in found] == [(True, 0), (True, 1), (True, 2)]


def test_closures_axes_and_fixed_arguments():
    base = 100

    def add(a, b, c, *, d):
        return base + a + 10 * b + c + d

    found = spawned(add, [1, 2], package.zip((n for n in (3, 4)), np.array([5, 6])), fargs={"d": 1000})
    assert found == [1136, 1147, 1137, 1148]


def test_workers_are_other_programs():
    here = os.getpid()
    found = spawned(lambda i: (os.getpid(), os.getppid(), threading.active_count(), sys.argv), range(8))
    assert {parent for _, parent, _, _ in found} == {here} and here not in {pid for pid, *_ in found}
    assert {count for _, _, count, _ in found} == {1}
    assert found[0][3] == sys.argv


def test_what_a_worker_has_of_the_caller(tmp_path, monkeypatch):
    (tmp_path / "found_by_path.py").write_text("answer = 42\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PARMAP_TEST", "seen")
    monkeypatch.chdir(tmp_path)
    import found_by_path

    found = spawned(lambda i: (found_by_path.answer, os.environ["PARMAP_TEST"], os.getcwd()), range(2))
    assert found == [(42, "seen", str(tmp_path))] * 2
    assert spawned(lambda i: sorted(os.sched_getaffinity(0)), range(4)) == [sorted(os.sched_getaffinity(0))] * 4


def test_only_what_is_needed_is_open():
    """Of ours the memory of the map, which a task may close, and the file of large buffers; nothing of the caller's."""
    with open("/dev/null") as mine:
        os.set_inheritable(mine.fileno(), False)
        found = spawned(lambda i: [os.readlink(f"/proc/self/fd/{n}") for n in range(3, 30) if os.path.lexists(f"/proc/self/fd/{n}")], [0])
    assert {each.split(" ")[0] for each in found[0]} <= {"/memfd:parmap"}
    inherited = spawned(lambda i: subprocess.run(["ls", "/proc/self/fd"], stdout=-1).stdout.split(), [0])
    assert inherited[0] == [b"0", b"1", b"2", b"3"]


# ---- failures


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (raising(ValueError("no")), "threw"),
        (raising(SystemExit(3)), "threw"),
        (lambda: os._exit(3), "exited"),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "crashed"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "crashed"),
        (lambda: threading.Lock(), "unencodable"),
    ],
    ids=["raises", "sys.exit", "_exit", "SIGSEGV", "SIGKILL", "lock"],
)
def test_a_failure_costs_one_task(act, kind):
    failure = at_7(act, start="spawn", n_worker=2)
    assert failure.kind == kind and failure.attempts == 1
    if kind in ("exited", "crashed"):
        assert type(failure.exception) is WorkerDied
    if kind == "unencodable":
        assert type(failure.exception) is UnpicklableResult


def test_a_task_that_hangs_is_killed():
    failure = at_7(lambda: time.sleep(1000), start="spawn", n_worker=2, timeout_sec=0.5)
    assert failure.kind == "timed_out" and type(failure.exception) is TaskTimeout


def test_retries_in_fresh_workers(tmp_path):
    def task(i):
        with open(tmp_path / str(i), "a") as tries:
            tries.write(".")
        if i == 1 and os.path.getsize(tmp_path / "1") < 3:
            os._exit(1)
        return package.context().attempt

    assert spawned(task, range(3), retries=2) == [1, 3, 1]


def test_memory_limit():
    failure = at_7(lambda: bytearray(1 << 30), start="spawn", n_worker=2, memory_limit=200 << 20)
    assert failure.kind == "out_of_memory" and isinstance(failure.exception, MemoryError)


def test_on_error_raise_ends_the_workers():
    with pytest.raises(ZeroDivisionError) as caught:
        spawned(lambda i: 1 // 0 if i == 0 else time.sleep(1000), range(4), on_error="raise")
    assert len(caught.value.results) == 4


def test_init_runs_in_each_worker():
    def init():
        import builtins

        builtins.set_up = os.getpid()

    assert all(spawned(lambda i: set_up == os.getpid(), range(4), init=init))  # noqa: F821
    found = quiet(lambda i: i, range(3), start="spawn", n_worker=2, init=raising(OSError("no database")))
    assert [str(each.exception) for each in found.failures] == ["no database"] * 3


def test_random_numbers_are_those_of_a_fork():
    draws = [parmap(lambda i: package.rng().random(), range(5), seed=3, start=start, n_worker=2) for start in ("fork", "spawn")]
    assert draws[0] == draws[1]
    assert len(set(spawned(lambda i: np.random.rand(), range(8)))) == 8


def test_nested_maps():
    assert spawned(lambda i: sum(parmap(lambda j: i * j, range(4))), range(3)) == [0, 6, 12]
    assert spawned(lambda i: sum(parmap(lambda j: i * j, range(4), start="spawn")), range(2)) == [0, 6]


def test_reporter_and_seed():
    seen = []
    found = spawned(abs, range(10), reporter=lambda i, n: seen.append((i, n)), seed=5)
    assert found == list(range(10)) and found.seed == 5 and seen[-1] == (9, 10)


# ---- what cannot be


class Stubborn:
    def __reduce__(self):
        raise TypeError("a Stubborn does not travel")


def test_what_cannot_be_pickled_is_refused_before_anything_starts():
    with pytest.raises(TypeError, match="does not travel") as caught:
        spawned(abs, [Stubborn()])
    assert "start='spawn'" in caught.value.__notes__[0]


class OnlyThere:
    """Can be pickled, and not unpickled."""

    def __reduce__(self):
        return int, ("nonsense",)


def test_what_cannot_be_unpickled_is_every_tasks_failure():
    found = quiet(lambda i, it: i, range(3), [OnlyThere()], start="spawn", n_worker=2)
    assert [each.kind for each in found.failures] == ["threw"] * 3
    assert "nonsense" in str(found.failures[0].exception)


def test_without_cloudpickle(monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(ImportError, match="start='spawn' needs cloudpickle: pip install cloudpickle"):
        spawned(abs, [1])


def test_other_names_and_engines_are_refused():
    async def one(i):
        return i

    with pytest.raises(ValueError, match="there is no start 'forkserver'; the names are fork, spawn"):
        parmap(abs, [1], start="forkserver")
    with pytest.raises(ValueError, match="start='spawn' is for the engine multi"):
        parmap(abs, [1], engine="threads", start="spawn")
    with pytest.raises(ValueError, match="start='spawn' is for the engine multi"):
        parmap(one, [1], engine="async", start="spawn")


def test_serial_takes_any_start():
    """It starts nothing, so nothing need be pickled."""
    assert parmap(lambda i: i + os.getpid(), [1], engine="serial", start="spawn") == [1 + os.getpid()]


def test_a_program_that_cannot_begin_ends_the_map(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="in a row died before they began a task"):
        spawned(abs, [1, 2])
    monkeypatch.setattr(sys, "executable", "/no/such/program")
    with pytest.raises(RuntimeError, match="exited with status 127"):
        spawned(abs, [1, 2])


def test_no_file_or_process_is_left():
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(3):
        quiet(lambda i: os._exit(1) if i == 2 else np.zeros(100_000), range(4), start="spawn", n_worker=2)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_the_callers_death_ends_the_workers(tmp_path):
    program = f"""
        import os, sys, time
        import parmap
        child = os.fork()
        if child == 0:
            parmap.parmap(lambda i: open({str(tmp_path)!r} + f"/{{i}}", "w").write(str(os.getpid())) and time.sleep(1000),
                          range(2), start="spawn", n_worker=2)
            os._exit(0)
        while len([each for each in os.scandir({str(tmp_path)!r}) if each.stat().st_size]) < 2:
            time.sleep(0.01)
        workers = [int(open(each.path).read()) for each in os.scandir({str(tmp_path)!r})]
        watched = [os.pidfd_open(each) for each in workers]
        os.kill(child, 9)
        os.waitpid(child, 0)
        import select
        print(all(select.select([each], [], [], 30)[0] for each in watched))
    """
    assert run(program) == "True\n"
