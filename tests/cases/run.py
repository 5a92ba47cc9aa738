#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every input that once failed, each in a process of its own, and prints a table:
run.py [--by EMULATOR] [--without NAME]... FOLDER-OF-PROGRAMS [NAME...]

Fails if one is not right. What this machine cannot run is said. EMULATOR runs programs for another processor. Inputs that must not compile are the tests misuse.*; two versions of
the library in one process are consumer.two_versions.
"""
import argparse
import concurrent.futures
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT = 60  # seconds for one input
RIGHT, WRONG, NOT_RUN = "right", "WRONG", "not run"


class NotRun(Exception):
    """This machine cannot run the input."""


class Programs:
    def __init__(self, folder, emulator):
        self.folder = Path(folder).resolve()
        self.by = [emulator] if emulator else []

    def __getattr__(self, name):
        return str(self.folder / name)


def no_core_files():
    """An emulator would write its whole address space for each crash."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(command, where, **environment):
    """Status and output of a command; it and what it has started are killed after LIMIT seconds."""
    with open(where / "output", "w+b") as output:
        process = subprocess.Popen(command, cwd=where, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=no_core_files)
        try:
            status = process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            status = f"no end within {LIMIT} s"
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return status, output.read().decode(errors="replace")


def needs(tool, program):
    if not Path(program).exists():
        raise NotRun("its program is built by g++ only")
    if shutil.which(tool) is None:
        raise NotRun(f"{tool} is not installed")


def last_line(text):
    return (text.strip().splitlines() or [""])[-1]


def listed(programs, name, namespace=()):
    """An input of main.cpp."""
    def attempt(where):
        if namespace and os.getuid() != 0:
            raise NotRun("needs root")
        status, said = run([*namespace, *programs.by, programs.cases_main, name], where)
        if namespace and "unshare: " in said:
            raise NotRun("a new namespace is refused here")
        return status == 0, last_line(said) if status in (0, 1) else f"status {status}; {last_line(said)}"
    return attempt


def gcov(programs):
    def attempt(where):
        needs("gcov", programs.cases_gcov)
        status, said = run([programs.cases_gcov], where, GCOV_PREFIX=str(where), GCOV_PREFIX_STRIP="99")
        notes = next(programs.folder.glob("CMakeFiles/cases_gcov.dir/counted.cpp.gcno"))
        shutil.copy(notes, where)
        _, lines = run(["gcov", "-t", "counted.cpp.gcda"], where)
        found = re.search(r"^ *(\d+):.*int only_in_a_task", lines, re.MULTILINE)
        count = int(found[1]) if found else 0
        return status == 0 and count == 50, f"{count} calls of 50 counted; {last_line(said)}"
    return attempt


def gprof(programs):
    def attempt(where):
        needs("gprof", programs.cases_gprof)
        status, said = run([programs.cases_gprof], where, GMON_OUT_PREFIX=str(where / "gmon"))
        files = [str(each) for each in where.glob("gmon.*")]
        _, lines = run(["gprof", "-b", "-p", programs.cases_gprof, *files], where)
        found = re.search(r"^ *(?:[\d.]+ +){3}(\d+) .*only_in_a_task", lines, re.MULTILINE)
        count = int(found[1]) if found else 0
        return status == 0 and count == 50, f"{count} calls of 50 counted, in {len(files)} files; {last_line(said)}"
    return attempt


def leaks(programs):
    def attempt(where):
        needs("sh", programs.cases_leaks)
        clean, said_clean = run([programs.cases_leaks], where)
        _, said = run([programs.cases_leaks, "leak"], where)
        if "LeakSanitizer has encountered a fatal error" in said_clean + said:
            raise NotRun("LeakSanitizer cannot trace processes here")
        lost = sum(int(each) for each in re.findall(r"SUMMARY: .* in (\d+) allocation", said))
        # An old pointer in a register or on the stack can hide the newest array of a worker.
        right = clean == 0 and "LeakSanitizer" not in said_clean and 48 <= lost <= 50
        return right, f"{lost} of 50 lost arrays reported; without leaks: {last_line(said_clean)}"
    return attempt


def valgrind(programs, *arguments):
    def attempt(where):
        needs("valgrind", programs.cases_gdb)
        status, said = run(["valgrind", "--leak-check=full", "--error-exitcode=9", programs.cases_gdb, *arguments], where)
        if "unhandled dwarf2" in said:
            raise NotRun("this valgrind cannot read what this compiler writes for debuggers")
        errors = re.findall(r"ERROR SUMMARY: (\d+) errors", said)
        return status == 0 and errors and set(errors) == {"0"}, f"errors in {len(errors)} processes: {', '.join(errors)}"
    return attempt


def gdb(programs):
    def attempt(where):
        needs("gdb", programs.cases_gdb)
        status, said = run(["gdb", "-q", "-batch", "-ex", "set pagination off", "-ex", "run", programs.cases_gdb], where)
        ended = "exited normally" in said
        return status == 0 and ended, last_line(said)
    return attempt


def all_inputs(programs):
    """name, what is right, how it is run"""
    pid_1 = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    lines = subprocess.run([*programs.by, programs.cases_main], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    for name, right in (each.split("\t") for each in lines):
        if name != "pids_used_again":
            yield name, right, listed(programs, name)
        if name in ("pids_used_again", "zombies_of_late_tasks"):
            yield f"{name}, as PID 1", right, listed(programs, name, pid_1)
    if not Path(programs.cases_gdb).exists():
        return
    yield "gcov", "what ran in tasks only is counted", gcov(programs)
    yield "gprof", "what ran in tasks only is counted", gprof(programs)
    yield "LeakSanitizer", "finds what tasks lose, and nothing else", leaks(programs)
    yield "valgrind, multi", "no error, no lost memory, also in workers", valgrind(programs)
    yield "valgrind, threads", "no error, no lost memory", valgrind(programs, "threads")
    yield "gdb", "the program runs to its end", gdb(programs)


def outcome_of(attempt):
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as where:
        try:
            right, seen = attempt(Path(where))
            verdict = RIGHT if right else WRONG
        except NotRun as why:
            verdict, seen = NOT_RUN, str(why)
    return verdict, time.monotonic() - begun, seen


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--by", metavar="EMULATOR")
    parser.add_argument("--without", metavar="NAME", action="append", default=[])
    parser.add_argument("folder")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    programs = Programs(asked.folder, asked.by)
    chosen = [each for each in all_inputs(programs)
              if (not asked.names or each[0] in asked.names) and each[0] not in asked.without]
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        outcomes = list(pool.map(outcome_of, [attempt for _, _, attempt in chosen]))
    wide = max(len(name) for name, _, _ in chosen)
    for (name, right, _), (verdict, seconds, seen) in zip(chosen, outcomes):
        print(f"{verdict:7}  {seconds:5.1f} s  {name:{wide}}  {seen}")
        if verdict == WRONG:
            print(f"{'':18}right: {right}")
    counts = {each: sum(outcome[0] == each for outcome in outcomes) for each in (RIGHT, WRONG, NOT_RUN)}
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 1 if counts[WRONG] or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
