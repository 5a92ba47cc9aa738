# SPDX-License-Identifier: MIT
"""Inputs and tasks of the tests of streams."""

import os
import threading
import time

main = os.getpid()


class Counting:
    """An endless iterator that counts what was read of it."""

    def __init__(self):
        self.read = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.read += 1
        return self.read - 1


def square(x):
    return x * x


def fail_at_3(x):
    if x == 3:
        raise ValueError("three")
    return x


def forever(i):
    """Of threads it can be interrupted."""
    if i > 0:
        while True:
            time.sleep(3600 if os.getpid() != main else 0.001)
    return i


def processes_below(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            found = [int(each) for each in file.read().split()]
    except OSError:
        return []
    return [*found, *(each for child in found for each in processes_below(child))]


def processes_below_of_this_thread():
    with open(f"/proc/self/task/{threading.get_native_id()}/children") as file:
        return [int(each) for each in file.read().split()]


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
