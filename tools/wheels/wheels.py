#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes, checks and tries wheels: wheels.py PROJECT [--root FOLDER]... [--list] [NAME...]; tools/wheels.sh says more.

Prints "ok WHAT" for each step and "FAILED WHAT" for a wheel that is not right, and at the end what became of each wheel.
"""

import argparse
import fnmatch
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import checks
import targets
import ziglang

HERE = Path(__file__).resolve().parent
ZIG = Path(ziglang.__file__).parent / "zig"

SIZES = """
#include <pyconfig.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#include <wchar.h>
#define IS(type, size) _Static_assert(sizeof(type) == size, "pyconfig.h has another size of " #type);
IS(int, SIZEOF_INT) IS(long, SIZEOF_LONG) IS(long long, SIZEOF_LONG_LONG) IS(short, SIZEOF_SHORT) IS(void*, SIZEOF_VOID_P)
IS(size_t, SIZEOF_SIZE_T) IS(uintptr_t, SIZEOF_UINTPTR_T) IS(time_t, SIZEOF_TIME_T) IS(off_t, SIZEOF_OFF_T) IS(pid_t, SIZEOF_PID_T)
IS(wchar_t, SIZEOF_WCHAR_T) IS(float, SIZEOF_FLOAT) IS(double, SIZEOF_DOUBLE) IS(pthread_t, SIZEOF_PTHREAD_T) IS(_Bool, SIZEOF__BOOL)
#ifdef WORDS_BIGENDIAN
#error another order of bytes
#endif
"""


class Workshop:
    """Where wheels are made; every step says how it went."""

    def __init__(self, project, roots):
        self.project, self.roots = project, roots
        self.work = project / "build" / "wheels"
        self.made = self.work / "dist"
        self.made.mkdir(parents=True, exist_ok=True)
        self.interpreters = targets.interpreters(roots)
        self.outcomes = {}
        os.environ.update(ZIG_GLOBAL_CACHE_DIR=str(self.work / "zig"), ZIG_LOCAL_CACHE_DIR=str(self.work / "zig"), CMAKE_GENERATOR="Ninja")
        os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        # What is installed is what was built, not what the caller's environment adds.
        for each in ("PYTHONPATH", "PYTHONHOME", "CFLAGS", "CXXFLAGS", "LDFLAGS", "CMAKE_ARGS", "SKBUILD_CMAKE_ARGS"):
            os.environ.pop(each, None)

    def headers(self, version):
        return targets.headers(version, self.interpreters, self.work / "headers")

    def build(self, name, tag, *settings):
        """One run of scikit-build-core. Returns the wheel."""
        for each in self.made.glob(f"*-{tag}.whl"):
            each.unlink()
        words = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", self.made, *(f"-C{each}" for each in settings), self.project]
        with open(self.work / f"{name}.log", "w", encoding="utf-8") as log:
            done = subprocess.run([*map(str, words)], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False)
        wheels = list(self.made.glob(f"*-{tag}.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            tail = Path(log.name).read_text(encoding="utf-8").splitlines()[-30:]
            raise AssertionError("\n".join([*tail, f"the whole log is {log.name}"]))
        return wheels[0]

    def build_for(self, target, include):
        defines = {
            "CMAKE_TOOLCHAIN_FILE": HERE / "zig-toolchain.cmake", "PARMAP_ZIG": ZIG, "PARMAP_ZIG_TARGET": target.zig,
            "CMAKE_FIND_PACKAGE_PREFER_CONFIG": "ON", "Python_DIR": HERE / "find_python", "PARMAP_PYTHON_VERSION": target.version,
            "PARMAP_PYTHON_INCLUDE": include, "PARMAP_PYTHON_HOST": sys.executable, "SKBUILD_SOABI": target.soabi,
        }  # fmt: skip
        source = self.work / "sizes.c"
        source.write_text(SIZES, encoding="utf-8")
        sizes = subprocess.run([ZIG, "cc", "-target", target.zig, f"-I{include}", "-c", source, "-o", source.with_suffix(".o")], stderr=subprocess.PIPE, check=False)
        if sizes.returncode != 0:
            raise AssertionError(f"the headers of Python do not fit {target.zig}:\n{sizes.stderr.decode()}")
        wheel = self.build(target.name, target.tag, f"build-dir={self.work / target.name}", f"wheel.tags={target.tag}",
                           *(f"cmake.define.{key}={value}" for key, value in defines.items()))  # fmt: skip
        return self.with_name_of_musl(wheel, target) if target.library == "musllinux" else wheel

    def with_name_of_musl(self, wheel, target):
        """zig calls musl libc.so, and so would the module; the platform's name promises that it needs libc.musl-PROCESSOR.so.1."""
        with tempfile.TemporaryDirectory() as folder:
            checks.command(sys.executable, "-m", "wheel", "unpack", "--dest", folder, wheel)
            module = next(Path(folder).glob("*/parmap/_parmap.*.so"))
            checks.command("patchelf", "--replace-needed", "libc.so", f"libc.musl-{target.processor}.so.1", module)
            wheel.unlink()
            checks.command(sys.executable, "-m", "wheel", "pack", "--dest-dir", wheel.parent, module.parent.parent)
        return wheel

    def dependency(self):
        """tqdm's wheel, so that the environments need no index."""
        if not (found := list(self.work.glob("tqdm-*.whl"))):
            subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps", "--dest", self.work, "tqdm"], check=True)
            found = list(self.work.glob("tqdm-*.whl"))
        return found[0]

    def try_out(self, wheel, interpreter, *options):
        """Installs the wheel where there is nothing else, and runs quick_test.py there."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
            if interpreter.installed:
                checks.command(*interpreter.command, "-m", "venv", folder / "env")
                run = [folder / "env" / "bin" / "python"]
                pip = [*run, "-m", "pip", "--disable-pip-version-check"]
                checks.command(*pip, "install", "--quiet", "--no-index", "--find-links", self.dependency().parent, wheel)
                checks.command(*pip, "check")
            else:
                for each in (wheel, self.dependency()):
                    zipfile.ZipFile(each).extractall(folder / "site")
                run = [*interpreter.command]
                environment["PYTHONPATH"] = str(folder / "site")
            if "--pure" in options:
                environment["PARMAP_PURE"] = "1"  # else the package warns that its core is not there, and a warning is an error here
            shutil.copy(HERE / "quick_test.py", folder)
            words = [*map(str, run), "-W", "error", str(folder / "quick_test.py"), *options]
            done = subprocess.run(words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=300, check=False)  # fmt: skip
            if done.returncode != 0:
                raise AssertionError(done.stdout + f"exit status {done.returncode}")
            return done.stdout.splitlines()[-1]

    def step(self, what, function, *arguments):
        begun = time.monotonic()
        result = function(*arguments)
        print(f"ok {what} ({time.monotonic() - begun:.0f} s)", flush=True)
        return result

    def pure(self):
        name = targets.PURE
        if not (self.project / "python" / "parmap" / "implementation.py").exists():
            self.outcomes[name] = "not made: the form in pure Python, python/parmap/implementation.py, is not there"
            return
        wheel = self.step(f"{name} is built", self.build, name, name, "wheel.cmake=false", "wheel.py-api=py3")
        self.step(f"{name}: metadata", checks.metadata, wheel)
        self.step(f"{name}: contents", checks.contents_pure, wheel, name)
        ran = []
        for each in self.interpreters:
            if each.installed and each.version not in ran:
                self.step(f"{name} with Python {each.version}", self.try_out, wheel, each, "--pure")
                ran.append(each.version)
        self.outcomes[name] = f"made, checked, tried with Python {', '.join(ran) or 'none'}"

    def make(self, target):
        include = self.headers(target.version)
        if include is None:
            self.outcomes[target.name] = f"not made: this machine has no headers of Python {target.version}"
            return
        wheel = self.step(f"{target.name} is built", self.build_for, target, include)
        self.step(f"{target.name}: metadata", checks.metadata, wheel)
        with tempfile.TemporaryDirectory() as folder:
            module = self.step(f"{target.name}: contents", checks.contents, wheel, target, folder)
            self.step(f"{target.name}: auditwheel", checks.versions, wheel, target)
            outcome = "made, checked"
            if target.library == "musllinux":
                if loader := targets.musl_loader(target.processor, self.roots):
                    self.step(f"{target.name}: musl's loader", checks.resolved_by_musl, module, loader)
                    outcome += ", all names found by musl's loader"
                self.outcomes[target.name] = f"{outcome}; not tried: this machine has no Python for musl"
                return
        run = next((each for each in self.interpreters if (each.version, each.processor) == (target.version, target.processor)), None)
        if run is None:
            self.outcomes[target.name] = f"{outcome}; not tried: this machine has no Python {target.version} for {target.processor}"
            return
        emulated = "qemu" in run.command[0]
        self.step(f"{target.name}: tried", self.try_out, wheel, run, *(["--emulated"] if emulated else []))
        self.outcomes[target.name] = f"{outcome}, tried{' under qemu-user' if emulated else ''}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("project", type=Path)
    parser.add_argument("--root", type=Path, action="append", default=[])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*", default=["*"])
    chosen = parser.parse_intermixed_args()
    every = [each.name for each in targets.TARGETS] + [targets.PURE]
    names = [each for each in every if any(fnmatch.fnmatchcase(each, pattern) for pattern in chosen.names)]
    if not names:
        raise SystemExit(f"no wheel is called {' or '.join(chosen.names)}; there are {', '.join(every)}")
    if chosen.list:
        print("\n".join(names))
        return 0
    shop = Workshop(chosen.project.resolve(), [each.resolve() for each in chosen.root])
    wrong = 0
    for target in [None, *targets.TARGETS]:
        name = target.name if target else targets.PURE
        if name not in names:
            continue
        try:
            shop.make(target) if target else shop.pure()
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            wrong += 1
            print(f"{error}\nFAILED {name}", flush=True)
            shop.outcomes[name] = "FAILED"
    print()
    for name, outcome in shop.outcomes.items():
        print(f"{name:24} {outcome}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
