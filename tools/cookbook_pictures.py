#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws the pictures of docs/cookbook with matplotlib: docs/pictures/cookbook-*.svg, from what the pages' own Python programs compute.

It needs a Python that has parmap, NumPy and matplotlib, such as a virtual environment of its own:

    python3 -m venv pictures
    pictures/bin/python -m pip install . numpy matplotlib
    pictures/bin/python tools/cookbook_pictures.py             # all of them
    pictures/bin/python tools/cookbook_pictures.py images      # one, by the name of its page

The same version of matplotlib makes the same files again. It takes some ten seconds.
"""

import contextlib
import io
import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

from parmap import parmap  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
RED, BLUE, GREY = "#c44e52", "#4c72b0", "#666666"

plt.rcParams.update({
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "parmap", "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
})  # fmt: skip


def program(page: str) -> dict:
    """Run the first Python block of a page, and return its variables."""
    text = (ROOT / "docs" / "cookbook" / f"{page}.md").read_text(encoding="utf-8")
    found = re.search(r"^```python\n(.*?)^```$", text, re.S | re.M)
    assert found is not None, f"{page}.md has no Python"
    names: dict = {"__name__": page}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(found[1], f"{page}.md", "exec"), names)
    return names


def save(figure, page: str) -> None:
    path = PICTURES / f"cookbook-{page}.svg"
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def ode_sweep() -> None:
    names = program("ode-sweep")
    omegas, forces = np.linspace(0.5, 1.5, 41), np.linspace(0, 1.5, 31)
    found = parmap(names["oscillate"], omegas.tolist(), forces.tolist(), on_error="raise")
    ratios = np.array([each["ratio"] for each in found]).reshape(len(omegas), len(forces))
    figure, axes = plt.subplots(figsize=(5.2, 3.2))
    half = [(values[1] - values[0]) / 2 for values in (omegas, forces)]
    extent = (omegas[0] - half[0], omegas[-1] + half[0], forces[0] - half[1], forces[-1] + half[1])
    shown = axes.imshow(ratios.T, origin="lower", aspect="auto", extent=extent, interpolation="none", cmap="RdBu_r", vmin=0.5, vmax=1.5)
    figure.colorbar(shown, label="frequency / frequency of the force", extend="both")
    axes.set(xlabel="ω", ylabel="F")
    save(figure, "ode-sweep")


def bootstrap() -> None:
    names = program("bootstrap")
    figure, axes = plt.subplots(figsize=(5.2, 2.6))
    axes.hist(names["found"], bins=np.arange(-0.1, 1.0001, 0.025), color=BLUE)
    axes.axvspan(names["low"], names["high"], color=RED, alpha=0.15, linewidth=0, label="95 % interval")
    axes.axvline(names["correlation"](np.arange(len(names["lsat"]))), color=RED, label="the sample")
    axes.set(xlabel="correlation", ylabel="resamples", xlim=(-0.1, 1))
    axes.legend(frameon=False, loc="upper left")
    save(figure, "bootstrap")


def images() -> None:
    names = program("images")
    figure, panels = plt.subplots(1, 2, figsize=(5.2, 2.7))
    for panel, name in zip(panels, ["noisy", "filtered"], strict=True):
        panel.imshow(names[name][6], cmap="gray", vmin=0, vmax=1, interpolation="none")
        panel.set_title(name)
        panel.axis("off")
    save(figure, "images")


def optimiser() -> None:
    names = program("optimiser")
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.6))
    times = 0.02 * np.arange(1, 1001)[::10]
    left.plot(times, names["measured"][::10], ".", color=GREY, markersize=3, label="measured")
    left.plot(times, names["oscillator"](*names["found"])[::10], color=RED, linewidth=1, label="fit")
    left.set(xlabel="time", ylabel="position")
    left.legend(frameon=False)
    right.semilogy(names["best"], color=BLUE)
    right.set(xlabel="generation", ylabel="least cost")
    save(figure, "optimiser")


DRAWN = {"ode-sweep": ode_sweep, "bootstrap": bootstrap, "images": images, "optimiser": optimiser}


def main() -> int:
    wrong = sorted(set(sys.argv[1:]) - set(DRAWN))
    if wrong:
        print(f"no picture {', '.join(wrong)}; there are {', '.join(DRAWN)}")
        return 2
    for page in sys.argv[1:] or DRAWN:
        DRAWN[page]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
