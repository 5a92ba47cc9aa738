#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Python's engines mpi and dask on two agents of this machine, beside mpi4py.futures' executor.map and Dask's client.map: a table in
docs/internals/measurements.md (--write).

    build/python/venv/bin/python benchmarks/cluster_python.py --runs 1      # tries everything; about 3 minutes
    build/python/venv/bin/python benchmarks/cluster_python.py --write       # on an otherwise idle machine: 10 minutes

Needs the package with its extras mpi and dask, and mpirun. Each measurement is a job of its own; the peers take turns.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "internals" / "measurements.md"
LIMIT = 300  # seconds for a job
SLEEPS, SLEEP = 200, 0.05
#: What is measured: tasks of parmap, and of the peer, whose cost of a task grows with their number.
TINY = {"mpi": (100_000, 10_000), "dask": (100_000, 1000)}
PEERS = {"mpi": "executor.map, chunksize=1", "dask": "client.map"}
#: At most this part of the peer's cost of a task, at most these µs, and at least this share of the ideal.
MOST = {"mpi": (1 / 50, 3.0), "dask": (1 / 100, None)}
LEAST = {"mpi": 0.95, "dask": 0.85}


def square(x):
    return x * x


def nap(x):
    time.sleep(SLEEP)
    return x


def measure(engine: str, who: str, what: str) -> float:
    """Seconds. In a job of its own."""
    func, tasks = (nap, SLEEPS) if what == "sleeps" else (square, TINY[engine][who == "peer"])
    short = (lambda run: run(square, 100)) if what == "sleeps" else (lambda run: run(func, tasks))

    def timed(run) -> float:
        short(run)
        begun = time.perf_counter()
        assert run(func, tasks)[-1] == func(tasks - 1)
        return time.perf_counter() - begun

    if who == "peer" and engine == "mpi":
        from mpi4py.futures import MPIPoolExecutor

        with MPIPoolExecutor() as executor:
            return timed(lambda func, tasks: list(executor.map(func, range(tasks))))
    from parmap import parmap

    if engine == "mpi":
        import parmap as package

        return timed(lambda func, tasks: parmap(func, range(tasks), engine=package.MpiEngine(n_worker=1), reporter="silent"))
    import distributed

    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster, distributed.Client(cluster) as client:
        if who == "peer":
            return timed(lambda func, tasks: client.gather(client.map(func, range(tasks), pure=False)))
        return timed(lambda func, tasks: parmap(func, range(tasks), engine=client, reporter="silent"))


def once(engine: str, who: str, what: str) -> float:
    command = [sys.executable, "-W", "ignore", __file__, "--measure", engine, who, what]
    environment = dict(os.environ)
    if engine == "mpi":
        environment |= dict(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", PARMAP_TEST_RANKS_PER_NODE="1")
        # Its rank 0 runs no tasks; ours does.
        ranks, launcher = ("3", "mpi4py.futures") if who == "peer" else ("2", "parmap.mpi")
        open_mpi = b"Open MPI" in subprocess.run(["mpirun", "--version"], stdout=subprocess.PIPE, check=True).stdout
        command[1:3] = ["-W", "ignore", "-m", launcher]
        command = ["mpirun", "-n", ranks, *(["--oversubscribe", "--bind-to", "none"] if open_mpi else []), *command]
    said = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, timeout=LIMIT, check=True, text=True).stdout
    return float(json.loads(said.splitlines()[-1]))


def judged(text: str, value: str, reached: bool) -> str:
    return f"- {text}: {value}, {'reached' if reached else 'not reached'}."


def table(engine: str, runs: int) -> list:
    import markup

    found: dict = {}
    for turn in range(runs):
        for who, what in (("parmap", "tiny"), ("peer", "tiny"), ("parmap", "sleeps"), ("peer", "sleeps")):
            found.setdefault((who, what), []).append(once(engine, who, what))
            print(f"{turn + 1}: {engine}, {who}, {what}: {found[who, what][-1]:.3g} s", file=sys.stderr, flush=True)
    ideal = SLEEPS * SLEEP / 2
    cost = {who: [each / tasks * 1e6 for each in found[who, "tiny"]] for who, tasks in zip(("parmap", "peer"), TINY[engine])}
    lines = markup.head(["", "a tiny task, µs", f"{SLEEPS} sleeps of 50 ms, s"])
    for who, name in (("parmap", f'parmap(engine="{engine}")'), ("peer", PEERS[engine])):
        lines.append(markup.row([name, markup.spread(cost[who]), markup.spread(found[who, "sleeps"])]))
    part, most = MOST[engine]
    ratio = median(cost["parmap"]) / median(cost["peer"])
    lines += ["", f"Tiny tasks: {TINY[engine][0]} of parmap, {TINY[engine][1]} of its peer.", ""]
    lines.append(judged(f"a tiny task costs at most 1/{1 / part:.0f} of the peer's", f"1/{1 / ratio:.0f}", ratio <= part))
    if most is not None:
        lines.append(judged(f"and at most {most:g} µs", f"{median(cost['parmap']):.3g} µs", median(cost["parmap"]) <= most))
    share = ideal / median(found["parmap", "sleeps"])
    lines.append(judged(f"sleeps reach {100 * LEAST[engine]:.0f} % of the ideal, {ideal:g} s", f"{100 * share:.1f} %", share >= LEAST[engine]))
    return [*lines, ""]


def versions() -> str:
    return ", ".join(f"{each} {importlib.metadata.version(each)}" for each in ("parmap-cpp", "mpi4py", "distributed", "cloudpickle"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="jobs for each number, which take turns (default: 7)")
    parser.add_argument("--only", nargs="+", choices=TINY, default=list(TINY), help="only these engines")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/internals/measurements.md")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(*arguments.measure)), flush=True)
        return 0
    sys.path.insert(0, str(HERE))
    import machine
    import markup

    before = os.getloadavg()[0]
    lines = [line for engine in arguments.only for line in table(engine, arguments.runs)]
    date = datetime.datetime.now(datetime.timezone.utc).date()
    head = [
        f"Medians of {arguments.runs} jobs that took turns (least .. greatest): two agents of one worker each, beside two workers of the peer; after a warm-up.",
        "",
        f"`benchmarks/cluster_python.py --runs {arguments.runs}` on {date}; {machine.description()}; load average {before:.1f} before and {os.getloadavg()[0]:.1f} after; "
        f"Python {sys.version.split()[0]}, {versions()}.",
        "",
    ]
    print("\n".join(head + lines))
    if arguments.write:
        PAGE.write_text(markup.put(PAGE.read_text(encoding="utf-8"), (head + lines)[:-1], "clusters, Python", "cluster_python"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
