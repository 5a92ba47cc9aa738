# SPDX-License-Identifier: MIT
"""The engine dask. Its cases are in dask_cases.py, which runs in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from helpers import needs, run

HERE = Path(__file__).parent


def test_importing_parmap_imports_no_cluster():
    run("import parmap, sys; assert not {'dask', 'distributed', 'mpi4py'} & set(sys.modules)")
    run("import parmap, sys; parmap.DaskEngine, parmap.MpiEngine; assert not {'dask', 'distributed', 'mpi4py'} & set(sys.modules)")


def test_a_library_that_is_missing_is_named():
    program = """
        import sys
        sys.modules["distributed"] = None
        sys.modules["mpi4py"] = None
        from parmap import parmap
        for engine in ("dask", "mpi"):
            try:
                parmap(abs, [1], engine=engine)
            except ImportError as error:
                print(error)
    """
    assert [line.rpartition("pip install ")[2] for line in run(program).splitlines()] == ["distributed", "mpi4py"]


def test_a_cluster_of_its_own():
    """It needs no guard, is closed, and leaves nothing behind."""
    needs("distributed")
    program = """
        import os, threading
        import parmap
        from parmap import parmap as pmap

        def task(i):
            if i == 3:
                os._exit(1)
            return i * i

        results = pmap(task, range(10), engine="dask", on_error=lambda *_: None)
        print(results, results.failures[0].kind)
        with parmap.override(engine="dask"):
            print(pmap(abs, [-1]))
        print(sum(parmap.imap(abs, range(10), engine="dask")))
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            print("no child")
    """
    assert run(program) == "[0, 1, 4, None, 16, 25, 36, 49, 64, 81] exited\n[1]\n45\nno child\n"


@pytest.mark.timeout(240)
def test_suites_of_one_machine():
    """A part of them; ./test --cluster runs the whole."""
    needs("distributed", "cloudpickle", "numpy")
    done = subprocess.run([sys.executable, "cluster_suite.py", "dask", "short"], cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=230, check=False)
    assert done.returncode == 0, done.stdout[-10_000:]


@pytest.mark.timeout(240)
def test_over_two_workers():
    needs("distributed", "cloudpickle")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "default", "--timeout", "60", "dask_cases.py"]
    done = subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=230, check=False)
    assert done.returncode == 0, done.stdout[-10_000:]
