# SPDX-License-Identifier: MIT
"""Odd callers: without streams, in threads, in tasks, in finalizers, at exit, in event loops, with busy threads."""

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import warnings

import numpy  # noqa: F401  whose BLAS is loaded then
import pytest
import threadpoolctl

import parmap as package
from helpers import for_engine, has_gil, only_failure, quiet, run
from parmap import ParmapWarning, parmap


@pytest.mark.parametrize("how", ["SIG_IGN", "reaps all"])
def test_a_caller_who_hears_of_no_deaths(how):
    program = """
        import os, signal
        from parmap import parmap
        if "%s" == "SIG_IGN":
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        else:
            def reap(number, frame):
                try:
                    while os.waitpid(-1, os.WNOHANG)[0]: pass
                except ChildProcessError: pass
            signal.signal(signal.SIGCHLD, reap)
        failed = []
        results = parmap(lambda i: os._exit(3) if i == 7 else i, range(20), n_worker=2,
                         on_error=lambda func, task, error: failed.append((task, type(error).__name__, error.signal)))
        print(sum(each is not None for each in results), failed)
    """
    assert run(program % how) == "19 [((7,), 'WorkerDied', None)]\n"


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_a_caller_without_standard_streams(closed, tmp_path, engine):
    program = f"""
        import os, sys
        from parmap import parmap
        results = parmap(lambda i: print(i) or i, range(20), engine="{engine}", n_worker=2)
        out = os.open({str(tmp_path / "out")!r}, os.O_CREAT | os.O_WRONLY)
        os.write(out, repr(list(results)).encode())
        os._exit(0)
    """

    def close():
        for fd in closed:
            os.close(fd)

    run(program, preexec_fn=close)
    assert (tmp_path / "out").read_text() == repr(list(range(20)))


def test_a_caller_that_closes_its_streams_later():
    program = """
        import os, sys
        from parmap import parmap
        out = os.dup(1)
        sys.stdout.close(); sys.stderr.close(); sys.stdin.close()
        results = parmap(lambda i: 1 // i, range(3), n_worker=2, on_error=lambda *failed: None)
        os.write(out, repr(list(results)).encode())
        os._exit(0)
    """
    assert run(program) == "[None, 1, 0]"


def in_threads(*acts):
    found = [None] * len(acts)

    def keep(k):
        found[k] = acts[k]()

    threads = [threading.Thread(target=keep, args=(k,)) for k in range(len(acts))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return found


def test_from_a_thread(engine):
    assert in_threads(lambda: parmap(abs, range(-9, 0), engine=engine)) == [list(range(9, 0, -1))]


def test_from_several_threads_at_once(engine):
    maps = [lambda k=k: [parmap(lambda i: i + k, range(300), engine=engine) for _ in range(10)] for k in range(4)]
    assert in_threads(*maps) == [[[i + k for i in range(300)]] * 10 for k in range(4)]


def test_crashes_in_maps_of_several_threads(skipping):
    def act(i):
        if i == 7:
            os._exit(1) if skipping == "multi" else sys.exit(1)
        return i

    for results in in_threads(*[lambda: quiet(act, range(20), engine=skipping, n_worker=2)] * 3):
        only_failure(results, 7)


@pytest.mark.parametrize("inner", package.ENGINES)
def test_a_map_in_a_task(engine, inner):
    def act(i):
        return parmap(for_engine(lambda j: 10 * i + j, inner), range(5), engine=inner, n_worker=2)

    assert parmap(act, range(6), engine=engine, n_worker=2) == [[10 * i + j for j in range(5)] for i in range(6)]


@pytest.mark.parametrize("inner", ["threads", "multi"])
def test_failures_of_a_map_in_a_task(skipping, inner):
    def act(i):
        results = quiet(lambda j: 1 // j, range(3), engine=inner)
        return list(results), [each.index for each in results.failures]

    assert parmap(act, range(4), engine=skipping) == [([None, 1, 0], [0])] * 4


def test_one_worker_in_a_worker():
    assert set(parmap(lambda i: len({package.context().worker for _ in range(1)}), range(3))) == {1}
    inner = parmap(lambda i: set(parmap(lambda j: package.context().worker, range(50))), range(3))
    assert inner == [{0}] * 3


def test_a_warning_in_a_task_is_the_workers():
    def act(i):
        with pytest.warns(ParmapWarning):
            return parmap(lambda j: 1 // j, [0])

    assert parmap(act, range(2)) == [[None], [None]]


def test_from_a_finalizer(engine):
    found = []

    class Maps:
        def __del__(self):
            found.append(parmap(abs, [-1, 1], engine=engine))

    made = Maps()
    del made
    assert found == [[1, 1]]


def test_what_is_raised_in_a_finalizer_is_nobodys(engine):
    program = f"""
        import sys
        from parmap import parmap

        class Raises:
            def __del__(self):
                raise ValueError("in __del__")

        said = []
        sys.unraisablehook = lambda what: said.append(type(what.exc_value).__name__)

        def act(i):
            held = Raises()
            return i

        print(parmap(act, range(20), engine="{engine}", n_worker=2), len(said) in (0, 20))
    """
    assert run(program) == f"{list(range(20))} True\n"


@pytest.mark.parametrize("when", ["atexit", "__del__ of a global", "in a thread", "warm"])
def test_at_exit(engine, when):
    if when == "warm" and not has_gil():
        pytest.skip("without a GIL an object in a global may outlive the globals of all modules")
    program = f"""
        import atexit, os, threading
        from parmap import parmap

        def late(parmap=parmap, os=os):  # as globals they may be None by then
            try:
                said = str(parmap(abs, [-1, 1], engine="{engine}", timeout_sec=9))
            except (RuntimeError, ImportError) as error:
                said = "refused: " + str(error)
            os.write(1, said.encode())

        class Late:
            def __del__(self, late=late):
                late()

        if "{when}" == "atexit":
            atexit.register(late)
        elif "{when}" == "in a thread":
            def wait():
                threading.main_thread().join()
                late()
            threading.Thread(target=wait).start()
        else:
            if "{when}" == "warm":
                parmap(abs, range(100), engine="{engine}")
            kept = Late()
    """
    said = run(program, timeout=20)
    assert said == "[1, 1]" or ("global" in when or when == "warm") and said.startswith("refused: ")


def test_in_a_running_event_loop(engine):
    async def main():
        ticks = []

        async def tick():
            while True:
                ticks.append(1)
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        here = parmap(abs, [-1, 1], engine=engine)
        there = await asyncio.to_thread(parmap, abs, [-2, 2], engine=engine)
        ticking.cancel()
        return here, there, len(ticks) > 0

    assert asyncio.run(main()) == ([1, 1], [2, 2], True)


def test_an_event_loop_in_each_task(engine):
    async def main(i):
        await asyncio.sleep(0.001)
        return i

    assert parmap(lambda i: asyncio.run(main(i)), range(10), engine=engine) == list(range(10))


@pytest.mark.parametrize(("busy", "made"), [("numpy", "threading"), ("print", "threading"), ("print", "_thread"), ("logging", "threading"), ("malloc", "threading")])
def test_forks_while_other_threads_are_busy(busy, made):
    """A lock that another thread holds at the fork is nobody's in a worker."""
    program = f"""
        import _thread, logging, sys, threading
        import numpy as np, numpy.random  # what is imported only in part at a fork stays so in the worker
        from parmap import parmap

        logging.basicConfig(stream=sys.stdout)
        end = threading.Event()

        def numpy():
            while not end.is_set(): np.random.rand(300_000)

        def do_print():
            while not end.is_set(): print("x" * 100_000)

        def log():
            while not end.is_set(): logging.warning("x" * 1000)

        def malloc():
            while not end.is_set(): bytes(1_000_000), [object() for _ in range(100)]

        acts = dict(numpy=numpy, print=do_print, logging=log, malloc=malloc)
        ended = threading.Semaphore(0)

        def go_on():
            acts["{busy}"]()
            ended.release()

        for _ in range(2):
            if "{made}" == "threading": threading.Thread(target=go_on).start()
            else: _thread.start_new_thread(go_on, ())  # which the module threading does not count

        def act(i):
            import colorsys
            logging.debug("x")
            return len(np.random.rand(3))

        for _ in range(8):
            assert parmap(act, range(20), n_worker=2) == [3] * 20
        end.set()
        for _ in range(2): ended.acquire()
        sys.stderr.flush()
    """
    run(program, timeout=110, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("wanted", ["slow", "slow.part", "slow.inner", "slow.inner.deep"])
def test_forks_while_another_thread_is_importing(wanted, tmp_path):
    """A worker imports it anew, instead of waiting for that thread; the caller's import goes on."""
    slow = """
        import os, __main__
        if os.getpid() == __main__.caller:
            __main__.inside.set()
            __main__.go_on.wait()
        import slow.part
        found = slow.part.found
    """
    (tmp_path / "slow" / "inner").mkdir(parents=True)
    (tmp_path / "slow" / "__init__.py").write_text("import slow.inner.deep\nfrom slow.inner import found\n")
    (tmp_path / "slow" / "part.py").write_text("found = 5\n")
    (tmp_path / "slow" / "inner" / "__init__.py").write_text(textwrap.dedent(slow))
    (tmp_path / "slow" / "inner" / "deep.py").write_text("from slow.inner import found\n")
    program = f"""
        import importlib, os, sys, threading
        from parmap import parmap

        sys.path.insert(0, {str(tmp_path)!r})
        caller = os.getpid()
        inside, go_on = threading.Event(), threading.Event()
        importing = threading.Thread(target=importlib.import_module, args=["slow"])
        importing.start()
        inside.wait()
        print(parmap(lambda i: importlib.import_module({wanted!r}).found, range(2), n_worker=2, timeout_sec=20))
        go_on.set()
        importing.join()
        print(importlib.import_module({wanted!r}).found)
    """
    assert run(program) == "[5, 5]\n5\n"


@pytest.mark.parametrize("engine", ["serial", "multi"])  # Python lets other threads wait for the import to end
def test_a_module_that_maps_as_it_is_imported(tmp_path, engine):
    """Its tasks may import it, as far as it has come."""
    (tmp_path / "maps.py").write_text(
        textwrap.dedent(f"""
            import os, __main__
            if os.getpid() != __main__.caller:
                raise ImportError("anew, which must not lead to maps in maps without end")
            from parmap import parmap
            mark = object()
            def task(i):
                import maps
                return maps.mark is mark
            found = parmap(task, range(4), engine={engine!r}, n_worker=2)
        """)
    )
    program = f"import os, sys; caller = os.getpid(); sys.path.insert(0, {str(tmp_path)!r}); import maps; print(maps.found)"
    assert run(program) == "[True, True, True, True]\n"


def test_a_listening_socket_and_threads_of_the_caller_are_left_alone():
    with socket.create_server(("127.0.0.1", 0)) as server:
        parmap(lambda i: server.close() or i, range(4))
        with socket.create_connection(server.getsockname(), timeout=5):
            server.accept()[0].close()


@pytest.mark.parametrize("ctrl_c", [signal.default_int_handler, signal.SIG_IGN], ids=["heard", "ignored"])
def test_signals_of_a_worker_do_not_wake_the_callers_event_loop(ctrl_c):
    reading, writing = socket.socketpair()
    for each in (reading, writing):
        each.setblocking(False)
    before = signal.set_wakeup_fd(writing.fileno())
    handler = signal.signal(signal.SIGUSR1, lambda *what: None)
    ctrl_c = signal.signal(signal.SIGINT, ctrl_c)
    try:
        parmap(lambda i: signal.raise_signal(signal.SIGUSR1), range(4), n_worker=2)
    finally:
        signal.signal(signal.SIGUSR1, handler)
        signal.signal(signal.SIGINT, ctrl_c)
        signal.set_wakeup_fd(before)
    with reading, writing, pytest.raises(BlockingIOError):
        reading.recv(1)


@pytest.mark.parametrize("ignored", [False, True])
def test_what_a_task_starts_ignores_ctrl_c_only_if_the_caller_does(ignored):
    def ignores(i):
        status = subprocess.run(["grep", "SigIgn", "/proc/self/status"], capture_output=True, text=True, check=True).stdout
        return bool(int(status.split()[1], 16) >> (signal.SIGINT - 1) & 1)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    try:
        assert parmap(ignores, range(2), n_worker=2) == [ignored, ignored]
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_share_the_cores(workers, monkeypatch):
    """What BLAS and OpenMP are told, unless the caller has told them."""
    share = max(1, package._parmap.usable_cores() // workers)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")

    def told(i):
        loaded = [each["num_threads"] for each in threadpoolctl.threadpool_info()]
        return os.environ["OMP_NUM_THREADS"], os.environ["OPENBLAS_NUM_THREADS"], max(loaded)

    assert parmap(told, range(2), n_worker=workers) == [(str(share), "7", share)] * 2
    assert "OMP_NUM_THREADS" not in os.environ


def test_what_is_inherited_is_not_collected_in_a_worker():
    """As that would copy its pages."""
    assert min(parmap(lambda i: gc.get_freeze_count(), range(2))) > 1000 and gc.get_freeze_count() == 0


def test_warnings_filters_of_the_caller_are_kept():
    before = list(warnings.filters)
    quiet(lambda i: 1 // i, range(2))
    assert list(warnings.filters) == before
