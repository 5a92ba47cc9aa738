# SPDX-License-Identifier: MIT
"""What benchmarks/compile_time.py and benchmarks/scaling.py make of figures that are known."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def python(*arguments):
    """What it prints."""
    ran = subprocess.run([sys.executable, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def compile_lines(found, not_run=()):
    result = {"command": "c", "date": "2026-01-01", "machine": "m", "compilers": "g++ 1", "base": "b", "runs": 2, "load": [0, 0],
              "not_run": list(not_run), "seconds": {"g++ -O2": found}}  # fmt: skip
    program = "import json, sys; sys.path.insert(0, sys.argv[1]); import compile_time; print('\\n'.join(compile_time.lines(json.loads(sys.argv[2]))))"
    return python("-c", program, BENCHMARKS, json.dumps(result))


def test_compile_targets():
    printed = compile_lines({
        "plain loop": {"": [1.0, 2.0]},
        "one map, threads": {"compiled": [2.0, 3.0], "inline": [4.0, 6.0], "before": [5.0, 6.0]},
        "one map, multi": {"compiled": [4.0, 5.0], "inline": [4.0, 5.0], "before": [5.0, 6.0]},
        "6 maps, multi": {"compiled": [5.0, 6.0], "inline": [6.0, 7.0], "before": [10.0, 11.0]},
    }, ["oneTBB parallel_for by g++ (it has no <tbb/parallel_for.h>)"])  # fmt: skip
    # Above the loop of the same turn, beside before's of the same turn.
    assert "| one map by threads, compiled: at most 0.3 of before | 0.25 (0.25 .. 0.25) | reached |" in printed
    assert "| one map by multi, compiled: at most 0.35 of before | 0.75 (0.75 .. 0.75) | **not reached** |" in printed
    assert "| each further map, compiled: at most 0.5 of before | 0.20 (0.20 .. 0.20) | reached |" in printed
    assert "| everything, inline: at most 0.8 of before | 0.88 (0.75 .. 1.00) (one map, threads) | **not reached** |" in printed
    assert "| *each further map, multi* | - | 0.20 (0.20 .. 0.20) | 0.40 (0.40 .. 0.40) | 1.00 (1.00 .. 1.00) |" in printed
    assert "Not run: oneTBB parallel_for by g++ (it has no <tbb/parallel_for.h>)." in printed


def test_compile_without_before():
    printed = compile_lines({"plain loop": {"": [1.0]}, "one map, multi": {"inline": [4.0]}})
    assert "| one map, multi | - | 4.00 (4.00 .. 4.00) |" in printed
    assert "target" not in printed


@pytest.mark.parametrize(("seconds", "verdict"), [(0.0655, "reached"), (0.07, "**not reached**")])
def test_scaling(tmp_path, seconds, verdict):
    machine = {"cores": 16, "physical": 8, "allowed": 16, "model": "m", "gb": 64, "kernel": "6.1.0-1"}
    about = [machine, {"date": "2026-01-01", "versions": "v", "load": 0.5, "steps_per_ns": 0.4}, {"workers": [1, 16], "skipped": [32]}]
    lines = [{"case": "long", "workers": 1, "peer": "loop", "round": 1, "seconds": 1.0}]
    lines += [{"case": "long", "workers": 16, "peer": "parmap_threads", "round": k, "seconds": seconds} for k in range(3)]
    lines += [{"case": "last", "workers": w, "peer": "loop", "round": 1, "seconds": 0.01 * w} for w in (1, 16)]
    lines += [{"case": "last", "workers": 16, "peer": "omp_static", "round": 1, "failed": "status 1 why"}, {"ended": {"rounds": 3, "after_s": 9, "load": 1}}]
    file = tmp_path / "scaling.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in about + lines))
    printed = python(BENCHMARKS / "scaling.py", "--report", file)
    share = f"{100 / 16 / seconds:.1f}"
    assert f"parmap threads, 16 workers: at least 95 % efficiency | {share} ({share} .. {share}) | {verdict} |" in printed
    assert "parmap multi, 16 workers: at least 95 % efficiency | - | not measured |" in printed
    assert f"| **parmap threads** | - | {share} ({share} .. {share}) |" in printed
    assert "| plain loop | 1000 ms (1000 ms .. 1000 ms) |  |" in printed
    assert "| plain loop | 10.0 ms (10.0 ms .. 10.0 ms) | 160 ms (160 ms .. 160 ms) |" in printed
    assert "Not enough cores for 32 workers. 8 of the cores are second hardware threads" in printed
    assert "Failed: last: OpenMP static, 16 workers: status 1 why." in printed
