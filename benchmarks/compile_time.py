#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long a file with one parmap::map takes to compile, beside one without: g++ -O2, in turns."""

import argparse
import datetime
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE))

import machine  # noqa: E402
import markup  # noqa: E402

RESULTS = HERE / "results" / "compile.json"
PAGE = ROOT / "docs" / "performance.md"
TARGET = 1.5  # seconds above the least

LEAST = "#include <string>\n#include <thread>\n#include <vector>\n"
HEADER = "#include <parmap/parmap.hpp>\n"
#: What parmap includes of others, as its one file has it.
HEADERS = "".join(line for line in (ROOT / "single_include" / "parmap.hpp").read_text(encoding="utf-8").splitlines(keepends=True)
                  if line.startswith("#include <"))
NOTHING = "int main() {}\n"
MAP = "int main() {\n  const std::vector<int> x{1, 2, 3};\n  return parmap::map([](int i) { return i * i; }, x).ok() ? 0 : 1;\n}\n"

LEAST_FILE = "<vector>, <string>, <thread>, and an empty main"
MAP_FILE = "the same and one parmap::map"
FILES = {
    LEAST_FILE: (LEAST + NOTHING, "-O2"),
    "the same and the standard's and the system's headers that parmap includes": (LEAST + HEADERS + NOTHING, "-O2"),
    "the same and <parmap/parmap.hpp>": (LEAST + HEADER + NOTHING, "-O2"),
    MAP_FILE: (LEAST + HEADER + MAP, "-O2"),
    "that, not optimised": (LEAST + HEADER + MAP, "-O0"),
}


def seconds(source: str, optimisation: str) -> float:
    """Of the processor, of one compilation."""
    with tempfile.NamedTemporaryFile("w", suffix=".cpp") as file:
        file.write(source)
        file.flush()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(["g++", "-std=c++20", optimisation, f"-I{ROOT / 'include'}", "-c", file.name, "-o", os.devnull], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def lines(result: dict) -> list:
    if not result:
        return ["Not measured yet. To be made by `./bench --only compile --write`."]
    found = result["seconds"]
    least, map_ = (median(found[name]) for name in (LEAST_FILE, MAP_FILE))
    reached = "reached" if map_ - least <= TARGET else "**not reached**"
    return [
        f"`{result['command']}` on {result['date'][:10]}; {result['machine']}; {result['compiler']}. Seconds of the processor.", "",
        *markup.head(["a file that has", "s", "runs"]),
        *(markup.row([name, markup.spread(found[name]), str(len(found[name]))]) for name in FILES), "",
        *markup.head(["target", "measured", ""]),
        markup.row([f"one map: at most {TARGET} s above the least", f"{map_ - least:.2f} s", reached]),
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="1 run")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md, too")
    arguments = parser.parse_args()
    runs = 1 if arguments.quick else arguments.runs
    found: dict = {name: [] for name in FILES}
    for file in [] if arguments.quick else FILES.values():
        seconds(*file)  # the warm-up
    for _ in range(runs):
        for name, file in FILES.items():
            found[name].append(seconds(*file))
    result = {
        "command": "./bench --only compile", "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": machine.description(), "compiler": machine.compilers().split(" -O3")[0] + " -O2", "seconds": found,
    }  # fmt: skip
    print("\n".join(lines(result)))
    if not arguments.quick:
        RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if arguments.write:
        PAGE.write_text(markup.put(PAGE.read_text(encoding="utf-8"), lines(result), "compile_time"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
