# SPDX-License-Identifier: MIT
"""The words of every file below some folders, compressed ones too: by parmap, and by a plain loop to compare."""

import argparse
import gzip
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path

from parmap import parmap

WORD = re.compile(rb"[a-z]{2,}")


def count_words(path):
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rb") as file:
        return Counter(WORD.findall(file.read().lower()))


def files_below(folder):
    """Also links that lead nowhere; no other links, as they lead to files elsewhere, and no pipes or devices."""
    for directory, _, names in os.walk(folder):
        for path in (os.path.join(directory, name) for name in names):
            if not os.path.exists(path) or (os.path.isfile(path) and not os.path.islink(path)):
                yield path


def plain_loop(files):
    counts, unreadable = [], []
    for path in files:
        try:
            counts.append(count_words(path))
        except Exception:
            unreadable.append(path)
    return counts, unreadable


def total(counts):
    words = Counter()
    for each in counts:
        words.update(each)
    return words


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--workers", type=int, default=0, help="at most this many workers; 0 (default): one for each core")
    default = next((folder for folder in ("/usr/share/doc", "/etc") if os.path.isdir(folder)), "/")
    arguments.add_argument("folders", nargs="*", default=[default], help=f"where to look (default: {default})")
    chosen = arguments.parse_args()
    for folder in chosen.folders:
        if not Path(folder).is_dir():
            arguments.error(f"there is no folder {folder}")
    files = sorted(path for folder in chosen.folders for path in files_below(folder))

    start = time.perf_counter()
    counts = parmap(count_words, files, n_worker=chosen.workers or None, on_error=lambda func, task, error: Counter())
    middle = time.perf_counter()
    expected, unreadable = plain_loop(files)
    end = time.perf_counter()

    for failure in counts.failures:
        print(f"{failure.task[0]!r}: {type(failure.exception).__name__}: {failure.exception}")
    words, expected_words = total(counts), total(expected)
    print(f"{len(files)} files below {', '.join(chosen.folders)}, of which {len(counts.failures)} cannot be read")
    print(f"{sum(words.values())} words, {len(words)} different ones; the most frequent:")
    print("  " + ", ".join(f"{word.decode()} {count}" for word, count in words.most_common(8)))
    print(f"parmap {middle - start:.2f} s, the plain loop {end - middle:.2f} s")

    agree = words == expected_words and [failure.task[0] for failure in counts.failures] == unreadable
    print("The counts agree." if agree else "The counts differ!")
    return 0 if agree else 1


sys.exit(main())
