# SPDX-License-Identifier: MIT
"""Formats the results of benchmarks/native.py in Markdown."""

from statistics import median

import tables
from markup import head, number, row, spread


class Entry:
    """The results of a table: {column: {peer: [seconds, ...]}}."""

    def __init__(self, name: str, entry: dict):
        self.table = tables.TABLES[name]
        self.entry = entry
        self.seconds = entry["seconds"]

    def shown(self, column: tables.Column, seconds: float) -> float:
        """Convert seconds to the column's unit."""
        if column.unit == tables.SHARE:
            return 100 * median(self.seconds[column.name][tables.LOOP]) / self.entry["cores"] / seconds
        return seconds * column.unit[1]

    def cell(self, column: tables.Column, peer: str) -> str:
        measured = self.seconds[column.name].get(peer, [])
        if column.unit == tables.SHARE and peer == tables.LOOP:
            return spread([each * 1e3 for each in measured]) + " ms"
        return spread([self.shown(column, each) for each in measured])

    def lines(self) -> list:
        lines = [f"### {self.table.title}", ""]
        if self.table.note:
            lines += [self.table.note, ""]
        peers = [each for each in self.table.peers if any(each in found for found in self.seconds.values())]
        columns = self.table.columns
        shown = [", ".join(filter(None, (each.name, each.unit[0]))) for each in columns]
        memory = self.entry.get("peak_mb", {})
        lines += head(["", *shown, *([f"{each.name}: peak MB".lstrip(": ") for each in columns] if memory else [])])
        for peer in peers:
            name = tables.NAMES[peer]
            line = [f"**{name}**" if peer.startswith("parmap") else name, *(self.cell(each, peer) for each in columns)]
            if memory:
                line += [spread(memory[each.name].get(peer, [])) for each in columns]
            lines.append(row(line))
        for peer, why in self.entry["not_run"].items():
            lines += ["", f"Not run: {tables.NAMES[peer]} ({why})."]
        targets = self.targets()
        before, after = self.entry["load"]
        return [*lines, "", *([*targets, ""] if targets else []),
                f"{self.entry['runs']} runs; load average {before:.2f} before, {after:.2f} after.", ""]

    def targets(self) -> list:
        lines = []
        for target in self.table.targets:
            found = self.seconds.get(target.column, {})
            if target.peer not in found:
                continue
            column = next(each for each in self.table.columns if each.name == target.column)
            if target.peak or target.peak_above_loop or target.peak_times:
                what, measured, reached = self.judged_by_peak(target)
            else:
                what, measured, reached = self.judged(target, column, median(found[target.peer]), found)
            if what:
                of = ", ".join(filter(None, (target.column, tables.NAMES[target.peer])))
                lines.append(row([f"{of}: {what}", measured, "reached" if reached else "**not reached**"]))
        return [*head(["target", "measured", ""]), *lines] if lines else []

    def judged(self, target, column, own, found) -> tuple:
        if target.share:
            share = self.shown(column, own)
            return f"at least {target.share:g} %", f"{share:.1f} %", share >= target.share
        if target.above_loop:
            above = (own - median(found[tables.LOOP])) * column.unit[1]
            text = f"at most {target.above_loop:g} {column.unit[0]} above the plain loop"
            return text, f"{above:.0f} {column.unit[0]}", above <= target.above_loop
        others = [each for each in target.others if each in found]
        if not others:
            return "", "", False
        best = min(others, key=lambda each: median(found[each]))
        ratio = own / median(found[best])
        whose = tables.NAMES[best] if len(others) == 1 else f"the best of {len(others)} ({tables.NAMES[best]})"
        return f"at most {number(target.times)} times {whose}", f"{ratio:.2f} times", ratio <= target.times


    def judged_by_peak(self, target) -> tuple:
        peaks = {peer: median(ran) for peer, ran in self.entry["peak_mb"][target.column].items()}
        own, loop = peaks[target.peer], peaks.get(tables.LOOP)
        if target.peak:
            return f"at most {target.peak:.1f} MB", f"{own:.1f} MB", own <= target.peak
        if target.peak_times:
            return f"at most {number(target.peak_times)} times the plain loop's peak", f"{own / loop:.2f} times", own <= target.peak_times * loop
        return f"a peak at most {target.peak_above_loop:.1f} MB above the plain loop's", f"{own - loop:.1f} MB", own - loop <= target.peak_above_loop


def missed(results: dict) -> list:
    """Return the lines of targets that were not reached."""
    return [line for name, entry in results.items() for line in Entry(name, entry).targets() if "**not reached**" in line]


#: The tables and columns that docs/performance.md shows.
SUMMARY = (("calls", "n = 10", "call on 10 tasks"), ("fresh", "n = 1e7", "1e7 x * x + 1"), ("objects", "1e6 strings of 32", "1e6 strings"),
           ("balance", "growing", "cost grows"), ("balance", "heavy first 5 %", "heavy first"),
           ("balance", "one heavy last", "one heavy last"))  # fmt: skip


def summary(results: dict) -> list:
    """Return a small table for docs/performance.md."""
    shown = [each for each in SUMMARY if each[0] in results]
    if not shown:
        return ["Not measured yet."]
    entries = {name: Entry(name, results[name]) for name, _, _ in shown}
    columns = {each: next(column for column in entries[each[0]].table.columns if column.name == each[1]) for each in shown}
    lines = head(["", *(f"{title}, {columns[name, column, title].unit[0]}" for name, column, title in shown)])
    for peer in tables.ALL:
        line = []
        for each in shown:
            entry, column = entries[each[0]], columns[each]
            measured = entry.seconds[column.name].get(peer, [])
            plain = column.unit == tables.SHARE and peer == tables.LOOP
            line.append("-" if not measured or plain else number(entry.shown(column, median(measured))))
        if any(each != "-" for each in line):
            lines.append(row([f"**{tables.NAMES[peer]}**" if peer.startswith("parmap") else tables.NAMES[peer], *line]))
    first = results[shown[0][0]]
    runs = sorted({entry.entry["runs"] for entry in entries.values()})
    return [*lines, "", f"Medians of {' or '.join(map(str, runs))} runs, {first['date'][:10]}; {first['machine']}; {first['versions']}."]


def page(results: dict) -> list:
    """Return all tables."""
    if not results:
        return ["Not measured yet. To be made by `./bench --write`, on a machine that does nothing else."]
    ordered = {name: results[name] for name in tables.TABLES if name in results}
    lines = ["Each figure is of a process of its own; the peers take turns (A B C A B C ...). Medians (least .. greatest).", ""]
    where = dict.fromkeys(f"`{each['command']}` on {each['date'][:10]}; {each['machine']}; {each['versions']}." for each in ordered.values())
    for each in where:
        lines += [each, ""]
    for name, entry in ordered.items():
        lines += Entry(name, entry).lines()
    return lines[:-1]
