# SPDX-License-Identifier: MIT
"""parmap() on a cluster: what comes from its nodes becomes results and failures of this process."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

from . import _errors
from ._answer import Answer
from ._arguments import Request
from ._cluster import Caller
from ._outcome import collect
from ._times import TimeKeeper


def run(asked: Request) -> None:
    """Stores the outcome in `asked`, as every engine does."""
    if not asked.values:
        return
    asked.ctrl_c.keep_off()  # until the end: glance() hears it
    carrier = asked.cluster._open(asked.workers)
    try:
        caller = Caller(asked, carrier, len(asked.values), carrier.within)
        asked.hosts = caller.tasks.hosts
        taken = _Taken(asked, caller)
        glances = Glances(asked, caller, len(asked.values), lambda: caller.completed + caller.failed)
        try:
            caller.run(taken.take, glances.look)
        except Exception as error:  # a cluster that is gone, for example: what has come is not lost
            taken.finish()
            _errors.set_attribute(error, "results", collect(asked))
            raise
        taken.finish()
        glances.report()
    finally:
        carrier.close()


class Glances:
    """What a map looks at every tenth of a second: where it runs, how far it is, whether it is to stop. `ended()`: the tasks that have."""

    def __init__(self, asked: Request, caller: Caller, size: int, ended: Callable[[], int]) -> None:
        self._asked, self._caller, self._size, self._ended = asked, caller, size, ended
        self._places = ""

    def look(self) -> None:
        asked, caller = self._asked, self._caller
        if caller.places != self._places and asked.show_places is not None:
            self._places = caller.places
            asked.show_places(caller.places)
        self.report()
        if asked.stop is not None and asked.stop.is_set():
            caller.halt(b"the map was stopped")
        if asked.ctrl_c.is_kept or (asked.stop_at_failure and caller.failed):
            caller.kill()

    def report(self) -> None:
        if self._asked.report is not None:
            self._asked.report(self._ended(), self._size, self._caller.failed)


class _Taken:
    def __init__(self, asked: Request, caller: Caller) -> None:
        self._asked = asked
        self._caller = caller
        self._times = TimeKeeper() if asked.times else None

    def take(self, answer: Answer, host: str) -> None:
        values, told = self._asked.values, self._asked.told
        for index, value in zip(answer.indexes, answer.values):
            if type(value) is bytes:
                value, lost = unpickled(value, self._asked.ctrl_c.has_raised)
                if lost is not None:
                    told.append((index, "unencodable", lost, answer.attempts.get(index, 1), 0))
                    self._asked.hosts[index] = host
                    self._caller.completed -= 1
                    self._caller.tasks.failed += 1
            values[index] = value
        for index, kind, message, attempts, status, seconds, _ in answer.failed:
            if kind != "stopped" or message == b"lost":
                told.append((index, kind, message, attempts, status))
                if self._times is not None and seconds is not None:
                    self._times.add(index, attempts, seconds)
        if self._times is not None:
            self._times.note_workers(self._caller.workers)
            for index, seconds in zip(answer.indexes, answer.seconds):
                if seconds >= 0:
                    self._times.add(index, answer.attempts.get(index, 1), seconds)

    def finish(self) -> None:
        asked = self._asked
        asked.told += self._caller.left()
        asked.told.sort()
        if self._times is not None:
            asked.measured.append(self._times.measured())


def unpickled(data: bytes, interrupted: Callable[[BaseException], bool]) -> tuple[Any, bytes | None]:
    """A value, or why there is none, as a worker would describe it."""
    try:
        return pickle.loads(data), None
    except BaseException as error:
        if interrupted(error):
            raise
        return None, _errors.describe_unpicklable(error)
