# SPDX-License-Identifier: MIT
"""deadline_sec and deadline="slurm": what is done stays, and the map ends though its tasks would take hours."""

import asyncio
import re
import threading
import time
from pathlib import Path

import pytest

from helpers import for_engine, quiet
from parmap import ENGINES, TaskNotRun, TaskTimeout, _deadline, parmap, parmap_async

TASKS = 100_000


def stopped(results):
    """Checks that each other task has its value. Returns the stopped ones."""
    failures = results.failures
    assert {each.kind for each in failures} <= {"stopped"}
    assert all(type(each.exception) is TaskNotRun for each in failures)
    without = {each.index for each in failures}
    assert all((value is None) if index in without else (value == index) for index, value in enumerate(results))
    return failures


@pytest.mark.parametrize("engine", ENGINES)
def test_it_ends_a_map_of_hours(engine):
    def task(i):
        time.sleep(0.005)
        return i

    failures = stopped(quiet(for_engine(task, engine), range(TASKS), engine=engine, deadline_sec=0.5, n_worker=2))
    assert 0 < len(failures) < TASKS
    assert str(failures[-1]).endswith("stopped: TaskNotRun: not finished, because the deadline was reached")


@pytest.mark.parametrize("engine", ENGINES)
def test_one_far_away_changes_nothing(engine):
    for far in (3600, 1e300):
        assert parmap(for_engine(abs, engine), range(4), engine=engine, deadline_sec=far, on_error="raise") == [0, 1, 2, 3]


def test_multi_kills_after_the_grace():
    def task(i):
        while i % 2:
            time.sleep(3600)
        return i

    failures = stopped(quiet(task, range(100), deadline_sec=1, retries=3, n_worker=2))
    assert len(failures) >= 50 and (failures[0].index, failures[0].attempts) == (1, 1)


def test_threads_raises_after_the_grace():
    raised = []

    def task(i):
        try:
            while i % 2:
                time.sleep(0.001)
        except BaseException as error:
            raised.append(type(error))
            raise
        return i

    failures = stopped(quiet(task, range(100), engine="threads", deadline_sec=0.5, retries=3, n_worker=4))
    assert len(failures) >= 50 and failures[0].index == 1 and set(raised) == {TaskNotRun}


def test_a_timeout_beside_it_in_threads():
    def task(i):
        while True:
            time.sleep(0.001)

    results = quiet(task, range(TASKS), engine="threads", deadline_sec=0.5, timeout_sec=0.05, n_worker=2)
    kinds = {each.kind for each in results.failures}
    assert kinds == {"timed_out", "stopped"}
    assert type(next(each for each in results.failures if each.kind == "timed_out").exception) is TaskTimeout


def test_async_cancels_after_the_grace():
    async def task(i):
        if i % 2:
            await asyncio.sleep(3600)
        return i

    failures = stopped(quiet(task, range(100), engine="async", deadline_sec=0.3, retries=3))
    assert len(failures) == 50 and failures[0].attempts == 1

    async def here():
        return await parmap_async(task, range(100), deadline_sec=0.3, on_error=lambda *_: None)

    assert len(stopped(asyncio.run(here()))) == 50


def test_async_abandons_what_ignores_the_cancellation():
    async def task(i):
        while i == 0:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass
        return i

    assert len(stopped(quiet(task, range(3), engine="async", deadline_sec=0.3))) == 1


def test_a_stop_before_it_keeps_its_reason():
    stop = threading.Event()
    stop.set()

    def task(i):
        time.sleep(0.01)
        return i

    results = quiet(task, range(TASKS), deadline_sec=3600, stop=stop)
    assert str(results.failures[-1].exception) == "not finished, because the map was stopped"


@pytest.mark.parametrize("bad, error", [(0, ValueError), (-1, ValueError), ("slurm", TypeError), (10**400, ValueError), (float("nan"), ValueError)])
def test_a_bad_number(bad, error):
    with pytest.raises(error, match="deadline_sec"):
        parmap(abs, [1], deadline_sec=bad)


def test_the_end_of_a_slurm_job(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert _deadline.seconds_left("slurm") is None
    assert parmap(abs, [-1], deadline="slurm", on_error="raise") == [1]
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    with pytest.raises(ValueError, match="SLURM_JOB_END_TIME"):
        parmap(abs, [1], deadline="slurm")
    for hours in (0.05, 0.5, 24):
        end = int(time.time() + 3600 * hours)
        monkeypatch.setenv("SLURM_JOB_END_TIME", str(end))
        left = _deadline.seconds_left("slurm")
        margin = end - time.time() - left - _deadline.grace(left)
        assert 59 < margin < 61
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time())))
    assert len(stopped(quiet(lambda i: time.sleep(1) or i, range(TASKS), deadline="slurm"))) >= TASKS - 64
    with pytest.raises(TypeError, match="two ways to say the same"):
        parmap(abs, [1], deadline="slurm", deadline_sec=5)
    with pytest.raises(ValueError, match="deadline must be 'slurm'"):
        parmap(abs, [1], deadline="pbs")


def test_both_languages_have_the_same_grace():
    header = Path(__file__).resolve().parents[2] / "include/parmap/detail/schedule/deadline.hpp"
    assert float(re.search(r"longest_grace = std::chrono::seconds\((\d+)\)", header.read_text())[1]) == _deadline._LONGEST_GRACE
