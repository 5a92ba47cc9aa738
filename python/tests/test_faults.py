# SPDX-License-Identifier: MIT
"""Hostile tasks: each costs itself alone, whatever it does."""

import ctypes
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from helpers import only_failure, quiet, run
from parmap import RemoteError, TaskTimeout, UnpicklableResult, WorkerDied, parmap


class TwoArguments(Exception):
    def __init__(self, a, b):
        super().__init__(a)


def throw():
    raise ValueError("task 7")


def does_not_unpickle():
    raise TwoArguments(1, 2)


def spin():
    while True:
        pass


# The columns of the table of peers: what task 7 of 20 does, and what it is to be blamed for.
COLUMNS = {
    "throws": (throw, ValueError, ValueError),
    "segfault": (lambda: ctypes.string_at(0), WorkerDied, None),
    "_exit": (lambda: os._exit(3), WorkerDied, None),
    "SIGKILL": (lambda: os.kill(os.getpid(), signal.SIGKILL), WorkerDied, None),
    "sys.exit": (lambda: sys.exit(1), SystemExit, SystemExit),
    "unpicklable result": (lambda: threading.Lock(), UnpicklableResult, None),
    "exception that does not unpickle": (does_not_unpickle, RemoteError, TwoArguments),
    "hangs": (spin, TaskTimeout, TaskTimeout),
}


# None: it is no failure in this process, or its end.
CELLS = [
    (column, engine)
    for column, (_, *expected) in COLUMNS.items()
    for engine, each in zip(("multi", "threads"), expected, strict=True)
    if each is not None
]


@pytest.mark.parametrize(("column", "engine"), CELLS)
def test_nineteen_of_twenty(column, engine):
    act, in_multi, in_threads = COLUMNS[column]
    expected = in_multi if engine == "multi" else in_threads
    seven = 7
    timeout = 2 if column == "hangs" else None
    results = quiet(lambda i: act() if i == seven else i, range(20), engine=engine, n_worker=2, timeout_sec=timeout)
    assert type(only_failure(results, 7).exception) is expected
    assert results == [i if i != 7 else None for i in range(20)]


def test_lambdas_and_closures(engine):
    by = np.arange(1000)
    assert parmap(lambda i: int(by[i]), range(20), engine=engine) == list(range(20))


def test_naive_draws(engine):
    assert len(set(parmap(lambda i: np.random.rand(), range(20), engine=engine))) == 20


# ---- tasks that do odd things, and whose result comes out all the same


def fork_and_reap():
    if (child := os.fork()) == 0:
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fork_and_go_on():
    """The copy runs on into the map: it must not become a second worker."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return 0


def daemonise():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("true", ["true"])
        os._exit(0)
    os.wait()
    return 0


def close_every_fd():
    os.closerange(0, 4096)
    return 0


def block_signals():
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    return 0


def ignore_signals():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    return 0


def start_threads():
    threads = [threading.Thread(target=sum, args=([1],)) for _ in range(5)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return 0


def leave_a_thread():
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    return 0


def run_a_program():
    return subprocess.run(["true"], check=True).returncode


def change_the_process():
    os.chdir("/")
    os.umask(0)
    os.environ.clear()
    os.setsid() if os.getpgid(0) != os.getpid() else None
    return 0


def set_an_alarm():
    signal.signal(signal.SIGALRM, lambda number, frame: None)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    return 0


def break_builtins():
    import pickle

    pickle.dumps = pickle.loads = None
    sys.stdout = sys.stderr = None
    return 0


def interrupt_itself():
    os.kill(os.getpid(), signal.SIGINT)
    return 0


def limit_itself():
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    return 0


ODD = [
    fork_and_reap, fork_and_go_on, daemonise, close_every_fd, block_signals, ignore_signals, start_threads,
    leave_a_thread, run_a_program, change_the_process, set_an_alarm, break_builtins, interrupt_itself, limit_itself,
]  # fmt: skip


@pytest.mark.parametrize("act", ODD)
@pytest.mark.parametrize("every", [False, True], ids=["once", "always"])
def test_an_odd_task_has_its_result(act, every):
    assert parmap(lambda i: act() if every or i == 7 else 0, range(20), n_worker=2, timeout_sec=30) == [0] * 20


def test_an_exec_ends_the_task():
    failure = only_failure(quiet(lambda i: os.execvp("true", ["true"]) if i == 7 else i, range(20), n_worker=2), 7)
    assert type(failure.exception) is WorkerDied and failure.exception.status == 0


def test_c_exit_ends_the_task():
    failure = only_failure(quiet(lambda i: ctypes.CDLL(None).exit(5) if i == 7 else i, range(20), n_worker=2), 7)
    assert type(failure.exception) is WorkerDied and failure.exception.status == 5


def test_pthread_exit_ends_the_task():
    def act(i):
        return ctypes.PyDLL(None).pthread_exit(None) if i == 7 else i

    assert type(only_failure(quiet(act, range(20), n_worker=2), 7).exception) is WorkerDied


def test_what_tasks_print_comes_out_once_and_whole():
    program = """
        import sys
        from parmap import parmap
        sys.stdout.write("before ")
        parmap(lambda i: print("x" * 99_999) or print("y") or i, range(60), n_worker=2)
        print("after")
    """
    said = run(program)
    assert said.count("x") == 60 * 99_999 and said.count("y") == 60 and said.count("before") == said.count("after") == 1
    assert said.endswith("after\n")


def test_a_task_that_exits_in_the_middle_of_printing_repeats_nothing():
    program = """
        import os, sys, atexit
        from parmap import parmap
        atexit.register(print, "at exit")
        sys.stdout.write("before ")
        parmap(lambda i: sys.exit(1) if i % 2 else os._exit(1), range(6), n_worker=2, on_error=lambda *failed: None)
    """
    assert run(program) == "before at exit\n"
