# SPDX-License-Identifier: MIT
"""checkpoint=: every function and every engine stores outcomes, resumes, and gives what a call without a file gives."""

import asyncio
import collections
import operator
import os
import signal
import threading

import pytest

import parmap as package
from helpers import for_engine, run
from helpers_of_checkpoints import Broken, add, draw, fragile, rows
from parmap import Executor, StoreFailed, checkpoint, fold, imap, imap_unordered, load, map_reduce, parmap, parmap_async, stream

pytestmark = pytest.mark.timeout(60)
QUIET = dict(reporter="silent", on_error=lambda *_: None)


# ---- maps


def test_a_map_resumes_and_is_that_of_a_map_without_a_file(db, every):
    grid, func = dict(mu=[0.0, 0.5], x0=[1, 2, 3]), for_engine(draw, every)
    plain = parmap(draw, grid=grid, seed=42)
    keep = checkpoint(db, name="draw")
    first = parmap(func, grid=grid, seed=42, engine=every, checkpoint=keep, reporter="silent")
    assert list(first) == list(plain) and list(first.stored) == [] and first.seed == 42
    again = parmap(func, grid=grid, engine=every, checkpoint=keep, reporter="silent")
    assert list(again) == list(plain) and list(again.stored) == list(range(6)) and again.seed == 42
    grown = parmap(func, grid=dict(mu=[1.0, 0.5, 0.0], x0=[3, 1]), engine=every, checkpoint=keep, reporter="silent")
    assert list(grown.stored) == [2, 3, 4, 5]
    assert grown.sel(mu=0.5, x0=1)[0] == plain.sel(mu=0.5, x0=1)[0] and grown.summary().stored == 4
    assert str(grown.summary()).endswith("6 ok; 4 of them stored")
    assert list(grown[1:4].stored) == [1, 2] and list((grown + grown).stored) == [2, 3, 4, 5, 8, 9, 10, 11]


@pytest.mark.parametrize("engine", ("threads", "multi", "async"))
def test_failed_tasks_run_again(db, engine):
    plain = parmap(fragile, range(20), seed=1)
    func = for_engine(fragile, engine)
    with Broken():
        first = parmap(func, range(20), seed=1, engine=engine, checkpoint=checkpoint(db, name="f"), **QUIET)
    assert [each.index for each in first.failures] == [0, 3, 6, 9, 12, 15, 18]
    assert {kind for kind, in rows(db, "SELECT _kind FROM results")} == {"ok", "threw"}
    kept = parmap(func, range(20), engine=engine, checkpoint=checkpoint(db, name="f", rerun=["crashed"]), **QUIET)
    assert len(kept.failures) == 7 and list(kept.stored) == list(range(20))
    why = kept.failures[1]
    assert (why.index, why.task, why.kind, why.attempts) == (3, (3,), "threw", 1)
    assert type(why.exception) is package.RemoteError and str(why.exception) == "ValueError: no convergence for 3"
    whole = parmap(func, range(20), engine=engine, checkpoint=checkpoint(db, name="f"), **QUIET)
    assert list(whole) == list(plain) and len(whole.stored) == 13


def test_crashes_and_timeouts_are_kept_with_their_kinds(db):
    def task(x):
        if x == 1:
            os.kill(os.getpid(), signal.SIGSEGV)
        if x == 2:
            threading.Event().wait()
        return x

    keep = checkpoint(db, rerun=())
    r = parmap(task, range(4), timeout_sec=0.5, n_worker=2, checkpoint=keep, **QUIET)
    assert [each.kind for each in r.failures] == ["crashed", "timed_out"]
    again = parmap(task, range(4), timeout_sec=0.5, checkpoint=keep, **QUIET)
    assert [str(each) for each in again.failures] == [str(each) for each in r.failures] and len(again.stored) == 4
    assert isinstance(again.failures[1].exception, package.TaskTimeout) and isinstance(again.failures[0].exception, package.WorkerDied)


def test_serial_raises_the_first_exception_and_stores_it(db):
    with Broken(), pytest.raises(ValueError, match="no convergence for 3") as caught:
        parmap(fragile, [1, 2, 3, 4], engine="serial", checkpoint=db, reporter="silent")
    assert [each.kind for each in caught.value.results.failures] == ["threw", "stopped"]
    assert rows(db, "SELECT kind, count(*) FROM result_1 GROUP BY kind") == [(0, 2), (1, 1)]
    assert len(parmap(fragile, [1, 2, 3, 4], engine="serial", checkpoint=db, reporter="silent").stored) == 2


@pytest.mark.parametrize("engine", ("threads", "multi"))
def test_on_error_raise_keeps_what_is_done(db, engine):
    with Broken(), pytest.raises(ValueError, match="no convergence") as caught:
        parmap(fragile, range(100), engine=engine, on_error="raise", checkpoint=db, reporter="silent")
    done = sum(1 for each in caught.value.results if each is not None)
    assert len(parmap(fragile, range(100), engine=engine, checkpoint=db, reporter="silent").stored) == done


def test_stopped_tasks_always_run_again(db):
    stop = threading.Event()
    stop.set()
    r = parmap(add, range(10), stop=stop, checkpoint=checkpoint(db, rerun=()), **QUIET)
    assert {each.kind for each in r.failures} == {"stopped"} and not r.stored
    assert list(parmap(add, range(10), checkpoint=checkpoint(db, rerun=()), reporter="silent")) == list(range(1, 11))


def test_spawned_workers(db):
    r = parmap(lambda x: x * 2, [1, 2, 3], start="spawn", n_worker=1, checkpoint=checkpoint(db, name="double"), reporter="silent")
    assert list(r) == [2, 4, 6]


def test_retries_and_options_reach_the_tasks(db):
    asked = []

    def task(x):
        if package.context().attempt < 3:
            raise ValueError(x)
        return package.context().index, package.context().state

    def ask(failure):
        asked.append((failure.index, failure.task))
        return True

    parmap(task, [5], checkpoint=db, retries=2, engine="threads", init=lambda: "ready", reporter="silent")
    r = parmap(task, [4, 5, 6], checkpoint=db, retries=2, retry_if=ask, engine="threads", init=lambda: "ready", reporter="silent")
    assert r[0] == (0, "ready") and r[2] == (2, "ready") and set(asked) == {(0, (4,)), (2, (6,))}
    assert rows(db, "SELECT _attempts FROM results") == [(3,), (3,), (3,)]


def test_the_random_stream_of_a_later_task_is_its_own(db):
    first = parmap(draw, grid=dict(mu=[0.0], x0=[1, 2]), seed=5, checkpoint=db, reporter="silent")
    more = parmap(draw, grid=dict(mu=[0.0, 9.0], x0=[1, 2, 3]), checkpoint=db, reporter="silent")
    assert [more[0], more[1]] == list(first)
    numbers = dict(rows(db, "SELECT mu || ' ' || x0, _task FROM results"))
    plain = parmap(lambda _: package.rng().random(), range(6), seed=5)
    for k, (mu, x0) in enumerate([(0.0, 1), (0.0, 2), (0.0, 3), (9.0, 1), (9.0, 2), (9.0, 3)]):
        assert more[k] == mu * x0 + plain[numbers[f"{mu} {x0}"]]


def test_bars_and_lines_begin_where_the_file_ends(db, capfd):
    with Broken():
        parmap(fragile, range(9), engine="threads", checkpoint=db, reporter="silent", on_error=lambda *_: None)
        capfd.readouterr()
        parmap(fragile, range(12), engine="threads", checkpoint=checkpoint(db, rerun=()), reporter="text", on_error=lambda *_: None)
        said = capfd.readouterr().err
        assert "resumed: 9 of 12 stored" in said and "12/12" in said and "12 tasks in " in said and "8 ok, 4 failed; 9 of them stored" in said
    seen = []
    r = parmap(fragile, range(12), engine="threads", checkpoint=db, reporter=lambda i, n: seen.append((i, n)))
    assert seen[-1] == (11, 12) and r.ok
    capfd.readouterr()
    parmap(fragile, range(12), engine="threads", checkpoint=db, reporter="bar")
    assert "12/12" in capfd.readouterr().err


# ---- streams


@pytest.mark.parametrize("ordered", (False, True))
@pytest.mark.parametrize("window", (0, 1, 5))
def test_a_stream_gives_stored_outcomes_and_stores_others(db, engine, ordered, window):
    plain = parmap(fragile, range(30), seed=2)
    seen = []
    for outcome in stream(fragile, range(30), seed=2, engine=engine, ordered=ordered, window=window, checkpoint=db, reporter="silent"):
        seen.append(outcome.index)
        if len(seen) == 12:
            break
    del outcome
    outcomes = list(stream(fragile, range(30), engine=engine, ordered=ordered, window=window, checkpoint=db, reporter="silent"))
    assert [each.value for each in sorted(outcomes)] == list(plain)
    kept = {each.index for each in outcomes if each.stored}
    assert kept >= set(seen)
    if ordered:
        assert [each.index for each in outcomes] == list(range(30))
    else:
        assert all(each.stored for each in outcomes[: len(kept)])


def test_a_stream_stores_while_nobody_reads_it(db):
    with stream(add, range(8), n_worker=1, checkpoint=db, reporter="silent") as outcomes:
        next(outcomes)
        while rows(db, "SELECT count(*) FROM result_1") != [(8,)]:
            pass
    assert len(parmap(add, range(8), checkpoint=db, reporter="silent").stored) == 8


def test_bare_streams(db, engine):
    assert list(imap(add, range(20), engine=engine, checkpoint=db, reporter="silent")) == list(range(1, 21))
    assert sorted(imap_unordered(add, range(22), engine=engine, checkpoint=db, reporter="silent")) == list(range(1, 23))


def test_a_stream_handles_failures_and_times(db):
    with Broken(), stream(fragile, range(9), engine="threads", times=True, on_error=lambda func, task, error: task, checkpoint=db, reporter="silent") as outcomes:
        found = sorted(outcomes)
    assert found[3].value == (3,) and not found[3] and found[3].failure.index == 3
    assert (outcomes.summary().failed, len(outcomes.summary().slowest), outcomes.is_over) == (3, 5, True)
    with Broken(), pytest.raises(ValueError, match="no convergence"):
        list(imap(fragile, range(9), engine="threads", checkpoint=db, reporter="silent"))
    keep = checkpoint(db, rerun=())
    assert [each.stored for each in stream(fragile, range(9), checkpoint=keep, reporter="silent")] == [True] * 9


def test_a_stream_waits_no_longer_than_it_is_told(db):
    go_on = threading.Event()
    with stream(lambda x: go_on.wait(), [1], engine="threads", checkpoint=checkpoint(db, name="f"), reporter="silent") as outcomes:
        with pytest.raises(TimeoutError, match="no outcome"):
            outcomes.next(timeout=0.01)
        go_on.set()
        assert outcomes.next().value is True
        with pytest.raises(StopIteration):
            next(outcomes)


def test_single_pass_inputs_are_refused_by_streams(db):
    with pytest.raises(TypeError, match="can be read only once: give a list"):
        stream(add, iter([1, 2]), checkpoint=db)
    assert not os.path.exists(db)


@pytest.mark.parametrize("engine", ("async", "multi", "threads"))
@pytest.mark.parametrize("ordered", (False, True))
def test_astream(db, engine, ordered):
    plain = parmap(fragile, range(20), seed=2)
    func = for_engine(fragile, engine)
    keep = checkpoint(db, name="f")

    async def main():
        async with package.astream(func, range(20), seed=2, engine=engine, ordered=ordered, checkpoint=keep, reporter="silent") as outcomes:
            seen = [await anext(outcomes) for _ in range(5)]
        again = package.astream(func, range(20), engine=engine, ordered=ordered, checkpoint=keep, reporter="silent")
        rest = [each async for each in again]
        assert [each.value for each in sorted(rest)] == list(plain)
        assert {each.index for each in seen} <= {each.index for each in rest if each.stored} and again.summary().stored >= 5
        if engine == "async":
            assert list(await parmap_async(func, range(20), checkpoint=keep, reporter="silent")) == list(plain)

    asyncio.run(main())


# ---- reductions


def test_map_reduce_folds_the_same_tree(db, engine):
    plain = map_reduce(fragile, operator.add, range(1200), initial=0.0, seed=3)
    keep = dict(checkpoint=db, engine=engine, reporter="silent")
    parmap(fragile, range(700), seed=3, **keep)
    whole = map_reduce(fragile, operator.add, range(1200), initial=0.0, full=True, **keep)
    assert whole.value == plain and whole.summary().stored == 700
    assert map_reduce(fragile, operator.add, range(1200), initial=0.0, **keep) == plain


def gather(into, x):
    if Broken.now.is_set() and x % 1000 == 7:
        raise ValueError(x)
    into[x % 7] += package.rng().random()


@pytest.mark.parametrize("tasks", (50, 4500))
def test_a_fold_goes_on_where_the_stored_tasks_of_a_block_end(db, tasks):
    ask = dict(seed=4, reporter="silent", engine="threads")
    plain = fold(collections.Counter(), gather, collections.Counter.update, range(tasks), **ask)
    with Broken():
        some = fold(collections.Counter(), gather, collections.Counter.update, range(tasks), on_error="skip", full=True, checkpoint=db, **ask)
    assert some.failures and some.partial != plain
    for stored in (tasks - len(some.failures), tasks):
        again = fold(collections.Counter(), gather, collections.Counter.update, range(tasks), full=True, checkpoint=db, **ask)
        assert again.value == plain and again.summary().stored <= stored
    assert again.summary().stored == tasks
    with pytest.raises(ValueError, match="the number of tasks of the fold, or the order of its axes"):
        fold(collections.Counter(), gather, collections.Counter.update, range(tasks)[::-1], checkpoint=db, **ask)
    if tasks < 2047:  # each task has an accumulator of its own
        assert len(fold([], lambda into, x: into.append(x), list.__add__, range(3), checkpoint=checkpoint(db, name="f", version="f"), **ask)) == 3
        assert fold([], lambda into, x: into.append(x), list.__add__, range(5), checkpoint=checkpoint(db, name="f", version="f"), **ask) == [0, 1, 2, 3, 4]
    if tasks > 2047:
        assert rows(db, "SELECT count(*) FROM result_1 WHERE format <> 0")[0][0] <= 1 + tasks // 4
        with pytest.raises(ValueError, match="the number of tasks of the fold"):
            fold(collections.Counter(), gather, collections.Counter.update, range(tasks + 1), checkpoint=db, **ask)


# ---- the process


def test_ctrl_c_leaves_a_file_that_resumes(db):
    told = run(
        f"""
        import os, signal, threading, parmap
        from parmap import parmap as pmap

        def task(x):
            if x == 5 and not os.path.exists("{db}.done"):
                os.kill(main, signal.SIGINT)
                threading.Event().wait()
            return x

        main = os.getpid()
        try:
            pmap(task, range(9), n_worker=1, checkpoint="{db}", reporter="silent")
        except KeyboardInterrupt as error:
            print([each for each in error.results if each is not None])
        open("{db}.done", "w").close()
        r = pmap(task, range(9), checkpoint="{db}", reporter="silent")
        print(list(r.stored), list(r) == list(range(9)))
        """
    )
    assert told == "[0, 1, 2, 3, 4]\n[0, 1, 2, 3, 4] True\n"


def test_a_process_that_was_forked_leaves_the_file_alone(db):
    with stream(add, range(3000), checkpoint=db, reporter="silent") as outcomes:
        next(outcomes)
        child = os.fork()
        if child == 0:
            outcomes.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert len(list(outcomes)) == 2999
    assert rows(db, "PRAGMA integrity_check") == [("ok",)] and len(load(db)) == 3000


def test_two_maps_do_not_write_one_file(db):
    program = f"""
        import parmap
        from helpers_of_checkpoints import add
        try:
            parmap.parmap(add, range(3), checkpoint={db!r})
        except parmap.StoreFailed as error:
            print(error)
        """
    with stream(add, range(3), checkpoint=db, reporter="silent") as outcomes:
        next(outcomes)
        with pytest.raises(StoreFailed, match=r"this process is using it; it last wrote \d+ s ago"):
            parmap(add, range(3), checkpoint=db)
        told = run(program, cwd=os.path.dirname(__file__))
        assert f"process {os.getpid()} on {os.uname().nodename} is using it; it last wrote" in told
        assert parmap(lambda x: _refusal(db), [1])[0].endswith("the process that this one was forked from is using it")


def _refusal(db):
    with pytest.raises(StoreFailed) as caught:
        parmap(add, range(3), checkpoint=db)
    return str(caught.value)
