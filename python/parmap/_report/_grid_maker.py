# SPDX-License-Identifier: MIT
"""Makes the grid of a report from its cells, in whatever order they come."""

from __future__ import annotations

import json
import math
from typing import Any

from ._facts import Facts, Grid

_MOST_CELLS = 200_000


class GridMaker:
    """Collects the cells of the grid. Axes that are walked together are one."""

    def __init__(self, names: list[list[str]]) -> None:
        self._names = names
        self._places: list[dict[Any, int]] = [{} for _ in names]
        self._cells: list[tuple[tuple[int, ...], dict[str, float], str | None]] = []
        self._too_many = False

    def add(self, inputs: tuple[Any, ...], ok: bool, kind: str, value: Any, form: int | None, seconds: float | None) -> None:
        if self._too_many or not self._names:
            return
        at, place = 0, []
        for names, places in zip(self._names, self._places):
            key = inputs[at] if len(names) == 1 else inputs[at : at + len(names)]
            at += len(names)
            place.append(places.setdefault(key, len(places)))
        quantities = {} if not ok else numbers_in(value, form)
        if seconds is not None:
            quantities["seconds"] = seconds
        self._cells.append((tuple(place), quantities, None if ok else kind))
        self._too_many = len(self._cells) > _MOST_CELLS

    def set_last(self, quantities: dict[str, float]) -> None:
        """Of the cell that was added last."""
        if self._cells and not self._too_many:
            self._cells[-1][1].update(quantities)

    def made(self, facts: Facts) -> Grid | None:
        if not self._names or not self._cells:
            return None
        sizes = [len(each) for each in self._places]
        cells = math.prod(sizes)
        if self._too_many or cells > _MOST_CELLS:
            facts.notes.append(f"The grid has more than {_MOST_CELLS} combinations, so that the page does not draw it.")
            return None
        if len({place for place, _, _ in self._cells}) < len(self._cells):
            facts.notes.append("Some combinations are there more than once; of these the grid shows the last one.")
        # Sorted by value, where all are numbers.
        orders = [_order(list(each)) for each in self._places]
        values = [[list(places)[k] for k in order] for places, order in zip(self._places, orders)]
        to_new = [{old: new for new, old in enumerate(order)} for order in orders]
        names = sorted({name for _, quantities, _ in self._cells for name in quantities}, key=lambda name: name == "seconds")
        found: dict[str, list[float | None]] = {name: [None] * cells for name in names}
        failed: list[str | None] = [None] * cells
        for place, quantities, kind in self._cells:
            at = 0
            for k, size in enumerate(sizes):
                at = at * size + to_new[k][place[k]]
            failed[at] = kind
            for name, number in quantities.items():
                found[name][at] = number
        texts = [[value_text(each) if isinstance(each, tuple) else each for each in axis] for axis in values]
        return Grid([", ".join(each) for each in self._names], texts, found, failed)


def _order(values: list[Any]) -> list[int]:
    if all(isinstance(each, (int, float)) for each in values):
        return sorted(range(len(values)), key=lambda k: values[k])
    return list(range(len(values)))


def numbers_in(value: Any, form: int | None) -> dict[str, float]:
    """What can be drawn: the value, if it is a number, or the numbers among its fields."""
    if isinstance(value, (int, float)):
        return {"value": value}
    if form in (10, 11) and isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
        if isinstance(value, dict):
            return {name: number for name, number in value.items() if isinstance(number, (int, float)) and name != "seconds"}
    return {}


def value_text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(value_text, value))
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else "" if value is None else str(value)
