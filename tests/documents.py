#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compile and run the C++ of a page: documents.py PAGE COMPILER [FLAG | LIBRARY.a]...

A ```cpp block that contains `int main` is a whole program. It must compile without a warning and exit with 0. If a ```text
block follows before the next ```cpp block, it is the program's stdout (`...` stands for any text within a line; spaces at
the end of a line do not count).

Any other ```cpp block is statements: it must compile in the body of a function, after the text of the page's
`<!-- before: ... -->` comments.

PARMAP_PRECOMPILED, from the environment, names a precompiled header that includes <parmap/parmap.hpp> only. A program that includes this
before any other header of parmap is compiled with it, which hides no missing #include and saves a third of the time.
"""

import os
import re
import subprocess
import sys
import tempfile
from difference import difference

BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
BEFORE = re.compile(r"^<!-- before:\n(.*?)^-->$", re.MULTILINE | re.DOTALL)


def line_of(text: str, found) -> int:
    return text.count("\n", 0, found.start()) + 1


def programs(text: str):
    """Yield (line, source, output or None) for each whole program."""
    blocks = [(line_of(text, m), m[1], m[2]) for m in BLOCK.finditer(text)]
    for k, (line, language, source) in enumerate(blocks):
        if language != "cpp" or "int main" not in source:
            continue
        output = None
        for _, later, content in blocks[k + 1:]:
            if later == "cpp":
                break
            if later == "text":
                output = content
                break
        yield line, source, output


def statements(page: str, text: str):
    """Return their number, and one program with all of them, whose line numbers are those of the page."""
    found = [m for m in BLOCK.finditer(text) if m[1] == "cpp" and "int main" not in m[2]]
    source = [m[1] for m in BEFORE.finditer(text)]
    for m in found:
        line = line_of(text, m)
        source.append(f'void block_{line}();\nvoid block_{line}() {{\n#line {line + 1} "{page}"\n{m[2]}}}\n')
    return len(found), "\n".join(source)


def precompiled(source: str):
    """Return the flags by which a program's first header of parmap is taken precompiled."""
    header = os.environ.get("PARMAP_PRECOMPILED")
    before = re.split(r"^\s*#\s*include <parmap/", source, maxsplit=1, flags=re.MULTILINE)
    if header and len(before) == 2 and before[1].startswith("parmap.hpp>") and "#define" not in before[0]:
        return ["-Winvalid-pch", "-include", header]
    return []


def compiles(name: str, source: str, compiler, directory: str, *more: str) -> bool:
    path = os.path.join(directory, "program.cpp")
    with open(path, "w", encoding="utf-8") as file:
        file.write(source)
    libraries = [each for each in compiler if each.endswith(".a")]  # after the objects that use them
    options = [each for each in compiler if not each.endswith(".a")]
    if "<parmap/checkpoint.hpp>" in source:
        libraries.append("-lsqlite3")
    if subprocess.run([*options, *precompiled(source), path, *more, *libraries], check=False).returncode == 0:
        return True
    print(f"{name}: does not compile")
    return False


def check(name: str, source: str, output, compiler, directory: str) -> bool:
    """Compile and run one program."""
    program = os.path.join(directory, "program")
    if not compiles(name, source, compiler, directory, "-o", program):
        return False
    ran = subprocess.run([program], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                         errors="replace", timeout=60, check=False)
    printed = re.sub(r" +$", "", ran.stdout, flags=re.MULTILINE)
    differs = difference(output, printed, f"{name}: the output it shows", "its output", "...") \
        if output is not None else ""
    if differs:
        print(differs)
    if ran.returncode != 0:
        print(f"{name}: exit status {ran.returncode}, not 0")
    return not differs and ran.returncode == 0


def main() -> int:
    page, *compiler = sys.argv[1:]
    with open(page, encoding="utf-8") as file:
        text = file.read()
    found = list(programs(text))
    count, together = statements(page, text)
    if not found and not count:
        print(f"{page}: no ```cpp block")
        return 1
    with tempfile.TemporaryDirectory() as directory:
        passed = [check(f"{page}:{line}", source, output, compiler, directory)
                  for line, source, output in found]
        if count:
            unused = ["-fsyntax-only", "-Wno-unused", "-Wno-unused-result", "-Wno-shadow"]
            passed.append(compiles(f"{page}: its {count} block(s) of statements", together, compiler, directory, *unused))
    print(f"{sum(passed)} of {len(passed)} programs are right; blocks of statements: {count}")
    return 0 if all(passed) else 1


sys.exit(main())
