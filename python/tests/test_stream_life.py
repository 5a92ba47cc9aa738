# SPDX-License-Identifier: MIT
"""How streams end, wherever they are left, and what is gone then."""

import gc
import os
import signal
import sys
import threading
import time
import weakref

import pytest

from helpers import run
from helpers_of_streams import forever, is_alive, processes_below, processes_below_of_this_thread, square
from parmap import imap, imap_unordered, parmap, stream

pytestmark = pytest.mark.timeout(60)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def threads():
    return len(os.listdir("/proc/self/task"))


def await_threads(most):
    until = time.monotonic() + 20
    while threads() > most and time.monotonic() < until:  # a thread that has been told to end needs the GIL for that
        time.sleep(0.001)
    assert threads() <= most


@pytest.fixture(autouse=True)
def nothing_is_left():
    gc.collect()
    before = descriptors(), threads()
    yield
    gc.collect()
    await_threads(before[1])
    assert descriptors() <= before[0]


# ---- ends


def test_a_loop_that_is_left(engine):
    for outcome in stream(forever, range(10), engine=engine, n_worker=3):
        assert outcome.value == 0
        break


def test_close(engine):
    it = stream(forever, range(10), engine=engine, n_worker=3)
    assert next(it).value == 0
    it.close()
    it.close()
    assert it.is_over and it.summary().completed == 1
    with pytest.raises(StopIteration):
        next(it)


def test_with(engine):
    with pytest.raises(KeyError), stream(forever, range(10), engine=engine, n_worker=3) as it:
        next(it)
        raise KeyError
    assert it.is_over


def test_close_before_anything_is_read(engine):
    with stream(forever, range(10), engine=engine, n_worker=3) as it:
        pass
    assert it.is_over and it.summary().tasks == 0


def test_a_cycle_is_collected(engine):
    class Holder:
        def inputs(self):
            yield from range(10)

        def task(self, i):
            return i

    holder = Holder()
    holder.it = stream(holder.task, holder.inputs(), engine=engine, n_worker=3, window=2)
    next(holder.it)
    gone = weakref.ref(holder)
    del holder
    while gone() is not None:  # a thread may still be at its last task
        gc.collect()


def test_an_exception_in_the_loop(engine):
    with pytest.raises(ZeroDivisionError):
        for outcome in stream(forever, range(10), engine=engine, n_worker=3):
            1 // outcome.value


def test_tasks_of_threads_that_sleep_in_c_are_left_behind():
    begun, go = threading.Event(), threading.Event()

    def task(i):
        begun.set()
        go.wait()  # as C code does, it notices nothing

    it = stream(task, range(3), engine="threads", n_worker=1)
    begun.wait()
    it.close()
    assert it.is_over and threads() > 1
    go.set()


def test_from_another_thread(engine):
    it = stream(square, range(100), engine=engine, ordered=True)
    found = [next(it).value]
    reader = threading.Thread(target=lambda: found.extend(each.value for each in it))
    reader.start()
    reader.join()
    assert found == [i * i for i in range(100)]


def test_made_in_a_thread_that_has_ended(engine):
    made = []
    maker = threading.Thread(target=lambda: made.append(stream(square, range(1000), engine=engine, window=2, ordered=True)))
    maker.start()
    maker.join()
    assert [each.value for each in made.pop()] == [i * i for i in range(1000)]


def test_one_thread_at_a_time_and_closed_by_another_one(skipping):
    it = stream(forever, range(1, 10), engine=skipping, n_worker=2)
    ended = []

    def read():
        reading.set()
        ended.append(list(it))

    reading = threading.Event()
    reader = threading.Thread(target=read)
    reader.start()
    reading.wait()
    while True:  # until it has begun to wait
        try:
            it.next(0)
        except ValueError as error:
            assert "being read" in str(error)
            break
        except TimeoutError:
            pass
    it.close()
    reader.join()
    assert ended == [[]] and it.is_over


def test_the_module_threading_forgets_the_threads():
    before = threading.enumerate()
    for _ in range(5):
        assert len(list(stream(square, range(20), engine="threads"))) == 20
    assert threading.enumerate() == before


def test_many_at_once(engine):
    its = [imap(square, range(k, k + 20), engine=engine, n_worker=2) for k in range(5)]
    for values in zip(*its):
        assert [value for value in values] == [square(round(values[0] ** 0.5) + k) for k in range(5)]
    with pytest.raises(StopIteration):
        next(its[0])


def test_streams_in_tasks_and_in_inputs(engine):
    def task(n):
        return sum(imap_unordered(square, range(n), engine=engine, n_worker=2))

    assert list(imap(task, imap(square, range(5), engine=engine), engine=engine, n_worker=2)) == [task(i * i) for i in range(5)]


def test_a_map_in_the_loop(engine):
    for value in imap(square, range(10), engine=engine):
        assert parmap(square, [value], engine=engine) == [value * value]


# ---- signals


def test_ctrl_c_while_it_waits(skipping):
    def inputs():  # read by next()
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        yield from range(1, 10)

    it = stream(forever, inputs(), engine=skipping, n_worker=2)
    with pytest.raises(KeyboardInterrupt):
        next(it)
    assert it.is_over


def test_ctrl_c_in_the_loop(engine):
    with pytest.raises(KeyboardInterrupt):
        for _ in stream(square, range(10**6), engine=engine):
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_in_the_input(engine):
    def inputs():
        yield 1
        os.kill(os.getpid(), signal.SIGINT)
        yield 2

    with pytest.raises(KeyboardInterrupt):
        list(stream(square, inputs(), engine=engine))


def test_a_handler_that_raises(skipping):
    class Alarm(Exception):
        pass

    def ring(number, frame):
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    try:
        it = stream(forever, range(1, 10), engine=skipping, n_worker=2)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(Alarm):
            next(it)
        assert it.is_over
    finally:
        signal.signal(signal.SIGALRM, before)


# ---- the end of the program

PROGRAM = """
    import os, parmap, sys, time

    def task(i):
        if i > 0:
            print(os.getpid(), file=sys.stderr, flush=True)
            while True:
                time.sleep(0.01)
        return i

    it = parmap.stream(task, range(3), engine="{engine}", n_worker=3)
    next(it)
    print("read")
    {then}
"""


@pytest.mark.parametrize("then", ["pass", "sys.exit(0)", "del it", "it2 = it; sys.modules['keeps'] = it", "raise SystemExit"])
def test_the_program_ends(engine, then):
    import subprocess

    assert run(PROGRAM.format(engine=engine, then=then), stderr=subprocess.DEVNULL) == "read\n"


@pytest.mark.parametrize("how", ["os._exit(0)", "os.kill(os.getpid(), 9)", "os.execv('/bin/true', ['true'])"])
def test_the_caller_is_gone(how):
    import subprocess
    import textwrap

    program = PROGRAM.format(engine="multi", then="sys.stdin.readline(); " + how)
    caller = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )  # fmt: skip
    with caller:
        while len(below := processes_below(caller.pid)) < 3:
            assert caller.poll() is None
        caller.stdin.write("\n")
        caller.stdin.close()
        caller.wait()
    while any(map(is_alive, below)):
        pass  # until they have noticed; the limit of the test ends this


def test_the_watching_process_is_killed():
    it = stream(forever, range(1, 10), n_worker=2)
    (boss,) = processes_below_of_this_thread()
    while len(below := processes_below(boss)) < 2:
        pass
    os.kill(boss, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="was killed"):
        next(it)
    while any(map(is_alive, below)):
        pass
