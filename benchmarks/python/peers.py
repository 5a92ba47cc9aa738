#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One measurement, in its own process: peers.py PEER WORKLOAD CASE SIZE WHAT. See benchmarks/python.py.

SIZE is full or quick; WHAT is time (of the map, then of a plain loop) or memory (the map alone, watched from outside). Prints a
line of JSON: seconds, loop_seconds, n and versions, or error.

A peer is made by a function that imports it, and then maps by map(f, inputs, shared): the results in input order, of f(i), or
of f(shared, i) if there is something shared. Pools are made and ended inside. All have two workers, forked where there is a
choice.
"""

import contextlib
import functools
import gc
import importlib.metadata
import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import cases

WORKERS = 2


def begun(f, shared) -> tuple:
    """For pools with an initializer: return the function to map, and the pool's arguments."""
    return (f, {}) if shared is None else (cases.call_kept, {"initializer": cases.keep, "initargs": (f, shared)})


def bound(f, shared):
    return f if shared is None else functools.partial(f, shared)


def eighths(inputs) -> int:
    """Return the chunk size of multiprocessing.Pool: four chunks for each worker."""
    return max(1, -(-len(inputs) // (4 * WORKERS)))


def one(inputs) -> int:
    return 1


def loop():
    return lambda f, inputs, shared: [bound(f, shared)(i) for i in inputs]


def our_parmap():
    from parmap import parmap
    return lambda f, inputs, shared: parmap(bound(f, shared), inputs, n_worker=WORKERS)


def our_stream(name):
    import parmap
    return lambda f, inputs, shared: list(getattr(parmap, name)(bound(f, shared), inputs, n_worker=WORKERS))


def pool_stream(chunksize=1):
    context = multiprocessing.get_context("fork")

    def run(f, inputs, shared):
        f, begin = begun(f, shared)
        with context.Pool(WORKERS, **begin) as pool:
            return list(pool.imap_unordered(f, inputs, chunksize=chunksize))
    return run


def pool_map(chunksize=None, pickled=False):
    context = multiprocessing.get_context("fork")

    def run(f, inputs, shared):
        f, begin = (bound(f, shared), {}) if pickled else begun(f, shared)
        with context.Pool(WORKERS, **begin) as pool:
            return pool.map(f, inputs, chunksize=chunksize)
    return run


def executor_map(chunksize=eighths):
    from concurrent.futures import ProcessPoolExecutor
    context = multiprocessing.get_context("fork")

    def run(f, inputs, shared):
        f, begin = begun(f, shared)
        with ProcessPoolExecutor(WORKERS, context, **begin) as executor:
            return list(executor.map(f, inputs, chunksize=chunksize(inputs)))
    return run


def loky_map(chunksize=eighths):
    from loky import ProcessPoolExecutor

    def run(f, inputs, shared):
        f, begin = begun(f, shared)
        with ProcessPoolExecutor(WORKERS, **begin) as executor:
            return list(executor.map(f, inputs, chunksize=chunksize(inputs)))
    return run


def joblib_map(batch_size=lambda inputs: "auto"):
    """Workers live on for the next call, so their end is not measured. joblib itself shares large arrays by a file."""
    from joblib import Parallel, delayed

    def run(f, inputs, shared):
        before = () if shared is None else (shared,)
        return Parallel(n_jobs=WORKERS, batch_size=batch_size(inputs))(delayed(f)(*before, i) for i in inputs)
    return run


def joblib_stream():
    from joblib import Parallel, delayed

    def run(f, inputs, shared):
        before = () if shared is None else (shared,)
        return list(Parallel(n_jobs=WORKERS, return_as="generator")(delayed(f)(*before, i) for i in inputs))
    return run


def mpire_stream():
    from mpire import WorkerPool

    def run(f, inputs, shared):
        with WorkerPool(n_jobs=WORKERS, start_method="fork", shared_objects=shared) as pool:
            return list(pool.imap_unordered(f, inputs))
    return run


def mpire_map():
    from mpire import WorkerPool

    def run(f, inputs, shared):
        with WorkerPool(n_jobs=WORKERS, start_method="fork", shared_objects=shared) as pool:
            return pool.map(f, inputs, concatenate_numpy_output=False)
    return run


def pebble_map(chunksize=eighths):
    from pebble import ProcessPool
    context = multiprocessing.get_context("fork")

    def run(f, inputs, shared):
        f, begin = begun(f, shared)
        with ProcessPool(max_workers=WORKERS, context=context, **begin) as pool:
            return list(pool.map(f, inputs, chunksize=chunksize(inputs)).result())
    return run


def python_parmap():
    from parmap import parmap

    def run(f, inputs, shared):
        f = bound(f, shared)
        if not hasattr(f, "__name__"):
            f.__name__ = "f"  # python-parmap reads it
        return parmap(f, inputs, engine="multi", n_simul=WORKERS, reporter="silent", timeout_sec=1e6)
    return run


def fork_by_hand():
    """Gives each worker a share, in shared memory. It has no guarantees: a task that fails, or returns no int64, ends it."""
    import array
    import mmap
    import os

    def run(f, inputs, shared):
        n = len(inputs)
        with mmap.mmap(-1, 8 * n) as memory:
            children = []
            workers = min(WORKERS, n)
            for w in range(workers):
                begin, end = w * n // workers, (w + 1) * n // workers
                if (child := os.fork()) == 0:
                    memory[8 * begin:8 * end] = array.array("q", map(f, inputs[begin:end])).tobytes()
                    os._exit(0)
                children.append(child)
            for child in children:
                os.waitpid(child, 0)
            return array.array("q", memory[:]).tolist()
    return run


@dataclass(frozen=True)
class Peer:
    """A peer. make() imports it and returns its map."""

    make: Callable
    distribution: str = ""  # empty: part of Python
    most: int = sys.maxsize  # at most so many tasks: a peer that takes 5 ms for each is not given 100 000


PEERS = {
    cases.LOOP: Peer(loop),
    cases.CALLER: Peer(our_parmap, "parmap-cpp"),
    cases.STREAM: Peer(functools.partial(our_stream, "imap_unordered"), "parmap-cpp"),
    cases.STREAM_IN_ORDER: Peer(functools.partial(our_stream, "imap"), "parmap-cpp"),
    cases.POOL_STREAM: Peer(pool_stream),
    cases.POOL_STREAM_LARGE: Peer(functools.partial(pool_stream, 500)),
    cases.JOBLIB_STREAM: Peer(joblib_stream, "joblib"),
    cases.MPIRE_STREAM: Peer(mpire_stream, "mpire"),
    cases.POOL: Peer(pool_map),
    **{name: Peer(functools.partial(pool_map, size)) for size, name in cases.POOL_SIZES.items()},
    cases.POOL_1: Peer(functools.partial(pool_map, 1)),
    cases.POOL_PARTIAL: Peer(functools.partial(pool_map, pickled=True)),
    cases.EXECUTOR: Peer(executor_map),
    cases.EXECUTOR_1: Peer(functools.partial(executor_map, one)),
    cases.LOKY: Peer(loky_map, "loky"),
    cases.LOKY_1: Peer(functools.partial(loky_map, one), "loky"),
    cases.JOBLIB: Peer(joblib_map, "joblib"),
    cases.JOBLIB_LARGE: Peer(functools.partial(joblib_map, eighths), "joblib"),
    cases.MPIRE: Peer(mpire_map, "mpire"),
    cases.BY_HAND: Peer(fork_by_hand),
    cases.PEBBLE: Peer(pebble_map, "pebble"),
    cases.PEBBLE_1: Peer(functools.partial(pebble_map, one), "pebble"),
    cases.PYTHON_PARMAP: Peer(python_parmap, "python-parmap", most=1000),
}


def digest(results) -> str:
    """Return a text that shows whether two runs gave the same results, without keeping these alive."""
    return repr([(each.shape, each[0], each[-1]) if hasattr(each, "shape") else each for each in results])


def timed(mapper, case, inputs, shared) -> tuple:
    """Return the seconds and the results."""
    gc.collect()
    start = time.perf_counter()
    results = mapper(case.f, inputs, shared)
    if case.summed:
        for each in results:
            each.sum()
    seconds = time.perf_counter() - start
    assert len(results) == len(inputs)
    return seconds, digest(sorted(results) if case.unordered else results)


def measure(peer, case, most, loop_too) -> dict:
    """Measure the map first, while the process has done nothing else; then the plain loop."""
    versions = {peer.distribution: importlib.metadata.version(peer.distribution)} if peer.distribution else {}
    for each in ("numpy", "cloudpickle"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[each] = importlib.metadata.version(each)
    shared = None
    if case.numpy:
        import numpy
        if case.shared_mb:
            shared = numpy.ones(case.shared_mb * 125_000)
    inputs = range(min(case.n, most))
    seconds, results = timed(peer.make(), case, inputs, shared)
    outcome = {"seconds": seconds, "n": len(inputs), "versions": versions}
    if loop_too:
        outcome["loop_seconds"], expected = timed(loop(), case, inputs, shared)
        if results != expected:
            raise ValueError("not what the plain loop gives")
    return outcome


def main() -> None:
    name, workload, case_name, size, what = sys.argv[1:]
    case = next(each for each in cases.WORKLOADS[workload].cases if each.name == case_name)
    peer = PEERS[name]
    quick = size == "quick"
    try:
        outcome = measure(peer, case.quick() if quick else case, peer.most // 50 if quick else peer.most, what == "time")
    except importlib.metadata.PackageNotFoundError:
        outcome = {"error": "not installed"}
    except Exception as why:
        outcome = {"error": f"{type(why).__name__}: {why}".replace("\n", " ")[:200]}
    print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main()
