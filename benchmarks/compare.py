#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares parmap as it stands with an earlier revision, by the tables of benchmarks/native.py: compare.py [--base REV] [TABLE...]

Both are compiled by g++ -O3 from the same programs, today's, and take turns, old and new first by turns; every measurement is a process
of its own. Prints medians, least and greatest, and the ratios of medians and of the least.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(HERE / "native"), str(HERE / "reliability")]

import native  # noqa: E402
import tables  # noqa: E402

WORK = ROOT / "build" / "compare"
PEERS = (tables.THREADS, tables.MULTI)
NAMES = ("calls", "fresh", "in place", "balance", "objects", "processes")
FLAGS = ["g++", "-std=c++20", "-O3", "-DNDEBUG", "-pthread"]


def unpack(revision: str, into: Path) -> None:
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", revision, "include"], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(into)


def fit_to(base: Path, programs: Path) -> None:
    """Today's programs in the words of a revision that has other names for what they use."""
    if (base / "include/parmap/detail/schedule/usable_cores.hpp").exists():
        return
    for path in programs.glob("*.[ch]pp"):
        text = path.read_text().replace("parmap/detail/schedule/usable_cores.hpp", "parmap/detail/cores.hpp")
        text = re.sub(r"\{\.reporter = (\S+), \.workers = workers\}", r"{.workers = workers, .report = \1}", text)
        path.write_text(text.replace(".reporter", ".report"))


def compile_all(base: str) -> None:
    shutil.rmtree(WORK, ignore_errors=True)
    for side in ("old", "new"):
        shutil.copytree(HERE / "native", WORK / side / "programs", ignore=shutil.ignore_patterns("rayon", "*.py"))
    unpack(base, WORK / "old")
    fit_to(WORK / "old", WORK / "old" / "programs")
    library = []
    for source in sorted((ROOT / "src").glob("*.cpp")):
        library.append(str(WORK / "new" / f"{source.stem}.o"))
        subprocess.run([*FLAGS, "-DPARMAP_COMPILED", f"-I{ROOT}/include", "-c", str(source), "-o", library[-1]], check=True)
    for peer in (*PEERS, tables.LOOP):
        uses = [f"-DBENCH_PEER={peer}", *(["-DBENCH_PARMAP=1"] if peer in PEERS else [])]
        for side, more in (("old", [f"-I{WORK}/old/include"]), ("new", ["-DPARMAP_COMPILED", f"-I{ROOT}/include"])):
            where = WORK / side
            made = subprocess.run([*FLAGS, *uses, *more, str(where / "programs" / "map.cpp"), *(library if side == "new" else []),
                                   "-o", str(where / f"map_{peer}")], check=False)
            if made.returncode != 0:
                raise SystemExit(f"compare.py: today's programs do not compile with {base}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", metavar="REV", default="9c7bc4b", help="the earlier revision (default: 9c7bc4b)")
    parser.add_argument("--runs", type=int, default=9, help="runs of each (default: 9)")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS)
    parser.add_argument("tables", nargs="*", metavar="TABLE", default=NAMES, help=", ".join(NAMES))
    chosen = parser.parse_args()
    compile_all(chosen.base)
    benches = {side: native.Bench(WORK / side, chosen.runs, False) for side in ("old", "new")}
    benches["old"].prepare()
    benches["new"].costs = benches["old"].costs  # the same work for both
    print(f"| | | {chosen.base} | now | now / before, medians | least |\n|---|---|---|---|---|---|")
    for name in chosen.tables:
        for column in tables.TABLES[name].columns:
            for peer in chosen.peers:
                if peer not in tables.TABLES[name].peers:
                    continue
                taken: dict = {"old": [], "new": []}
                for turn in range(-1, chosen.runs):
                    for side in sorted(taken, reverse=turn % 2 == 0):
                        seconds, why = benches[side].once(peer, column)
                        if seconds is None:
                            break
                        if turn >= 0:
                            taken[side].append(seconds)
                if not taken["new"]:
                    continue
                (unit, factor) = column.unit if column.unit != tables.SHARE else tables.MILLISECONDS
                shown = [f"{statistics.median(all_of) * factor:.4g} {unit} ({min(all_of) * factor:.4g} .. {max(all_of) * factor:.4g})"
                         for all_of in (taken["old"], taken["new"])]
                medians, least = (fn(taken["new"]) / fn(taken["old"]) for fn in (statistics.median, min))
                print(f"| {name} {column.name} | {tables.NAMES[peer]} | {shown[0]} | {shown[1]} | {medians:.2f} | {least:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
