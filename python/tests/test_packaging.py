# SPDX-License-Identifier: MIT
"""What packages say of the project (packaging/, CITATION.cff, pyproject.toml) is what the project says of itself."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
sys.path.insert(0, str(ROOT / "tools" / "wheels"))
import targets  # noqa: E402


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


VERSION = ".".join(re.findall(r"^#define PARMAP_VERSION_\w+ (\d+)", text("include/parmap/version.hpp"), re.MULTILINE))
PROJECT = text("pyproject.toml")
ADDRESS = re.search(r'^Repository = "(.*)"', PROJECT, re.MULTILINE)[1]


@pytest.mark.parametrize("file, pattern", [
    ("CITATION.cff", r"^version: (.*)$"),
    ("packaging/vcpkg/parmap/vcpkg.json", r'^  "version": "(.*)"'),
    ("packaging/conda/recipe.yaml", r'^  version: "(.*)"'),
    ("packaging/debian/changelog", r"\Aparmap \(([\d.]+)-\d+\)"),
])  # fmt: skip
def test_the_version_is_that_of_the_header(file, pattern):
    assert re.findall(pattern, text(file), re.MULTILINE) == [VERSION]


def test_every_address_is_that_of_pyproject():
    files = [each for each in (*PACKAGING.rglob("*"), ROOT / "CITATION.cff", ROOT / "pyproject.toml") if each.is_file()]
    elsewhere = {}
    for each in files:
        for found in re.findall(r"https?://[^\s\"'<>]+", each.read_text(encoding="utf-8")):
            known = found.startswith((ADDRESS, "https://www.debian.org/doc/packaging-manuals/copyright-format/"))
            if not known:
                elsewhere.setdefault(str(each.relative_to(ROOT)), []).append(found)
    assert not elsewhere
    for each in ("debian/control", "debian/watch", "debian/copyright", "vcpkg/parmap/vcpkg.json", "conan/conanfile.py", "conda/recipe.yaml"):
        assert ADDRESS in (PACKAGING / each).read_text(encoding="utf-8"), each


def test_debian_names_the_library_by_its_soname():
    name = "libparmap" + VERSION.rsplit(".", 1)[0]
    assert re.findall(r"^Package: (\S+)$", text("packaging/debian/control"), re.MULTILINE) == [name, "libparmap-dev", "python3-parmap"]
    assert (PACKAGING / "debian" / f"{name}.install").exists()


def test_what_a_build_needs_is_the_same_everywhere():
    needed = dict(re.findall(r'"(scikit-build-core|nanobind)>=([\d.]+)"', PROJECT))
    cmake = re.search(r"^cmake_minimum_required\(VERSION ([\d.]+)\)", text("CMakeLists.txt"), re.MULTILINE)[1]
    debian, conda = text("packaging/debian/control"), text("packaging/conda/recipe.yaml")
    for package, version in {**needed, "cmake": cmake}.items():
        assert f"{package} >={version}" in conda
        assert re.search(rf"^.*\b(python3-)?{package} \(>= {re.escape(version)}\)", debian, re.MULTILINE), package


def test_wheels_are_made_for_the_pythons_that_are_supported():
    versions = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', PROJECT)
    assert tuple(versions) == targets.VERSIONS
    assert f'requires-python = ">={versions[0]}"' in PROJECT
    pattern = re.search(r'^build = "(.*)"', PROJECT, re.MULTILINE)[1]
    assert pattern == f"cp31[{versions[0][2:][-1]}-{versions[-1][2:][-1]}]-*"
    assert {each.library for each in targets.TARGETS} == {"manylinux", "musllinux"}


def test_vcpkg_builds_what_the_project_can():
    port = json.loads(text("packaging/vcpkg/parmap/vcpkg.json"))
    assert sorted(port["features"]) == ["async", "checkpoint"]
    options = set(re.findall(r"^option\((PARMAP_\w+)", text("CMakeLists.txt"), re.MULTILINE))
    for each in (*PACKAGING.glob("*/*"), *PACKAGING.glob("*/*/*")):
        if each.is_file():
            unknown = set(re.findall(r"\b(PARMAP_BUILD_[A-Z]+|PARMAP_INSTALL)\b", each.read_text(encoding="utf-8"))) - options
            assert not unknown, (each, unknown)
