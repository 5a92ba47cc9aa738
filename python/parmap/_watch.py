# SPDX-License-Identifier: MIT
"""python -m parmap watch FILE, and watch(): follow the status file of a map, which may run on another machine."""

from __future__ import annotations

import argparse
import html
import json
import os
import sys
import time
from typing import Any

from ._loaded import loaded
from ._report._text import one_line
from ._summary import line
from ._times import span

_FIELDS = (
    "completed", "failed", "stored", "tasks", "label", "program", "engine", "pid", "host", "ended", "how", "elapsed", "rate", "left", "heartbeat",
    "oldest", "running", "failures",
)  # fmt: skip
_PATIENCE = 10.0  # seconds without a heartbeat, after which it is called old
_MOST = 5  # running tasks, and causes, that are shown


class NoStatus(Exception):
    """There is no status file. Its text is for the user."""


def status_path(path: Any) -> str:
    """The status file of a trace or a checkpoint; or itself."""
    text = os.fsdecode(path)
    return text if text.endswith(".status") else text + ".status"


def read_status(path: str) -> dict[str, Any]:
    """Raises NoStatus."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = json.load(file)
    except OSError as error:
        raise NoStatus(f"{path}: {error.strerror}; a map with trace= or checkpoint= writes it") from None
    except ValueError:
        raise NoStatus(f"{path}: it is no status file of parmap") from None
    if not isinstance(found, dict) or found.get("parmap_status") != 1:
        raise NoStatus(f"{path}: it is no status file of this version of parmap")
    if missing := [each for each in _FIELDS if each not in found]:
        raise NoStatus(f"{path}: it is damaged: it has no {missing[0]}")
    return found


def status_lines(now: dict[str, Any], age: float | None) -> list[str]:
    """What the status says, line by line. `age`: seconds since the file was last seen to change; None: unknown."""
    done, total = now["completed"] + now["failed"] + now["stored"], now["tasks"]
    head = now["label"] or now["program"] or "map"
    lines = [f"{head}: engine {now['engine']}, pid {now['pid']} on {now['host']}"]
    if now["ended"]:
        stopped = 0 if total is None else max(0, total - done)
        text = line(now["elapsed"], now["completed"], now["failed"], stopped)
        how = {"complete": "ended", "incomplete": "ended before all tasks were done", "exception": "ended by an exception"}
        lines.append(f"{text}; {how.get(now['how'], now['how'])}")
    else:
        share = "" if not total else f"{100 * done // total:3d} % "
        text = f"{share}{done}/{'?' if total is None else total} in {span(now['elapsed'])}, {_rate(now['rate'])}"
        text += "" if now["left"] is None else f", {span(now['left'])} left"
        lines.append(text + (f", {now['failed']} failed" if now["failed"] else ""))
        if age is not None and age > _PATIENCE:
            lines.append(f"The heartbeat is {span(age)} old: the program is stopped or was killed, or this machine sees old files")
        for each in now["oldest"][:_MOST]:
            inputs = f" ({each['inputs']})" if each["inputs"] else ""
            attempt = f", attempt {each['attempt']}" if each["attempt"] > 1 else ""
            lines.append(f"  task {each['task']}{inputs} has been running for {span(each['seconds'])}{attempt}")
        if now["running"] > _MOST:
            lines.append(f"  and {now['running'] - _MOST} more are running")
    for each in now["failures"][:_MOST]:
        message = f": {each['message']}" if each["message"] else ""
        inputs = f" ({each['inputs']})" if each["inputs"] else ""
        lines.append(f"  {each['count']} x {each['kind'].replace('_', ' ')}{message}; first task {each['first']}{inputs}")
    return [one_line(each) for each in lines]


def _rate(per_second: float) -> str:
    if per_second <= 0:
        return "no task yet"
    return f"{per_second:.3g} tasks/s" if per_second >= 1 else f"{span(1 / per_second)} a task"


class _Clock:
    """How old the heartbeat is: the time since it last changed here, as clocks of two machines differ."""

    def __init__(self) -> None:
        self._seen: Any = None
        self._since = time.monotonic()

    def age(self, now: dict[str, Any]) -> float:
        if now["heartbeat"] != self._seen:
            first, self._seen = self._seen is None, now["heartbeat"]
            # At the first look only the clocks can tell.
            known = max(0.0, time.time() - now["heartbeat"]) if first else 0.0
            self._since = time.monotonic() - (known if known > _PATIENCE else 0.0)
        return time.monotonic() - self._since


def watch(path: Any, *, interval_sec: float = 1.0, once: bool = False) -> None:
    """Show how far a map is that runs elsewhere, until it has ended::

        parmap.watch("run.json")        # of parmap(..., trace="run.json"), in another notebook or on another machine

    In a notebook it is a display that changes; in a terminal some lines that do; elsewhere lines that follow each other.

    Arguments
    ---------
    path
        The trace or the checkpoint of the map, or its status file: the same with .status at its end.
    interval_sec
        The seconds between two looks.
    once
        Show the present state, and return.

    Raises
    ------
    FileNotFoundError
        There is no status file, or it is not parmap's.
    KeyboardInterrupt
        Ctrl-C. The map goes on.
    """
    try:
        _follow(status_path(path), _shown(), interval_sec, once)
    except NoStatus as error:
        raise FileNotFoundError(f"parmap.watch: {error}") from None


def _follow(path: str, show: Any, interval_sec: float, once: bool) -> dict[str, Any]:
    clock = _Clock()
    now = read_status(path)
    while True:
        show(status_lines(now, clock.age(now)))
        if once or now["ended"]:
            return now
        time.sleep(interval_sec)
        try:
            now = read_status(path)
        except NoStatus:  # NFS may say so for a moment while it is replaced
            time.sleep(interval_sec)
            now = read_status(path)


def _shown() -> Any:
    """What shows lines: in place of those before, where that is possible."""
    ipython: Any = loaded("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is not None and hasattr(shell, "kernel"):
        return _InNotebook().show
    return _OnScreen().show if sys.stdout is not None and sys.stdout.isatty() else _show_plainly


def _show_plainly(lines: list[str]) -> None:
    print("\n".join(lines), flush=True)


class _OnScreen:
    """Draws over what it has drawn before."""

    def __init__(self) -> None:
        self._drawn = 0

    def show(self, lines: list[str]) -> None:
        width = max(20, os.get_terminal_size(sys.stdout.fileno()).columns - 1)
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        text = "".join(f"\x1b[K{each[:width]}\n" for each in lines)
        print(f"{up}\r{text}\x1b[J", end="", flush=True)
        self._drawn = len(lines)


class _InNotebook:
    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, lines: list[str]) -> None:
        from IPython.display import HTML, display

        text = HTML(f"<pre>{html.escape(chr(10).join(lines))}</pre>")
        if self._handle is None:
            self._handle = display(text, display_id=True)
        else:
            self._handle.update(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the trace or the checkpoint of a running map, or its status file")
    parser.add_argument("--once", action="store_true", help="show the present state, and end")


def run(given: argparse.Namespace) -> int:
    """Exit status 0: all tasks have a result; 3: some have not been done; 4: some have failed; 2: no status file."""
    try:
        now = _follow(status_path(given.file), _shown(), 1.0, given.once)
    except NoStatus as error:
        print(f"python -m parmap watch: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if not now["ended"] or now["how"] != "complete":
        return 3
    return 4 if now["failed"] else 0
