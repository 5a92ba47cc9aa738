# SPDX-License-Identifier: MIT
"""python -m parmap status FILE: what is in a checkpoint, and whether it is complete."""

from __future__ import annotations

import argparse
import sqlite3
import sys
import time
from typing import NamedTuple

from . import _checkpoint_file, _part_files
from ._checkpoint_file import in_words
from ._checkpoint_run import grouped
from ._errors import StoreFailed
from ._failures import KINDS, Causes, Failure
from ._load import find_version, opened
from ._stored_tasks import _exception_of
from ._stored_values import in_words as value_in_words
from ._times import span

COMPLETE, WRONG, INCOMPLETE, FAILURES = 0, 1, 3, 4
_WORST = (WRONG, INCOMPLETE, FAILURES, COMPLETE)
_MOST_CAUSES = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", help="the file of a checkpoint, or a pattern such as 'sweep.part*.db' for the files of the parts of a sweep; of several the worst exit status counts")
    parser.add_argument("--version-name", metavar="NAME", default=None, help="the version of the function (default: the one made last)")


def run(arguments: argparse.Namespace) -> int:
    """Returns the exit status: 0 if all tasks of the last run have values, 3 if tasks are missing, 4 if all have ended and some failed."""
    found = []
    for path in arguments.files:
        try:
            paths = _part_files.paths_of(path)
            lines, status = described(path, arguments.version_name) if paths is None else parts_described(path, paths, arguments.version_name)
            print("\n".join(lines))
        except (OSError, StoreFailed, ValueError) as error:
            print(error.strerror + ": " + str(error.filename) if isinstance(error, OSError) and error.strerror else error, file=sys.stderr)
            status = WRONG
        found.append(status)
    return min(found, key=_WORST.index)


def parts_described(pattern: str, paths: list[str], version: str | None = None) -> tuple[list[str], int]:
    """The same of several files together: a line for each that is not complete."""
    parts: list[_part_files.PartFile] = []
    lines, found = [], []
    total = Counts(0, 0, 0, INCOMPLETE)
    for path in paths:
        file = opened(path)
        try:
            with in_words(path):
                file.execute("BEGIN")
                number, _, _ = find_version(path, file, version)
                parts.append(_part_files.part_file(path, file, number))
                own = _counts(file, number)
                alive = _checkpoint_file.users(path, file)[0]
        finally:
            _checkpoint_file.close(file)
        found.append(own.status)
        total = Counts(total.tasks + own.tasks, total.done + own.done, total.failed + own.failed, total.status)
        if own.status != COMPLETE or alive:
            part = parts[-1].part
            lines.append(f"  {path}" + (f", part {part}" if part else "") + f": {own}" + "".join(f"; {each}" for each in alive[:1]))
    missing = _part_files.check(pattern, parts)
    if missing:
        found.append(INCOMPLETE)
        lines.append(f"  {'part' if len(missing) == 1 else 'parts'} without a file: {_part_files.in_ranges(missing)}")
    first = parts[0]
    count = "" if first.part is None else f" of {first.part.count} parts"
    head = f"{pattern}: {value_in_words(first.fields.get('function'))}({first.names.replace(' x ', ', ')}), seed {value_in_words(first.fields.get('seed'))}"
    return [head, f"{len(parts)}{count or ' files'}: {total}", *lines], min(found, key=_WORST.index)


class Counts(NamedTuple):
    """How far the last run of a file is."""

    tasks: int
    done: int
    failed: int
    status: int

    def __str__(self) -> str:
        missing = max(0, self.tasks - self.done - self.failed)
        text = f"{grouped(self.done)} of {grouped(self.tasks)} tasks done"
        return text + (f", {grouped(self.failed)} failed" if self.failed else "") + (f", {grouped(missing)} missing" if missing else "")


def _counts(file: sqlite3.Connection, version: int) -> Counts:
    run = file.execute("SELECT tasks, done FROM run WHERE version = ? ORDER BY number DESC LIMIT 1", (version,)).fetchone()
    if run is None:
        return Counts(0, 0, 0, INCOMPLETE)
    tasks, done = run
    (others,) = file.execute(f"SELECT count(*) FROM result_{version} WHERE kind <> 0").fetchone()
    failed = min(others, max(0, tasks - done))
    missing = max(0, tasks - done - failed)
    return Counts(tasks, done, failed, COMPLETE if done == tasks else INCOMPLETE if missing else FAILURES)


def described(path: str, version: str | None = None) -> tuple[list[str], int]:
    """The summary, a line each, and the exit status."""
    file = opened(path)
    try:
        with in_words(path):
            file.execute("BEGIN")
            return _described(path, file, version)
    finally:
        _checkpoint_file.close(file)


def _described(path: str, file: sqlite3.Connection, version: str | None) -> tuple[list[str], int]:
    number, name, versions = find_version(path, file, version)
    fields = {each: (format, it) for each, format, it in file.execute("SELECT name, format, value FROM field WHERE version = ?", (number,))}
    axes = sorted(_checkpoint_file.axes_of(file, number), key=lambda axis: axis.place)
    names = ", ".join(each for axis in axes for each in axis.names)
    lines = [f"{path}: {value_in_words(fields.get('function'))}({names}), seed {value_in_words(fields.get('seed'))}"]
    if "part" in fields:
        lines.append(f"part {fields['part'][1]}: only these tasks")
    if len(versions) > 1 or name:
        lines.append(f"version {name!r} of {', '.join(map(repr, versions))}")
    run = file.execute(
        "SELECT began, seen, ended, host, pid, parmap, language, command, git FROM run WHERE version = ?"
        " ORDER BY number DESC LIMIT 1",
        (number,),
    ).fetchone()
    values, others = file.execute(f"SELECT count(*) FILTER (WHERE kind = 0), count(*) FILTER (WHERE kind <> 0) FROM result_{number}").fetchone()
    if run is None:
        return [*lines, "no run"], INCOMPLETE
    began, seen, ended, host, pid, release, language, command, git = run
    counts = _counts(file, number)
    lines.append(f"last run: {counts}")
    if values + others > counts.done + counts.failed:
        lines.append(f"in the file: {grouped(values)} values and {grouped(others)} failures, also of other elements of the axes")
    lines += _causes(file, number)
    alive = _checkpoint_file.users(path, file)[0]
    ago, after = span(max(0.0, time.time() - seen)), span(max(0.0, seen - began))
    lines.append(f"last seen {ago} ago, after {after}: {language}, parmap {release}, on {host}, process {pid}")
    lines.append(f"  {command}" + (f"  (git {git[:12]})" if git else ""))
    if alive:
        lines.append(str(alive[0]))
    elif ended is None:
        lines.append("its process ended without saying so; the next run goes on where it was")
    (runs,) = file.execute("SELECT count(*) FROM run WHERE version = ?", (number,)).fetchone()
    if runs > 1:
        lines.append(f"{runs} runs; the first began {time.strftime('%Y-%m-%d %H:%M', time.localtime(_first(file, number)))}")
    return lines, counts.status


def _first(file: sqlite3.Connection, version: int) -> float:
    return file.execute("SELECT min(began) FROM run WHERE version = ?", (version,)).fetchone()[0]  # type: ignore[no-any-return]


def _causes(file: sqlite3.Connection, version: int) -> list[str]:
    groups = Causes()
    rows = file.execute(f"SELECT task, kind, attempts, value FROM result_{version} WHERE kind <> 0 ORDER BY task")
    for task, kind, attempts, message in rows:
        groups.add(Failure(task, (), KINDS[kind - 1], _exception_of(KINDS[kind - 1], str(message)), attempts or 0, ""))
    causes = groups.causes()
    lines = [f"  {each.count} x {each.kind.replace('_', ' ')}: {_message(each.message)}" for each in causes[:_MOST_CAUSES]]
    if len(causes) > _MOST_CAUSES:
        lines.append(f"  and {sum(each.count for each in causes[_MOST_CAUSES:])} more, of {len(causes) - _MOST_CAUSES} other causes")
    return lines


def _message(text: str) -> str:
    text = text.removeprefix("RemoteError: ")
    return text if len(text) <= 200 else text[:197] + "..."

