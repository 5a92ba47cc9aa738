# SPDX-License-Identifier: MIT
"""Maps over a Dask cluster of two workers. test_dask.py runs this file by a pytest of its own, as Dask's threads and processes would be
in the way of other tests. One file, as the cluster is started once for all."""

import collections
import functools
import itertools
import operator
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import dask
import distributed
import pytest

import parmap
from cluster_checks import check_folds
from helpers import until
from parmap import parmap as pmap


@pytest.fixture(scope="module")
def client():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None, silence_logs=50) as cluster:
        with distributed.Client(cluster, set_as_default=False) as made:
            yield made


@pytest.fixture(autouse=True)
def no_child_is_left(client):
    """Here the workers of the cluster are; nothing is left in these."""
    yield
    until(lambda: children_of(client) == 0)


def quiet(func, *axes, **options):
    return pmap(func, *axes, on_error=lambda func, task, error: None, **options)


def pids(client):
    return sorted(client.run(os.getpid).values())


def children_of(client):
    """Of the workers of Dask."""
    return sum(client.run(lambda: len(subprocess_children(os.getpid()))).values())


def subprocess_children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        found = file.read().split()
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children") as file:
            found += file.read().split()
    return [each for each in found if not is_tracker(each)]


def is_tracker(pid):
    """A process of multiprocessing, which stays as long as the worker of Dask."""
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return "resource_tracker" in file.read()
    except OSError:
        return False  # it has ended


# ---- what a map gives


def test_inputs_of_all_kinds(client):
    assert pmap(lambda x: x * x, range(1000), engine=client) == [x * x for x in range(1000)]
    assert pmap(lambda x, y, n: (x, y, n), [1, 2], "ab", fargs=dict(n=3), engine=client) == [(x, y, 3) for x in (1, 2) for y in "ab"]
    assert pmap(lambda x, y: x + y, parmap.zip([1, 2], [3, 4]), engine=client) == [4, 6]
    grid = pmap(lambda mu, x0: (mu, x0), grid=dict(mu=[1, 2], x0=[3, 4]), where=lambda mu, x0: mu + x0 != 5, engine=client)
    assert grid == [(1, 3), (2, 4)] and grid.tasks[1] == dict(mu=2, x0=4) and len(grid.left_out) == 2
    assert pmap(abs, [], engine=client) == []


class Point:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return type(other) is type(self) and other.x == self.x


def test_values_of_all_kinds(client):
    values = [1, 2**80, 1.5, None, True, "text", b"bytes", (1, [2]), {3: 4}, Point(5), bytes(3 << 20), 1j]
    found = pmap(lambda i: values[i], range(len(values)), engine=client)
    assert found == values and [type(each) for each in found] == [type(each) for each in values]


def test_large_inputs(client):
    data = [bytes([k]) * (1 << 20) for k in range(4)]
    assert pmap(lambda each: each[-1] + len(each), data, engine=client) == [k + (1 << 20) for k in range(4)]


def test_parts_of_a_map_and_a_checkpoint_on_a_cluster(client, tmp_path):
    def draw(i):
        if i == 12:
            raise ValueError("no convergence")
        return i, parmap.context().index, parmap.rng().random()

    whole = quiet(draw, range(20), seed=5, engine="threads", reporter="silent")
    for file in (None, str(tmp_path / "sweep.db"), str(tmp_path / "sweep.db")):
        for k in range(3):
            keep = None if file is None else parmap.checkpoint(file, name="draw")
            own = quiet(draw, range(20), seed=5, engine=client, part=(k, 3), checkpoint=keep, reporter="silent")
            assert own.here == list(range(k, 20, 3)) and all(own[i] == whole[i] for i in own.here)
            assert [(each.index, each.task) for each in own.failures] == [(12, (12,))] * (k == 0)
    assert len(own.stored) == 6


def test_random_numbers_do_not_depend_on_who_runs_them(client):
    def draw(i):
        return parmap.rng().random(3).tolist()

    here = pmap(draw, range(50), seed=42, engine="serial")
    for engine in (client, parmap.DaskEngine(client, workers=sorted(client.nthreads())[0]), parmap.DaskEngine(client, n_worker=5)):
        found = pmap(draw, range(50), seed=42, engine=engine)
        assert found == here and found.seed == 42


def test_the_context(client):
    barrier = time.monotonic() + 0.2

    def task(i):
        time.sleep(max(0, barrier - time.monotonic()))
        return tuple(parmap.context()), os.getpid()

    found = pmap(task, range(40), engine=client)
    assert [each[0][0] for each in found] == list(range(40))
    numbers = {pid: number for (_, _, number), pid in found}
    assert set(numbers.values()) == {0, 1, 2, 3} and len(numbers) == 4


def test_init_finish_and_max_tasks(client, tmp_path):
    def init():
        (tmp_path / f"begun.{os.getpid()}").touch()
        return os.getpid()

    def finish():
        (tmp_path / f"ended.{os.getpid()}").touch()

    found = pmap(lambda i: parmap.context().state == os.getpid() and os.getpid(), range(20), init=init, finish=finish, max_tasks=2, engine=client)
    workers = set(found)
    assert False not in workers and len(workers) >= 10
    names = {each.name for each in tmp_path.iterdir()}
    assert {f"{what}.{pid}" for pid in workers for what in ("begun", "ended")} <= names


def test_times(client):
    def task(i):
        time.sleep(0.2 if i == 3 else 0.001)

    summary = pmap(task, range(10), times=True, engine=client).summary()
    assert summary.slowest[0].index == 3 and 0 < summary.busy <= 1


# ---- failures


def test_each_fault_costs_its_task_alone(client):
    def task(i):
        if i == 7:
            os._exit(3)
        if i == 11:
            time.sleep(1000)
        if i == 13:
            os.kill(os.getpid(), signal.SIGSEGV)
        if i == 17:
            raise KeyError("x")
        if i == 19:
            return threading.Lock()
        return i

    results = quiet(task, range(100), timeout_sec=2, engine=client)
    kinds = {each.index: each.kind for each in results.failures}
    assert kinds == {7: "exited", 11: "timed_out", 13: "crashed", 17: "threw", 19: "unencodable"}
    assert [each for i, each in enumerate(results) if i not in kinds] == [i for i in range(100) if i not in kinds]
    by_index = {each.index: each for each in results.failures}
    assert by_index[7].exception.status == 3 and by_index[13].exception.signal == signal.SIGSEGV
    assert isinstance(by_index[17].exception, KeyError) and by_index[17].traceback.splitlines()[1].endswith("in task")
    assert "timeout_sec=2" in str(by_index[11]) and "threading.Lock" not in by_index[19].traceback
    host = client.run(lambda: __import__("socket").gethostname()).popitem()[1]
    assert {each.host for each in results.failures} == {host} and str(by_index[7]).endswith(f"(on {host})")
    assert children_of(client) == 0


def test_a_value_that_cannot_be_unpickled_here(client):
    class Odd:
        def __reduce__(self):
            return functools.partial(refuse_here, os.getpid()), ()

    here = os.getpid()

    def refuse_here(pid):
        if os.getpid() == here:
            raise ValueError("not here")

    results = quiet(lambda i: Odd() if i == 1 else i, range(3), engine=client)
    assert list(results) == [0, None, 2] and results.failures[0].kind == "unencodable" and "not here" in str(results.failures[0])


def test_retries(client):
    def task(i):
        attempt = parmap.context().attempt
        if attempt <= i:
            raise ValueError(i)
        return attempt

    results = quiet(task, range(5), retries=3, retry_if=lambda why: why.task == (why.index,) and why.kind == "threw", engine=client)
    assert list(results) == [1, 2, 3, 4, None] and results.failures[0].attempts == 4
    with pytest.raises(ZeroDivisionError):
        pmap(task, range(5), retries=3, retry_if=lambda why: 1 / 0, engine=client)


def test_other_tasks_run_while_a_failed_one_waits(client, tmp_path):
    def task(i):
        if i == 0 and parmap.context().attempt == 1:
            raise ValueError
        if i == 0:
            return (tmp_path / "last").exists()
        if i == 20:
            (tmp_path / "last").touch()
        return True

    assert pmap(task, range(21), n_worker=1, retries=1, retry_delay_sec=4, engine=client) == [True] * 21


def test_memory_limit(client):
    results = quiet(lambda i: len(bytes(500_000_000)) if i == 1 else i, range(3), memory_limit="200MB", engine=client)
    assert list(results) == [0, None, 2] and results.failures[0].kind == "out_of_memory"


def test_raise_max_failures_stop_and_deadline(client):
    def task(i):
        if i == 5:
            raise ValueError(i)
        time.sleep(0.05)

    with pytest.raises(ValueError) as raised:
        pmap(task, range(1000), on_error="raise", engine=client)
    assert [each.index for each in raised.value.results.failures if each.kind != "stopped"] == [5]
    results = quiet(lambda i: 1 / 0, range(1000), max_failures=3, engine=client)
    kinds = collections.Counter(each.kind for each in results.failures)
    assert 3 <= kinds["threw"] < 1000 and kinds["stopped"] == 1000 - kinds["threw"]
    stop = threading.Event()
    results = quiet(lambda i: time.sleep(0.02) or i, range(10_000), stop=stop, reporter=lambda i, n: stop.set(), engine=client)
    assert 0 < 10_000 - len(results.failures) < 10_000 and {each.kind for each in results.failures} == {"stopped"}
    results = quiet(lambda i: time.sleep(0.02) or i, range(10_000), deadline_sec=0.5, engine=client)
    assert {each.kind for each in results.failures} == {"stopped"} and "the deadline" in str(results.failures[-1])
    assert children_of(client) == 0


def test_what_a_reporter_raises_ends_the_map(client):
    def report(i, n):
        raise LookupError

    with pytest.raises(LookupError):
        pmap(lambda i: time.sleep(0.1), range(1000), reporter=report, engine=client)
    until(lambda: children_of(client) == 0)


def test_workers_that_cannot_begin_end_the_map(client):
    with pytest.raises(RuntimeError, match="worker processes in a row died before they began a task") as raised:
        pmap(abs, range(50), init=lambda: os._exit(3), engine=client)
    assert any("the Dask worker" in each for each in raised.value.__notes__)


def test_the_reporter_says_where_tasks_run(client, capsys):
    pmap(abs, range(100), reporter="text", engine=client)
    assert "1 node, 4 workers" in capsys.readouterr().err


# ---- streams and reductions


def test_streams(client):
    assert list(parmap.imap(lambda x: x + 1, range(500), engine=client)) == list(range(1, 501))
    assert sorted(parmap.imap_unordered(lambda x: x + 1, range(100), buffersize=20, engine=client)) == list(range(1, 101))
    with parmap.stream(lambda x: 1 // x, range(5), engine=client, ordered=True) as outcomes:
        found = list(outcomes)
    assert [each.index for each in found] == list(range(5)) and [bool(each) for each in found] == [False, True, True, True, True]
    assert found[0].failure.kind == "threw" and found[1].value == 1 and found[1].task == (1,) and found[1].attempts == 1
    assert outcomes.summary().failed == 1 and outcomes.summary().tasks == 5
    with pytest.raises(ZeroDivisionError):
        list(parmap.imap(lambda x: 1 // x, range(5), engine=client))
    assert [each.task for each in parmap.stream(lambda mu: mu, grid=dict(mu=[1, 2]), ordered=True, engine=client)] == [dict(mu=1), dict(mu=2)]
    assert list(parmap.stream(abs, [], engine=client)) == []


def test_a_stream_that_is_left(client, tmp_path):
    def task(i):
        (tmp_path / str(i)).touch()
        time.sleep(0.02)
        return i

    for outcome in parmap.stream(task, range(10_000), window=10, engine=client):
        assert outcome.index < 10
        break
    assert len(list(tmp_path.iterdir())) <= 11
    until(lambda: children_of(client) == 0)
    with parmap.stream(lambda i: time.sleep(100), range(2), engine=client) as outcomes, pytest.raises(TimeoutError):
        outcomes.next(0.2)


def test_streams_of_iterators(client):
    assert list(parmap.imap(lambda x, y: (x, y), iter(range(100)), "ab", engine=client)) == [(x, y) for x in range(100) for y in "ab"]
    points = parmap.imap_unordered(lambda point: point.x, (Point(k) for k in range(50)), engine=client)
    assert sorted(points) == list(range(50))
    read = []
    with parmap.imap(lambda x: x + 1, (read.append(k) or k for k in itertools.count()), engine=client, buffersize=20) as values:
        assert list(itertools.islice(values, 100)) == list(range(1, 101))
    assert 100 <= len(read) <= 121

    def ends_badly():
        yield from (1, 2)
        raise LookupError

    found = collections.deque()
    with pytest.raises(LookupError):
        found.extend(parmap.imap(abs, ends_badly(), engine=client))
    assert list(found) == [1, 2]
    with pytest.raises(TypeError, match="an element of type _thread.lock"):
        list(parmap.imap(abs, iter([threading.Lock()]), engine=client))
    again = parmap.imap(lambda x: 1 // (parmap.context().attempt - 1) and x, iter([7, 8]), retries=1, retry_if=lambda why: why.task == (7 + why.index,), engine=client)
    assert list(again) == [7, 8] and list(parmap.imap(abs, iter([]), engine=client)) == []


def test_a_stream_stops_at_its_deadline(client):
    with parmap.stream(lambda i: time.sleep(0.02), range(10_000), deadline_sec=2, engine=client) as outcomes:
        kinds = collections.Counter(each.failure.kind if each.failure else "ok" for each in outcomes)
    assert sum(kinds.values()) == 10_000 and kinds["stopped"] > 9000 and kinds["ok"] > 0


def test_map_reduce(client):
    assert parmap.map_reduce(float, operator.add, range(2000), initial=0.0, engine=client) == sum(range(2000))


def test_fold(client):
    check_folds(client)


def test_a_fold_whose_tasks_fail(client):
    def step(found, i):
        if i == 7:
            os._exit(3)
        if i == 1500:
            raise KeyError(i)
        if i == 2999:
            found.append(threading.Lock())
        if i == 2000 and parmap.context().attempt == 1:
            found.append("of an attempt that failed")
            raise ValueError(i)
        found.append(i)

    r = parmap.fold([], step, operator.iadd, range(3000), retries=1, retry_if=lambda why: why.task == (2000,), on_error="skip", full=True, engine=client)
    assert r.partial == [i for i in range(3000) if i not in (7, 1500, 2999)]
    assert [(each.index, each.kind, each.task) for each in r.failures] == [(7, "exited", (7,)), (1500, "threw", (1500,)), (2999, "unencodable", (2999,))]
    assert all(each.host for each in r.failures) and r.failures[0].exception.status == 3
    with pytest.raises(KeyError) as raised:
        parmap.fold([], step, operator.iadd, range(1000, 4000), engine=client)
    assert "raised by task 500" in raised.value.__notes__[-1]


def test_a_fold_that_is_stopped(client):
    def step(found, i):
        time.sleep(0.005)
        found.append(i)

    r = parmap.fold([], step, operator.iadd, range(10_000), deadline_sec=2, on_error="skip", full=True, engine=client)
    assert {each.kind for each in r.failures} == {"stopped"} and len(r.partial) + len(r.failures) == 10_000
    assert 0 < len(r.partial) < 10_000 and sorted([*r.partial, *(each.index for each in r.failures)]) == list(range(10_000))


def test_a_fold_whose_node_is_lost(client):
    def step(found, i):
        time.sleep(0.003)
        found.append(i)

    victim = pids(client)[1]
    killed = []

    def report(i, n):
        if i > 50 and not killed:
            killed.append(victim)
            os.kill(victim, signal.SIGKILL)

    assert parmap.fold([], step, operator.iadd, range(2500), reporter=report, engine=client) == list(range(2500)) and killed
    until(lambda: len(client.nthreads()) == 2)


# ---- what is refused


def test_what_lies_on_a_cluster_is_no_input(client):
    future = client.submit(abs, -1)
    lazy = dask.delayed(abs)(-1)
    for each, word in ((future, "Future"), ([future], "Future"), (lazy, "Delayed"), ([lazy], "Delayed")):
        with pytest.raises(TypeError, match=word):
            pmap(abs, each, engine=client)
    with pytest.raises(TypeError, match=r"the grid's x.*client\.gather"):
        pmap(abs, grid=dict(x=[future]), engine=client)
    with pytest.raises(TypeError, match=r"fargs\['n'\].*compute"):
        pmap(pow, [1], fargs=dict(n=lazy), engine=client)


def test_what_the_engine_does_not_do(client):
    with pytest.raises(ValueError, match="start='spawn'"):
        pmap(abs, [1], start="spawn", engine=client)
    with pytest.raises(ValueError, match="names are multi, threads, serial, async, dask, mpi"):
        pmap(abs, [1], engine="desk")
    with pytest.raises(TypeError, match="distributed.Client"):
        parmap.DaskEngine("tcp://1.2.3.4:8786")
    with pytest.raises(ValueError, match="n_worker"):
        parmap.DaskEngine(client, n_worker=0)
    with pytest.raises(TypeError, match="cannot pickle"):
        pmap(lambda x, lock=threading.Lock(): x, [1], engine=client)
    refused = pmap(lambda i: pmap(abs, [i], engine="dask"), [1], on_error=lambda func, task, error: str(error), engine=client)
    assert "a fork has no connection" in refused[0]


def test_a_worker_that_differs_is_named(client):
    def set_version(version):
        parmap.__version__ = version

    def hide(how):
        if how:
            sys.hidden = sys.modules["parmap"]
        sys.modules["parmap"] = None if how else sys.hidden

    here = parmap.__version__
    client.run(set_version, "0.0.1")
    with pytest.raises(RuntimeError, match=rf"the Dask worker tcp://.* has parmap 0\.0\.1, but this program has {here}"):
        pmap(abs, [1], engine=client)
    client.run(set_version, here)
    client.run(hide, True)
    with pytest.raises(RuntimeError, match=r"the Dask worker tcp://.* cannot import what it needs: .*parmap.*install"):
        pmap(abs, [1], engine=client)
    client.run(hide, False)
    assert pmap(abs, [-1], engine=client) == [1]


def test_a_module_that_a_worker_does_not_have(client, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def f(x): return x")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    with pytest.raises(ModuleNotFoundError) as raised:
        pmap(only_here.f, [1], engine=client)
    assert any("the Dask worker" in each for each in raised.value.__notes__) and any("upload_file" in each for each in raised.value.__notes__)


def test_the_workers_that_take_part(client):
    first = sorted(client.nthreads())[0]
    pid = client.run(os.getpid)[first]
    assert set(pmap(lambda i: os.getppid(), range(20), engine=parmap.DaskEngine(client, workers=[first], n_worker=3))) != {pid}  # a process of its own forks them
    with pytest.raises(ValueError, match="nobody"):
        pmap(abs, [1], engine=parmap.DaskEngine(client, workers=["nobody"]))
    found = pmap(lambda i: time.sleep(0.05) or os.getpid(), range(12), n_worker=2, engine=client)
    assert len(set(found)) <= 2


# ---- losses


def test_a_worker_that_is_killed_blames_nobody(client, tmp_path):
    def task(i):
        (tmp_path / f"{i}.{os.getpid()}").touch()
        time.sleep(0.02)
        return i

    victim = pids(client)[0]
    killed = []

    def report(i, n):
        if i > 50 and not killed:
            killed.append(victim)
            os.kill(victim, signal.SIGKILL)

    results = pmap(task, range(300), reporter=report, engine=client)
    assert killed and results == list(range(300)) and results.ok
    until(lambda: len(client.nthreads()) == 2)
    assert victim not in pids(client)


def test_a_task_that_takes_its_node_down(client):
    def task(i):
        if i == 50:
            os.kill(os.getppid(), signal.SIGKILL)  # what starts and watches the workers
            time.sleep(100)
        return i

    results = quiet(task, range(100), engine=client)
    assert [each.index for each in results.failures] == [50] and results.failures[0].kind == "stopped"
    assert "lost 5 times" in str(results.failures[0]) and [each for each in results if each is not None] == [i for i in range(100) if i != 50]


PROGRAM = """
    import os, signal, sys, time, threading, distributed
    from parmap import parmap
    client = distributed.Client(sys.argv[1])
    def report(i, n):
        if i > 20:
            os.kill(os.getpid(), {signal})
    try:
        parmap(lambda i: time.sleep(0.02) or i, range(5000), engine=client, reporter=report)
    except KeyboardInterrupt as error:
        print(len(error.results) - len(error.results.failures) > 20, error.results.failures[-1].kind)
"""


@pytest.mark.parametrize("number, said", [(signal.SIGINT, "True stopped\n"), (signal.SIGKILL, "")])
def test_nothing_is_left_behind_by_a_program_that_ends(client, number, said):
    program = textwrap.dedent(PROGRAM).format(signal=int(number))
    done = subprocess.run([sys.executable, "-c", program, client.scheduler.address], stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.stdout == said
    until(lambda: children_of(client) == 0)


def test_a_client_that_is_closed(client):
    with distributed.Client(client.scheduler.address, set_as_default=False) as other:
        with pytest.raises(RuntimeError, match="the client of Dask is clos") as raised:
            pmap(lambda i: time.sleep(0.02) or i, range(5000), engine=other, reporter=lambda i, n: i > 10 and other.close())
    assert 10 < len(raised.value.results) - len(raised.value.results.failures) < 5000


def test_a_worker_that_is_busy_with_tasks_of_others_holds_nobody_up(client):
    first = sorted(client.nthreads())[0]
    stop = distributed.Event("stop", client=client)
    others = [client.submit(lambda k: distributed.Event("stop").wait(), k, workers=[first], pure=False) for k in range(2)]
    until(lambda: len(client.processing()[first]) == 2)
    assert pmap(lambda i: i, range(1000), engine=client) == list(range(1000))
    stop.set()
    client.gather(others)
