#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares parmap in C++ with its peers: Markdown tables on stdout, numbers in benchmarks/results/native.json.

./bench builds the programs and runs this. Every measurement is a new process; after a warm-up the peers take turns
(A B C A B C ...).
"""

import argparse
import array
import datetime
import json
import os
import random
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(HERE / "native"), str(HERE / "reliability")]

import cell  # noqa: E402
import machine  # noqa: E402
import markup  # noqa: E402
import report  # noqa: E402
import tables  # noqa: E402

WORK = ROOT / "build" / "bench"
RESULTS = HERE / "results" / "native.json"
PAGE = ROOT / "docs" / "internals" / "measurements.md"
SUMMARY = ROOT / "docs" / "performance.md"
LIMIT = 120  # seconds for a process
LONG, FEW = 2, 5  # a run of more than LONG seconds is repeated only FEW times


def say(*words) -> None:
    print(*words, file=sys.stderr, flush=True)


def costs(cores: int) -> dict:
    """Return the cost of each task in ns, by the workload's name. A single heavy task takes two thirds of the ideal time, so the
    ideal can be reached if it begins early enough."""
    n, total, heavy = 10_000, 150e6, 100
    single = n * (share := 2 / 3 / cores) / (1 - share)
    seeded = random.Random(1)
    shapes = {
        "growing": [float(i) for i in range(n)],
        "falling": [float(n - i) for i in range(n)],
        "heavy first 5 %": [heavy if i < n // 20 else 1.0 for i in range(n)],
        "heavy middle 5 %": [heavy if abs(i - n // 2) < n // 40 else 1.0 for i in range(n)],
        "Pareto": [min((1 - seeded.random()) ** (-1 / 1.2), single) for _ in range(n)],
        "one heavy last": [single if i == n - 1 else 1.0 for i in range(n)],
        "one heavy in the middle": [single if i == n // 2 else 1.0 for i in range(n)],
    }
    scaled = {name: [each * total / sum(shape) for each in shape] for name, shape in shapes.items()}
    return {"100 ns each": [100.0] * 1_000_000} | scaled


class Bench:
    """Measures tables with the programs that were built."""

    def __init__(self, programs: Path, runs: int, quick: bool):
        self.programs = programs
        self.runs = runs
        self.quick = quick
        self.costs = programs / "costs"
        self.cores = len(os.sched_getaffinity(0))

    def prepare(self) -> None:
        """Write the files with the steps of each task."""
        per_ns = float(subprocess.run([self.programs / f"map_{tables.LOOP}", "steps"], check=True, capture_output=True, text=True).stdout)
        self.costs.mkdir(parents=True, exist_ok=True)
        for name, all in costs(self.cores).items():
            share = 50 if self.quick else 1
            steps = array.array("I", (max(1, round(each * per_ns)) for each in all[:: share if name == "100 ns each" else 1]))
            (self.costs / name).write_bytes(steps.tobytes())

    def command(self, peer: str, column: tables.Column) -> list:
        more = [str(self.costs / column.more)] if column.workload in ("balance", "nested") else [column.more] if column.more else []
        if column.workload == "floor":
            return [str(self.programs / "floors"), peer]
        program = WORK / "rayon" / "release" / "bench-rayon" if peer == tables.RAYON else self.programs / f"map_{peer}"
        return [str(program), column.workload, str(column.size), *more]

    def once(self, peer: str, column: tables.Column) -> tuple:
        """Return the seconds, or None, and why."""
        try:
            ran = subprocess.run(self.command(peer, column), capture_output=True, text=True, timeout=LIMIT, check=False)
        except subprocess.TimeoutExpired:
            return None, f"took more than {LIMIT} s"
        except FileNotFoundError:
            return None, "could not be built here"
        if ran.returncode == 2:
            return None, ""
        if ran.returncode != 0:
            return None, f"ended with status {ran.returncode}: {ran.stderr.strip()[-200:]}"
        return float(ran.stdout), ""

    def table(self, name: str) -> dict:
        table = tables.TABLES[name].quick() if self.quick else tables.TABLES[name]
        load = [os.getloadavg()[0]]
        not_run, seconds, turns = {}, {}, []
        for column in table.columns:
            seconds[column.name] = {}
            for peer in table.peers:
                if peer in not_run:
                    continue
                taken, why = self.once(peer, column)  # the warm-up
                if taken is None:
                    if why:
                        not_run[peer] = why
                        say(f"{name}: {tables.NAMES[peer]}: not run: {why}")
                    continue
                seconds[column.name][peer] = []
                turns.append((column, peer, min(self.runs, FEW) if taken > LONG else self.runs))
        say(f"{name}: {len(turns)} measurements, {self.runs} runs")
        for turn in range(self.runs):
            for column, peer, runs in turns:
                if turn < runs:
                    taken, why = self.once(peer, column)
                    if taken is None:
                        raise SystemExit(f"{name}: {peer}: {why}")
                    seconds[column.name][peer].append(taken)
        entry = {"seconds": seconds, "not_run": not_run, "cores": self.cores, "runs": self.runs}
        if table.memory:
            entry["peak_mb"] = self.memory(turns)
        return entry | {"load": [*load, os.getloadavg()[0]]}

    def memory(self, turns) -> dict:
        """Return the greatest sum of the proportional set sizes of all processes, sampled all the time, in 3 runs."""
        peaks: dict = {}
        for column, peer, _ in turns:
            ran = [cell.run(self.command(peer, column), LIMIT, memory=True)["peak_mb"] for _ in range(1 if self.quick else 3)]
            peaks.setdefault(column.name, {})[peer] = ran
        return peaks


def listing() -> None:
    for name, table in tables.TABLES.items():
        print(f"{name}: {table.title}")
        for peer in table.peers:
            print(f"  {tables.NAMES[peer]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9, help=f"runs of each peer; {FEW} of a peer that takes over {LONG} s (default: 9)")
    parser.add_argument("--only", metavar="NAME", nargs="+", choices=tables.TABLES, default=list(tables.TABLES),
                        help="only these of " + ", ".join(tables.TABLES) + "; the JSON keeps its figures of the others")
    parser.add_argument("--quick", action="store_true", help="small sizes and one run: shows only that everything runs")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write to FILE, not to benchmarks/results/native.json (--quick: "
                                                                  "build/bench/native-quick.json)")
    parser.add_argument("--programs", metavar="FOLDER", type=Path, default=WORK / "benchmarks", help="where the programs are (default: build/bench/benchmarks)")
    parser.add_argument("--list", action="store_true", help="list the tables and their peers")
    parser.add_argument("--write", action="store_true", help="also put all tables of the JSON into docs/internals/measurements.md")
    arguments = parser.parse_args()
    if arguments.list:
        listing()
        return 0
    if arguments.runs < 1 or (arguments.quick and arguments.write):
        parser.error("--runs takes at least 1, and --quick and --write do not go together")
    file = arguments.json or (WORK / "native-quick.json" if arguments.quick else RESULTS)

    cell.prepare()
    bench = Bench(arguments.programs, 1 if arguments.quick else arguments.runs, arguments.quick)
    bench.prepare()
    results = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    measured = {}
    for name in arguments.only:
        measured[name] = {
            "command": "./bench --quick" if arguments.quick else f"./bench --runs {arguments.runs}",
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": machine.description(), "versions": machine.compilers(),
        } | bench.table(name)
        results[name] = measured[name]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        print("\n".join(report.Entry(name, measured[name]).lines()), flush=True)
    for line in report.missed(measured):
        say(line)
    if arguments.write:
        PAGE.write_text(markup.put(PAGE.read_text(encoding="utf-8"), report.page(results), "native"), encoding="utf-8")
        SUMMARY.write_text(markup.put(SUMMARY.read_text(encoding="utf-8"), report.summary(results), "speed", "native"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
