# SPDX-License-Identifier: MIT
"""Fits a line to measurements with emcee, whose walkers move on all cores.

emcee computes the log probability of half of the walkers at a time: a thousand small maps, for which the workers stay.
"""

import time

import emcee
import numpy as np

import parmap

WALKERS = 32
STEPS = 500


def measurements():
    rng = np.random.default_rng(7)
    x = np.sort(rng.uniform(0, 10, 50))
    return x, 4.3 - 0.96 * x + rng.normal(0, 0.4, x.size)


def log_probability(theta, x, y):
    slope, offset, log_sigma = theta
    if not (-5 < slope < 5 and 0 < offset < 10 and -5 < log_sigma < 2):
        return -np.inf
    residuals = (y - slope * x - offset) / np.exp(log_sigma)
    return -0.5 * np.sum(residuals**2) - x.size * log_sigma


def sample(pool, steps=STEPS):
    """The chain. emcee draws its numbers in this process, so the chain is the same for any pool, and for None."""
    start = np.array([-1, 4, -1]) + 1e-3 * np.random.default_rng(1).normal(size=(WALKERS, 3))
    sampler = emcee.EnsembleSampler(WALKERS, 3, log_probability, args=measurements(), pool=pool)
    sampler.random_state = np.random.RandomState(1).get_state()
    sampler.run_mcmc(start, steps)
    return sampler.get_chain(discard=steps // 5, flat=True)


def main():
    begun = time.perf_counter()
    with parmap.Executor() as pool:
        chain = sample(pool)
    seconds = time.perf_counter() - begun
    for name, mean, error in zip(("slope", "offset", "log sigma"), chain.mean(axis=0), chain.std(axis=0)):
        print(f"{name:>9} = {mean:5.2f} +- {error:.2f}")
    print(f"{2 * STEPS} maps of {WALKERS // 2} walkers in {seconds:.1f} s")


if __name__ == "__main__":
    main()
