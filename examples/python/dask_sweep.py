# SPDX-License-Identifier: MIT
"""A parameter study on a Dask cluster: the same call as on one machine. Needs distributed (pip install distributed).

Without an argument it uses a cluster on this computer; with the address of a scheduler, that one: dask_sweep.py tcp://host:8786
Some of the tasks crash or hang, as those of a study do. They cost themselves alone.
"""

import os
import sys
import time

import parmap
from parmap import parmap as pmap


def settle(mu, x0, steps=2000):
    """Iterate the logistic map from x0, and return the mean of its second half."""
    if mu > 4:
        os.abort()  # as a library does that finds its input wrong
    if x0 == 0:
        time.sleep(1000)  # as an iteration does that never converges
    x, total = x0 + 1e-3 * parmap.rng().random(), 0.0
    for step in range(steps):
        x = mu * x * (1 - x)
        if step >= steps // 2:
            total += x
    return total / (steps - steps // 2)


def main(address=None):
    if address is None:
        engine = "dask"
    else:
        import distributed

        engine = distributed.Client(address)
    grid = dict(mu=[2.5, 3.2, 3.7, 4.5], x0=[0, 0.1, 0.3, 0.5])
    results = pmap(settle, grid=grid, engine=engine, seed=1, timeout_sec=1, on_error=lambda func, task, error: None)
    for task, mean in zip(results.tasks, results):
        print(f"mu={task['mu']}, x0={task['x0']}: {'no value' if mean is None else f'{mean:.3f}'}")
    for cause in results.failures.causes():
        print(f"{cause.count} x {cause.kind}")
    here = pmap(settle, grid=grid, seed=1, timeout_sec=1, on_error=lambda func, task, error: None)
    print("The values of this computer alone are the same:", list(results) == list(here))


if __name__ == "__main__":
    main(*sys.argv[1:])
