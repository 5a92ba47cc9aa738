# SPDX-License-Identifier: MIT
"""A parameter study that survives its program: option prices over strikes and volatilities by Monte Carlo, kept in a file. Kill it
at any moment and call it again: it runs what is missing. More strikes, or interest rates as a new axis, add to what is there."""

import argparse
import csv
import math
import sys
from dataclasses import dataclass

import numpy

import parmap
from parmap import parmap as pmap

SPOT = 100.0  # the price of the share today
RATE = 0.02  # interest a year; the option ends in a year


@dataclass
class Price:
    mean: float
    error: float  # standard error of the mean


def simulate(strike, volatility, rate=RATE):
    """A call: the right to buy the share for `strike` in a year. The mean of what it is worth then, over many possible years."""
    paths = 400_000
    end = SPOT * numpy.exp(rate - volatility**2 / 2 + volatility * parmap.rng().standard_normal(paths))
    worth = math.exp(-rate) * numpy.maximum(end - strike, 0.0)
    return Price(float(worth.mean()), float(worth.std() / math.sqrt(paths)))


def exact(strike, volatility, rate=RATE):
    """Black and Scholes, J. Political Economy 81 (1973) 637."""

    def normal(x):
        return math.erfc(-x / math.sqrt(2)) / 2

    d = (math.log(SPOT / strike) + rate + volatility**2 / 2) / volatility
    return SPOT * normal(d) - strike * math.exp(-rate) * normal(d - volatility)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--workers", type=int, default=0, help="the largest number of workers; 0: the engine's own choice")
    arguments.add_argument("--strikes", type=int, default=10, help="how many strikes (default: 10)")
    arguments.add_argument("--rates", type=int, default=1, help="how many interest rates; of more than 1 they are a new axis")
    arguments.add_argument("--output", help="a file for the table, in CSV")
    arguments.add_argument("file", help="where the prices are kept")
    chosen = arguments.parse_args()

    grid = {"strike": [80 + 2.5 * k for k in range(chosen.strikes)], "volatility": [0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6]}
    if chosen.rates > 1:
        grid["rate"] = [RATE + 0.01 * k for k in range(chosen.rates)]
    prices = pmap(
        simulate, grid=grid, seed=1, n_worker=chosen.workers or None, on_error="raise",
        checkpoint=parmap.checkpoint(chosen.file, existing={"rate": RATE} if chosen.rates > 1 else None),
        reporter=lambda i, n: print(i + 1, "of", n, "tasks", flush=True),
    )  # fmt: skip

    if chosen.output:
        with open(chosen.output, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow([*grid, "mean", "error"])
            table.writerows([*task.values(), price.mean, price.error] for task, price in zip(prices.tasks, prices))
    largest = max(abs(price.mean - exact(**task)) / price.error for task, price in zip(prices.tasks, prices))
    print(f"{len(prices)} prices, {len(prices.stored)} of them stored before; the largest deviation from Black-Scholes is {largest:.1f} standard errors")
    return 0 if largest < 5 else 1


sys.exit(main())
