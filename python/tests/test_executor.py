# SPDX-License-Identifier: MIT
"""An Executor as the executors of concurrent.futures are used: submit, map, cancel, shutdown; its failures cost one future each.

One file, as its tests are a list of one interface; each stands alone.
"""

import asyncio
import concurrent.futures
import ctypes
import operator
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import parmap
from helpers import run


@pytest.fixture
def pool():
    with parmap.Executor(2) as made:
        yield made


def crash():
    ctypes.string_at(0)


def test_submits_calls(pool):
    assert isinstance(pool, concurrent.futures.Executor)
    futures = [pool.submit(pow, k, 2) for k in range(50)]
    assert [each.result() for each in futures] == [k * k for k in range(50)]
    assert all(isinstance(each, concurrent.futures.Future) and each.done() for each in futures)
    assert pool.submit(sorted, [3, 1, 2], reverse=True).result() == [3, 2, 1]
    assert pool.submit(dict, fn=1, self=2).result() == {"fn": 1, "self": 2}


def test_tasks_run_in_workers_that_stay(pool):
    pids = {pool.submit(os.getpid).result() for _ in range(50)}
    assert os.getpid() not in pids
    assert len(pids) <= 2


def test_an_exception_of_a_task_is_raised_with_its_traceback_there(pool):
    def divide(x):
        return x / 0

    future = pool.submit(divide, 1)
    with pytest.raises(ZeroDivisionError) as raised:
        future.result()
    assert "return x / 0" in str(raised.value.__cause__)
    assert isinstance(future.exception(), ZeroDivisionError)


def test_sys_exit_in_a_task_does_not_end_the_caller(pool):
    future = pool.submit(sys.exit, 3)
    with pytest.raises(parmap.RemoteError, match="SystemExit: 3") as raised:
        future.result()
    assert isinstance(raised.value.__cause__, SystemExit)
    with pytest.raises(parmap.RemoteError, match="SystemExit: 4"):
        list(pool.map(sys.exit, [4]))


def test_a_death_costs_its_own_future_alone(pool):
    futures = [pool.submit(abs, -k) for k in range(20)]
    died = pool.submit(crash)
    left = pool.submit(os._exit, 3)
    futures += [pool.submit(abs, -k) for k in range(20, 40)]
    assert [each.result() for each in futures] == list(range(40))
    assert isinstance(died.exception(), parmap.WorkerDied)
    assert died.exception().signal == signal.SIGSEGV
    assert left.exception().status == 3


def test_a_late_task_is_ended():
    with parmap.Executor(2, timeout_sec=0.5) as pool:
        late, quick = pool.submit(time.sleep, 100), pool.submit(abs, -1)
        with pytest.raises(parmap.TaskTimeout, match="timeout_sec=0.5"):
            late.result()
        assert quick.result() == 1


def test_memory_limit():
    with parmap.Executor(1, memory_limit="300MB") as pool:
        large, small = pool.submit(bytearray, 10**9), pool.submit(bytearray, 10)
        assert isinstance(large.exception(), MemoryError)
        assert small.result() == bytearray(10)


def test_init_and_finish(tmp_path):
    (tmp_path / "made").mkdir()

    def init():
        return (tmp_path / "made" / str(os.getpid())).write_text("begun")

    def finish():
        (tmp_path / "made" / str(os.getpid())).write_text("ended")

    with parmap.Executor(2, init=init, finish=finish) as pool:
        assert pool.submit(eval, "__import__('parmap').context().state").result() == 5
    assert {each.read_text() for each in (tmp_path / "made").iterdir()} == {"ended"}


def test_an_init_that_raises_fails_each_task():
    def init():
        raise OSError("no connection")

    with parmap.Executor(1, init=init) as pool, pytest.raises(OSError, match="no connection"):
        pool.submit(abs, 1).result()


def test_names_of_other_executors():
    with parmap.Executor(max_workers=2, initializer=os.putenv, initargs=("PARMAP_TEST", "x"), max_tasks_per_child=3) as pool:
        assert pool._max_workers == 2
        pids = [pool.submit(os.getpid).result() for _ in range(12)]
        assert len(set(pids)) >= 3
    for wrong in (dict(n_worker=1, max_workers=1), dict(init=print, initializer=print), dict(max_tasks=1, max_tasks_per_child=1)):
        with pytest.raises(TypeError, match="another name"):
            parmap.Executor(**wrong)
    with pytest.raises(ValueError, match="greater than 0"):
        parmap.Executor(0)


def test_random_numbers_are_those_of_the_number_of_submission():
    def draw(_=None):
        return parmap.context().index, parmap.rng().integers(1 << 60)

    with parmap.Executor(2, seed=7) as pool:
        drawn = [pool.submit(draw).result() for _ in range(3)] + list(pool.map(draw, range(5)))
        pool.restart()
        drawn.append(pool.submit(draw).result())
    assert drawn == [(k, each) for k, (_, each) in enumerate(parmap.parmap(draw, range(9), seed=7, engine="serial"))]


def test_map_walks_together_and_raises(pool):
    assert list(pool.map(pow, [2, 3, 4], [5, 2])) == [32, 9]
    assert list(pool.map(abs, range(-1000, 0))) == list(range(1000, 0, -1))
    assert list(pool.map(abs, [])) == []
    assert list(pool.map(abs, (-k for k in range(10_000)))) == list(range(10_000))
    results = pool.map(operator.truediv, [1, 1, 1], [1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []
    with pytest.raises(ValueError, match="chunksize"):
        pool.map(abs, [1], chunksize=0)


def test_map_runs_though_nobody_reads(tmp_path):
    with parmap.Executor(2) as pool:
        pool.map(os.mkdir, [tmp_path / str(k) for k in range(200)])
    assert len(os.listdir(tmp_path)) == 200


def test_map_has_a_timeout(pool):
    results = pool.map(time.sleep, [0, 1.5], timeout=0.5)
    assert next(results) is None
    with pytest.raises(TimeoutError):
        next(results)


def test_map_with_a_buffer_reads_no_further_than_that(pool):
    read = []

    def numbers():
        for k in range(10**9):
            read.append(k)
            yield k

    results = pool.map(abs, numbers(), buffersize=10)
    assert len(read) == 10
    assert [next(results) for _ in range(100)] == list(range(100))
    assert len(read) <= 110
    results.close()


def test_a_death_in_map_fails_its_element_alone(pool):
    results = pool.map(os._exit, [1, 2])
    with pytest.raises(parmap.WorkerDied, match="status 1"):
        next(results)


def test_cancel_is_true_only_if_the_task_does_not_run(tmp_path):
    with parmap.Executor(1) as pool:
        go = os.path.join(tmp_path, "go")
        os.mkfifo(go)
        first = pool.submit(_read, go)
        others = [pool.submit(os.mkdir, tmp_path / str(k)) for k in range(20)]
        called = []
        others[-1].add_done_callback(called.append)
        with open(go, "w"):  # it has begun
            assert not first.cancel()
            cancelled = [each.cancel() for each in others[10:]]
        assert first.result() == ""
        for k, each in enumerate(others):
            if k >= 10 and cancelled[k - 10]:
                assert each.cancelled()
                with pytest.raises(concurrent.futures.CancelledError):
                    each.result()
            else:
                each.result()
        assert all(cancelled)
        assert called == [others[-1]]
        done, rest = concurrent.futures.wait(others)
        assert not rest
    assert sorted(os.listdir(tmp_path)) == sorted(["go", *(str(k) for k in range(10))])


def _read(name):
    with open(name) as file:
        return file.read()


def test_kill_ends_a_task_that_runs(pool, tmp_path):
    go = os.path.join(tmp_path, "go")
    os.mkfifo(go)
    future = pool.submit(_read, go)
    with open(go, "w"):  # it has begun
        assert future.kill()
        with pytest.raises(parmap.TaskNotRun, match="killed"):
            future.result()
    assert not future.kill()
    assert pool.submit(abs, -1).result() == 1


def test_callbacks_as_completed_and_wait(pool):
    called = threading.Event()
    future = pool.submit(abs, -1)
    future.add_done_callback(lambda each: called.set())
    assert called.wait(20)
    futures = {pool.submit(pow, k, 2): k for k in range(20)}
    for each in concurrent.futures.as_completed(futures):
        assert each.result() == futures[each] ** 2


def test_asyncio(pool):
    async def main():
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(pool, abs, -k) for k in range(20)))

    assert asyncio.run(main()) == list(range(20))


def test_shutdown_finishes_what_was_submitted():
    pool = parmap.Executor(1)
    futures = [pool.submit(abs, -k) for k in range(100)]
    pool.shutdown(wait=False)
    assert [each.result() for each in futures] == list(range(100))
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(abs, 1)
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.map(abs, [1])
    with pytest.raises(RuntimeError, match="after shutdown"):
        parmap.parmap(abs, [1], engine=pool)
    pool.shutdown()


def test_shutdown_cancels():
    pool = parmap.Executor(1)
    futures = [pool.submit(time.sleep, 0.05) for _ in range(50)]
    pool.shutdown(cancel_futures=True)
    assert all(each.done() for each in futures)
    assert futures[-1].cancelled()


def test_what_cannot_be_pickled_is_the_exception_of_its_future(pool):
    assert isinstance(pool.submit(abs, threading.Lock()).exception(), TypeError)
    assert isinstance(pool.submit(threading.Lock).exception(), parmap.UnpicklableResult)
    assert pool.submit(abs, -1).result() == 1


def test_terminate_workers():
    for how in ("terminate_workers", "kill_workers"):
        pool = parmap.Executor(1)
        futures = [pool.submit(time.sleep, 100) for _ in range(3)]
        getattr(pool, how)()
        for each in futures:
            with pytest.raises(parmap.BrokenPool, match=how):
                each.result()


def test_terminate_workers_that_do_not_begin():
    pool = parmap.Executor(1, init=_never)
    future = pool.submit(abs, 1)
    pool.terminate_workers()
    assert isinstance(future.exception(), parmap.BrokenPool)


def _never():
    while True:
        signal.pause()


def test_the_template_process_is_killed():
    with parmap.Executor(2) as pool:
        template = pool.submit(os.getppid).result()
        futures = [pool.submit(time.sleep, 100) for _ in range(5)]
        os.kill(template, signal.SIGKILL)
        for each in futures:
            with pytest.raises(concurrent.futures.BrokenExecutor, match="killed"):
                each.result()
        with pytest.raises(parmap.BrokenPool):
            pool.submit(abs, 1)
        with pytest.raises(parmap.BrokenPool):
            parmap.parmap(abs, [1], engine=pool)
        pool.restart()
        assert pool.submit(abs, -1).result() == 1


def test_a_forked_process_is_refused(pool):
    pool.submit(abs, 1).result()
    assert parmap.parmap(lambda _: _refusal(pool), [1]) == [True]
    child = os.fork()
    if child == 0:
        os._exit(0 if _refusal(pool) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert pool.submit(abs, -2).result() == 2


def _refusal(pool):
    try:
        pool.submit(abs, 1)
    except RuntimeError as error:
        return "another process" in str(error)


def test_python_ends_with_the_pool(tmp_path):
    text = run(
        f"""
        import os, parmap, time
        pool = parmap.Executor(2)
        for k in range(20):
            pool.submit(os.mkdir, {str(tmp_path)!r} + f"/{{k}}")
        idle = parmap.Executor(1)
        mapped = parmap.Executor(1)
        print(parmap.parmap(abs, [-1], engine=mapped))
        """
    )
    assert text == "[1]\n"
    assert len(os.listdir(tmp_path)) == 20


@pytest.mark.parametrize("how", ["with parmap.Executor(2) as pool:", "if pool := parmap.Executor(2):"], ids=["with", "bare"])
def test_ctrl_c_ends_a_program_though_tasks_run(how, tmp_path):
    program = f"""
        import os, parmap, signal, time
        def task(caller):
            os.kill(caller, signal.SIGINT)
            time.sleep(1000)
        {how}
            try:
                pool.submit(task, os.getpid()).result()
            finally:
                print("ended", flush=True)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "ended\n" and done.stderr.rstrip().endswith("KeyboardInterrupt"), done.stderr
    assert done.returncode in (130, -signal.SIGINT)


def test_an_open_stream_at_the_end_of_python():
    text = run(
        """
        import itertools, parmap
        pool = parmap.Executor(2)
        values = parmap.imap(abs, itertools.count(), engine=pool)
        print(next(values), next(values))
        """
    )
    assert text == "0 1\n"


def test_submit_as_python_ends():
    text = run(
        """
        import atexit, parmap
        pool = parmap.Executor(2)
        def last():
            for act in (lambda: pool.submit(abs, 1), lambda: list(pool.map(abs, [1]))):
                try:
                    print(act())
                except RuntimeError as error:
                    print(error)
        atexit.register(last)
        pool.submit(abs, 1)
        """
    )
    assert text == "cannot schedule new futures after interpreter shutdown\n" * 2


def test_a_thread_that_runs_on_at_the_end_of_python_may_use_its_executor():
    text = run(
        """
        import parmap, threading, time
        from parmap import parmap as pmap
        pool = parmap.Executor(2)
        def work():
            time.sleep(0.3)
            try:
                print(pmap(abs, [-1], engine=pool))
            except RuntimeError as error:
                print(error)
        threading.Thread(target=work).start()
        """
    )
    assert text in ("[1]\n", "cannot schedule new futures after interpreter shutdown\n")


def test_a_loop_of_executors_leaves_nothing_behind():
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    for k in range(10):
        with parmap.Executor(2) as pool:
            assert pool.submit(abs, -k).result() == k
            assert parmap.parmap(abs, [-k], engine=pool) == [k]
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_a_map_that_is_closed_runs_no_further_call(tmp_path):
    with parmap.Executor(1) as pool:
        go = os.path.join(tmp_path, "go")
        os.mkfifo(go)
        first = pool.submit(_read, go)
        results = pool.map(os.mkdir, [tmp_path / str(k) for k in range(500)])
        results.close()
        with open(go, "w"):
            pass
        first.result()
    assert os.listdir(tmp_path) == ["go"]


def test_an_executor_that_is_freed_ends():
    pool = parmap.Executor(1)
    thread_of = pool._pool
    future = pool.submit(abs, -5)
    del pool
    assert future.result() == 5
    thread_of.thread.join(20)
    assert not thread_of.thread.is_alive()


def test_the_name_of_another_library():
    with pytest.raises(AttributeError, match=r"parmap\.Executor"):
        parmap.Pool
    assert not hasattr(parmap, "no_such_name")


def test_functions_of_main_inside_of_arguments_count_as_they_are_now():
    """They are pickled once, as long as nothing that they are made of changes."""
    program = """
        import functools
        import numpy as np
        import parmap
        data = np.arange(3.0)
        scale = 1
        count = 0
        def inner(x):
            return scale * x + data.sum()
        def set_count(x):
            global count
            count = x
            return count
        def get_count():
            return count
        class Caller:
            def __init__(self, f):
                self.f = f
            def __call__(self, x):
                return self.f(x)
        def call(f, x):
            return f(x)
        def both(f, g, x):
            f(x)
            return g()
        with parmap.Executor(1) as pool:
            caller = functools.partial(inner)
            def now():
                return pool.submit(call, caller, 1).result(), pool.submit(call, Caller(inner), 1).result(), next(pool.map(caller, [1]))
            print(now(), now())
            scale = 2
            print(now())
            data[0] = 10
            print(now())
            data = [1]
            try:
                now()
            except AttributeError as error:
                print(error)
            data = np.zeros(1)
            def inner(x):
                return x - 1
            caller = functools.partial(inner)
            print(now())
            print(pool.submit(both, set_count, get_count, 5).result())
            print(len(pool._pool.pickles.inputs(((inner, inner),))[0]) < 1.3 * len(pool._pool.pickles.inputs((inner,))[0]))
    """
    assert run(program).splitlines() == [
        "(np.float64(4.0), np.float64(4.0), np.float64(4.0)) (np.float64(4.0), np.float64(4.0), np.float64(4.0))",
        "(np.float64(5.0), np.float64(5.0), np.float64(5.0))",
        "(np.float64(15.0), np.float64(15.0), np.float64(15.0))",
        "'list' object has no attribute 'sum'",
        "(0, 0, 0)",
        "5",
        "True",
    ]
