#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One cell of docs/reliability.md for a Python library: peers.py PEER CASE SECONDS LIMIT. See run.py.

A peer is a generator function(f, n, limit) that yields (index, value); a Failed value says that this task has none. An
exception of the library passes through.
"""

import functools
import os
import signal
import sys
import threading
import time

N = 20
CULPRIT = 7


class Failed:
    """Why a task has no value."""

    def __init__(self, why):
        self.why = f"{type(why).__name__}: {why}".replace("\n", " ")[:100]


class Odd(Exception):
    """An exception that cannot be unpickled."""

    def __init__(self, what, why):
        super().__init__(f"{what}, {why}")


def work(i, how="", seconds=0.0):
    """The task of every cell."""
    if "RELIABILITY_BEGUN" in os.environ:
        os.close(os.open(os.environ["RELIABILITY_BEGUN"], os.O_CREAT | os.O_WRONLY, 0o600))
    time.sleep(seconds)
    if i != CULPRIT:
        return i
    if how == "throws":
        raise ValueError("thrown")
    if how == "odd":
        raise Odd("one", "two")
    if how == "segfault":
        import ctypes
        ctypes.string_at(0)
    if how == "_exit":
        os._exit(1)
    if how == "sigkill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        sys.exit(1)
    if how == "unencodable":
        return threading.Lock()
    if how == "hang":
        time.sleep(1000)
    return i


def draw(_, seconds=0.0):
    """A task that draws from NumPy's global generator."""
    import numpy
    time.sleep(seconds)
    return numpy.random.rand()


def draw_own(_, seconds=0.0):
    """A task that draws from parmap.rng()."""
    import parmap
    time.sleep(seconds)
    return parmap.rng().random()


def add(i, array=None):
    """A task that uses a large captured array."""
    return float(array[i:].sum())


def python_parmap(engine, f, n, limit):
    """parmap or python-parmap, whichever the interpreter has: the call is the same."""
    from parmap import parmap
    if not hasattr(f, "__name__"):
        f.__name__ = "f"  # python-parmap reads it
    yield from enumerate(parmap(f, range(n), engine=engine, n_simul=2, reporter="silent", timeout_sec=limit or 1e6,
                                on_error=lambda _func, _task, why: Failed(why)))


def parmap_executor(f, n, limit):
    import parmap
    with parmap.Executor(2, timeout_sec=limit) as executor:
        yield from gather([executor.submit(f, i) for i in range(n)], None)


def parmap_mpi(f, n, limit):
    """On two nodes of one worker each."""
    import parmap
    yield from enumerate(parmap.parmap(f, range(n), engine=parmap.MpiEngine(n_worker=1), reporter="silent", timeout_sec=limit or 1e6,
                                       on_error=lambda _func, _task, why: Failed(why)))


def pool_map(f, n, limit):
    from multiprocessing import Pool
    with Pool(2) as pool:
        yield from enumerate(pool.map_async(f, range(n)).get(limit))


def gather(futures, limit):
    """Yield the results of futures, in order."""
    for i, future in enumerate(futures):
        try:
            value = future.result(timeout=limit)
        except Exception as why:  # SystemExit passes, as in any program
            value = Failed(why)
        yield i, value


def executor_submit(f, n, limit):
    from concurrent.futures import ProcessPoolExecutor
    with ProcessPoolExecutor(2) as executor:
        yield from gather([executor.submit(f, i) for i in range(n)], limit)


def loky_submit(f, n, limit):
    from loky import get_reusable_executor
    executor = get_reusable_executor(max_workers=2)
    yield from gather([executor.submit(f, i) for i in range(n)], limit)


def joblib_parallel(f, n, limit):
    from joblib import Parallel, delayed
    yield from enumerate(Parallel(n_jobs=2, timeout=limit)(delayed(f)(i) for i in range(n)))


def mpire_map(f, n, limit):
    from mpire import WorkerPool
    with WorkerPool(n_jobs=2) as pool:
        yield from enumerate(pool.map(f, range(n), task_timeout=limit))


def mpire_apply_async(f, n, limit):
    from mpire import WorkerPool
    with WorkerPool(n_jobs=2) as pool:
        waiting = [pool.apply_async(f, (i,), task_timeout=limit) for i in range(n)]
        for i, each in enumerate(waiting):
            try:
                value = each.get()
            except Exception as why:
                value = Failed(why)
            yield i, value


def pebble_map(f, n, limit):
    from pebble import ProcessPool
    with ProcessPool(max_workers=2) as pool:
        values = pool.map(f, range(n), timeout=limit).result()
        for i in range(n):
            try:
                value = next(values)
            except StopIteration:
                return
            except Exception as why:
                value = Failed(why)
            yield i, value


def dask_distributed(f, n, limit):
    from dask.distributed import Client, LocalCluster
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        yield from gather(client.map(f, range(n), pure=False), limit)


PEERS = {
    "parmap multi": functools.partial(python_parmap, "multi"),
    "parmap Executor": parmap_executor,
    "parmap dask": functools.partial(python_parmap, "dask"),
    "parmap mpi": parmap_mpi,
    "parmap threads": functools.partial(python_parmap, "threads"),
    "parmap serial": functools.partial(python_parmap, "serial"),
    "python-parmap multi": functools.partial(python_parmap, "multi"),
    "python-parmap threads": functools.partial(python_parmap, "threads"),
    "multiprocessing.Pool.map": pool_map,
    "ProcessPoolExecutor.submit": executor_submit,
    "joblib": joblib_parallel,
    "loky submit": loky_submit,
    "mpire.map": mpire_map,
    "mpire.apply_async": mpire_apply_async,
    "pebble.map": pebble_map,
    "dask.distributed": dask_distributed,
}


def nest(i, peer="", seconds=0.0):
    """A task that calls a map itself."""
    return i + sum(value for _, value in PEERS[peer](functools.partial(work, seconds=seconds), 4, None))


def main() -> None:
    name, how, seconds, limit = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
    peer = PEERS[name]
    if how == "closure":
        offset = 0
        f = lambda i: (time.sleep(seconds), i + offset)[1]
    elif how == "random":
        import numpy.random  # imported before the workers start, as in most programs
        f = functools.partial(draw, seconds=seconds)
    elif how == "rng":
        f = functools.partial(draw_own, seconds=seconds)
    elif how == "capture":
        import numpy
        f = functools.partial(add, array=numpy.ones(25_000_000))
    elif how == "nested":
        f = functools.partial(nest, peer=name, seconds=seconds)
    else:
        f = functools.partial(work, how=how, seconds=seconds)
    values = set()
    try:
        for i, value in peer(f, N, limit if how == "hang" else None):
            if isinstance(value, Failed):
                print("failed", i, value.why, flush=True)
            else:
                print("value", i, flush=True)
                if how in ("random", "rng"):
                    values.add(value)
    except Exception as why:
        print("raised", type(why).__name__, str(why).replace("\n", " ")[:100], flush=True)
    if how in ("random", "rng"):
        print("distinct", len(values))
    print("done", flush=True)


if __name__ == "__main__":
    main()
