#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run a program and compare what it writes to stdout: expect_output.py EXPECTED PROGRAM [ARG...]

In EXPECTED `{*}` stands for any text within a line, for example a time. The program must exit with status 0.
"""

import subprocess
import sys
from difference import difference


def main() -> int:
    expected_file, *command = sys.argv[1:]
    with open(expected_file, encoding="utf-8") as file:
        expected = file.read()
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                         errors="replace", check=False)
    differs = difference(expected, ran.stdout, expected_file, " ".join(command))
    if differs:
        print(differs)
    if ran.returncode != 0:
        print(f"{' '.join(command)}: exit status {ran.returncode}, not 0")
    return 1 if differs or ran.returncode != 0 else 0


sys.exit(main())
