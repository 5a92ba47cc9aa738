# SPDX-License-Identifier: MIT
"""benchmarks/python.py runs, and the page says what it measured."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "benchmarks" / "python.py"


def python(*arguments):
    """What it prints."""
    ran = subprocess.run([sys.executable, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280,
                         check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.timeout(300)
def test_tiny(tmp_path):
    file = tmp_path / "results" / "python.json"
    printed = python(BENCH, "--quick", "--no-install", "--only", "tiny", "--json", file)
    results = json.loads(file.read_text())
    assert list(results) == ["tiny"]
    entry = results["tiny"]
    assert set(entry) == {"command", "date", "machine", "versions", "load", "rows", "not_run"}
    assert {"Python", "parmap-cpp"} <= set(entry["versions"])
    assert len(entry["load"]) == 2
    rows = {row["peer"]: row for row in entry["rows"]}
    always = {"plain loop", "parmap", "Pool.map", "Pool.map, chunksize=1", "ProcessPoolExecutor.map, chunksize=1"}
    assert always <= set(rows), entry["not_run"]
    for name, row in rows.items():
        assert set(row) == {"case", "peer", "n", "seconds", "loop_seconds", "peak_mb"}
        assert len(row["seconds"]) == len(row["loop_seconds"]) == 2, name
        assert all(each > 0 for each in row["seconds"] + row["loop_seconds"]), name
    assert entry["not_run"]["python-parmap"] == "not installed"  # though a package of that name can be imported
    for name in rows:
        assert f"| {name} |" in printed or f"| **{name}** |" in printed
    assert "| at most 1/2 of Pool.map |" in printed
    assert "Not run: python-parmap (not installed)." in printed


def test_list():
    printed = python(BENCH, "--list")
    assert [line.split(":")[0] for line in printed.splitlines() if not line.startswith(" ")] \
        == ["tiny", "stream", "fixed", "arrays", "captured", "strings", "dicts"]


def test_page():
    """docs/internals/measurements.md is what benchmarks/results/python.json gives."""
    program = """
import json, sys
from pathlib import Path
root = Path(sys.argv[1])
sys.path[:0] = [str(root / "benchmarks"), str(root / "benchmarks" / "python")]
import markup, report
file = root / "benchmarks" / "results" / "python.json"
page = (root / "docs" / "internals" / "measurements.md").read_text(encoding="utf-8")
results = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
assert markup.put(page, report.page(results), "python") == page, "run: benchmarks/python.py --write"
"""
    python("-c", program, ROOT)


def test_native_page():
    """The same of what was measured in C++."""
    program = """
import json, sys
from pathlib import Path
root = Path(sys.argv[1])
sys.path[:0] = [str(root / "benchmarks"), str(root / "benchmarks" / "native")]
import compile_time, markup, report
page = (root / "docs" / "internals" / "measurements.md").read_text(encoding="utf-8")
files = {name: root / "benchmarks" / "results" / f"{name}.json" for name in ("native", "compile")}
results = {name: json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {} for name, file in files.items()}
assert markup.put(page, report.page(results["native"]), "native") == page, "run: ./bench --write"
short = (root / "docs" / "performance.md").read_text(encoding="utf-8")
assert markup.put(short, report.summary(results["native"]), "speed", "native") == short, "run: ./bench --write"
assert markup.put(page, compile_time.lines(results["compile"]), "compile_time") == page, "run: ./bench --only compile --write"
"""
    python("-c", program, ROOT)
