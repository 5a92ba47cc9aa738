# SPDX-License-Identifier: MIT
"""A number that stands in the documents is the one in the code."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Where the number has its home, and what the pages say of it.
FACTS = [
    ("include/parmap/detail/coroutines/async_run_base.hpp", r"milliseconds grace\{(\d+)\}",
     [("docs/engines/async.md", "after {} ms in C++"), ("docs/howto/timeouts.md", "after {} ms in C++"), ("docs/reliability.md", "after {} ms in C++")]),
    ("python/parmap/_async.py", r"_GRACE = ([\d.]+)", [("docs/engines/async.md", "{} s in Python"), ("docs/howto/timeouts.md", "{} s in Python")]),
    ("include/parmap/detail/schedule/chunk_pacer.hpp", r"microseconds target\{(\d+)\}",
     [("docs/coming-from/onetbb.md", "chunks of some {} µs"), ("docs/internals/how-it-works.md", "{} µs")]),
    ("include/parmap/detail/schedule/deadline.hpp", r"longest_grace = std::chrono::seconds\((\d+)\)",
     [("docs/howto/timeouts.md", "a tenth of the deadline, at most {} s"), ("docs/options.md", "a tenth of it, at most {} s")]),
    ("python/parmap/_arguments.py", r"_IN_FLIGHT = (\d+)", [("docs/options.md", "`async`: {} tasks at once"), ("docs/engines/index.md", "| {}, or the number you give |")]),
    ("include/parmap/detail/encoding/aggregate_fields.hpp", r"most_fields = (\d+)", [("docs/engines/multi.md", "{} fields")]),
    ("python/parmap/_inputs.py", r"_LARGE = (\d+)", [("docs/howto/grids.md", "more than {} bytes"), ("python/parmap/_results.py", "more than {} bytes")]),
    ("include/parmap/detail/results/input_text.hpp", r"longest = (\d+)", [("docs/howto/debugging.md", "{} bytes")]),
]  # fmt: skip


@pytest.mark.parametrize("home, pattern, pages", FACTS)
def test_the_pages_say_what_the_code_does(home, pattern, pages):
    number = re.search(pattern, (ROOT / home).read_text(encoding="utf-8"))[1]
    for page, words in pages:
        assert words.format(number) in (ROOT / page).read_text(encoding="utf-8"), (page, words.format(number))


@pytest.mark.parametrize("home, pattern, number", [("include/parmap/detail/progress/progress_meter.hpp", r"patience\{(\d+)\}", "500"),
                                                   ("python/parmap/_progress.py", r"after half a second.\"\"\"\n\n    patience = ([\d.]+)", "0.5")])  # fmt: skip
def test_a_bar_appears_after_half_a_second(home, pattern, number):
    assert re.search(pattern, (ROOT / home).read_text(encoding="utf-8"))[1] == number
    for page in ("docs/options.md", "docs/howto/progress.md"):
        assert "half a second" in (ROOT / page).read_text(encoding="utf-8")
