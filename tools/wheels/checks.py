# SPDX-License-Identifier: MIT
"""What has to be right about the file of a wheel, before anybody installs it."""

import re
import subprocess
import sys
import zipfile

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

# What a system has for certain, by the name of the C library.
SYSTEM = {
    "manylinux": r"lib(c|m|pthread|dl|rt)\.so\.\d+|ld-linux[-\w]*\.so\.\d",
    "musllinux": r"libc\.musl-\w+\.so\.1",
}
MACHINES = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64"}


def _expect(good, message):
    if not good:
        raise AssertionError(message)


def command(*words):
    """Runs a tool, and shows what it says if it finds a fault."""
    done = subprocess.run([*map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    _expect(done.returncode == 0, done.stdout)
    return done.stdout


def metadata(wheel):
    command(sys.executable, "-m", "twine", "check", "--strict", wheel)
    command(sys.executable, "-m", "check_wheel_contents", wheel)


def _files(wheel, tag):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        told = re.findall(r"^Tag: (.*)$", archive.read(next(each for each in names if each.endswith(".dist-info/WHEEL"))).decode(), re.MULTILINE)
        _expect(told == [tag] and f"-{tag}." in wheel.name, f"the tag is {told}, the name {wheel.name}; {tag} was to be built")
        modules = [each for each in names if ".so" in each.rsplit("/", 1)[-1]]
        _expect(any(each == "parmap/py.typed" for each in names), "py.typed is missing")
        return modules


def contents_pure(wheel, tag):
    modules = _files(wheel, tag)
    _expect(not modules, f"a wheel for every system has compiled modules: {modules}")


def contents(wheel, target, folder):
    """The module has the right name and processor, needs no more than the C library, and exports one name. Returns its path."""
    modules = _files(wheel, target.tag)
    _expect(modules == [f"parmap/_parmap.{target.soabi}.so"], f"compiled modules: {modules}; expected the suffix {target.soabi}")
    with zipfile.ZipFile(wheel) as archive:
        module = archive.extract(modules[0], folder)
    with open(module, "rb") as file:
        elf = ELFFile(file)
        _expect(elf["e_machine"] == MACHINES[target.processor], f"the module is for {elf['e_machine']}")
        _expect(elf.get_section_by_name(".symtab") is None and elf.get_section_by_name(".debug_info") is None, "the module is not stripped")
        dynamic = next(each for each in elf.iter_sections() if isinstance(each, DynamicSection))
        found = {each.entry.d_tag for each in dynamic.iter_tags()}
        _expect(not found & {"DT_RPATH", "DT_RUNPATH"}, "the module has an RPATH: it would look for libraries where it was built")
        _expect("DT_TEXTREL" not in found, "the module has text relocations")
        needed = [each.needed for each in dynamic.iter_tags("DT_NEEDED")]
        odd = [each for each in needed if not re.fullmatch(SYSTEM[target.library], each)]
        _expect(not odd, f"the module needs {odd}, which not every system has")
        stack = next((each for each in elf.iter_segments() if each["p_type"] == "PT_GNU_STACK"), None)
        _expect(stack is not None and not stack["p_flags"] & 1, "the module wants an executable stack")
        symbols = next(each for each in elf.iter_sections() if isinstance(each, SymbolTableSection) and each.name == ".dynsym")
        exported = [each.name for each in symbols.iter_symbols() if each["st_shndx"] != "SHN_UNDEF" and each["st_info"]["bind"] == "STB_GLOBAL"]
        _expect(exported == ["PyInit__parmap"], f"the module exports {exported}")
    return module


def versions(wheel, target):
    """auditwheel, which knows what a platform's name promises, allows the name that the wheel has."""
    said = re.sub(r"\s+", " ", command(sys.executable, "-m", "auditwheel", "show", wheel))
    platform = target.tag.split("-", 2)[2]
    _expect(f'is consistent with the following platform tag: "{platform}"' in said, said)


def resolved_by_musl(module, loader):
    """musl's loader finds every name that the module needs, except those of the interpreter."""
    done = subprocess.run([*loader, "--list", module], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    lost = re.findall(r"Error relocating .*: (\S+): symbol not found", done.stdout)
    _expect("ld-musl" in done.stdout or lost, done.stdout)
    odd = [each for each in lost if not re.match(r"_?Py", each)]
    _expect(not odd and lost, f"musl has no {odd}\n{done.stdout}")
