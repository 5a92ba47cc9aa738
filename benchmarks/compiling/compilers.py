# SPDX-License-Identifier: MIT
"""The CPU time of one compilation, and the forms in which a file can include parmap."""

import io
import os
import resource
import subprocess
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMPILERS = {"g++": "g++", "clang++-19": "clang-19"}  # command: Debian package
LEVELS = ("-O2", "-O0")
BASE = "9c7bc4b"  # the last revision that was header-only
COMPILED, INLINE, SINGLE, BEFORE = "compiled", "inline", "single header", "before"
#: The files of the compiled part, each compiled separately as in a build.
LIBRARY = [f'#include "{file}"\n' for file in sorted((ROOT / "src").glob("*.cpp"))]


class Refused(Exception):
    """The compiler refused a file; the message says why."""


def forms(before: Path) -> dict:
    """Return the compiler options of each form; the folder has an earlier revision's headers."""
    return {
        COMPILED: ("-DPARMAP_COMPILED", f"-I{ROOT / 'include'}"),  # as the target parmap::parmap does
        INLINE: (f"-I{ROOT / 'include'}",),
        SINGLE: (f"-I{ROOT / 'single_include'}",),
        BEFORE: (f"-I{before / 'include'}",),
    }


def extract(revision: str, folder: Path) -> str:
    """The headers of this revision, into the folder. Why not, if they cannot be had."""
    try:
        packed = subprocess.run(["git", "-C", ROOT, "archive", revision, "include"], capture_output=True, check=True).stdout
    except FileNotFoundError:
        return "git is missing"
    except subprocess.CalledProcessError as failed:
        return failed.stderr.decode().strip()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return ""


def command(compiler: str, level: str, file: str, options=()) -> list:
    return [compiler, "-std=c++20", level, *options, "-c", file, "-o", os.devnull]


def seconds(compiler: str, level: str, source: str, options=()) -> float:
    """Of the processor, of one compilation by all that the compiler starts."""
    with tempfile.NamedTemporaryFile("w", suffix=".cpp") as file:
        file.write(source)
        file.flush()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        ran = subprocess.run(command(compiler, level, file.name, options), capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ran.returncode != 0:
        raise Refused(next((line for line in ran.stderr.splitlines() if "error" in line), ran.stderr)[-200:])
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def has(compiler: str, header: str, options=()) -> bool:
    """Whether it finds this header."""
    ran = subprocess.run([compiler, "-x", "c++", "-std=c++20", *options, "-E", "-"], input=f"#include <{header}>\n", capture_output=True,
                         text=True, check=False)
    return ran.returncode == 0


def version(compiler: str) -> str:
    """Or nothing, where it is not installed."""
    try:
        said = subprocess.run([compiler, "-dumpfullversion" if compiler == "g++" else "-dumpversion"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{compiler.split('-')[0]} {said.stdout.strip()}"
