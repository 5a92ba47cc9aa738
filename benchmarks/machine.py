# SPDX-License-Identifier: MIT
"""Describes the machine of a measurement, and its compilers and libraries."""

import os
import platform
import re
import subprocess
from pathlib import Path


def description() -> str:
    try:
        model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)[1]
    except (OSError, TypeError):
        model = platform.machine()
    gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{os.cpu_count()} cores of {model}, {gigabytes:.0f} GB, Linux {platform.release().split('-')[0]}"


def _first_line(*command) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return ""


def compilers() -> str:
    """Return the versions of g++, of the libraries, and of rustc."""
    gcc = _first_line("g++", "-dumpfullversion")
    packages = {"oneTBB": "libtbb-dev", "rayon": "librust-rayon-dev"}
    versions = {name: _first_line("dpkg-query", "--show", "--showformat=${Version}\n", package) for name, package in packages.items()}
    versions["rustc"] = _first_line("rustc", "--version").removeprefix("rustc ").split(" ")[0]
    return ", ".join([f"g++ {gcc} -O3", *(f"{name} {version}" for name, version in versions.items() if version)])
