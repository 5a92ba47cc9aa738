#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Worker processes that stay, beside those of other libraries: tables in docs/internals/measurements.md (--write).

    build/python/venv/bin/python benchmarks/pools.py --runs 1      # tries everything; about 5 minutes
    build/python/venv/bin/python benchmarks/pools.py --write       # on an otherwise idle machine: 40 minutes

Each measurement is a process of its own; the peers take turns. Peers that are not installed are left out, as are emcee, dynesty,
scipy and scikit-learn.
"""

import argparse
import contextlib
import datetime
import importlib.metadata
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "examples" / "python")]

PAGE = HERE.parent / "docs" / "internals" / "measurements.md"
WORKERS = 2
LIMIT = 300  # seconds for a process
OURS = ("parmap(engine=pool)", "Executor.map", "joblib on parmap")


def cheap(x):
    return x * x


def add_one(x):
    return x + 1


# ---- the peers: each gives map, submit (or None) and the end


def of_executor(pool, chunksize=lambda n: max(1, n // (4 * WORKERS))):
    return lambda f, xs: list(pool.map(f, xs, chunksize=chunksize(len(xs)))), lambda f, x: pool.submit(f, x).result(), pool.shutdown


def our_map():
    import parmap

    pool = parmap.Executor(WORKERS)
    return lambda f, xs: list(pool.map(f, xs)), lambda f, x: pool.submit(f, x).result(), pool.shutdown


def our_engine():
    import parmap

    pool = parmap.Executor(WORKERS)
    return lambda f, xs: parmap.parmap(f, xs, engine=pool), None, pool.shutdown


def process_pool_executor():
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    return of_executor(ProcessPoolExecutor(WORKERS, multiprocessing.get_context("fork")))


def loky():
    from loky import get_reusable_executor

    return of_executor(get_reusable_executor(WORKERS, timeout=None))


def pool(chunksize=None):
    import multiprocessing

    made = multiprocessing.get_context("fork").Pool(WORKERS)
    return lambda f, xs: made.map(f, xs, chunksize), lambda f, x: made.apply_async(f, (x,)).get(), made.terminate


def joblib(backend):
    import joblib

    if backend == "parmap":
        import parmap

        parmap.joblib.register()
    parallel = joblib.Parallel(n_jobs=WORKERS, backend=backend)
    parallel.__enter__()
    return lambda f, xs: parallel(joblib.delayed(f)(x) for x in xs), None, lambda: parallel.__exit__(None, None, None)


def mpire():
    from mpire import WorkerPool

    made = WorkerPool(n_jobs=WORKERS, start_method="fork", keep_alive=True)
    return lambda f, xs: made.map(f, xs, concatenate_numpy_output=False), lambda f, x: made.apply(f, (x,)), made.terminate


def pebble():
    import multiprocessing

    from pebble import ProcessPool

    made = ProcessPool(max_workers=WORKERS, context=multiprocessing.get_context("fork"))

    def run(f, xs):
        return list(made.map(f, xs, chunksize=max(1, len(xs) // (4 * WORKERS))).result())

    return run, lambda f, x: made.submit(f, None, x).result(), lambda: (made.stop(), made.join())


def pipes():
    """No library: what is left if nothing is supervised. Each worker gets a half, and sends one list."""
    import multiprocessing

    context = multiprocessing.get_context("fork")
    ends = [context.Pipe() for _ in range(WORKERS)]

    def work(end):
        while True:
            f, xs = end.recv()
            end.send([f(x) for x in xs])

    workers = [context.Process(target=work, args=(far,), daemon=True) for _, far in ends]
    for each in workers:
        each.start()

    def run(f, xs):
        part = -(-len(xs) // WORKERS)
        for k, (near, _) in enumerate(ends):
            near.send((f, xs[k * part : (k + 1) * part]))
        return [y for near, _ in ends for y in near.recv()]

    return run, None, lambda: [each.kill() for each in workers]


FLOOR = "two pipes and no supervision"
PEERS = {
    "parmap(engine=pool)": our_engine,
    "Executor.map": our_map,
    "Pool": pool,
    "Pool, chunksize=1000": lambda: pool(1000),
    "Pool, chunksize=n/8": lambda: pool(100_000 // 8),
    "ProcessPoolExecutor": process_pool_executor,
    "loky": loky,
    "joblib": lambda: joblib("loky"),
    "joblib on parmap": lambda: joblib("parmap"),
    "mpire": mpire,
    "pebble": pebble,
    FLOOR: pipes,
}
CHUNKS = ("Pool, chunksize=1000", "Pool, chunksize=n/8", FLOOR)
FIRST = [each for each in PEERS if each not in CHUNKS]

# ---- the workloads: each gives seconds (of one of something)


def maps(run, submit):
    expected = [x * x for x in range(50)]
    assert list(run(cheap, range(50))) == expected
    begun = time.perf_counter()
    for _ in range(100):
        run(cheap, range(50))
    return (time.perf_counter() - begun) / 100


def single(run, submit):
    submit(cheap, 3)
    took = []
    for _ in range(500):
        begun = time.perf_counter()
        submit(cheap, 3)
        took.append(time.perf_counter() - begun)
    return median(took)


def many(run, submit):
    run(cheap, range(50))
    begun = time.perf_counter()
    found = run(cheap, range(100_000))
    took = time.perf_counter() - begun
    assert list(found) == [x * x for x in range(100_000)]
    return took


def arrays(run, submit):
    import numpy

    inputs = [numpy.full(131_072, k, dtype=float) for k in range(64)]
    run(add_one, inputs[:8])
    begun = time.perf_counter()
    found = run(add_one, inputs)
    took = time.perf_counter() - begun
    assert all(each[-1] == k + 1 for k, each in enumerate(found))
    return took / len(inputs)


def example(name, how):
    def measured(run, submit):
        from types import SimpleNamespace

        module = __import__(name)
        begun = time.perf_counter()
        how(module, SimpleNamespace(map=run))
        return time.perf_counter() - begun

    return measured


IMPORTS = {
    "a bare program": "",
    "with scipy and scikit-learn": "import scipy.optimize, scipy.stats, sklearn.ensemble",
    "with 1 GB": "kept = [bytes(range(256)) * 40 for _ in range(100_000)]",
}
#: Name: title, unit, how many of it a second has, what is measured, cases, peers, the most that we may take of the best peer's.
WORKLOADS = {
    "maps": ("100 maps of 50 cheap tasks", "ms a map", 1e3, maps, IMPORTS, FIRST, 0.5),
    "single": ("submit and result of one tiny task", "µs", 1e6, single, {"": ""}, [each for each in FIRST if "joblib" not in each and "engine" not in each], 0.6),
    "many": ("100 000 tiny tasks by one map", "ms", 1e3, many, {"": ""}, list(PEERS), 0.5),
    "arrays": ("NumPy arrays of 1 MB in and out", "ms an array", 1e3, arrays, {"": ""}, FIRST, 0.5),
    "emcee": ("emcee: 1000 maps of 16 walkers", "s", 1, example("emcee_fit", lambda module, pool: module.sample(pool)), {"": ""}, FIRST, 1),
    "dynesty": ("dynesty: examples/python/dynesty_evidence.py", "s", 1, example("dynesty_evidence", lambda module, pool: module.evidence(pool, 8)), {"": ""}, FIRST, 1),
}  # fmt: skip
#: With whom a table compares, if not with the best of all others.
RIVALS = {"single": ("ProcessPoolExecutor",)}
NEEDED = {"emcee": "emcee", "dynesty": "dynesty", "with scipy and scikit-learn": "sklearn"}
PACKAGES = ("parmap-cpp", "cloudpickle", "dynesty", "emcee", "joblib", "loky", "mpire", "numpy", "pebble", "scikit-learn", "scipy")


def measure(workload: str, case: str, peer: str) -> None:
    """In a process of its own: prints seconds, or why there are none."""
    _, _, _, how, cases, _, _ = WORKLOADS[workload]
    kept: dict = {}
    exec(cases[case], kept)
    try:
        run, submit, end = PEERS[peer]()
    except ImportError as error:
        print(json.dumps({"error": str(error)}))
        return
    seconds = how(run, submit)
    print(json.dumps({"seconds": seconds}), flush=True)
    end()
    os._exit(0)  # some peers wait for their threads


def once(workload: str, case: str, peer: str) -> dict:
    command = [sys.executable, "-W", "ignore", __file__, "--measure", workload, case, peer]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:  # pipes would be held by workers that live on
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, start_new_session=True)
        try:
            status = program.wait(LIMIT)
        except subprocess.TimeoutExpired:
            return {"error": f"took more than {LIMIT} s"}
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait()
        out.seek(0)
        errors.seek(0)
        try:
            return json.loads(out.read().splitlines()[-1])
        except (IndexError, ValueError):
            return {"error": (errors.read().strip().splitlines() or [f"ended with status {status}"])[-1]}


def all_runs(name: str, runs: int) -> tuple:
    """Seconds by case and peer, and why there are none."""
    _, _, _, _, cases, peers, _ = WORKLOADS[name]
    found: dict = {}
    missing: dict = {}
    for turn in range(runs):
        for case in cases:
            if (library := NEEDED.get(case)) and importlib.util.find_spec(library) is None:
                continue
            for peer in peers:
                if (case, peer) in missing:
                    continue
                outcome = once(name, case, peer)
                if "error" in outcome:
                    missing[case, peer] = outcome["error"]
                    found.pop((case, peer), None)
                else:
                    found.setdefault((case, peer), []).append(outcome["seconds"])
                print(f"{turn + 1}: {name} {case}: {peer}: {outcome}", file=sys.stderr, flush=True)
    return found, missing


def table(name: str, runs: int) -> list:
    import markup

    title, unit, factor, _, cases, peers, most = WORKLOADS[name]
    load = os.getloadavg()[0]
    found, missing = all_runs(name, runs)
    shown = [case for case in cases if any(each == case for each, _ in found)]
    if not shown:
        return [f"{title}: not run.", ""]
    lines = [f"{title}, {unit}; load average {load:.1f} before and {os.getloadavg()[0]:.1f} after:", ""]
    lines += markup.head(["", *(case or unit for case in shown)])
    for peer in peers:
        if any((case, peer) in found for case in shown):
            lines.append(markup.row([peer, *(markup.spread([factor * each for each in found.get((case, peer), [])]) for case in shown)]))
    lines.append("")
    for case in shown:
        best = {True: [], False: []}
        for (each, peer), seconds in found.items():
            if each == case and peer != FLOOR and (peer in OURS or peer in RIVALS.get(name, PEERS)):
                best[peer in OURS].append((median(seconds), peer))
        if best[True] and best[False]:
            (ours, our), (theirs, their) = min(best[True]), min(best[False])
            reached = "reached" if ours <= most * theirs else "not reached"
            lines.append(f"- {case + ': ' if case else ''}{our} takes {ours / theirs:.2f} of the time of {'' if name in RIVALS else 'the best peer, '}{their}; target {most}: {reached}.")
    lines += [f"- Not run{' ' + case if case else ''}: {peer}: {why:.100}" for (case, peer), why in missing.items()]
    return [*lines, ""]


def versions() -> str:
    said = []
    for each in PACKAGES:
        try:
            said.append(f"{each} {importlib.metadata.version(each)}")
        except importlib.metadata.PackageNotFoundError:
            pass
    return ", ".join(said)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="processes for each number, which take turns (default: 7)")
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), help="only these tables")
    parser.add_argument("--native", help="the built benchmarks/native/pools.cpp, for the table of C++")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/internals/measurements.md")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(*arguments.measure)
        return 0
    import machine
    import markup
    import native_pools

    date = datetime.datetime.now(datetime.timezone.utc).date()
    head = [
        f"Medians of {arguments.runs} processes that took turns (least .. greatest), {WORKERS} workers, functions of `__main__`, after a warm-up.",
        "",
        f"`benchmarks/pools.py --runs {arguments.runs}` on {date}; {machine.description()}; Python {sys.version.split()[0]}, {versions()}.",
        "",
    ]
    blocks = {}
    if arguments.native:
        blocks["pools"] = head + native_pools.table(arguments.native, arguments.runs)
    for name in arguments.only:
        if (library := NEEDED.get(name)) and importlib.util.find_spec(library) is None:
            continue
        blocks[f"pools, {name}"] = head + table(name, arguments.runs)
    for name, lines in blocks.items():
        print("\n".join(lines))
        if arguments.write:  # each table has a date of its own
            PAGE.write_text(markup.put(PAGE.read_text(encoding="utf-8"), lines[:-1], name, "pools"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
