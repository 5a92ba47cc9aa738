# SPDX-License-Identifier: MIT
"""What a file has of a call: axes that change, their names and keys, numbers of tasks; and what is refused, with both values."""

import enum
import functools
import itertools
import math
import os
import pickle
import random

import numpy
import pytest

import parmap as package
from helpers import needs
from helpers_of_checkpoints import add, draw, rows
from parmap import axis, checkpoint, parmap
from parmap._task_numbers import Extent, added_extents, numbers_of, numbers_of_some

pytestmark = pytest.mark.timeout(60)


def kept(func, *args, **options):
    """A map by threads, which start at once."""
    return parmap(func, *args, engine="threads", reporter="silent", **options)


# ---- numbers


def test_every_combination_keeps_its_number():
    chosen = random.Random(5)
    for _ in range(150):
        known: list[Extent] = []
        given: dict[tuple[int, ...], int] = {}
        for _ in range(4):
            positions = [chosen.sample(range(6), chosen.randint(0, 6)) for _ in range(chosen.choice((2, 2, 1, 3)))] if not known else [
                chosen.sample(range(6), chosen.randint(0, 6)) for _ in known[0].box
            ]
            known += added_extents(known, positions)
            numbers = numbers_of(known, positions)
            strides = [math.prod(map(len, positions[k + 1 :])) for k in range(len(positions))]
            assert list(numbers_of_some(known, positions, strides, range(len(numbers)))[0]) == list(numbers)
            for combination, number in zip(itertools.product(*positions), numbers):
                assert given.setdefault(combination, number) == number
        assert len(set(given.values())) == len(given) <= sum(each.size for each in known)


def test_a_first_map_has_the_numbers_of_its_tasks():
    positions = [range(3), range(4), range(5)]
    assert added_extents([], positions) == [Extent(0, ((0, 3), (0, 4), (0, 5)))]
    assert list(numbers_of(added_extents([], positions), positions)) == list(range(60))


# ---- axes that change


def test_axes_grow_shrink_and_change_their_order(db):
    ask = dict(checkpoint=db)
    first = kept(draw, grid=dict(mu=[0.0, 1.0], x0=[1, 2]), **ask)
    second = kept(draw, grid=dict(x0=[3, 2, 1], mu=[2.0, 1.0]), **ask)
    assert list(second.stored) == [3, 5] and second.sel(mu=1.0, x0=2)[0] == first[3]
    third = kept(draw, [0.0, 2.0], [1], **ask)  # by position: the names are those of draw's parameters
    assert list(third.stored) == [0, 1] and list(third) == [first[0], second.sel(mu=2.0, x0=1)[0]]


def test_two_equal_elements_are_two_tasks(db):
    first = kept(draw, grid=dict(mu=[1.0, 1.0], x0=[1]), checkpoint=db)
    assert first[0] != first[1]
    again = kept(draw, grid=dict(mu=[1.0, 2.0, 1.0, 1.0], x0=[1]), checkpoint=db)
    assert (again[0], again[2]) == (first[0], first[1]) and list(again.stored) == [0, 2]


def test_a_new_axis_needs_what_the_old_rows_have_on_it(db):
    first = kept(add, grid=dict(x=[1, 2]), checkpoint=db)
    with pytest.raises(ValueError, match=r"the axes there is x, and here it is n x x; say what the rows .* existing=dict\(n=\.\.\.\)"):
        kept(add, grid=dict(n=[1, 5], x=[1, 2]), checkpoint=db)
    keep = checkpoint(db, existing=dict(n=1))
    for stored in ([0, 1], [0, 1, 2, 3]):
        r = kept(add, grid=dict(n=[1, 5], x=[1, 2]), checkpoint=keep)
        assert list(r) == [2, 3, 6, 7] and r[:2] == first and list(r.stored) == stored
    assert rows(db, "SELECT n, x, value FROM results ORDER BY n, x") == [(1, 1, 2), (1, 2, 3), (5, 1, 6), (5, 2, 7)]
    with pytest.raises(ValueError, match="existing names m, but the axes are n x x"):
        kept(add, grid=dict(n=[1, 5], x=[1, 2]), checkpoint=checkpoint(db, existing=dict(m=1)))


def test_holes_zips_and_frames(db):
    needs("pandas")
    import pandas

    r = kept(draw, grid=dict(mu=[1, 2, 3], x0=[1, 2, 3]), where=lambda mu, x0: mu < x0, checkpoint=db)
    assert len(r) == 3 and len(rows(db, "SELECT * FROM result_1")) == 3
    more = kept(draw, grid=dict(mu=[1, 2, 3], x0=[1, 2, 3]), where=lambda mu, x0: mu <= x0, checkpoint=db)
    assert [more[k] for k in more.stored] == list(r)
    version = checkpoint(db, version="rows")
    frame = pandas.DataFrame(dict(mu=[1, 2, 2], x0=[3, 4, 4]), index=["a", "b", "c"])
    r = kept(draw, grid=frame, checkpoint=version)
    again = kept(draw, grid=package.zip(x0=[4, 3, 9], mu=[2, 1, 9]), checkpoint=version)
    assert list(again.stored) == [0, 1] and again[:2] == [r[1], r[0]]


def test_a_grid_with_holes_has_the_random_numbers_of_one_without_a_file(db):
    grid, where = dict(mu=[1, 2, 3, 4], x0=[1, 2, 3]), lambda mu, x0: (mu + x0) % 3 != 0
    plain = kept(draw, grid=grid, where=where, seed=6)
    first = kept(draw, grid=grid, where=where, seed=6, checkpoint=db)
    assert first == plain and rows(db, "SELECT _task FROM results ORDER BY _task") == [(k,) for k in range(len(plain))]
    whole = kept(draw, grid=grid, checkpoint=db)
    assert [whole[k] for k in whole.stored] == plain and len({*rows(db, "SELECT _task FROM results")}) == 12
    more = kept(draw, grid=dict(mu=[9, 4, 3], x0=[3, 2, 1]), where=where, checkpoint=db)
    assert [more[k] for k in more.stored] == [whole.sel(**more.tasks[k])[0] for k in more.stored] and len(more.stored) == 4
    assert rows(db, "SELECT sum(tasks) FROM extent_1") == [(12 + len(more) - 4,)]


def test_holes_of_a_grid_whose_axes_change_places(db):
    first = kept(draw, grid=dict(mu=[1, 2, 3], x0=[1, 2]), where=lambda mu, x0: mu != x0, checkpoint=db)
    more = kept(draw, grid=dict(x0=[3, 2, 1], mu=[3, 1, 4]), where=lambda mu, x0: mu != x0, checkpoint=db)
    assert [more[k] for k in more.stored] == [first.sel(**more.tasks[k])[0] for k in more.stored] and len(more.stored) == 3


def test_long_axes_are_compared_in_blocks(db):
    long = numpy.arange(100_001)

    def first(x):
        return x if x < 3 else None

    assert kept(first, long, checkpoint=db)[2] == 2 and rows(db, "SELECT hashed FROM axis") == [(1,)]
    assert rows(db, "SELECT count(*), sum(size) FROM axis_1_1") == [(25, 100_001)]
    assert len(kept(first, numpy.arange(100_003), checkpoint=db).stored) == 100_001
    assert rows(db, "SELECT count(*), sum(size) FROM axis_1_1") == [(26, 100_003)]
    assert len(kept(first, long[:4096], checkpoint=db).stored) == 4096
    with pytest.raises(ValueError, match=r"100003 elements, and here it has 5000, which end in the middle of such a block; let them be 4096 or 8192"):
        kept(first, long[:5000], checkpoint=db)
    with pytest.raises(ValueError, match=r"elements 0\.\.4095 there have the checksum [0-9a-f]{16}, and here they have [0-9a-f]{16}"):
        kept(first, long + 1, checkpoint=db)


def test_the_checksum_is_the_same_for_arrays_ranges_and_lists():
    from parmap._axis_positions import SweepAxis, _checksum

    def checksum(values):
        return _checksum(SweepAxis(("x",), [values], 0), 3, 4096)

    assert checksum(range(10**6)) == checksum(list(range(10**6)))
    for kind in (numpy.int64, numpy.float64):
        array = numpy.arange(5000).astype(kind)
        assert checksum(array) == checksum(list(array)) != checksum(range(5000))


def test_near_misses_are_told(db, capfd):
    parmap(add, [0.1, 0.3], engine="threads", checkpoint=db)
    parmap(add, [0.1, 0.1 + 0.2], engine="threads", checkpoint=db)
    parmap(add, numpy.array([0.1]), engine="threads", checkpoint=db)
    told = capfd.readouterr().err
    assert "axis x: 0.30000000000000004 is new; the file has 0.3, 1 ulp away" in told
    assert "axis x: 0.1 is new; the file has 0.1, of type float and not float64" in told


# ---- objects


class How(enum.Enum):
    FAST = 1
    SLOW = 2


def describe(how):
    return how.name


class Model:
    def __init__(self, name):
        self.name = name


def fit(model, x=0):
    return f"{model.name}{x}"


def test_members_of_enumerations_need_none(db):
    assert kept(describe, grid=dict(how=list(How)), checkpoint=db) == ["FAST", "SLOW"]
    assert list(kept(describe, grid=dict(how=[How.SLOW]), checkpoint=db).stored) == [0]
    assert package.load(db)[1].task == {"how": How.SLOW}


@pytest.mark.parametrize("key", ("name", lambda model: model.name))
def test_objects_need_keys(db, key):
    models = [Model("a"), Model("b")]
    with pytest.raises(TypeError, match=r'cannot compare element 0 of the axis model, .* of type Model, .* parmap.axis\("model", values, key=\.\.\.\)'):
        kept(fit, models, checkpoint=db)
    assert not os.path.exists(db)
    assert kept(fit, axis("model", models, key=key), checkpoint=db) == ["a0", "b0"]
    more = kept(fit, axis("model", [Model("c"), *models], key=key), checkpoint=db)
    assert more == ["c0", "a0", "b0"] and list(more.stored) == [1, 2]
    assert len(kept(fit, grid=dict(model=axis("model", models, key=key)), checkpoint=db).stored) == 2
    assert len(kept(fit, grid=[axis("model", models, key=key)], checkpoint=db).stored) == 2
    assert len(package.map_reduce(fit, str.__add__, axis("model", models, key=key), initial="", engine="threads", checkpoint=db)) == 4
    keep = checkpoint(db, existing=dict(x=0))
    both = kept(fit, package.zip(axis("model", models, key=key)), [0, 1], checkpoint=keep)
    assert both == ["a0", "a1", "b0", "b1"] and list(both.stored) == [0, 2]
    with pytest.raises(ValueError, match="elements 0 and 1 of the axis model have the same key, 'a'"):
        kept(fit, axis("model", [Model("a"), Model("a")], key=key), checkpoint=keep)
    with pytest.raises(TypeError, match="the key of element 0 of the axis model is .* of type object, .*: a key must be"):
        kept(fit, axis("model", models, key=lambda model: object()), checkpoint=keep)


def test_results_of_an_axis_with_a_key_are_pickled():
    r = kept(add, grid=dict(x=axis("x", [1, 2], key=lambda x: x)))
    assert pickle.loads(pickle.dumps(r)).tasks[1] == {"x": 2}


def test_an_axis_is_a_sequence_of_its_values():
    it = axis("x", (k for k in range(3)))
    assert list(it) == [0, 1, 2] and len(it) == 3 and it[1] == 1 and repr(it) == "parmap.axis('x', 3 values)"
    assert kept(add, axis("first", [1]), axis("second", [2])).sel(first=1, second=2) == [3]
    assert kept(add, it) == [1, 2, 3] and kept(add, grid=dict(x=it)) == [1, 2, 3]
    with pytest.raises(ValueError, match="the grid calls an input n, but its parmap.axis has the name x"):
        kept(add, grid=dict(n=it))
    with pytest.raises(TypeError, match="name must be a string"):
        axis(1, [])
    with pytest.raises(TypeError, match="key must be a callable or the name of an attribute"):
        axis("x", [], key=3)


# ---- refusals


def state(path):
    """All of the file."""
    tables = [name for name, in rows(path, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {name: rows(path, f"SELECT * FROM {name}") for name in tables}


def scaled(factor):
    def scale(x):
        return factor * x

    return scale


@pytest.mark.parametrize(
    "func, options, words",
    (
        (draw, dict(grid=dict(x=[1])), "TypeError"),
        (lambda x: x, {}, r'needs a name for func, as a lambda has none that stays: parmap.checkpoint\(path, name="simulate"\)'),
        (scaled(2.0), {}, r"the function there is test_checkpoint_axes.scaled.<locals>.scale, and here"),
        (scaled(3.0), dict(name="scale"), r"captured factor there is 2.0, and here it is 3.0; take another file, or begin anew"),
        (scaled(2.0), dict(name="scale", seed=7), "the seed there is 3, and here it is 7"),
        (scaled(2.0), dict(name="scale", fargs=dict(k=1)), "fixed k there is none, and here it is 1"),
        (scaled(2.0), dict(name="scale", axes=2), "the axes there is x, and here it is x0 x x1"),
    ),
)
def test_another_sweep_is_refused_and_the_file_stays(db, func, options, words):
    kept(scaled(2.0), [1.0], seed=3, checkpoint=checkpoint(db, name="scale"))
    before = state(db)
    options = dict(options)
    keep = checkpoint(db, name=options.pop("name", None))
    axes = [[1.0]] * options.pop("axes", 0 if "grid" in options else 1)
    if words == "TypeError":
        with pytest.raises(TypeError, match="has no parameter x"):
            kept(func, *axes, checkpoint=keep, **options)
    elif "<locals>" in words:
        with pytest.raises(ValueError, match=r"the function there is scale, and here it is \w+.scaled.<locals>.scale"):
            kept(func, *axes, checkpoint=keep, **options)
    else:
        with pytest.raises(ValueError, match=words):
            kept(func, *axes, checkpoint=keep, **options)
    assert state(db) == before


def test_arguments_of_a_partial_are_compared(db):
    kept(functools.partial(draw, 1.0), [2], checkpoint=db)
    with pytest.raises(ValueError, match="partial argument 1 there is 1.0, and here it is 2.0"):
        kept(functools.partial(draw, 2.0), [2], checkpoint=db)


def test_large_arguments_are_compared_by_their_checksums(db):
    kept(add, [1], fargs=dict(n=numpy.zeros(1000)), checkpoint=db)
    kept(add, [1, 2], fargs=dict(n=numpy.zeros(1000)), checkpoint=db)
    with pytest.raises(ValueError, match=r"fixed n there is array of shape \(1000,\) with the checksum \w+, and here it is array"):
        kept(add, [1], fargs=dict(n=numpy.ones(1000)), checkpoint=db)


def test_a_version_begins_anew(db):
    assert kept(scaled(2.0), [1.0], checkpoint=checkpoint(db, name="scale")) == [2.0]
    assert kept(scaled(3.0), [1.0], checkpoint=checkpoint(db, name="scale", version="2")) == [3.0]
    assert rows(db, "SELECT value FROM results") == [(3.0,)] and rows(db, "SELECT value FROM result_1") == [(2.0,)]


def test_arguments_of_checkpoint():
    with pytest.raises(TypeError, match="path must be the name of a file"):
        checkpoint(":memory:")
    with pytest.raises(TypeError, match="version must be a string"):
        checkpoint("x", version=2)
    with pytest.raises(ValueError, match="there is no kind of failure 'crash'; the names are threw"):
        checkpoint("x", rerun=["crash"])
    with pytest.raises(TypeError, match="existing must be a dict"):
        checkpoint("x", existing=3)
    with pytest.raises(TypeError, match="checkpoint must be the name of a file or a parmap.checkpoint, but is 3"):
        kept(add, [1], checkpoint=3)
    with pytest.raises(TypeError, match="cannot replace checkpoint"), package.override(checkpoint="x"):
        pass
    assert repr(checkpoint("a.db")) == "parmap.checkpoint('a.db')"


# ---- the code of func


def compiled(text):
    made = {"__name__": "study", "LIMIT": 3, "np": numpy, "TABLE": object()}
    exec(compile(text, "study.py", "exec"), made)
    return made["simulate"]


OLD = 'def helper(x): return x + LIMIT\ndef simulate(x, k=1):\n    "says"\n    return helper(x) * k\n'


@pytest.mark.parametrize("old, new", (("+ LIMIT", "- LIMIT"), ("* k", "/ k"), ("k=1", "k=2"), ("LIMIT\n", "4\n")))
def test_a_change_of_the_code_is_an_error_only_if_rows_would_be_mixed(db, old, new, capfd):
    assert kept(compiled(OLD), [1, 2], checkpoint=db) == [4, 5]
    same = "\n\n# a comment\n" + OLD.replace('"says"', '"says more"')
    assert len(kept(compiled(same), [1, 2], checkpoint=db).stored) == 2
    changed = compiled(OLD.replace(old, new))
    with pytest.raises(ValueError, match=r"simulate\(\) changed since 2 rows were stored: pass version= to start anew, or accept_code_change=True"):
        kept(changed, [1, 2, 3], checkpoint=db)
    capfd.readouterr()
    assert list(parmap(changed, [1, 2], engine="threads", checkpoint=db, reporter="silent")) == [4, 5]
    assert "simulate() changed since 2 rows were stored; all is stored, so nothing runs" in capfd.readouterr().err
    r = kept(changed, [1, 2, 3], checkpoint=checkpoint(db, accept_code_change=True))
    assert r[:2] == [4, 5] and len(kept(changed, [1, 2, 3], checkpoint=db).stored) == 3  # it was accepted


def test_methods_and_what_they_belong_to_are_compared(db):
    text = "class Study:\n    def __init__(self, k): self.k = k\n    def scale(self): return self.k\n    def run(self, x): return x * self.scale()\n"
    text += "def simulate(k): return Study(k).run\n"
    kept(compiled(text)(2), [1, 2], checkpoint=db)
    assert len(kept(compiled(text)(2), [1, 2, 3], checkpoint=db).stored) == 2
    with pytest.raises(ValueError, match="attribute k there is 2, and here it is 3"):
        kept(compiled(text)(3), [1], checkpoint=db)
    with pytest.raises(ValueError, match=r"run\(\) changed since 3 rows were stored"):
        kept(compiled(text.replace("return self.k", "return 1 + self.k"))(2), [1, 4], checkpoint=db)


def test_failed_tasks_run_by_changed_code(db, capfd):
    text = "def simulate(x):\n    return 1 / x\n"
    parmap(compiled(text), [0, 1, 2], engine="threads", checkpoint=db, reporter="silent", on_error=lambda *_: None)
    capfd.readouterr()
    fixed = compiled(text.replace("1 / x", "1 / x if x else 0.0"))
    assert list(parmap(fixed, [0, 1, 2], engine="threads", checkpoint=db)) == [0.0, 1.0, 0.5]
    assert "simulate() changed since 2 rows were stored; 1 task that failed runs by the new code" in capfd.readouterr().err
    with pytest.raises(ValueError, match="changed since 2 rows were stored"):
        kept(fixed, [0, 1, 2, 3], checkpoint=db)


def test_what_is_not_covered_is_told_once(db, capfd):
    func = compiled("def simulate(x):\n    return x if TABLE else np.sin(x)\n")
    for _ in range(2):
        parmap(func, [1], engine="threads", checkpoint=db, fargs={})
    assert capfd.readouterr().err.count("not covered: the global TABLE, of type object") == 1
    parmap(math.sqrt, [4], engine="threads", checkpoint=checkpoint(db, version="C"))
    assert "not covered: the code of math.sqrt" in capfd.readouterr().err
