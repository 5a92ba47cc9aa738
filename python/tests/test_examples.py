# SPDX-License-Identifier: MIT
"""Each program of examples/python, run as its user would, says what it should."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import needs

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"


def run(name, *arguments, stderr=""):
    """What an example prints to stdout; to stderr it prints a line that ends so, or nothing."""
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    ran = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", *map(str, arguments)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        timeout=100, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr[-len(stderr) :] if stderr else ran.stderr) == (0, stderr), (ran.stdout, ran.stderr)
    return ran.stdout


def test_every_example_is_tested():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {name.removeprefix("test_") for name in globals()} & names


def test_tutorial():
    pytest.importorskip("numpy")
    shown = run("tutorial")
    for line in (
        "parmap(sqr, x) = [0, 1, 4, 9, 16]",
        "len(lengths) = 25",
        "parmap(power, x, fargs=dict(n=3)) = [0, 1, 8, 27, 64]",
        "parmap(hypotn, x, x, fargs=dict(n=3)) = [0, 1, 8, 27, 64, 1, 2, 9, 28, 65, ",
        "parmap(sqr, x, engine='multi') = [0, 1, 4, 9, 16]",
        "parmap(sqr, x, engine='threads') = [0, 1, 4, 9, 16]",
        "parmap(sqr, x, engine='serial') = [0, 1, 4, 9, 16]",
        "parmap(hypot, x, fargs=dict(n=3)) = [None, None, None, None, None]",
    ):
        assert line in shown
    warnings = [line for line in shown.splitlines() if "ParmapWarning" in line]
    assert len(warnings) == 1
    assert re.search(r"5 of 5 tasks failed; .*TypeError: hypot\(\) got an unexpected keyword argument 'n'", warnings[0])


def test_primes():
    shown = run("primes", "--below", 10_000, "--workers", 2)
    assert re.findall(r"^(\w+) .* (\d+)$", shown, re.M) == [
        ("serial", "1229"),
        ("threads", "1229"),
        ("multi", "1229"),
    ]
    assert "The counts agree." in shown


def test_reduce():
    shown = run("reduce", "--tasks", 5000, "--workers", 2)
    assert "bit by bit the same for 1, 2, 3 and 8 workers" in shown
    assert len(re.findall(r"^0\.\d #*$", shown, re.M)) == 10


def test_sweep_resume(tmp_path):
    pytest.importorskip("numpy")
    ask = ("--workers", 2, "--strikes", 1, tmp_path / "sweep.db")
    first = run("sweep_resume", *ask, stderr="")
    assert re.search(r"^8 of 8 tasks\n8 prices, 0 of them stored before; .* is [0-3]\.\d standard errors$", first, re.M)
    again = run("sweep_resume", "--output", tmp_path / "table.csv", "--rates", 2, *ask, stderr="resumed: 8 of 16 stored\n")
    assert "16 prices, 8 of them stored before" in again and len((tmp_path / "table.csv").read_text().splitlines()) == 17


def test_stream():
    assert run("stream") == (
        "2 5 17 37 101 197 257 401 577 677 1297 1601 2917 3137 4357 5477 7057 8101 8837 12101\n110 numbers tried, 0 failed\n"
    )


def test_pool():
    pytest.importorskip("numpy")
    shown = run("pool")
    assert re.search(r"^200 maps of 50 walkers on workers that stay: [\d.]+ ms a map$", shown, re.M)
    for line in ("simulate(1.0): 1.0", "simulate(2.0): 1.4142135623730951"):
        assert line in shown.splitlines()
    assert re.search(r"^simulate\(3\.0\): WorkerDied: .*SIGABRT", shown, re.M)


def test_emcee_fit():
    pytest.importorskip("emcee")
    shown = run("emcee_fit")
    assert re.search(r"slope = -0\.9\d \+- 0\.02\n", shown)
    assert "1000 maps of 16 walkers" in shown


def test_dynesty_evidence():
    pytest.importorskip("dynesty")
    assert re.search(r"log evidence -[12]\.\d\d \+- 0\.\d\d; exact: -2\.08", run("dynesty_evidence"))


def test_futures():
    assert run("futures") == "a: 1\ncrash: WorkerDied\nabc: 6\nlate: TaskTimeout\nabcde: 120\n"


def test_word_counts(tmp_path):
    (tmp_path / "one").write_text("both words\n")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "two").write_text("Both\n")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "false.gz").write_text("not compressed")
    shown = run("word_counts", "--workers", 2, tmp_path)
    assert "3 words, 2 different ones" in shown
    assert "both 2, words 1" in shown
    assert "4 files" in shown and "of which 2 cannot be read" in shown
    assert f"'{tmp_path}/dangling': FileNotFoundError: " in shown
    assert f"'{tmp_path}/false.gz': BadGzipFile: " in shown
    assert "The counts agree." in shown


@pytest.mark.parametrize("engine", ["threads", "async"])
def test_downloads(engine):
    # A machine that is busy with other tests may take longer than two seconds for a page.
    shown = run("downloads", "--engine", engine, "--timeout", 15)
    assert re.search(r"/missing: (HTTPError: HTTP Error 404|OSError: the server says HTTP/1.1 404)", shown)
    assert "/silent: TaskTimeout: ran longer than timeout_sec=15" in shown
    assert re.search(r"/reset: (URLError|ConnectionResetError|RemoteDisconnected|IncompleteReadError): ", shown)
    assert "497 of 497 files have the right SHA-256, and 3 downloads failed" in shown.splitlines()


def test_pages():
    """Who downloads nothing, or says nothing of the wrong pages, does not pass."""
    nothing = "import sys; open(sys.argv[2], 'w').close()"
    command = [sys.executable, EXAMPLES / "pages.py", sys.executable, "-c", nothing]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout == "0 of 497 files have the right SHA-256, and 0 downloads failed\n"


def test_dask_sweep():
    needs("distributed", "cloudpickle", "numpy")
    shown = run("dask_sweep")
    assert "mu=2.5, x0=0.1: 0.600" in shown and "mu=4.5, x0=0.5: no value" in shown
    assert "4 x crashed" in shown and "3 x timed_out" in shown
    assert "The values of this computer alone are the same: True" in shown
