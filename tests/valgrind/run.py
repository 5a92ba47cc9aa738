#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a program and its forked children under valgrind: run.py LOG-DIRECTORY PROGRAM [ARGUMENT...]

Fails if the program fails, or if memcheck finds an error or lost memory in any process (each has a log file in
LOG-DIRECTORY).
"""
import re
import shutil
import subprocess
import sys
from pathlib import Path


KINDS = re.compile(
    r"Invalid|Conditional jump|Use of uninit|Syscall param|Mismatched free|Source and destination|Jump to the invalid"
    r"|Argument .* has a fishy|Uninitialised|[\d,]+ (\(.*\) )?bytes in .* (definitely|possibly) lost")


def faults(text):
    """Return the errors that memcheck reports in one process, the first line of each."""
    found = []
    for line in text.splitlines():
        said = re.sub(r"^==\d+== ", "", line)
        if KINDS.match(said):
            found.append(said)
    return found


def main():
    logs, *command = sys.argv[1:]
    logs = Path(logs)
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    done = subprocess.run(
        ["valgrind", "--quiet", "--trace-children=no", "--child-silent-after-fork=no", "--leak-check=full",
         "--show-leak-kinds=definite,possible", "--errors-for-leak-kinds=definite,possible", "--error-exitcode=99",
         f"--suppressions={Path(__file__).with_name('glibc.supp')}", f"--log-file={logs}/%p", *command], check=False)
    bad = 0
    processes = sorted(logs.iterdir())
    for log in processes:
        if found := faults(log.read_text(errors="replace")):
            bad += 1
            print(f"{log}: {len(found)} errors:", *found, sep="\n  ")
    print(f"valgrind: {len(processes)} processes, {bad} with errors; the program ended with {done.returncode}")
    return 1 if bad or done.returncode != 0 or not processes else 0


if __name__ == "__main__":
    sys.exit(main())
