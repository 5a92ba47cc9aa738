#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How far maps on clusters scale, by a model: tables in docs/scale.md and numbers in benchmarks/results/scale.json (--write).

    build/python/venv/bin/python benchmarks/scale.py --measure    # what the parts cost on this machine, a minute
    build/python/venv/bin/python benchmarks/scale.py --check      # the model beside maps of tasks that sleep, under mpirun: 3 minutes
    build/python/venv/bin/python benchmarks/scale.py --simulate   # the tables: 10 minutes
    build/python/venv/bin/python benchmarks/scale.py --measure --check --simulate --write

scale/model.py is the model, scale/costs.py and scale/costs.cpp measure. Needs the package with its extras mpi and dask, and mpirun; for
C++ mpicxx. benchmarks/pictures.py --scale draws the efficiency.
"""

import argparse
import datetime
import json
import math
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "scale")]

import machine  # noqa: E402
import markup  # noqa: E402
import model  # noqa: E402

ROOT = HERE.parent
PAGE = ROOT / "docs" / "scale.md"
RESULTS = HERE / "results" / "scale.json"
WORK = ROOT / "build" / "bench"
PROGRAM = WORK / "scale_costs"
WORKERS = (10, 100, 1000, 10_000, 100_000)
SECONDS = (1e-3, 1e-2, 0.1, 1.0, 60.0, 3600.0)
LENGTH = 20.0  # seconds that a map would take at best, but at least so many tasks for each worker:
LEAST = 20
#: Ranks, workers of each, mean seconds of a task, heavy tail.
CHECKS = ((2, 8, 0.01, 0), (4, 8, 0.05, 1), (8, 8, 0.05, 0), (12, 4, 0.2, 1), (2, 32, 1.0, 0), (12, 8, 0.2, 0))
CHECK_LENGTH = 6.0


def job(ranks: int, command, nodes: str) -> str:
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_btl_vader_single_copy_mechanism="none")
    environment |= {nodes: str(ranks)} if nodes == "PARMAP_MPI_NODES_FOR_TESTS" else {nodes: "1"}
    open_mpi = b"Open MPI" in subprocess.run(["mpirun", "--version"], stdout=subprocess.PIPE, check=True).stdout
    launcher = ["mpirun", "-n", str(ranks), *(["--oversubscribe", "--bind-to", "none"] if open_mpi else [])]
    return subprocess.run([*launcher, *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, timeout=280, check=True, text=True).stdout


def cpp(ranks: int, *arguments) -> str:
    return job(ranks, [PROGRAM, *arguments], "PARMAP_MPI_NODES_FOR_TESTS")


def python(ranks: int, *arguments) -> str:
    return job(ranks, [sys.executable, "-W", "ignore", "-m", "parmap.mpi", HERE / "scale" / "costs.py", *arguments], "PARMAP_TEST_RANKS_PER_NODE")


def build(library: str | None) -> None:
    WORK.mkdir(parents=True, exist_ok=True)
    compiled = ["-DPARMAP_COMPILED"] if library else []
    command = ["mpicxx", "-std=c++20", "-O2", *compiled, f"-I{ROOT / 'include'}", HERE / "scale" / "costs.cpp", "-o", PROGRAM, "-pthread", "-ldl"]
    subprocess.run([*command, *([library] if library else [])], check=True)


def measure() -> dict:
    """The costs, by their names in costs.py and costs.cpp."""
    found = {"C++": dict((name, float(value)) for name, _, value in (line.rpartition(" ") for line in cpp(2).splitlines()))}
    for kind in ("caller", "agent", "store", "dask"):
        said = subprocess.run([sys.executable, HERE / "scale" / "costs.py", kind], stdout=subprocess.PIPE, check=True, text=True, timeout=280).stdout
        found[kind] = json.loads(said)
    found["mpi"] = json.loads(python(2, "mpi").splitlines()[-1])
    return found


def carriers(costs: dict) -> dict:
    """The three ways, with what was measured."""
    native, agent, caller, store = costs["C++"], costs["agent"], costs["caller"], costs["store"]
    message = native["question and answer"] / 2
    worker = max(0.0, native["map of 32 tasks on 16 workers a node"] - native["map of two tasks"]) / 15
    of_python = dict(rule="exchange", outcome=caller["outcome"], task=agent["agent and caller, CPU"], agent=agent["agent and caller, CPU"], fixed=agent["fixed"], worker=agent["worker"])
    call = caller["exchange"] + costs["mpi"]["message"]
    return {
        "C++ over MPI": model.Carrier(
            "C++ over MPI", "wish", 0.25, message, 0.0, 0.0005, max(0.0, native["task"]), max(0.0, native["task"]), native["map of two tasks"], worker, 4 * message,
            value=native["value of 8 bytes, gathered"],
        ),
        "Python over MPI": model.Carrier("Python over MPI", within=0.25, message=call / 2, latency=costs["mpi"]["answer after"] / 2, node=2 * call, **of_python),
        "Python over Dask": model.Carrier(
            "Python over Dask", within=1.0, message=(caller["exchange"] + costs["dask"]["call"]) / 2, latency=0.005, node=2 * costs["dask"]["call"], **of_python
        ),
        "Python over MPI, with one checkpoint": model.Carrier(
            "Python over MPI, with one checkpoint", within=0.25, message=call / 2, latency=costs["mpi"]["answer after"] / 2, node=2 * call, row=store["row"], **of_python
        ),
    }  # fmt: skip


def tasks_of(workers: int, seconds: float) -> int:
    return workers * max(LEAST, math.ceil(LENGTH / seconds))


def simulate(costs: dict, most: int, found: list, save) -> None:
    """Up to this number of workers. What is in `found` is there already."""
    known = {(each["carrier"], each["heavy"], each["seconds"], each["workers"]) for each in found}
    for workers in (each for each in WORKERS if each <= most):
        for name, carrier in carriers(costs).items():
            for heavy in (False, True):
                for seconds in SECONDS:
                    if (carrier.row and heavy) or (name, heavy, seconds, workers) in known:
                        continue
                    it = model.simulate(carrier, workers, seconds, heavy, tasks_of(workers, seconds))
                    found.append(dict(carrier=name, heavy=heavy, seconds=seconds, workers=workers, efficiency=it.efficiency, giver=it.giver))
                    print(f"{name}{', heavy' if heavy else ''}, {seconds:g} s, {workers}: {100 * it.efficiency:.0f} %, giver {100 * it.giver:.0f} %", file=sys.stderr, flush=True)
                    save()


def check(costs: dict) -> list:
    found = []
    for ranks, workers, seconds, heavy in CHECKS:
        tasks = round(ranks * workers * CHECK_LENGTH / seconds)
        for name, run in (("C++ over MPI", cpp), ("Python over MPI", python)):
            carrier = carriers(costs)[name]
            predicted = model.simulate(carrier, ranks * workers, seconds, bool(heavy), tasks, per_node=workers).wall
            measured = float(run(ranks, "sleeps", workers, tasks, seconds, heavy).splitlines()[-1])
            found.append(dict(carrier=name, ranks=ranks, workers=workers, seconds=seconds, heavy=heavy, tasks=tasks, predicted=predicted, measured=measured))
            print(f"{name}, {ranks} ranks: {predicted:.2f} s predicted, {measured:.2f} s measured", file=sys.stderr, flush=True)
    return found


# ---- tables


def time_of(seconds: float) -> str:
    return f"{1000 * seconds:g} ms" if seconds < 1 else f"{seconds:g} s" if seconds < 60 else f"{seconds / 60:g} min" if seconds < 3600 else f"{seconds / 3600:g} h"


def of_costs(found: dict) -> list:
    costs = found["costs"]
    native, agent, caller, store = costs["C++"], costs["agent"], costs["caller"], costs["store"]
    rows = [
        ("C++: rank 0 takes a message and answers", native["question and answer"]),
        ("C++: a task besides func, `multi`, one worker a node", native["task"]),
        ("C++: a value of 8 bytes is gathered", native["value of 8 bytes, gathered"]),
        ("C++: a map of two tasks", native["map of two tasks"]),
        ("Python: the caller's part of an exchange, without the carrier", caller["exchange"]),
        ("Python: the caller's part of an outcome", caller["outcome"]),
        ("Python: the agent's and the caller's part of an outcome", agent["agent and caller, CPU"]),
        ("Python: a worker starts", agent["worker"]),
        ("Python: a map of two tasks", agent["fixed"]),
        ("Python: an outcome is stored", store["row"]),
        ("mpi4py: a call and its answer, at rank 0", costs["mpi"]["message"]),
        ("Dask: a call, at client and scheduler", costs["dask"]["call"]),
    ]
    return [
        f"`benchmarks/scale.py --measure` on {found['date']}; {found['machine']}; load average {found['load']:.1f}.",
        "",
        *markup.head(["", "µs"]),
        *(markup.row([name, markup.number(1e6 * seconds)]) for name, seconds in rows),
    ]


def of_model(found: dict) -> list:
    lines: list = []
    for name in dict.fromkeys(each["carrier"] for each in found["model"]):
        for heavy in (False, True):
            mine = [each for each in found["model"] if each["carrier"] == name and each["heavy"] == heavy]
            if not mine:
                continue
            lines += [f"{name}, tasks {'with a heavy tail' if heavy else 'of one length'}:", "", *markup.head(["a task", *(f"{each:,} workers".replace(",", " ") for each in WORKERS)])]
            for seconds in SECONDS:
                cells = {each["workers"]: f"{100 * each['efficiency']:.0f} ({100 * each['giver']:.0f})" for each in mine if each["seconds"] == seconds}
                lines.append(markup.row([time_of(seconds), *(cells.get(each, "-") for each in WORKERS)]))
            lines.append("")
    return lines[:-1]


def of_check(found: dict) -> list:
    lines = [f"`benchmarks/scale.py --check` on {found['checked']}; {found['machine']}; load average {found['load_of_check']:.1f}.", ""]
    lines += markup.head(["", "ranks", "workers of each", "a task", "tasks", "at best, s", "predicted, s", "measured, s", "error"])
    for each in found["check"]:
        best = each["tasks"] * each["seconds"] / each["ranks"] / each["workers"]
        lines.append(markup.row([
            each["carrier"], str(each["ranks"]), str(each["workers"]), time_of(each["seconds"]) + (", heavy tail" if each["heavy"] else ""), str(each["tasks"]), f"{best:.1f}",
            f"{each['predicted']:.2f}", f"{each['measured']:.2f}", f"{100 * (each['predicted'] / each['measured'] - 1):+.0f} %",
        ]))  # fmt: skip
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, text in (("measure", "what the parts cost"), ("check", "the model beside maps under mpirun"), ("simulate", "the tables of the model")):
        parser.add_argument(f"--{name}", action="store_true", help=text)
    parser.add_argument("--most", type=int, default=WORKERS[-1], help="simulate no more workers than this")
    parser.add_argument("--library", help="a built libparmap.a, so that the program of C++ compiles faster")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/scale.md")
    arguments = parser.parse_args()
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    date = str(datetime.datetime.now(datetime.timezone.utc).date())
    if (arguments.measure or arguments.check) and not PROGRAM.is_file():
        build(arguments.library)
    if arguments.measure:
        found |= dict(date=date, machine=machine.description(), load=os.getloadavg()[0], costs=measure())
    if arguments.check:
        found |= dict(checked=date, load_of_check=os.getloadavg()[0], check=check(found["costs"]))
    def save() -> None:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

    if arguments.measure:
        found["model"] = []  # that of other costs
    if arguments.simulate:
        simulate(found["costs"], arguments.most, found.setdefault("model", []), save)
    save()
    blocks = {"costs": of_costs, "model": of_model, "check": of_check}
    for name, lines in {name: act(found) for name, act in blocks.items() if name in found}.items():
        print("\n".join(lines))
        if arguments.write:
            PAGE.write_text(markup.put(PAGE.read_text(encoding="utf-8"), lines, f"scale, {name}", "scale"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
