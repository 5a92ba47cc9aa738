# SPDX-License-Identifier: MIT
"""The figures of a page, as Plotly takes them: data and layout, of plain dicts and lists."""

from __future__ import annotations

import base64
import html
from array import array
from collections.abc import Sequence
from typing import Any

from .._times import span
from ._facts import FAILED, OK, RETRIED, WAITS, Facts, Histogram, Slices

_COLOURS = {OK: "#3b7dd8", FAILED: "#d62728", RETRIED: "#ff9f0e", WAITS: "#c8ccd2"}
_NAMES = {OK: "ok", FAILED: "failed", RETRIED: "failed, tried again", WAITS: "waits"}

_MOST_BARS = 3000  # more are drawn as lines, by WebGL
_MOST_LINES = 100_000  # more are binned
_BINS = 1000
_MOST_TEXT = 800_000  # bytes of inputs beside the slices

Figure = dict[str, Any]


def timeline(facts: Facts, binned: bool = False) -> Figure | None:
    """Who ran what, when: a row a worker. `binned`: how busy each was, however few slices there are."""
    slices = facts.slices
    if not len(slices):
        return None
    rows = max(slices.worker) + 1
    layout: dict[str, Any] = {
        "height": min(900, 150 + 26 * rows),
        "xaxis": {"title": {"text": "seconds since the map began"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": "worker"}, "range": [rows - 0.4, -0.6], "dtick": max(1, rows // 20), "zeroline": False},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        "hovermode": "closest",
        "barmode": "overlay",
        "shapes": [
            {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "line": {"dash": "dot", "color": "#555"}}
            for at in facts.breaks[:100]
        ],
    }
    if len(slices) > _MOST_LINES or binned:
        return _binned(slices, rows, layout)
    inputs = _inputs(slices)
    if len(slices) > _MOST_BARS:
        return {"lines": _lines(slices, inputs), "layout": layout}
    data = [_bars(slices, [k for k in range(len(slices)) if slices.kind[k] == kind], kind, inputs) for kind in _COLOURS]
    return {"data": [each for each in data if each], "layout": layout}


def _inputs(slices: Slices) -> dict[int, str]:
    """Those of slices, as far as there is room: of the longest."""
    found, room = {}, _MOST_TEXT
    for k in sorted(slices.inputs, key=lambda k: -slices.seconds[k]):
        text = html.escape(slices.inputs[k])
        room -= len(text) + 12
        if room < 0:
            break
        found[k] = text
    return found


def _shown(slices: Slices, k: int, inputs: dict[int, str]) -> str:
    """What is shown where the mouse is."""
    tasks, first = slices.tasks[k], slices.first[k]
    text = f"{tasks} tasks" if tasks > 1 else f"task {first}" if first >= 0 else ""
    return text + (f" ({inputs[k]})" if k in inputs else "") + f"<br>{span(slices.seconds[k])}"


def _bars(slices: Slices, chosen: list[int], kind: int, inputs: dict[int, str]) -> Figure | None:
    if not chosen:
        return None
    return {
        "type": "bar",
        "orientation": "h",
        "name": _NAMES[kind],
        "base": _packed([slices.begin[k] for k in chosen]),
        "x": _packed([slices.seconds[k] for k in chosen]),
        "y": [slices.worker[k] for k in chosen],
        "width": 0.8,
        "marker": {"color": _COLOURS[kind], "line": {"width": 0}},
        "customdata": [_shown(slices, k, inputs) for k in chosen],
        "hovertemplate": "%{customdata}<extra>" + _NAMES[kind] + "</extra>",
    }


def _lines(slices: Slices, inputs: dict[int, str]) -> Figure:
    """The slices column by column, of which page.js makes lines, as these take several times the room."""
    return {
        "begin": _packed(slices.begin),
        "seconds": _packed(slices.seconds, "f"),
        "worker": _packed(slices.worker, "H" if max(slices.worker) < 2**16 else "I"),
        "kind": _packed(slices.kind, "B"),
        "first": _packed([max(each, 0) for each in slices.first], "I" if max(slices.first) < 2**32 else "d"),
        "tasks": _packed(slices.tasks, "I"),
        "inputs": inputs,
        "kinds": [[_NAMES[kind], _COLOURS[kind]] for kind in (OK, FAILED, RETRIED, WAITS)],
    }


def _binned(slices: Slices, rows: int, layout: dict[str, Any]) -> Figure:
    """How busy each worker was in each part of the time."""
    end = max(b + s for b, s in zip(slices.begin, slices.seconds)) or 1.0
    width = end / _BINS
    busy = [array("d", bytes(8 * _BINS)) for _ in range(rows)]
    for worker, begin, seconds, kind in zip(slices.worker, slices.begin, slices.seconds, slices.kind):
        if kind == WAITS:
            continue
        row, last = busy[worker], begin + seconds
        k = min(int(begin / width), _BINS - 1)
        while k < _BINS and (edge := k * width) < last:
            row[k] += max(0.0, min(last, edge + width) - max(begin, edge))
            k += 1
    layout["xaxis"] = {"title": {"text": f"seconds since the map began (bins of {span(width)}, as there are {len(slices)} slices)"}}
    return {
        "data": [
            {
                "type": "heatmap",
                "x0": width / 2,
                "dx": width,
                "z": [[round(100 * min(1.0, value / width)) for value in row] for row in busy],
                "zmin": 0,
                "zmax": 100,
                "colorscale": "Blues",
                "reversescale": True,
                "colorbar": {"title": {"text": "busy, %"}},
                "hovertemplate": "worker %{y}, %{x:.3g} s: %{z} % busy<extra></extra>",
            }
        ],
        "layout": layout,
    }


def histogram(facts: Facts) -> Figure | None:
    counts = facts.histogram.counts
    used = [k for k, count in enumerate(counts) if count]
    if not used:
        return None
    first, last = used[0], used[-1]
    edges = [Histogram.begin(k) for k in range(first, last + 2)]
    ticks = [k for k in range(first, last + 2) if k % 10 == 0] or [first, last + 1]
    step = max(1, len(ticks) // 10)
    return {
        "data": [
            {
                "type": "bar",
                "x": [k + 0.5 for k in range(first, last + 1)],
                "y": counts[first : last + 1],
                "width": 1,
                "marker": {"color": _COLOURS[OK], "line": {"width": 1, "color": "white"}},
                "customdata": [f"{span(edges[i])} to {span(edges[i + 1])}" for i in range(last + 1 - first)],
                "hovertemplate": "%{y} attempts of %{customdata}<extra></extra>",
            }
        ],
        "layout": {
            "height": 320,
            "bargap": 0,
            "xaxis": {
                "title": {"text": "time of an attempt (logarithmic)"},
                "tickvals": ticks[::step],
                "ticktext": [span(Histogram.begin(k)) for k in ticks[::step]],
            },
            "yaxis": {"title": {"text": "attempts"}, "rangemode": "tozero"},
        },
    }


_TYPES = {"d": "f8", "f": "f4", "H": "u2", "I": "u4", "B": "u1"}


def _packed(numbers: Sequence[float], kind: str = "d") -> dict[str, str]:
    """A typed array of Plotly, which takes less room than digits."""
    return {"dtype": _TYPES[kind], "bdata": base64.b64encode(array(kind, numbers).tobytes()).decode()}
