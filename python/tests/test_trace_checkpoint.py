# SPDX-License-Identifier: MIT
"""trace and checkpoint together: the tasks that run have the numbers that they have in the call, and the status counts the stored ones."""

import json
import operator

import pytest

import parmap
from parmap import parmap as pmap


def half(a, b):
    if (a, b) == (1, 2):
        raise ValueError("no half")
    return a * 10 + b


async def half_async(a, b):
    return half(a, b)


def run(how, func, axis, engine, trace):
    options = dict(grid=dict(a=axis, b=[1, 2, 3]), engine=engine, trace=trace, checkpoint="sweep.db", reporter="silent")
    if how == "map":
        return list(pmap(func, on_error=lambda *_: None, **options))
    if how == "stream":
        return [each.value for each in sorted(parmap.stream(func, **options), key=lambda each: each.index)]
    return parmap.map_reduce(func, operator.add, initial=0, on_error="skip", full=True, **options).partial


def slices_with_failure(path):
    with open(path) as file:
        found = json.load(file)
    events = found if isinstance(found, list) else found["traceEvents"]
    return [each["args"]["task"] for each in events if each["ph"] == "X" and "no half" in json.dumps(each["args"])]


CASES = [(each, how) for each in ("threads", "multi", "pool") for how in ("map", "stream", "reduction")]


@pytest.mark.parametrize("engine, how", [*CASES, ("async", "map")])
def test_numbers_are_those_of_the_call(how, engine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    func = half_async if engine == "async" else half
    of = parmap.Executor(2) if engine == "pool" else engine
    try:
        run(how, func, [1, 2], of, "first.json")
        found = run(how, func, [3, 1, 2], of, "second.json")
    finally:
        if engine == "pool":
            of.shutdown()
    values = [31, 32, 33, 11, None, 13, 21, 22, 23]
    assert found == (sum(filter(None, values)) if how == "reduction" else values)
    assert slices_with_failure("first.json") == [1] and slices_with_failure("second.json") == [4]
    with open("sweep.db.status") as file:
        status = json.load(file)
    assert (status["tasks"], status["stored"], status["completed"], status["failed"]) == (9, 5, 3, 1)


def test_a_refused_call_leaves_the_status_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("map", half, [1, 2], "threads", None)
    with open("sweep.db.status") as file:
        before = file.read()
    with pytest.raises(ValueError, match="another"):
        pmap(lambda a, b: 0, grid=dict(a=[1], b=[1]), engine="threads", checkpoint=parmap.checkpoint("sweep.db", name="other"))
    with open("sweep.db.status") as file:
        assert file.read() == before


@pytest.mark.parametrize("call", (pmap, parmap.stream))
def test_a_trace_does_not_overwrite_the_checkpoint(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("map", half, [1, 2], "threads", None)
    with pytest.raises(ValueError, match="trace and checkpoint name the same file, ./sweep.db"):
        call(half, grid=dict(a=[1, 2], b=[1, 2, 3, 4]), engine="threads", checkpoint="sweep.db", trace="./sweep.db", reporter="silent")
    assert len(parmap.load("sweep.db")) == 6
    run("map", half, [1, 2], "threads", None)


def test_a_fold_has_one_trace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = parmap.fold(0, step, operator.add, range(6), engine="threads", checkpoint="sweep.db", trace="fold.json", reporter="silent")
    assert found == 15
    with open("fold.json.status") as file:
        status = json.load(file)
    assert (status["tasks"], status["completed"], status["failed"]) == (6, 6, 0)


def step(total, x):
    return total + x
