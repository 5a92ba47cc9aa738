#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws the results of benchmarks/native.py, and of benchmarks/scaling.sh on other machines, with matplotlib: SVG and PNG, into
docs/pictures/ with --write, else into build/bench/pictures."""

import argparse
import json
import math
import sys
import textwrap
from pathlib import Path
from statistics import median

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(HERE / "native")]

import scaling as measured  # noqa: E402
import tables  # noqa: E402

PAGES = ROOT / "docs" / "pictures"
OURS, THEIRS, LOOP = "#c44e52", "#8c9bb0", "#333333"

plt.rcParams.update({
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "parmap", "figure.dpi": 120,
    "svg.fonttype": "none", "font.family": "DejaVu Sans",
})  # fmt: skip


def color(peer: str) -> str:
    return OURS if peer.startswith("parmap") else LOOP if peer == tables.LOOP else THEIRS


def finish(figure, entry: dict, name: str, to: Path) -> None:
    text = f"{entry['date'][:10]}, {entry['runs']} runs, medians; {entry['machine']}; {entry['versions']}"
    lines = textwrap.wrap(text, int(20 * figure.get_figwidth()))
    figure.text(0.01, 0.005, "\n".join(lines), fontsize=6, color="#666666", va="bottom")
    figure.tight_layout(rect=(0, 0.03 * len(lines), 1, 1))
    to.mkdir(parents=True, exist_ok=True)
    figure.savefig(to / f"{name}.svg", metadata={"Date": None})
    figure.savefig(to / f"{name}.png", metadata={"Software": None})
    plt.close(figure)


def balance(results: dict, to: Path) -> None:
    """Draw the parallel efficiency, a panel for each workload."""
    entry = results["balance"]
    found = entry["seconds"]
    names = [name for name in tables.BALANCE if name in found]
    peers = [each for each in tables.ALL if each != tables.LOOP and each in found[names[0]]]
    figure, panels = plt.subplots(2, 4, figsize=(10, 5.2), sharey=True)
    for name, panel in zip(names, panels.flat, strict=True):
        ideal = median(found[name][tables.LOOP]) / entry["cores"]
        shares = [100 * ideal / median(found[name][peer]) for peer in peers]
        panel.barh(range(len(peers)), shares, color=[color(each) for each in peers])
        panel.set_title(name, fontsize=9)
        panel.set_yticks(range(len(peers)), [tables.NAMES[each] for each in peers])
        panel.set_xlim(0, 105)
        panel.axvline(100, color="#bbbbbb", linewidth=0.8)
        for k, share in enumerate(shares):
            panel.text(2, k, f"{share:.0f}", va="center", fontsize=7, color="white")
        panel.invert_yaxis()
    figure.suptitle("Parallel efficiency on uneven work, 2 cores (more is better, 100 % is ideal)", fontsize=10)
    finish(figure, entry, "performance-balance", to)


def apart(heights: dict, least: float) -> dict:
    """Return the same heights in the same order, but no two nearer to each other than `least`."""
    placed = {}
    for name in sorted(heights, key=heights.__getitem__):
        placed[name] = max(heights[name], max(placed.values(), default=heights[name] - least) + least)
    return placed


def calls(results: dict, to: Path) -> None:
    """Draw the cost of a call."""
    entry = results["calls"]
    sizes = [1, 10, 100, 1000]
    figure, panel = plt.subplots(figsize=(6.4, 4))
    ends = {}
    for peer in tables.TABLES["calls"].peers:
        times = [entry["seconds"][f"n = {n}"].get(peer) for n in sizes]
        if not all(times):
            continue
        ours = peer.startswith("parmap")
        panel.plot(sizes, [median(each) * 1e9 for each in times], color=color(peer), linewidth=2.2 if ours else 1.1,
                   marker="o", markersize=3, zorder=3 if ours else 2)
        ends[peer] = math.log10(median(times[-1]) * 1e9)
    for peer, height in apart(ends, 0.13).items():
        panel.annotate(tables.NAMES[peer], (1000, 10**height), xytext=(5, 0), textcoords="offset points", va="center", fontsize=7,
                       color=color(peer))
    panel.set(xscale="log", yscale="log", xlabel="tasks x * x + 1", ylabel="ns a call, hot")
    panel.set_xlim(0.9, 6000)
    finish(figure, entry, "performance-calls", to)


def growth(results: dict, to: Path) -> None:
    """Draw the cost of a task against the number of tasks."""
    entry = results["growth"]
    figure, panel = plt.subplots(figsize=(6.4, 3.6))
    for peer in tables.TABLES["growth"].peers:
        points = [(10**k, median(entry["seconds"][f"n = 1e{k}"][peer]) / 10**k * 1e9) for k in range(3, 10)]
        panel.plot(*zip(*points, strict=True), marker="o", markersize=3, label=tables.NAMES[peer])
    panel.set(xscale="log", yscale="log", xlabel="tasks that return nothing", ylabel="ns a task")
    panel.legend(frameon=False)
    finish(figure, entry, "performance-growth", to)


def scaling(file: Path, to: Path) -> None:
    """Draw how each peer scales with cores, a panel for each case."""
    found = measured.Measured(file)
    workers = found.workers
    figure, panels = plt.subplots(3, 4, figsize=(12, 8.4))
    lines = {"omp_static": ":", "omp_dynamic": "--", "tbb_auto": "-", tables.FORK: "-.", tables.BARE: (0, (1, 3)), tables.THREADS: "-", tables.MULTI: "--"}
    known: dict = {}
    for (name, case), panel in zip(measured.CASES.items(), panels.flat, strict=True):
        for peer in case.peers:
            points = [(each, median(shown)) for each in workers if (shown := found.shown(name, peer, each))]
            if points:
                known[peer] = panel.plot(*zip(*points, strict=True), color=color(peer), linestyle=lines[peer], marker="o", markersize=3,
                                         linewidth=2 if peer.startswith("parmap") else 1.1)[0]
        share = case.unit == tables.SHARE
        panel.set_title("\n".join(textwrap.wrap(case.title, 36)), fontsize=8)
        panel.set(xscale="log", yscale="linear" if share else "log", ylabel=case.unit[0])
        panel.set_xticks(workers, [str(each) for each in workers])
        panel.xaxis.minorticks_off()
        if share:
            panel.set_ylim(0, max(110, panel.get_ylim()[1]))
            panel.axhline(100, color="#bbbbbb", linewidth=0.8)
        if name == list(measured.CASES)[-1]:
            panel.set_xlabel("workers, each on a core of its own")
    figure.legend(known.values(), [tables.NAMES[each] for each in known], ncols=len(known), loc="upper center", frameon=False, fontsize=8)
    figure.suptitle(" ")
    about = found.about
    finish(figure, {"date": about["date"], "runs": about.get("ended", {}).get("rounds", 0), "machine": found.machine(),
                    "versions": about["versions"]}, "performance-scaling", to)


def scale(found: dict, to: Path) -> None:
    """Draw what the model of benchmarks/scale.py says: a panel for each carrier and kind of tasks."""
    names = list(dict.fromkeys(each["carrier"] for each in found["model"]))[:3]
    figure, panels = plt.subplots(2, 3, figsize=(10, 6), sharex=True, sharey=True)
    times = sorted({each["seconds"] for each in found["model"]})
    shades = plt.get_cmap("viridis")([0.9 * k / (len(times) - 1) for k in range(len(times))])
    for heavy, row in zip((False, True), panels, strict=True):
        for name, panel in zip(names, row, strict=True):
            for seconds, shade in zip(times, shades, strict=True):
                points = [(each["workers"], 100 * each["efficiency"]) for each in found["model"]
                          if each["carrier"] == name and each["heavy"] == heavy and each["seconds"] == seconds]
                label = f"{1000 * seconds:g} ms" if seconds < 1 else f"{seconds:g} s" if seconds < 60 else f"{seconds / 60:g} min" if seconds < 3600 else f"{seconds / 3600:g} h"
                panel.plot(*zip(*points, strict=True), color=shade, marker="o", markersize=3, label=label)
            panel.set_title(f"{name}, {'heavy tail' if heavy else 'tasks of one length'}", fontsize=9)
            panel.set(xscale="log", ylim=(0, 103))
            panel.axhline(100, color="#bbbbbb", linewidth=0.8)
    for panel in panels[1]:
        panel.set_xlabel("workers, 64 on a node")
    for panel in panels[:, 0]:
        panel.set_ylabel("% of the best possible")
    panels[0][0].legend(title="a task takes", frameon=False, fontsize=7, title_fontsize=7, loc="lower left")
    entry = {"date": found["date"], "runs": 1, "machine": found["machine"], "versions": "a model, fed with costs measured there"}
    finish(figure, entry, "scale", to)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="draw what --quick measured")
    parser.add_argument("--scaling", metavar="FILE", type=Path, help="draw only FILE, which the run of benchmarks/scaling.sh wrote")
    parser.add_argument("--scale", action="store_true", help="draw only what benchmarks/scale.py has simulated")
    parser.add_argument("--write", action="store_true", help="into docs/pictures")
    arguments = parser.parse_args()
    work = ROOT / "build" / "bench"
    file = work / "native-quick.json" if arguments.quick else HERE / "results" / "native.json"
    to = PAGES if arguments.write else work / "pictures" / "made"
    if arguments.scaling:
        scaling(arguments.scaling, to)
        print(f"performance-scaling is in {to}")
        return 0
    if arguments.scale:
        scale(json.loads((HERE / "results" / "scale.json").read_text(encoding="utf-8")), to)
        print(f"scale is in {to}")
        return 0
    if not file.is_file():
        print(f"{file} is not there yet", file=sys.stderr)
        return 1
    results = json.loads(file.read_text(encoding="utf-8"))
    for name, draw in {"balance": balance, "calls": calls, "growth": growth}.items():
        if name in results:
            draw(results, to)
    print(f"Pictures are in {to}")
    return 0


sys.exit(main())
