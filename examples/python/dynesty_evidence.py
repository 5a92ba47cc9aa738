# SPDX-License-Identifier: MIT
"""Computes an evidence with dynesty: of a Gaussian in three dimensions whose integral is known."""

import time

import dynesty
import numpy as np

import parmap

SIGMA = 0.1
LOG_NORM = -1.5 * np.log(2 * np.pi * SIGMA**2)


def log_likelihood(theta):
    return LOG_NORM - 0.5 * np.sum(theta**2) / SIGMA**2


def prior_transform(unit):
    return 2 * unit - 1


def evidence(pool, queue_size):
    """The logarithm of the evidence, and its error."""
    sampler = dynesty.NestedSampler(log_likelihood, prior_transform, 3, nlive=200, rstate=np.random.default_rng(1), pool=pool, queue_size=queue_size)
    sampler.run_nested(dlogz=0.1, print_progress=False)
    return sampler.results.logz[-1], sampler.results.logzerr[-1]


def main():
    begun = time.perf_counter()
    with parmap.Executor() as pool:
        found, error = evidence(pool, queue_size=8)
    print(f"log evidence {found:.2f} +- {error:.2f}; exact: {-3 * np.log(2):.2f}")
    print(f"in {time.perf_counter() - begun:.1f} s")


if __name__ == "__main__":
    main()
