#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Follow the instructions of docs/installation.md: installation.py PAGE CHECKOUT

Each section starts in an empty directory that has a link `parmap` to the checkout and the page's program, sqr.cpp. Its
```cmake block becomes CMakeLists.txt. Its ```sh blocks are run, except after `<!-- not run here -->`. The compiler
ignores -O options and has a large heap (cmake/development.cmake), and CMake compiles the library in two files, because
the way in is tested and not the speed.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = re.compile(r"^(<!-- not run here -->\n+)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTION = re.compile(r"^## (.*)$", re.MULTILINE)


def quick_compiler(folder: Path) -> dict:
    """Return an environment in which g++ ignores -O options and has a large heap, and CMake joins the files of a library."""
    wrapper = folder / "g++"
    real = shutil.which("g++")
    wrapper.write_text(f"""#!/bin/bash
for each; do [[ $each == -O* ]] || kept+=("$each"); done
exec {real} --param=ggc-min-heapsize=1000000 "${{kept[@]}}"
""", encoding="utf-8")
    wrapper.chmod(0o755)
    unity = folder / "unity.cmake"
    unity.write_text("set(CMAKE_UNITY_BUILD ON)\n", encoding="utf-8")
    return os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "CXX": str(wrapper), "CMAKE_BUILD_PARALLEL_LEVEL": "2", "CMAKE_TOOLCHAIN_FILE": str(unity)}


def follow(section: str, program: str, checkout: Path, environment: dict) -> str:
    """Run the commands of a section and return what they printed."""
    printed = ""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.joinpath("parmap").symlink_to(checkout)
        directory.joinpath("sqr.cpp").write_text(program, encoding="utf-8")
        for skip, language, text in BLOCK.findall(section):
            if language == "cmake":
                directory.joinpath("CMakeLists.txt").write_text(text, encoding="utf-8")
            if language == "sh" and not skip:
                ran = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=directory, stdin=subprocess.DEVNULL, env=environment,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=250, check=False)
                printed += ran.stdout
                if ran.returncode != 0:
                    raise SystemExit(f"{printed}\nexit status {ran.returncode} of:\n{text}")
    return printed


def main() -> int:
    page, checkout = Path(sys.argv[1]).read_text(encoding="utf-8"), Path(sys.argv[2]).resolve()
    top, *sections = SECTION.split(page)
    program = next(text for _, language, text in BLOCK.findall(top) if language == "cpp")
    ways = dict(zip(sections[::2], sections[1::2]))
    bad = []
    with tempfile.TemporaryDirectory() as folder:
        environment = quick_compiler(Path(folder))
        for title, section in ways.items():
            if not any(language == "sh" and not skip for skip, language, _ in BLOCK.findall(section)):
                continue
            last = follow(section, program, checkout, environment).splitlines()[-1].strip()
            right = last in ("0 1 4 9 16", "parmap/parmapConfig.cmake")
            print(f"{title}: {'ok' if right else 'it ends with: ' + last}")
            if not right:
                bad.append(title)
    return 1 if bad else 0


sys.exit(main())
