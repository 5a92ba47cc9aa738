# SPDX-License-Identifier: MIT
"""Each message of a checkpoint stands in docs/troubleshooting.md, and each that stands there is one of the code."""

import functools
import re
from pathlib import Path

import pytest

import parmap as package

ROOT = Path(__file__).resolve().parents[2]
#: Where the texts of the messages are.
MODULES = ("_axis_positions", "_checkpoint_file", "_checkpoint_run", "_errors", "_load", "_row_writer", "_stored_fold", "_stored_tasks", "_sweep")


def messages_of_the_page():
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    section = page.partition("## A checkpoint is refused")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(.*?)` \|", section, re.M)


@functools.cache
def text_of_the_code():
    """The strings of the modules, with what is filled in left out, and joined where they go on in the next line."""
    folder = Path(package.__file__).parent
    text = "\n".join((folder / f"{name}.py").read_text(encoding="utf-8") for name in MODULES)
    text = re.sub(r"['\"]\n\s*f?['\"]", "", text)
    return re.sub(r"\{[^{}]*\}", "...", text).replace('\\"', '"')


@pytest.mark.parametrize("message", messages_of_the_page())
def test_a_message_of_the_page_is_one_of_the_code(message):
    code = text_of_the_code()
    for part in re.split(r"\.\.\.|4096|100000| there is| stored: |another sweep: |format 1$", message):  # what is filled in
        assert part.strip(" :;,()") in code, part


def test_the_page_has_them():
    assert len(messages_of_the_page()) >= 25
