#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print the targets that must be built for the tests that ctest would choose: needed.py DIRECTORY [CTEST-ARGUMENT...]

Prints one target a line, or `all` if neither -R nor -L chooses. DIRECTORY (build/dev/tests) has tests_of_targets.txt,
written when CMake configures: a line NAME|LABELS|TARGETS|SOURCE for each test, as far as the sources show. NAME is `*`
if only the program knows its tests' names. Then PROGRAM.tests decides if it is newer than SOURCE (entries.cmake writes
it); otherwise the program is needed if its source has all words of the expression.
"""

import re
import sys
from pathlib import Path

INCLUDE = re.compile(r'^#include "(.*)"', re.MULTILINE)


def text_of(source: Path, seen: set) -> str:
    """Return the text of a source and of the test files that it includes."""
    if source in seen or not source.is_file():
        return ""
    seen.add(source)
    text = source.read_text(encoding="utf-8")
    tests = next(each for each in source.parents if each.name == "tests")
    for name in INCLUDE.findall(text):
        text += text_of(source.parent / name, seen) + text_of(tests / name, seen)
    return text


def may_have(directory: Path, program: str, source: Path, expression: str) -> bool:
    listed = directory / f"{program}.tests"
    if listed.exists() and listed.stat().st_mtime > source.stat().st_mtime:
        shown = (line.split("\t")[2] for line in listed.read_text(encoding="utf-8").splitlines())
        return any(re.search(expression, each) for each in shown)
    text = text_of(source, set())
    return any(all(word.strip("_") in text for word in re.findall(r"[A-Za-z_]{3,}", either)) for either in expression.split("|"))


def main() -> int:
    directory, *arguments = sys.argv[1:]
    options = {"-R": "names", "--tests-regex": "names", "-L": "labels", "--label-regex": "labels"}
    chosen = {options[name]: value for name, value in zip(arguments, arguments[1:]) if name in options}
    if not chosen:
        print("all")
        return 0
    needed = {}
    for line in Path(directory, "tests_of_targets.txt").read_text(encoding="utf-8").splitlines():
        name, labels, targets, source = line.split("|")
        if "labels" in chosen and not any(re.search(chosen["labels"], each) for each in labels.split()):
            continue
        expression = chosen.get("names", "")
        if name != "*" and re.search(expression, name) \
                or name == "*" and may_have(Path(directory), targets, Path(source), expression):
            needed |= dict.fromkeys(targets.split())
    print("".join(f"{each}\n" for each in needed), end="")
    return 0


sys.exit(main())
