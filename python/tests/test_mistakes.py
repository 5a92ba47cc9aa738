# SPDX-License-Identifier: MIT
"""Mistakes of somebody who uses parmap for the first time: the message says what to write instead."""

import asyncio
import itertools
import threading

import pytest

import parmap as module
from parmap import parmap


def half(x):
    return x / 2


async def waits(x):
    return x


MISTAKES = {
    "the module is called": (lambda: module(half, [1]), TypeError, r"from parmap import parmap$"),
    "no iterable": (lambda: parmap(half), TypeError, "at least one iterable is needed after func"),
    "a number for an iterable": (lambda: parmap(half, 5), TypeError, "must be iterable, but is 5 .*fargs"),
    "an endless iterable": (lambda: parmap(half, itertools.count()), TypeError, "has no end: limit it, .*islice"),
    "func last": (lambda: parmap([1, 2], half), TypeError, r"func must be callable, but is \[1, 2\]"),
    "an engine's name": (lambda: parmap(half, [1], engine="processes"), ValueError, "the names are multi, threads, serial, async"),
    "an async function": (lambda: parmap(waits, [1]), TypeError, "use engine='async'"),
    "no async function": (lambda: parmap(half, [1], engine="async"), TypeError, "async def"),
    "timeout": (lambda: parmap(half, [1], timeout=5), TypeError, "'timeout': here that is timeout_sec$"),
    "n_jobs": (lambda: parmap(half, [1], n_jobs=5), TypeError, "'n_jobs': here that is n_worker$"),
    "chunksize": (lambda: parmap(half, [1], chunksize=5), TypeError, "'chunksize': leave it out"),
    "an argument of func": (lambda: parmap(half, [1], power=3), TypeError, r"goes into fargs: fargs=dict\(power=...\)"),
    "fargs that are a tuple": (lambda: parmap(half, [1], fargs=(1,)), TypeError, "fargs must be a dict"),
    "unequal lengths": (lambda: module.zip([1], [1, 2]), ValueError, "unequal lengths: 1, 2"),
    "random numbers outside": (lambda: module.rng(), RuntimeError, "is for tasks"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_says_the_remedy(mistake):
    do, kind, words = MISTAKES[mistake]
    with pytest.raises(kind, match=words) as error:
        do()
    assert "\n" not in str(error.value)


def test_a_loop_that_is_running():
    async def inside():
        return parmap(waits, [1], engine="async")

    with pytest.raises(RuntimeError, match=r"await parmap\.parmap_async"):
        asyncio.run(inside())


def test_a_result_that_cannot_leave_its_worker():
    with pytest.warns(module.ParmapWarning):
        results = parmap(lambda _: threading.Lock(), [1])
    assert "engine='threads'" in str(results.failures[0].exception)


def test_parmap_async_says_it_too():
    async def inside():
        return await module.parmap_async(waits, [1], n_jobs=2)

    with pytest.raises(TypeError, match=r"parmap_async\(\) got .*'n_jobs': here that is n_worker"):
        asyncio.run(inside())
