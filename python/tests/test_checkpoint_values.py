# SPDX-License-Identifier: MIT
"""Values in a checkpoint come back bit for bit and type for type; load() and status read the file."""

import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import math
import pathlib
import pickle
import sqlite3
import struct
import sys
import types

import numpy
import pytest
from hypothesis import given, strategies

import parmap as package
from helpers import needs, run
from helpers_of_checkpoints import Broken, Price, add, draw, fragile, rows, same
from parmap import StoreFailed, checkpoint, load, parmap
from parmap._stored_values import PICKLE, imported_class, key_of, stored, value_of

pytestmark = pytest.mark.timeout(60)


@dataclasses.dataclass
class Nested:
    price: Price
    curve: list


@dataclasses.dataclass
class Slotted:
    __slots__ = ("x", "y")
    x: int
    y: float


class Base:
    __slots__ = ("hidden",)


@dataclasses.dataclass
class Hidden(Base):
    x: int

    def __post_init__(self):
        self.hidden = [self.x]


@dataclasses.dataclass
class Text(str):
    x: str


@dataclasses.dataclass
class Own:
    x: int

    def __reduce__(self):
        return Own, (self.x,)


class Method(enum.Enum):
    FAST = "f"
    SLOW = "s"


class Size(enum.IntEnum):
    LARGE = 10


def odd_nan():
    return struct.unpack("<d", bytes.fromhex("010000000000f8ff"))[0]


PLAIN = [
    0.0, -0.0, math.nan, odd_nan(), math.inf, 5e-324, 0, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**64, -(2**70), True, False, None,
    "", "text", "a\0b", "\ud800x", "é", b"", b"a\0b",
    numpy.bool_(True), numpy.int8(-3), numpy.int64(7), numpy.uint64(2**64 - 1), numpy.float16(0.1), numpy.float32("nan"), numpy.float32(0.1),
    numpy.float64(-0.0), numpy.float64(odd_nan()),
    (), (1, 2.5, ("x", None)), [1, [math.nan, -0.0]], {"a": 1, "b": [numpy.float64(0.1)]}, {1: 2, (3,): "x"}, {"__class__": "no"},
    1 + 2j, decimal.Decimal("0.10"), fractions.Fraction(1, 3), datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 12, 30, 0, 1),
    datetime.timedelta(-1, 5, 7), numpy.complex128(1j), numpy.datetime64("2020-01-01T00:00:00.5"), numpy.str_("é"),
    numpy.bytes_(b"a"), numpy.bytes_(b"a\0"), numpy.str_("a\0"), ["\ude00"], Method.FAST, Size.LARGE, {"how": Method.SLOW},
    pathlib.Path("/a/b"), {"curve": numpy.arange(3.0)},
    Price(0.5, 0.1), Price(math.nan, -0.0, "é"), Nested(Price(1.0, 2.0), [Price(3.0, 4.0), (1,)]), Slotted(1, 2.0),
    numpy.arange(6, dtype=">i4").reshape(2, 3), numpy.array(3.5), numpy.zeros((0, 3)), numpy.array(["a", "bc"]), numpy.arange(10)[::2],
    numpy.array([(1, 2.0)], dtype=[("x", "i4"), ("y", "f8")]), numpy.array(["2020-01-01"], dtype="M8[ns]"), numpy.array([True, False]),
]  # fmt: skip
BY_PICKLE = [
    {1, 2}, range(3), numpy.longdouble("0.1"), ValueError("x"), datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc),
    ["\ud83d\ude00"], {"\ud83d\ude00": 1}, [pathlib.Path("\ud83d\ude00")],  # JSON takes each for one character
    fractions.Fraction(10**5000, 3), decimal.Decimal("sNaN"), Hidden(1), Text("x"), Own(1),
    numpy.rec.array([(1, 2.0)], dtype=[("x", "i4"), ("y", "f8")])[0], numpy.array([(1,)], dtype=numpy.dtype((numpy.record, [("x", "i4")]))),
]  # fmt: skip


def through_sqlite(value):
    file = sqlite3.connect(":memory:")
    file.execute("CREATE TABLE t(format, value)")
    cell = stored(value)
    file.execute("INSERT INTO t VALUES(?, ?)", cell)
    (back,) = file.execute("SELECT * FROM t").fetchall()
    file.close()
    assert key_of(back) == key_of(cell)
    return cell[0], value_of(back, imported_class, allow_pickle=True)


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: f"{type(value).__name__}-{str(value)[:20]!r}")
def test_a_value_comes_back_without_a_pickle(value):
    format, again = through_sqlite(value)
    assert format != PICKLE and same(again, value), (format, again)


@pytest.mark.parametrize("value", BY_PICKLE, ids=lambda value: type(value).__name__)
def test_other_values_are_pickled(value):
    format, again = through_sqlite(value)
    assert format == PICKLE and type(again) is type(value) and getattr(again, "hidden", None) == getattr(value, "hidden", None)
    assert pickle.dumps(again) == pickle.dumps(pickle.loads(pickle.dumps(value)))


def test_times_of_pandas_are_plain():
    needs("pandas")
    import pandas

    for value in (pandas.Timestamp("2024-02-29 12:30:00.123456789"), pandas.Timestamp("2024-02-29").as_unit("s"), pandas.Timestamp("2024-02-29").as_unit("ns")):
        format, again = through_sqlite(value)
        assert again == value and type(again) is pandas.Timestamp and getattr(again, "unit", "") == getattr(value, "unit", "")
    assert through_sqlite(pandas.Timestamp("2024-02-29 12:30:00.123456789"))[0] != PICKLE


def test_an_array_in_fortrans_order_keeps_it():
    assert through_sqlite(numpy.asfortranarray(numpy.ones((2, 3))))[1].flags.f_contiguous


TREES = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | strategies.text() | strategies.binary(),
    lambda inner: strategies.lists(inner) | strategies.tuples(inner, inner) | strategies.dictionaries(strategies.text() | strategies.integers(), inner),
    max_leaves=8,
)


@given(TREES)
def test_trees_come_back(value):
    assert same(through_sqlite(value)[1], value)


def values(k):
    return PLAIN[k] if k < len(PLAIN) else BY_PICKLE[k - len(PLAIN)]


def test_a_resumed_map_gives_the_same_values(db, engine):
    known = range(len(PLAIN) + len(BY_PICKLE))
    first = parmap(values, known, engine=engine, checkpoint=db, reporter="silent")
    again = parmap(values, known, engine=engine, checkpoint=db, reporter="silent")
    assert len(again.stored) == len(known)
    assert all(k >= len(PLAIN) or same(a, b) for k, (a, b) in enumerate(zip(first, again)))
    with pytest.raises(ValueError, match="the value of task .* it is a pickle, and to unpickle the file of a stranger may run any code"):
        load(db)
    assert len(load(db, allow_pickle=True)) == len(known)


def test_a_value_that_cannot_be_pickled_ends_the_map_and_says_so(db):
    with pytest.raises(StoreFailed, match="the value of task 1, of type generator, cannot be stored, as it cannot be pickled") as caught:
        parmap(lambda x: (k for k in ()) if x else 5, [0, 1], engine="threads", n_worker=1, checkpoint=checkpoint(db, name="f"), reporter="silent")
    assert caught.value.results[0] == 5
    assert rows(db, "SELECT value FROM results") == [(5,)]


# ---- load


def test_load_gives_a_table(db):
    needs("pandas")
    with Broken():
        parmap(fragile, range(4), checkpoint=db, seed=1, reporter="silent", on_error=lambda *_: None)
    table = load(db)
    plain = parmap(fragile, range(4), seed=1)
    assert (table.names, table.version, table.versions, table.tasks, len(table)) == (("x",), "", [""], 4, 4)
    assert table.fields["seed"] == "1" and table.fields["function"] == "helpers_of_checkpoints.fragile"
    assert [row.value for row in table] == [None, plain[1], plain[2], None] and [bool(row) for row in table] == [False, True, True, False]
    assert table[3].task == {"x": 3} and table[3].kind == "threw" and table[3].message == "ValueError: no convergence for 3"
    assert repr(table) == "<the outcomes of 4 of 4 tasks (x), 2 failed>"
    frame = table.to_frame()
    assert list(frame.columns) == ["x", "value", "_kind", "_message", "_attempts", "_began", "_seconds", "_worker"]
    assert list(frame["x"]) == [0, 1, 2, 3] and list(frame["value"][1:3]) == plain[1:3] and frame["_attempts"].dtype == "int64"
    assert load(pathlib.Path(db), version="")[1] == table[1]
    with pytest.raises(ValueError, match="has no version 'x'; it has ''"):
        load(db, version="x")


def test_load_makes_frames_of_polars(db):
    needs("polars")
    parmap(lambda x: Price(x, 0.0), [1.0], engine="threads", checkpoint=checkpoint(db, name="f"), reporter="silent")
    said = run(f'import parmap\nprint(parmap.load({db!r}).to_frame("polars").columns)')
    assert said == "['x', 'mean', 'error', 'note', '_kind', '_message', '_attempts', '_began', '_seconds', '_worker']\n"


def test_load_gives_dataclasses_where_their_module_is_known(db):
    parmap(lambda x: Price(x, 0.0), [1.0], engine="threads", checkpoint=checkpoint(db, name="f"), reporter="silent")
    assert load(db)[0].value == Price(1.0, 0.0)
    assert rows(db, "SELECT mean, error, note FROM results") == [(1.0, 0.0, "none")]
    kept = sys.modules.pop("helpers_of_checkpoints")
    try:
        assert load(db)[0].value == {"__class__": "helpers_of_checkpoints:Price", "mean": 1.0, "error": 0.0, "note": "none"}
        assert "helpers_of_checkpoints" not in sys.modules
    finally:
        sys.modules["helpers_of_checkpoints"] = kept


@pytest.mark.parametrize("change", ("gone", "fields", "member"))
def test_a_resumed_map_says_that_a_class_is_not_what_it_was(db, change):
    """A dict in place of the dataclass would be another value."""
    made = types.ModuleType("study_of_classes")
    text = "import dataclasses, enum\n@dataclasses.dataclass\nclass Cost:\n    mean: float\nclass Way(enum.Enum):\n    UP = 1\n"
    exec(text + "def f(x): return [Cost(x)] if x else Way.UP", made.__dict__)
    sys.modules["study_of_classes"] = made
    try:
        keep = checkpoint(db, name="f", accept_code_change=True)
        ask = dict(engine="threads", checkpoint=keep, reporter="silent")
        assert parmap(made.f, [0, 1], **ask) == [made.Way.UP, [made.Cost(1)]]
        exec(text.replace(*{"gone": ("Cost", "Other"), "fields": ("mean", "middle"), "member": ("UP", "DOWN")}[change]), made.__dict__)
        if change == "gone":
            del made.Cost
        words = {"gone": "Cost of the module study_of_classes, which is not there any more", "fields": "which has other fields or members now",
                 "member": "the stored value of task 0 cannot be read: it is of the class Way"}  # fmt: skip
        with pytest.raises(StoreFailed, match=words[change]):
            parmap(made.f, [0, 1], **ask)
        with pytest.raises(StoreFailed, match=words[change]):
            list(package.stream(made.f, [0, 1], **ask))
        assert load(db)[1].value == ([{"__class__": "study_of_classes:Cost", "mean": 1}] if change != "member" else [made.Cost(1)])
    finally:
        del sys.modules["study_of_classes"]


def test_load_reads_while_a_map_writes(db):
    with package.stream(add, range(50), engine="serial", checkpoint=db, reporter="silent") as outcomes:
        for _ in range(5):
            next(outcomes)
        while len(load(db)) < 5:
            pass
        assert [row.value for row in load(db)] == [1, 2, 3, 4, 5] and load(db).tasks == 50


def remove(path):
    for end in ("", "-wal", "-shm"):
        pathlib.Path(path + end).unlink(missing_ok=True)


def test_load_joins_parts(db):
    pattern = db.replace("sweep.db", "sweep.part*.db")
    paths = [pattern.replace("*", f"{k:02}") for k in range(3)]
    for k, path in enumerate(paths):
        parmap(add, range(3 * k, 3 * k + 3), engine="threads", checkpoint=path, reporter="silent")
    assert [row.value for row in load(pattern)] == list(range(1, 10)) and load(pattern).tasks == 9
    parmap(add, [4], engine="threads", checkpoint=paths[0], reporter="silent")
    with pytest.raises(ValueError, match=r"sweep.part00.db and .*sweep.part01.db overlap: both have the task {'x': 4}"):
        load(pattern)
    remove(paths[1])
    with pytest.raises(ValueError, match=r"parts are missing: sweep.part01.db"):
        load(pattern)
    for ask, words in ((dict(fargs=dict(n=100)), "of different sweeps: fixed n is none and 100"),
                       (dict(checkpoint=checkpoint(paths[1], version="2")), r"of different versions of the function, '' and '2'")):  # fmt: skip
        parmap(add, [9], **{"engine": "threads", "checkpoint": paths[1], "reporter": "silent", **ask})
        with pytest.raises(ValueError, match=words):
            load(pattern)
        remove(paths[1])
    parmap(draw, [1], [2], engine="threads", checkpoint=paths[1], reporter="silent")
    with pytest.raises(ValueError, match="are of different sweeps"):
        load(pattern)
    for missing in ("no.db", "no*.db"):
        with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
            load(missing)


def test_load_reads_a_file_of_cpp(db):
    """Its values of a codec are bytes; a resumed call refuses it."""
    parmap(add, [1, 2], engine="threads", checkpoint=db, reporter="silent")
    file = sqlite3.connect(db)
    file.execute("UPDATE field SET value = 'price' WHERE name = 'result'")
    file.execute("UPDATE result_1 SET format = 8, value = ?, began = NULL", (b"\1\2",))
    file.execute("UPDATE run SET language = 'C++', code = NULL")
    file.commit()
    file.close()
    assert [(row.value, row.began) for row in load(db)] == [(b"\1\2", None)] * 2
    with pytest.raises(StoreFailed, match=r"the stored value of task 0 cannot be read: it is in the form of a C\+\+ type"):
        parmap(add, [1, 2], checkpoint=db)


# ---- status


def status(path, capsys):
    from parmap.__main__ import main

    code = main(["status", path])
    said = capsys.readouterr()
    return code, said.out + said.err


def test_status_of_several_files(db, capsys):
    from parmap.__main__ import main

    parmap(add, [1], engine="threads", checkpoint=db, reporter="silent")
    with Broken():
        parmap(fragile, [3], engine="threads", checkpoint=db + "2", reporter="silent", on_error=lambda *_: None)
    assert (main(["status", db, db]), main(["status", db, db + "2"]), main(["status", db + "3", db])) == (0, 4, 1)
    assert capsys.readouterr().out.count("last run: 1 of 1 tasks done") == 4


def test_status(db, capsys):
    with package.stream(fragile, range(1200), engine="serial", checkpoint=db, seed=3, reporter="silent") as outcomes:
        next(outcomes)
        while not rows(db, "SELECT 1 FROM result_1"):
            pass
        code, said = status(db, capsys)
        assert code == 3 and "last run: 1 of 1 200 tasks done, 1 199 missing" in said and "this process is using it; it last wrote" in said
        assert said.startswith(f"{db}: helpers_of_checkpoints.fragile(x), seed 3\n") and "Python, parmap" in said
    with Broken():
        parmap(fragile, range(1200), engine="threads", checkpoint=db, reporter="silent", on_error=lambda *_: None)
    code, said = status(db, capsys)
    assert code == 4 and "last run: 801 of 1 200 tasks done, 399 failed" in said and "399 x threw: ValueError: no convergence for ..." in said
    assert "2 runs; the first began" in said and "using" not in said
    parmap(fragile, range(1200), engine="threads", checkpoint=db, reporter="silent")
    assert status(db, capsys)[0] == 0
    assert status(db + "x", capsys) == (1, f"parmap: there is no checkpoint: {db}x\n")
    pathlib.Path(db + "x").write_text(json.dumps(["not a database"]) * 100)
    assert status(db + "x", capsys)[0] == 1
