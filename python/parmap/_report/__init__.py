# SPDX-License-Identifier: MIT
"""python -m parmap report: what a trace or a checkpoint tells of a map, in the terminal or as a page.

In reading order: _facts.py (what a report knows), _trace_file.py, _checkpoint_file.py and _of_results.py (where it comes from),
_text.py (the terminal), _figures.py and _page.py (the page, with page.js and page.css).
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

from ._facts import Facts, NotReadable


def facts_of_file(path: str) -> Facts:
    """Of a trace or a checkpoint, or of the checkpoints that a pattern names. Raises NotReadable."""
    try:
        from .._part_files import paths_of

        paths = paths_of(path)
    except ImportError:  # without sqlite3 there are traces only
        paths = None
    except OSError as error:
        raise NotReadable(f"{path}: {error.strerror}") from None
    if paths is not None:
        from ._checkpoint_file import read_parts

        return read_parts(path, paths)
    try:
        with open(path, "rb") as file:
            begin = file.read(16)
    except OSError as error:
        raise NotReadable(f"{path}: {error.strerror}") from None
    if begin == b"SQLite format 3\0":
        from ._checkpoint_file import read_checkpoint

        return read_checkpoint(path)
    from ._trace_file import read_trace

    return read_trace(path, packed=begin[:2] == b"\x1f\x8b")


def write_page(facts: Facts, path: Any) -> None:
    """Raises ImportError without plotly, OSError."""
    from ._page import page_of

    text = page_of(facts)
    place = os.path.realpath(path)
    if os.path.exists(place) and not os.path.isfile(place):  # /dev/stdout
        with open(place, "w", encoding="utf-8") as file:
            file.write(text)
        return
    fresh = f"{place}.tmp"
    try:
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(fresh, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(fresh)
        raise
