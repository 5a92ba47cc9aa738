# SPDX-License-Identifier: MIT
"""Tasks that end their worker, run out of memory, or have a result that does not come out."""

import os
import signal
import threading

import pytest

from helpers import at_7, shown
from parmap import UnpicklableResult, WorkerDied


class OwnError(Exception):
    pass


def segfault():
    import ctypes

    ctypes.string_at(0)


def overflow_the_stack():
    """In C, as Python guards its own recursion better with each version: regcomp calls itself for each bracket."""
    import ctypes

    ctypes.CDLL(None).regcomp(ctypes.create_string_buffer(1024), b"(" * 10**6, 1)


def kill(number):
    return lambda: os.kill(os.getpid(), number)


def abort():
    os.close(2)
    os.abort()


@pytest.mark.parametrize(
    ("act", "number"),
    [
        (segfault, signal.SIGSEGV),
        (overflow_the_stack, signal.SIGSEGV),
        (abort, signal.SIGABRT),
        (kill(signal.SIGKILL), signal.SIGKILL),
        (kill(signal.SIGTERM), signal.SIGTERM),
        (kill(signal.SIGUSR1), signal.SIGUSR1),
        (kill(signal.SIGRTMIN), signal.SIGRTMIN),
        (kill(signal.SIGRTMIN + 3), signal.SIGRTMIN + 3),  # which has no name
    ],
    ids=shown,
)
def test_a_signal_ends_the_worker(act, number):
    failure = at_7(act)
    assert type(failure.exception) is WorkerDied and failure.kind == "crashed"
    assert failure.exception.signal == number and failure.exception.status is None
    assert failure.traceback == "" and str(failure.exception)


@pytest.mark.parametrize("status", [0, 1, 77, 255])
def test_an_exit_ends_the_worker(status):
    failure = at_7(lambda: os._exit(status))
    assert type(failure.exception) is WorkerDied and failure.kind == "exited"
    assert (failure.exception.signal, failure.exception.status) == (None, status)
    assert f"status {status}" in str(failure.exception)


def test_infinite_recursion_is_an_exception(skipping):
    def deeper():
        return deeper()

    assert type(at_7(deeper, engine=skipping).exception) is RecursionError


def test_stop_and_go_on():
    """A task may stop itself; somebody lets it go on."""

    def act():
        if (child := os.fork()) == 0:
            parent = os.getppid()
            while open(f"/proc/{parent}/stat").read().rsplit(")", 1)[1].split()[0] != "T":  # noqa: SIM115
                pass
            os.kill(parent, signal.SIGCONT)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGSTOP)
        os.waitpid(child, 0)
        raise OwnError("went on")

    assert type(at_7(act).exception) is OwnError


# ---- memory


def test_memory_error_of_a_task(skipping):
    failure = at_7(lambda: bytearray(1 << 62), engine=skipping)
    assert type(failure.exception) is MemoryError and failure.kind == "out_of_memory"


def test_memory_limit():
    failure = at_7(lambda: len(bytearray(1 << 30)), memory_limit=256 << 20)
    assert type(failure.exception) is MemoryError and failure.kind == "out_of_memory"
    assert "memory_limit=268435456" in failure.exception.__notes__[0], "says what refused it"
    assert failure.exception.args == ()
    assert "in <lambda>" in failure.traceback


def test_memory_limit_reached_slowly():
    def act():
        held = []
        while True:
            held.append(bytearray(1 << 20))

    failure = at_7(act, memory_limit=128 << 20)
    assert type(failure.exception) is MemoryError and "memory_limit" in failure.exception.__notes__[0]


def test_memory_limit_reached_by_small_objects():
    def act():
        held = []
        while True:
            held.append([held])

    failure = at_7(act, memory_limit=64 << 20)
    assert isinstance(failure.exception, (MemoryError, WorkerDied))


# ---- results that do not come out


class Unpicklable:
    def __reduce__(self):
        raise OwnError("not me")


class Unreadable:
    def __reduce__(self):
        return raise_own_error, ()


def raise_own_error():
    raise OwnError("cannot be read")


@pytest.mark.parametrize("what", [Unpicklable, Unreadable, threading.Lock, lambda: (i for i in [])], ids=shown)
def test_a_result_that_cannot_come_out(what):
    failure = at_7(what)
    assert type(failure.exception) is UnpicklableResult and failure.kind == "unencodable"
    if what in (Unpicklable, Unreadable):
        assert "OwnError" in str(failure.exception)


def test_a_result_whose_pickling_runs_out_of_memory():
    class Large:
        def __reduce__(self):
            raise MemoryError("mine")

    failure = at_7(Large)
    assert failure.kind == "out_of_memory" and type(failure.exception) is MemoryError
    assert failure.exception.args == ("mine",)


def test_a_result_whose_pickling_ends_the_worker():
    class Exits:
        def __reduce__(self):
            os._exit(4)

    assert at_7(Exits).exception.status == 4
