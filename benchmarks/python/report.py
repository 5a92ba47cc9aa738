# SPDX-License-Identifier: MIT
"""Formats the results of benchmarks/python.py in Markdown, from the dict that is written to benchmarks/results/python.json."""

from statistics import median

import cases
from markup import head, number, row, spread


class Entry:
    """The results of one workload."""

    def __init__(self, name: str, entry: dict):
        self.workload = cases.WORKLOADS[name]
        self.entry = entry
        self.rows = {(each["case"], each["peer"]): each for each in entry["rows"]}

    def n(self, case: str) -> int:
        """Return the greatest number of tasks that any peer was given."""
        return max((each["n"] for (name, _), each in self.rows.items() if name == case), default=0)

    def seconds_a_task(self, case: str, peer: str) -> float:
        measured = self.rows[case, peer]
        return median(measured["seconds"]) / measured["n"]

    def peak_mb(self, case: str, peer: str) -> float:
        return median(self.rows[case, peer]["peak_mb"])

    def cells(self, peer: str) -> list:
        """Return a line of the table."""
        line = [f"**{peer}**" if peer == cases.CALLER else peer]
        for case in self.workload.cases:
            measured = self.rows.get((case.name, peer), {"seconds": [], "peak_mb": [], "n": self.n(case.name)})
            seconds = measured["seconds"]
            if peer == cases.LOOP:  # every process has measured the loop
                seconds = seconds + [each for (name, _), other in self.rows.items()
                                     if name == case.name and other["n"] == measured["n"] for each in other["loop_seconds"]]
            text = spread([case.unit.of(each, measured["n"]) for each in seconds])
            line.append(text + (f", n = {measured['n']}" if measured["n"] != self.n(case.name) else ""))
            if case.memory:
                line.append(spread(measured["peak_mb"]))
            line.append(str(len(seconds)))
        return line

    def table(self) -> list:
        columns = [""]
        for case in self.workload.cases:
            prefix = f"{case.name}, " if case.name else ""
            columns += [prefix + case.unit.name, *([f"{case.name}, peak MB"] if case.memory else []), "runs"]
        peers = [peer for peer in self.workload.peers if any(name == peer for _, name in self.rows)]
        return [*head(columns), *(row(self.cells(peer)) for peer in peers)]

    def targets(self) -> list:
        """Return the targets, and whether parmap reached them. A missed target is no error."""
        lines = head(["target", "measured", ""])
        for target in self.workload.targets:
            of = self.peak_mb if target.memory else self.seconds_a_task
            others = target.others or [each for each in self.workload.peers if each not in (cases.LOOP, cases.CALLER)]
            others = [each for each in others if (target.case, each) in self.rows]
            if not others or (target.case, cases.CALLER) not in self.rows:
                continue
            unit = next(case.unit for case in self.workload.cases if case.name == target.case)
            best = min(others, key=lambda each: of(target.case, each))
            ratio = of(target.case, cases.CALLER) / of(target.case, best)
            whose = best if len(others) == 1 else f"the best of {len(others)} ({best})"
            if any(self.rows[target.case, each]["n"] != self.n(target.case) for each in others):
                whose += " a task"
            text = (f"{target.case}: " if target.case else "") + ("peak memory " if target.memory else "")
            if unit.more_is_better:
                text += f"at least {target.divisor} times {whose}"
                measured = f"{number(1 / ratio)} times"
            else:
                text += "at most " + (f"1/{target.divisor} of " if target.divisor > 1 else "") + whose
                measured = f"1/{number(1 / ratio)}" if ratio < 1 else f"{number(ratio)} times"
            lines.append(row([text, measured, "reached" if ratio <= 1 / target.divisor else "**not reached**"]))
        return lines

    def lines(self) -> list:
        """Return the section of this workload."""
        lines = [f"### {self.workload.title}", "", *self.table(), "", *self.targets()]
        for peer, why in self.entry["not_run"].items():
            lines += ["", f"Not run: {peer} ({why})."]
        before, after = self.entry["load"]
        return [*lines, "", f"Load average {before:.2f} before, {after:.2f} after.", ""]


def environments(results: dict) -> list:
    """Return the machine and versions, once if they are the same for all workloads."""
    found = {(package, version) for entry in results.values() for package, version in entry["versions"].items()}
    alike = len({entry["machine"] for entry in results.values()}) == 1 and len(found) == len(dict(found))
    lines = []
    for name in [next(iter(results))] if alike else results:
        entry = results[name]
        entries = list(results.values()) if alike else [entry]
        commands = ", ".join(dict.fromkeys(f"`{each['command']}`" for each in entries))
        dates = " .. ".join(sorted({min(each["date"][:10] for each in entries), max(each["date"][:10] for each in entries)}))
        versions = ", ".join(f"{package} {version}" for package, version in sorted(found if alike else entry["versions"].items()))
        lines += [("" if alike else f"{name}: ") + f"{commands} on {dates}; {entry['machine']}; {versions}.", ""]
    if any("--quick" in entry["command"] for entry in results.values()):
        lines += ["--quick does a fiftieth of the work: the figures show that it runs, and no more.", ""]
    return lines


def page(results: dict) -> list:
    """Return all tables."""
    if not results:
        return ["Not measured yet. To be made by `benchmarks/python.py --write`, on a machine that does nothing else."]
    ordered = {name: results[name] for name in cases.WORKLOADS if name in results}
    lines = ["Two workers. Each run is a new process, the peers take turns; pools are made and ended inside the timing. Medians",
             "(least .. greatest).", "", *environments(ordered)]
    for name, entry in ordered.items():
        lines += Entry(name, entry).lines()
    return lines[:-1]
