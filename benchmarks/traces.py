#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the options times and trace cost beside a plain map: a table in docs/internals/measurements.md (--write).

    cmake --preset release -DPARMAP_BUILD_BENCH=ON && cmake --build --preset release --target bench_traces
    benchmarks/traces.py build/release/benchmarks/traces --write

Run it on an otherwise idle machine: a minute. On a busy one the instructions still tell.
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
WAYS = ("plain", "times", "trace")
ENGINES = ("serial", "threads", "multi")
US, TASKS = 10, 50_000


def run(program: str, way: str, engine: str) -> tuple:
    command = [program, way, engine, str(TASKS), str(US)]
    return tuple(float(each) for each in subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=300).stdout.split())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="the built benchmarks/native/traces.cpp")
    parser.add_argument("--runs", type=int, default=9, help="processes for each number, which take turns (default: 9)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/internals/measurements.md")
    arguments = parser.parse_args()
    found: dict = {(way, engine): [] for way in WAYS for engine in ENGINES}
    for _ in range(arguments.runs):
        for engine in ENGINES:
            for way in WAYS:
                found[way, engine].append(run(arguments.program, way, engine))
    date = datetime.datetime.now(datetime.timezone.utc).date()
    lines = [
        f"Medians of {arguments.runs} processes that took turns (least .. greatest): a map of {TASKS} tasks of about {US} µs. CPU time is that of all processes.",
        "",
        f"`benchmarks/traces.py --runs {arguments.runs}` on {date}; {machine.description()}; load average {os.getloadavg()[0]:.1f}.",
        "",
        *markup.head(["", *(f"{engine}, {what}" for engine in ENGINES for what in ("wall, µs a task", "CPU, µs a task", "instructions a task"))]),
    ]
    for way in WAYS:
        cells = [way]
        for engine in ENGINES:
            walls, cpus, instructions = zip(*found[way, engine])
            cells += [markup.spread([1e6 * each / TASKS for each in times]) for times in (walls, cpus)]
            cells.append(f"{median(instructions) / TASKS:.0f}" if median(instructions) else "unknown")
        lines.append(markup.row(cells))
    print("\n".join(lines))
    for engine in ENGINES:
        cpu = [median(each[1] for each in found[way, engine]) for way in WAYS]
        print(f"{engine}: the CPU time with times is {cpu[1] / cpu[0]:.3f}, with trace {cpu[2] / cpu[0]:.3f} of that of a plain map (target: at most 1.02)")
    if arguments.write:
        PAGE.write_text(markup.put(PAGE.read_text(encoding="utf-8"), lines, "traces"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
