#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compile the halves of misuse twins: misuse.py bad FILE COMPILER [FLAG...], misuse.py good FILE... -- COMPILER [FLAG...]

The good half (FILE as it is) must compile without a warning. The bad half (with PARMAP_BAD defined) must not compile,
and the compiler's output must match the regular expression on the file's first line, `// expect: REGEX`, within its
first MOST lines. g++ must print no more lines than that; clang may, because it shows the code of each instantiation
step. So does g++ since version 14; there the lines of quoted code do not count.

The good halves of several files are compiled as one program, each in a namespace of its own, as they take no time once
the headers are read.
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


def expectation(source: str) -> str:
    """Return the regular expression of a file; empty, with a message, if the file is no twin."""
    with open(source, encoding="utf-8") as file:
        first, rest = file.readline().rstrip("\n"), file.read()
    if not first.startswith(EXPECT) or not first[len(EXPECT):].strip():
        print(f"{source}: the first line must be `{EXPECT}REGEX`")
        return ""
    if not re.search(r"^\s*#\s*if.*\bPARMAP_BAD\b", rest, re.MULTILINE):
        print(f"{source}: nothing depends on PARMAP_BAD")
        return ""
    return first[len(EXPECT):].strip()


def together(sources: list) -> str:
    """Return a program of several files. Their headers come first, so that none of them is read inside a namespace."""
    headers = set()
    for source in sources:
        with open(source, encoding="utf-8") as file:
            headers |= set(re.findall(r"^#include <.*>$", file.read(), re.MULTILINE))
    parts = [f'namespace good_{k} {{\n#include "{source}"\n}}' for k, source in enumerate(sources)]
    return "\n".join([*sorted(headers), *parts, ""])


def compile_text(command: list, text: str) -> subprocess.CompletedProcess:
    return subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)


def good(sources: list, compiler: list) -> int:
    if not all([expectation(each) for each in sources]):
        return 1
    command = [*compiler, "-Werror", "-fsyntax-only"]
    if len(sources) == 1:
        compiled = compile_text([*command, *sources], "")
    else:
        compiled = compile_text([*command, "-x", "c++", "-"], together(sources))
    if compiled.returncode == 0:
        return 0
    print("a good half does not compile\n$", *command)
    print(compiled.stdout)
    return 1


def bad(source: str, compiler: list) -> int:
    expected = expectation(source)
    if not expected:
        return 1
    # No -Werror: it must fail with an error, not with a warning.
    command = [*compiler, "-DPARMAP_BAD", "-fsyntax-only", source]
    compiled = compile_text(command, "")
    if compiled.returncode == 0:
        print(f"{source}: the bad half compiles")
    elif re.search(expected, compiled.stdout):
        head, count = first_lines(compiled.stdout, quotes_code=major_version(compiler[0]) >= 14)
        if re.search(expected, head) and ("clang" in compiler[0] or count <= MOST):
            return 0
        print(f"{source}: the compiler says it, but in {count} lines, more than {MOST}")
    else:
        print(f"{source}: the bad half fails, but not with /{expected}/")
    print("$", *command)
    print(compiled.stdout)
    return 1


def main() -> int:
    half, *rest = sys.argv[1:]
    if half == "bad":
        return bad(rest[0], rest[1:])
    return good(rest[:rest.index("--")], rest[rest.index("--") + 1:])


sys.exit(main())
