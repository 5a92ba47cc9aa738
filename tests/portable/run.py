#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the inputs of tests/cases for other C libraries and processors, and runs them: run.py PROJECT FOLDER [PLATFORM...]

- musl, static, and glibc 2.28, on this processor: by the compiler of the PyPI package ziglang, with LLVM's libc++;
- aarch64, riscv64 and s390x (which stores the highest byte first): by Debian's g++, static, under qemu-user.

The programs are built anew into FOLDER. Fails if one input is not right. Some inputs are left out where they show nothing.
"""
import concurrent.futures
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ZIG = [sys.executable, "-m", "ziglang", "c++", "-fexperimental-library"]
PLATFORMS = {
    "musl": ([*ZIG, "-target", "x86_64-linux-musl", "-static"], None),
    "glibc-2.28": ([*ZIG, "-target", "x86_64-linux-gnu.2.28"], None),
    "aarch64": (["aarch64-linux-gnu-g++", "-static"], "qemu-aarch64-static"),
    "riscv64": (["riscv64-linux-gnu-g++", "-static"], "qemu-riscv64-static"),
    "s390x": (["s390x-linux-gnu-g++", "-static"], "qemu-s390x-static"),
}
# What is not promised there.
WITHOUT = {
    # A fork does not release its locks of stdio, and pthread_cancel unwinds nothing.
    "musl": ["beside_standard_streams", "cancelled_caller"],
    "glibc-2.28": ["cancelled_caller"],  # with LLVM's libunwind any program of C++ crashes there
}
# What qemu-user 7.2 does not do as Linux: it ignores MADV_DONTFORK, may hang where a program with threads forks or gets a signal
# while it waits, and takes minutes for 1500 processes. So these show nothing there.
NOT_EMULATED = ["cancelled_caller", "what_a_worker_inherits", "workers_1500", "sigchld_ignored", "caller_reaps_every_child",
                "beside_standard_streams", "beside_files", "beside_malloc", "beside_exceptions", "beside_random_devices",
                "beside_text_streams"]


def build(compiler, project, folder):
    """Compiles tests/cases against the inline form, one file a process."""
    folder.mkdir(parents=True)
    options = ["-std=c++20", "-O1", "-g1", "-pthread", f"-I{project}/include"]
    sources = [each for each in sorted((project / "tests" / "cases").glob("*.cpp")) if each.stem != "counted"]
    objects = [folder / f"{each.stem}.o" for each in sources]

    def compiled(source, into):
        subprocess.run([*compiler, *options, "-c", str(source), "-o", str(into)], check=True)

    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(compiled, sources, objects))
    subprocess.run([*compiler, *options, *map(str, objects), "-o", str(folder / "cases_main")], check=True)


def main():
    project, folder, *names = sys.argv[1:]
    project, folder = Path(project).resolve(), Path(folder).resolve()
    wrong = []
    for name in names or PLATFORMS:
        compiler, emulator = PLATFORMS[name]
        print(f"==== {name}", flush=True)
        begun = time.monotonic()
        shutil.rmtree(folder / name, ignore_errors=True)
        build(compiler, project, folder / name)
        built = time.monotonic()
        without = NOT_EMULATED if emulator else WITHOUT.get(name, [])
        options = [f"--without={each}" for each in without] + ([f"--by={emulator}"] if emulator else [])
        done = subprocess.run([sys.executable, str(project / "tests" / "cases" / "run.py"), *options, str(folder / name)], check=False)
        print(f"{name}: built in {built - begun:.0f} s, run in {time.monotonic() - built:.0f} s", flush=True)
        if done.returncode != 0:
            wrong.append(name)
    print("all platforms are right" if not wrong else f"WRONG: {', '.join(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
