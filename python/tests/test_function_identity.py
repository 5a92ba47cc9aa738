# SPDX-License-Identifier: MIT
"""What makes a function another one for a checkpoint: whatever its results depend on, as far as it can be seen. The rest is told."""

import dataclasses
import functools
import subprocess
import sys
import textwrap
import types

import numpy
import pytest

from parmap._function_identity import identity_of

pytestmark = pytest.mark.timeout(60)

TEXT = '''
import abc, enum, functools, math
import numpy as np

def make(k):
    def g(x): return x * k
    return g

def twice(func):
    @functools.wraps(func)
    def wrapper(x): return 2 * func(x)
    return wrapper

def uses(g):
    def simulate(x): return g(x)
    return simulate

class Mode(enum.Enum):
    FAST = 1

class Base(abc.ABC):
    K = 3
    def scale(self): return self.K

class Law(Base):
    __slots__ = ("k",)
    def __init__(self, k): self.k = k
    def __call__(self, x): return self.scale() * x
    @functools.cached_property
    def lazy(self): return 5

class Slots:
    __slots__ = ("k", "__own")
    def __init__(self, k, own=0): self.k, self.__own = k, own
    def __call__(self, x): return self.k * x

class Child(Slots):
    pass

class scaled:
    def __init__(self, func, k): functools.update_wrapper(self, func); self.k = k
    def __call__(self, x): return self.k * self.__wrapped__(x)

class Words(dict):
    def __call__(self, x): return self[x]

class Table:
    def __init__(self, **of): self.__dict__.update(of)
    def run(self, x): return x

@functools.lru_cache
def cached(x): return x + 1

double, triple = make(2), make(3)
by_partial = functools.partial(make(2), x=7)
vectorized = np.vectorize(lambda x: x + 10)
limit = frozenset

def plain(x): return x
def calls_two(x): return double(x) + triple(x)
def calls_cached(x): return cached(x)
def calls_partial(x): return by_partial()
def calls_vectorized(x): return vectorized(x)
def calls_law(x): return Law(1)(x), Mode.FAST
def with_mode(x): return Mode(1)
def with_default(x, g=lambda x: x + 20): return g(x)
'''


def module(change=("", "")):
    made = types.ModuleType("study_of_identity")
    assert change[0] in TEXT
    exec(compile(TEXT.replace(*change), "study_of_identity.py", "exec"), made.__dict__)
    return made


def seen(it, **fargs):
    """All that is compared."""
    found = identity_of(it, fargs)
    assert len({name for name, _ in found.fields}) == len(found.fields)
    return found.name, found.fields, found.digest


#: An expression in the module, and another; or a change of the text.
OTHERS = (
    ("make(2)", "make(3)"),
    ("uses(make(2))", "uses(make(3))"),  # a value that a captured function has captured
    ("twice(make(2))", "twice(make(3))"),
    ("twice(twice(make(2)))", "twice(twice(make(3)))"),
    ("uses(lambda x: x)", "uses(lambda x: -x)"),
    ("uses(Law)", "uses(Table)"),
    ("uses(math)", "uses(np)"),
    ("Slots(1)", "Slots(2)"),
    ("Child(1)", "Child(2)"),
    ("Child(1, 2)", "Child(1, 3)"),
    ("scaled(plain, 1)", "scaled(plain, 2)"),
    ("scaled(lambda x: x, 1)", "scaled(lambda x: -x, 1)"),
    ("np.vectorize(plain)", "np.vectorize(plain, otypes='f')"),
    ("functools.partial(plain, 1)", "functools.partial(plain, 2)"),
    ("functools.partial(plain, lambda x: x)", "functools.partial(plain, lambda x: -x)"),
    ("functools.partial(plain, make(2))", "functools.partial(plain, make(3))"),
    ("functools.partial(Table(k=1).run, 1)", "functools.partial(Table(k=2).run, 1)"),
    ("Table(k=1).run", "Table(k=2).run"),
    ("Table(k=make(1)).run", "Table(k=make(2)).run"),
    ("Table(k=functools.partial(plain, 1)).run", "Table(k=functools.partial(plain, 2)).run"),
    ("Table(k=Table(m=1).run).run", "Table(k=Table(m=2).run).run"),
    ("np.vectorize(lambda x: x)", "np.vectorize(lambda x: -x)"),
    ("{1: 2}.get", "{1: 3}.get"),
    ("Law", ("K = 3", "K = 4")),
    ("calls_law", ("K = 3", "K = 4")),
    ("calls_law", ("return 5", "return 6")),
    ("with_mode", ("FAST = 1", "FAST = 2")),
    ("calls_two", ("triple = make(2), make(3)", "triple = make(3), make(2)")),
    ("calls_two", ("triple = make(2), make(3)", "triple = make(2), make(4)")),
    ("calls_cached", ("x + 1\n", "x + 2\n")),
    ("calls_partial", ("make(2), x=7", "make(3), x=7")),
    ("calls_partial", ("x=7", "x=8")),
    ("calls_vectorized", ("x + 10", "x - 10")),
    ("with_default", ("x + 20", "x - 20")),
    ("cached", ("x + 1\n", "x + 2\n")),
)


@pytest.mark.parametrize("it, other", OTHERS, ids=str)
def test_what_differs_is_seen(it, other):
    here = module()
    there = module(other) if isinstance(other, tuple) else here
    first = seen(eval(it, here.__dict__))
    assert first == seen(eval(it, module().__dict__)), "the same"
    assert first != seen(eval(it if isinstance(other, tuple) else other, there.__dict__))


def test_fixed_functions_are_compared():
    here = module().__dict__
    for it, other in (("make(2)", "make(3)"), ("lambda x: x", "lambda x: -x"), ("plain", "cached"), ("functools.partial(plain, 1)", "functools.partial(plain, 2)")):
        assert seen(here["plain"], g=eval(it, here)) == seen(here["plain"], g=eval(it, here)) != seen(here["plain"], g=eval(other, here)), it


def test_the_outer_arguments_of_partials_win():
    def named(a, b, k=0):
        return a, b, k

    inner = functools.partial(named, 1, k=2)
    inner.note = "so that it stays a partial of its own"
    outer = functools.partial(inner, 3, k=4)
    assert outer() == (1, 3, 4)
    assert [(name, value) for name, (_, value) in identity_of(outer, {}).fields] == [("partial argument 1", 1), ("partial argument 2", 3), ("partial argument k", 4)]


def test_objects_that_refer_to_themselves_end():
    here = module()
    table = here.Table(k=1)
    table.again, table.method = table, table.run
    assert identity_of(table.run, {}).fields

    def count(x):
        return count(x - 1) if x else 0

    assert identity_of(count, {}).digest and identity_of(functools.lru_cache(count), {}).digest


def test_what_cannot_be_seen_is_told(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "study_helpers.py").write_text("def force(x): return x\nclass Force: pass\n")
    (tmp_path / "study_folder").mkdir()
    (tmp_path / "study_folder" / "inner.py").write_text("")
    made = types.ModuleType("study_of_identity")
    text = """
        import math, numpy as np, study_helpers, study_folder.inner
        from study_helpers import force, Force
        from math import sin
        wave, table, get = np.sin, object(), [].count
        class Own(Force): pass
        bound = Own().__init__
        def f(x):
            import json, study_none
            return force(x), Force, study_helpers, study_folder, math.pi, np, wave, table, sin, get, Own, bound
        """
    exec(textwrap.dedent(text), made.__dict__)
    told = identity_of(made.f, {}).uncovered
    assert sorted(told) == sorted([
        "the code of study_helpers.force", "the code of study_helpers.Force", "the code of the module study_helpers", "the code of the module study_folder",
        "the global table, of type object", "the global bound, of type method-wrapper", "the code of the module study_none",
    ])  # fmt: skip
    assert identity_of(numpy.ndarray.sum, {}).uncovered == ["the code of numpy.ndarray.sum"]
    here = module()
    assert identity_of(here.Words(a=1), {}).uncovered == ["the object that is called, of type Words"]
    assert identity_of(here.plain, dict(g=here.scaled(here.plain, 1))).uncovered == ["fixed g, of type scaled"]


@dataclasses.dataclass
class Price:
    mean: float


def priced(x):
    return Price(x)


def test_what_dataclass_writes_holds_nothing_of_the_program():
    assert identity_of(priced, {}).uncovered == []


def test_a_docstring_is_no_code():
    with_text, without = ({}, {})
    exec("def f(x):\n    'says'\n    return x\n", with_text)
    exec("def f(x):\n    return x\n", without)
    assert seen(with_text["f"])[2] == seen(without["f"])[2]


def test_it_is_the_same_in_each_process():
    program = f"""
        import types
        from parmap._function_identity import identity_of
        made = types.ModuleType("study_of_identity")
        exec(compile({TEXT!r}, "study_of_identity.py", "exec"), made.__dict__)
        print([identity_of(made.__dict__[name], dict(g=made.make(2))).digest for name in ("calls_two", "calls_law", "Law", "calls_vectorized")])
        """
    said = {subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert len(said) == 1
