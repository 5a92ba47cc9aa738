# SPDX-License-Identifier: MIT
"""Results as tables of pandas and polars, and as arrays of xarray."""

import dataclasses
import datetime
import functools
import math
import sys
from typing import NamedTuple

import pytest

import parmap as package
from helpers import needs, quiet, run
from parmap import parmap

pandas = pytest.importorskip("pandas")
np = pytest.importorskip("numpy")


def simulate(mu, x0):
    if (mu, x0) == (0.5, 2):
        raise ValueError("no convergence")
    return mu * x0


def task_of(values):
    """Gives these values; an exception is raised."""

    def task(x):
        if isinstance(values[x], Exception):
            raise values[x]
        return values[x]

    return task


def values(given):
    return quiet(task_of(given), range(len(given)), engine="threads")


def column(*of):
    return values(of).to_frame()["value"]


# ---- pandas


def test_a_row_for_each_task():
    frame = quiet(simulate, grid=dict(mu=[0.1, 0.5], x0=[1, 2])).to_frame()
    expected = pandas.DataFrame(
        dict(mu=[0.1, 0.1, 0.5, 0.5], x0=[1, 2, 1, 2], value=[0.1, 0.2, 0.5, np.nan], _kind=["ok", "ok", "ok", "threw"],
             _message=[None, None, None, "ValueError: no convergence"], _attempts=pandas.array([None, None, None, 1], "Int64"))
    )  # fmt: skip
    pandas.testing.assert_frame_equal(frame, expected)
    assert values([1]).to_frame()["_attempts"].dtype == "Int64"


FAILED = ValueError("no convergence")


@pytest.mark.parametrize(
    "of, dtype, missing",
    [
        ((1, 2), "int64", None),
        ((1, FAILED), "Int64", pandas.NA),
        ((True, False), "bool", None),
        ((True, FAILED), "boolean", pandas.NA),
        ((1.5, 1, FAILED), "float64", np.nan),
        ((1, None), "Int64", pandas.NA),
        ((1.5, 2**53 + 1), "object", None),
        ((1.5, 2**53), "float64", None),
        ((np.float32(1.5), np.int64(2**53 + 1)), "object", None),
        ((np.float32(1), FAILED), "float32", np.nan),
        ((np.uint8(1), np.uint8(2)), "uint8", None),
        ((np.uint8(1), FAILED), "UInt8", pandas.NA),
        ((np.bool_(True), FAILED), "boolean", pandas.NA),
        ((np.datetime64("2020-01-02", "s"), FAILED), "datetime64[s]", pandas.NaT),
        ((2**63, 1), "uint64", None),
        ((2**63, -1), "object", None),
        ((np.uint64(2**64 - 1), np.int8(-1)), "object", None),
        ((np.uint64(2**64 - 1), np.int8(1)), "uint64", None),
        ((10**400, 0.5), "object", None),
        ((2**70, FAILED), "object", None),
        (((1, 2), FAILED), "object", None),
        ((np.zeros(2), np.ones(2)), "object", None),
        ((1, "a"), "object", None),
        ((FAILED,), "object", None),
        ((1j, FAILED), "complex128", np.nan),
        ((datetime.datetime(2020, 1, 2), FAILED), "datetime64", pandas.NaT),
    ],
    ids=str,
)
def test_types_of_columns(of, dtype, missing):
    found = column(*of)
    assert str(found.dtype).startswith(dtype)
    if of[-1] is FAILED or of[-1] is None:
        last = found.iloc[-1]
        assert last is missing or (type(last) is not type(None) and pandas.isna(last))


def test_text_is_text():
    found = column("a", FAILED)
    assert found.dtype == pandas.Series(["a"]).dtype and list(found.isna()) == [False, True]


@dataclasses.dataclass
class Point:
    y: float
    x: int


class Pair(NamedTuple):
    y: float
    n: int


def test_fields_become_columns():
    assert list(values([Point(0.5, 7), FAILED]).to_frame().columns) == ["x", "y", "x_value", "_kind", "_message", "_attempts"]
    frame = values([{"y": 1, "_kind": "a"}, Pair(2, 3), FAILED, None]).to_frame()
    assert list(frame.columns) == ["x", "y", "_kind_value", "n", "_kind", "_message", "_attempts"]
    assert list(frame["y"].isna()) == [False, False, True, True] and str(frame["n"].dtype) == "Int64"
    assert list(values([{"y": 1}, 2]).to_frame().columns) == ["x", "value", "_kind", "_message", "_attempts"]
    assert list(values([{1: 1}]).to_frame()["value"]) == [{1: 1}]


def test_names_without_a_grid():
    class Model:
        def method(self, a, b):
            return a

        __call__ = method

    def plain(a, b=1):
        return a

    def partly(a, *rest):
        return a

    def names(func):
        return list(parmap(func, [1], [2], engine="threads").to_frame().columns)[:2]

    for func in (plain, functools.lru_cache(plain), functools.partial(lambda n, a, b: a, 7), Model().method, Model()):
        assert names(func) == ["a", "b"]
    assert names(math.copysign) == ["x", "y"] and names(partly) == names(max) == ["x0", "x1"]
    unnamed = parmap(len, ["a" * 2000], engine="threads").to_frame()
    assert list(unnamed.columns)[:2] == ["_task", "value"] and unnamed["_task"][0] == 0
    with pytest.raises(ValueError, match="an input has the name _kind"):
        parmap(lambda _kind: 1, [1], engine="threads").to_frame()


def test_a_frame_keeps_its_index_and_its_types():
    frame = pandas.DataFrame(
        dict(a=pandas.array([1, 2, 3], "Int8"), b=pandas.Categorical(["u", "v", "u"]), c=pandas.date_range("2020", periods=3, tz="UTC")),
        index=pandas.Index(["k", "l", "k"], name="site"),
    )
    results = parmap(lambda a, b, c: a * 10, grid=frame, where=lambda a, **_: a != 2, engine="threads")
    found = results.to_frame()
    assert list(found.index) == ["k", "k"] and found.index.name == "site" and list(found["value"]) == [10, 30]
    assert dict(found[["a", "b", "c"]].dtypes) == dict(frame.dtypes)
    assert list(results.sel(a=3).to_frame().index) == ["k"] and list((results + results).to_frame().index) == ["k"] * 4
    product = parmap(lambda a, b, c, n: n, grid=[frame, dict(n=[1, 2])], engine="threads").to_frame()
    assert list(product.index) == list(range(6)) and product["b"].dtype == "category"


def test_sums_of_different_maps():
    both = (parmap(abs, [-1], engine="threads") + parmap(lambda mu: mu, grid=dict(mu=[2]), engine="threads")).to_frame()
    assert list(both.columns)[:2] == ["x", "mu"] and [list(both[name].isna()) for name in ("x", "mu")] == [[False, True], [True, False]]


def test_failures():
    failures = quiet(simulate, grid=dict(mu=[0.1, 0.5], x0=[1, 2])).failures
    row = {"_task": 3, "mu": 0.5, "x0": 2, "_kind": "threw", "_message": "ValueError: no convergence", "_attempts": 1}
    assert failures.to_frame().to_dict("records") == [row]
    tuples = quiet(lambda a, b: 1 // 0, [7], [8])
    assert list(tuples.failures.to_frame().columns)[:3] == ["_task", "a", "b"] and len(tuples[1:].failures.to_frame()) == 0
    assert list((tuples + tuples).failures.to_frame().columns)[:3] == ["_task", "x0", "x1"]


def test_a_kind_of_frame_that_does_not_exist():
    with pytest.raises(ValueError, match="there is no kind 'csv'; the names are pandas, polars"):
        values([1]).to_frame("csv")


@pytest.mark.parametrize("library, make", [("pandas", "to_frame"), ("polars", "to_frame"), ("xarray", "to_xarray")])
def test_a_library_that_is_missing(library, make, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    results = values([1])
    with pytest.raises(ImportError, match=rf"needs {library}: pip install {library}$"):
        results.to_frame(library) if make == "to_frame" else results.to_xarray()


# ---- polars


def test_polars():
    """A program of its own: once polars is imported, forks warn of it."""
    needs("polars")
    program = """
        import datetime, numpy as np, polars
        from parmap import parmap
        bad = ValueError("no convergence")
        def column(*of):
            def task(x):
                if isinstance(of[x], Exception):
                    raise of[x]
                return of[x]
            return parmap(task, range(len(of)), engine="threads", on_error=lambda *failed: None).to_frame("polars")
        for of in ((1, bad), (True, bad), (1.5, 1, bad), ("a", bad), (np.float32(1), bad), (np.uint8(1), np.uint8(2)), (bad,), (2**70, 1),
                   (np.zeros(2), bad), ([1], bad), (datetime.date(2020, 1, 2), bad), (np.datetime64("2020-01-02T00:00:00", "us"), bad)):
            frame = column(*of)
            print(frame["value"].dtype, frame["value"].null_count())
        print(column(1, bad).drop("_message").rows(), column(1).schema["_attempts"], column(1).schema["_message"])
        print(column({"y": 1, "x": 2}).columns)
        frame = polars.DataFrame(dict(a=[1, 2], c=["u", "v"]), schema=dict(a=polars.Int8, c=polars.Categorical))
        results = parmap(lambda a, c: a, grid=frame, engine="threads")
        print(results.to_frame("polars").select("a", "c").equals(frame), list(results.to_frame().columns))
    """
    lines = run(program).splitlines()
    assert lines[:12] == [
        "Int64 1", "Boolean 1", "Float64 1", "String 1", "Float32 1", "UInt8 0", "Null 1", "Object 0",
        "Object 1", "Object 1", "Date 1", "Datetime(time_unit='us', time_zone=None) 1",
    ]  # fmt: skip
    assert lines[12:] == [
        "[(0, 1, 'ok', None), (1, None, 'threw', 1)] Int64 String",
        "['x', 'y', 'x_value', '_kind', '_message', '_attempts']",
        "True ['a', 'c', 'value', '_kind', '_message', '_attempts']",
    ]


# ---- xarray

GRID = dict(mu=[0.1, 0.5], x0=[1, 2])


@pytest.fixture
def xarray():
    return pytest.importorskip("xarray")


def test_a_labelled_array(xarray):
    found = quiet(simulate, grid=GRID).to_xarray()
    expected = xarray.DataArray([[0.1, 0.2], [0.5, np.nan]], GRID, ("mu", "x0"), "value")
    xarray.testing.assert_identical(found, expected)
    assert parmap(lambda mu, x0: x0, grid=GRID, engine="threads").to_xarray().dtype == "int64"
    assert parmap(lambda mu, x0: np.float32(x0), grid=GRID, where=lambda mu, x0: x0 > 1, engine="threads").to_xarray().dtype == "float32"


def test_holes_and_parts(xarray):
    results = parmap(lambda mu, x0: x0, grid=GRID, where=lambda mu, x0: (mu, x0) != (0.5, 2), engine="threads")
    assert np.array_equal(results.to_xarray(), [[1, 2], [1, np.nan]], equal_nan=True)
    assert dict(results.sel(x0=2).to_xarray().sizes) == {"mu": 1, "x0": 1} and results.sel(x0=1).to_xarray().dtype == "int64"
    assert np.isnan(quiet(lambda mu: 1 // 0, grid=dict(mu=[1, 2]), engine="threads").to_xarray()).all()


@pytest.mark.parametrize("of, dtype", [((True, FAILED), object), (("a", "b"), object), ((1j, FAILED), complex), ((np.int8(1), np.int8(2)), np.int8),
                                       ((np.datetime64(1, "s"), FAILED), "datetime64[s]"), ((2**70, 1), object)], ids=str)  # fmt: skip
def test_types_of_arrays(xarray, of, dtype):
    found = quiet(task_of(of), grid=dict(x=range(2)), engine="threads").to_xarray()
    assert found.dtype == dtype and bool(found.isnull()[1]) == (of[1] is FAILED) and found.values[0] == of[0]


def test_large_integers_keep_their_digits(xarray):
    large = 2**53 + 1
    holes = quiet(task_of((large, FAILED)), grid=dict(x=range(2)), engine="threads").to_xarray()
    assert holes.dtype == object and holes.values[0] == large
    rows = parmap(task_of(([large, 1], [1.5, 2])), grid=dict(x=range(2)), engine="threads").to_xarray(dims="k")
    assert rows.dtype == object and rows.values[0, 0] == large and rows.values[1, 0] == 1.5
    mixed = [np.uint64(2**64 - 1), np.int8(-1)]
    found = parmap(lambda x: x, grid=dict(x=mixed), engine="threads").to_xarray()
    assert found.values.tolist() == found.x.values.tolist() == [2**64 - 1, -1]


def test_values_that_are_arrays(xarray):
    def path(mu, x0):
        if (mu, x0) == (0.5, 2):
            raise ValueError("no convergence")
        return np.array([x0, x0 + 1, x0 + 2])

    found = quiet(path, grid=GRID, engine="threads").to_xarray("t", {"t": [0.0, 0.5, 1.0]})
    assert found.dims == ("mu", "x0", "t") and list(found.sel(mu=0.1, x0=2, t=[0.5, 1.0])) == [3, 4]
    assert np.isnan(found.sel(mu=0.5, x0=2)).all() and list(found["t"]) == [0.0, 0.5, 1.0]
    lists = parmap(lambda mu: [[1, 2]], grid=dict(mu=[1.0]), engine="threads").to_xarray(("i", "j"))
    assert lists.shape == (1, 1, 2) and lists.dtype == "int64"


def test_values_with_fields(xarray):
    def both(mu, x0):
        return {"mean": mu, "path": np.full(3, x0), "mu": x0}

    found = parmap(both, grid=GRID, engine="threads").to_xarray({"path": "t"})
    assert {name: each.dims for name, each in found.items()} == {"mean": ("mu", "x0"), "path": ("mu", "x0", "t"), "mu_value": ("mu", "x0")}
    assert parmap(both, grid=GRID, engine="threads").to_xarray("t")["path"].dims == ("mu", "x0", "t")
    assert list(parmap(lambda mu: Pair(mu, 1), grid=dict(mu=[1.0]), engine="threads").to_xarray()) == ["y", "n"]


def test_labels_that_are_no_scalars(xarray):
    found = parmap(lambda pair: pair[0], grid=dict(pair=package.zip([1, 2], [3, 4])), engine="threads").to_xarray()
    assert list(found.values) == [1, 2] and found["pair"].values[1] == (2, 4)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: parmap(abs, [1], engine="threads").to_xarray(), r"one grid=dict\(...\).*use to_frame\(\).to_xarray\(\)"),
        (lambda: parmap(lambda x: x, grid=package.zip(x=[1]), engine="threads").to_xarray(), "one grid="),
        (lambda: (parmap(simulate, grid=dict(mu=[1], x0=[1])) + parmap(simulate, grid=dict(mu=[1], x0=[2]))).to_xarray(), "one grid="),
        (lambda: parmap(np.ones, grid=dict(shape=[3, 3]), engine="threads").to_xarray(), "have 1 dimension, but dims has 0 names"),
        (lambda: parmap(np.ones, grid=dict(shape=[2, 3]), engine="threads").to_xarray("t"), r"different shapes: \(2,\) of combination 0, \(3,\) of 1"),
        (lambda: parmap(np.ones, grid=dict(shape=[3, 3]), engine="threads").to_xarray("shape"), "dims has shape, which is an input"),
        (lambda: parmap(np.ones, grid=dict(shape=[3, 3]), engine="threads").to_xarray("t", {"shape": [1]}), "coords has shape"),
        (lambda: parmap(lambda x: x, grid=dict(x=[1]), engine="threads").to_xarray("t"), "no value has that many dimensions"),
    ],
    ids=["tuples", "zip", "sum", "no dims", "shapes", "dims of the grid", "coords of the grid", "dims of scalars"],
)  # fmt: skip
def test_what_is_no_array(xarray, make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_checkpoint_knows_how_each_task_ran(tmp_path):
    def run():
        return quiet(simulate, grid=GRID, engine="threads", checkpoint=tmp_path / "sweep.db")

    for results in (run(), run()):  # the second reads what the first has stored, and repeats what failed
        frame = results.to_frame()
        assert list(frame.columns) == ["mu", "x0", "value", "_kind", "_message", "_attempts", "_seconds", "_worker"]
        assert list(frame["_attempts"]) == [1, 1, 1, 1] and frame["_attempts"].dtype == "int64"
        assert (frame["_seconds"] >= 0).all() and frame["_worker"].dtype == "int64"
        part = results.sel(x0=2).to_frame()
        assert list(part["_seconds"]) == [frame["_seconds"][1], frame["_seconds"][3]]
        assert list((results[:1] + results[1:]).to_frame()["_seconds"]) == list(frame["_seconds"])
        assert "_seconds" not in (results + [1]).copy()[:0].to_frame().columns
