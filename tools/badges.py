#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the badges of README.md, docs/pictures/badge-*.svg, from what the project says of itself. --check: fails if they differ."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 6.6  # of a character, in pixels, about


def badges() -> dict:
    """Return label, value and colour of each."""
    version = ".".join(re.findall(r"#define PARMAP_VERSION_\w+ (\d+)", (ROOT / "include/parmap/version.hpp").read_text(encoding="utf-8")))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "version": ("version", version, "#3b6ea5"),
        "cpp": ("C++", re.search(r"cxx_std_(\d+)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))[1], "#3b6ea5"),
        "python": ("Python", project["requires-python"].replace(">=", "≥ "), "#3b6ea5"),
        "linux": ("Linux", "64 bit", "#3b6ea5"),
        "licence": ("licence", project["license"]["text"], "#4a7c59"),
    }


def picture(label: str, value: str, colour: str) -> str:
    left, right = (round(WIDTH * len(text) + 12) for text in (label, value))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{label}: {value}">
<rect width="{left + right}" height="20" rx="3" fill="{colour}"/>
<path d="M3 0h{left - 3}v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3" fill="#555"/>
<g fill="#fff" font-family="Verdana, DejaVu Sans, sans-serif" font-size="11" text-anchor="middle">
<text x="{left / 2:g}" y="14">{label}</text>
<text x="{left + right / 2:g}" y="14">{value}</text>
</g>
</svg>
"""


def main() -> int:
    status = 0
    for name, words in badges().items():
        file = ROOT / "docs" / "pictures" / f"badge-{name}.svg"
        if "--check" not in sys.argv[1:]:
            file.write_text(picture(*words), encoding="utf-8")
        elif not file.is_file() or file.read_text(encoding="utf-8") != picture(*words):
            print(f"{file.name} is not what the project says; run tools/badges.py", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
