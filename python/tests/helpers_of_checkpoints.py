# SPDX-License-Identifier: MIT
"""What the tests of checkpoints map, and a look into the file."""

import sqlite3
import struct
import threading
from dataclasses import dataclass

import numpy

from parmap import rng


@dataclass(frozen=True)
class Price:
    mean: float
    error: float
    note: str = "none"


def draw(mu, x0):
    """Another number for each task, which depends on its random stream."""
    return mu * x0 + rng().random()


def add(x, n=1):
    return x + n


class Broken:
    """A task that fails while this is set, under engines of this process and those that fork. A checkpoint does not compare it."""

    now = threading.Event()

    def __enter__(self):
        self.now.set()

    def __exit__(self, *raised):
        self.now.clear()


def fragile(x):
    if Broken.now.is_set() and x % 3 == 0:
        raise ValueError(f"no convergence for {x}")
    return x + rng().random()


def rows(path, query):
    with_path = sqlite3.connect(path)
    try:
        return with_path.execute(query).fetchall()
    finally:
        with_path.close()


def same(a, b):
    """Bit for bit, and of the same type."""
    if type(a) is not type(b):
        return False
    if isinstance(a, numpy.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, numpy.generic):
        return a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)
    return a == b
