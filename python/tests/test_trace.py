# SPDX-License-Identifier: MIT
"""The option trace: what the files say, on every engine; and PARMAP_TRACE."""

import asyncio
import gzip
import json
import operator
import os
import sys
import time

import pytest

import parmap as package
from helpers import for_engine, quiet, run
from parmap import parmap

ENGINES = {
    "multi": {},
    "spawn": {"start": "spawn"},
    "threads": {"engine": "threads"},
    "serial": {"engine": "serial"},
    "async": {"engine": "async"},
}


@pytest.fixture(scope="module", autouse=True)
def functions_by_value():
    """Test modules are not to be imported in workers that are programs."""
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


class Seen:
    """A trace and its status file."""

    def __init__(self, path):
        opened = gzip.open(path) if str(path).endswith(".gz") else open(path, "rb")
        with opened as file:
            self.events = json.load(file)
        with open(f"{path}.status", encoding="utf-8") as file:
            self.status = json.load(file)
        self.about = next(each["args"] for each in self.events if each["name"] == "parmap")
        self.end = next(each["args"] for each in self.events if each["name"] == "parmap_end")
        self.slices = [each for each in self.events if each["ph"] == "X"]

    def of_task(self, index, category="ok"):
        return [each for each in self.slices if each["cat"] == category and each["args"].get("task") == index]

    def tasks(self, category):
        return sum(each["args"].get("tasks", 1) for each in self.slices if each["cat"] == category)

    def expect(self, completed, failed, how="complete"):
        for each in (self.end, self.status):
            assert (each["completed"], each["failed"], each["how"]) == (completed, failed, how)
        assert self.status["ended"] and self.status["running"] == 0


def brief(mu, x0):
    time.sleep(0.001)
    return mu * x0


@pytest.mark.parametrize("engine", ENGINES)
def test_each_task_with_its_inputs(engine, tmp_path):
    path = tmp_path / "run.json"
    results = parmap(for_engine(brief, engine), grid=dict(mu=[0.5, 1.5, 2.5], x0=[1, 2]), trace=path,
                     label="<b>", reporter="silent", **ENGINES[engine])  # fmt: skip
    seen = Seen(path)
    seen.expect(6, 0)
    assert seen.about["label"] == "<b>" and seen.about["tasks"] == 6
    assert seen.about["engine"] == ("multi" if engine == "spawn" else engine)
    assert seen.tasks("ok") == 6
    for index, task in enumerate(results.tasks):
        (found,) = seen.of_task(index)
        assert found["args"]["inputs"] == f"mu={task['mu']}, x0={task['x0']}"
    assert results.summary().busy is not None  # a trace measures times


def failing(x):
    if x == 3:
        raise ValueError(f"x is {x}")
    return x


@pytest.mark.parametrize("engine", [each for each in ENGINES if each != "serial"])
def test_failures_and_repeated_attempts(engine, tmp_path):
    path = tmp_path / "run.json"
    quiet(for_engine(failing, engine), range(5), trace=path, retries=1, **ENGINES[engine])
    seen = Seen(path)
    seen.expect(4, 1)
    assert seen.end["retried"] == 1 and len(seen.of_task(3, "retried")) == 1
    (failed,) = seen.of_task(3, "failed")
    assert failed["args"]["kind"] == "threw" and failed["args"]["message"] == "ValueError: x is 3"
    (cause,) = seen.end["failures"]
    assert (cause["message"], cause["count"], cause["first"], cause["inputs"]) == ("ValueError: x is 3", 1, 3, "3")


def test_deaths(tmp_path):
    path = tmp_path / "run.json"
    quiet(lambda x: os._exit(7) if x == 1 else x, range(4), trace=path, n_worker=1)
    seen = Seen(path)
    seen.expect(3, 1)
    (failed,) = seen.of_task(1, "failed")
    assert failed["args"]["message"] == "its worker exited with status 7"
    assert sum(each["name"] == "worker begins" for each in seen.events) == 2


def test_the_exception_of_serial(tmp_path):
    with pytest.raises(ValueError):
        parmap(failing, range(5), trace=tmp_path / "a", engine="serial")
    seen = Seen(tmp_path / "a")
    seen.expect(3, 1, "exception")
    assert seen.end["failures"][0]["message"] == "ValueError: x is 3"


def test_short_tasks_share_slices(tmp_path):
    path = tmp_path / "run.json"
    parmap(abs, range(20_000), trace=path)
    seen = Seen(path)
    seen.expect(20_000, 0)
    assert seen.tasks("ok") == 20_000 and len(seen.slices) < 5000
    assert sum(seen.end["histogram"]) == 20_000


def test_inputs_that_take_code_of_the_user_are_left_out(tmp_path):
    class Input:
        def __repr__(self):
            raise AssertionError("repr is not to be called")

    def slow(x):
        time.sleep(0.001)

    parmap(slow, [Input(), 1], trace=tmp_path / "a", engine="threads")
    seen = Seen(tmp_path / "a")
    assert "inputs" not in seen.of_task(0)[0]["args"] and seen.of_task(1)[0]["args"]["inputs"] == "1"


def test_an_archive(tmp_path):
    path = tmp_path / "run.json.gz"
    parmap(failing, range(3), trace=path)
    Seen(path).expect(3, 0)
    assert sorted(os.listdir(tmp_path)) == ["run.json.gz", "run.json.gz.status"]


@pytest.mark.parametrize("engine", ("serial", "threads", "multi", "pool"))
def test_streams(engine, tmp_path):
    pool = package.Executor(2) if engine == "pool" else None
    for k, axis in enumerate((range(10), iter(range(10)))):
        path = tmp_path / f"{k}.json"
        last = 10 if engine != "serial" else 3
        outcomes = list(package.stream(failing, axis if engine != "serial" else range(3), engine=pool or engine, trace=path))
        assert len(outcomes) == last
        seen = Seen(path)
        seen.expect(*((9, 1) if engine != "serial" else (3, 0)))
        if engine != "serial":
            assert seen.of_task(3, "failed")[0]["args"]["message"] == "ValueError: x is 3"
            assert seen.end["failures"][0]["inputs"] == "3"
    if pool is not None:
        pool.shutdown()


def test_streams_that_end_early(tmp_path):
    with package.stream(failing, range(1000), engine="threads", trace=tmp_path / "a") as outcomes:
        next(outcomes)
    assert Seen(tmp_path / "a").end["how"] == "incomplete"
    with pytest.raises(ValueError):
        list(package.imap(failing, range(5), engine="threads", trace=tmp_path / "b"))
    assert Seen(tmp_path / "b").end["failed"] == 1


async def acoro(x):
    await asyncio.sleep(0)
    return failing(x)


def test_on_a_running_loop(tmp_path):
    async def main():
        async for _ in package.astream(acoro, range(10), trace=tmp_path / "a"):
            pass
        async for _ in package.astream(failing, range(10), engine="threads", trace=tmp_path / "b"):
            pass
        await package.parmap_async(acoro, range(3), trace=tmp_path / "c")

    asyncio.run(main())
    Seen(tmp_path / "a").expect(9, 1)
    Seen(tmp_path / "b").expect(9, 1)
    Seen(tmp_path / "c").expect(3, 0)


def append(to, x):
    to.append(x)


def test_reductions(tmp_path):
    assert package.map_reduce(abs, operator.add, range(1000), initial=0, engine="threads", trace=tmp_path / "a") == 499_500
    Seen(tmp_path / "a").expect(1000, 0)
    # Tasks of several rounds, with their numbers in the fold.
    assert len(package.fold([], append, list.extend, range(3000), engine="threads", trace=tmp_path / "b")) == 3000
    seen = Seen(tmp_path / "b")
    seen.expect(3000, 0)
    assert seen.end["tasks"] == 3000 and all(each["task"] < 3000 for each in seen.end["slowest"])
    assert all(each["inputs"] == str(each["task"]) for each in seen.end["slowest"])
    assert sorted(os.listdir(tmp_path)) == ["a", "a.status", "b", "b.status"]


def test_an_executor(tmp_path):
    with package.Executor(2) as pool:
        quiet(failing, range(10), engine=pool, trace=tmp_path / "a")
    Seen(tmp_path / "a").expect(9, 1)


def test_the_environment(tmp_path):
    run(
        """
        import operator, parmap
        from parmap import parmap as pmap
        def nested(x):
            return sum(pmap(abs, range(x), engine="serial"))
        pmap(nested, range(3))
        parmap.map_reduce(abs, operator.add, range(5), initial=0)
        pmap(abs, range(3), trace=False)
        """,
        env={**os.environ, "PARMAP_TRACE": str(tmp_path / "traces")},
    )
    traces = sorted(each for each in os.listdir(tmp_path / "traces") if each.endswith(".json"))
    assert len(traces) == 2 and all(each.startswith("python-") for each in traces), traces
    Seen(tmp_path / "traces" / traces[0]).expect(3, 0)


@pytest.mark.parametrize("wrong, error", [(5, TypeError), (True, TypeError), ("", ValueError), ("/no folder/x.json", OSError)])
def test_mistakes(wrong, error):
    def begun(x):
        raise AssertionError

    with pytest.raises(error, match="trace"):
        parmap(begun, [1], trace=wrong, engine="serial")


def test_the_status_while_tasks_run(tmp_path):
    path = tmp_path / "run.json"

    def task(mu):
        while mu == 3:
            with open(f"{path}.status", encoding="utf-8") as file:
                now = json.load(file)  # whole, whenever it is read
            if now["running"] and now["oldest"][0]["inputs"]:
                return now
        return None

    now = parmap(task, grid=dict(mu=range(4)), trace=path, n_worker=1)[3]
    (running,) = now["oldest"]
    assert (running["task"], running["inputs"], running["attempt"]) == (3, "mu=3", 1)
    assert now["completed"] == 3 and now["tasks"] == 4 and not now["ended"] and now["pid"] == os.getpid()
    assert now["rate"] > 0 and now["left"] > 0 and now["heartbeat"] >= now["began"]
