# SPDX-License-Identifier: MIT
"""part=: one of several parts of a map's tasks. All parts together are the whole map, bit for bit."""

import asyncio
import copy
import math
import os
import pathlib
import pickle
import shutil
import subprocess
import sys
import types

import pytest

import parmap as package
from helpers import for_engine
from helpers_of_checkpoints import Broken, add, draw, fragile, rows
from parmap import OTHER_PART, Executor, checkpoint, context, load, override, parmap, parmap_async, rng

pytestmark = pytest.mark.timeout(60)
QUIET = dict(reporter="silent", on_error=lambda *_: None)
GRID = dict(mu=[0.5, -1.0, 2.0, 7.25, 0.0], x0=[1, 2, 3, 4, 5, 6, 7])  # 35 tasks


@pytest.fixture
def array(monkeypatch):
    """Sets the variables of a job array."""

    def of(**variables):
        for each in ("ID", "MIN", "MAX", "COUNT", "STEP"):
            monkeypatch.delenv(f"SLURM_ARRAY_TASK_{each}", raising=False)
        for each, value in variables.items():
            monkeypatch.setenv(f"SLURM_ARRAY_TASK_{each}", str(value))

    of()
    return of


def numbered(mu, x0):
    return context().index, mu * x0, rng().random()


def test_all_parts_together_are_the_whole_map(every):
    func = for_engine(numbered, every)
    whole = parmap(numbered, grid=GRID, seed=5)
    for count in (2, 16):
        found = [None] * 35
        for k in range(count):
            own = parmap(func, grid=GRID, seed=5, engine=every, part=(k, count), reporter="silent")
            assert own.ok and own.part == (k, count) and own.seed == 5 and own.here == list(range(k, 35, count)) and len(own) == 35
            assert own.summary().tasks == len(own.here) and own.summary().elsewhere == 35 - len(own.here)
            assert all((own[i] is OTHER_PART) == (i % count != k) for i in range(35))
            for i in own.here:
                found[i] = own[i]
        assert found == list(whole)


def test_failures_have_the_indices_and_inputs_of_the_map(every):
    if every == "serial" or isinstance(every, Executor):
        pytest.skip("serial raises the first exception; workers that were there before are not Broken")
    with Broken():
        own = parmap(for_engine(fragile, every), range(20), engine=every, part=(1, 4), **QUIET)
    assert [(each.index, each.task) for each in own.failures] == [(9, (9,))] and not own.ok
    assert own.summary().completed == 4 and own[9] is None and own.here == [1, 5, 9, 13, 17]
    assert list(own.failures.to_frame()["_task"]) == [9]


def test_retry_if_and_on_error_and_times_know_the_indices_of_the_map():
    asked, told = [], []
    with Broken():
        own = parmap(
            fragile, range(20), engine="threads", part=(1, 4), retries=1, retry_if=lambda why: asked.append((why.index, why.task)), times=True,
            on_error=lambda func, task, error: told.append(task) or "none", reporter="silent",
        )  # fmt: skip
    assert asked == [(9, (9,))] and told == [(9,)] and own[9] == "none" and own[0] is OTHER_PART
    assert {each.index % 4 for each in own.summary().slowest} == {1}


def test_the_warning_counts_this_part():
    with Broken(), pytest.warns(package.ParmapWarning, match="1 of 5 tasks failed; the first: task 9"):
        parmap(fragile, range(20), engine="threads", part=(1, 4), reporter="silent")


def test_progress_counts_this_part():
    seen = []
    parmap(add, range(20), engine="threads", part=(1, 4), reporter=lambda i, n: seen.append((i, n)))
    assert seen[-1] == (4, 5)


def test_what_is_elsewhere_is_no_value():
    own = parmap(add, range(4), engine="threads", part=(1, 2))
    assert repr(own) == "[parmap.OTHER_PART, 2, parmap.OTHER_PART, 4]"
    for wrong in (lambda: sum(own), lambda: any(own), lambda: [x for x in own if x], lambda: math.fsum(own)):
        with pytest.raises(TypeError):
            wrong()
    for same in (pickle.loads(pickle.dumps(own)), copy.deepcopy(own), own[:]):
        assert same[0] is OTHER_PART and same.here == [1, 3] and same.part == (1, 2)
    assert list(own[1::2]) == [2, 4] and (own + own).here == [1, 3, 5, 7]
    assert str(own.summary()).endswith("2 ok; 2 tasks are in other parts")
    assert parmap(add, range(4), engine="threads", part=(0, 1)).part is None
    assert parmap(add, range(3), engine="threads", part=(3, 4)).here == []


def test_tables_have_the_tasks_of_this_part():
    pytest.importorskip("pandas")
    own = parmap(numbered, grid=GRID, engine="threads", part=(2, 3), seed=5)
    frame = own.to_frame()
    assert len(frame) == 11 and list(frame["mu"] * frame["x0"]) == [own[i][1] for i in own.here]
    table = parmap(len, ["x" * 5000, "y"] * 3, engine="threads", part=(1, 3)).to_frame()  # large inputs are not kept
    assert list(table["_task"]) == [1, 4] and list(table["value"]) == [1, 5000]
    pytest.importorskip("xarray")
    array = parmap(lambda mu, x0: mu * x0, grid=GRID, engine="threads", part=(2, 3)).to_xarray()
    assert array.shape == (5, 7) and int(array.notnull().sum()) == 11 and float(array.sel(mu=0.5, x0=3)) == 1.5


def test_holes_of_a_grid_are_no_tasks():
    options = dict(grid=GRID, where=lambda mu, x0: x0 != 2, engine="threads", seed=1)
    whole = parmap(numbered, **options)
    parts = [parmap(numbered, part=(k, 4), **options) for k in range(4)]
    assert [parts[i % 4][i] for i in range(30)] == list(whole) and len(parts[0].left_out) == 5


# ---- Streams


@pytest.mark.parametrize("engine", ("serial", "threads", "multi", "async"))
@pytest.mark.parametrize("kept", (False, True))
def test_streams_give_the_outcomes_of_a_part(engine, kept, db):
    whole = parmap(numbered, grid=GRID, seed=5)
    options = dict(grid=GRID, seed=5, part=(2, 3), checkpoint=checkpoint(db, name="numbered") if kept else None, reporter="silent", window=4)

    async def taken(**more):
        return [each async for each in package.astream(for_engine(numbered, "async"), **options, **more)]

    for ordered in (True, False, True):
        if engine == "async":
            found = asyncio.run(taken(ordered=ordered))
        else:
            found = list(package.stream(numbered, engine=engine, ordered=ordered, **options))
        if ordered:
            assert [each.index for each in found] == list(range(2, 35, 3))
        assert sorted((each.index, each.value) for each in found) == [(i, whole[i]) for i in range(2, 35, 3)]
        assert all(each.task == whole.tasks[each.index] for each in found)
    if engine != "async":
        assert list(package.imap(numbered, engine=engine, **options)) == [whole[i] for i in range(2, 35, 3)]


def test_parmap_async():
    async def square(x):
        return x * x, context().index

    own = asyncio.run(parmap_async(square, range(7), part=(1, 3), reporter="silent"))
    assert own.here == [1, 4] and own[4] == (16, 4)


def test_a_spawned_map_and_a_trace(tmp_path):
    trace = str(tmp_path / "run.json")
    own = parmap(add, range(9), part=(1, 3), start="spawn", n_worker=1, trace=trace, reporter="silent")
    assert [own[i] for i in own.here] == [2, 5, 8]
    from parmap._report import facts_of_file
    from parmap._report._of_results import facts_of_results

    slices = facts_of_file(trace).slices  # short tasks share one
    assert set(slices.first) <= {1, 4, 7} and sum(slices.tasks) == facts_of_file(trace).tasks == 3
    assert facts_of_results(own).completed == 3


# ---- What is refused


def test_what_has_no_part_says_so():
    for call in (
        lambda: package.map_reduce(add, max, [1], initial=0, part=(0, 2)),
        lambda: package.fold(0, add, max, [1], part=(0, 2)),
    ):
        with pytest.raises(ValueError, match="it has no part, as it combines the values in the order of all tasks"):
            call()
    with pytest.raises(TypeError, match="the first input can be read only once"):
        package.stream(add, iter([1, 2]), part=(0, 2))
    with pytest.raises(TypeError, match=r"override\(\) cannot replace part"), override(part=(0, 2)):
        pass


@pytest.mark.parametrize(
    "wrong, error, text",
    [
        ((16, 16), ValueError, "part is 16 of 16, but parts are numbered from 0 to 15"),
        ((-1, 16), ValueError, "part is -1 of 16"),
        ((0, 0), ValueError, "part has 0 parts; there must be at least 1"),
        ((1, 2, 3), TypeError, "two whole numbers such as"),
        ((1.5, 2), TypeError, "two whole numbers such as"),
        (3, TypeError, "two whole numbers such as"),
        ("pbs", ValueError, "must be 'slurm' or two numbers"),
    ],
)
def test_what_is_no_part_is_refused(wrong, error, text):
    with pytest.raises(error, match=text):
        parmap(add, [1], part=wrong)


def test_the_part_of_a_job_of_an_array(array):
    def found():
        return parmap(add, range(16), part="slurm", engine="threads").here[0]

    for variables, index in (
        (dict(ID=3, MIN=0, MAX=15, COUNT=16, STEP=1), 3),
        (dict(ID=3, COUNT=16), 3),
        (dict(ID=3, MIN=1, MAX=16, COUNT=16, STEP=1), 2),
        (dict(ID=8, MIN=4, MAX=12, COUNT=5, STEP=2), 2),
        (dict(ID=0, MIN=0, MAX=0, COUNT=1), 0),
    ):
        array(**variables)
        assert found() == index
    for variables, text in (
        (dict(), "SLURM_ARRAY_TASK_ID is not set; start it by sbatch --array=0-15 job.sh"),
        (dict(ID=3), "SLURM_ARRAY_TASK_COUNT is not set"),
        (dict(ID="x", COUNT=2), "SLURM_ARRAY_TASK_ID is not a number, but 'x'"),
        (dict(ID=3, MIN=3, MAX=3, COUNT=1), "does not tell how many parts there are; start all of them"),
        (dict(ID=3, MIN=3, MAX=8, COUNT=3, STEP=1), "does not tell how many parts"),
        (dict(ID=3, MIN=0, MAX=8, COUNT=5, STEP=2), "does not tell how many parts"),
        (dict(ID=30, MIN=0, MAX=15, COUNT=16), "does not tell how many parts"),
    ):
        array(**variables)
        with pytest.raises(RuntimeError, match=text):
            found()


# ---- Files


def test_each_part_has_a_file_and_goes_on(db):
    whole = parmap(draw, grid=GRID, seed=5)
    for again in (False, True):
        for k in range(16):
            own = parmap(draw, grid=GRID, seed=5, checkpoint=db, part=(k, 16), engine="threads", reporter="silent")
            assert all(own[i] == whole[i] for i in own.here) and list(own.stored) == (own.here if again else [])
    folder = pathlib.Path(db).parent
    assert sorted(each.name for each in folder.glob("*.db")) == [f"sweep.part{k:02}.db" for k in range(16)]
    assert (folder / "sweep.part03.db.status").exists()
    assert rows(str(folder / "sweep.part03.db"), "SELECT value FROM field WHERE name = 'part'") == [("3 of 16",)]
    loaded = load(db.replace(".db", ".part*.db"))
    assert [row.value for row in loaded] == list(whole) and [row.task for row in loaded] == list(whole.tasks)
    assert loaded.tasks == 35 and loaded.fields["seed"] == "5" and "part" not in loaded.fields


def part_file(db, k, count=3):
    return db.replace(".db", f".part{k}.db")


def test_another_part_of_a_file_is_refused_with_both_values(db):
    options = dict(engine="threads", reporter="silent")
    parmap(add, range(9), checkpoint=db, part=(1, 3), **options)
    with pytest.raises(ValueError, match="the part of the tasks there is 1 of 3, and here it is 1 of 4"):
        parmap(add, range(9), checkpoint=db, part=(1, 4), **options)
    with pytest.raises(ValueError, match="the part of the tasks there is 1 of 3, and here it is none"):
        parmap(add, range(9), checkpoint=part_file(db, 1), **options)
    assert parmap(add, range(9), checkpoint=part_file(db, 1), part=(1, 3), **options).stored == [1, 4, 7]
    parmap(add, range(9), checkpoint=db, **options)
    shutil.copy(db, part_file(db, 2))
    with pytest.raises(ValueError, match="the part of the tasks there is none, and here it is 2 of 3"):
        parmap(add, range(9), checkpoint=db, part=(2, 3), **options)


def test_a_failed_task_of_a_part_runs_again(db):
    with Broken():
        first = parmap(fragile, range(20), checkpoint=db, part=(0, 2), engine="threads", **QUIET)
    assert [each.index for each in first.failures] == [0, 6, 12, 18]
    again = parmap(fragile, range(20), checkpoint=db, part=(0, 2), engine="threads", reporter="silent")
    assert again.ok and again.stored == [2, 4, 8, 10, 14, 16] and again[18] == parmap(fragile, range(20), seed=0)[18]


def test_a_task_stays_in_its_part_while_the_axes_grow(db):
    drawn = {}
    for mu, x0, new in (([1.0, 2.0, 3.0], [1, 2, 3], 9), ([1.0, 2.0, 3.0, 4.0], [0, 1, 2, 3, 5], 11), ([4.0, 2.0], [5, 3, 1], 0)):
        fresh = []
        for k in range(4):
            own = parmap(draw, grid=dict(mu=mu, x0=x0), checkpoint=db, part=(k, 4), engine="threads", reporter="silent")
            fresh += [i for i in own.here if i not in own.stored]
            for i in own.here:
                key = tuple(own.tasks[i].values())
                assert drawn.setdefault(key, own[i]) == own[i]
        assert len(fresh) == new
    assert len(load(part_file(db, "*"))) == 20 == len(drawn)


def test_load_names_missing_and_overlapping_parts_and_other_sweeps(db):
    pattern, options = part_file(db, "*"), dict(engine="threads", reporter="silent")
    for k in (0, 2):
        parmap(add, range(9), checkpoint=db, part=(k, 3), **options)
    with pytest.raises(ValueError, match="1 of 3 parts are missing: part 1"):
        load(pattern)
    parmap(add, range(9), checkpoint=db, part=(1, 3), **options)
    assert [row.value for row in load(pattern)] == list(range(1, 10))
    shutil.copy(part_file(db, 1), part_file(db, 7))
    with pytest.raises(ValueError, match="part1.db and .*part7.db overlap: both are part 1 of 3"):
        load(pattern)
    os.unlink(part_file(db, 7))
    for text, other in (
        ("are of different sweeps: seed is 0 and 4", lambda: parmap(add, range(9), checkpoint=db, part=(1, 3), seed=4, **options)),
        ("are of different sweeps: fixed n is none and 2", lambda: parmap(add, range(9), checkpoint=db, part=(1, 3), fargs=dict(n=2), **options)),
        ("are of different sweeps: function is", lambda: parmap(fragile, range(9), checkpoint=db, part=(1, 3), **options)),
        ("are of different sweeps: the axes are x and mu x x0", lambda: parmap(draw, range(3), range(3), checkpoint=db, part=(1, 3), **options)),
        ("different sweeps: the elements of the axes differ", lambda: parmap(add, range(1, 10), checkpoint=db, part=(1, 3), **options)),
        ("overlap: one is part 0 of 3, the other is part 1 of 4", lambda: parmap(add, range(9), checkpoint=db, part=(1, 4), **options)),
        ("overlap: one has all tasks", lambda: parmap(add, range(9), checkpoint=part_file(db, 1), seed=0, **options)),
    ):
        for end in ("", "-wal", "-shm"):
            pathlib.Path(part_file(db, 1) + end).unlink(missing_ok=True)
        other()
        with pytest.raises(ValueError, match=text):
            load(pattern)


def status(path, capsys):
    from parmap.__main__ import main

    code = main(["status", path])
    said = capsys.readouterr()
    return code, said.out + said.err


def test_status_and_report_of_all_parts(db, capsys):
    from parmap.__main__ import main

    pattern = part_file(db, "*")
    assert status(pattern, capsys) == (1, f"parmap: there is no checkpoint: {pattern}\n")
    with Broken():
        parmap(fragile, range(30), checkpoint=db, part=(0, 3), engine="threads", **QUIET)
    parmap(fragile, range(30), checkpoint=db, part=(1, 3), engine="threads", reporter="silent")
    code, said = status(pattern, capsys)
    assert code == 3 and "2 of 3 parts: 10 of 20 tasks done, 10 failed\n" in said and "parts without a file" not in said
    assert "part0.db, part 0 of 3: 0 of 10 tasks done, 10 failed\n  part without a file: 2\n" in said
    assert said.startswith(f"{pattern}: helpers_of_checkpoints.fragile(x), seed 0\n")
    assert main(["report", pattern]) == 0
    said = capsys.readouterr().out
    assert "Part 2 of 3 have no file" in said or "Part 2 of 3 has no file" in said
    parmap(fragile, range(30), checkpoint=db, part=(2, 3), engine="threads", reporter="silent")
    assert status(pattern, capsys)[0] == 4
    parmap(fragile, range(30), checkpoint=db, part=(0, 3), engine="threads", reporter="silent")
    code, said = status(pattern, capsys)
    assert code == 0 and said.splitlines()[1:] == ["3 of 3 parts: 30 of 30 tasks done"]
    assert "part 1 of 3: only these tasks" in status(part_file(db, 1), capsys)[1]
    assert main(["report", pattern]) == 0 and "30" in capsys.readouterr().out
    shutil.copy(part_file(db, 1), part_file(db, 7))
    assert status(pattern, capsys)[0] == 1 and main(["report", pattern]) == 2


# A sweep as the jobs of an array run it, without Slurm; the real one is tests/cluster/slurm.sh.
PROGRAM = """
import os, sys, parmap
from parmap import parmap as pmap

program = os.getpid()

def simulate(mu, x0):
    if os.path.exists(sys.argv[2]) and mu == 2 and x0 == 3:
        os.kill(program, 9)  # in the middle
    return mu * x0, parmap.rng().random()

if __name__ == "__main__":
    pmap(simulate, grid=dict(mu=[1, 2, 3], x0=[1, 2, 3, 4]), part="slurm", checkpoint=sys.argv[1], n_worker=1, reporter="silent")
"""


def test_the_jobs_of_an_array_one_of_which_is_killed(db, array, tmp_path, capsys):
    program, switch, pattern = tmp_path / "sweep.py", tmp_path / "kill", part_file(db, "*")
    program.write_text(PROGRAM)

    def job(k):
        array(ID=k, MIN=0, MAX=2, COUNT=3, STEP=1)
        return subprocess.run([sys.executable, str(program), db, str(switch)], timeout=50).returncode

    switch.touch()
    assert [job(k) for k in range(3)] == [-9 if (4 + 2) % 3 == k else 0 for k in range(3)]
    switch.unlink()
    assert status(pattern, capsys)[0] == 3
    assert [job(k) for k in range(3)] == [0, 0, 0] and status(pattern, capsys)[0] == 0
    namespace = {"__name__": "sweep"}
    exec(PROGRAM, namespace)
    namespace["sys"] = types.SimpleNamespace(argv=["", "", str(switch)])
    whole = parmap(namespace["simulate"], grid=dict(mu=[1, 2, 3], x0=[1, 2, 3, 4]), seed=0, engine="threads")
    assert [tuple(row.value) for row in load(pattern)] == list(whole)
