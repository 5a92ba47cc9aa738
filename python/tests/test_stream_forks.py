# SPDX-License-Identifier: MIT
"""Streams and forks: what the process that watches the workers does and may not do, what workers inherit, forked copies."""

import gc
import os
import signal
import time

import pytest

import parmap as package
from helpers import run
from helpers_of_streams import square
from parmap import imap, parmap, stream

pytestmark = pytest.mark.timeout(60)


def test_a_forked_process_has_no_stream(skipping):
    it = stream(square, range(1000), engine=skipping, window=2, ordered=True)
    next(it)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            next(it)
        except RuntimeError as error:
            status = 0 if "forked" in str(error) else 2
        it.close()
        del it
        gc.collect()
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [each.value for each in it] == [i * i for i in range(1, 1000)]


def test_a_worker_of_a_map_inherits_a_stream():
    it = stream(square, range(1000), window=2, ordered=True)
    next(it)

    def task(i):
        try:
            next(it)
        except RuntimeError as error:
            return "forked" in str(error)

    assert parmap(task, range(2)) == [True, True]
    assert len(list(it)) == 999


def test_handlers_of_forks_run_once_in_each_process():
    out = run(
        """
        import os, parmap

        def note(word):
            with open("/proc/self/stat") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
            os.write(log, f"{word} {os.getpid()} {parent}\\n".encode())

        log = os.open("/tmp", os.O_TMPFILE | os.O_RDWR | os.O_APPEND)
        os.register_at_fork(before=lambda: note("before"), after_in_parent=lambda: note("parent"), after_in_child=lambda: note("child"))
        assert list(parmap.imap(abs, range(10), n_worker=2)) == list(range(10))
        os.lseek(log, 0, 0)
        lines = [line.split() for line in os.read(log, 10_000).decode().splitlines()]
        me = str(os.getpid())
        mine = [word for word, pid, _ in lines if pid == me]
        assert mine == ["before", "parent"], lines
        (boss,) = {pid for word, pid, parent in lines if word == "child" and parent == me}
        assert [word for word, pid, _ in lines if pid == boss] == ["child"] + ["before", "parent"] * 2, lines
        assert 1 <= len([1 for word, _, parent in lines if word == "child" and parent == boss]) <= 2, lines  # one may not be needed
        print("right")
        """
    )
    assert out == "right\n"


def test_what_the_watching_process_does_not_do():
    """It finalizes no garbage of the caller, prints nothing twice, and ends no registry of it."""
    out = run(
        """
        import atexit, gc, os, parmap, sys, threading

        class Loud:
            def __del__(self):
                os.write(1, f"finalized {os.getpid() == me}\\n".encode())

        me = os.getpid()
        gc.disable()
        a = Loud(); a.it = a
        del a
        gc.enable()
        gc.set_threshold(1)
        atexit.register(lambda: os.write(1, b"exit\\n"))
        sys.stdout.write("buffered ")
        asked = parmap.stream(lambda i: 1 // 0, iter([1]), retries=1, retry_if=lambda why: print("asked", why.index) or False)
        gc.set_threshold(700)
        (outcome,) = asked
        print(outcome.failure.kind, flush=True)
        gc.collect()
        """
    )
    assert out in ("buffered asked 0\nthrew\nfinalized True\nexit\n", "buffered finalized True\nasked 0\nthrew\nexit\n", "finalized True\nbuffered asked 0\nthrew\nexit\n")


def test_signals_and_numbers_of_workers():
    """Workers have the caller's mask, and global random numbers of their own, also beside those of another stream."""
    import numpy

    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:

        def task(i):
            return signal.pthread_sigmask(signal.SIG_BLOCK, []), numpy.random.random(), os.getpid()

        others = stream(task, range(20), n_worker=2, window=2)
        found = [each.value for each in stream(task, range(50), n_worker=2)] + [each.value for each in others]
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
    assert {frozenset(mask) for mask, _, _ in found} == {frozenset([signal.SIGUSR1])}
    assert len({number for _, number, _ in found}) == len(found)


def test_beside_threads_that_print():
    out = run(
        """
        import parmap, sys, threading

        ends = threading.Event()

        def talk():
            while not ends.is_set():
                sys.stderr.write("")
                sys.stdout.write("")

        talkers = [threading.Thread(target=talk) for _ in range(3)]
        for each in talkers:
            each.start()
        for _ in range(10):
            assert sorted(parmap.imap_unordered(lambda i: print(end="") or i, range(50), n_worker=2)) == list(range(50))
        ends.set()
        print("right")
        """
    )
    assert out == "right\n"


def test_an_end_that_lasts_too_long_is_told(recwarn):
    import warnings

    warnings.simplefilter("always")
    it = imap(square, range(2), n_worker=1, init=lambda: None, finish=lambda: time.sleep(3600), timeout_sec=1)
    assert list(it) == [0, 1]
    assert "a worker was killed, because ending" in str(recwarn[0].message)


@pytest.mark.parametrize("call", [stream, imap])
def test_a_library_that_does_not_survive_a_fork_is_named(call, monkeypatch):
    hazard = package._fork_hazards.Hazard("a library", "its threads do not survive a fork")
    monkeypatch.setattr(package._fork_hazards, "find", lambda: [hazard])
    with pytest.warns(RuntimeWarning, match="has used a library") as warned:
        assert len(list(call(square, range(3)))) == 3
    assert warned[0].filename == __file__
