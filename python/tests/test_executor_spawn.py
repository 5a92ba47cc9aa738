# SPDX-License-Identifier: MIT
"""Executor(start="spawn"): workers that are fresh interpreters keep every promise that forked ones keep.

Most tests are those of the other files of executors, with spawned workers. Each such worker takes some 100 ms to start.
"""

import contextlib
import gc
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

import parmap
import test_executor
import test_executor_engine
import test_executor_faults
import test_executor_streams
from helpers import quiet, run
from test_executor import (  # noqa: F401
    test_a_death_costs_its_own_future_alone,
    test_a_death_in_map_fails_its_element_alone,
    test_a_forked_process_is_refused,
    test_a_late_task_is_ended,
    test_an_exception_of_a_task_is_raised_with_its_traceback_there,
    test_asyncio,
    test_cancel_is_true_only_if_the_task_does_not_run,
    test_init_and_finish,
    test_kill_ends_a_task_that_runs,
    test_map_walks_together_and_raises,
    test_map_with_a_buffer_reads_no_further_than_that,
    test_memory_limit,
    test_submits_calls,
    test_tasks_run_in_workers_that_stay,
    test_terminate_workers,
    test_terminate_workers_that_do_not_begin,
    test_the_template_process_is_killed,
    test_what_cannot_be_pickled_is_the_exception_of_its_future,
)
from test_executor_engine import (  # noqa: F401
    test_a_shared_array_travels_as_a_reference,
    test_arrays_go_and_come,
    test_failures_are_those_of_multi,
    test_several_threads_map_at_once_and_submit,
    test_values_are_those_of_multi,
)
from test_executor_streams import (  # noqa: F401
    test_a_stream_gives_each_outcome,
    test_large_arrays,
    test_leaving_a_stream_ends_its_tasks,
)


@pytest.fixture(scope="module", autouse=True)
def functions_by_value():
    """Test modules are not to be imported in workers: cloudpickle takes their functions along."""
    import cloudpickle

    import helpers

    modules = (sys.modules[__name__], helpers, test_executor, test_executor_engine, test_executor_faults, test_executor_streams)
    for each in modules:
        cloudpickle.register_pickle_by_value(each)
    yield
    for each in modules:
        cloudpickle.unregister_pickle_by_value(each)


@pytest.fixture(scope="module")
def pool(functions_by_value):
    """One for all tests, which must leave it as they found it: so none costs the start of its workers."""
    with parmap.Executor(2, start="spawn") as made:
        yield made


@pytest.fixture(autouse=True)
def no_child_is_left(request):
    """None but the template process of `pool`, once that has been made."""
    yield
    templates = {request.getfixturevalue("pool").submit(os.getppid).result()} if "pool" in request.fixturenames else set()
    _templates.update(templates)
    assert children() <= _templates


_templates = set()


def children():
    found = set()
    for each in os.listdir("/proc/self/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # that thread has ended
            found |= {int(pid) for pid in Path(f"/proc/self/task/{each}/children").read_text().split()}
    return found


@pytest.fixture(autouse=True)
def others_are_spawned_too(monkeypatch):
    defaults = parmap.Executor.__init__.__defaults__
    assert defaults[-1] == "fork"
    monkeypatch.setattr(parmap.Executor.__init__, "__defaults__", (*defaults[:-1], "spawn"))


def test_workers_are_other_programs_in_their_own_sessions_of_python(pool):
    def look():
        return os.getppid(), threading.active_count(), sys.argv, "_pytest" in sys.modules, hasattr(sys.modules["__main__"], "__file__")

    template, threads, arguments, has_pytest, has_main = pool.submit(look).result()
    assert template != os.getpid() and threads == 1 and arguments == sys.argv
    assert not has_pytest and not has_main


def test_only_what_is_needed_is_open(pool):
    """Of ours the memory, the file of large buffers and what wakes others; nothing of the caller's."""

    def opened():
        return [os.readlink(f"/proc/self/fd/{n}") for n in range(3, 99) if os.path.lexists(f"/proc/self/fd/{n}")]

    with open("/dev/null") as mine:
        os.set_inheritable(mine.fileno(), True)
        with parmap.Executor(1) as other:
            assert {each.split(" ")[0] for each in other.submit(opened).result()} <= {"/memfd:parmap", "anon_inode:[eventfd]"}
            inherited = other.submit(lambda: subprocess.run(["ls", "/proc/self/fd"], stdout=-1, check=True).stdout.split()).result()
    assert inherited == [b"0", b"1", b"2", b"3"]


def test_the_hooks_of_forks_are_not_called():
    """Neither the template process nor a worker before its program runs Python of the caller."""
    text = run(
        """
        import os, parmap
        say = lambda what: (lambda: os.write(1, what))
        os.register_at_fork(before=say(b"before "), after_in_parent=say(b"parent "), after_in_child=say(b"child "))
        with parmap.Executor(2, start="spawn") as pool:
            print(pool.submit(os._exit, 1).exception().status, pool.submit(abs, -2).result())
        """
    )
    assert text == "1 2\n"


def test_contexts_of_multiprocessing():
    for name, start in (("spawn", "spawn"), ("forkserver", "spawn"), ("fork", "fork")):
        with parmap.Executor(max_workers=1, mp_context=multiprocessing.get_context(name), max_tasks_per_child=1) as pool:
            assert pool._pool.asked.start == start
    with parmap.Executor(max_workers=1, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        assert pool.submit(os.getpid).result() != pool.submit(os.getpid).result()
    with pytest.raises(ValueError, match="fork, spawn"):
        parmap.Executor(1, start="sapwn")


def test_shared_arrays_outlive_a_worker(pool):
    numpy = pytest.importorskip("numpy")
    tables = [pool.share(numpy.full(1000, float(k))) for k in range(5)]
    assert [pool.submit(numpy.sum, each).result() for each in tables] == [1000.0 * k for k in range(5)]
    for each in [pool.submit(os._exit, 1) for _ in range(2)]:
        assert each.exception().status == 1
    assert pool.submit(lambda a, b: float((a - b).sum()), tables[4], tables[1]).result() == 3000.0


@pytest.mark.parametrize("path", ["/bin/false", "/no/such/program"])
def test_a_program_that_cannot_start_breaks_the_pool_and_says_which(path, monkeypatch):
    with parmap.Executor(2) as pool:
        monkeypatch.setattr(sys, "executable", path)
        pool.restart()
        monkeypatch.undo()
        error = pool.submit(abs, -1).exception()
        assert isinstance(error, parmap.BrokenPool) and path in error.__notes__[0]
        for act in (lambda: pool.submit(abs, 1), lambda: parmap.parmap(abs, [1], engine=pool), lambda: next(parmap.imap(abs, [1], engine=pool))):
            with pytest.raises(parmap.BrokenPool) as raised:
                act()
            assert path in raised.value.__notes__[0]


def test_the_end_does_not_wait_for_a_program_that_does_not_begin(monkeypatch, tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with parmap.Executor(2):
        pass


def test_what_cannot_be_sent_or_read():
    with pytest.raises(TypeError, match="cannot pickle") as raised:
        parmap.Executor(1, init=threading.Lock().acquire)
    assert "init and finish" in raised.value.__notes__[0]

    class Bad:
        def __reduce__(self):
            return eval, ("1 / 0",)

        def __call__(self):
            pass

    with parmap.Executor(1, init=Bad()) as pool:
        assert isinstance(pool.submit(abs, 1).exception(), ZeroDivisionError)
        assert {each.kind for each in quiet(abs, range(3), engine=pool).failures} == {"threw"}


def test_where_files_may_not_be_large_no_pool_begins():
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 10, before[1]))
    try:
        with pytest.raises(OSError, match="ulimit -f"):
            parmap.Executor(1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_pools_one_after_another_leave_nothing_behind():
    def here():
        gc.collect()
        return sorted(os.listdir("/proc/self/fd")), children()

    def once(ends):
        with parmap.Executor(1) as pool:
            pool.submit(abs, 1).result() if ends else pool.submit(time.sleep, 100).kill()

    once(True)
    before = here()
    for ends in (True, False):
        once(ends)
    assert here() == before


def test_the_program_is_killed_and_leaves_no_worker(tmp_path):
    text = run(
        f"""
        import os, parmap, signal, time
        child = os.fork()
        if child == 0:
            pool = parmap.Executor(2, start="spawn")
            pids = {{pool.submit(os.getpid).result() for _ in range(20)}} | {{pool.submit(os.getppid).result()}}
            with open({str(tmp_path / "pids")!r}, "w") as file:
                file.write(" ".join(map(str, pids)))
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        left = [int(each) for each in open({str(tmp_path / "pids")!r}).read().split()]
        until = time.monotonic() + 20
        while left and time.monotonic() < until:
            left = [each for each in left if os.path.exists(f"/proc/{{each}}")]
            time.sleep(0.01)
        print(left)
        """
    )
    assert text == "[]\n"


def test_ctrl_c_at_a_terminal_reaches_the_caller_alone():
    """It goes to all processes of the group."""
    program = """
        import os, parmap, signal, time
        with parmap.Executor(2, start="spawn") as pool:
            def task(_):
                os.killpg(0, signal.SIGINT)
                time.sleep(1000)
            try:
                parmap.parmap(task, [1], engine=pool)
            except KeyboardInterrupt as error:
                print([each.kind for each in error.results.failures])
            print(pool.submit(abs, -1).result())
            pool.submit(task, 1).result()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, check=False, start_new_session=True
    )
    assert done.stdout == "['stopped']\n1\n" and done.stderr.rstrip().endswith("KeyboardInterrupt"), done.stderr
    assert done.stderr.count("Traceback") == 1
    assert done.returncode in (130, -signal.SIGINT)


def test_a_script_without_a_guard(tmp_path):
    """Workers do not import the script, so that it needs no `if __name__ == "__main__"`."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import parmap
            class Point:
                def __init__(self, x): self.x = x
            def made(x): return Point(factor * x)
            print("begun", flush=True)
            factor = 2
            pool = parmap.Executor(2, start="spawn")
            first = pool.submit(made, 1).result()
            factor = 3
            print(type(first) is Point, first.x, [each.x for each in pool.map(made, [1, 2])])
            """
        )
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("begun\nTrue 2 [3, 6]\n", "")
