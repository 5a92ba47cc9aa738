#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compile one half of a misuse twin: misuse.py good|bad FILE COMPILER [FLAG...]

The good half (FILE as it is) must compile without a warning. The bad half (with PARMAP_BAD defined) must not compile,
and the compiler's output must match the regular expression on the file's first line, `// expect: REGEX`, within its
first MOST lines. g++ must print no more lines than that; clang may, because it shows the code of each instantiation
step. So does g++ since version 14; there the lines of quoted code do not count.
"""

import re
import subprocess
import sys

EXPECT = "// expect: "
MOST = 15


def major_version(compiler: str) -> int:
    """Return that of g++, or 0 of clang."""
    if "clang" in compiler:
        return 0
    return int(subprocess.run([compiler, "-dumpversion"], stdout=subprocess.PIPE, text=True, check=True).stdout.split(".")[0])


def first_lines(text: str, quotes_code: bool) -> tuple[str, int]:
    """Return the first MOST lines, and how many there are. Quoted code does not count, if the compiler quotes any."""
    head = []
    count = 0
    for line in text.splitlines():
        count += not (quotes_code and re.match(r"\s*\d*\s*\|", line))
        if count <= MOST:
            head.append(line)
    return "\n".join(head), count


def main() -> int:
    half, source, compiler, *flags = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        first, rest = file.readline().rstrip("\n"), file.read()
    if not first.startswith(EXPECT) or not first[len(EXPECT):].strip():
        print(f"{source}: the first line must be `{EXPECT}REGEX`")
        return 1
    if not re.search(r"^\s*#\s*if.*\bPARMAP_BAD\b", rest, re.MULTILINE):
        print(f"{source}: nothing depends on PARMAP_BAD")
        return 1
    expected = first[len(EXPECT):].strip()

    # No -Werror for the bad half: it must fail with an error, not with a warning.
    extra = {"good": ["-Werror"], "bad": ["-DPARMAP_BAD"]}[half]
    command = [compiler, *flags, *extra, "-fsyntax-only", source]
    compiled = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=False)

    if half == "good":
        if compiled.returncode == 0:
            return 0
        print(f"{source}: the good half does not compile")
    elif compiled.returncode == 0:
        print(f"{source}: the bad half compiles")
    elif re.search(expected, compiled.stdout):
        head, count = first_lines(compiled.stdout, quotes_code=major_version(compiler) >= 14)
        if re.search(expected, head) and ("clang" in compiler or count <= MOST):
            return 0
        print(f"{source}: the compiler says it, but in {count} lines, more than {MOST}")
    else:
        print(f"{source}: the bad half fails, but not with /{expected}/")
    print("$", *command)
    print(compiled.stdout)
    return 1


sys.exit(main())
