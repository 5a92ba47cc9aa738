# SPDX-License-Identifier: MIT
"""timeout_sec: multi kills, threads raise in the task; nobody else is hit. Sleeps are the tasks' work here, which has to last."""

import os
import random
import signal
import subprocess
import time

import pytest

import parmap as package
from helpers import only_failure, quiet, run
from parmap import TaskTimeout, parmap

LIMIT = 0.2


def sleep():
    time.sleep(3600)


def spin():
    while True:
        pass


def spin_in_c():
    pow(3, 10**9)


def catch_all():
    while True:
        try:
            spin()
        except BaseException:
            raise RuntimeError("another") from None


def block_signals():
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    sleep()


def wait_for_a_child():
    subprocess.run(["sleep", "3600"], check=False)


@pytest.mark.parametrize("act", [sleep, spin, spin_in_c, block_signals, wait_for_a_child])
def test_multi_kills(act):
    results = quiet(lambda i: act() if i == 7 else i, range(20), timeout_sec=LIMIT)
    failure = only_failure(results, 7)
    assert type(failure.exception) is TaskTimeout and isinstance(failure.exception, TimeoutError)
    assert failure.kind == "timed_out" and f"timeout_sec={LIMIT:g}" in str(failure.exception)
    assert failure.traceback == "", "nobody knows where it was"


@pytest.mark.parametrize("act", [spin, catch_all])
def test_threads_raise_at_the_next_bytecode(act):
    results = quiet(lambda i: act() if i == 7 else i, range(20), timeout_sec=LIMIT, engine="threads")
    failure = only_failure(results, 7)
    assert type(failure.exception) is TaskTimeout and failure.kind == "timed_out"
    assert act is catch_all or "in spin" in failure.traceback


def test_the_exception_in_the_thread_is_a_timeout_error():
    seen = []

    def act(i):
        try:
            spin()
        except TimeoutError as error:
            seen.append(type(error))
            raise

    quiet(act, [0], timeout_sec=LIMIT, engine="threads")
    assert seen == [TaskTimeout]


def test_a_thread_blocked_in_c_is_waited_for_and_counts_as_late():
    reading, writing = os.pipe()
    begun = []

    def act(i):
        if i == 1:
            begun.append(time.monotonic())
            os.read(reading, 1)
        return i

    class Releases:
        """By the thread that sees to the limit, once that has been over at two of its looks."""

        n = late = 0

        def __init__(self, total):
            pass

        def update(self, n):
            self.n += n
            self.late += bool(begun) and time.monotonic() - begun[0] > LIMIT
            if self.late == 2:
                os.write(writing, b"x")

        def close(self):
            pass

    failure = only_failure(quiet(act, range(3), timeout_sec=LIMIT, engine="threads", reporter=Releases), 1)
    assert failure.kind == "timed_out"
    for each in (reading, writing):
        os.close(each)


def test_the_limit_counts_from_the_start_of_each_task(skipping):
    """All together they take longer."""
    results = parmap(lambda i: time.sleep(LIMIT / 2), range(12), n_worker=1, timeout_sec=LIMIT * 5, engine=skipping)
    assert results == [None] * 12 and results.failures == []


def test_serial_has_no_limit():
    assert parmap(lambda i: time.sleep(0.05) or i, [1], engine="serial", timeout_sec=0.001) == [1]


@pytest.mark.parametrize("retries", [0, 2])
def test_a_retry_has_the_time_anew(skipping, retries):
    def act(i):
        if package.context().attempt < 3:
            spin()
        return i

    results = quiet(act, [5], timeout_sec=LIMIT, retries=retries, engine=skipping)
    assert results == ([None] if retries < 2 else [5])
    assert [each.attempts for each in results.failures] == ([1] if retries < 2 else [])


def test_near_the_limit_the_right_task_is_hit(skipping):
    """Half of the tasks end about when their limit does; those between are quick and never blamed."""
    generator = random.Random(4)
    print("seed 4")
    length = [generator.uniform(0.8, 1.2) * 0.004 if i % 2 else 0 for i in range(600)]

    def act(i):
        until = time.perf_counter() + length[i]
        while time.perf_counter() < until:
            pass
        return i

    results = quiet(act, range(600), timeout_sec=0.004, n_worker=2, engine=skipping)
    for i, value in enumerate(results):
        assert value in (i, None)
    for each in results.failures:
        assert each.kind == "timed_out" and type(each.exception) is TaskTimeout
        assert results[each.index] is None
    print(len(results.failures), "of 600 late")
    assert len(results.failures) + sum(value is not None for value in results) == 600


def test_a_late_exception_hits_no_later_code():
    """Of the calling thread's, a following map's or the next task's."""
    for _ in range(30):
        results = quiet(lambda i: time.sleep(0.002), range(10), timeout_sec=0.002, engine="threads", n_worker=4)
        assert {each.kind for each in results.failures} <= {"timed_out"}
        assert parmap(lambda i: sum(range(1000)), range(50), engine="threads", n_worker=4) == [499_500] * 50


def test_nothing_is_left_to_be_raised():
    """Python 3.11 hangs at a traced call if there is, as for a debugger or for coverage."""
    program = """
        import sys, threading
        from parmap import parmap

        def spin(i):
            while True:
                pass

        def late(i):
            try:
                spin(i)
            except TimeoutError:
                blocked.set()
                threading.Event().wait()  # until Ctrl-C, and after

        class Presses:
            n = 0

            def __init__(self, total):
                pass

            def update(self, n):
                if blocked.is_set():
                    raise KeyboardInterrupt

            def close(self):
                pass

        def traced():
            sys.settrace(lambda *what: None)
            (lambda: None)()
            sys.settrace(None)

        parmap(spin, [0], engine="threads", timeout_sec=0.1, on_error=lambda *failed: None)
        traced()
        blocked = threading.Event()
        try:
            parmap(lambda i: i and late(i), range(2), engine="threads", timeout_sec=0.1, reporter=Presses)
        except KeyboardInterrupt:
            traced()
            print("traced")
    """
    assert run(program) == "traced\n"


def test_what_a_late_task_started_is_killed_too():
    reading, writing = os.pipe()

    def act(i):
        subprocess.Popen(["sh", "-c", "echo lives; exec sleep 3600"], stdout=writing)
        sleep()

    results = quiet(act, [0], timeout_sec=2)
    assert results.failures[0].kind == "timed_out"
    os.close(writing)
    assert os.read(reading, 6) == b"lives\n"
    assert os.read(reading, 1) == b"", "nobody holds it any more"
    os.close(reading)


def test_what_a_task_makes_of_its_timeout_is_the_cause():
    def act(i):
        try:
            spin()
        except TimeoutError:
            raise KeyError("late") from None

    failure = only_failure(quiet(act, [0], timeout_sec=LIMIT, engine="threads"), 0)
    assert failure.kind == "timed_out" and type(failure.exception) is TaskTimeout
    assert type(failure.exception.__cause__) is KeyError
