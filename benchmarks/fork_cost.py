#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a map of 50 cheap tasks costs in a small and in a large Python program, beside a fork of it: a table in docs/internals/measurements.md (--write).

Run it with a Python that has parmap-cpp, scipy and scikit-learn, on an otherwise idle machine: 2 minutes.
"""

import argparse
import datetime
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import machine  # noqa: E402
import markup  # noqa: E402

PAGE = HERE.parent / "docs" / "internals" / "measurements.md"
CALLERS = {
    "nothing": "",
    "numpy": "import numpy",
    "scipy, scikit-learn": "import scipy.optimize, scipy.stats, sklearn.ensemble",
    "the same, and 5 million objects": "import scipy.optimize, scipy.stats, sklearn.ensemble; kept = [object() for _ in range(5_000_000)]",
}
MAPS = 40


def task(x):
    return x * x


def fork():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def faults():
    return sum(resource.getrusage(who).ru_minflt for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def measure(caller: str) -> dict:
    """In a process of its own."""
    kept: dict = {}
    exec(caller, kept)
    from parmap import parmap

    acts = {"fork": fork, "1 worker": lambda: parmap(task, range(50), n_worker=1), "2 workers": lambda: parmap(task, range(50), n_worker=2)}
    found: dict = {f"{name} {what}": [] for name in acts for what in ("ms", "faults")}
    for act in acts.values():
        act()
    for _ in range(MAPS):
        for name, act in acts.items():
            begun, before = time.perf_counter(), faults()
            act()
            found[f"{name} ms"].append(1e3 * (time.perf_counter() - begun))
            found[f"{name} faults"].append(faults() - before)
    with open("/proc/self/status") as file:
        status = dict(line.split(":", 1) for line in file)
    with open("/proc/self/maps") as file:
        mappings = len(file.readlines())
    return {name: median(values) for name, values in found.items()} | {
        "MB": int(status["VmRSS"].split()[0]) / 1e3, "page tables, kB": int(status["VmPTE"].split()[0]), "mappings": mappings}  # fmt: skip


def table(runs: dict) -> list:
    columns = ["MB", "page tables, kB", "mappings", "fork ms", "1 worker ms", "2 workers ms", "fork faults", "1 worker faults"]
    lines = markup.head(["the caller has imported", *columns])
    for caller, found in runs.items():
        lines.append(markup.row([caller, *(markup.spread([each[column] for each in found]) if column.endswith("ms")
                                           else f"{median([each[column] for each in found]):.0f}" for column in columns)]))  # fmt: skip
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9, help="processes for each caller, which take turns (default: 9)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/internals/measurements.md")
    parser.add_argument("--one", metavar="CODE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        print(json.dumps(measure(arguments.one)))
        return 0
    runs: dict = {name: [] for name in CALLERS}
    for _ in range(arguments.runs):
        for name, code in CALLERS.items():
            done = subprocess.run([sys.executable, __file__, "--one", code], stdout=subprocess.PIPE, check=True, timeout=300)
            runs[name].append(json.loads(done.stdout))
    import numpy
    import scipy
    import sklearn

    date = datetime.datetime.now(datetime.timezone.utc).date()
    versions = f"Python {sys.version.split()[0]}, numpy {numpy.__version__}, scipy {scipy.__version__}, scikit-learn {sklearn.__version__}"
    lines = [
        f"Medians of {MAPS}, and of {arguments.runs} processes (least .. greatest). *fork* is `os.fork`, `os._exit` and `os.waitpid` by hand.",
        "",
        f"`benchmarks/fork_cost.py --runs {arguments.runs}` on {date}; {machine.description()}; {versions}; load average {os.getloadavg()[0]:.1f}.",
        "",
        *table(runs),
    ]
    print("\n".join(lines))
    if arguments.write:
        PAGE.write_text(markup.put(PAGE.read_text(encoding="utf-8"), lines, "fork_cost"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
