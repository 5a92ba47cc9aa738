# SPDX-License-Identifier: MIT
"""A report as one page of HTML, which needs nothing from elsewhere: Plotly is in it."""

from __future__ import annotations

import html
import importlib.resources
import json
import os
from typing import Any

from .._times import span
from . import _figures
from ._facts import Facts, Grid
from ._text import headline, one_line, tasks_line, times_line, workers_line


#: A page is to be sent and opened; what goes beyond that is drawn with less detail.
_MOST_BYTES = 9_900_000


def page_of(facts: Facts) -> str:
    plotly = _plotly()
    figures = {"timeline": _figures.timeline(facts), "histogram": _figures.histogram(facts)}
    grid = None if facts.grid is None else _grid(facts.grid)
    room = _MOST_BYTES - len(plotly.encode())
    if _size(figures) + _size(grid) > room:
        figures["timeline"] = _figures.timeline(facts, binned=True)
    if _size(figures) + _size(grid) > room:
        grid = None
        facts.notes.append("The grid is not drawn, as the page would be larger than 10 MB.")
    return _whole(facts, plotly, {name: each for name, each in figures.items() if each is not None}, grid)


def _size(data: Any) -> int:
    return len(_in_script(data))


def _whole(facts: Facts, plotly: str, figures: dict[str, Any], grid: dict[str, Any] | None) -> str:
    title = html.escape(one_line(facts.label or os.path.basename(facts.source)))
    parts = [_summary(facts)]
    for name, heading in (("timeline", "Workers over time"), ("histogram", "Times of tasks")):
        if name in figures:
            parts.append(f'<section><h2>{heading}</h2><div id="{name}" class="figure"></div></section>')
    parts += [_slowest(facts), _failures(facts)]
    if grid is not None:
        parts.append(_GRID)
    data = _in_script({"figures": figures, "grid": grid})
    return (
        "<!DOCTYPE html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{_resource('page.css')}</style>"
        f"<script>{plotly}</script></head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        + "\n".join(each for each in parts if each)
        + f'\n</main>\n<script type="application/json" id="data">{data}</script>\n<script>{_resource("page.js")}</script>\n</body></html>\n'
    )


def _plotly() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise ImportError("parmap: a page needs plotly: pip install 'parmap-cpp[report]'", name="plotly") from None
    return str(get_plotlyjs())


def _resource(name: str) -> str:
    return importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _in_script(data: Any) -> str:
    """JSON that ends no script, whatever texts are in it. NaN, which JSON has not, is null."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _summary(facts: Facts) -> str:
    lines = [each for each in (headline(facts), tasks_line(facts), workers_line(facts), times_line(facts)) if each]
    tiles = [("tasks", str(facts.tasks if facts.tasks is not None else facts.completed + facts.failed + facts.stopped))]
    tiles += [("ok", str(facts.completed)), ("failed", str(facts.failed))]
    if facts.stopped:
        tiles.append(("stopped", str(facts.stopped)))
    if facts.stored:
        tiles.append(("stored before", str(facts.stored)))
    if facts.elapsed is not None:
        tiles.append(("wall time", span(facts.elapsed)))
    if (share := facts.busy_share) is not None:
        tiles.append(("workers busy", f"{share * 100:.0f} %"))
    shown = "".join(f'<div class="tile"><b>{html.escape(value)}</b><span>{name}</span></div>' for name, value in tiles)
    notes = "".join(f'<p class="note">{html.escape(each)}</p>' for each in facts.notes)
    return f'<section><div class="tiles">{shown}</div>{"".join(f"<p>{html.escape(one_line(each))}</p>" for each in lines)}{notes}</section>'


def _table(heads: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{html.escape(each)}</th>" for each in heads)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(one_line(each))}</td>" for each in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _slowest(facts: Facts) -> str:
    if not facts.slowest:
        return ""
    rows = [[str(each.index), each.inputs, span(each.seconds), str(each.attempt), "ok" if each.ok else "failed"] for each in facts.slowest]
    return "<section><h2>Slowest tasks</h2>" + _table(["task", "inputs", "time", "attempt", "outcome"], rows) + "</section>"


def _failures(facts: Facts) -> str:
    if not facts.causes:
        return ""
    rows = [[str(each.count), each.kind.replace("_", " "), each.message, f"{each.first}" if each.first >= 0 else "", each.inputs] for each in facts.causes]
    return "<section><h2>Failures by cause</h2>" + _table(["tasks", "kind", "message", "first task", "its inputs"], rows) + "</section>"


_GRID = (
    '<section><h2>The grid</h2><div class="controls"><label>show <select id="quantity"></select></label>'
    '<label>across <select id="across"></select></label><label>up <select id="up"></select></label></div>'
    '<div class="controls" id="rest"></div><div id="map" class="figure"></div><div id="plot" class="figure"></div></section>'
)


def _grid(grid: Grid) -> dict[str, Any]:
    quantities = {name: [_short(each) for each in numbers] for name, numbers in grid.quantities.items()}
    if any(grid.failed):
        quantities["failed"] = [0 if each is None else 1 for each in grid.failed]
    kinds = sorted({each for each in grid.failed if each})
    return {
        "names": [html.escape(each) for each in grid.names],
        "values": [[each if isinstance(each, (int, float)) and _short(each) is not None else html.escape(str(each)) for each in axis] for axis in grid.values],
        "quantities": [[html.escape(name), numbers] for name, numbers in quantities.items()],
        "kinds": [each.replace("_", " ") for each in kinds],
        "failed": [0 if each is None else 1 + kinds.index(each) for each in grid.failed],
    }


def _short(number: float | None) -> float | None:
    """With six digits; what JSON has not is missing."""
    if number is None or number != number or number in (float("inf"), float("-inf")):
        return None
    return number if isinstance(number, int) and abs(number) < 2**53 else float(f"{number:.6g}")
