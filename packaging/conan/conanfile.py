# SPDX-License-Identifier: MIT
"""Conan's recipe, for the checkout that it lies in: conan create packaging/conan"""

import re
from pathlib import Path

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir

required_conan_version = ">=2.1"


class Parmap(ConanFile):
    name = "parmap"
    description = "A parallel map for C++20: every core busy, and no task can take the map down"
    license = "MIT"
    homepage = "https://example.org/parmap"
    topics = ("parallel", "fork", "process-pool", "threads", "scientific-computing")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False], "fPIC": [True, False], "with_asio": [True, False], "with_sqlite": [True, False]}
    default_options = {"shared": False, "fPIC": True, "with_asio": False, "with_sqlite": False}
    implements = ["auto_shared_fpic"]

    def set_version(self):
        text = load(self, Path(self.recipe_folder).parent.parent / "include" / "parmap" / "version.hpp")
        self.version = ".".join(re.findall(r"^#define PARMAP_VERSION_\w+ (\d+)", text, re.MULTILINE))

    def export_sources(self):
        project = Path(self.recipe_folder).parent.parent
        for each in ("CMakeLists.txt", "LICENSE", "cmake/*", "include/*", "src/*"):
            copy(self, each, project, self.export_sources_folder)

    def requirements(self):
        # Headers of parmap include theirs.
        if self.options.with_asio:
            self.requires("asio/[>=1.22 <2]", transitive_headers=True)
        if self.options.with_sqlite:
            self.requires("sqlite3/[>=3.40 <4]", transitive_headers=True, transitive_libs=True)

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration(f"parmap needs Linux, but this is {self.settings.os}")
        check_min_cppstd(self, 20)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        for each in ("TESTS", "EXAMPLES", "BENCH"):
            toolchain.cache_variables[f"PARMAP_BUILD_{each}"] = False
        toolchain.cache_variables["PARMAP_INSTALL"] = True
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, Path(self.package_folder) / "licenses")
        CMake(self).install()
        # Conan writes what CMake and pkg-config read.
        for each in (("lib", "cmake"), ("lib", "pkgconfig"), ("share",)):
            rmdir(self, Path(self.package_folder).joinpath(*each))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "parmap")
        library = self.cpp_info.components["parmap"]
        library.set_property("cmake_target_name", "parmap::parmap")
        library.set_property("pkg_config_name", "parmap")
        library.libs = ["parmap"]
        library.defines = ["PARMAP_COMPILED"] + (["PARMAP_SHARED"] if self.options.shared else [])
        library.system_libs = ["pthread", "dl"]
        headers = self.cpp_info.components["header_only"]
        headers.set_property("cmake_target_name", "parmap::header_only")
        headers.libdirs, headers.bindirs = [], []
        headers.system_libs = ["pthread", "dl"]
        if self.options.with_asio:
            engine = self.cpp_info.components["async"]
            engine.set_property("cmake_target_name", "parmap::async")
            engine.requires = ["parmap", "asio::asio"]
            engine.libdirs, engine.bindirs = [], []
            if "clang" in str(self.settings.compiler):
                engine.defines = ["ASIO_HAS_CO_AWAIT=1", "ASIO_HAS_STD_COROUTINE=1"]
        if self.options.with_sqlite:
            store = self.cpp_info.components["checkpoint"]
            store.set_property("cmake_target_name", "parmap::checkpoint")
            store.requires = ["parmap", "sqlite3::sqlite3"]
            store.libdirs, store.bindirs = [], []
