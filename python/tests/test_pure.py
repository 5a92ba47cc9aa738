# SPDX-License-Identifier: MIT
"""The pure form: the stand-alone file is the package's implementation.py, keeps its promises, and runs where the core cannot."""

import inspect
import os
import re
import shutil
import signal
import subprocess
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest

import parmap as package
from parmap import implementation as pure

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "single_file/parmap.py"
compiled = pytest.mark.skipif(package._pure is not None, reason="compares with the compiled core")


def run(folder, program, *arguments, status=0, **environment):
    """Runs a program beside a copy of the file; gives what it prints."""
    shutil.copy(FILE, folder / "parmap.py")
    (folder / "program.py").write_text(program)
    left_out = ("PARMAP_PURE", "PYTHONPATH", "PARMAP_ENGINE")
    env = {**{name: value for name, value in os.environ.items() if name not in left_out}, **environment}
    done = subprocess.run([sys.executable, *arguments, "program.py"], cwd=folder, env=env, stdout=-1, stderr=-2, text=True, timeout=100)
    assert done.returncode == status, done.stdout
    return done.stdout


def test_the_two_copies_are_the_same_text():
    assert FILE.read_text() == Path(inspect.getsourcefile(pure)).read_text(), "cp python/parmap/implementation.py single_file/parmap.py"


def test_it_needs_the_standard_library_alone():
    imported = re.findall(r"^(?:import|from) (\w+)", FILE.read_text(), re.MULTILINE)
    assert set(imported) <= sys.stdlib_module_names | {"__future__"}


@compiled
def test_the_signature_and_the_version_are_those_of_the_package():
    def shape(function):
        return [(each.name, each.default, each.kind) for each in inspect.signature(function).parameters.values()]

    assert shape(pure.parmap) == shape(package.parmap) and pure.__version__ == package.__version__ and pure.ENGINES == package.ENGINES
    for name in pure.__all__:
        assert name in package.__all__, name
    for name in set(package.__all__) - set(pure.__all__):
        with pytest.raises(AttributeError, match="parmap-cpp"):
            getattr(pure, name)


@compiled
def test_random_numbers_are_those_of_the_package():
    def draw_pure(i):
        return pure.rng().random()

    expected = package.parmap(lambda i: package.rng().random(), range(20), seed=7)
    for engine in ("multi", "threads", "serial"):
        assert pure.parmap(draw_pure, range(20), seed=7, engine=engine) == expected


def test_the_promises():
    """By fork. ./test --pure does it by spawn, and with PyPy."""
    program = Path(__file__).parent / "pure_promises.py"
    env = {name: value for name, value in os.environ.items() if name != "PARMAP_ENGINE"}
    done = subprocess.run([sys.executable, str(program), str(FILE), "fork"], env=env, stdout=-1, stderr=-2, text=True, timeout=200)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("ok ") == 9


FUNCTIONS = """
import sys
sys.modules["cloudpickle"] = None
from parmap import parmap
def square(i): return i * i
def below(i): return later + i
"""


def test_a_missing_guard_is_told_with_the_lines_to_write(tmp_path):
    said = run(tmp_path, FUNCTIONS + "print(parmap(square, range(4), start='spawn'))", status=1)
    assert 'RuntimeError: parmap: the program starts workers by spawn as it is imported' in said
    assert '    if __name__ == "__main__":\n        main()\n' in said and said.count("Traceback") == 1, said


def test_by_spawn_with_a_guard(tmp_path):
    program = FUNCTIONS + """
if __name__ == "__main__":
    later = 1
    print(parmap(square, range(4), start="spawn"))
    try:
        parmap(below, range(2), start="spawn", on_error="raise")
    except NameError as error:
        print(error.__notes__[0])
    try:
        parmap(lambda i: i, range(2), start="spawn")
    except Exception as error:
        print(error.__notes__[0])
"""
    squares, name, pickling = run(tmp_path, program).splitlines()
    assert squares == "[0, 1, 4, 9]"
    assert 'below if __name__ == "__main__":' in name and "fargs" in name
    assert "has to pickle func" in pickling and "cloudpickle" in pickling


def test_the_package_falls_back(tmp_path):
    text = "import sys; sys.modules['parmap._parmap'] = None\nimport parmap; print(parmap.parmap(abs, [-1]).engine)"
    place = str(Path(package.__file__).resolve().parents[1])
    env = {**{name: value for name, value in os.environ.items() if name != "PARMAP_PURE"}, "PYTHONPATH": place}
    done = subprocess.run([sys.executable, "-c", text], env=env, stdout=-1, stderr=-2, text=True, cwd=tmp_path, timeout=60)
    assert done.stdout.endswith("multi (pure, fork)\n") and "ParmapWarning: parmap: the compiled core cannot be imported: " in done.stdout
    env["PARMAP_PURE"] = "1"
    done = subprocess.run([sys.executable, "-m", "parmap"], env=env, stdout=-1, stderr=-2, text=True, cwd=tmp_path, timeout=60)
    assert "form: pure Python, because PARMAP_PURE=1 asks for it" in done.stdout and "Warning" not in done.stdout, done.stdout


@pytest.mark.parametrize("option", pure._REFUSED)
def test_an_option_that_it_lacks_is_refused(option):
    with pytest.raises(ValueError, match=f"the option {option} is not in the pure form .* parmap-cpp"):
        pure.parmap(abs, [1], **{option: "1GB"})


@pytest.mark.parametrize("name", ["summary", "tasks", "to_frame", "stored"])
def test_what_results_lack_is_refused(name):
    with pytest.raises(AttributeError, match=f"results.{name} is not in the pure form .* parmap-cpp"):
        getattr(pure.parmap(abs, [1], engine="serial"), name)


def test_uneven_tasks_are_shared():
    """Quick tasks make large chunks; the slow ones behind them still reach every worker."""
    import time

    def task(i):
        if i >= 2000:
            time.sleep(0.03)
        return os.getpid()

    workers = pure.parmap(task, range(2040), n_worker=2)[2000:]
    assert min(workers.count(each) for each in set(workers)) >= 10 and len(set(workers)) == 2


def test_large_results_and_inputs_of_streams():
    arrays = pure.parmap(lambda i: np.full(300_000, i), range(8), n_worker=2)
    assert all((array == i).all() for i, array in enumerate(arrays))
    sums = list(pure.imap(lambda array: int(array.sum()), (np.full(300_000, i) for i in range(8)), n_worker=2))
    assert sums == [300_000 * i for i in range(8)]


@pytest.mark.parametrize("engine", ["multi", "threads"])
def test_what_the_reporter_raises_at_the_end_comes_with_the_results(engine):
    def reporter(i, n):
        raise LookupError("reporter")

    with pytest.raises(LookupError, match="reporter") as caught:
        pure.parmap(abs, [-1, 2], engine=engine, reporter=reporter)
    assert caught.value.results == [1, 2]


def test_sigchld_may_be_ignored():
    """Then nobody learns how a worker has died."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        results = pure.parmap(lambda i: os._exit(3) if i == 2 else i, range(6), n_worker=2, on_error=lambda *failed: None)
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert results == [0, 1, None, 3, 4, 5] and "ignores SIGCHLD" in str(results.failures[0])


def test_what_a_task_has_started_may_hold_the_pipe_of_its_dead_worker():
    def task(i):
        if i == 1:
            if os.fork() == 0:
                os.setsid()
                os.read(reading, 1)
                os._exit(0)
            os._exit(9)
        return i

    reading, writing = os.pipe()
    results = pure.parmap(task, range(6), n_worker=2, on_error=lambda *failed: None)
    os.write(writing, b"x")
    for each in (reading, writing):
        os.close(each)
    assert results == [0, None, 2, 3, 4, 5] and results.failures[0].kind == "exited"


@pytest.mark.parametrize("engine", ["multi", "threads"])
def test_a_late_task_of_imap_is_left_out(engine):
    import time

    def task(i):
        until = time.monotonic() + 3600
        while i == 1 and time.monotonic() < until:
            time.sleep(0.01)
        return i

    with pytest.warns(pure.ParmapWarning, match="1 of 3 tasks failed; the first: task 1 timed out"):
        assert list(pure.imap(task, range(3), timeout_sec=0.3, n_worker=2, on_error=None, engine=engine)) == [0, 2]


def test_an_inherited_imap_is_not_ended_by_a_fork():
    values = pure.imap(abs, iter([-1, -2, -3]), n_worker=2)
    assert next(values) == 1

    def ends_it(i):
        values.close()
        return i

    assert pure.parmap(ends_it, range(2)) == [0, 1]
    assert list(values) == [2, 3]


def test_a_map_in_a_worker_of_a_pool_may_have_workers():
    """Those of multiprocessing.Pool may have no children."""
    program = """
import multiprocessing
from parmap import parmap
def inner(i):
    return sum(parmap(abs, range(i), n_worker=2))
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.map(inner, [3, 4]))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=FILE.parent, stdout=-1, stderr=-2, text=True, timeout=60)
    assert done.stdout == "[3, 6]\n"
