# SPDX-License-Identifier: MIT
"""Compare expected text, in which a wildcard stands for any text within a line, with actual text."""

import difflib
import re

WILDCARD = "{*}"


def line_matches(expected: str, actual: str, wildcard: str) -> bool:
    """Return whether one line matches the expected line."""
    pattern = ".*".join(re.escape(part) for part in expected.split(wildcard))
    return re.fullmatch(pattern, actual) is not None


def difference(expected: str, actual: str, expected_name: str, actual_name: str, wildcard: str = WILDCARD) -> str:
    """Return a unified diff, empty if the texts agree."""
    want, have = expected.splitlines(), actual.splitlines()
    # Lines that match by a wildcard are made equal, so that the diff shows only the others.
    matcher = difflib.SequenceMatcher(None, want, have, autojunk=False)
    shown = list(want)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "replace" and i2 - i1 == j2 - j1:
            for i, j in zip(range(i1, i2), range(j1, j2)):
                if line_matches(want[i], have[j], wildcard):
                    shown[i] = have[j]
    return "\n".join(difflib.unified_diff(shown, have, expected_name, actual_name, lineterm=""))
