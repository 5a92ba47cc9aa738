# SPDX-License-Identifier: MIT
"""Which wheels there are, and where this machine has the headers and an interpreter for each."""

import glob
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
# The oldest C library that a wheel needs. zig compiles for exactly this one, whatever this machine has.
LIBRARIES = {"manylinux": ("gnu", "manylinux_2_28", ".2.28"), "musllinux": ("musl", "musllinux_1_2", "")}
PROCESSORS = ("x86_64", "aarch64")
PURE = "py3-none-any"


@dataclass(frozen=True)
class Target:
    """One wheel; its name is that of cibuildwheel, such as cp313-manylinux_x86_64."""

    version: str
    library: str
    processor: str

    @property
    def python(self):
        return "cp" + self.version.replace(".", "")

    @property
    def name(self):
        return f"{self.python}-{self.library}_{self.processor}"

    @property
    def tag(self):
        return f"{self.python}-{self.python}-{LIBRARIES[self.library][1]}_{self.processor}"

    @property
    def zig(self):
        system, _, oldest = LIBRARIES[self.library]
        return f"{self.processor}-linux-{system}{oldest}"

    @property
    def soabi(self):
        return f"cpython-{self.python[2:]}-{self.processor}-linux-{LIBRARIES[self.library][0]}"


TARGETS = [Target(version, library, processor) for processor in PROCESSORS for library in LIBRARIES for version in VERSIONS]


@dataclass(frozen=True)
class Interpreter:
    """A CPython that runs here: by itself, or from the folder of another system by that system's loader or qemu-user."""

    version: str
    processor: str
    command: tuple
    include: Path
    installed: bool  # false: it lies in the folder of another system, and makes no virtual environments
    loader: tuple = ()


def _installed(version):
    """The interpreters of this version on the PATH and of pyenv."""
    found = [shutil.which(f"python{version}"), *glob.glob(os.path.expanduser(f"~/.pyenv/versions/{version}.*/bin/python{version}"))]
    ask = "import sys, sysconfig; print(sys.implementation.name, '%d.%d' % sys.version_info[:2], sysconfig.get_config_var('Py_GIL_DISABLED') or 0, sysconfig.get_path('include'), sep='\\n')"
    for each in filter(None, found):
        told = subprocess.run([each, "-c", ask], capture_output=True, text=True, check=False)
        told_lines = told.stdout.split("\n")
        if told.returncode == 0 and told_lines[:3] == ["cpython", version, "0"]:
            yield Interpreter(version, platform.machine(), (each,), Path(told_lines[3]), True)


def _of_root(root, version):
    """The interpreter of this version in the folder of another Debian, of any processor."""
    program = root / "usr" / "bin" / f"python{version}"
    if not program.exists():
        return
    machine = {62: "x86_64", 183: "aarch64"}.get(int.from_bytes(program.read_bytes()[18:20], "little"))
    if machine is None:
        raise SystemExit(f"wheels.py: {program} is for a processor that has no wheel here")
    loaders = sorted(root.glob("usr/lib/*/ld-linux-*.so.*")) + sorted(root.glob("lib/*/ld-linux-*.so.*"))
    if machine == platform.machine() and loaders:
        folder = loaders[0].parent.name
        run = (str(loaders[0]), "--library-path", f"{root}/lib/{folder}:{root}/usr/lib/{folder}")
    elif qemu := shutil.which(f"qemu-{machine}-static"):
        run = (qemu, "-L", str(root))
    else:
        return
    yield Interpreter(version, machine, (*run, str(program)), root / "usr" / "include" / f"python{version}", False)


def interpreters(roots):
    return [each for version in VERSIONS for each in (*_installed(version), *(found for root in roots for found in _of_root(root, version)))]


def headers(version, known, folder):
    """A folder with the headers of this version, or None if this machine has none.

    All systems have the same headers, except pyconfig.h, whose sizes build.py compares with those of the target. Debian's pyconfig.h names
    another file, in a folder for each processor.
    """
    for each in known:
        if each.version != version or not (each.include / "Python.h").exists():
            continue
        into = folder / version
        shutil.rmtree(into, ignore_errors=True)
        shutil.copytree(each.include, into, symlinks=False)
        config = into / "pyconfig.h"
        if named := re.search(rf"<([\w-]+/python{re.escape(version)}/pyconfig\.h)>", config.read_text(encoding="utf-8")):
            candidates = [found for found in each.include.parent.glob(f"*/python{version}/pyconfig.h")]
            if not candidates:
                raise SystemExit(f"wheels.py: {config} names {named[1]}, which is not there; install libpython{version}-dev")
            shutil.copyfile(candidates[0], config)
        return into
    return None


def musl_loader(processor, roots):
    """The command that runs musl's loader for this processor, if this machine has it."""
    name = f"lib/ld-musl-{processor}.so.1"
    if processor == platform.machine():
        return next(([str(each / name)] for each in (Path("/"), *roots) if (each / name).exists()), None)
    qemu = shutil.which(f"qemu-{processor}-static")
    return next(([qemu, str(each / name)] for each in roots if qemu and (each / name).exists()), None)
