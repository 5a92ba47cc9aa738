#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds parmap for other C libraries, processors and systems, and runs what it can: run.py PROJECT FOLDER [PLATFORM...]

The inputs of tests/cases:
- musl, static, and glibc 2.28, on this processor: by the compiler of the PyPI package ziglang, with LLVM's libc++;
- aarch64, riscv64 and s390x (which stores the highest byte first): by Debian's g++, static, under qemu-user.
The engines that do not fork (everywhere.cpp in both inline forms; the conformance suites with the compiled form):
- macos: for aarch64, by ziglang; only compiled and linked;
- windows: by Debian's mingw-w64 with libstdc++, and run under wine; windows-libc++: everywhere.cpp by ziglang, under wine.

The programs are built anew into FOLDER. Fails if one is not right. Some inputs are left out where they show nothing.
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
# Only Asio needs them.
WINSOCK = ["-static", "-lws2_32", "-lmswsock"]
# Compiler; what it is given behind the sources; whether it also builds the conformance suites; what runs the programs.
OTHER_SYSTEMS = {
    "macos": ([*ZIG, "-target", "aarch64-macos"], [], True, None),
    "windows": (["x86_64-w64-mingw32-g++-posix", "-Wa,-mbig-obj"], ["-D_WIN32_WINNT=0x0A00", *WINSOCK], True, "wine"),
    "windows-libc++": ([*ZIG, "-target", "x86_64-windows-gnu"], WINSOCK, False, "wine"),
}
GOOGLETEST = Path("/usr/src/googletest/googletest")
SUITES = ("conformance_test", "conformance_failures_test", "conformance_types_test")
FORKING = ("cluster", "pools", "processes")  # the folders that only Linux compiles; also in CMakeLists.txt
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


def compile_each(compiler, sources, folder):
    """Compiles each source, one file a process, and returns the objects."""
    objects = [folder / f"{each.stem}.o" for each in sources]

    def compiled(source, into):
        subprocess.run([*compiler, "-c", str(source), "-o", str(into)], check=True)

    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(compiled, sources, objects))
    return list(map(str, objects))


def build(compiler, project, folder):
    """Compiles tests/cases against the inline form."""
    folder.mkdir(parents=True)
    compiler = [*compiler, "-std=c++20", "-O1", "-g1", "-pthread", f"-I{project}/include"]
    sources = [each for each in sorted((project / "tests" / "cases").glob("*.cpp")) if each.stem != "counted"]
    objects = compile_each(compiler, sources, folder)
    subprocess.run([*compiler, *objects, "-o", str(folder / "cases_main")], check=True)


def asio_alone(folder):
    """Returns a folder with Asio's headers and no others of this system's."""
    for name in ("asio", "asio.hpp"):
        (folder / name).symlink_to(Path("/usr/include") / name)
    return folder


def build_other_system(compiler, behind, with_suites, project, folder):
    """Builds everywhere.cpp by both inline forms, and the suites by the compiled form. Returns the programs."""
    folder.mkdir(parents=True)
    compiler = [*compiler, "-std=c++20", "-O1", "-g0", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wpedantic", "-Werror"]
    here = project / "tests" / "portable" / "everywhere.cpp"
    programs = []
    for name, options in (("everywhere", [f"-I{project}/include"]),
                          ("everywhere-single-header", ["-DPARMAP_SINGLE_HEADER", f"-I{project}/single_include"])):
        programs.append(folder / f"{name}.exe")
        subprocess.run([*compiler, *options, str(here), "-o", str(programs[-1]), *behind], check=True)
    if with_suites:
        programs.append(folder / "conformance.exe")
        macros = [each for each in behind if each.startswith("-D")] + ["-DASIO_HAS_CO_AWAIT=1", "-DASIO_HAS_STD_COROUTINE=1"]
        # GoogleTest 1.12 uses FLT_MAX, and relies on another header for it.
        compiler = [*compiler, "-O0", "-DPARMAP_COMPILED", *macros, "-include", "cfloat", f"-I{project}/include",
                    "-isystem", str(asio_alone(folder)), "-isystem", str(GOOGLETEST / "include"), "-isystem", str(GOOGLETEST)]
        sources = [each for each in sorted((project / "src").glob("*.cpp")) if each.stem not in FORKING]
        sources += [project / "tests" / f"{each}.cpp" for each in SUITES]
        objects = compile_each(compiler, sources, folder)
        objects += compile_each([*compiler, "-w"], [GOOGLETEST / "src" / f"{each}.cc" for each in ("gtest-all", "gtest_main")], folder)
        subprocess.run([*compiler, *objects, "-o", str(programs[-1]), *behind], check=True)
    return programs


def wine():
    """Returns the command that runs a program of Windows; None without wine."""
    for each in ("wine64", "wine", "/usr/lib/wine/wine64"):
        found = shutil.which(each)
        if found:
            return found
    return None


def run_other_system(name, by, programs, folder):
    """Runs the programs, if they can be run here. Returns whether all are right."""
    command = wine() if by else None
    if command is None:
        print(f"{name}: compiled and linked, NOT run" + (": there is no wine here" if by else ""), flush=True)
        return True
    environment = {**os.environ, "WINEPREFIX": str(folder / "wine"), "WINEDEBUG": "-all"}
    right = True
    for program in programs:
        done = subprocess.run([command, str(program)], cwd=folder, env=environment, timeout=600, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        said = done.stdout.splitlines()
        said = [line for line in said[:-1] if "WRONG" in line or "FAILED" in line or "not tried" in line] + said[-1:]
        print(f"{name}: {program.stem}: status {done.returncode}", *said, sep="\n  ", flush=True)
        right = right and done.returncode == 0
    subprocess.run([command, "wineboot", "--kill"], env=environment, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return right


def main():
    project, folder, *names = sys.argv[1:]
    project, folder = Path(project).resolve(), Path(folder).resolve()
    wrong = []
    for name in names or [*PLATFORMS, *OTHER_SYSTEMS]:
        print(f"==== {name}", flush=True)
        begun = time.monotonic()
        shutil.rmtree(folder / name, ignore_errors=True)
        if name in OTHER_SYSTEMS:
            compiler, behind, with_suites, by = OTHER_SYSTEMS[name]
            programs = build_other_system(compiler, behind, with_suites, project, folder / name)
            built = time.monotonic()
            right = run_other_system(name, by, programs, folder / name)
            print(f"{name}: built in {built - begun:.0f} s, run in {time.monotonic() - built:.0f} s", flush=True)
            if not right:
                wrong.append(name)
            continue
        compiler, emulator = PLATFORMS[name]
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
