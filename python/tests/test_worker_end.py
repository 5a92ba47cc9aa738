# SPDX-License-Identifier: MIT
"""What a worker does at its end: for what was made in it, what a Python process does; never for what it has inherited."""

import contextlib
import os
import sqlite3
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

import parmap as package
from helpers import for_engine, quiet, run
from parmap import ParmapWarning, parmap

kept = []  # what tasks leave


def names(folder):
    return sorted(each.name for each in folder.iterdir())


# ---- init, finish and the state


@pytest.mark.parametrize("engine", ["serial", "threads", "multi", "async"])
def test_the_state_is_what_init_returns(engine):
    def state(i):
        return [package.context().state]

    found = parmap(for_engine(state, engine), range(4), init=lambda: 5, engine=engine)
    assert found == [[5]] * 4
    assert parmap(for_engine(state, engine), range(4), engine=engine) == [[None]] * 4


@pytest.mark.parametrize("engine", ["serial", "threads", "multi", "async"])
def test_a_context_manager_is_entered_and_ended_in_each_worker(engine, tmp_path):
    @contextlib.contextmanager
    def folder():
        name = tmp_path / f"{os.getpid()} {threading.get_ident()}"
        name.mkdir()
        yield name
        (name / "ended").touch()

    def task(i):
        state = package.context().state
        (state / str(i)).touch()
        return (state / "ended").exists()

    assert parmap(for_engine(task, engine), range(20), init=folder, engine=engine, n_worker=2) == [False] * 20
    assert 1 <= len(names(tmp_path)) <= 2
    assert all((each / "ended").exists() for each in tmp_path.iterdir())


def test_a_connection_of_its_own_for_each_thread():
    """sqlite3 refuses the use, and the end, of a connection in another thread."""

    def count(i):
        return package.context().state.execute("select 1 + ?", (i,)).fetchone()[0]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = parmap(count, range(50), init=lambda: contextlib.closing(sqlite3.connect(":memory:")), engine="threads")
    assert found == list(range(1, 51))


def test_async_context_managers():
    said = []

    class Session:
        async def __aenter__(self):
            said.append("begun")
            return self

        async def __aexit__(self, *raised):
            said.append("ended")

    async def finish():
        said.append("finish")

    async def task(i):
        return type(package.context().state) is Session

    assert parmap(task, range(3), init=Session, finish=finish, engine="async") == [True] * 3
    assert said == ["begun", "finish", "ended"]


def test_maps_nest(engine):
    def inner(i):
        return package.context().state

    def outer(i):
        before = package.context().state
        found = parmap(inner, range(2), engine=engine), parmap(inner, range(2), engine=engine, init=lambda: "inner")
        return before, found, package.context().state

    assert parmap(outer, [0], engine=engine, init=lambda: "outer") == [("outer", ([None] * 2, ["inner"] * 2), "outer")]


def test_what_finish_raises():
    def finish():
        raise LookupError("at the end")

    with pytest.raises(LookupError, match="at the end"):
        parmap(abs, [-1], finish=finish, engine="serial")
    for engine in ("threads", "async"):
        ends = pytest.raises(LookupError) if engine == "async" else pytest.warns(ParmapWarning, match="finish raised LookupError: at the end")
        with ends:
            assert parmap(for_engine(lambda i: -i, engine), [-1], finish=finish, engine=engine) == [1]


def test_what_finish_raises_in_a_process_is_told_on_stderr(capfd):
    assert parmap(abs, [-1], finish=lambda: 1 // 0) == [1]
    said = capfd.readouterr().err
    assert "parmap: finish raised at the end of a worker:" in said and "ZeroDivisionError" in said


def test_finish_is_not_called_if_init_has_raised(engine, tmp_path):
    act = parmap if engine == "serial" else quiet
    with contextlib.suppress(ZeroDivisionError):
        act(abs, [-1], init=lambda: 1 // 0, finish=lambda: (tmp_path / "called").touch(), engine=engine)
    assert names(tmp_path) == []


@pytest.mark.parametrize("bad", [5, "close"])
def test_finish_must_be_callable(bad):
    with pytest.raises(TypeError, match="finish must be callable"):
        parmap(abs, [1], finish=bad)


# ---- what tasks leave to the end of their process


def test_threads_and_executors_are_waited_for(tmp_path):
    may = threading.Event()

    def by_thread(i):
        def later():
            may.wait(0.1)
            (tmp_path / f"thread {i}").touch()

        threading.Thread(target=later).start()

    def by_executor(i):
        kept.append(ThreadPoolExecutor(1))
        kept[-1].submit(lambda: (may.wait(0.1), (tmp_path / f"executor {i}").touch()))

    parmap(by_thread, range(3), n_worker=2)
    parmap(by_executor, range(3), n_worker=2)
    assert names(tmp_path) == [f"{kind} {i}" for kind in ("executor", "thread") for i in range(3)]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_handlers_finalizers_and_files(start, tmp_path):
    def task(i):
        import atexit
        import tempfile
        import weakref

        atexit.register((tmp_path / f"atexit {i}").touch)
        thing = threading.Event()
        weakref.finalize(thing, (tmp_path / f"finalize {i}").touch)
        file = open(tmp_path / f"file {i}", "w")  # noqa: SIM115
        file.write("written")
        left = tempfile.TemporaryDirectory(dir=tmp_path), tempfile.NamedTemporaryFile(dir=tmp_path)
        kept.append((thing, file, left))

    parmap(task, range(3), n_worker=2, start=start)
    assert names(tmp_path) == [f"{kind} {i}" for kind in ("atexit", "file", "finalize") for i in range(3)]
    assert [(tmp_path / f"file {i}").read_text() for i in range(3)] == ["written"] * 3


def test_queues_of_multiprocessing():
    program = """
        import logging, logging.handlers, multiprocessing
        from parmap import parmap
        queue = multiprocessing.get_context("fork").Queue()
        queue.put("of the caller")  # its feeding thread runs
        logging.getLogger().addHandler(logging.handlers.QueueHandler(queue))
        def task(i):
            queue.put((i, "x" * 1000))
            logging.warning("task %d", i)
            return i
        for k in range(5):
            parmap(task, range(20), n_worker=2)
            print(sum(queue.get(timeout=20) is not None for k in range(41 if k == 0 else 40)))
    """
    assert run(program).split() == ["41", "40", "40", "40", "40"]


def test_what_was_inherited_is_the_callers():
    """Its handlers, finalizers, threads' ends and temporary folders."""
    program = """
        import atexit, logging.handlers, multiprocessing.util, os, tempfile, threading, weakref
        from concurrent.futures import ThreadPoolExecutor
        from parmap import parmap
        caller = os.getpid()
        def note(what):
            os.write(1, f"{what} {'caller' if os.getpid() == caller else 'WORKER'}\\n".encode())
        atexit.register(note, "atexit")
        class Thing: pass
        thing = Thing()
        weakref.finalize(thing, note, "finalize")
        multiprocessing.util.Finalize(None, note, ("multiprocessing",), exitpriority=1)
        threading._register_atexit(note, "threading")
        folder = tempfile.TemporaryDirectory()
        pool = ThreadPoolExecutor(1)
        pool.submit(abs, -1).result()
        memory = logging.handlers.MemoryHandler(100, target=logging.StreamHandler())
        def task(i):
            atexit.register(abs, i)
            weakref.finalize(threading.Event(), abs, i)
            return os.path.exists(folder.name)
        print(parmap(task, range(4), n_worker=2), os.path.exists(folder.name), flush=True)
    """
    first, *ends = run(program).splitlines()
    assert first == "[True, True, True, True] True"
    assert sorted(ends) == ["atexit caller", "finalize caller", "multiprocessing caller", "threading caller"]


@pytest.mark.parametrize("settings", ["concurrency = multiprocessing,thread", "patch = fork, _exit"])
def test_coverage_measures_tasks(settings, tmp_path):
    pytest.importorskip("coverage")
    (tmp_path / "program.py").write_text("from parmap import parmap\ndef task(i):\n    return i + 1\nparmap(task, range(8))\n")
    (tmp_path / "settings").write_text(f"[run]\nparallel = true\n{settings}\n")
    program = f"""
        import os, subprocess, sys
        os.chdir({str(tmp_path)!r})
        for each in ("run --rcfile=settings program.py", "combine -q", "report --include=program.py"):
            done = subprocess.run([sys.executable, "-m", "coverage", *each.split()], stdout=subprocess.PIPE, text=True, check=True)
        print(done.stdout)
    """
    assert "program.py       4      0   100%" in run(program)


def test_an_end_that_lasts_too_long_is_cut_off_with_a_warning():
    with pytest.warns(ParmapWarning, match="a worker was killed, .* Not finished: the threads and executors") as caught:
        found = parmap(lambda i: threading.Thread(target=time.sleep, args=(3600,)).start(), [0])
    assert found == [None] and found.failures == [] and len(caught) == 1


def test_a_worker_that_is_not_needed_any_more_ends_what_it_began(tmp_path):
    """It is still in init when the other one has done all tasks."""

    @contextlib.contextmanager
    def slow_unless_first():
        name = tmp_path / str(os.getpid())
        name.mkdir()
        try:
            (tmp_path / "first").mkdir()
        except FileExistsError:
            while not (tmp_path / "done").exists():
                time.sleep(0.01)
            time.sleep(0.3)
        yield
        (name / "ended").touch()

    def task(i):
        while i == 0 and len(names(tmp_path)) < 3:  # until the other worker is in its init
            time.sleep(0.01)
        if i == 2:
            (tmp_path / "done").touch()
        return i

    assert parmap(task, range(3), init=slow_unless_first, n_worker=2) == [0, 1, 2]
    workers = [each for each in tmp_path.iterdir() if each.name.isdigit()]
    assert len(workers) == 2 and all((each / "ended").exists() for each in workers)
