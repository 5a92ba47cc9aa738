# SPDX-License-Identifier: MIT
"""A map on a cluster as a discrete-event model: nodes that run tasks, one process that gives them out, and the messages between them.

Rules are those of the code: agent_pace.hpp and conductor.hpp (C++ under MPI), _cluster.py and _agent.py (Python under MPI and Dask).
Costs are measured (costs.py). A node knows when each of its tasks will end as soon as it is granted, so there are events for messages
only. Below FLUID seconds a node counts tasks by their rate, and the end of the map gets the rest of the longest task that still runs.
"""

import heapq
import math
import random
from dataclasses import dataclass

FLUID = 0.5  # seconds of a task
PER_NODE = 64  # workers
SIGMA = 1.0  # of the logarithm of the time of a heavy-tailed task: one in a hundred takes six times the mean


@dataclass(frozen=True)
class Carrier:
    """What messages cost, and the rules by which tasks are given out."""

    name: str
    rule: str  # "wish": agents ask (C++); "exchange": the caller calls them (Python)
    within: float  # seconds of work that are given at once
    message: float  # seconds of the giver for a message that gives tasks, and for the one that asks
    outcome: float  # seconds of the giver for a task that has ended
    latency: float  # seconds of a message on its way, with the naps of who waits for it
    task: float  # seconds of a worker for a task, besides func
    agent: float  # seconds of the agent for a task: it has one thread for all of its workers
    fixed: float  # seconds of a map before the first task begins
    worker: float  # seconds to start a worker; the workers of a node start one after the other
    node: float  # seconds of the giver for a node that begins and one that ends
    value: float = 0.0  # seconds of the giver for a value that is gathered in the end
    row: float = 0.0  # seconds of the giver to store an outcome; 0: no store


@dataclass
class Outcome:
    wall: float
    best: float  # no scheduler could be faster
    giver: float  # share of its time in which the giver works
    messages: int

    @property
    def efficiency(self) -> float:
        return self.best / self.wall


class Lanes:
    """A node that knows each of its tasks."""

    def __init__(self, workers: int, begin: float, draw, cost: float) -> None:
        self._free = [begin] * workers
        self._ends: list = []  # of tasks that have not been counted, a heap
        self._draw = draw
        self._cost = cost
        self.total = self.longest = 0.0  # seconds of tasks

    @property
    def unfinished(self) -> int:
        return len(self._ends)

    @property
    def last(self) -> float:
        return max(self._free)

    def grant(self, now: float, first: int, count: int) -> None:
        free, ends, draw, cost = self._free, self._ends, self._draw, self._cost
        for task in range(first, first + count):
            took = draw(task)
            self.total += took
            if took > self.longest:
                self.longest = took
            end = max(now, free[0]) + took + cost
            heapq.heapreplace(free, end)
            heapq.heappush(ends, end)

    def when_left(self, left: int) -> float:
        """When no more than so many are unfinished."""
        over = len(self._ends) - left
        if over == 1:
            return self._ends[0]
        return 0.0 if over <= 0 else heapq.nsmallest(over, self._ends)[-1] if over < len(self._ends) // 2 else sorted(self._ends)[over - 1]

    def take(self, now: float) -> int:
        """How many have ended since the last call."""
        count = 0
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
            count += 1
        return count


class Fluid:
    """A node whose tasks are so short that only their number counts."""

    def __init__(self, workers: int, begin: float, mean: float, rest, cost: float, agent: float) -> None:
        self._rate = min(workers / (mean + cost), 1 / agent if agent else math.inf)
        self._at = begin
        self._rest = rest  # of the longest task that runs, at any moment
        self.unfinished = 0.0
        self._carried = 0.0

    @property
    def last(self) -> float:
        return self._at + self.unfinished / self._rate + self._rest()

    def _move(self, now: float) -> None:
        if now > self._at:
            done = min(self.unfinished, (now - self._at) * self._rate)
            self.unfinished -= done
            self._carried += done
            self._at = now

    def grant(self, now: float, first: int, count: int) -> None:
        self._move(now)
        self.unfinished += count

    def when_left(self, left: int) -> float:
        return self._at + max(0.0, self.unfinished - left) / self._rate

    def take(self, now: float) -> int:
        self._move(now)
        count = int(self._carried + 1e-6)
        self._carried -= count
        if self.unfinished < 1e-6:
            count, self.unfinished = count + round(self.unfinished), 0.0
        return count


@dataclass
class Agent:
    node: object
    workers: int
    rate: float = 0.0  # tasks a second
    wanted: int = 0
    largest: int = 0
    open: int = 0  # given, and not known to have ended
    looked: float = 0.0
    ended: int = 0
    sample: int = 0  # of C++: have ended since `looked`
    known: bool = False  # the rate


class Map:
    """One map. draw(task): its seconds."""

    def __init__(self, carrier: Carrier, workers: int, per_node: int, tasks: int, draw, mean: float, seed: int, fluid: bool) -> None:
        self.carrier, self.tasks, self.workers = carrier, tasks, workers
        self._chance = random.Random(seed)
        self._next = 0
        self._events: list = []
        self._giver_free = carrier.fixed
        self._giver_busy = 0.0
        self._messages = 0
        self.agents = []
        left = workers
        while left > 0:
            count = min(per_node, left)
            left -= count
            # The giver begins one node after the other.
            self._giver_free += carrier.node
            self._giver_busy += carrier.node
            begin = self._giver_free + carrier.latency + count * carrier.worker
            node = Fluid(count, begin, mean, self._rest_of(draw, mean, count), carrier.task, carrier.agent) if fluid else Lanes(count, begin, draw, carrier.task)
            self.agents.append(Agent(node, count, looked=begin))
            heapq.heappush(self._events, (begin, len(self.agents) - 1))

        # Agents of C++ also tell ten times a second how far they are.
        told = 10 * len(self.agents) * carrier.message if carrier.rule == "wish" else 0.0
        self._slower = 1 / (1 - min(told, 0.99))

    def _rest_of(self, draw, mean: float, count: int):
        """Of tasks that run at one moment the long ones are many: their times have the density x f(x)."""
        constant = draw(0) == draw(1) == draw(2)

        def rest() -> float:
            if constant:
                return mean
            return max(mean * math.exp(SIGMA**2 / 2 + SIGMA * self._chance.gauss(0, 1)) * self._chance.random() for _ in range(count))

        return rest

    def _serve(self, now: float, seconds: float) -> float:
        """When the giver has done this."""
        seconds *= self._slower
        self._giver_free = max(self._giver_free, now) + seconds
        self._giver_busy += seconds
        self._messages += 1
        return self._giver_free

    def run(self) -> Outcome:
        carrier = self.carrier
        step = self._wish if carrier.rule == "wish" else self._exchange
        while self._events:
            now, k = heapq.heappop(self._events)
            step(now, self.agents[k], k)
        end = max(each.node.last for each in self.agents) + carrier.latency
        end = max(end, self._giver_free) + len(self.agents) * carrier.node + self.tasks * carrier.value
        end = max(end, carrier.fixed + self._giver_busy + self.tasks * carrier.row)
        return Outcome(end, 0.0, (self._giver_busy + self.tasks * (carrier.value + carrier.row)) / end, self._messages)

    def _give(self, at: float, agent: Agent, count: int) -> None:
        count = min(count, self.tasks - self._next)
        agent.node.grant(at, self._next, count)
        agent.open += count
        agent.largest = max(agent.largest, count)
        self._next += count

    # ---- C++: an agent asks when it has less than one task a worker and a quarter of a second of work; if it was
    # given less than that, when half of it has ended, or what is left lasts only until an answer can come

    def _wish(self, now: float, agent: Agent, k: int) -> None:
        carrier = self.carrier
        ended = agent.node.take(now)
        agent.open -= ended
        agent.ended += ended
        agent.sample += ended
        if now - agent.looked >= (0.002 if agent.sample >= 4 * agent.workers else 0.5):
            agent.rate, agent.known = agent.sample / (now - agent.looked), True
            agent.looked, agent.sample = now, 0
        left = self.tasks - self._next
        if left == 0:
            return
        answer = max(0.002, 1e-5 * len(self.agents))
        ahead = int(agent.rate * 2 * answer)
        quarter = int(agent.rate * carrier.within) if agent.known else 8 * agent.ended
        asked = max(1, min(max(agent.workers + 2 * quarter, agent.workers + ahead) - agent.open, 16 * max(agent.largest, agent.workers)))
        least = min(max(0, agent.workers + ahead - agent.open), asked)
        part = agent.workers / self.workers
        fair = max(0, int(part * left / 2) - agent.open)
        even = max(1, math.ceil(part * (left + sum_open(self))) - agent.open)
        count = max(min(asked, fair), fair // 512, min(least, even))
        at = self._serve(now + carrier.latency, 2 * carrier.message) + carrier.latency
        self._give(at, agent, count)
        # Without a rate it looks again at the first outcome.
        low = agent.workers + quarter - 1 if agent.known else int(agent.node.unfinished) - 1
        if count < asked:
            low = min(low, agent.open // 2)
        low = max(low, agent.workers + ahead // 2 - 1)
        heapq.heappush(self._events, (max(at + 1e-6, agent.node.when_left(low)), k))

    # ---- Python: the caller calls an agent again when it has answered

    def _exchange(self, now: float, agent: Agent, k: int) -> None:
        carrier = self.carrier
        ended = agent.node.take(now)
        agent.open -= ended
        if ended and now > agent.looked:
            agent.rate = ended / (now - agent.looked)
        agent.looked = now
        done = self._serve(now + carrier.latency, 2 * carrier.message + ended * carrier.outcome)
        left = self.tasks - self._next
        at = done + carrier.latency
        if left == 0:
            if agent.open:
                heapq.heappush(self._events, (max(agent.node.when_left(0), at), k))
            return
        pending = left + sum_open(self)
        even = -(-pending * agent.workers // self.workers)
        wanted = agent.workers
        if agent.rate:
            wanted = min(int(2 * carrier.within * agent.rate), 16 * max(agent.wanted, agent.workers))
            wanted = min(wanted, max(even // 2, int(0.05 * agent.rate)))
        agent.wanted = wanted = min(max(wanted, agent.workers), even)
        lacks = wanted - agent.open
        if agent.open < agent.workers or lacks >= wanted // 4:
            self._give(at, agent, max(0, min(lacks, even)))
        low = max(wanted // 2, agent.workers - 1) if self._next < self.tasks else 0
        first = agent.node.when_left(agent.open - 1)
        when = min(max(agent.node.when_left(low), at + 0.05), max(at + carrier.within, first)) if agent.open else at
        heapq.heappush(self._events, (max(at + 1e-6, when), k))


def sum_open(map_: Map) -> int:
    """Given, and not known to have ended. One in many is asked, as the sum is needed for each message."""
    agents = map_.agents
    if len(agents) <= 32:
        return sum(each.open for each in agents)
    some = agents[:: len(agents) // 32]
    return sum(each.open for each in some) * len(agents) // len(some)


def constant(seconds: float):
    return lambda task: seconds


def heavy(seconds: float, seed: int = 1):
    """Lognormal times with this mean, the same for a task in each run."""

    def draw(task: int) -> float:
        u = ((task * 0x9E3779B97F4A7C15 + seed * 0xD1B54A32D192ED03) & 0xFFFFFFFFFFFFFFFF) ^ 0x2545F4914F6CDD1D
        u = (u ^ (u >> 30)) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        u = (u ^ (u >> 27)) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        a, b = ((u >> 32) + 0.5) / 2**32, ((u & 0xFFFFFFFF) + 0.5) / 2**32
        return seconds * math.exp(SIGMA * math.sqrt(-2 * math.log(a)) * math.cos(2 * math.pi * b) - SIGMA**2 / 2)

    return draw


def simulate(carrier: Carrier, workers: int, seconds: float, is_heavy: bool, tasks: int, per_node: int = PER_NODE, seed: int = 1) -> Outcome:
    """`seconds`: the mean of a task."""
    draw = heavy(seconds, seed) if is_heavy else constant(seconds)
    fluid = seconds < FLUID
    made = Map(carrier, workers, per_node, tasks, draw, seconds, seed, fluid)
    found = made.run()
    total, longest = tasks * seconds, seconds
    if not fluid:
        total = sum(each.node.total for each in made.agents)
        longest = max(each.node.longest for each in made.agents)
    rounds = seconds * -(-tasks // workers) if not is_heavy else 0.0
    found.best = max(total / workers, longest, rounds)
    return found
