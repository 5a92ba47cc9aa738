# SPDX-License-Identifier: MIT
"""Executors under tasks that do all that is wrong, and under callers that cancel and kill: each future ends once, and as it must."""

import concurrent.futures
import os
import random
import signal
import threading
import time

import pytest

import parmap
from helpers import quiet, run


def act(how, k):
    if how == "raise":
        raise ValueError(k)
    if how == "exit":
        os._exit(k % 200 + 1)
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "hang":
        time.sleep(1000)
    if how == "large":
        return bytes([k % 256]) * 200_000
    if how == "slow":
        time.sleep(0.003)
    return k


def check(future, how, k):
    error = future.exception()
    if how == "raise":
        assert isinstance(error, ValueError) and error.args == (k,)
    elif how == "exit":
        assert isinstance(error, parmap.WorkerDied) and error.status == k % 200 + 1
    elif how == "crash":
        assert isinstance(error, parmap.WorkerDied) and error.signal == signal.SIGSEGV
    elif how == "hang":
        assert isinstance(error, parmap.TaskTimeout)
    elif how == "large":
        assert future.result() == bytes([k % 256]) * 200_000
    else:
        assert future.result() == k


@pytest.mark.parametrize("seed", range(4))
def test_every_future_ends_as_its_task_does(seed):
    chosen = random.Random(seed)
    kinds = ["ok"] * 20 + ["slow"] * 6 + ["large"] * 4 + ["raise", "exit", "crash"]
    with parmap.Executor(3, timeout_sec=30) as pool:
        submitted = [(pool.submit(act, how, k), how, k) for k, how in enumerate(chosen.choices(kinds, k=400))]
        for future, how, k in submitted:
            check(future, how, k)


def test_a_task_that_hangs_holds_up_no_other():
    with parmap.Executor(3, timeout_sec=1) as pool:
        submitted = [(pool.submit(act, how, k), how, k) for k, how in enumerate(["hang", "ok", "hang", "ok", "ok"])]
        for future, how, k in submitted:
            check(future, how, k)


@pytest.mark.parametrize("seed", range(4))
def test_cancel_and_kill_at_any_time(seed):
    chosen = random.Random(seed)
    ran = []  # numbers of tasks that have run, as they say

    with parmap.Executor(2) as pool:
        futures = []
        for k in range(300):
            futures.append(pool.submit(act, chosen.choice(["ok", "slow"]), k))
            if chosen.random() < 0.3:
                victim = chosen.choice(futures)
                if chosen.random() < 0.5:
                    if victim.cancel():
                        assert victim.cancelled() and victim.done()
                else:
                    victim.kill()
        done, rest = concurrent.futures.wait(futures, timeout=60)
        assert not rest
        for k, each in enumerate(futures):
            if each.cancelled():
                continue
            error = each.exception()
            assert error is None or isinstance(error, parmap.TaskNotRun)
            if error is None:
                assert each.result() == k
                ran.append(k)
        assert pool.submit(act, "ok", -1).result() == -1
    assert ran


def test_workers_that_are_killed_from_outside():
    with parmap.Executor(2) as pool:
        for _ in range(10):
            pid = pool.submit(os.getpid).result()
            futures = [pool.submit(act, "slow", k) for k in range(20)]
            os.kill(pid, signal.SIGKILL)
            ends = [each.exception() for each in futures]
            assert sum(each is not None for each in ends) <= 1
            assert all(each is None or isinstance(each, parmap.WorkerDied) for each in ends)


def test_maps_and_futures_of_many_threads_with_crashes():
    errors = []

    def maps(n):
        for _ in range(5):
            results = quiet(act, ["ok"] * 30 + ["exit"] + ["ok"] * 30, [n], engine=pool)
            assert [each.index for each in results.failures] == [30]
            assert results == [n] * 30 + [None] + [n] * 30

    def futures(n):
        submitted = [(pool.submit(act, how, n), how, n) for how in ["ok", "raise", "exit", "large"] * 10]
        for each in submitted:
            check(*each)

    def calls(n):
        for _ in range(3):
            assert list(pool.map(act, ["ok"] * 200, range(n, n + 200))) == list(range(n, n + 200))

    def guarded(work, n):
        try:
            work(n)
        except BaseException as error:
            errors.append(error)

    with parmap.Executor(3) as pool:
        threads = [threading.Thread(target=guarded, args=(work, n)) for n in range(3) for work in (maps, futures, calls)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(100)
    assert not errors


@pytest.mark.parametrize("when", ["before", "during", "idle"])
def test_the_template_process_is_killed_at_any_time(when):
    with parmap.Executor(2) as pool:
        template = pool.submit(os.getppid).result()
        if when == "before":
            os.kill(template, signal.SIGKILL)
        futures = []
        try:
            futures = [pool.submit(act, "slow", k) for k in range(300)]
            if when == "idle":
                concurrent.futures.wait(futures)
            os.kill(template, signal.SIGKILL)
        except (parmap.BrokenPool, ProcessLookupError):
            assert when == "before"
        done, rest = concurrent.futures.wait(futures, timeout=30)
        assert not rest
        assert all(isinstance(each.exception(), parmap.BrokenPool) or each.result() == k for k, each in enumerate(futures))
        pool.restart()
        assert pool.submit(act, "ok", 3).result() == 3


def test_the_program_is_killed_and_leaves_no_worker(tmp_path):
    text = run(
        f"""
        import os, parmap, signal, time
        child = os.fork()
        if child == 0:
            pool = parmap.Executor(2)
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
