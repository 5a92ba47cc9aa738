# SPDX-License-Identifier: MIT
"""Searches an endless input until it has found enough: primes of the form n * n + 1, in order.

The generator is read only a little ahead of the workers. Leaving the loop ends the tasks that still run.
"""

import itertools
import sys

import parmap

WANTED = 20


def is_prime(n):
    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))


def candidates():
    for n in itertools.count(1):
        yield n * n + 1


def main():
    found = []
    with parmap.stream(is_prime, candidates(), ordered=True) as outcomes:
        for outcome in outcomes:
            if not outcome:
                print(outcome.failure, file=sys.stderr)
            elif outcome.value:
                found.append(*outcome.task)
            if len(found) == WANTED:
                break
    print(*found)
    summary = outcomes.summary()
    print(f"{summary.tasks} numbers tried, {summary.failed} failed")


if __name__ == "__main__":
    main()
