#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a stream costs beside a map that collects the same results: a table in docs/internals/measurements.md (--write).

    cmake --preset release -DPARMAP_BUILD_BENCH=ON && cmake --build --preset release --target bench_streams
    benchmarks/streams.py build/release/benchmarks/streams --write

Run it on an otherwise idle machine: a minute.
"""

import argparse
import datetime
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import machine  # noqa: E402
import markup  # noqa: E402

PAGE = HERE.parent / "docs" / "internals" / "measurements.md"
WAYS = {"map": "map", "stream": "stream", "ordered": "stream, ordered", "map_threads": "map, threads", "stream_threads": "stream, threads"}
#: Name, workload, number of tasks, how many results a number stands for, unit.
COLUMNS = (
    ("64-bit numbers", "u64", 4_000_000, 1e9 / 4_000_000, "ns a task"),
    ("strings of 30 bytes", "strings", 1_000_000, 1e9 / 1_000_000, "ns a task"),
    ("strings of 100 kB", "large", 10_000, 1e6 / 10_000, "µs a task"),
    ("first of 1e6 results", "first", 1_000_000, 1e3, "ms"),
)


def run(program: str, way: str, workload: str, n: int) -> tuple:
    if workload == "first" and way.startswith("map"):
        n = 10  # a map has none before it ends: its fixed cost
    done = subprocess.run([program, way, workload, str(n)], stdout=subprocess.PIPE, check=True, timeout=300)
    return tuple(float(each) for each in done.stdout.split())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="the built benchmarks/native/streams.cpp")
    parser.add_argument("--runs", type=int, default=7, help="processes for each number, which take turns (default: 7)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/internals/measurements.md")
    arguments = parser.parse_args()
    found: dict = {(way, workload): [] for way in WAYS for _, workload, *_ in COLUMNS}
    for _ in range(arguments.runs):
        for _, workload, n, _, _ in COLUMNS:
            for way in WAYS:
                found[way, workload].append(run(arguments.program, way, workload, n))
    date = datetime.datetime.now(datetime.timezone.utc).date()
    lines = [
        f"Medians of {arguments.runs} processes that took turns (least .. greatest), two workers: wall time, and the CPU time of all processes. *first of 1e6 results*: the wall time "
        "until the first result of a stream has come; for a map, all of a map of ten tasks.",
        "",
        f"`benchmarks/streams.py --runs {arguments.runs}` on {date}; {machine.description()}; load average {os.getloadavg()[0]:.1f}.",
        "",
        *markup.head(["", *(f"{name}, {unit}{what}" for name, _, _, _, unit in COLUMNS for what in ((", wall", ", CPU") if unit != "ms" else ("",)))]),
    ]
    for way, name in WAYS.items():
        cells = [name]
        for _, workload, _, factor, unit in COLUMNS:
            walls, cpus = zip(*found[way, workload])
            cells.append(markup.spread([factor * each for each in walls]))
            if unit != "ms":
                cells.append(markup.spread([factor * each for each in cpus]))
        lines.append(markup.row(cells))
    print("\n".join(lines))
    for _, workload, *_ in COLUMNS[:3]:
        ratio = median(cpu for _, cpu in found["stream", workload]) / median(cpu for _, cpu in found["map", workload])
        print(f"{workload}: a stream takes {ratio:.2f} x the CPU time of a map")
    if arguments.write:
        PAGE.write_text(markup.put(PAGE.read_text(encoding="utf-8"), lines, "streams"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
