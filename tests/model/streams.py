# SPDX-License-Identifier: MIT
"""Model checker for the section "Streams" of include/parmap/detail/processes/PROTOCOL.md: every order of steps, every place to die,
for small sizes. claims.py checks the rest of the page.

    python3 streams.py            the sizes in QUICK; exit 1 with the first bad state and the steps that lead to it
    python3 streams.py --all      those in SIZES too, some minutes; ./test --soak
    python3 streams.py --mutants  breaks the protocol in many ways, each of which must be found; exit 1 if one is not

The model. Each step is one load or store of shared memory, or one operation on the lock; what is done under L between two of them is one step.
- a worker: L and the bell, the claim from the front up to `limit`, waiting with and without news, each task with its retries in place, room in
  its ring (sizes with `room`), a value (cell, tail, asleep, the wake), a failure (record, head, the count, halt, the bell), cur, news;
- the supervisor: recovery with the rule of the newest cell, its bell, blame, a fork, which may be refused; at news `closing`, `bound` and the
  cut, the question whether all is idle, the records of each worker in turn and their way into its own ring, `told`, dismissal; at the
  end the tasks that are stopped, and `state`;
- the caller: it looks at `state` and then at the rings, and takes of any ring what is there; sets `limit`, rings; sets `asleep`, looks
  again, sleeps. An endless axis: it says where the tasks end, at the latest when it wants to read on before it sleeps. It may leave;
- deaths of workers before any step, up to a number; `halt` at any moment, or by the failures.

Checked in every state: each task is in exactly one place, and has one outcome at most that anybody can take. Tasks claimed - outcomes taken <=
window. No task is blamed whose outcome was published, or in which its worker did not die. No ring is without a cell. At the end every task has its outcome; of
a halted endless stream those that were claimed, and all before. A state without a next step must be the end: so nobody misses a
wake-up, as no time passes here. Steps must not form a circle (checked where the size says so).

Not modelled: memory order, and so the look a millisecond after the caller has gone to sleep; the times of 2 ms, 1 s and 2 s after which
everybody looks again; the values' bytes and blocks; `taken` told late, `limit` raised late or taken back; elements; postponed tasks; `finished` and `base`; rounds, births, timeouts;
deaths of the supervisor and of the caller, which end everything. A death between `cur` and the body counts as a death in the body. Of states that
differ in the workers' numbers only one is explored, where no task throws: a trace may change numbers.
The steps are in stream_worker.py, stream_supervisor.py and stream_caller.py, the words in stream_words.py; here are sizes, mutants and claims.
"""
import sys
from operator import attrgetter
from types import SimpleNamespace
from typing import NamedTuple

from checker import Bad, run
from stream_caller import caller_of
from stream_supervisor import supervisor_of
from stream_words import *  # the names of words and steps, which this file is written in
from stream_words import words_of
from stream_worker import worker_of


class Size(NamedTuple):
    tasks: int
    workers: int
    window: int
    deaths: int = 0
    retries: int = 0
    throwing: tuple = ()  # the tasks whose body may throw, at each attempt
    always: bool = False  # and does
    ordered: bool = False
    endless: bool = False  # the number of tasks is told on the way
    halt: bool = False  # `halt` may be set, once
    most_failures: int = 0  # that many set `halt`
    closing: bool = False  # the caller may leave
    refusals: int = 0  # forks that may be refused
    room: int = 0  # who has so many outcomes unread begins no task
    arena: tuple = (3, 7)  # where the second half begins, and where it ends, in records
    chunk: int = 2  # upper bound
    circles: bool = False  # whether to look for circles

    def __str__(self):
        return ", ".join(f"{name} {value}" for name, value in self._asdict().items() if value and name not in ("chunk", "circles", "arena"))


# Together these cover every kind of step, two workers, and circles.
QUICK = (
    Size(3, 1, 2, deaths=1, retries=1, circles=True),
    Size(2, 2, 2, ordered=True, circles=True),
    Size(1, 2, 1, deaths=1, retries=1, refusals=1),
    Size(2, 1, 1, deaths=1, throwing=(0, 1), always=True, endless=True),
    Size(4, 1, 2, throwing=(0, 1, 2, 3), always=True, arena=(1, 4)),
    Size(2, 2, 2, throwing=(0,), always=True, most_failures=1),
    Size(2, 1, 1, endless=True, deaths=1, halt=True),
    Size(2, 1, 2, throwing=(0,), closing=True, circles=True),
    Size(3, 1, 3, deaths=1, endless=True, room=1),
)
# More tasks, workers and deaths.
SIZES = (
    *QUICK,
    Size(2, 2, 1, deaths=1, ordered=True, circles=True),
    Size(3, 2, 2, ordered=True),
    Size(3, 2, 2, ordered=True, chunk=1),
    Size(2, 2, 2, deaths=1),
    Size(2, 1, 1, deaths=2, throwing=(0, 1), endless=True),
    Size(2, 2, 1, throwing=(0,), endless=True),
    Size(2, 1, 2, deaths=1, throwing=(1,), closing=True),
    Size(2, 2, 1, halt=True),
    Size(1, 3, 1),
)
MUTANTS = {  # for each size, the mutants that it must find
    Size(2, 1, 1): ["limit without the bell", "the bell is looked at after the range", "asleep before tail", "asleep set after the look",
                    "dismissal without the bell", "the end wakes nobody"],
    Size(3, 1, 1): ["claims beyond limit"],
    Size(2, 1, 2): ["tail before cell", "the rings before state"],
    Size(2, 1, 2, deaths=1): ["cur before tail", "recovery ignores the ring", "recovery takes any newest cell"],
    Size(2, 1, 1, deaths=1): ["a death between note and wake wakes nobody"],
    Size(2, 2, 2, deaths=1, retries=1, refusals=1): ["recovery without the bell"],
    Size(1, 1, 1, endless=True): ["bound without news"],
    Size(2, 1, 2, endless=True, chunk=1): ["cut without L", "dismissal though the range is not empty"],
    Size(1, 2, 1): ["waits without news"],
    Size(2, 1, 2, throwing=(0, 1), arena=(1, 4)): ["told is what head shows after the reading"],
    Size(2, 1, 1, throwing=(0,)): ["no news of failures"],
    Size(3, 1, 1, throwing=(0, 1, 2), arena=(1, 3)): ["one half only"],
    Size(6, 1, 5, throwing=(0, 1, 2, 3, 4, 5), always=True, arena=(1, 7)): ["told before the records are read"],
    Size(4, 1, 2, throwing=(0, 1, 2, 3), always=True, arena=(1, 4)): ["a record at the place that told shows"],
    Size(1, 1, 1, halt=True): ["state before the last outcomes"],
    Size(3, 2, 2, ordered=True, chunk=1): ["limit by what has arrived"],
    Size(3, 2, 3, deaths=1, retries=1, ordered=True, room=1): ["later outcomes stay in their rings"],
    Size(3, 1, 3, endless=True, room=1): ["waiting after the look at taken", "taken without a look at waiting"],
    Size(2, 2, 1, halt=True): ["halt without the bell"],
    Size(2, 1, 2, closing=True): ["who is ended is blamed"],
    Size(2, 1, 2, throwing=(0,), closing=True, circles=True): ["the supervisor does not halt who is left"],
}


def protocol(size, mutant=None):
    """Return the protocol for one size: start, successors(state), check(state), final(state), and show (name and format
    of each byte of a state)."""
    words = words_of(size, mutant)
    worker, supervisor, caller = (of(size, mutant, words) for of in (worker_of, supervisor_of, caller_of))
    (but, halted, ring_bell, workers, rings, everything, cells, show, start, LEFT, CLAIMED, CUR, WAITS, AT, MINE, REST, SOURCE, NOTE, SAW, DIED_IN,
     STOPPED, TAIL, TAKEN, CELL) = attrgetter(
        "but", "halted", "ring_bell", "workers", "rings", "everything", "cells", "show", "start", "LEFT", "CLAIMED", "CUR", "WAITS", "AT", "MINE",
        "REST", "SOURCE", "NOTE", "SAW", "DIED_IN", "STOPPED", "TAIL", "TAKEN", "CELL")(words)

    def successors(s):
        reached = [*supervisor(s), *caller(s), *(t for w in workers if s[AT + w] < DEAD for t in worker(s, w))]
        if s[HALTED] == HALT_POSSIBLE and s[STEP] != S_GONE:
            reached.append(but(s, HALTED, HALT))
        elif s[HALTED] == HALT:
            reached.append(but(s, HALTED, HALT_AND_BELL) if mutant == "halt without the bell" else ring_bell(s, HALTED, HALT_AND_BELL))
        elif s[HALTED] == HALT_AND_BELL:
            reached.append(but(s, HALTED, HALT_AND_NEWS, NEWS, 1))
        return [bytes(t) if t[STEP] not in SYMMETRIC or not symmetric else numbered(t) for t in reached]

    symmetric = size.workers > 1 and not size.throwing  # the records are read in the order of numbers
    of_worker = [[CLAIMED + w, CUR + w, WAITS + w, AT + w, MINE + w, REST + w, SOURCE + w, NOTE + w, SAW + w, DIED_IN + w, STOPPED + w, TAIL + w, TAKEN + w,
                  *range(CELL[w], CELL[w] + cells)] for w in workers]

    def numbered(s):
        """Of the states that differ in the workers' numbers only, return one: claims of a stream do not depend on them."""
        groups = [(bytes(s[k] for k in of_worker[w]), w) for w in workers]
        order_now = sorted(groups)
        if order_now != groups:
            moved = {old: new for new, (_, old) in enumerate(order_now)}
            for (values, _), places_of in zip(order_now, of_worker):
                for k, value in zip(places_of, values):
                    s[k] = value
            if s[LOCKED]:
                s[LOCKED] = s[LOCKED] & OWNER_DEAD | moved[(s[LOCKED] & ~OWNER_DEAD) - 1] + 1
            s[WHO] = moved[s[WHO]] if s[STEP] != WATCH else 0
        return bytes(s)

    # ---- what must hold

    def check(s):
        """Check the page's invariants."""
        over = s[DONE] | s[FAILED] | s[BLAMED]
        outcomes = s[ARRIVED]
        for r in rings:
            for k in range(s[TAKEN + r], s[TAIL + r]):
                tasks = INDICES[s[CELL[r] + k % cells]]
                if tasks & outcomes:
                    raise Bad("6: a task has two outcomes")
                outcomes |= tasks
        if s[STEP] >= DRAIN or s[BACK] == PUT_STATE:
            return
        if outcomes & ~over:
            raise Bad("an outcome of a task that has not ended")
        claimed, sources, lo = 0, INDICES[s[RANGE]], s[RANGE] >> 4
        for w in workers:
            sources |= INDICES[s[LEFT + w]]
            if s[CLAIMED + w]:
                q, e = s[CUR + w] >> 4, s[CLAIMED + w] & 15
                if s[CUR + w] == NONE or not s[CLAIMED + w] >> 4 <= q <= e:
                    raise Bad(f"claim and cur of worker {w} disagree")
                if s[CUR + w] & 1 and (over >> q & 1):
                    q += 1
                if claimed & INDICES[q << 4 | e]:
                    raise Bad("1: an index is in two claims")
                claimed |= INDICES[q << 4 | e]
                lo = max(lo, e)
        if over & (claimed | sources) or (over | claimed | sources) & everything != everything:
            raise Bad("1: an index is nowhere, or over and still to be run")
        if not s[STAY] and not halted(s) and (claimed or sources):
            raise Bad("workers are dismissed though something is claimed or unclaimed")
        in_order = (~s[ARRIVED] & s[ARRIVED] + 1).bit_length() - 1
        if lo - (in_order if size.ordered else s[ARRIVED].bit_count()) > size.window:
            raise Bad("6: more is claimed than the window permits")

    def final(s):
        """Check a state without a next step: it must be the end, and every task must have its outcome."""
        if s[C_AT] != C_END or s[STEP] != S_GONE or any(s[AT + w] != GONE for w in workers) or s[LOCKED] != FREE:
            raise Bad("stuck")
        if s[CLOSING]:
            return
        if size.endless and halted(s):
            if s[ARRIVED] & s[ARRIVED] + 1 or (s[DONE] | s[FAILED] | s[BLAMED]) & ~s[ARRIVED]:
                raise Bad("an outcome is missing of a halted endless stream")
        elif s[ARRIVED] != everything:
            raise Bad("an outcome is missing")

    return SimpleNamespace(start=bytes(start), successors=successors, check=check, final=final, show=show)


if __name__ == "__main__":
    sys.exit(run(protocol, {(): QUICK, ("--all",): SIZES}, MUTANTS, sys.argv[1:], __doc__))
