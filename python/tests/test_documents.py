# SPDX-License-Identifier: MIT
"""The Python blocks of README.md and docs: each runs as a program, gives what its comments say and prints the ```text behind it.

`# [..]` behind a statement is the list that it gives (more words may follow it).
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import needs

ROOT = Path(__file__).resolve().parents[2]
#: Libraries that an environment for tests need not have: ./test --soak installs them all.
LIBRARIES = ("dask", "dynesty", "emcee", "scipy", "sklearn")
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\s*```text\n(.*?)^```\n)?", re.S | re.M)


def blocks():
    for page in [ROOT / "README.md", ROOT / "python" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for found in BLOCK.finditer(text):
            line = text.count("\n", 0, found.start(1))
            yield pytest.param(*found.groups(), id=f"{page.relative_to(ROOT)}:{line}")


BLOCKS = list(blocks())


def checked(source):
    """The block, with an assertion for each comment that says what a statement gives; and how many."""
    lines = source.splitlines()
    body = []
    count = 0
    for statement in ast.parse(source).body:
        body.append(statement)
        said = re.search(r"# (\[.*\])", lines[statement.end_lineno - 1])
        if said is None or not isinstance(statement, (ast.Expr, ast.Assign)):
            continue
        count += 1
        given = ast.Assign([ast.Name("_given", ast.Store())], statement.value)
        if isinstance(statement, ast.Expr):
            body[-1] = given
        else:
            statement.targets.append(ast.Name("_given", ast.Store()))
        body += ast.parse(f"assert _given == {said[1]}, f'line {statement.lineno} gives {{_given}}'").body
    return ast.unparse(ast.fix_missing_locations(ast.Module(body, []))), count


def test_links_of_the_page_on_the_index_are_absolute_and_lead_to_files():
    """There is no folder beside it there; the address has one home, pyproject.toml."""
    home = re.search(r'^Repository = "(.*)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)[1]
    links = re.findall(r"\]\((.*?)\)", (ROOT / "python" / "README.md").read_text(encoding="utf-8"))
    assert links and all(each.startswith(f"{home}/") and (ROOT / each.removeprefix(f"{home}/")).is_file() for each in links), links


def test_there_are_blocks():
    assert len(BLOCKS) >= 2
    assert sum(checked(block.values[0])[1] for block in BLOCKS) >= 6


@pytest.mark.parametrize("source, output", BLOCKS)
def test_block(source, output, tmp_path):
    for name in LIBRARIES:
        if re.search(rf"^(import|from) {name}\b", source, re.M):
            pytest.importorskip(name)
    for engine, library in (("dask", "distributed"), ("mpi", "mpi4py")):
        if f'engine="{engine}"' in source:
            needs(library, "cloudpickle")
    program = tmp_path / "block.py"
    program.write_text(checked(source)[0], encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", program],
        cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == (output or "")
