# SPDX-License-Identifier: MIT
"""The caller's side of a map on a cluster, with a carrier that loses agents, answers late or brings new ones, by chance of a fixed seed.
No process, no thread and no time: each call of wait() is a step."""

import copy
import operator
import pathlib
import pickle
import random

import pytest

import parmap
from parmap import _agent, _errors
from parmap import parmap as pmap
from parmap._agent_fold import Folded
from parmap._answer import Answer
from parmap._carrier import Engine, Event, Place, words_of
from parmap._cluster_tasks import LOST_MOST, Range, Tasks


class Carrier:
    within = 1.0

    def __init__(self, chance, fatal, losses):
        self.chance, self.fatal, self.losses = chance, fatal, losses
        self.number = 0
        self.open = {}  # tasks at each agent
        self.calls = {}
        self.programs = {}
        self.elements = {}  # of an iterator
        self.halted = False
        self.ran = []

    def new(self):
        self.number += 1
        self.open[self.number] = []
        return Place(self.number, f"agent {self.number}", f"host{self.number}", self.chance.choice((1, 2, 7)))

    def places(self):
        return [self.new() for _ in range(3)]

    def call(self, key, call, program):
        assert key in self.open and key not in self.calls
        self.calls[key] = call
        if call.needs_program:
            self.programs[key] = pickle.loads(program)
        self.open[key] += [index for first, end, _ in call.ranges for index in range(first, end)]
        self.elements |= {index: elements[index - first] for first, end, elements in call.ranges if elements for index in range(first, end)}

    def tell(self, keys, job, what):
        self.halted |= bool(keys)
        if what == "kill":
            for key in keys:
                self.calls.pop(key, None)

    def wait(self, seconds):
        found = []
        for key, call in list(self.calls.items()):
            what = self.chance.random()
            is_fatal = self.fatal is not None and self.fatal in self.open[key]
            if is_fatal or (what < 0.1 and self.losses > 0):
                self.losses -= not is_fatal
                del self.calls[key], self.open[key]
                place = self.new()
                found += [Event("lost", key), Event("joined", place.key, place)]
            elif what < 0.7:
                del self.calls[key]
                found.append(Event("answer", key, pickle.dumps(self.answer(key, call))))
        return found

    def answer(self, key, call):
        if key not in self.programs or (not call.ends and self.losses > 0 and self.chance.random() < 0.03):
            self.losses -= 1
            self.open[key] = []
            return Answer("unknown")
        mine = self.open[key]
        self.chance.shuffle(mine)
        count = len(mine) if call.ends else self.chance.randint(0, len(mine))
        done, self.open[key] = mine[:count], mine[count:]
        program = self.programs[key]
        self.ran += done
        answer = Answer.empty()
        for i in done:
            try:
                answer.add_value(i, outcome_of(program, i, self.elements.get(i)), 1, 0.1, 0)
            except ArithmeticError as error:
                answer.add_failure(i, (i, "threw", _errors.describe(error), 1, 0), 0.1, 0)
        return answer._replace(unfinished=len(self.open[key]), finished=count, busy=0.01 * count)

    def close(self):
        pass


def outcome_of(program, i, element):
    """Of a task; of a fold, that of block i."""
    if not program.block:
        return program.func(*program.task(i, element))
    found, tasks = copy.deepcopy(program.identity), Answer.empty()
    size = len(program.groups[0][0])
    for index in range(i * program.block, min((i + 1) * program.block, size)):
        program.func(found, *program.task(index))
        tasks.add_value(index, None, 1, 0.1, 0)
    return pickle.dumps(Folded(i * program.block, pickle.dumps(found), tasks))


class Chance(Engine):
    def __init__(self, seed, fatal=None, losses=10**9):
        self.made = Carrier(random.Random(seed), fatal, losses)

    def _open(self, most):
        return self.made


def squared(x):
    return x * x


@pytest.fixture(autouse=True)
def needs_cloudpickle():
    pytest.importorskip("cloudpickle")


@pytest.mark.parametrize("seed", range(8))
def test_no_task_is_lost_with_its_agent(seed):
    # Fewer losses than one task may have.
    engine = Chance(seed, losses=LOST_MOST - 1)
    n = (1, 5, 100, 3000)[seed % 4]
    assert pmap(squared, range(n), engine=engine) == [x * x for x in range(n)]
    assert sorted(set(engine.made.ran)) == list(range(n))


@pytest.mark.parametrize("seed", range(4))
def test_streams_give_each_outcome_once(seed):
    assert list(parmap.imap(squared, range(500), engine=Chance(seed, losses=4))) == [x * x for x in range(500)]
    window = (1, 3, 50, 1000)[seed]
    assert list(parmap.imap(squared, iter(range(60)), buffersize=window, engine=Chance(seed, losses=0))) == [x * x for x in range(60)]


@pytest.mark.parametrize("seed", range(4))
def test_only_the_task_that_takes_its_agents_down_fails(seed):
    results = pmap(squared, range(1000), engine=Chance(seed, fatal=500, losses=0), on_error=lambda func, task, error: None)
    assert [each.index for each in results.failures] == [500] and f"lost {LOST_MOST} times" in str(results.failures[0])


@pytest.mark.parametrize("seed", range(4))
def test_a_failure_that_is_seen_as_the_map_ends(seed):
    with pytest.raises(ZeroDivisionError):
        pmap(lambda i: 1 // i, [0], engine=Chance(seed, losses=0), on_error="raise")


@pytest.mark.parametrize("seed", range(2))
def test_a_fold_has_each_task_once(seed):
    add = lambda found, i: found.append(i)
    n = 2500 + 1000 * seed
    assert parmap.fold([], add, operator.iadd, range(n), engine=Chance(seed, losses=4)) == list(range(n))
    r = parmap.fold([], add, operator.iadd, range(n), engine=Chance(seed, fatal=5, losses=0), on_error="skip", full=True)
    block = parmap._combining.fold_block(n)
    assert [each.index for each in r.failures] == list(range(5 * block, 6 * block)) and f"lost {LOST_MOST} times" in str(r.failures[0])
    assert r.partial == [i for i in range(n) if i // block != 5]


def test_ranges_that_were_lost():
    tasks = Tasks(1000)
    it = tasks.take(100)
    for index in range(10, 20):
        tasks.note_value(index)
    tasks.lose([it], "a")
    assert [(each.first, each.end, each.lost) for each in tasks.again] == [(0, 10, 1), (20, 100, 1)]
    again = tasks.again.pop()
    tasks.lose([again], "a")
    assert [(each.first, each.end) for each in tasks.again][1:] == [(k, k + 10) for k in range(20, 100, 10)] and tasks.again[-1].lost == 2
    assert [(each.first, each.end) for each in tasks.lose_some([Range(100, 110)], {103, 104}, "a")] == [(100, 103), (105, 110)]
    tasks.lose([Range(200, 202, LOST_MOST - 1)], "b")
    assert tasks.failed == 2 and tasks.hosts == {200: "b", 201: "b"} and len(tasks.given_up) == 2
    assert len(tasks.left()) == 1000 - 10 - 2


def test_the_words_for_places():
    assert words_of([Place(1, "", "a", 1)]) == "1 node, 1 worker"
    assert words_of([Place(1, "", "a", 4), Place(2, "", "b", 4)]) == "2 nodes, 8 workers"
    assert words_of([Place(1, "", "a", 4), Place(2, "", "a", 4)]) == "1 node, 8 workers"


def test_async_functions_are_refused_by_the_name_of_the_engine():
    async def wait(x):
        return x

    engine = Chance(1)
    engine._name = "dask"
    with pytest.raises(TypeError, match="engine='dask' would never run"):
        pmap(wait, [1], engine=engine)


def test_an_exchange_that_comes_after_its_map_was_killed_begins_nothing():
    name = "killed before it began"
    start = _agent.Start(1, 0, (), 1.0, None, False)
    _agent.tell(name, "kill")
    answer = pickle.loads(_agent.exchange(name, start, b"no program", [], -1, 1.0))
    assert answer.state == "unknown" and name not in _agent._jobs


def test_an_exchange_ends_with_its_last_task(monkeypatch):
    """It must not wait for a look at the clock: those are as rare here as they can be."""
    for name in ("_FLOOR", "_GLANCE"):
        monkeypatch.setattr(_agent, name, 10_000.0)
    program = _agent.Program(operator.neg, {}, ([range(5)],), None, None, None, None, 1, None, 0, 0, None, None)
    start = _agent.Start(2, 0, (), 10_000.0, None, False)
    answer = pickle.loads(_agent.exchange("short", start, pickle.dumps(program), [(0, 5, None)], -1, 10_000.0))
    assert answer.state == "going" and sorted(answer.indexes) == list(range(5))
    answer = pickle.loads(_agent.exchange("short", None, None, [], -1, 10_000.0, ends=True))
    assert answer.unfinished == 0 and "short" not in _agent._jobs


def test_no_timed_get_of_a_simple_queue():
    """In CPython 3.11 it waits for ever if its timeout has passed when it looks at the clock again, as on a busy machine."""
    for path in pathlib.Path(parmap.__file__).parent.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "queue.SimpleQueue()" not in text or ".get(timeout" not in text, path
