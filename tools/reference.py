#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the reference's pages with the public names: reference.py ROOT DOXYGEN-XML.

A public name of C++ is one of namespace parmap (not of parmap::detail) whose comment does not say that it is for engines; one of Python stands in
parmap.__all__. Each has to stand on its page, and a public member of a class that is shown with its members has to have a comment.
"""

import ast
import re
import sys
import xml.etree.ElementTree as Tree
from pathlib import Path


STANDARD = {"begin", "end", "size", "empty", "front", "back"}  # as in any range


def text(node) -> str:
    return " ".join("".join(node.itertext()).split()) if node is not None else ""


def comment(node) -> str:
    return f"{text(node.find('briefdescription'))} {text(node.find('detaileddescription'))}".strip()


def names_of_cpp(xml: Path):
    """Yield each public name and its node."""
    for compound in Tree.parse(xml / "index.xml").getroot().iter("compound"):
        kind, name = compound.get("kind"), compound.findtext("name")
        if "detail" in name.split("::") or not name.startswith("parmap") or "<" in name or name.count("::") > 1:
            continue  # what belongs to a class is shown with it
        definition = Tree.parse(xml / f"{compound.get('refid')}.xml").getroot().find("compounddef")
        if kind in ("class", "struct", "concept"):
            yield name, definition
        elif kind == "namespace":
            for member in definition.iter("memberdef"):
                if member.get("kind") in ("function", "variable", "enum", "typedef"):
                    yield f"{name}::{member.findtext('name')}", member


def check_cpp(page: str, xml: Path):
    for name, node in names_of_cpp(xml):
        if node.get("prot") == "private" or re.search(r"operator|deleted", name) or "or engines" in comment(node) or "=delete" in (node.findtext("argsstring") or ""):
            continue
        if not re.search(rf"{re.escape(name)}\b", page):
            yield f"C++: {name} is not on the page"
        if not comment(node) and node.get("kind") != "function":
            yield f"C++: {name} has no comment"
        shown = re.search(rf"doxygen(?:class|struct):: {re.escape(name)}\n   :members:", page)
        if not shown:
            continue
        members = [each for each in node.iter("memberdef") if each.get("kind") in ("function", "variable") and each.get("prot") == "public"]
        told = {each.findtext("name") for each in members if comment(each)} | STANDARD  # one of several overloads is enough
        for member in members:
            of_language = re.match(r"~|operator=$", member.findtext("name")) or member.findtext("name") == name.split("::")[-1]
            if not of_language and "=delete" not in (member.findtext("argsstring") or "") and member.findtext("name") not in told:
                yield f"C++: {name}::{member.findtext('name')} has no comment"
        for value in node.iter("enumvalue"):
            if not comment(value):
                yield f"C++: {value.findtext('name')} has no comment"


def check_python(page: str, package: Path):
    module = ast.parse((package / "__init__.py").read_text(encoding="utf-8"))
    public = next(ast.literal_eval(each.value) for each in ast.walk(module) if isinstance(each, ast.Assign) and getattr(each.targets[0], "id", "") == "__all__")
    for name in public:
        if not re.search(rf"parmap\.{name}\b", page):
            yield f"Python: {name} is not on the page"


def main() -> int:
    root, xml = Path(sys.argv[1]), Path(sys.argv[2])
    pages = root / "docs" / "reference"
    faults = [
        *check_cpp((pages / "cpp.md").read_text(encoding="utf-8"), xml),
        *check_python((pages / "python.md").read_text(encoding="utf-8"), root / "python" / "parmap"),
    ]
    for each in dict.fromkeys(faults):
        print(each, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
