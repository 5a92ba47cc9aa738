# SPDX-License-Identifier: MIT
"""Where g++ spends the time of a compilation with parmap: its own report, and the standard headers that cost most."""

import re
import subprocess
import tempfile

from compiling.compilers import INLINE, command, seconds
from compiling.programs import ONE_MULTI, PROGRAMS
from markup import head, row

SHOWN, TRIES = 15, 3


def account(options) -> list:
    """Return the costliest lines of -ftime-report: (what, CPU seconds, per cent)."""
    with tempfile.NamedTemporaryFile("w", suffix=".cpp") as file:
        file.write(PROGRAMS[ONE_MULTI].source)
        file.flush()
        said = subprocess.run(command("g++", "-O2", file.name, (*options, "-ftime-report")), capture_output=True, text=True, check=True).stderr
    # " phase parsing  :   1.20 ( 30%)   0.50 ( 45%)   1.70 ( 33%)   100M ( 40%)": user, system, wall, memory; the total has no shares.
    found = {line[1]: float(line[2]) + float(line[3])
             for line in re.finditer(r"^\s*\|?(\S.*?)\s*:\s*([\d.]+)(?: \(\s*\d+%\))?\s+([\d.]+)", said, re.MULTILINE)}  # fmt: skip
    total = found["TOTAL"]
    return [(what, found[what], 100 * found[what] / total) for what in sorted(found, key=found.__getitem__, reverse=True)[:SHOWN]]


def headers(options) -> list:
    """Return the standard and system headers that parmap's files include directly, in order."""
    source = PROGRAMS[ONE_MULTI].source.partition("int main")[0]
    text = subprocess.run(["g++", "-x", "c++", "-std=c++20", *options, "-E", "-dI", "-"], input=source, capture_output=True, text=True,
                          check=True).stdout
    ours = [option.removeprefix("-I") for option in options if option.startswith("-I")]
    here, found = "", {}
    for line in text.splitlines():
        if place := re.match(r'# \d+ "([^"]*)"', line):
            here = place[1]
        elif (name := re.match(r"#\s*include <([^>]+)>", line)) and here.startswith(tuple(ours)) and not name[1].startswith("parmap/"):
            found[name[1]] = None
    return list(found)


def least(names) -> float:
    """Return the CPU seconds of a file that includes these, the fastest of some tries."""
    source = "".join(f"#include <{name}>\n" for name in names) + "int main() {}\n"
    return min(seconds("g++", "-O2", source) for _ in range(TRIES))


def lines(forms: dict, form: str = INLINE) -> list:
    options = forms[form]
    text = [f"{ONE_MULTI}, {form}, g++ -O2 -ftime-report; lines overlap", "", *head(["", "s", "%"])]
    text += [row([what, f"{taken:.2f}", f"{share:.0f}"]) for what, taken, share in account(options)]
    names = headers(options)
    nothing, all_ = least([]), least(names)
    alone = {name: least([name]) - nothing for name in names}
    together = f"{len(names)} headers of the standard and the system are included by parmap's own files, together {all_ - nothing:.2f} s"
    text += ["", f"{together}, least of {TRIES} tries. The ten that take most:", ""]
    text += head(["header", "alone, s", "saved if only it is left out, s"])
    for name in sorted(alone, key=alone.__getitem__, reverse=True)[:10]:
        text.append(row([f"<{name}>", f"{alone[name]:.2f}", f"{all_ - least([each for each in names if each != name]):.2f}"]))
    return text


def show(forms: dict, chosen: list) -> None:
    for form in chosen:
        print("\n".join(lines(forms, form)), flush=True)
        print()
