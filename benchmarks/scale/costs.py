#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the parts of a map on a cluster cost on this machine: the numbers that the model of model.py is fed with.

  costs.py KIND     in a process of its own; prints JSON. KIND: caller, agent, store, dask, sleeps
  mpirun -n 2 python -m parmap.mpi costs.py mpi
  mpirun -n R python -m parmap.mpi costs.py sleeps WORKERS TASKS SECONDS HEAVY    a map of tasks that sleep; prints seconds
"""

import json
import pickle
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent))

import model  # noqa: E402


def timed(act, runs: int = 5) -> float:
    took = []
    for _ in range(runs):
        begun = time.perf_counter()
        act()
        took.append(time.perf_counter() - begun)
    return median(took)


def square(x):
    return x * x


def caller() -> dict:
    """The caller's time for an exchange: with a carrier whose agents answer at once, and two numbers of tasks in an answer."""
    from parmap import parmap
    from parmap._answer import Answer
    from parmap._carrier import Engine, Event, Place

    class Prompt(Engine):
        """Agents that have done all when they are asked."""

        within = 0.25

        def __init__(self, most: int) -> None:
            self._most, self._waiting, self.exchanges = most, [], 0

        def _open(self, most: int):
            return self

        def places(self) -> list:
            return [Place(k, "", "", self._most) for k in range(2)]

        def call(self, key, call, program) -> None:
            self.exchanges += 1
            answer = Answer.empty()
            for first, end, _ in call.ranges:
                for index in range(first, end):
                    answer.add_value(index, index, 1, 1e-3, 0)
            self._waiting.append(Event("answer", key, pickle.dumps(answer._replace(finished=len(answer.indexes), busy=0.25), 5)))

        def tell(self, keys, job, what) -> None: ...

        def wait(self, seconds):
            found, self._waiting = self._waiting, []
            return found

        def close(self) -> None: ...

    def cost(tasks: int, most: int) -> tuple:
        """CPU seconds of a map, and its exchanges."""
        took = []
        for _ in range(5):
            engine = Prompt(most)
            begun = time.thread_time()
            parmap(square, range(tasks), engine=engine, reporter="silent")
            took.append(time.thread_time() - begun)
        return median(took), engine.exchanges

    few, few_exchanges = cost(4000, 1)
    many, many_exchanges = cost(400_000, 10_000)
    # seconds = a * exchanges + b * tasks
    determinant = few_exchanges * 400_000 - many_exchanges * 4000
    exchange = (few * 400_000 - many * 4000) / determinant
    return {"exchange": exchange, "outcome": (many - many_exchanges * exchange) / 400_000}


def agent() -> dict:
    """A node's time for a task, and for a map."""
    import parmap

    engine = parmap.MpiEngine(n_worker=2)
    pmap = parmap.parmap
    pmap(square, range(10), engine=engine)
    fixed = timed(lambda: pmap(square, range(2), engine=parmap.MpiEngine(n_worker=1), reporter="silent"))
    of_16 = timed(lambda: pmap(square, range(16), engine=parmap.MpiEngine(n_worker=16), reporter="silent"))
    begun = time.process_time()
    wall = timed(lambda: pmap(square, range(200_000), engine=engine, reporter="silent"), 3)
    cpu = (time.process_time() - begun) / 3
    return {"fixed": fixed, "worker": max(0.0, of_16 - fixed) / 15, "task on two workers": (wall - fixed) / 200_000, "agent and caller, CPU": cpu / 200_000}


def store() -> dict:
    """The time of the process that stores, for an outcome."""
    from parmap import parmap

    tasks = 100_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sweep.db")

        def stored() -> None:
            path.unlink(missing_ok=True)
            parmap(square, range(tasks), n_worker=2, reporter="silent", checkpoint=str(path))

        def cpu(act) -> float:
            took = []
            for _ in range(3):
                begun = time.process_time()
                act()
                took.append(time.process_time() - begun)
            return median(took)

        return {"row": (cpu(stored) - cpu(lambda: parmap(square, range(tasks), n_worker=2, reporter="silent"))) / tasks}


def dask() -> dict:
    """A call through Dask: the time of the client and the scheduler, and how long it takes."""
    import distributed

    with distributed.LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None, silence_logs=50) as cluster, distributed.Client(cluster) as client:
        data = bytes(2000)
        client.submit(len, data, pure=False).result()
        begun = time.process_time(), time.perf_counter()
        for k in range(300):
            client.submit(len, data, pure=False).result()
        cpu, wall = time.process_time() - begun[0], time.perf_counter() - begun[1]
        return {"call": cpu / 300, "answer after": wall / 300}


def mpi() -> dict:
    """A question of 200 bytes and its answer, by mpi4py: the time of rank 0."""
    import queue

    from parmap import _mpi_session

    session = _mpi_session.session()
    answers: queue.SimpleQueue = queue.SimpleQueue()
    session.call(1, ("no job", None, None, [], 0, 0.0), answers)  # an agent that knows nothing answers at once
    session.pump(10, answers.empty)
    answers.get()
    begun = time.process_time(), time.perf_counter()
    for _ in range(300):
        session.call(1, ("no job", None, None, [], 0, 0.0), answers)
        session.pump(10, answers.empty)
        answers.get()
    return {"message": (time.process_time() - begun[0]) / 300, "answer after": (time.perf_counter() - begun[1]) / 300}


def sleeps(workers: str, tasks: str, seconds: str, is_heavy: str) -> float:
    import parmap

    draw = model.heavy(float(seconds)) if is_heavy == "1" else model.constant(float(seconds))
    begun = time.perf_counter()
    parmap.parmap(lambda i: time.sleep(draw(i)) or i, range(int(tasks)), engine=parmap.MpiEngine(n_worker=int(workers)), reporter="silent")
    return time.perf_counter() - begun


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    kinds = dict(caller=caller, agent=agent, store=store, dask=dask, mpi=mpi, sleeps=sleeps)
    print(json.dumps(kinds[sys.argv[1]](*sys.argv[2:])), flush=True)
