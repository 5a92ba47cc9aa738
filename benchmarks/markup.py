# SPDX-License-Identifier: MIT
"""Tables in Markdown, and numbers with three significant digits."""

import math
from statistics import median


def number(value: float) -> str:
    """Format a number with three significant digits."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}" if value > 0 else "0"


def spread(values, show=number) -> str:
    """Format the median, the least and the greatest value."""
    return f"{show(median(values))} ({show(min(values))} .. {show(max(values))})" if values else "-"


def row(columns) -> str:
    return "| " + " | ".join(columns) + " |"


def head(columns) -> list:
    return [row(columns), "|---" * len(columns) + "|"]


def put(text: str, lines, name: str, maker: str = "") -> str:
    """Return the page with these lines between the markers of this name."""
    begin, end = f"<!-- {name}: made by benchmarks/{maker or name}.py -->", f"<!-- end of {name} -->"
    before, rest = text.split(begin)
    return before + "\n".join([begin, "", *lines, "", end]) + rest.split(end)[1]
