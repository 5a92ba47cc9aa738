#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""parmap::mpi on two ranks of this machine, beside a self-scheduler of MPI that is written by hand: cluster.py [--mpich] [--runs N] [--write]

Compiles benchmarks/native/cluster.cpp by mpicxx.openmpi (Debian: libopenmpi-dev), or with --mpich by mpicxx.mpich (libmpich-dev, mpich),
and runs its measurements in turns, each in a job of its own.
--write puts the table into docs/internals/measurements.md. Each rank has a core for itself; a machine with other work gives no figures.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import machine
import markup

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "internals" / "measurements.md"
BUILD = ROOT / "build" / "bench"
LAUNCHERS = {"openmpi": ["mpirun.openmpi", "--oversubscribe", "--bind-to", "none"], "mpich": ["mpirun.mpich"]}

WAYS = {"hand": "by hand", "serial": "`.inner = serial`", "threads": "`.inner = threads`", "multi": "`.inner = multi`"}
#: What is measured: its title, the number of tasks.
WORK = {"tasks": ("10^4 tasks of 100 µs, ms", 10**4), "tiny": ("10^6 tiny tasks, ms", 10**6), "empty": ("a map of two tasks, ms", 2)}
MOST_NS = {"serial": 20, "threads": 20, "multi": 150}  # a tiny task, beyond the map of two
LEAST_SHARE = 98  # % of what the program by hand reaches with tasks of 100 µs


def build(library: str) -> Path:
    BUILD.mkdir(parents=True, exist_ok=True)
    program = BUILD / f"cluster_{library}"
    subprocess.run([f"mpicxx.{library}", "-std=c++20", "-O3", "-DNDEBUG", f"-I{ROOT / 'include'}", ROOT / "benchmarks/native/cluster.cpp", "-o", program, "-pthread",
                    "-ldl"], check=True)
    return program


def measure(library: str, program: Path, way: str, work: str) -> float:
    """Return the ms of one job of two ranks, which count as two nodes."""
    environment = os.environ | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
                                "PARMAP_MPI_NODES_FOR_TESTS": "2"}
    command = [*LAUNCHERS[library], "-n", "2", program, way, work]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=300, env=environment).stdout)


def judged(text: str, value: float, reached: bool) -> str:
    return f"- {text}: {'reached' if reached else 'not reached'} ({value:.3g})."


def table(library: str, program: Path, runs: int) -> list:
    found = {(way, work): [] for work in WORK for way in WAYS}
    for _ in range(runs):
        for way, work in found:
            found[way, work].append(measure(library, program, way, work))
    lines = markup.head(["", *(title for title, _ in WORK.values())])
    lines += [markup.row([name, *(markup.spread(found[way, work]) for work in WORK)]) for way, name in WAYS.items()]
    lines.append("")
    middle = {key: median(all_of) for key, all_of in found.items()}
    share = 100 * middle["hand", "tasks"] / middle["serial", "tasks"]
    lines.append(judged(f"`serial` on tasks of 100 µs has at least {LEAST_SHARE} % of the speed of the program by hand", share, share >= LEAST_SHARE))
    for way, most in MOST_NS.items():
        each = (middle[way, "tiny"] - middle[way, "empty"]) * 1e6 / WORK["tiny"][1]
        lines.append(judged(f"`{way}` takes at most {most} ns for a tiny task", each, each <= most))
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mpich", action="store_true", help="with MPICH instead of Open MPI")
    parser.add_argument("--runs", type=int, default=5, help="jobs of each measurement (5)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/internals/measurements.md")
    arguments = parser.parse_args()
    library = "mpich" if arguments.mpich else "openmpi"
    lines = table(library, build(library), arguments.runs)
    lines += ["", f"{machine.description()}; {machine.compilers()}; {'MPICH' if arguments.mpich else 'Open MPI'}, two ranks, {arguments.runs} jobs each, in turns; load average {os.getloadavg()[1]:.1f}."]
    print("\n".join(lines))
    if arguments.write:
        PAGE.write_text(markup.put(PAGE.read_text(encoding="utf-8"), lines, "cluster, MPICH" if arguments.mpich else "cluster", "cluster"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
