# SPDX-License-Identifier: MIT
"""What comes out of a worker process: the very value, of the very type."""

import array
import collections
import datetime
import decimal
import fractions
import math
import pickle
import struct
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import only_failure, quiet
from parmap import UnpicklableResult, parmap


def through(values):
    return parmap(lambda i: values[i], range(len(values)), n_worker=2)


def bits(x):
    return struct.pack("d", x)


PLAIN = [
    None, True, False, 0, -1, 2**31, 2**62, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 2**64, 10**400, -(10**400),
    "", "a", "x" * 14, "x" * 15, "x" * 16, "x" * 17, "x" * 100_000, "ñ", "😀" * 1000, "a\0b", "\ud800", "a\udfffb",
    b"", b"\0", bytes(range(256)), b"y" * 14, b"y" * 15, b"y" * 16, b"z" * 1_000_000,
    (), [], {}, set(), frozenset({1}), ..., NotImplemented, 1j, complex(math.inf, -0.0), bytearray(b"abc"),
    [1, [2, (3, {"a": {4, 5}})]], {"k": [None, True]}, collections.OrderedDict(a=1), collections.Counter("aab"),
    datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc), decimal.Decimal("0.1"), fractions.Fraction(1, 3),
    array.array("d", [1, 2]), range(5), slice(1, None, 2), int, len, math.sin,
]  # fmt: skip


def test_plain_values():
    found = through(PLAIN)
    assert found == PLAIN
    assert [type(each) for each in found] == [type(each) for each in PLAIN]


def test_singletons_are_themselves():
    found = through([None, True, False, ..., NotImplemented])
    assert all(a is b for a, b in zip(found, [None, True, False, ..., NotImplemented], strict=True))


FLOATS = [0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, -math.nan, 5e-324, sys.float_info.max]


def test_floats_keep_every_bit():
    assert [bits(each) for each in through(FLOATS)] == [bits(each) for each in FLOATS]


@given(st.lists(st.floats(), max_size=20))
def test_any_float(values):
    assert [bits(each) for each in through(values)] == [bits(each) for each in values]


containers = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.binary()
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)  # fmt: skip


@given(st.lists(containers, max_size=10))
def test_any_containers(values):
    found = through(values)
    assert found == values and [type(each) for each in found] == [type(each) for each in values]


class Int(int):
    pass


class Str(str):
    pass


class Float(float):
    pass


Point = collections.namedtuple("Point", "x y")


def test_heirs_of_plain_types_stay_heirs():
    values = [Int(3), Str("a"), Float(1.5), Point(1, 2)]
    found = through(values)
    assert found == values and [type(each) for each in found] == [Int, Str, Float, Point]


SCALARS = [kind for kind in dict.fromkeys(np.sctypeDict.values()) if kind is not np.object_]


@pytest.mark.parametrize("kind", SCALARS, ids=lambda kind: kind.__name__)
def test_numpy_scalars_of_every_type(kind):
    if issubclass(kind, np.bool_):
        values = [kind(0), kind(1)]
    elif issubclass(kind, np.timedelta64):  # which is an integer too
        values = [np.timedelta64(5, "ms"), np.timedelta64("NaT", "ms")]
    elif issubclass(kind, np.integer):
        values = [kind(0), kind(1), np.iinfo(kind).min, np.iinfo(kind).max]
        values = [kind(each) for each in values]
    elif issubclass(kind, np.floating):
        values = [kind(each) for each in ("0", "-0.0", "0.1", "inf", "-inf", "nan", "1e-45")]
        values += [np.finfo(kind).max, np.finfo(kind).smallest_subnormal]
    elif issubclass(kind, np.complexfloating):
        values = [kind(each) for each in (0, complex(-0.0, -0.0), 0.1 - 0.2j, complex(math.inf, math.nan))]
    elif issubclass(kind, np.datetime64):
        values = [np.datetime64("2026-01-02T03:04:05.678"), np.datetime64("NaT", "ms"), np.datetime64("2026", "Y")]
    elif issubclass(kind, np.void):
        values = [np.void(b"abc"), np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")])[0]]
    else:
        values = [kind("a"), kind("")]
    found = through(values)
    assert [type(each) for each in found] == [type(each) for each in values]
    assert [each.dtype for each in found] == [each.dtype for each in values]
    if np.dtype(kind) == np.longdouble or np.dtype(kind) == np.clongdouble:  # whose bytes have padding
        assert [repr(each) for each in found] == [repr(each) for each in values]
    else:
        assert [each.tobytes() for each in found] == [each.tobytes() for each in values]


@pytest.mark.parametrize(
    "made",
    [
        np.arange(10),
        np.zeros((0, 3)),
        np.array(5.0),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(20)[::-3],
        np.array(["a", "bcd"]),
        np.array([None, [1]], dtype=object),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.arange(3, dtype=">i4"),
        np.arange(1_000_000, dtype=np.float32),
        np.ma.array([1, 2], mask=[True, False]),
    ],
    ids=lambda made: f"{made.dtype}{made.shape}",
)
def test_arrays(made):
    (found,) = through([made])
    assert type(found) is type(made) and found.dtype == made.dtype and found.shape == made.shape
    assert found.tobytes() == made.tobytes() if made.dtype != object else found.tolist() == made.tolist()
    found[...] = found  # it is the caller's own, so it can be written to


def test_a_result_outlives_its_map():
    (found,) = through([np.arange(100_000)])
    through([np.zeros(100_000)] * 4)
    assert found.sum() == 100_000 * 99_999 // 2


def test_lambdas_need_cloudpickle(monkeypatch):
    pytest.importorskip("cloudpickle")
    by = 3
    assert parmap(lambda n: lambda m: n * m * by, [2])[0](5) == 30
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    failure = only_failure(quiet(lambda n: (lambda m: n * m) if n == 1 else n, range(3)), 1)
    assert failure.kind == "unencodable" and type(failure.exception) is UnpicklableResult
    assert "function" in str(failure.exception) and "cloudpickle" in str(failure.exception)


def test_a_module_needs_cloudpickle_too():
    """As pickle says by a TypeError."""
    pytest.importorskip("cloudpickle")
    assert parmap(lambda i: math, [0])[0] is math


def test_an_object_of_a_local_class():
    pytest.importorskip("cloudpickle")

    class Local:
        def __init__(self, n):
            self.n = n

        def twice(self):
            return 2 * self.n

    found = parmap(Local, range(3))
    assert [each.twice() for each in found] == [0, 2, 4]
    assert type(found[0]).__name__ == "Local"


def test_threads_hand_over_the_very_object(engine):
    made = object()
    if engine != "multi":
        assert parmap(lambda i: made, range(3), engine=engine) == [made] * 3


class KeepsItsBuffer:
    """Unpickles into something that wants what it was read from: there must be no dangling view."""

    def __reduce__(self):
        return bytes, (b"abc" * 1000,)


def test_nothing_refers_to_the_memory_of_the_map():
    assert through([KeepsItsBuffer()]) == [b"abc" * 1000]


def test_shared_references_within_one_result():
    (found,) = parmap(lambda i: [[i]] * 2, [7])
    assert found == [[7], [7]] and found[0] is found[1]


SMALL = [
    [], (), {}, [()], ((), ()), {"": None}, [None, True, False, 0, -1, 2**63 - 1, -(2**63), 0.5, -0.0, "é", "", b"", b"\0\xff"],
    {"b": 1, "a": 2}, {1: 2, True: 3, 2.5: 4, None: 5, b"k": 6, "é": 7, "k" * 64: 8, "k" * 65: 9}, {"x": {"y": [{"z": (1, "2", b"3")}]}},
    (1, (2, (3, (4, [5])))), [2**63], {"n": 10**30}, {("a", 1): 2}, {"s": "\ud800"}, ["\udfff"], {"deep": {1, 2}},
    ["x" * 4000], ["x" * 5000], ["x" * 3000, "y" * 3000], list(range(5000)), {str(k): k for k in range(1000)},
]  # fmt: skip


def nested(depth):
    return [nested(depth - 1)] if depth else []


def test_small_containers():
    made = [*SMALL, *(nested(depth) for depth in (1, 18, 19, 20, 21, 22, 100))]
    found = parmap(lambda i: pickle.loads(pickle.dumps(made[i])), range(len(made)), n_worker=2)  # held by nobody else
    assert [repr(each) for each in found] == [repr(each) for each in made]
    assert [list(each) for each in found if type(each) is dict] == [list(each) for each in made if type(each) is dict]


def test_a_container_that_is_there_twice_is_one():
    def task(i):
        inner, entry = [i], {"i": i}
        return {"a": inner, "b": [inner, (entry, entry)], "c": (1, 2)}

    for i, found in enumerate(parmap(task, range(3))):
        assert found == {"a": [i], "b": [[i], ({"i": i}, {"i": i})], "c": (1, 2)}
        assert found["a"] is found["b"][0] and found["b"][1][0] is found["b"][1][1]


def test_a_long_text_that_is_there_often_takes_its_room_once():
    text = "x" * 1_000_000
    (found,) = parmap(lambda i: [text] * 1000, [0], memory_limit=200 << 20)
    assert found == [text] * 1000 and all(each is found[0] for each in found)


@given(st.lists(containers, max_size=10))
def test_any_containers_that_nobody_else_holds(values):
    found = parmap(lambda i: pickle.loads(pickle.dumps(values[i])), range(len(values)), n_worker=2)
    assert repr(found) == repr(values)


def test_recursion_in_a_result():
    def knot(i):
        made = [i]
        made.append(made)
        return made

    (found,) = parmap(knot, [1])
    assert found[1] is found


def test_results_and_failures_as_results():
    inner = parmap(lambda i: quiet(lambda n: 1 // n, range(i)), range(3))
    assert [list(each) for each in inner] == [[], [None], [None, 1]]
    assert [len(each.failures) for each in inner] == [0, 1, 1]
    assert type(inner[1].failures[0].exception) is ZeroDivisionError


def test_many_sizes_in_one_map():
    sizes = [0, 1, 7, 15, 16, 100, 4095, 4096, 4097, 1 << 20, 3 << 20] * 3
    assert parmap(lambda n: bytes(n), sizes) == [bytes(n) for n in sizes]
    assert pickle.loads(pickle.dumps(parmap(lambda n: "é" * n, sizes[:8]))) == ["é" * n for n in sizes[:8]]
