# SPDX-License-Identifier: MIT
"""The caller's side of a map on a cluster: which agent gets which tasks, and what becomes of those of an agent that is lost.

The caller owns all tasks. A task is either still to be given, or open at one agent, or done; `_done` has a byte for each. Agents
get ranges; how many tasks at once goes by their own pace, so that there is always work for about two of the carrier's periods
(`within`), and less as the end comes, so that all agents end together.

An agent that is lost blames nobody, as each task ends in a worker of its own: what is open there runs again. A range that was lost
twice runs in eight pieces, each alone on its agent, and is cut again at each further loss: so a task that takes its node down does not
take others with it. What was lost five times fails, with the kind "stopped".
"""

from __future__ import annotations

import pickle
import time
import uuid
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

from . import _deadline, _errors
from ._agent import Answer, Start
from ._agent_tasks import pickled_program
from ._arguments import Request
from ._carrier import Call, Carrier, Event, Place, words_of

LOST_MOST = 5  # times
_PIECES = 8
_GROWTH = 16  # of what an agent has at once, from one exchange to the next
_FLOOR = 0.05  # seconds of work that are worth an exchange
_GLANCE = 0.1  # seconds between two looks at the reporter, at stop and the deadline
_LONG = 10.0  # of an exchange in which nothing ends
_PATIENCE = 10.0  # seconds without any agent, after which that is said

Deliver = Callable[[Answer, str], None]


class _Range:
    """Tasks [first, end) that are open at an agent, or wait to run again."""

    __slots__ = ("end", "first", "lost")

    def __init__(self, first: int, end: int, lost: int = 0) -> None:
        self.first, self.end, self.lost = first, end, lost


class _Agent:
    def __init__(self, place: Place, lane: int) -> None:
        self.place = place
        self.workers = place.workers
        self.lane = lane
        self.knows = False  # the program
        self.busy = False  # an exchange is on its way
        self.open: list[_Range] = []
        self.unfinished = 0
        self.rate = 0.0  # tasks a second
        self.wanted = 0  # tasks that it should have at once
        self.alone = False  # has a range that was lost twice


class Caller:
    """One map. `room()`: how many more tasks may be given; None: any number. `deliver(answer, host)` takes values and failures."""

    def __init__(self, asked: Request, carrier: Carrier, size: int, within: float, room: Callable[[], int] | None = None) -> None:
        self.asked = asked
        self.carrier = carrier
        self.places = ""  # in words
        self.failed = 0
        self.completed = 0
        self.hosts: dict[int, str] = {}  # of tasks that failed
        self._job = f"parmap-{uuid.uuid4().hex}"
        self._within = within
        self._room = room
        self._size = size
        self._next = 0
        self._again: deque[_Range] = deque()
        self._done = bytearray(size)
        self._program = pickled_program(asked)
        self._agents: dict[Any, _Agent] = {}
        self._halted = False
        self._killed = False
        self._why = b"the map was stopped"
        self._told_of_none = time.monotonic()
        self._halt_told = 0.0
        self._given_up: list[Any] = []  # failures that deliver() has not had yet
        for place in carrier.places():
            self._add(place)

    # ---- what the map's thread calls

    @property
    def given(self) -> int:
        """Tasks that an agent has had."""
        return self._next

    @property
    def workers(self) -> int:
        return sum(each.workers for each in self._agents.values())

    def run(self, deliver: Deliver, glance: Callable[[], None]) -> None:
        """Until all tasks have ended. glance() is called every tenth of a second; what it raises ends the map."""
        begun = time.monotonic()
        limit = None if self.asked.deadline_ns is None else self.asked.deadline_ns / 1e9
        next_glance = begun
        try:
            while not self._is_over():
                self._give()
                for event in self.carrier.wait(max(0.0, min(_GLANCE, next_glance - time.monotonic()))):
                    self._hear(event, deliver)
                if self._given_up:
                    gone, self._given_up = self._given_up, []
                    deliver(Answer("going", failed=gone), "")
                now = time.monotonic()
                if self._halted and now - self._halt_told > 1:
                    self._tell("halt")  # again: an agent may have heard of the map after that
                if now >= next_glance:
                    next_glance = now + _GLANCE
                    glance()
                if limit is not None and now - begun > limit:
                    self.halt(b"the deadline was reached")
                    if now - begun > limit + _deadline.grace(limit):
                        self.kill()
                self._tell_if_there_is_nobody(now)
            if not self._killed:
                self._end(deliver, glance)
        except BaseException:
            self.kill()
            raise

    def halt(self, why: bytes) -> None:
        """No further task begins."""
        if not self._halted:
            self._halted, self._why = True, why
            self._tell("halt")

    def kill(self) -> None:
        """All ends at once; what runs is lost."""
        if not self._killed:
            self._halted = self._killed = True
            self._tell("kill")

    def _tell(self, what: str) -> None:
        self._halt_told = time.monotonic()
        self.carrier.tell([each.place.key for each in self._agents.values() if each.knows or each.busy], self._job, what)

    def left(self) -> list[tuple[int, str, bytes, int, int]]:
        """Tasks that have not ended, as an engine tells of failures."""
        found = []
        at = self._done.find(0)
        while at >= 0:
            found.append((at, "stopped", self._why, 0, 0))
            at = self._done.find(0, at + 1)
        return found

    # ---- agents

    def _add(self, place: Place) -> None:
        taken = sorted((each.lane, each.lane + each.workers) for each in self._agents.values())
        lane = 0  # the first gap: of the numbers of a lost agent's workers, if there was one
        for first, end in taken:
            if first - lane >= place.workers:
                break
            lane = end
        self._agents[place.key] = _Agent(place, lane)
        self.places = words_of([each.place for each in self._agents.values()])

    def _remove(self, agent: _Agent) -> None:
        del self._agents[agent.place.key]
        self.places = words_of([each.place for each in self._agents.values()])

    def _tell_if_there_is_nobody(self, now: float) -> None:
        if self._agents:
            self._told_of_none = now
        elif now - self._told_of_none > _PATIENCE:
            self._told_of_none = float("inf")
            warnings.warn("parmap: there is no node to run tasks; the map waits for one", _errors.ParmapWarning, stacklevel=2)

    # ---- what an agent gets

    def _is_over(self) -> bool:
        if self._killed:
            return True
        if any(each.unfinished or each.open for each in self._agents.values()):
            return False
        return self._halted or (self._next >= self._size and not self._again)

    def _give(self) -> None:
        for agent in list(self._agents.values()):
            if agent.busy:
                continue
            # An agent gets tasks once it has answered: a worker of Dask may be busy with the tasks of others.
            ranges = [] if self._halted or not agent.knows else self._ranges_for(agent)
            if ranges or agent.unfinished or not (agent.knows or self._halted):
                self._call(agent, ranges)

    def _call(self, agent: _Agent, ranges: list[_Range], ends: bool = False) -> None:
        agent.open += ranges
        agent.unfinished += sum(each.end - each.first for each in ranges)
        # Without more to give, an agent has nothing to ask for; what waits for room may be there soon.
        more = not self._halted and (self._next < self._size or bool(self._again))
        low = agent.wanted // 2 if more else 0
        low = max(low, agent.workers - 1) if more else low
        patience = self._within / 4 if more and self._room is not None and self._room() <= 0 else _LONG
        start = None
        if not agent.knows:
            start = Start(
                agent.workers, agent.lane, agent.place.cores, self._within, self.asked.max_failures, self.asked.stop_at_failure or self._room is not None
            )
        agent.busy = True
        spans = [(each.first, each.end) for each in ranges]
        self.carrier.call(agent.place.key, Call(self._job, start, not agent.knows, spans, low, patience, ends), self._program)

    def _ranges_for(self, agent: _Agent) -> list[_Range]:
        if agent.alone:
            return []
        if self._again and (self._again[0].lost < 2 or not agent.unfinished):
            it = self._again.popleft()
            agent.alone = it.lost >= 2
            return [it]
        count = self._count_for(agent)
        if count <= 0:
            return []
        first, self._next = self._next, self._next + count
        return [_Range(first, self._next)]

    def _count_for(self, agent: _Agent) -> int:
        """How many more tasks this agent is to have."""
        left = self._size - self._next
        if self._room is not None:
            left = min(left, self._room())
        if left <= 0:
            return 0
        all_workers = max(1, self.workers)
        pending = left + sum(each.unfinished for each in self._agents.values())
        even = -(-pending * agent.workers // all_workers)
        wanted = agent.workers
        if agent.rate:
            wanted = int(2 * self._within * agent.rate)
            wanted = min(wanted, _GROWTH * max(agent.wanted, agent.workers))
            wanted = min(wanted, max(even // 2, int(_FLOOR * agent.rate)))
        wanted = min(max(wanted, agent.workers), even)
        agent.wanted = wanted
        lacks = wanted - agent.unfinished
        # A few tasks more are not worth an exchange, unless workers wait for them.
        if agent.unfinished >= agent.workers and lacks < wanted // 4:
            return 0
        return min(lacks, left)

    # ---- what comes from them

    def _hear(self, event: Event, deliver: Deliver) -> None:
        if event.kind == "joined":
            self._add(event.payload)
            return
        agent = self._agents.get(event.key)
        if agent is None:
            return
        if event.kind == "lost":
            self._lose(agent)
        elif event.kind == "error":
            _errors.add_note(event.payload, f"parmap: raised as {agent.place.name} was called")
            raise event.payload
        else:
            self._take(agent, pickle.loads(event.payload), deliver)

    def _take(self, agent: _Agent, answer: Answer, deliver: Deliver) -> None:
        agent.busy = False
        if answer.state == "unknown":  # it was started anew, or has given the map up
            agent.knows = False
            self._run_again(agent)
            return
        agent.knows = True
        if answer.state == "failed":
            self._fail(agent, answer)
        self._note(agent, answer)
        deliver(answer, agent.place.host)
        if answer.state == "broken":
            self._run_again(agent)
            agent.knows = False
            agent.alone = False

    def _note(self, agent: _Agent, answer: Answer) -> None:
        """What has ended."""
        for index in answer.indexes:
            self._done[index] = 1
        stopped = set()
        for index, kind, *_ in answer.failed:
            if kind == "stopped":
                stopped.add(index)
            else:
                self._done[index] = 1
                self.failed += 1
                self.hosts[index] = agent.place.host
        self.completed += len(answer.indexes)
        agent.unfinished = answer.unfinished
        if self.asked.max_failures is not None and self.failed >= self.asked.max_failures:
            self.halt(b"the map was stopped")
        if stopped and not self._halted:  # as its workers were lost
            self._run_stopped_again(agent, stopped)
        if answer.finished and answer.busy > 0:
            agent.rate = answer.finished / answer.busy
        if not agent.unfinished and answer.state != "broken":
            agent.open.clear()
            agent.alone = False
        elif len(agent.open) > 16:
            agent.open = [each for each in agent.open if self._done.find(0, each.first, each.end) >= 0]

    def _fail(self, agent: _Agent, answer: Answer) -> NoReturn:
        """The map cannot run there."""
        error, _ = _errors.restore(answer.error, True, self.asked.ctrl_c.has_raised)
        _errors.add_note(error, f"parmap: raised on {agent.place.name}, as the map began there or by retry_if")
        if isinstance(error, ImportError):
            _errors.add_note(
                error,
                "parmap: functions of modules reach a node by name, so it must be able to import them: install the module there; "
                "with Dask, client.upload_file(path) takes a single file there",
            )
        raise error

    # ---- losses

    def _lose(self, agent: _Agent) -> None:
        self._remove(agent)
        self._run_again(agent)

    def _run_again(self, agent: _Agent) -> None:
        """What is open at an agent that was lost."""
        for each in agent.open:
            for first, end in self._runs(each.first, each.end):
                self._count_loss(first, end, each.lost + 1, agent.place.host)
        agent.open = []
        agent.unfinished = 0

    def _run_stopped_again(self, agent: _Agent, stopped: set[int]) -> None:
        """The same, of some tasks that an agent has given back."""
        still_open = []
        for each in agent.open:
            for first, end in self._runs(each.first, each.end):
                begin = first
                for index in range(first, end):
                    if index + 1 == end or (index in stopped) != (index + 1 in stopped):
                        if index in stopped:
                            self._count_loss(begin, index + 1, each.lost + 1, agent.place.host)
                        else:
                            still_open.append(_Range(begin, index + 1, each.lost))
                        begin = index + 1
        agent.open = still_open

    def _count_loss(self, first: int, end: int, lost: int, host: str) -> None:
        if lost >= LOST_MOST:
            self._give_up(first, end, host)
        else:
            size = end - first if lost < 2 else -(-(end - first) // _PIECES)
            self._again += (_Range(begin, min(begin + size, end), lost) for begin in range(first, end, size))

    def _runs(self, first: int, end: int) -> list[tuple[int, int]]:
        """The tasks in there that have not ended."""
        found = []
        while (begin := self._done.find(0, first, end)) >= 0:
            stop = self._done.find(1, begin, end)
            first = end if stop < 0 else stop
            found.append((begin, first))
        return found

    def _give_up(self, first: int, end: int, host: str) -> None:
        for index in range(first, end):
            self._done[index] = 1
            self.hosts[index] = host
            self.failed += 1
        self._given_up += [(index, "stopped", b"lost", LOST_MOST, 0, None, None) for index in range(first, end)]

    # ---- the end

    def _end(self, deliver: Deliver, glance: Callable[[], None]) -> None:
        """The workers end, and call finish. Agents that have never answered are not waited for."""
        self.carrier.tell([each.place.key for each in self._agents.values() if each.busy and not each.knows], self._job, "kill")
        for agent in self._agents.values():
            if agent.knows and not agent.busy:
                self._call(agent, [], ends=True)
        while any(each.busy and each.knows for each in self._agents.values()):
            for event in self.carrier.wait(_GLANCE):
                if event.kind == "joined" or (ended := self._agents.get(event.key)) is None:
                    continue
                ended.busy = False
                if event.kind == "answer":
                    answer = pickle.loads(event.payload)
                    self.asked.ends += answer.ends
            glance()
