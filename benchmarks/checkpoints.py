#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a checkpoint costs, in C++ and Python: a table in docs/internals/measurements.md (--write).

    cmake --preset release -DPARMAP_BUILD_BENCH=ON && cmake --build --preset release --target bench_checkpoints
    build/python/venv/bin/python benchmarks/checkpoints.py build/release/benchmarks/checkpoints --write

./demo --python makes this interpreter. Run it on an otherwise idle machine: some four minutes. The files are written below --folder;
what its disk takes for fsync counts.
"""

import argparse
import datetime
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import machine  # noqa: E402
import markup  # noqa: E402

PAGE = HERE.parent / "docs" / "internals" / "measurements.md"
TINY, FEW, MANY, LONG = 1_000_000, 200_000, 10_000_000, 1000


def tiny(a: int, b: int) -> float:
    return 0.5 * a + b


def waiting(a: int, b: int) -> float:
    time.sleep(0.01)
    return 0.5 * a + b


def run_python(what: str, tasks: int, folder: str) -> float:
    """The wall time of one map in seconds; called in a process of its own."""
    from parmap import parmap

    width = int(tasks**0.5)
    axes = range(width), range(tasks // width)
    with tempfile.TemporaryDirectory(dir=folder) as here:
        chosen = {}
        if what not in ("plain", "long"):
            chosen["checkpoint"] = os.path.join(here, "sweep.db")
        if what == "long-both":
            chosen["trace"] = os.path.join(here, "trace.json")
        begun = time.perf_counter()
        made = parmap(waiting if what.startswith("long") else tiny, *axes, reporter="silent", seed=1, **chosen)
        took = time.perf_counter() - begun
        assert made.ok
    return took


# (what is told, language, WHAT, tasks)
CASES = (
    ("1e6 tasks of some ns, plain", "C++", "plain", TINY),
    ("with a checkpoint", "C++", "stored", TINY),
    ("with a checkpoint, in another order than that of the file", "C++", "shuffled", TINY),
    ("1e7 tasks whose values are all stored", "C++", "resumed", MANY),
    ("1000 tasks of 10 ms, plain", "C++", "long", LONG),
    ("with a checkpoint", "C++", "long-stored", LONG),
    ("with a checkpoint and a trace", "C++", "long-both", LONG),
    ("2e5 tasks of some ns, plain", "Python", "plain", FEW),
    ("with a checkpoint", "Python", "stored", FEW),
    ("1000 tasks of 10 ms, plain", "Python", "long", LONG),
    ("with a checkpoint", "Python", "long-stored", LONG),
    ("with a checkpoint and a trace", "Python", "long-both", LONG),
)


def measure(program: str, language: str, what: str, tasks: int, folder: str) -> float:
    if language == "C++":
        command = [program, what, "multi", str(tasks), folder]
    else:
        command = [sys.executable, __file__, "--python", what, str(tasks), folder]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=600).stdout.split()[0])


def main() -> int:
    if sys.argv[1:2] == ["--python"]:
        print(run_python(sys.argv[2], int(sys.argv[3]), sys.argv[4]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="the built benchmarks/native/checkpoints.cpp")
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where the files are written (default: the folder of temporary files)")
    parser.add_argument("--runs", type=int, default=5, help="processes for each number, which take turns (default: 5)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/internals/measurements.md")
    arguments = parser.parse_args()
    found: dict = {case: [] for case in CASES}
    for _ in range(arguments.runs):
        for case in CASES:
            found[case].append(measure(arguments.program, *case[1:], arguments.folder))
    date = datetime.datetime.now(datetime.timezone.utc).date()
    lines = [
        f"Medians of {arguments.runs} processes that took turns (least .. greatest). The engine is `multi`; a value is a double; two axes, so that a task is known by two numbers.",
        "",
        f"`benchmarks/checkpoints.py --runs {arguments.runs}` on {date}; {machine.description()}; load average {os.getloadavg()[0]:.1f}.",
        "",
        *markup.head(["map", "language", "wall, s", "tasks a second"]),
        *(
            markup.row([told, language, markup.spread(found[told, language, what, tasks]), markup.spread([tasks / each for each in found[told, language, what, tasks]], lambda x: f"{x:.3g}")])
            for told, language, what, tasks in CASES
        ),
    ]
    print("\n".join(lines))
    if arguments.write:
        PAGE.write_text(markup.put(PAGE.read_text(encoding="utf-8"), lines, "checkpoints"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
