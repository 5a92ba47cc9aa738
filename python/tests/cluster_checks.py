# SPDX-License-Identifier: MIT
"""What holds on each cluster: dask_cases.py and mpi_program.py check it."""

import math
import operator
import random

import parmap


def add(found, i):
    found[0] += math.sin(i) / (1 + i)  # the last bits tell the order
    found[1] = (found[1] * 31 + i) % 2**61
    return None


def combine(a, b):
    return [a[0] + b[0], (a[1] * 31 + b[1]) % 2**61]


def draw(total, mu, n):
    return total + mu * random.Random(parmap.context().index).random() + n


def check_folds(engine):
    """The same bits as on one machine."""
    assert parmap.fold([0.0, 0], add, combine, [], engine=engine) == [0.0, 0]
    here = parmap.fold([0.0, 0], add, combine, range(2500), engine="serial")
    r = parmap.fold([0.0, 0], add, combine, range(2500), full=True, times=True, seed=3, engine=engine)
    assert r.value == here and r.ok and r.size == 2500 and r.seed == 3 and r.summary().slowest[0].index < 2500
    grid = dict(mu=[k / 7 for k in range(60)], n=range(50))
    chosen = dict(grid=grid, where=lambda mu, n: mu > 1 or n % 2)
    assert parmap.fold(0.0, draw, operator.add, engine=engine, **chosen) == parmap.fold(0.0, draw, operator.add, engine="serial", **chosen)
