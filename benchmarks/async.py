#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the engine async in Python with asyncio.gather under a semaphore: a Markdown table on stdout.

Every run is a new process; the two take turns. Run it with build/python/venv/bin/python, on an otherwise idle machine.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

MOST = 1.2  # times gather's time
WORKLOADS = {  # name: tasks, at a time, seconds each waits
    "100 000 that do not wait, 100 at once": (100_000, 100, None),
    "100 000 x sleep(0), 100 at once": (100_000, 100, 0),
    "10 000 x 10 ms, 100 at once": (10_000, 100, 0.01),
    "10 000 x 50 ms, 1000 at once": (10_000, 1000, 0.05),
}


def task(seconds):
    async def plain(i):
        return i

    async def wait(i):
        await asyncio.sleep(seconds)
        return i

    return plain if seconds is None else wait


def by_gather(f, n, at_once):
    async def all_of_them():
        room = asyncio.Semaphore(at_once)

        async def one(i):
            async with room:
                return await f(i)

        return await asyncio.gather(*(one(i) for i in range(n)))

    return asyncio.run(all_of_them())


def by_parmap(f, n, at_once):
    from parmap import parmap

    return parmap(f, range(n), engine="async", n_worker=at_once, reporter="silent")


def by_parmap_with_limit(f, n, at_once):
    from parmap import parmap

    return parmap(f, range(n), engine="async", n_worker=at_once, timeout_sec=3600, reporter="silent")


HOW = {"gather": by_gather, "parmap": by_parmap, "parmap with a limit": by_parmap_with_limit}


def kilobytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(how, name):
    """Measure in this process, made for it: seconds, and by how many kB its memory has grown at most."""
    n, at_once, seconds = WORKLOADS[name]
    HOW[how](task(0), 10, 10)  # imports
    before = kilobytes()
    begun = time.perf_counter()
    results = HOW[how](task(seconds), n, at_once)
    took = time.perf_counter() - begun
    assert list(results) == list(range(n))
    print(json.dumps([took, kilobytes() - before]))


def spread(values, digits):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} .. {max(values):.{digits}f})"


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=9, help="runs of each (default: 9)")
    arguments.add_argument("--only", choices=WORKLOADS, help="only this workload")
    arguments.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.measure:
        measure(*chosen.measure)
        return 0

    print(f"Python {platform.python_version()}, {chosen.runs} runs each, load before: {os.getloadavg()[0]:.2f}\n")
    print(f"| workload | | {' | '.join(HOW)} | parmap / gather |\n|---|---|{'---|' * len(HOW)}---|")
    missed = []
    for name in [chosen.only] if chosen.only else WORKLOADS:
        found = {how: [] for how in HOW}
        for _ in range(chosen.runs):
            for how, all_of_it in found.items():
                command = [sys.executable, __file__, "--measure", how, name]
                all_of_it.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=300).stdout))
        for k, (what, unit, digits) in enumerate([("ms", 1e3, 1), ("kB more", 1, 0)]):
            values = {how: [each[k] * unit for each in all_of_it] for how, all_of_it in found.items()}
            ratio = statistics.median(values["parmap"]) / max(statistics.median(values["gather"]), 1)
            cells = " | ".join(spread(each, digits) for each in values.values())
            print(f"| {name if k == 0 else ''} | {what} | {cells} | {ratio:.2f} |", flush=True)
            if k == 0 and ratio > MOST:
                missed.append(name)
    print(f"\nTarget: at most {MOST} times gather's time. Missed: {'; '.join(missed) if missed else 'none.'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
