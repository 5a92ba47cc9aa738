#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compile and run the README's programs: readme.py README COMPILER [FLAG...]

A ```cpp block that contains `int main` is a whole program. It must compile without a warning and exit with 0. If a ```text
block follows before the next ```cpp block, it is the program's stdout (`{*}` stands for any text within a line).
"""

import os
import re
import subprocess
import sys
import tempfile
from difference import difference

BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)


def programs(text: str):
    """Yield (line, source, output or None) for each whole program."""
    blocks = [(text.count("\n", 0, m.start()) + 1, m[1], m[2]) for m in BLOCK.finditer(text)]
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


def check(name: str, source: str, output, compiler, directory: str) -> bool:
    """Compile and run one program."""
    path = os.path.join(directory, "program.cpp")
    program = os.path.join(directory, "program")
    with open(path, "w", encoding="utf-8") as file:
        file.write(source)
    compiled = subprocess.run([*compiler, path, "-o", program], check=False)
    if compiled.returncode != 0:
        print(f"{name}: does not compile")
        return False
    ran = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                         errors="replace", timeout=60, check=False)
    differs = difference(output, ran.stdout, f"{name}: the output it shows", "its output") \
        if output is not None else ""
    if differs:
        print(differs)
    if ran.returncode != 0:
        print(f"{name}: exit status {ran.returncode}, not 0")
    return not differs and ran.returncode == 0


def main() -> int:
    readme, *compiler = sys.argv[1:]
    with open(readme, encoding="utf-8") as file:
        found = list(programs(file.read()))
    if not found:
        print(f"{readme}: no ```cpp block with `int main`")
        return 1
    with tempfile.TemporaryDirectory() as directory:
        passed = [check(f"{readme}:{line}", source, output, compiler, directory)
                  for line, source, output in found]
    print(f"{sum(passed)} of {len(passed)} programs are right")
    return 0 if all(passed) else 1


sys.exit(main())
