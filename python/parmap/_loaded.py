# SPDX-License-Identifier: MIT
"""Modules that the program has imported already."""

from __future__ import annotations

import sys
from typing import Any


def loaded(name: str) -> Any:
    """The module; None if it has not been imported. Not by dict.get(), which takes the dict's lock in a Python without a GIL: at
    a fork another thread may hold that, and a worker would wait for it for ever."""
    try:
        return sys.modules[name]
    except KeyError:
        return None
