# SPDX-License-Identifier: MIT
"""Workers that stay: a sampler that calls a small map many times, and tasks that are submitted one by one.

A map of the default engine forks its workers anew. An Executor keeps them, so that a call costs a fraction of a millisecond.
"""

import math
import os
import time
from concurrent.futures import as_completed

import parmap
from parmap import parmap as pmap

STEPS = 200
WALKERS = 50


def energy(x):
    return 8 * (x * x - 1) ** 2


def advance(x):
    """Move a walker of the Metropolis algorithm through a double well, whose minima are at -1 and 1."""
    rng = parmap.rng()
    for _ in range(20):
        moved = x + rng.normal(0, 0.5)
        if rng.random() < math.exp(min(0.0, energy(x) - energy(moved))):
            x = moved
    return x


def sample(steps, **options):
    walkers = [0.0] * WALKERS
    begun = time.perf_counter()
    for step in range(steps):
        walkers = pmap(advance, walkers, seed=step, **options)
    return list(walkers), (time.perf_counter() - begun) / steps


def simulate(x):
    if x > 2:
        os.abort()
    return math.sqrt(x)


def main():
    with parmap.Executor() as pool:
        walkers, seconds = sample(STEPS, engine=pool)
        print(f"{STEPS} maps of {WALKERS} walkers on workers that stay: {1e3 * seconds:.2f} ms a map")
        print(f"{sum(x > 0 for x in walkers)} of {WALKERS} walkers are in the right well")
        forked, seconds = sample(20)
        print(f"with workers that each map forks: {1e3 * seconds:.2f} ms a map")
        assert sample(20, engine=pool)[0] == forked

        futures = {pool.submit(simulate, x): x for x in (1.0, 2.0, 3.0)}
        for each in as_completed(futures):
            why = each.exception()
            print(f"simulate({futures[each]}):", each.result() if why is None else f"{type(why).__name__}: {why}")


if __name__ == "__main__":
    main()
