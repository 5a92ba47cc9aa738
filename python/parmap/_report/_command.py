# SPDX-License-Identifier: MIT
"""python -m parmap report FILE [-o PAGE]."""

from __future__ import annotations

import argparse
import sys

from . import facts_of_file, write_page
from ._facts import NotReadable
from ._text import report_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a trace (.json or .json.gz), a checkpoint, or a pattern such as 'sweep.part*.db' for the checkpoints of all parts")
    parser.add_argument("-o", "--output", metavar="PAGE.html", help="write a page with figures; needs plotly")


def run(given: argparse.Namespace) -> int:
    try:
        facts = facts_of_file(given.file)
        print(report_text(facts))
        if given.output is not None:
            write_page(facts, given.output)
            print(f"written: {given.output}")
    except (NotReadable, ImportError) as error:
        print(f"python -m parmap report: {str(error).removeprefix('parmap: ')}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"python -m parmap report: {error}", file=sys.stderr)
        return 2
    return 0
