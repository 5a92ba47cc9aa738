# SPDX-License-Identifier: MIT
"""A sweep that was begun in Python goes on in C++, and the other way round: the same tasks, random numbers and values."""

import os
import pathlib
import shutil
import subprocess

import numpy
import pytest

from parmap import StoreFailed, axis, checkpoint, fold, load, parmap, rng, stream

pytestmark = pytest.mark.timeout(600)

HERE = pathlib.Path(__file__).parent
INCLUDE = HERE.parents[1] / "include"
MUS = numpy.array([0.0, 0.5, 1.0, 1.5])


@pytest.fixture(scope="module")
def cpp(tmp_path_factory):
    """Runs a sweep of sweep_in_cpp.cpp; returns how many tasks were stored, and the other lines that it prints."""
    compiler = os.environ.get("CXX", "c++")
    if shutil.which(compiler) is None or not INCLUDE.exists():
        pytest.skip("there is no C++ compiler, or not the headers of parmap")
    program = tmp_path_factory.mktemp("cpp") / "sweep_in_cpp"
    command = [compiler, "-std=c++20", "-O0", "-I", str(INCLUDE), str(HERE / "sweep_in_cpp.cpp"), "-o", str(program),
               "-pthread", "-ldl", "-lsqlite3"]  # fmt: skip
    made = subprocess.run(command, capture_output=True, text=True)
    if "sqlite3" in made.stderr:
        pytest.skip("SQLite's header for C is not there")
    assert made.returncode == 0, made.stderr

    def run(what, file, number=3):
        ran = subprocess.run([str(program), what, str(file), str(number)], capture_output=True, text=True)
        if ran.returncode == 1:
            return ran.stdout.strip()
        assert ran.returncode == 0, (ran.returncode, ran.stdout, ran.stderr)
        stored, *lines = ran.stdout.splitlines()
        return int(stored), lines

    return run


def draw(mu, x0):
    return float(mu * x0 + rng().random())


def term(total, x0):
    return total + rng().random() / (x0 + 1)


def add(a, b):
    return a + b


def bin_of(bins, x0):
    bins[x0 % 3] = bins.get(x0 % 3, 0.0) + 1.0 / (x0 + 1)


def add_bins(a, b):
    for bin, total in b.items():
        a[bin] = a.get(bin, 0.0) + total


def kept(path, what, **more):
    return dict(checkpoint=checkpoint(path, name=f"study.{what}", **more), reporter="silent", n_worker=2)


# One test, as the program takes some seconds to be compiled.
def test_a_sweep_goes_on_in_the_other_language(cpp, tmp_path):
    numbers_of_a_map(cpp, tmp_path)
    accumulators(cpp, tmp_path)
    containers(cpp, tmp_path)
    long_axes(cpp, tmp_path)
    refusals(cpp, tmp_path)


def numbers_of_a_map(cpp, folder):
    def in_python(path, n, mus=MUS):
        return parmap(draw, grid=dict(mu=mus, x0=range(n)), **kept(path, "draw"))

    begun = folder / "python.db"
    first = in_python(begun, 2)
    stored, lines = cpp("draw", begun, 3)
    assert stored == 8 and len(lines) == 12
    again = in_python(begun, 3)  # the tasks that C++ has run have the numbers that they would have here
    assert len(again.stored) == 12 and list(map(float, lines)) == list(again)
    assert list(again) == list(undisturbed(first.seed))

    begun = folder / "cpp.db"
    stored, lines = cpp("draw", begun, 2)
    assert stored == 0
    for mus in (MUS, MUS.tolist()):  # NumPy's scalars and Python's numbers are those of C++
        whole = in_python(begun, 3, mus)
    assert len(whole.stored) == 12 and [whole[i] for i in range(12) if i % 3 < 2] == list(map(float, lines))
    assert list(whole) == list(undisturbed(whole.seed))
    stored, lines = cpp("draw", begun, 3)
    assert stored == 12 and list(map(float, lines)) == list(whole)
    assert [row.value for row in load(begun)] == [whole[i] for i in (*(k for k in range(12) if k % 3 < 2), *range(2, 12, 3))]


def undisturbed(seed):
    """The axis x0 has grown by one: the new tasks have the numbers behind the old ones."""
    numbers = parmap(lambda _: rng().random(), range(12), seed=seed, engine="serial", reporter="silent")
    places = [4 * 2 + k // 3 if k % 3 == 2 else k // 3 * 2 + k % 3 for k in range(12)]
    return [float(MUS[k // 3] * (k % 3) + numbers[places[k]]) for k in range(12)]


def accumulators(cpp, folder):
    for n in (7, 2100):  # each task has its own; two share one
        for begins in ("cpp", "python"):
            path = folder / f"{begins}{n}.db"
            values = {}
            for language in (begins, {"cpp": "python", "python": "cpp"}[begins]):
                if language == "cpp":
                    stored, lines = cpp("fold", path, n)
                    values[language] = float(lines[0])
                else:
                    made = fold(0.0, term, add, grid=dict(x0=range(n)), full=True, **kept(path, "fold"))
                    stored, values[language] = made.summary().stored, made.value
                assert stored == (0 if language == begins else n)
            assert values["cpp"] == values["python"]
    path = folder / "bins.db"
    stored, lines = cpp("bins", path, 2100)
    bins = fold({}, bin_of, add_bins, grid=dict(x0=range(2100)), full=True, **kept(path, "bins"))
    assert bins.summary().stored == 2100 and {int(k): float(x) for k, x in map(str.split, lines)} == bins.value


def containers(cpp, folder):
    for what, of_python, shown in (
        ("words", lambda x0: [str(x0), 'é"'], lambda it: "".join(it)),
        ("pairs", lambda x0: (x0, None, {"a": [0.1, x0 + 0.5]}), lambda it: f"{it[0]} {it[2]['a'][1]:f}"),
        ("arrays", lambda x0: numpy.array([0.5, float(x0)]), lambda it: f"{it[1]:g}"),
    ):
        for begins in ("cpp", "python"):
            path = folder / f"{what}_{begins}.db"
            if begins == "cpp":
                assert cpp(what, path, 2)[0] == 0
            whole = parmap(of_python, grid=dict(x0=range(3)), **kept(path, what))
            assert len(whole.stored) == (2 if begins == "cpp" else 0)
            for x0, each in enumerate(whole):
                assert type(each) is type(of_python(x0)) and numpy.all(each == of_python(x0)) if what == "arrays" else each == of_python(x0)
            stored, lines = cpp(what, path, 4)
            assert stored == 3 and lines == [shown(of_python(x0)) for x0 in range(4)]


def long_axes(cpp, folder):
    elements = 0.1 * numpy.arange(100_010)
    for begins in ("cpp", "python"):
        path = folder / f"long_{begins}.db"
        for language in (begins, {"cpp": "python", "python": "cpp"}[begins]):
            if language == "cpp":
                assert isinstance(cpp("long", path, len(elements)), tuple)
            else:
                with stream(float, axis("x", elements), engine="threads", **kept(path, "long")):
                    pass  # the elements were compared


def refusals(cpp, folder):
    path = folder / "dicts.db"
    parmap(lambda x0: {"mean": 0.5, "last": x0}, grid=dict(x0=range(3)), **kept(path, "rows"))
    said = cpp("rows", path)
    assert 'the stored value of task 0 cannot be read: it is JSON ({"mean":0.5,"last":0}), and here the type is ' in said and "row" in said
    path = folder / "mixed.db"
    parmap(lambda mu, x0: "a text" if x0 else 1.5, grid=dict(mu=MUS, x0=[0, 1]), **kept(path, "draw"))
    assert "the stored value of task 1 cannot be read: it is text, and here the type is real" in cpp("draw", path)
    path = folder / "rows.db"
    assert cpp("rows", path)[0] == 0
    with pytest.raises(StoreFailed, match="the stored value of task 0 cannot be read: it is in the form of a C.. type"):
        parmap(lambda x0: x0, grid=dict(x0=range(3)), **kept(path, "rows"))
    path = folder / "captured.db"
    factor = 2
    parmap(lambda mu, x0: factor * mu * x0, grid=dict(mu=MUS, x0=[0, 1]), **kept(path, "draw"))
    assert "captured factor there is 2, and here it is none" in cpp("draw", path)
    path = folder / "fixed.db"
    parmap(lambda mu, x0, k: mu, grid=dict(mu=MUS, x0=[0]), fargs=dict(k=3), **kept(path, "draw"))
    assert "fixed argument k there is 3, and here it is none" in cpp("draw", path)
    path = folder / "kinds.db"
    assert cpp("fold", path)[0] == 0
    with pytest.raises(ValueError, match="the kind of call there is fold, and here it is map"):
        parmap(lambda x0: x0, grid=dict(x0=range(3)), **kept(path, "fold"))
    path = folder / "types.db"
    parmap(lambda mu, x0: mu * x0, grid=dict(mu=[0, 1, 2, 3], x0=[0, 1]), **kept(path, "draw"))
    stored, _ = cpp("draw", path, 2)
    assert stored == 0  # integers are no real numbers; a note says so
