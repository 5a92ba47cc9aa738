# SPDX-License-Identifier: MIT
"""What other programs see of a checkpoint: the view `results`, the runs, and the report, which reads the same."""

import os

import numpy
import pytest

from helpers_of_checkpoints import Broken, add, rows
from parmap import checkpoint, load, parmap
from parmap._checkpoint_file import APPLICATION
from parmap._report import facts_of_file

pytestmark = pytest.mark.timeout(60)


def test_the_view_has_the_inputs_and_the_fields(db):
    parmap(lambda mu, x0: {"mean": numpy.float64(mu * x0), "name": f"{x0}", "mu": 1}, grid=dict(mu=[0.5], x0=[1, 2]), engine="threads",
           checkpoint=checkpoint(db, name="f"), reporter="silent")  # fmt: skip
    query = "SELECT mu, x0, mean, name, mu_value, _kind, _message, _attempts, _run, _task FROM results"
    assert rows(db, query) == [(0.5, 1, 0.5, "1", 1, "ok", None, 1, 1, 0), (0.5, 2, 1.0, "2", 1, "ok", None, 1, 1, 1)]
    assert rows(db, "SELECT abs(_began - r.began) < 60, _seconds >= 0 FROM results, run AS r") == [(1, 1)] * 2
    parmap(add, [1, 2], engine="threads", checkpoint=checkpoint(db, version="add"), reporter="silent")
    assert rows(db, "SELECT x, value FROM results") == [(1, 2), (2, 3)]


def test_the_view_is_of_the_version_that_was_made_last(db):
    """Also if a map goes on with an earlier one; and the report does not mix the two."""
    def values(sign):
        return lambda x: {"value": sign * x, "only": 0} if sign > 0 else {"value": sign * x}

    for sign, version, last in ((1, "", 2), (-1, "2", 2), (1, "", 3)):
        parmap(values(sign), grid=dict(x=range(1, last + 1)), engine="threads", checkpoint=checkpoint(db, name="f", version=version), reporter="silent",
               fargs={})  # fmt: skip
    assert rows(db, "SELECT x, value_value FROM results") == [(1, -1), (2, -2)]
    facts = facts_of_file(db)
    assert facts.grid.values == [[1, 2]] and facts.grid.quantities["value"] == [-1, -2] and facts.tasks == 2
    assert [row.value for row in load(db, version="")] == [{"value": x, "only": 0} for x in (1, 2, 3)]


def test_inputs_may_have_any_name(db):
    names = dict(value=[1, 2], N=[5], n=[7], _worker=[9])
    parmap(lambda value, N, n, _worker: value * 10 + N + n, grid=names, engine="threads", checkpoint=checkpoint(db, name="f"), reporter="silent")
    assert rows(db, "SELECT value, N, n_value, _worker_value, value_value FROM results") == [(1, 5, 7, 9, 22), (2, 5, 7, 9, 32)]
    facts = facts_of_file(db)
    assert facts.grid.names == ["value", "N", "n", "_worker"] and facts.grid.values == [[1, 2], [5], [7], [9]] and facts.grid.quantities["value"] == [22, 32]


def test_a_file_may_have_many_axes(db):
    grid = {f"n{k}": [k] for k in range(70)}
    parmap(lambda **inputs: sum(inputs.values()), grid=grid, engine="threads", checkpoint=checkpoint(db, name="f"), reporter="silent")
    assert rows(db, "SELECT n0, n69, value FROM results") == [(0, 69, 2415)] and facts_of_file(db).completed == 1


def test_fields_may_have_any_name(db):
    value = {"é": 2, "it's": 3, "b\\c": 4, "a.b": 5, "": 6, "A": 7, "a": 8}
    parmap(lambda x: value if x == 1 else {'a"b': 1}, [1, 2], engine="threads", checkpoint=checkpoint(db, name="f"), reporter="silent")
    assert 'a"b' not in {name for name, in rows(db, "SELECT name FROM pragma_table_info('results')")}  # SQLite's paths have no such name
    assert rows(db, """SELECT "é", "it's", "b\\c", "a.b", "", A, a_value FROM results WHERE x = 1""") == [(2, 3, 4, 5, 6, 7, 8)]


def test_the_view_has_no_column_for_each_key_of_data(db):
    parmap(lambda x: {f"key {x}": x}, range(150), engine="threads", checkpoint=checkpoint(db, name="f"), reporter="silent")
    assert rows(db, "SELECT count(*) FROM spread") == [(100,)] and len(rows(db, "SELECT * FROM results")) == 150
    assert load(db)[120].value == {"key 120": 120}


def test_the_file_says_what_ran(db):
    parmap(add, [1, 2], engine="threads", checkpoint=db, reporter="silent")
    with Broken():
        parmap(add, [1, 2, 3], engine="threads", checkpoint=db, reporter="silent")
    runs = rows(db, "SELECT number, host, pid, language, tasks, stored, done, failed, ended >= seen, began <= seen, code FROM run")
    digest = runs[0][-1]
    assert runs == [(k, os.uname().nodename, os.getpid(), "Python", tasks, stored, tasks, 0, 1, 1, digest) for k, tasks, stored in ((1, 2, 0), (2, 3, 2))]
    assert rows(db, "SELECT digest, source FROM code") == [(digest, "def add(x, n=1):\n    return x + n\n")]
    assert rows(db, "PRAGMA application_id") == [(APPLICATION,)] and rows(db, "PRAGMA user_version") == [(1,)]
    assert rows(db, "PRAGMA journal_mode") == [("wal",)]
