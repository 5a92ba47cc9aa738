# SPDX-License-Identifier: MIT
"""One value for many tasks: a sum and a histogram, with the same bits for any number of workers."""

import argparse
import operator
import sys

import parmap


def population(i):
    """Of the logistic map, which is chaotic: where the population is after 20 years."""
    x = (i + 0.5) / 1e5
    for _ in range(20):
        x = 3.9 * x * (1 - x)
    return x


def count(seen, i):
    seen[min(9, int(population(i) * 10))] += 1


def merge(seen, more):
    for k, each in enumerate(more):
        seen[k] += each


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--engine", default="multi", help="threads, serial or multi (default)")
    arguments.add_argument("--workers", type=int, default=0, help="the largest number of workers; 0: the engine's own choice")
    arguments.add_argument("--tasks", type=int, default=100_000, help="how many populations (default: 100000)")
    chosen = arguments.parse_args()
    starts = range(chosen.tasks)

    sums = {
        parmap.map_reduce(population, operator.add, starts, initial=0.0, engine=chosen.engine, n_worker=workers)
        for workers in (1, 2, 3, 8)
    }
    same = "bit by bit the same" if len(sums) == 1 else "not the same"
    print(f"the mean is {sums.pop() / chosen.tasks:.6f}, {same} for 1, 2, 3 and 8 workers\n")

    seen = parmap.fold([0] * 10, count, merge, range(2000), engine=chosen.engine, n_worker=chosen.workers or None)
    for k, each in enumerate(seen):
        print(k / 10, "#" * (each * 60 // max(seen)))
    return 0 if same.startswith("bit") else 1


sys.exit(main())
