# SPDX-License-Identifier: MIT
"""The caller's side of a map on a cluster: which agent gets which tasks, and what becomes of those of an agent that is lost.

The caller owns all tasks. A task is either still to be given, or open at one agent, or done (_cluster_tasks.py). Agents get ranges; how many tasks at once goes by their own pace, so that there is always work for about two of the carrier's periods
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
from collections.abc import Callable
from typing import Any, NoReturn

from . import _deadline, _errors
from ._agent import Start
from ._agent_tasks import pickled_program
from ._answer import Answer
from ._arguments import Request
from ._carrier import Call, Carrier, Event, Place, words_of
from ._cluster_feed import Feed
from ._cluster_tasks import Range, Tasks

_GROWTH = 16  # of what an agent has at once, from one exchange to the next
_FLOOR = 0.05  # seconds of work that are worth an exchange
_GLANCE = 0.1  # seconds between two looks at the reporter, at stop and the deadline
_SHORT, _LONG = 1.0, 10.0  # seconds of an exchange in which nothing ends
_PATIENCE = 10.0  # seconds without any agent, after which that is said

Deliver = Callable[[Answer, str], None]


def record(recorder: Any, answer: Answer) -> None:
    """Tells the trace of these tasks. When one has ended is not known exactly: before now."""
    now = time.monotonic()
    for index, seconds, worker in zip(answer.indexes, answer.seconds, answer.workers):
        took = max(seconds, 0.0)
        recorder.ended(index, answer.attempts.get(index, 1), max(worker, 0), now - took, took)
    for index, kind, message, attempts, _, measured, place in answer.failed:
        if kind != "stopped":
            took = measured or 0.0
            recorder.ended(index, attempts, place or 0, now - took, took, kind, _errors.words_of_described(message))


class _Agent:
    def __init__(self, place: Place, lane: int) -> None:
        self.place = place
        self.workers = place.workers
        self.lane = lane
        self.knows = False  # the program
        self.busy = False  # an exchange is on its way
        self.open: list[Range] = []
        self.unfinished = 0
        self.postponed = 0  # of these, wait to be tried again
        self.rate = 0.0  # tasks a second
        self.wanted = 0  # tasks that it should have at once
        self.patience = 0.0
        self.alone = False  # has a range that was lost twice


class Caller:
    """One map. `room()`: how many more tasks may be given; None: any number. `program`: what agents get, if it is not that of a map.
    `fold`: what is given are the blocks of a fold, and failures that come are those of its tasks. `deliver(answer, host)` takes
    values and failures."""

    def __init__(
        self, asked: Request, carrier: Carrier, size: int, within: float, room: Callable[[], int] | None = None, feed: Feed | None = None,
        program: bytes | None = None, fold: bool = False,
    ) -> None:  # fmt: skip
        self.asked = asked
        self.carrier = carrier
        self.places = ""  # in words
        self.completed = 0
        self.tasks = Tasks(size)
        self._job = f"parmap-{uuid.uuid4().hex}"
        self._within = within
        self._room = room
        self._feed = feed  # of a stream that reads its first axis as it goes: then `size` is that of what has been read
        self._fold = fold
        self._failed_steps: set[int] = set()  # of a fold
        self._program = program or pickled_program(asked, 0 if feed is None else feed.of_one)
        self._agents: dict[Any, _Agent] = {}
        self._halted = False
        self._killed = False
        self._why = b"the map was stopped"
        self._told_of_none = time.monotonic()
        self._halt_told = 0.0
        for place in carrier.places():
            self._add(place)

    # ---- what the map's thread calls

    @property
    def given(self) -> int:
        """Tasks that an agent has had."""
        return self.tasks.next

    @property
    def failed(self) -> int:
        return self.tasks.failed + len(self._failed_steps)

    @property
    def why(self) -> bytes:
        """That of tasks which have not ended."""
        return self._why

    @property
    def wanted(self) -> int:
        """How many tasks all agents together would take at once."""
        return sum(max(each.wanted, each.workers) for each in list(self._agents.values()))

    @property
    def workers(self) -> int:
        return sum(each.workers for each in list(self._agents.values()))

    def run(self, deliver: Deliver, glance: Callable[[], None]) -> None:
        """Until all tasks have ended. glance() is called every tenth of a second; what it raises ends the map."""
        begun = self.asked.begun
        limit = None if self.asked.deadline_ns is None else self.asked.deadline_ns / 1e9
        next_glance = time.monotonic()
        try:
            while not self._is_over():
                self._give()
                for event in self.carrier.wait(max(0.0, min(_GLANCE, next_glance - time.monotonic()))):
                    self._hear(event, deliver)
                if gone := self.tasks.given_up:
                    self.tasks.given_up = []
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
        return [(index, "stopped", self._why, 0, 0) for index in self.tasks.left()]

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
        if self._feed is not None and not self._halted:
            ended = self._feed.ended
            self._grow()  # after that look, so that nothing is missed
            if not ended:
                return False
        return self._halted or self.tasks.are_all_given

    def _grow(self) -> None:
        if self._feed is not None:
            self.tasks.grow(self._feed.tasks)

    def _give(self) -> None:
        for agent in list(self._agents.values()):
            if agent.busy:
                continue
            # An agent gets tasks once it has answered: a worker of Dask may be busy with the tasks of others.
            ranges = [] if self._halted or not agent.knows else self._ranges_for(agent)
            if ranges or agent.unfinished or not (agent.knows or self._halted):
                self._call(agent, ranges)

    def _call(self, agent: _Agent, ranges: list[Range], ends: bool = False) -> None:
        agent.open += ranges
        agent.unfinished += sum(each.end - each.first for each in ranges)
        # Without more to give, an agent has nothing to ask for; what waits for room may be there soon.
        more = not self._halted and (not self.tasks.are_all_given or (self._feed is not None and not self._feed.ended))
        low = max(agent.wanted // 2, agent.workers - 1) if more else -1
        # A worker that is free may wait for the reader of a stream, or for its input: so the agent is to come back soon.
        waits = more and agent.unfinished < agent.workers and self._room is not None and (self._feed is not None or self._room() <= 0)
        agent.patience = min(_SHORT, 2 * agent.patience) if waits and not ranges else self._within / 4
        patience = agent.patience if waits else _LONG
        start = None
        if not agent.knows:
            start = Start(agent.workers, agent.lane, agent.place.cores, self._within, self.asked.max_failures, self.asked.stop_at_failure)
        agent.busy = True
        feed = self._feed
        spans = [(each.first, each.end, None if feed is None else feed.pickles(each.first, each.end)) for each in ranges]
        self.carrier.call(agent.place.key, Call(self._job, start, not agent.knows, spans, low, patience, ends), self._program)

    def _ranges_for(self, agent: _Agent) -> list[Range]:
        again = self.tasks.again
        if agent.alone:
            return []
        if again and again[0].lost >= 2 and agent.unfinished:
            if agent is min(self._agents.values(), key=lambda each: each.unfinished):
                return []  # it is to be free for that
        elif again:
            agent.alone = again[0].lost >= 2
            return [again.popleft()]
        count = self._count_for(agent)
        return [self.tasks.take(count)] if count > 0 else []

    def _count_for(self, agent: _Agent) -> int:
        """How many more tasks this agent is to have."""
        left = self.tasks.size - self.tasks.next
        if self._room is not None:
            left = min(left, self._room())
        if left <= 0:
            return 0
        all_workers = max(1, self.workers)
        pending = left + sum(each.unfinished for each in self._agents.values())
        even = -(-pending * agent.workers // all_workers)
        ends = self._feed is None or self._feed.ended  # else nobody knows how many more will come
        wanted = agent.workers
        if agent.rate:
            wanted = int(2 * self._within * agent.rate)
            wanted = min(wanted, _GROWTH * max(agent.wanted, agent.workers))
            if ends:
                wanted = min(wanted, max(even // 2, int(_FLOOR * agent.rate)))
        wanted = max(wanted, agent.workers)
        agent.wanted = wanted = min(wanted, even) if ends else wanted
        left = min(left, even)
        at_work = agent.unfinished - agent.postponed
        lacks = wanted - at_work
        # A few tasks more are not worth an exchange, unless workers wait for them.
        if at_work >= agent.workers and lacks < wanted // 4:
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
        if self.asked.recorder is not None and not self._fold:
            record(self.asked.recorder, answer)
        deliver(answer, agent.place.host)
        if answer.state == "broken":
            self._run_again(agent)
            agent.knows = False
            agent.alone = False

    def _note(self, agent: _Agent, answer: Answer) -> None:
        """What has ended."""
        for index in answer.indexes:
            self.tasks.note_value(index)
        stopped = set()
        for index, kind, *_ in answer.failed:
            if self._fold:
                self._failed_steps.add(index)
            elif kind == "stopped":
                stopped.add(index)
            else:
                self.tasks.note_failure(index, agent.place.host)
        self.completed += len(answer.indexes)
        agent.unfinished, agent.postponed = answer.unfinished, answer.postponed
        if self.asked.max_failures is not None and self.failed >= self.asked.max_failures:
            self.halt(b"the map was stopped")
        if stopped and not self._halted:  # as its workers were lost
            agent.open = self.tasks.lose_some(agent.open, stopped, agent.place.host)
        if answer.finished and answer.busy > 0:
            agent.rate = answer.finished / answer.busy
        if not agent.unfinished and answer.state != "broken":
            agent.open.clear()
            agent.alone = False
        elif len(agent.open) > 16:
            agent.open = [each for each in agent.open if not self.tasks.is_done(each)]

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
        self.tasks.lose(agent.open, agent.place.host)
        agent.open = []
        agent.unfinished = agent.postponed = 0

    # ---- the end

    def _end(self, deliver: Deliver, glance: Callable[[], None]) -> None:
        """The workers end, and call finish. Agents that have never answered are not waited for."""
        self.carrier.tell([each.place.key for each in self._agents.values() if each.busy and not each.knows], self._job, "kill")
        for agent in self._agents.values():
            if agent.knows and not agent.busy:
                self._call(agent, [], ends=True)
        while not self._killed and any(each.busy and each.knows for each in self._agents.values()):
            for event in self.carrier.wait(_GLANCE):
                if event.kind == "joined" or (ended := self._agents.get(event.key)) is None:
                    continue
                ended.busy = False
                if event.kind == "answer":
                    answer = pickle.loads(event.payload)
                    self.asked.ends += answer.ends
            glance()
