# SPDX-License-Identifier: MIT
"""The types of the package: mypy and pyright find what is wrong in a program and nothing else, stubtest compares with the code."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import parmap as package

HERE = Path(__file__).resolve().parent
PROGRAM = HERE / "types_program.py"
SETTINGS = HERE.parents[1] / "pyproject.toml"


def check(tmp_path, *command):
    """The lines of the program in which a checker finds an error."""
    done = subprocess.run([sys.executable, "-m", *command, PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          cwd=tmp_path, timeout=300, check=False)  # fmt: skip
    return {int(each) for each in re.findall(rf"{PROGRAM.name}:(\d+)[:\d]*(?: -|:) error", done.stdout)}, done.stdout


@pytest.mark.parametrize("command", [("mypy", "--strict", "--cache-dir", "cache"), ("pyright", "--pythonpath", sys.executable)], ids=["mypy", "pyright"])
def test_a_program(command, tmp_path):
    pytest.importorskip(command[0])
    expected = {number for number, line in enumerate(PROGRAM.read_text().splitlines(), 1) if line.endswith("# error")}
    found, said = check(tmp_path, *command)
    assert found == expected, said[:5000]


# stubtest does not read options that are a TypedDict: test_options_are_those_of_the_code does. Functions of the
# extension are objects of nanobind. joblib, whose classes have a metaclass, has no types. implementation.py has its types inside.
ALLOWED = r"""
parmap\.parmap
parmap\.parmap_async
parmap\.implementation\..*
parmap\.stream
parmap\.astream
parmap\.Stream\..*
parmap\.AsyncStream\.__(init|del)__
parmap\._stream\..*
parmap\.Outcome
parmap\._outcome_type\..*
parmap\.zip\.__init__
parmap\._parmap\..*
parmap\._errors\.Pickler.*
parmap\._joblib_backend\.(ParmapBackend|ThreadsOfWorker)
parmap\._pool_pickle\.(Pickler.*|_with_kept_functions|read_kept)
parmap\._task\.Context
parmap\.Context
parmap\._task\._Numbers
"""


def test_stubs(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "allowed").write_text(ALLOWED)
    command = [sys.executable, "-m", "mypy.stubtest", "parmap", "--concise", "--ignore-unused-allowlist", "--allowlist", tmp_path / "allowed",
               "--mypy-config-file", SETTINGS]  # fmt: skip
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[:5000]


def parameters_of(function):
    return set(inspect.signature(function).parameters) - {"func", "args", "unknown"}


def test_options_are_those_of_the_code():
    stub = Path(package.__file__).with_name("__init__.pyi").read_text()
    stub = re.sub(r"^from typing_extensions .*$", "", stub, flags=re.M)
    options = {}
    for name, base, body in re.findall(r"^class (_\w*Options)\((\w+), total=False\):\n((?:    .*\n)+)", stub, re.M):
        options[name] = options.get(base, set()) | set(re.findall(r"^    (\w+):", body, re.M))
    apart = {"func", "args", "grid", "where", "fargs", "on_error", "unknown"}
    known = set(inspect.signature(package.parmap).parameters) - apart
    assert options["_Options"] == known
    assert options["_AsyncOptions"] == known - {"engine"}
    known = set(inspect.signature(package.parmap_async).parameters) - apart
    assert options["_CommonOptions"] == known
    assert options["_StreamOptions"] == parameters_of(package.stream) == parameters_of(package.parmap) | {"ordered", "window"}
    assert options["_AstreamOptions"] | {"engine"} == parameters_of(package.astream) == parameters_of(package.stream)
    assert options["_BareOptions"] == parameters_of(package.stream) - {"ordered"}
