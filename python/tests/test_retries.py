# SPDX-License-Identifier: MIT
"""retry_delay_sec and retry_if, on every engine."""

import os
import threading
import time

import pytest

from helpers import for_engine, quiet
from parmap import ENGINES, Failure, TaskNotRun, TaskTimeout, parmap


class Attempts:
    """Counts the attempts of each task, in files, so that workers share them."""

    def __init__(self, directory):
        self.directory = directory

    def begin(self, task):
        """Returns the number of this attempt, from 1."""
        with open(self.directory / str(task), "ab", buffering=0) as file:
            file.write(b".")
        return self.of(task)

    def of(self, task):
        try:
            return os.path.getsize(self.directory / str(task))
        except FileNotFoundError:
            return 0


@pytest.fixture
def attempts(tmp_path):
    return Attempts(tmp_path)


@pytest.mark.parametrize("engine", ENGINES)
def test_each_task_runs_as_often_as_it_needs(engine, attempts):
    def task(i):
        if attempts.begin(i) <= i % 3:
            raise ValueError("not yet")
        return i

    results = parmap(for_engine(task, engine), range(30), engine=engine, retries=2, retry_delay_sec=0.001, n_worker=3, on_error="raise")
    assert results == list(range(30))
    assert [attempts.of(i) for i in range(30)] == [i % 3 + 1 for i in range(30)]


@pytest.mark.parametrize("delay", [0, 0.001])
def test_the_last_failure_counts(skipping, delay, attempts):
    def task(i):
        raise ValueError(f"attempt {attempts.begin(i)}")

    results = quiet(for_engine(task, skipping), range(6), engine=skipping, retries=2, retry_delay_sec=delay, retry_if=lambda why: True)
    assert [str(each) for each in results.failures] == [f"task {i} threw: ValueError: attempt 3 (3 attempts)" for i in range(6)]


def test_retry_if_gets_each_failure_but_the_last(skipping, attempts):
    asked = []

    def task(i):
        raise (KeyError if i else ValueError)(attempts.begin(i))

    def retry_if(why):
        asked.append(why)
        return isinstance(why.exception, ValueError)

    results = quiet(for_engine(task, skipping), range(2), engine=skipping, retries=2, retry_if=retry_if)
    assert all(type(each) is Failure for each in asked)
    assert sorted((each.index, each.attempts, type(each.exception).__name__, each.task) for each in asked) == [
        (0, 1, "ValueError", (0,)), (0, 2, "ValueError", (0,)), (1, 1, "KeyError", (1,))]  # fmt: skip
    assert "task" in asked[0].traceback
    assert [each.attempts for each in results.failures] == [3, 1]


def test_retry_if_of_serial_sees_the_exception_itself(attempts):
    error = ValueError("no")
    asked = []

    def task(i):
        raise error

    with pytest.raises(ValueError) as caught:
        parmap(task, [1], engine="serial", retries=1, retry_if=lambda why: asked.append(why.exception) or False)
    assert caught.value is error and asked == [error]


@pytest.mark.parametrize("engine", ENGINES)
def test_what_retry_if_raises_ends_the_map(engine):
    def retry_if(why):
        raise LookupError("cannot tell")

    with pytest.raises(LookupError, match="cannot tell"):
        parmap(for_engine(lambda i: 1 // (i - 3), engine), range(1000), engine=engine, retries=2, retry_if=retry_if)


def test_only_late_tasks(attempts):
    def task(i):
        if i == 1 and attempts.begin(i) == 1:
            time.sleep(3600)
        if i == 2:
            os._exit(3)
        return i

    def is_late(why):
        return isinstance(why.exception, TaskTimeout)

    results = quiet(task, range(4), retries=2, retry_if=is_late, retry_delay_sec=0.01, timeout_sec=0.3, n_worker=2)
    assert results == [0, 1, None, 3]
    assert [(each.index, each.kind, each.attempts) for each in results.failures] == [(2, "exited", 1)]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_each_kind_of_end(start, attempts):
    if start == "spawn":
        pytest.importorskip("cloudpickle")

    def task(i):
        if attempts.begin(i) == 1:
            if i == 0:
                os._exit(3)
            if i == 1:
                os.abort()
            if i == 2:
                time.sleep(3600)
            raise ValueError(i)
        return str(i)

    options = dict(retries=1, retry_delay_sec=0.01, timeout_sec=2, n_worker=2, start=start, on_error="raise")
    assert parmap(task, range(5), **options) == ["0", "1", "2", "3", "4"]


def test_a_halted_map_tries_nothing_again(skipping, attempts):
    def task(i):
        attempts.begin(i)
        raise ValueError

    results = quiet(for_engine(task, skipping), range(4), engine=skipping, retries=5, retry_delay_sec=3600, deadline_sec=1)
    assert [(each.kind, each.attempts, type(each.exception)) for each in results.failures] == [("stopped", 1, TaskNotRun)] * 4
    assert [attempts.of(i) for i in range(4)] == [1] * 4


def test_a_stop_ends_the_wait(skipping):
    stop = threading.Event()

    def retry_if(why):
        stop.set()
        return True

    results = quiet(for_engine(lambda i: 1 // i, skipping), [0], engine=skipping, retries=5, retry_delay_sec=3600, retry_if=retry_if, stop=stop)
    assert [(each.kind, each.attempts) for each in results.failures] == [("stopped", 1)]


def test_other_tasks_run_meanwhile(skipping, attempts):
    """The failed task waits until all others have run."""
    last = 50

    def task(i):
        if i == 0 and attempts.begin(0) == 1:
            raise ValueError
        if i == 0 and attempts.of(last) == 0:
            raise AssertionError("the others have not run")
        attempts.begin(i)
        return i

    results = quiet(for_engine(task, skipping), range(last + 1), engine=skipping, retries=1, retry_delay_sec=1, n_worker=1)
    assert results.ok and results == list(range(last + 1))


@pytest.mark.parametrize("bad, error", [(-1, ValueError), ("1", TypeError), (float("nan"), ValueError)])
def test_a_bad_delay(bad, error):
    with pytest.raises(error, match="retry_delay_sec"):
        parmap(abs, [1], retries=1, retry_delay_sec=bad)


def test_a_bad_retry_if():
    with pytest.raises(TypeError, match="retry_if must be callable"):
        parmap(abs, [1], retries=1, retry_if="threw")
