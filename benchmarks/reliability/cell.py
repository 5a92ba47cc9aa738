# SPDX-License-Identifier: MIT
"""Runs one cell of docs/reliability.md in a new process, and describes its outcome in a few words."""

import ctypes
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

N = 20
CULPRIT = 7
PR_SET_CHILD_SUBREAPER = 36


def prepare() -> None:
    """Make this process a subreaper, so that it sees what a cell leaves running, and make cells start with SIGINT not ignored."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def descendants(of: int) -> list:
    """Return every living descendant of a process, without zombies."""
    found = []
    for task in Path(f"/proc/{of}/task").glob("*/children"):
        try:
            for child in map(int, task.read_text().split()):
                if Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                    found.append(child)
                found += descendants(child)
        except OSError:
            pass  # it has ended meanwhile
    return found


def memory_mb(pids) -> float:
    """Return the memory that the processes use together, with shared pages counted once."""
    total = 0
    for pid in pids:
        try:
            total += int(re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])
        except (OSError, TypeError):
            pass
    return total / 1024


def reap() -> None:
    """Reap every child that has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def end_leftovers(patience: float) -> int:
    """Wait for processes that a cell left behind. Return how many are left after `patience` seconds, and kill them."""
    until = time.monotonic() + patience
    while (left := descendants(os.getpid())) and time.monotonic() < until:
        time.sleep(0.05)
        reap()
    count = len(left)
    while left := descendants(os.getpid()):
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)
        reap()
    reap()
    return count


def run(command, limit: float, act: str = "", memory: bool = False, patience: float = 1.0) -> dict:
    """Return the outcome of one process. act: "sigint" to its group or "kill" to it alone, once its tasks run."""
    with tempfile.TemporaryDirectory() as directory:
        begun = Path(directory, "begun")
        environment = dict(os.environ, PYTHONWARNINGS="ignore")
        if act:
            environment["RELIABILITY_BEGUN"] = str(begun)
        with open(Path(directory, "out"), "w+", encoding="utf-8") as out:
            start = time.monotonic()
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL,
                                       env=environment, start_new_session=True)
            acted = 0.0
            peak = 0.0
            while process.poll() is None and time.monotonic() - start < limit:
                if act and not acted and begun.exists():
                    time.sleep(0.3)
                    acted = time.monotonic()
                    if act == "sigint":
                        os.killpg(process.pid, signal.SIGINT)
                    else:
                        process.kill()
                if memory:
                    peak = max(peak, memory_mb([process.pid, *descendants(process.pid)]))
                time.sleep(0.02)
            end = time.monotonic()
            outcome = {"seconds": end - (acted or start), "status": process.poll(), "peak_mb": peak}
            if process.poll() is None:
                process.kill()
            process.wait()
            outcome["left"] = end_leftovers(patience)
            out.seek(0)
            outcome["lines"] = out.read().splitlines()
    return outcome


def said(outcome, word) -> list:
    """Return the rest of every line that begins with a word."""
    return [line.split(maxsplit=1)[1] for line in outcome["lines"] if line.startswith(word + " ")]


def how_it_ended(outcome) -> str:
    """Return how the process ended; empty if the call returned."""
    if outcome["lines"] and outcome["lines"][-1] == "done":
        # An interpreter may still hang or crash at its exit.
        return "" if outcome["status"] is not None else "hangs at exit"
    if outcome["status"] is None:
        return "hangs"
    if outcome["status"] < 0:
        return f"caller dies ({signal.Signals(-outcome['status']).name})"
    return "caller exits"


def result(outcome, column: str) -> str:
    """Return a cell of the first table."""
    values = {int(text) for text in said(outcome, "value")}
    blamed = [int(text.split()[0]) for text in said(outcome, "failed")]
    ended = how_it_ended(outcome)
    slow = f" after {outcome['seconds']:.0f} s" if outcome["seconds"] > 5 and outcome["status"] is not None else ""
    if not ended and (len(values) == N or (len(values) == N - 1 and blamed == [CULPRIT])) \
            and (column == "closure") == (len(values) == N):
        return "ok" + slow
    if not ended and len(values) == N and column == "unencodable":
        return "ok, nothing is encoded"
    if column == "closure" and not values:
        return ended or "fails"
    parts = [str(len(values - {CULPRIT}))]
    innocent = len(set(blamed) - {CULPRIT})
    if innocent:
        parts.append(f"{innocent} innocent fail" + ("s" if innocent == 1 else ""))
    parts += [f"raises {text.split()[0].rsplit('::', 1)[-1]}" for text in said(outcome, "raised")]
    if ended:
        parts.append(ended)
    return ", ".join(parts) + slow


def hang(outcome, _) -> str:
    """Return the cell for a task that hangs, with a limit of 2 s."""
    raised = [f"raises {text.split()[0].rsplit('::', 1)[-1]}" for text in said(outcome, "raised")]
    values = {int(text) for text in said(outcome, "value")}
    return ", ".join([str(len(values)), *raised, how_it_ended(outcome) or f"{outcome['seconds']:.1f} s"])


def interrupted(outcome, _) -> str:
    """Return the cell for a SIGINT."""
    left = f", {outcome['left']} left" if outcome["left"] else ""
    return ("not within the limit" if outcome["status"] is None else f"{outcome['seconds']:.1f} s") + left


def orphans(outcome, _) -> str:
    """Return the cell for a caller that was killed."""
    return f"{outcome['left']} left" if outcome["left"] else "none"


def distinct(outcome, _) -> str:
    """Return how many different random numbers there were."""
    return (said(outcome, "distinct") or ["-"])[0]


def cost(outcome, _) -> str:
    """Return time and memory if all tasks have values, else what went wrong."""
    if len(said(outcome, "value")) != N:
        return result(outcome, "closure")
    return f"{outcome['seconds']:.1f} s, {outcome['peak_mb']:.0f} MB"


def works(outcome, _) -> str:
    """Return "ok" if all tasks have values, else what went wrong."""
    return "ok" if len(said(outcome, "value")) == N and not how_it_ended(outcome) else result(outcome, "closure")
