# SPDX-License-Identifier: MIT
"""The table of benchmarks/pools.py for C++: what small maps cost on a pool, beside other engines and a plain loop."""

import subprocess
from statistics import median

import markup

WAYS = {"pool": "`parmap::pool`", "threads": "`threads`", "multi": "`multi`, which forks its workers for each map", "loop": "a plain loop"}
SIZES = (1, 10, 100, 1000)
MOST = 60  # µs: of a map of 10 on a pool


def run(program: str, way: str, n: int) -> float:
    return float(subprocess.run([program, way, str(n)], stdout=subprocess.PIPE, check=True, timeout=120).stdout)


def table(program: str, runs: int) -> list:
    cells = [("pool", 0), *((way, n) for n in SIZES for way in WAYS)]
    found: dict = {each: [] for each in cells}
    for _ in range(runs):
        for way, n in cells:
            found[way, n].append(run(program, way, n))
    lines = ["C++: a map of so many tiny tasks, µs; a number is the median of the calls of a process:", ""]
    lines += markup.head(["", *(f"{n}" for n in SIZES), "submit and get"])
    for way, name in WAYS.items():
        lines.append(markup.row([name, *(markup.spread(found[way, n]) for n in SIZES), markup.spread(found.get((way, 0), []))]))
    took = median(found["pool", 10])
    return [*lines, "", f"- A map of 10 on a pool takes {took:.0f} µs; target {MOST}: {'reached' if took <= MOST else 'not reached'}.", ""]
