# SPDX-License-Identifier: MIT
"""The options of a fold, checked for all of its tasks at once, where it does not run as one map after the other."""

from __future__ import annotations

import functools
from typing import Any

from . import _reduction_steps
from ._arguments import Request
from ._imap import _DEFAULTS
from ._map import ask
from ._progress import Reporter
from ._reduction_inputs import axes_of, grid_of
from ._unknown_name import unknown_argument


def request_of(steps: Any, **options: Any) -> tuple[Request, Reporter]:
    """`options`: in place of those of the fold."""
    if unknown := [each for each in steps._options if each not in _DEFAULTS]:
        raise unknown_argument("parmap.fold", unknown)
    options = {**_DEFAULTS, **steps._options, **options, "grid": grid_of(steps._product)}
    reporter, label = options.pop("reporter"), options.pop("label")
    first = functools.partial(_reduction_steps.stepped, steps._step, steps._fargs, steps._identity)
    return ask(reporter, label, func=first, args=tuple(axes_of(steps._product)), **options)
