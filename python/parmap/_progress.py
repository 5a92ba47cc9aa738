# SPDX-License-Identifier: MIT
"""Reporters, which show how far a map or a stream is: tqdm's bar, lines of text, or the user's own. The total of a stream may
be unknown, None."""

from __future__ import annotations

import functools
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from . import _summary
from ._loaded import loaded
from ._unknown_name import UnknownName

#: The reporters that have a name.
REPORTERS = ("bar", "text", "silent", "none")

_LONG = 5.0  # seconds without news, after which the bar tells which task lasts

_told: set[str] = set()  # what tell_once has printed in this process


def _tqdm() -> Any:
    """Returns the class tqdm. Imported when there is something to show, because that takes longer than importing
    parmap."""
    from tqdm import tqdm

    return tqdm


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # stderr is None or closed
        return False


class _PatientLock:
    """Wraps the lock of a tqdm class, which is shared with other processes: one that dies while it draws leaves it locked.
    So this waits for it for a second, and does without it from then on. Threads of this process never draw at once."""

    def __init__(self, shared: Any) -> None:
        self._own = threading.RLock()
        self._shared = list(getattr(shared, "locks", [shared]))
        self._held: list[list[Any]] = []  # by each acquire() that has not been released

    def acquire(self, *arguments: Any, **options: Any) -> bool:
        self._own.acquire()
        held = []
        for lock in list(self._shared):
            if lock.acquire(False) or lock.acquire(True, 1.0):
                held.append(lock)
            else:
                self._shared.remove(lock)
        self._held.append(held)
        return True

    def release(self) -> None:
        for lock in reversed(self._held.pop()):
            lock.release()
        self._own.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *raised: object) -> None:
        self.release()


def _with_patient_lock(given: Any) -> Any:
    """The same class, if it is tqdm's, with a lock that no other process can hold for ever. It needs no thread that looks
    after it (TMonitor), as a map shows its progress all the time."""
    std: Any = loaded("tqdm.std")
    if std is None or not (isinstance(given, type) and issubclass(given, std.tqdm)):
        return given
    kind: Any = given
    if not hasattr(std.tqdm, "_instances"):  # of all bars; else the first one would keep them to itself
        std.tqdm._instances = weakref.WeakSet()
    own = {"_lock": _PatientLock(kind.get_lock()), "monitor_interval": 0, "__module__": kind.__module__}
    return type(kind.__name__, (kind,), own)


class Reporter:
    """Shows nothing. show() is called by the thread that called parmap, about ten times a second and at the end. `longest`:
    the task that has been running for longest, and its seconds."""

    def show(self, done: int, total: int | None, failed: int, longest: tuple[int, float] | None = None) -> None:
        pass

    def begin_at(self, done: int) -> None:
        """So many tasks were done before: they are in no rate."""

    def show_places(self, places: str) -> None:
        """Says where the tasks of a cluster run: "2 nodes, 8 workers". Again if that changes."""

    def tell_once(self, line: str) -> None:
        """Prints a line before anything starts: only if this reporter writes to stderr, and once in a process."""

    def close(self) -> None:
        pass


class _OnStderr(Reporter):
    """A reporter of parmap's own on stderr. A class or function of the user may draw anywhere, so it prints no lines
    there."""

    _places = ""

    def show_places(self, places: str) -> None:
        self._places = places

    def tell_once(self, line: str) -> None:
        if line not in _told and sys.stderr is not None:  # print takes None for stdout
            _told.add(line)
            print(line, file=sys.stderr, flush=True)


    def sum_up(self, begun: float, done: int, total: int | None, failed: int, stored: int) -> None:
        """Behind the last report: a line with the counts, if a task has no result."""
        total = done if total is None else total
        if (failed or done < total) and sys.stderr is not None:
            text = _summary.line(time.monotonic() - begun, done - failed, failed, total - done, stored=stored)
            print(text, file=sys.stderr, flush=True)


class _Bar(Reporter):
    """A bar of any class with tqdm's constructor, and of functools.partial of one. It is made when there is something to
    show, and drawn again only if that has changed, or its clock stood still for long."""

    patience = 0.0  # seconds before the bar appears
    _initial = 0  # tasks that were done before
    _places = ""

    def begin_at(self, done: int) -> None:
        self._initial = done

    def __init__(self, kind: Callable[..., Any] | None, label: str | None) -> None:
        self._kind = kind
        self._options: dict[str, Any] = {} if label is None else {"desc": label}
        self._begun = time.monotonic()
        self._shown = self._begun  # when it was last drawn
        self._rest = 1.0 if _is_terminal() else 10.0  # without news: the time on it goes on
        self._news = self._begun  # when a task has ended
        self._said = ""
        self._counts: tuple[int, int | None, int] = (0, 0, 0)  # done, total, failed
        self._bar: Any = None

    def show(self, done: int, total: int | None, failed: int, longest: tuple[int, float] | None = None) -> None:
        self._counts = done, total, failed
        if self._bar is None:
            if time.monotonic() - self._begun < self.patience:
                return
            self._make(total)
        elif total is not None and getattr(self._bar, "total", total) is None:
            self._bar.total = total  # a stream has come to the end of its input
        now = time.monotonic()
        news = done - self._bar.n
        if news != 0:
            self._news = now
        if news != 0 or now - self._shown >= self._rest:
            self._shown = now
            self._tell(failed, longest if now - self._news >= _LONG else None)
            self._bar.update(news)

    def show_places(self, places: str) -> None:
        self._places = places

    def _tell(self, failed: int, slow: tuple[int, float] | None) -> None:
        """Behind the bar: where the tasks run, how many tasks have failed, and if there has been no news for long, which one lasts."""
        words = [self._places] if self._places else []
        if failed:
            words.append(f"{failed} failed")
        if slow is not None:
            words.append(f"task {slow[0]}: {slow[1]:.0f} s")
        if (said := ", ".join(words)) != self._said and hasattr(self._bar, "set_postfix_str"):
            self._said = said
            self._bar.set_postfix_str(said, refresh=False)

    def _make(self, total: int | None) -> None:
        options = self._options
        if isinstance(self._kind, functools.partial):
            kind, given = _with_patient_lock(self._kind.func), self._kind
            options = {**given.keywords, **options}
            self._bar = kind(*given.args, **{"total": total, **options})
        else:
            self._bar = _with_patient_lock(self._kind)(total=total, **options)
        if hasattr(self._bar, "miniters"):  # tqdm would skip updates after a fast stretch
            self._bar.miniters, self._bar.dynamic_miniters = 0, False
        if self._initial and hasattr(self._bar, "last_print_n"):
            self._bar.initial = self._bar.last_print_n = self._bar.n = self._initial
        # The map began before the bar, so its rate would be too high.
        before = time.monotonic() - self._begun
        for moment in ("start_t", "last_print_t"):
            if hasattr(self._bar, moment):
                setattr(self._bar, moment, getattr(self._bar, moment) - before)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class _OwnBar(_OnStderr, _Bar):
    """tqdm's bar, made by parmap."""

    def __init__(self, label: str | None) -> None:
        super().__init__(None, label)

    def _make(self, total: int | None) -> None:
        self._kind = self._kind or _tqdm()
        super()._make(total)

    def close(self) -> None:
        super().close()
        if self._bar is not None:
            self.sum_up(self._begun, *self._counts, self._initial)


class _PatientBar(_OwnBar):
    """A bar that appears after half a second."""

    patience = 0.5


class _NotebookBar(_PatientBar):
    def _make(self, total: int | None) -> None:
        from tqdm.auto import tqdm as notebook_tqdm

        self._kind = notebook_tqdm
        super()._make(total)


class _Text(_OnStderr):
    """A plain line every 10 seconds, and one at the end."""

    def __init__(self, label: str | None) -> None:
        self._label = label or ""
        self._begun = self._last = time.monotonic()
        self._ended = False
        self._counts: tuple[int, int | None, int] = (0, 0, 0)  # done, total, failed
        self._initial = 0

    def begin_at(self, done: int) -> None:
        self._initial = done

    def show(self, done: int, total: int | None, failed: int, longest: tuple[int, float] | None = None) -> None:
        now = time.monotonic()
        self._counts = done, total, failed
        if self._ended or (done != total and now - self._last < 10):
            return
        self._last = now
        self._ended = done == total
        if sys.stderr is not None:  # print takes None for stdout
            postfix = ", ".join(each for each in (self._places, f"{failed} failed" if failed else "") if each) or None
            line = _tqdm().format_meter(done, total, now - self._begun, ncols=0, prefix=self._label, postfix=postfix, initial=self._initial)
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        self.sum_up(self._begun, *self._counts, self._initial)


class _Call(Reporter):
    """callable(i, n): i is the number of the latest task to end, counted from 0 in that order; n is the number of tasks."""

    def __init__(self, call: Callable[[int, int | None], Any]) -> None:
        self._call = call
        self._done = 0

    def show(self, done: int, total: int | None, failed: int, longest: tuple[int, float] | None = None) -> None:
        if done > self._done:
            self._done = done
            self._call(done - 1, total)


def _in_notebook() -> bool:
    if "ipykernel" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and "IPKernelApp" in shell.config


def _automatic(label: str | None) -> Reporter:
    if _in_notebook():
        return _NotebookBar(label)
    return _PatientBar(label) if _is_terminal() else Reporter()


def make_reporter(who: Any, label: str | None, nested: bool) -> Reporter:
    """Returns the reporter for parmap's arguments `reporter` and `label`. Inside a task nothing is shown unless that is given."""
    if who is None:
        return Reporter() if nested else _automatic(label)
    if isinstance(who, str):
        if who == "bar":
            return Reporter() if sys.stderr is None else _OwnBar(label)
        if who == "text":
            return _Text(label)
        if who in REPORTERS:
            return Reporter()
        raise UnknownName("reporter", who, REPORTERS)
    kind = who.func if isinstance(who, functools.partial) else who
    if hasattr(kind, "update") and hasattr(kind, "close"):
        if not isinstance(kind, type):
            raise TypeError(
                "parmap: reporter is a bar and not a class; give its class, or functools.partial(tqdm, desc='x'), and "
                "parmap makes the bar"
            )
        return _Bar(who, label)
    if callable(who):
        return _Call(who)
    raise TypeError(f"parmap: reporter must be a name such as 'text', a tqdm class or a callable(i, n), not {type(who).__name__}")
