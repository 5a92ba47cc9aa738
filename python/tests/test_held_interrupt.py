# SPDX-License-Identifier: MIT
"""Ctrl-C once the tasks have ended, and while a thread forks: nothing is lost, and the exception has the results."""

import ctypes
import dis
import os
import signal
import sys
import threading
import warnings

import pytest

from helpers import quiet, run
from parmap import RemoteError, TaskNotRun, parmap

PACKAGE = os.path.dirname(sys.modules["parmap"].__file__)


@pytest.fixture(autouse=True)
def pythons_own_handler():
    """Which there is not where the tests run as a shell's background job; and it is there again after each map."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    after = signal.signal(signal.SIGINT, before)
    assert after is signal.default_int_handler


def press():
    signal.raise_signal(signal.SIGINT)


def unpickles_by(act, i):
    """A result that acts in the caller, as it is unpickled."""

    class Result:
        def __reduce__(self):
            return act, (i,)

    return Result()


def interrupted(act):
    with pytest.raises(KeyboardInterrupt) as caught:
        act()
    assert caught.value.__context__ is None, "it is heard once"
    return caught.value.results


def test_while_results_are_unpickled():
    def read(i):
        press()
        return i

    results = interrupted(lambda: parmap(lambda i: unpickles_by(read, i) if i == 7 else [i], range(20), n_worker=2))
    assert results == [i if i == 7 else [i] for i in range(20)] and results.failures == []


def test_again_while_a_result_hangs_in_its_unpickling():
    """The results that were read by then are there, and those that need no unpickling."""

    def read(i):
        if i == 7:
            press()
            press()
            threading.Event().wait()
        return i

    def task(i):
        return unpickles_by(read, i) if i < 10 else i

    results = interrupted(lambda: parmap(task, range(20), n_worker=2))
    assert results == [None if i in (7, 8, 9) else i for i in range(20)]
    assert [(each.index, each.kind, type(each.exception)) for each in results.failures] == [
        (i, "stopped", TaskNotRun) for i in (7, 8, 9)
    ]
    assert "twice" in str(results.failures[0])


def test_a_result_that_raises_keyboard_interrupt_by_itself_costs_itself():
    def read(i):
        raise KeyboardInterrupt(i)

    results = quiet(lambda i: unpickles_by(read, i) if i == 7 else i, range(20), n_worker=2)
    assert results == [None if i == 7 else i for i in range(20)]
    assert [(each.index, each.kind) for each in results.failures] == [(7, "unencodable")]


class Presses(Exception):
    """In the caller only; its worker has unpickled it before."""

    times = 1

    def __setstate__(self, state):
        if os.getpid() == CALLER:
            for _ in range(self.times):
                press()


class PressesTwice(Presses):
    times = 2


CALLER = os.getpid()


@pytest.mark.parametrize(
    ("kind", "expected"), [(Presses, [Presses, KeyError]), (PressesTwice, [RemoteError, RemoteError])]
)
def test_while_exceptions_are_unpickled(kind, expected):
    """If it comes again, no more is unpickled."""

    def task(i):
        if i == 3:
            error = kind(i)
            error.state = 1
            raise error
        if i == 7:
            raise KeyError
        return i

    results = interrupted(lambda: parmap(task, range(20), n_worker=2))
    assert results == [None if i in (3, 7) else i for i in range(20)]
    assert [(each.index, each.kind, type(each.exception)) for each in results.failures] == [
        (i, "threw", each) for i, each in zip((3, 7), expected, strict=True)
    ]


class FromHandler(Exception):
    pass


def test_what_a_handler_of_the_callers_own_raises():
    def handler(number, frame):
        raise FromHandler

    def read(i):
        press()
        return i

    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(FromHandler) as caught:
            parmap(lambda i: unpickles_by(read, i) if i == 3 else i, range(5), n_worker=2)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught.value.results == [0, 1, 2, 3, 4]


def test_a_handler_that_is_set_meanwhile_stays():
    def read(i):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return i

    try:
        assert parmap(lambda i: unpickles_by(read, i), range(3), n_worker=2) == [0, 1, 2]
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_the_handler_below_pythons_stays(engine):
    """Which a library in C may have set."""

    class SigAction(ctypes.Structure):
        _fields_ = [("handler", ctypes.c_void_p), ("mask", ctypes.c_ulong * 16), ("flags", ctypes.c_int), ("end", ctypes.c_void_p)]

    def below():
        found = SigAction()
        assert ctypes.CDLL(None).sigaction(signal.SIGINT, None, ctypes.byref(found)) == 0
        return found.handler, found.flags

    signal.siginterrupt(signal.SIGINT, False)
    before = below()
    parmap(abs, range(3), engine=engine)
    assert below() == before
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert below() != before


def test_a_handler_that_raises_nothing_is_called_as_often():
    heard = []

    def read(i):
        press()
        return i

    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        assert parmap(lambda i: unpickles_by(read, i), range(5), n_worker=2) == [0, 1, 2, 3, 4]
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT] * 5


def test_in_on_error(skipping):
    def on_error(func, task, error):
        if task == (2,):
            press()
        return "replaced"

    results = interrupted(lambda: parmap(lambda i: 1 // (i % 2), range(4), engine=skipping, on_error=on_error))
    assert results == ["replaced", 1, None, 1]
    assert [each.index for each in results.failures] == [0, 2]


def test_in_a_warning(skipping, monkeypatch):
    monkeypatch.setattr(warnings, "showwarning", lambda *what: press())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        results = interrupted(lambda: parmap(lambda i: 1 // i, range(3), engine=skipping))
    assert results == [None, 1, 0] and [each.index for each in results.failures] == [0]


def test_in_the_close_of_a_reporter(engine):
    class Closes:
        n = 0

        def __init__(self, total):
            pass

        def update(self, n):
            self.n += n

        def close(self):
            press()

    assert interrupted(lambda: parmap(abs, [-1, 1], engine=engine, reporter=Closes)) == [1, 1]


class AtStep:
    """Presses Ctrl-C at the k-th instruction that the package runs in this thread once `ended` holds something."""

    def __init__(self, k, ended):
        self.left = k
        self.ended = ended

    def __call__(self, frame, event, argument):
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and self.ended:
            self.left -= 1
            name = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            if self.left <= 0 and not name.startswith("RETURN"):  # before which Python does not look for signals
                sys.settrace(None)
                press()
        return self


def test_at_every_instruction_after_the_last_task(engine):
    ended = []

    def reporter(i, n):
        if i == n - 1:
            ended.append(i)

    def task(i):
        if i == 2 and engine != "serial":
            raise KeyError(i)
        return [i]

    failing = [] if engine == "serial" else [2]
    k = -4 if engine == "multi" else 0
    heard = True
    while heard:
        k += 5 if engine == "multi" else 1  # its maps take longer
        ended.clear()
        sys.settrace(AtStep(k, ended))
        try:
            results = parmap(task, range(4), engine=engine, n_worker=1, reporter=reporter, on_error=lambda *failed: None)
            heard = False
        except KeyboardInterrupt as error:
            results = error.results
        finally:
            sys.settrace(None)
        assert results == [None if i in failing else [i] for i in range(4)], f"at instruction {k}"
        assert [each.index for each in results.failures] == failing, f"at instruction {k}"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, f"at instruction {k}"
    print(k, "instructions")
    assert k > 100


FORK = """
    import _thread, os, sys, threading, time
    from parmap import parmap

    said = []
    sys.unraisablehook = lambda what: said.append(str(what.exc_value))
    {prepare}
    os.register_at_fork({hook}=act)
"""


@pytest.mark.parametrize("hook", ["before", "after_in_parent", "after_in_child"])
def test_in_a_hook_of_a_fork(hook):
    """Where another thread of the process has got the signal, as this one blocks it."""
    program = FORK.format(
        hook=hook,
        prepare="""
    def act():
        global pressed
        if not pressed:
            pressed = True
            _thread.interrupt_main()
    pressed = False
        """,
    )
    program += """
    def task(i):
        time.sleep(3600)

    def quick(i):
        return not said

    if "child" in HOOK:  # its Ctrl-C is the caller's
        print(parmap(quick, range(2), n_worker=2))
    else:
        try:
            parmap(task, range(4), n_worker=2)
        except KeyboardInterrupt as error:
            print([each.kind for each in error.results.failures], said)
    """.replace("HOOK", repr(hook))
    expected = "[True, True]" if "child" in hook else f"{['stopped'] * 4} []"
    assert run(program) == expected + "\n"


@pytest.mark.parametrize("what", ["timeout_sec", "Ctrl-C"])
def test_what_is_raised_in_a_thread_waits_for_its_fork(what):
    """The hook goes on until it would have been raised there."""
    program = FORK.format(
        hook="before",
        prepare="""
    looks = 0  # of the thread that raises it

    class Looks:
        def __init__(self, total):
            pass

        @property
        def n(self):  # asked for at each look
            global looks
            looks += 1
            if looks == 1 and not LIMIT:
                _thread.interrupt_main()
            return 0

        def update(self, n):
            pass

        def close(self):
            pass

    def act():
        while looks < 5 and not left.is_set() and threading.current_thread() is not threading.main_thread():
            time.sleep(0.01)

    left, ended = threading.Event(), threading.Event()
        """,
    )
    program += """
    def task(i):
        try:
            parmap(time.sleep, [3600, 3600], n_worker=2)
        except BaseException as error:
            said.append(f"{type(error).__name__} {[each.kind for each in error.results.failures]}")
            ended.set()
            raise

    try:
        parmap(task, range(1), engine="threads", timeout_sec=LIMIT, reporter=Looks, on_error=lambda *failed: None)
    except KeyboardInterrupt:
        left.set()
    ended.wait()
    print(*said)
    """
    late = what == "timeout_sec"
    said = run(program.replace("LIMIT", "0.2" if late else "None"))
    assert said == f"{'TaskTimeout' if late else 'KeyboardInterrupt'} ['stopped', 'stopped']\n"
