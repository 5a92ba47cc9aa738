# SPDX-License-Identifier: MIT
"""Model checker for the section "Pools" of include/parmap/detail/processes/PROTOCOL.md: every order of steps, every place to die, for small sizes.

    python3 pools.py            the sizes in QUICK; exit 1 with the first bad state and the steps that lead to it
    python3 pools.py --all      those in SIZES too
    python3 pools.py --mutants  breaks the protocol in many ways, each of which must be found; exit 1 if one is not

The model. Claims, recovery and rings are those of claims.py and streams.py, which check them: here each is one step. What is checked is what a pool adds.
- the caller: sends the next batch (its entry, then `limit`), or an attempt more of a task that has failed; takes outcomes in any order; drops the entry of a
  batch of which it has taken all; halts a batch at any moment, by two steps on its state; then looks at `cur` of each worker and orders the end of what runs;
- a worker: claims the rest of one batch, or what a death has left of one; finds the entry; sets its state from pending to begun; before each task looks
  whether the state is halted; runs the task (cur, body, the outcome, cur), or tells that it was stopped;
- the supervisor: kills a worker that is at the task that is to end, and recovers the claims of the dead;
- deaths of workers before any step, up to a number.

Checked in every state: a number of the stream has one outcome at most, and is in one place. An entry that a worker reads is that of the batch it
looks for. No task of a batch begins that was halted before any had begun. Nobody is blamed for a task in which its worker did not die of itself. At the
end every task has its last outcome. A state without a next step must be the end.

Not modelled: memory order, waiting, the bell, checks of the bytes, functions and inputs (they are kept as long as the entry), time limits.
"""
import sys
from typing import NamedTuple

from checker import Bad, run


class Size(NamedTuple):
    batches: tuple  # the number of tasks of each, in the order in which they are sent
    workers: int
    places: int = 2  # of the table
    deaths: int = 0
    retries: int = 0
    failing: tuple = ()  # tasks that throw at each attempt
    halts: tuple = ()  # batches that the caller may halt
    kills: bool = False  # and end
    circles: bool = False

    def __str__(self):
        return ", ".join(f"{name} {value}" for name, value in self._asdict().items() if value and name != "circles")


QUICK = (
    Size((2, 1), 2, deaths=1, circles=True),
    Size((1, 1, 1), 2, places=2, deaths=1, retries=1),
    Size((2,), 2, halts=(0,), kills=True, deaths=1),
    Size((1, 2), 1, failing=(0,), retries=1, halts=(0,), deaths=1),
    Size((1, 1), 2, halts=(0, 1), kills=True),
)
SIZES = (
    *QUICK,
    Size((3, 2), 2, deaths=2, halts=(0,), kills=True),
    Size((1, 1, 1, 1), 2, places=2, deaths=1, retries=1, halts=(1,), kills=True),
    Size((2, 1), 3, deaths=1),
)
MUTANTS = {  # for each size, the mutants that it must find
    Size((1, 1), 1): ["limit before the entry"],
    Size((1, 1), 2, places=1): ["a place is taken that is in use"],
    Size((2, 1), 1, places=1): ["an entry is dropped when its first outcome is taken"],
    Size((1,), 1, halts=(0,)): ["halt by a store that tells what it saw before", "begin by a store", "who is halted tells nothing"],
    Size((2,), 2, halts=(0,), kills=True): ["the end is ordered for what a worker ran once", "who is killed is blamed", "an end without a halt"],
    Size((2, 1, 1), 2, places=2, deaths=1): ["only newer entries are looked for"],
    Size((1,), 1, failing=(0,), retries=1): ["another attempt has the number of the first"],
}

IDLE, FIND, BEGIN, LOOK, CUR, BODY, SENT, TELL, DEAD = range(9)
STEPS = ("idle", "find", "begin", "look", "cur", "body", "cur after the outcome", "tell of a stop", "dead")
PENDING, BEGUN, HALTED = range(3)


class Worker(NamedTuple):
    at: int = IDLE
    claim: tuple = ()  # (task, end) in the stream
    entry: int = -1  # number of the batch that it has found
    newest: int = 0  # no older one is looked for first
    running: bool = False
    halted: bool = False  # what it has seen
    end: int = -1  # the task at which it is to be killed
    killed: bool = False  # by the supervisor


class Entry(NamedTuple):
    number: int
    first: int
    count: int
    state: int = PENDING


class State(NamedTuple):
    table: tuple  # of Entry or None
    limit: int
    claimed: int  # tasks of the stream below have been claimed
    left: tuple  # claims that deaths have left
    workers: tuple
    deaths: int
    caller: int  # of what it is in the middle: 0 nothing; 1: an entry without its limit; (2, batch): a halt; (3, batch, worker): a look at cur
    to_send: tuple  # (task, count, attempt)
    sent: tuple  # of each number of the stream (task, attempt)
    entries: tuple  # of the caller: (number, first, count, left)
    numbers: int  # the next entry's
    outcomes: frozenset  # (number in the stream, what) that have not been taken
    over: frozenset  # numbers in the stream that have an outcome
    begun: frozenset  # numbers in the stream that have begun
    promised: frozenset  # first numbers of batches that the caller has been told not to have begun
    halted: frozenset  # tasks of batches that were halted
    last: frozenset  # tasks that have their last outcome


def protocol(size, mutant=None):
    """Return the protocol for one size: see checker.py."""
    firsts = [sum(size.batches[:k]) for k in range(len(size.batches))]
    start = State((None,) * size.places, 0, 0, (), (Worker(),) * size.workers, size.deaths, 0,
                  tuple((first, count, 1) for first, count in zip(firsts, size.batches)), (), (), 0, *(frozenset(),) * 6)

    def with_worker(s, w, **changes):
        workers = list(s.workers)
        workers[w] = workers[w]._replace(**changes)
        return s._replace(workers=tuple(workers))

    def put(s, place, entry):
        table = list(s.table)
        table[place] = entry
        return s._replace(table=tuple(table))

    def publish(s, number, what):
        if number in s.over:
            raise Bad(f"number {number} of the stream has two outcomes")
        return s._replace(outcomes=s.outcomes | {(number, what)}, over=s.over | {number})

    # ---- the caller

    def send(s):
        task, count, attempt = s.to_send[0]
        number = s.numbers
        in_use = {each[0] % size.places for each in s.entries}
        if mutant != "a place is taken that is in use":
            while number % size.places in in_use:
                number += 1
                if number > s.numbers + size.places:
                    return None  # there is no place
        first = len(s.sent)
        s = s._replace(to_send=s.to_send[1:], sent=s.sent + tuple((task + k, attempt) for k in range(count)), numbers=number + 1,
                       entries=s.entries + ((number, first, count, count),))
        if mutant == "another attempt has the number of the first" and attempt > 1:
            s = s._replace(sent=s.sent[:-1], entries=s.entries[:-1] + ((number, first - 1, count, count),))
            first -= 1
        if mutant == "limit before the entry":
            return s._replace(limit=len(s.sent), caller=(1, number, first, count))
        return put(s, number % size.places, Entry(number, first, count))._replace(caller=1)

    def take(s, outcome):
        number, what = outcome
        task, attempt = s.sent[number]
        s = s._replace(outcomes=s.outcomes - {outcome})
        if what in ("threw", "died") and attempt <= size.retries and task not in s.halted:
            s = s._replace(to_send=s.to_send + ((task, 1, attempt + 1),))
        else:
            if task in s.last:
                raise Bad(f"task {task} has two last outcomes")
            s = s._replace(last=s.last | {task})
        entries = []
        for entry_number, first, count, left in s.entries:
            if first <= number < first + count:
                left -= 1
                if not left or mutant == "an entry is dropped when its first outcome is taken":
                    continue
            entries.append((entry_number, first, count, left))
        return s._replace(entries=tuple(entries))

    def halt(s, batch):
        """The first step of a halt. The tasks of the batch that have not been sent are taken back."""
        tasks = set(range(firsts[batch], firsts[batch] + size.batches[batch]))
        s = s._replace(halted=s.halted | tasks, last=s.last | {each[0] + k for each in s.to_send if each[0] in tasks for k in range(each[1])},
                       to_send=tuple(each for each in s.to_send if each[0] not in tasks))
        for number, first, count, _ in s.entries:
            if s.sent[first][0] in tasks:
                entry = s.table[number % size.places]
                none = entry.state != BEGUN
                if mutant == "halt by a store that tells what it saw before":
                    return s._replace(caller=(4, number, none))
                if none:
                    s = s._replace(promised=s.promised | {first})
                if mutant != "an end without a halt":
                    s = put(s, number % size.places, entry._replace(state=HALTED if none else entry.state))
                return s._replace(caller=(2, number))
        return s

    def caller(s):
        """Yield the states after the next step of the caller."""
        if s.caller == 1:
            yield s._replace(limit=len(s.sent), caller=0)
        elif s.caller and s.caller[0] == 1:
            _, number, first, count = s.caller
            yield put(s, number % size.places, Entry(number, first, count))._replace(caller=0)
        elif s.caller and s.caller[0] == 2:
            number = s.caller[1]
            entry = s.table[number % size.places]
            done = s if mutant == "an end without a halt" else put(s, number % size.places, entry._replace(state=HALTED))
            yield done._replace(caller=(3, number, 0) if size.kills else 0)
        elif s.caller and s.caller[0] == 3:
            _, number, w = s.caller
            here = s.workers[w]
            mine = next((each for each in s.entries if each[0] == number), None)
            if mine is None:
                yield s._replace(caller=0)
            else:
                following = s._replace(caller=(3, number, w + 1) if w + 1 < size.workers else 0)
                if here.running and mine[1] <= here.claim[0] < mine[1] + mine[2]:
                    following = with_worker(following, w, end=here.claim[0])
                yield following
        elif s.caller and s.caller[0] == 4:
            _, number, none = s.caller
            entry = s.table[number % size.places]
            yield put(s, number % size.places, entry._replace(state=HALTED))._replace(caller=0, promised=s.promised | ({entry.first} if none else set()))
        else:
            if s.to_send and (sent := send(s)) is not None:
                yield sent
            for outcome in s.outcomes:
                yield take(s, outcome)
            for batch in size.halts:
                if firsts[batch] not in s.halted and not set(range(firsts[batch], firsts[batch] + size.batches[batch])) <= s.last:
                    yield halt(s, batch)

    # ---- a worker

    def entry_of(s, w, number):
        """The entry that a worker finds for a number of the stream."""
        newest = s.workers[w].newest
        found = [each for each in s.table if each and each.first <= number < each.first + each.count]
        if mutant == "only newer entries are looked for":
            found = [each for each in found if each.number >= newest]
        if not found:
            raise Bad(f"number {number} of the stream has no entry")
        return found[-1]

    def state_of(s, w):
        entry = s.table[s.workers[w].entry % size.places]
        if entry is None or entry.number != s.workers[w].entry:
            raise Bad("a worker looks at the state of another batch")
        return entry

    def worker(s, w):
        """Yield the states after the next step of worker w, or after its death."""
        me = s.workers[w]
        if me.at == DEAD:
            return
        if s.deaths:
            yield with_worker(s, w, at=DEAD)._replace(deaths=s.deaths - 1)
        number = me.claim[0] if me.claim else -1
        if me.at == IDLE:
            if s.left:
                yield with_worker(s, w, at=FIND, claim=s.left[0])._replace(left=s.left[1:])
            elif s.claimed < s.limit:
                entry = entry_of(s, w, s.claimed)
                yield with_worker(s, w, at=FIND, claim=(s.claimed, entry.first + entry.count),
                                  newest=max(me.newest, entry.number))._replace(claimed=entry.first + entry.count)
        elif me.at == FIND:
            entry = entry_of(s, w, number)
            yield with_worker(s, w, at=BEGIN, entry=entry.number, newest=max(me.newest, entry.number))
        elif me.at == BEGIN:
            entry = state_of(s, w)
            if mutant == "begin by a store":
                yield with_worker(put(s, me.entry % size.places, entry._replace(state=BEGUN)), w, at=LOOK, halted=False)
            elif entry.state == HALTED:
                yield with_worker(s, w, at=TELL, halted=True)
            else:
                yield with_worker(put(s, me.entry % size.places, entry._replace(state=BEGUN)), w, at=LOOK)
        elif me.at == LOOK:
            yield with_worker(s, w, at=TELL if state_of(s, w).state == HALTED else CUR)
        elif me.at == CUR:
            if number in s.begun and number in s.over:
                raise Bad(f"number {number} of the stream begins after its outcome")
            entry = state_of(s, w)
            if entry.first in s.promised:
                raise Bad("a task begins of a batch that was halted before any had begun")
            yield with_worker(s._replace(begun=s.begun | {number}), w, at=BODY, running=True)
        elif me.at == BODY:
            yield with_worker(publish(s, number, "threw" if s.sent[number][0] in size.failing else "value"), w, at=SENT)
        elif me.at == TELL:
            if mutant == "who is halted tells nothing":
                yield with_worker(s, w, at=SENT)
            else:
                yield with_worker(publish(s, number, "stopped"), w, at=SENT)
        elif me.at == SENT:
            if number + 1 < me.claim[1]:
                yield with_worker(s, w, at=TELL if me.halted else LOOK, running=False, claim=(number + 1, me.claim[1]))
            else:
                yield with_worker(s, w, at=IDLE, claim=(), entry=-1, running=False, halted=False)

    # ---- the supervisor

    def recover(s, w):
        me = s.workers[w]
        s = with_worker(s, w, at=IDLE, claim=(), entry=-1, newest=0, running=False, halted=False, killed=False)
        if not me.claim:
            return s
        number, end = me.claim
        if number in s.over:
            number += 1
        elif me.running and (not me.killed or mutant == "who is killed is blamed"):
            if me.killed:
                raise Bad("a task is blamed whose worker was killed")
            s = publish(s, number, "died")
            number += 1
        return s._replace(left=s.left + ((number, end),)) if number < end else s

    def supervisor(s):
        """Yield the states after the next step of the supervisor."""
        for w, me in enumerate(s.workers):
            if me.at == DEAD:
                yield recover(s, w)
            elif me.end >= 0:
                there = me.running and me.claim[0] == me.end
                if mutant == "the end is ordered for what a worker ran once":
                    there = True
                if there and me.claim and me.claim[0] != me.end:
                    raise Bad("a worker is killed that is at another task")
                if there:
                    yield with_worker(s, w, at=DEAD, end=-1, killed=True)
                else:
                    yield with_worker(s, w, end=-1)

    def successors(s):
        return [*caller(s), *supervisor(s), *(t for w in range(size.workers) for t in worker(s, w))]

    def check(s):
        places = [k for b, e in s.left for k in range(b, e)]
        places += [k for me in s.workers if me.claim for k in range(me.claim[0] + (me.claim[0] in s.over), me.claim[1])]
        places += range(s.claimed, len(s.sent))
        if sorted(places) != sorted(set(range(len(s.sent))) - s.over):
            raise Bad("a number of the stream is nowhere, or twice, or over and still to be run")

    def final(s):
        if s.last != frozenset(range(sum(size.batches))) or s.outcomes or s.entries:
            raise Bad("stuck")

    class Steps:
        show = [(name, str) for name in State._fields]

    Steps.start, Steps.successors, Steps.check, Steps.final = start, staticmethod(successors), staticmethod(check), staticmethod(final)
    return Steps


if __name__ == "__main__":
    sys.exit(run(protocol, {(): QUICK, ("--all",): SIZES}, MUTANTS, sys.argv[1:], __doc__))
