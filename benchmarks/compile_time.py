#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Seconds of the processor that a file with maps takes to compile, in each form of parmap, beside a plain loop and other
libraries for parallel loops: with g++ and clang++, optimised and not, in turns."""

import argparse
import datetime
import json
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import machine  # noqa: E402
import markup  # noqa: E402
from compiling import compilers, costly, page  # noqa: E402
from compiling.programs import PROGRAMS  # noqa: E402

RESULTS = HERE / "results" / "compile.json"
PAGE = HERE.parent / "docs" / "internals" / "measurements.md"
lines = page.lines  # python/tests/test_bench.py compares it with the page


def say(*words) -> None:
    print(*words, file=sys.stderr, flush=True)


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


class Turns:
    """All that is compiled, in the order of one turn: the forms of a program one after the other, so that they meet the same hour."""

    def __init__(self, chosen, forms: dict, not_run: list):
        self.not_run = not_run
        self.seconds: dict = {}
        self.each = []
        for compiler in chosen.compilers:
            if not compilers.version(compiler):
                not_run.append(f"{compiler} (not installed; in Debian's package {compilers.COMPILERS[compiler]})")
                continue
            for level in chosen.levels:
                self.add(compiler, level, {name: forms[name] for name in chosen.forms if name in forms})

    def add(self, compiler: str, level: str, forms: dict) -> None:
        found = self.seconds[f"{compiler} {level}"] = {}
        for program in PROGRAMS.values():
            if program.needs and not compilers.has(compiler, program.needs, program.options):
                missing = f"{program.name} by {compiler} (it has no <{program.needs}>)"
                self.not_run += [missing] if missing not in self.not_run else []
                continue
            found[program.name] = {}
            for form, options in (forms if program.parmap else {page.NO_FORM: program.options}).items():
                found[program.name][form] = []
                source = program.source.replace("<parmap/parmap.hpp>", "<parmap.hpp>") if form == compilers.SINGLE else program.source
                self.each.append((found[program.name], form, program.name, compiler, level, [source], options))
        if compilers.LIBRARY and compilers.COMPILED in forms:
            found[page.LIBRARY] = by_form = {compilers.COMPILED: []}
            self.each.append((by_form, compilers.COMPILED, page.LIBRARY, compiler, level, compilers.LIBRARY, forms[compilers.COMPILED]))

    def run(self, keep: bool = True) -> None:
        """What cannot be compiled is told and left out from then on."""
        left = []
        for turn in self.each:
            by_form, form, name, compiler, level, sources, options = turn
            try:
                taken = sum(compilers.seconds(compiler, level, source, options) for source in sources)
            except compilers.Refused as why:
                self.not_run.append(", ".join(filter(None, (name, form))) + f" by {compiler} {level} ({why})")
                by_form.pop(form)
                continue
            left.append(turn)
            if keep:
                by_form[form].append(taken)
        self.each = left


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each, in turns of some ten minutes (default: 5)")
    parser.add_argument("--quick", action="store_true", help="one run of g++ -O2, without a warm-up: shows that it runs")
    parser.add_argument("--base", metavar="REV", default=compilers.BASE, help=f"the revision shown as {compilers.BEFORE} (default: {compilers.BASE})")
    parser.add_argument("--compilers", nargs="+", choices=compilers.COMPILERS, default=list(compilers.COMPILERS))
    parser.add_argument("--levels", nargs="+", choices=[each.strip("-") for each in compilers.LEVELS], help="O2, O0 (default: both)")
    parser.add_argument("--forms", nargs="+", choices=page.FORMS, default=list(page.FORMS))
    parser.add_argument("--json", metavar="FILE", type=Path, help="write to FILE; without it, only a run of everything writes benchmarks/results/compile.json")
    parser.add_argument("--write", action="store_true", help="also put the table into docs/internals/measurements.md")
    parser.add_argument("--what-takes-the-time", action="store_true",
                        help="instead: g++'s own account and the costliest headers, for the --forms (default: inline)")  # fmt: skip
    chosen = parser.parse_args()
    chosen.levels = [f"-{each}" for each in chosen.levels] if chosen.levels else list(compilers.LEVELS)
    if chosen.quick:
        chosen.runs, chosen.compilers, chosen.levels = 1, ["g++"], ["-O2"]
    chosen.all = all([len(chosen.compilers) == len(compilers.COMPILERS), len(chosen.levels) == len(compilers.LEVELS), len(chosen.forms) == len(page.FORMS)])
    if chosen.runs < 1 or (chosen.write and not chosen.all):
        parser.error("--runs takes at least 1, and the page takes all compilers, levels and forms")
    return chosen


def measure(chosen, forms: dict, not_run: list) -> dict:
    load = [os.getloadavg()[0]]
    turns = Turns(chosen, forms, not_run)
    say(f"{len(turns.each)} compilations a turn, {chosen.runs} turns")
    if not chosen.quick and chosen.runs > 1:
        turns.run(keep=False)  # the warm-up
    for k in range(chosen.runs):
        turns.run()
        say(f"turn {k + 1} of {chosen.runs}")
    return {
        "command": "./bench --only compile" if chosen.all else "benchmarks/compile_time.py " + " ".join(sys.argv[1:]), "date": now(),
        "machine": machine.description(), "compilers": ", ".join(filter(None, map(compilers.version, chosen.compilers))), "base": chosen.base,
        "runs": chosen.runs, "load": [*load, os.getloadavg()[0]], "not_run": not_run, "seconds": turns.seconds,
    }  # fmt: skip


def main() -> int:
    chosen = parse()
    with tempfile.TemporaryDirectory() as folder:
        forms, not_run = compilers.forms(Path(folder)), []
        if why := compilers.extract(chosen.base, Path(folder)):
            del forms[compilers.BEFORE]
            not_run.append(f"{compilers.BEFORE}, revision {chosen.base} ({why})")
        if chosen.what_takes_the_time:
            costly.show(forms, [compilers.INLINE] if len(chosen.forms) == len(page.FORMS) else chosen.forms)
            return 0
        result = measure(chosen, forms, not_run)
    print("\n".join(lines(result)))
    if chosen.json or (chosen.all and not chosen.quick):
        (chosen.json or RESULTS).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if chosen.write:
        PAGE.write_text(markup.put(PAGE.read_text(encoding="utf-8"), lines(result), "compile_time"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
