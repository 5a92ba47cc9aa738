# SPDX-License-Identifier: MIT
"""The same map on three engines: which numbers are primes, and how long it takes to find out."""

import argparse
import math
import os
import sys
import time

from parmap import parmap


def is_prime(n):
    if n < 2:
        return False
    return all(n % d for d in range(2, math.isqrt(n) + 1))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--workers", type=int, default=0, help="the largest number of workers; 0: the engine's own choice")
    arguments.add_argument("--below", type=int, default=500_000, help="count the primes below this number (default: 500000)")
    chosen = arguments.parse_args()
    candidates = range(chosen.below)

    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load >= 0.25 * cores:
        print(f"Other programs are running (load average {load:.1f} on {cores} cores): the speed-up will be smaller.\n")

    counts = []
    print("engine   seconds   speed-up   primes")
    for engine in ("serial", "threads", "multi"):
        start = time.perf_counter()
        found = parmap(is_prime, candidates, engine=engine, n_worker=chosen.workers or None)
        seconds = time.perf_counter() - start
        if engine == "serial":
            serial_seconds = seconds
        counts.append(sum(found))
        print(f"{engine:7}{seconds:9.3f}{serial_seconds / seconds:11.2f}{counts[-1]:9}")

    agree = len(set(counts)) == 1
    print("\nThe counts agree." if agree else "\nThe counts differ!")
    print("(One thread at a time runs Python: threads are for functions that wait, or that release the GIL.)")
    return 0 if agree else 1


sys.exit(main())
