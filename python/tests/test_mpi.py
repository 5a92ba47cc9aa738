# SPDX-License-Identifier: MIT
"""The engine mpi, with mpirun on this computer, whose ranks are made to be nodes of their own (PARMAP_TEST_RANKS_PER_NODE)."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import needs

PROGRAM = Path(__file__).with_name("mpi_program.py")


@pytest.fixture(autouse=True)
def needs_mpi():
    needs("mpi4py", "cloudpickle")
    if shutil.which("mpirun") is None:
        pytest.skip("mpirun is not installed")


def command(ranks, *arguments, per_node=1):
    settings = dict(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", PARMAP_TEST_RANKS_PER_NODE=str(per_node),
                    NODES=str(-(-ranks // per_node)))  # fmt: skip
    words = ["mpirun", "-n", str(ranks)]
    if b"Open MPI" in subprocess.run(["mpirun", "--version"], stdout=subprocess.PIPE, check=False).stdout:
        words += ["--oversubscribe", "--bind-to", "none"]
    return dict(args=[*words, sys.executable, *map(str, arguments)], env={**os.environ, **settings}, stdin=subprocess.DEVNULL, text=True)


def mpirun(ranks, *arguments, per_node=1):
    done = subprocess.run(**command(ranks, *arguments, per_node=per_node), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=90, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("ranks, per_node", [(3, 1), (4, 2)])
def test_values(ranks, per_node):
    assert mpirun(ranks, "-m", "parmap.mpi", PROGRAM, "values", "an argument", per_node=per_node) == (0, "ok\n", "")


@pytest.mark.parametrize("what", ["faults", "ends"])
def test_over_two_nodes(what):
    assert mpirun(2, "-m", "parmap.mpi", PROGRAM, what) == (0, "ok\n", "")


def test_without_mpirun():
    program = "from parmap import parmap; print(parmap(abs, [-1], engine='mpi'))"
    assert subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True).stdout == "[1]\n"


def test_ranks_that_would_each_run_the_whole():
    status, _, said = mpirun(2, "-c", "from parmap import parmap; parmap(abs, [1], engine='mpi')")
    assert status != 0 and "mpirun -n 2 python -m parmap.mpi script.py" in said


def test_a_launcher_of_another_mpi():
    env = {**os.environ, "PMI_SIZE": "4"}
    for arguments in (("-m", "parmap.mpi", "-c", "print('begun')"), ("-c", "from parmap import parmap; parmap(abs, [1], engine='mpi')")):
        done = subprocess.run([sys.executable, *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 1 and done.stdout == "" and "has started 4 processes, but MPI knows only this one" in done.stderr


@pytest.mark.parametrize("text, status, words", [("raise LookupError('odd')", 1, "LookupError: odd"), ("import sys; sys.exit(5)", 5, "")])
def test_the_status_of_the_program(text, status, words):
    found, _, said = mpirun(1, "-m", "parmap.mpi", "-c", text)
    assert found == status and words in said


def test_modules_beside_the_script(tmp_path):
    (tmp_path / "beside.py").write_text("def f(x): return x + 1")
    (tmp_path / "script.py").write_text("import beside, parmap; print(parmap.parmap(beside.f, range(4), engine='mpi'))")
    assert mpirun(2, "-m", "parmap.mpi", tmp_path / "script.py") == (0, "[1, 2, 3, 4]\n", "")


def test_nothing_is_left_when_mpirun_is_interrupted(tmp_path):
    (tmp_path / "script.py").write_text(
        "import os, sys, time, parmap\n"
        "def task(i):\n"
        f"    open(os.path.join({str(tmp_path)!r}, f'pid.{{os.getpid()}}'), 'w').close()\n"
        "    time.sleep(100)\n"
        "parmap.parmap(task, range(100), engine='mpi')\n"
    )
    with subprocess.Popen(**command(2, "-m", "parmap.mpi", tmp_path / "script.py"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
        end = time.monotonic() + 30
        while len(pids := [int(each.suffix[1:]) for each in tmp_path.glob("pid.*")]) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        program.send_signal(signal.SIGINT)
        program.wait(30)
    end = time.monotonic() + 10
    while any(Path(f"/proc/{each}").exists() for each in pids) and time.monotonic() < end:
        time.sleep(0.05)
    assert len(pids) >= 2 and not any(Path(f"/proc/{each}").exists() for each in pids)
