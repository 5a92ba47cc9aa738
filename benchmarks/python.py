#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares parmap in Python with its peers: Markdown tables on stdout, numbers in benchmarks/results/python.json.

Makes a virtual environment in build/bench/python, with this tree's package and its peers from PyPI. Every measurement is a new
process; after a warm-up the peers take turns (A B C A B C ...). It takes half an hour, on an otherwise idle machine.
"""

import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(HERE / "python"), str(HERE / "reliability")]

import cases  # noqa: E402
import cell  # noqa: E402
import machine  # noqa: E402
import markup  # noqa: E402
import report  # noqa: E402

WORK = ROOT / "build" / "bench" / "python"
RESULTS = HERE / "results" / "python.json"
PAGE = ROOT / "docs" / "internals" / "measurements.md"
PACKAGES = ["joblib", "loky", "mpire", "pebble", "numpy", "cloudpickle"]

LIMIT = 120  # seconds for a process
LONG = 5  # a run that takes longer than this
FEW = 3  # is repeated only so often


def say(*words) -> None:
    print(*words, file=sys.stderr, flush=True)


def virtual_environment(directory: Path, packages) -> Path:
    """Return the Python of an environment with the packages. A missing package is noticed when its peer is tried."""
    python = directory / "bin" / "python"
    if not python.exists():
        say(f"Making a virtual environment in {directory}")
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)
    # If nothing is missing, no index is asked. If the packages cannot be installed together, each is tried alone.
    if pip(python, "--no-index", *packages, quiet=True) and pip(python, *packages):
        for package in packages:
            pip(python, package)
    return python


def pip(python, *what, quiet=False) -> int:
    """Run pip install and return its exit status."""
    return subprocess.call([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *what], stdin=subprocess.DEVNULL,
                           stdout=sys.stderr, stderr=subprocess.DEVNULL if quiet else None)


def install() -> dict:
    """Return the Python of each peer. python-parmap has its own, because its package has the same name as ours; \"\" is for the others."""
    import tomllib
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = project["build-system"]["requires"] + project["project"]["dependencies"]
    tools = [tool for tool in ("cmake", "ninja") if shutil.which(tool) is None]
    say("Installing this tree's package and its peers")
    python = virtual_environment(WORK / "venv", [*needed, *tools, *PACKAGES])
    if pip(python, "--no-index", "--no-deps", "--no-build-isolation", "--config-settings", f"build-dir={WORK / 'cmake'}", ROOT):
        sys.exit("python.py: this tree's package could not be built; pip says above why")
    return {"": python, cases.PYTHON_PARMAP: virtual_environment(WORK / "python-parmap", ["python-parmap", "numpy"])}


class Bench:
    """Measures workloads with these Pythons."""

    def __init__(self, pythons: dict, runs: int, size: str):
        self.pythons = pythons
        self.runs = runs
        self.size = size

    def once(self, peer: str, workload: str, case: str, what: str = "time") -> dict:
        """Run one process and return its outcome."""
        python = self.pythons.get(peer, self.pythons[""])
        command = [str(python), str(HERE / "python" / "peers.py"), peer, workload, case, self.size, what]
        ran = cell.run(command, LIMIT, memory=what == "memory")
        try:
            outcome = json.loads(ran["lines"][-1])
        except (IndexError, ValueError):
            died = f"ended with status {ran['status']}"
            return {"error": f"took more than {LIMIT} s" if ran["status"] is None else died}
        return outcome | {"peak_mb": ran["peak_mb"]}

    def workload(self, name: str) -> dict:
        """Measure a workload and return its entry of the results."""
        workload = cases.WORKLOADS[name]
        load = [os.getloadavg()[0]]
        rows, not_run = {}, {}
        versions = {"Python": platform.python_version()}
        for case in workload.cases:
            for peer in workload.peers:
                if peer in not_run:
                    continue
                outcome = self.once(peer, name, case.name)  # the warm-up
                if "error" in outcome:
                    not_run[peer] = outcome["error"]
                    say(f"{name}: {peer}: not run: {outcome['error']}")
                    continue
                runs = min(self.runs, FEW) if outcome["seconds"] > LONG else self.runs
                say(f"{name} {case.name}: {peer}: {outcome['seconds']:.3f} s, {runs} run(s)")
                versions |= outcome["versions"]
                rows[case.name, peer] = {"case": case.name, "peer": peer, "n": outcome["n"], "runs": runs,
                                         "seconds": [], "loop_seconds": [], "peak_mb": []}
        for turn in range(self.runs):
            for case in workload.cases:
                for peer in workload.peers:
                    if (case.name, peer) in rows and peer not in not_run:
                        self.turn(turn, name, case, rows[case.name, peer], not_run)
        kept = [each for each in rows.values() if each["peer"] not in not_run]
        for each in kept:
            del each["runs"]
        load.append(os.getloadavg()[0])
        return {"rows": kept, "not_run": not_run, "versions": versions, "load": load}

    def turn(self, turn: int, name: str, case: cases.Case, row: dict, not_run: dict) -> None:
        """Measure a peer in this turn, if it is due: a peer with fewer runs has them spread over all turns."""
        if turn not in {i * (self.runs - 1) // max(1, row["runs"] - 1) for i in range(row["runs"])}:
            return
        outcome = self.once(row["peer"], name, case.name)
        watched = self.once(row["peer"], name, case.name, "memory") if case.memory else {}
        for each in (outcome, watched):
            if "error" in each:
                not_run[row["peer"]] = f"failed in turn {turn + 1}: {each['error']}"
                return
        row["seconds"].append(outcome["seconds"])
        row["loop_seconds"].append(outcome["loop_seconds"])
        if watched:
            row["peak_mb"].append(watched["peak_mb"])


def listing() -> None:
    for name, workload in cases.WORKLOADS.items():
        print(f"{name}: {workload.title}")
        for peer in workload.peers:
            print(f"  {peer}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9, help=f"runs of each peer; {FEW} of a peer that takes over {LONG} s (default: 9)")
    parser.add_argument("--only", metavar="NAME", nargs="+", choices=cases.WORKLOADS, default=list(cases.WORKLOADS),
                        help="only these of " + ", ".join(cases.WORKLOADS) + "; the JSON keeps its figures of the others")
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the work and 2 runs: shows only that everything runs")
    parser.add_argument("--no-install", action="store_true", help="use the Python that runs this script, with the packages it has")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write to FILE, not to benchmarks/results/python.json (--quick: "
                                                                  "build/bench/python/quick.json)")
    parser.add_argument("--write", action="store_true", help="also put all tables of the JSON into docs/internals/measurements.md")
    parser.add_argument("--list", action="store_true", help="list the workloads and their peers")
    arguments = parser.parse_args()
    if arguments.list:
        listing()
        return 0
    if arguments.runs < 1 or (arguments.quick and arguments.write):
        parser.error("--runs takes at least 1, and --quick and --write do not go together")
    file = arguments.json or (WORK / "quick.json" if arguments.quick else RESULTS)

    cell.prepare()
    pythons = {"": Path(sys.executable)} if arguments.no_install else install()
    bench = Bench(pythons, 2 if arguments.quick else arguments.runs, "quick" if arguments.quick else "full")
    results = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    measured = {}
    for name in arguments.only:
        measured[name] = {
            "command": "benchmarks/python.py" + (" --quick" if arguments.quick else f" --runs {arguments.runs}"),
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": machine.description(),
        } | bench.workload(name)
        results[name] = measured[name]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print("\n".join(report.page(measured)))
    if arguments.write:
        PAGE.write_text(markup.put(PAGE.read_text(encoding="utf-8"), report.page(results), "python"), encoding="utf-8")
    return 0


sys.exit(main())
