# SPDX-License-Identifier: MIT
"""python -m parmap status FILE: what is in a checkpoint, and whether it is complete."""

from __future__ import annotations

import argparse
import sqlite3
import sys
import time

from . import _checkpoint_file
from ._checkpoint_file import in_words
from ._checkpoint_run import grouped
from ._errors import StoreFailed
from ._failures import KINDS, Causes, Failure
from ._load import find_version, opened
from ._stored_tasks import _exception_of
from ._stored_values import in_words as value_in_words
from ._times import span

COMPLETE, WRONG, INCOMPLETE, FAILURES = 0, 1, 3, 4
_MOST_CAUSES = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", help="the file of a checkpoint; of several the worst exit status counts")
    parser.add_argument("--version-name", metavar="NAME", default=None, help="the version of the function (default: the one made last)")


def run(arguments: argparse.Namespace) -> int:
    """Returns the exit status: 0 if all tasks of the last run have values, 3 if tasks are missing, 4 if all have ended and some failed."""
    found = []
    for path in arguments.files:
        try:
            lines, status = described(path, arguments.version_name)
            print("\n".join(lines))
        except (OSError, StoreFailed, ValueError) as error:
            print(error.strerror + ": " + str(error.filename) if isinstance(error, OSError) and error.strerror else error, file=sys.stderr)
            status = WRONG
        found.append(status)
    return min(found, key=(WRONG, INCOMPLETE, FAILURES, COMPLETE).index)


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
    if len(versions) > 1 or name:
        lines.append(f"version {name!r} of {', '.join(map(repr, versions))}")
    run = file.execute(
        "SELECT number, began, seen, ended, host, pid, parmap, language, command, git, tasks, done, failed FROM run WHERE version = ?"
        " ORDER BY number DESC LIMIT 1",
        (number,),
    ).fetchone()
    values, others = file.execute(f"SELECT count(*) FILTER (WHERE kind = 0), count(*) FILTER (WHERE kind <> 0) FROM result_{number}").fetchone()
    if run is None:
        return [*lines, "no run"], INCOMPLETE
    _, began, seen, ended, host, pid, release, language, command, git, tasks, done, _ = run
    failed = min(others, max(0, tasks - done))
    missing = max(0, tasks - done - failed)
    text = f"last run: {grouped(done)} of {grouped(tasks)} tasks done"
    lines.append(text + (f", {grouped(failed)} failed" if failed else "") + (f", {grouped(missing)} missing" if missing else ""))
    if values + others > done + failed:
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
    return lines, COMPLETE if done == tasks else INCOMPLETE if missing else FAILURES


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

