#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How parmap and its peers scale with cores: the plan of the measurement, and the table of its results. benchmarks/scaling.sh runs it."""

import argparse
import array
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "native"), str(HERE / "reliability")]

import native  # noqa: E402
from markup import head, number, row, spread  # noqa: E402
from tables import BARE, FORK, LOOP, MILLISECONDS, MULTI, NAMES, NANOSECONDS, SHARE, THREADS  # noqa: E402

WORKERS = (1, 2, 4, 8, 16)
POOLS = ("omp_static", "omp_dynamic", "tbb_auto", THREADS)
ALL = ("omp_static", "omp_dynamic", "tbb_auto", FORK, THREADS, MULTI)
PROGRAMS = (LOOP, *ALL, BARE)
MARK = "@"  # stands for the number of workers in a file's name


@dataclass(frozen=True)
class Case:
    """A case: `map_PEER workload size more`, on 1, 2, 4 ... cores."""

    title: str
    workload: str
    size: int
    more: str  # a file of costs, or a number of calls
    unit: tuple
    peers: tuple
    target: float = 0  # parmap's target, % efficiency on the greatest of WORKERS


CASES = {
    **{f"calls-{n}": Case(f"a call on {n} task{'s' * (n > 1)} x * x + 1, hot", "hot", n, "500", NANOSECONDS, POOLS) for n in (1, 10, 100, 1000)},
    "fresh": Case("1e7 x * x + 1 into a fresh vector", "fresh", 10_000_000, "", SHARE, ALL),
    "uniform": Case("1e6 tasks of 100 ns", "balance", 0, "uniform", SHARE, ALL),
    "long": Case("1e5 tasks of 10 us", "balance", 0, "long", SHARE, ALL, target=95),
    "growing": Case("10 000 tasks whose cost grows", "balance", 0, "growing", SHARE, ALL),
    "last": Case("10 000 tasks, one heavy last (two thirds of the ideal time)", "balance", 0, f"last-{MARK}", SHARE, ALL),
    "nested": Case("nested: 64 x 10 000 tasks of 100 ns", "nested", 10_000, "uniform", SHARE, POOLS),
    "processes": Case("fixed cost of processes: as many empty tasks as workers", "processes", 0, "7", MILLISECONDS, (BARE, FORK, MULTI)),
    "processes-gib": Case("the same, 1 GiB touched in pages of 4 KiB", "processes", 1 << 30, "2", MILLISECONDS, (BARE, MULTI)),
}


def prepare(folder: Path) -> None:
    """Write the plan, a line for each case, and the costs of tasks in ns, because the machine that measures needs no Python."""
    lines = []
    for name, case in CASES.items():
        base = [LOOP] if case.unit != MILLISECONDS else []
        lines.append(" ".join([name, case.workload, str(case.size), case.more or "-", *base, *case.peers]))
    (folder / "plan").write_text("\n".join(lines) + "\n", encoding="utf-8")
    costs = {"uniform": [100.0] * 1_000_000, "long": [10_000.0] * 100_000, "growing": native.costs(1)["growing"]}
    costs |= {f"last-{workers}": native.costs(workers)["one heavy last"] for workers in WORKERS}
    (folder / "costs").mkdir(exist_ok=True)
    for name, all_ in costs.items():
        (folder / "costs" / name).write_bytes(array.array("I", map(round, all_)).tobytes())


class Measured:
    """The results: the lines that the run has written."""

    def __init__(self, file: Path):
        read = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        self.about = {key: value for line in read if "case" not in line for key, value in line.items()}
        self.workers = self.about["workers"]
        self.seconds: dict = {}
        self.failed: dict = {}
        for line in read:
            if "seconds" in line:
                key = line["case"], line["peer"], line["workers"]
                self.seconds.setdefault(key, []).append(line["seconds"])
            elif "failed" in line:
                self.failed[f"{line['case']}: {NAMES[line['peer']]}, {line['workers']} workers: {line['failed']}"] = None

    def loop(self, name: str, workers: int) -> list:
        """Return the serial time: on one core; of the case "last" for each number of workers, because its costs depend on it."""
        return self.seconds.get((name, LOOP, workers), []) or self.seconds.get((name, LOOP, 1), [])

    def shown(self, name: str, peer: str, workers: int) -> list:
        """Return the results in the case's unit."""
        found = self.seconds.get((name, peer, workers), [])
        if CASES[name].unit != SHARE:
            return [each * CASES[name].unit[1] for each in found]
        loop = self.loop(name, workers)
        return [100 * median(loop) / workers / each for each in found] if loop else []

    def machine(self) -> str:
        about = self.about
        return f"{about['cores']} cores of {about['model']}, {about['gb']:.0f} GB, Linux {about['kernel'].split('-')[0]}"

    def table(self, name: str) -> list:
        case = CASES[name]
        lines = [f"### {case.title}", "", *head([case.unit[0], *(f"{each} workers" if each > 1 else "1 worker" for each in self.workers)])]
        loop = [self.loop(name, each) for each in self.workers]
        if any(loop):
            scale = [number, 1e9] if case.unit == NANOSECONDS else [lambda value: number(value) + " ms", 1e3]
            alike = loop if name == "last" else loop[:1]
            cells = [spread([each * scale[1] for each in measured], scale[0]) for measured in alike]
            lines.append(row([NAMES[LOOP], *cells, *[""] * (len(loop) - len(cells))]))
        for peer in case.peers:
            shown = [self.shown(name, peer, each) for each in self.workers]
            if any(shown):
                lines.append(row([f"**{NAMES[peer]}**" if peer.startswith("parmap") else NAMES[peer], *map(spread, shown)]))
        return [*lines, ""]

    def targets(self) -> list:
        lines, most = [], WORKERS[-1]
        for name, case in CASES.items():
            for peer in [each for each in (THREADS, MULTI) if case.target]:
                found = self.shown(name, peer, most)
                verdict = "not measured" if not found else "reached" if median(found) >= case.target else "**not reached**"
                what = f"{case.title}, {NAMES[peer]}, {most} workers: at least {case.target:g} % efficiency"
                lines.append(row([what, spread(found), verdict]))
        return [*head(["target", "measured", ""]), *lines, ""]

    def lines(self) -> list:
        about = self.about
        skipped = f" Not enough cores for {', '.join(map(str, about['skipped']))} workers." if about["skipped"] else ""
        threads = about["cores"] - about["physical"]
        siblings = f" {threads} of the cores are second hardware threads, which are taken last." if threads else ""
        if about["cores"] < about["allowed"]:
            siblings += f" A quota allows the time of {about['cores']} of {about['allowed']} cores."
        ended = about.get("ended", {})
        rounds = f"{ended['rounds']} whole rounds in {ended['after_s']} s" if ended else "it did not come to its end"
        load = f", load average {about['load']} before, {ended['load']} after" if ended else ""
        where = f"{about['date'][:10]}; {self.machine()}; {about['versions']}. {rounds}{load}.{skipped}{siblings}"
        how = ("W workers run on W cores: the others are taken from the process before it begins. Medians (least .. greatest) of rounds in turns, "
               "each measurement a process of its own; % efficiency is the plain loop's time on one core / (workers x time).")
        text = [where, "", how, ""]
        for name in CASES:
            text += self.table(name)
        return [*text, *self.targets(), *(f"Failed: {each}." for each in self.failed)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prepare", metavar="FOLDER", type=Path, help="write the plan and the tasks' costs there")
    parser.add_argument("--report", metavar="FILE", type=Path, help="print the table of what a run wrote")
    arguments = parser.parse_args()
    if arguments.prepare:
        prepare(arguments.prepare)
    if arguments.report:
        print("\n".join(Measured(arguments.report).lines()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
