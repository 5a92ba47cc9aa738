#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make the tables of docs/reliability.md by running the cases they describe.

  run.py                     every cell, half an hour: installs the peers from PyPI into build/reliability, needs python3-venv, g++
                             libtbb-dev, and libopenmpi-dev for the row mpi. Outcomes are kept in build/reliability/outcomes.json; remove it to run all again
  run.py --only ROW...       these of parmap's rows anew; the page keeps the others: multi, "parmap multi" (Python), ...
  run.py --summary           the table of README.md and docs/index.md, out of the page's
  run.py --check PROGRAM     parmap's rows in C++ only, with short tasks; PROGRAM is parmap.cpp compiled. Fails where the page differs,
                             or where a summary is not the page's
  run.py --check-python      the same for its rows in Python, by the Python that runs this

Python's rows need the package, with NumPy, in build/python/venv, where ./demo --python and ./test put it.
"""

import argparse
import difflib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cell

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs" / "reliability.md"
WORK = ROOT / "build" / "reliability"
SUMMARIES = [ROOT / "README.md", ROOT / "docs" / "index.md"]
LIMIT = 30
COMPILE = ["g++", "-std=c++20", "-O2", f"-I{ROOT / 'include'}", "-pthread"]

ENGINES = ["multi", "pool", "threads", "serial"]
MPI = "mpi"  # two ranks, which count as two machines
PYTHON_ENGINES = ["parmap multi", "parmap Executor", "parmap dask", "parmap mpi", "parmap threads", "parmap serial"]
PYTHON = ROOT / "build" / "python" / "venv" / "bin" / "python"
PEERS = ["python-parmap multi", "python-parmap threads", "multiprocessing.Pool.map", "ProcessPoolExecutor.submit", "joblib",
         "loky submit", "mpire.map", "mpire.apply_async", "pebble.map", "dask.distributed"]
PACKAGES = ["python-parmap", "joblib", "loky", "mpire", "pebble", "distributed", "numpy"]
THREAD_PEERS = {"openmp": "OpenMP (g++)", "tbb": "oneTBB parallel_for", "stdpar": "std::execution::par"}

FAULTS = {
    "throws": ["throws"],
    "segfault, _exit, SIGKILL": ["segfault", "_exit", "sigkill"],
    "exit(1)": ["exit"],
    "result that cannot be encoded": ["unencodable"],
    "lambda, closure": ["closure"],
    "odd exception": ["odd"],
}
OTHERS = {
    "a task hangs, limit 2 s": ("hang", cell.hang),
    "SIGINT: leaves after": ("sigint", cell.interrupted),
    "caller killed: orphans": ("kill", cell.orphans),
    "distinct naive random numbers": ("random", cell.distinct),
    "captured 200 MB": ("capture", cell.cost),
    "nested maps": ("nested", cell.works),
}


class Runner:
    """Runs each cell once and keeps its outcome."""

    def __init__(self, commands, seconds: float, limit: float, patience: float = 1.0, kept: Path = None):
        self.commands = commands
        self.seconds = seconds
        self.limit = limit
        self.patience = patience
        self.kept = kept
        self.outcomes = json.loads(kept.read_text()) if kept is not None and kept.is_file() else {}

    def __call__(self, who: str, how: str) -> dict:
        key = f"{who}: {how}"
        if key not in self.outcomes:
            act = how if how in ("sigint", "kill") else ""
            seconds = self.seconds * (4 if act else 1)
            command = [*self.commands[who], "plain" if act else how, str(seconds), str(self.limit)]
            self.outcomes[key] = cell.run(command, LIMIT * (4 if how == "capture" else 1), act, how == "capture",
                                          self.patience)
            if self.kept is not None:
                self.kept.write_text(json.dumps(self.outcomes, indent=1))
                print(key, "|", cell.result(self.outcomes[key], how), flush=True)
        return self.outcomes[key]


def row(name, cells) -> str:
    """Return a line of a table."""
    return f"| {name} | " + " | ".join(cells) + " |"


def head(columns) -> list:
    """Return the first two lines of a table."""
    return [row("", columns), "|---" * (len(columns) + 1) + "|"]


def merged(run, who, ways) -> str:
    """Return one cell for several ways to fail."""
    texts = {}
    slowest = ""
    for how in ways:
        text, after, seconds = cell.result(run(who, how), how).partition(" after ")
        slowest = max(slowest, after + seconds, key=lambda it: (len(it), it))
        texts.setdefault(text, []).append(how)
    if len(texts) > 1 and all(text.startswith("0, caller") for text in texts):
        return "0, caller dies"
    if len(texts) == 1:
        return next(iter(texts)) + slowest
    return "; ".join(f"{text} ({', '.join(hows)})" for text, hows in texts.items()) + slowest


def faults(run, who, name) -> str:
    return row(name, [merged(run, who, ways) for ways in FAULTS.values()])


def others(run, who, name) -> str:
    cells = [text(run(who, how), how) for how, text in OTHERS.values()]
    if name.startswith("**parmap"):
        naive, own = ("numpy", "parmap.rng()") if who in PYTHON_ENGINES else ("rand()", "context::rng()")
        place = list(OTHERS).index("distinct naive random numbers")
        cells[place] = f"{naive}: {cells[place]}; {own}: {cell.distinct(run(who, 'rng'), '')}"
    return row(name, cells)


#: The rows of the first two tables, by peer.
TITLES = {
    **{engine: f"**parmap {engine}**" for engine in [*ENGINES, MPI]},
    **{engine: f"**{engine}, Python**" for engine in PYTHON_ENGINES},
    **{peer: peer for peer in PEERS},
}


def steady(line: str) -> str:
    """Return the line without the parts that may differ between runs."""
    return re.sub(r"\d+\.\d+ s|\d+ MB|(rand\(\)|numpy): \d+", "~", re.sub(r" after \d+ s", "", line))


def check(commands) -> int:
    run = Runner(commands, 0.01, 1, patience=10)
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    bad = False
    for who in commands:
        for table in (faults, others):
            now = table(run, who, TITLES[who])
            written = [line for line in lines
                       if line.startswith(f"| {TITLES[who]} |") and line.count("|") == now.count("|")]
            if steady(now) not in map(steady, written):
                bad = True
                print("\n".join(difflib.ndiff([steady(line) for line in written], [steady(now)])))
    if bad:
        print("docs/reliability.md is not what parmap does; run: benchmarks/reliability/run.py")
    lines = summary(PAGE.read_text(encoding="utf-8"))
    for each in SUMMARIES:
        if put(each.read_text(encoding="utf-8"), "summary", lines) != each.read_text(encoding="utf-8"):
            bad = True
            print(f"{each.relative_to(ROOT)} is not the summary of docs/reliability.md; run: benchmarks/reliability/run.py --summary")
    return int(bad)


#: The rows of the summary: its title, and the page's.
SUMMARY = {
    "**parmap** (C++ and Python)": ["**parmap multi**", "**parmap multi, Python**"],
    "multiprocessing.Pool": ["multiprocessing.Pool.map"],
    "ProcessPoolExecutor": ["ProcessPoolExecutor.submit"],
    "joblib": ["joblib"],
    "mpire": ["mpire.map"],
    "Dask": ["dask.distributed"],
    "OpenMP": ["OpenMP (g++)"],
    "oneTBB": ["oneTBB parallel_for"],
}
SUMMARY_COLUMNS = {"throws": "throws", "segfault, _exit, SIGKILL": "segfaults", "exit(1)": "calls exit(1)", "a task hangs, limit 2 s": "hangs"}


def summary(page: str) -> list:
    """Return the summary of the page's tables: how many of the other 19 tasks have their results when one of 20 fails."""
    cells = {}
    for part in ("faults", "others", "threads"):
        lines = page.split(f"<!-- {part}: ")[1].split(f"<!-- end of {part} -->")[0].splitlines()
        table = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")]
        titles, *rows = ([cell.strip() for cell in each] for each in table if not set("".join(each)) <= set("-|"))
        for name, *values in rows:
            cells.setdefault(name, {}).update(zip(titles[1:], values, strict=True))
    lines = head(SUMMARY_COLUMNS.values())
    for title, names in SUMMARY.items():
        shown = []
        for column in SUMMARY_COLUMNS:
            found = [cells[name].get(column, cells[name].get("segfault" if column.startswith("segfault") else column, "")) for name in names]
            texts = {in_words(text) for text in found}
            shown.append(" / ".join(sorted(texts)) or "not tried")
        lines.append(row(title, shown))
    return lines


def in_words(text: str) -> str:
    text = re.sub(r" \((?:segfault|SIG\w+)\)|; .*|, \d+\.\d s$", "", text)
    text = re.sub(r"^ok", "19", text)
    text = re.sub(r"(\d+) innocent fails?", r"\1 others fail", text)
    text = re.sub(r"\b1 others fail", "1 other fails", text)
    return "not tried" if not text else f"**{text}**" if text == "19" else text


def put_summaries() -> None:
    lines = summary(PAGE.read_text(encoding="utf-8"))
    for each in SUMMARIES:
        each.write_text(put(each.read_text(encoding="utf-8"), "summary", lines), encoding="utf-8")


def python_commands(python) -> dict:
    """Return the commands of parmap's rows in Python."""
    commands = {engine: [str(python), str(HERE / "peers.py"), engine] for engine in PYTHON_ENGINES}
    # Two ranks, which count as those of two nodes. As root, in a container, Open MPI wants to be told so.
    commands["parmap mpi"] = [
        "env", "PARMAP_TEST_RANKS_PER_NODE=1", "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", "OMPI_MCA_rmaps_base_oversubscribe=1",
        "mpirun", "-n", "2", str(python), "-m", "parmap.mpi", *commands["parmap mpi"][1:],
    ]  # fmt: skip
    return commands


def install(rows) -> dict:
    """Build what these rows of parmap need and return the command of each."""
    WORK.mkdir(parents=True, exist_ok=True)
    if set(rows) & set(ENGINES):
        subprocess.run([*COMPILE, HERE / "parmap.cpp", "-o", WORK / "parmap"], check=True)
    if MPI in rows:
        subprocess.run(["mpicxx", *COMPILE[1:], "-DRELIABILITY_MPI", HERE / "parmap.cpp", "-o", WORK / "parmap_mpi", "-ldl"], check=True)
    if set(rows) & set(PYTHON_ENGINES) and subprocess.call([PYTHON, "-c", "import numpy, parmap"]) != 0:
        sys.exit(f"run.py: {PYTHON} has no parmap with NumPy; ./demo --python puts it there")
    ours = {engine: [str(WORK / "parmap"), engine] for engine in ENGINES} | python_commands(PYTHON)
    ranks = ["env", "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", "PARMAP_MPI_NODES_FOR_TESTS=2", "mpirun", "--oversubscribe", "--bind-to",
             "none", "-n", "2", str(WORK / "parmap_mpi"), MPI]
    return ours | ({MPI: ranks} if MPI in rows else {})


def install_peers() -> dict:
    """Install programs and peers. Return the command of each row, except of those that cannot be installed."""
    commands = {}
    made = subprocess.run([*COMPILE, "-fopenmp", HERE / "threads.cpp", "-o", WORK / "threads", "-ltbb"], check=False)
    if made.returncode == 0:
        commands |= {peer: [str(WORK / "threads"), peer] for peer in THREAD_PEERS}
    python = WORK / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", WORK / "venv"], check=True)
    for package in PACKAGES:
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", package], check=False)
    for peer in PEERS:
        # A peer counts as installed if it can run a map without faults.
        tried = cell.run([str(python), str(HERE / "peers.py"), peer, "plain", "0", "1"], LIMIT)
        if cell.works(tried, "") == "ok":
            commands[peer] = [str(python), str(HERE / "peers.py"), peer]
    return commands


def versions() -> str:
    """Return the versions of everything that ran."""
    python = WORK / "venv" / "bin" / "python"
    listed = subprocess.run([python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
                            stdout=subprocess.PIPE, text=True, check=True).stdout
    found = dict(line.lower().split("==") for line in listed.split() if "==" in line)
    gcc = subprocess.run(["g++", "-dumpfullversion"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    tbb = subprocess.run(["dpkg-query", "-W", "-f=${Version}", "libtbb-dev"], stdout=subprocess.PIPE, text=True,
                         check=False).stdout
    return (f"{os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, Python {platform.python_version()}, g++ {gcc}, "
            f"oneTBB {tbb.split('-')[0]}; load average {os.getloadavg()[2]:.0f} meanwhile; " + ", ".join(f"{p} {found.get(p, 'not installed')}" for p in PACKAGES) + ".")


def missing(commands, names) -> list:
    lost = [name for name in names if name not in commands]
    return ["", "Not run, as they could not be installed: " + ", ".join(lost) + "."] if lost else []


def put(page: str, name: str, lines) -> str:
    """Return the page with the lines between its markers of that name."""
    begin, end = f"<!-- {name}: made by benchmarks/reliability/run.py -->", f"<!-- end of {name} -->"
    before, rest = page.split(begin)
    return before + "\n".join([begin, "", *lines, "", end]) + rest.split(end)[1]


def write() -> int:
    """Run every cell and return the whole page."""
    commands = install(TITLES) | install_peers()
    run = Runner(commands, 0.1, 2, kept=WORK / "outcomes.json")
    who = [each for each in TITLES if each in commands]
    third = [row(THREAD_PEERS[peer], [cell.result(run(peer, how), how) for how in ("throws", "segfault")])
             for peer in THREAD_PEERS if peer in commands]
    page = PAGE.read_text(encoding="utf-8")
    page = put(page, "faults", [*head(FAULTS), *(faults(run, w, TITLES[w]) for w in who), *missing(commands, PEERS)])
    page = put(page, "others", [*head(OTHERS), *(others(run, w, TITLES[w]) for w in who)])
    page = put(page, "threads", [*head(["throws", "segfault"]), *third, *missing(commands, THREAD_PEERS)])
    page = put(page, "versions", [versions()])
    PAGE.write_text(page, encoding="utf-8")
    return 0


def rewrite(names) -> int:
    """Run some of parmap's rows and return the page with these replaced; the other rows stay."""
    run = Runner(install(names), 0.1, 2)
    page = PAGE.read_text(encoding="utf-8")
    for part, columns, table in (("faults", FAULTS, faults), ("others", OTHERS, others)):
        lines = page.split(f"<!-- {part}: ")[1].split(f"<!-- end of {part} -->")[0].splitlines()[4:]
        kept = {line.split(" | ")[0].removeprefix("| "): line for line in lines if line}
        for who in names:
            kept[TITLES[who]] = table(run, who, TITLES[who])
            print(kept[TITLES[who]], flush=True)
        ordered = [kept[title] for title in TITLES.values() if title in kept]
        rest = [line for title, line in kept.items() if title not in TITLES.values()]
        page = put(page, part, [*head(columns), *ordered, *([""] if rest else []), *rest])
    PAGE.write_text(page, encoding="utf-8")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ours = [*ENGINES, MPI, *PYTHON_ENGINES]
    parser.add_argument("--only", metavar="ROW", nargs="+", choices=ours, help="only these rows: " + ", ".join(ours))
    parser.add_argument("--check", metavar="PROGRAM", help="compare parmap's rows in C++ with the page")
    parser.add_argument("--check-python", action="store_true", help="compare parmap's rows in Python with the page")
    parser.add_argument("--summary", action="store_true", help="only the summary of the page, in README.md and docs/index.md")
    arguments = parser.parse_args()
    if arguments.summary:
        put_summaries()
        return 0
    cell.prepare()
    if arguments.check:
        return check({engine: [arguments.check, engine] for engine in ENGINES})
    if arguments.check_python:
        commands = python_commands(sys.executable)
        if importlib.util.find_spec("distributed") is None:
            del commands["parmap dask"]
        if importlib.util.find_spec("mpi4py") is None or shutil.which("mpirun") is None:
            del commands["parmap mpi"]
        return check(commands)
    status = rewrite(arguments.only) if arguments.only else write()
    put_summaries()
    return status


if __name__ == "__main__":
    sys.exit(main())
