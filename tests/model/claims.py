# SPDX-License-Identifier: MIT
"""Model checker for the protocol in include/parmap/detail/processes/PROTOCOL.md: every order of steps, every place to die,
for small sizes.

    python3 claims.py            the sizes in QUICK, some 20 s; exit 1 with the first bad state and the steps that lead to it
    python3 claims.py --all      those in SIZES too, about a minute more; ./test --soak
    python3 claims.py --deep     larger sizes, some minutes and some GB; ./test --soak
    python3 claims.py --mutants  breaks the protocol in many ways, each of which must be found; exit 1 if one is not

The model. Each step is one store to shared memory or one operation on the lock:
- a worker: L, the claim, each task (its body may throw if the size says so), retries in place, a published failure, the end of a claim,
  leaving when nothing is left and on `halt`;
- waiting: a worker that finds nothing waits for the bell while `stay` is set; before, it tells the supervisor (news);
- postponed tasks (sizes with `postpone`): an attempt that fails before the last is published and goes to the supervisor, as does a task
  in which a worker has died; the time until it is due passes at any moment, and then it is put into a spare left_over;
- deaths: any worker may die before any step, up to a number of deaths; its words stay as they are;
- the supervisor: it takes over L from a worker that died with it, repairs and recovers store by store, then forks, which may be
  refused (a number of times). Once no worker is left and work remains, it tries again. `halt` may be set at any moment.

Checked in every state: the page's invariants. A body runs only as `cur` says, as the next attempt of a task that has one left. No task
is blamed unless its worker died in it. A left_over finds a free slot. At the end each task is in exactly one place: done, published as
failed, blamed, or (only after `halt`) unclaimed; and the counts add up to n. A state without a next step must be the end. Steps must
not form a circle (checked where the size says so, because it doubles the time).

Not modelled: memory order (a store is visible to all at once), timeouts, `go` and the other steps of a birth, the bytes behind `top`
and in slots, `failures` and `max_failures` (they equal `halt` at any moment), rounds, the run of deaths without a task begun, a death
of the supervisor (it kills all workers). A death between `cur` and the body counts as a death in the body, because no word tells them
apart.
"""
import sys
from functools import reduce
from operator import or_
from types import SimpleNamespace
from typing import NamedTuple

from checker import Bad, run


class Size(NamedTuple):
    tasks: int
    workers: int
    deaths: int
    retries: int = 0
    throwing: tuple = ()  # the tasks whose body may throw, at each attempt
    halt: bool = False  # `halt` may be set, once
    refusals: int = 0  # forks that may be refused
    circles: bool = False  # whether to look for circles
    chunk: int = 2  # upper bound
    postpone: bool = False  # a failed attempt is not repeated at once
    spare: int = 1  # left_overs for postponed tasks

    def __str__(self):
        return ", ".join(f"{name} {value}" for name, value in self._asdict().items() if value and name not in ("chunk", "circles", "spare"))


# Together these cover every kind of step, three workers, and circles.
QUICK = (
    Size(2, 3, 2),
    Size(4, 2, 2, halt=True, circles=True),
    Size(4, 2, 2, retries=1, throwing=(1, 2)),
    Size(3, 2, 2, retries=1, throwing=(1,), halt=True, refusals=1, circles=True),
    Size(4, 1, 4, retries=1, throwing=(1, 2), halt=True, refusals=2, circles=True),
    Size(2, 1, 1, retries=1, throwing=(0, 1), halt=True, refusals=1, circles=True, postpone=True),
    Size(2, 2, 1, retries=1, throwing=(1,), postpone=True),
)
# More tasks, workers and deaths.
SIZES = (
    *QUICK, Size(2, 2, 0, retries=1, throwing=(0, 1), circles=True, postpone=True), Size(3, 1, 1, retries=2, throwing=(0, 1, 2), postpone=True),
    Size(1, 2, 1, retries=1, throwing=(0,), halt=True, circles=True, postpone=True), Size(3, 3, 2), Size(4, 3, 1), Size(5, 2, 3), Size(4, 2, 3, refusals=2), Size(4, 2, 3, retries=2),
)
DEEP = (
    Size(6, 2, 4), Size(4, 3, 3),
    Size(5, 2, 4, retries=1, throwing=(2,)),
    Size(4, 3, 2, retries=1, throwing=(1,)),
    Size(4, 2, 3, retries=1, throwing=(1, 2), halt=True, refusals=1),
    Size(2, 2, 1, retries=1, throwing=(0, 1), halt=True, postpone=True),
    Size(3, 2, 1, retries=1, throwing=(0, 1, 2), postpone=True, spare=2),
)
MUTANTS = {  # for each size, the mutants that it must find
    Size(3, 2, 0, halt=True): ["halt looked at after cur"],
    Size(3, 2, 1): [
        "shrink before claim", "claim before cur", "claim before base", "claim cleared before finished", "no repair",
        "cur before the slot", "cur not written before a body", "recovery adds to finished, not to base",
        "recovery blames who was not running", "recovery blames nobody"],
    Size(3, 2, 1, throwing=(1,)): ["recovery ignores head"],
    Size(3, 2, 2, retries=1): ["recovery forgets attempts"],
    Size(3, 2, 2, refusals=1): ["a refused fork is never tried again"],
    Size(4, 2, 2): ["repair forgets left_over", "repair of who is recovered", "recovery without L"],
    Size(5, 2, 3): ["the range before left_overs", "a left_over only in the slot of one's own"],
    Size(1, 1, 1, retries=2, throwing=(0,), postpone=True): ["published told by the task alone", "a postponed task forgets attempts"],
    Size(1, 1, 1, retries=1, postpone=True): ["a task that its worker died in is not postponed"],
    Size(2, 1, 0, retries=1, throwing=(0, 1), postpone=True): [
        "waits without news", "dismissal without the bell"],
    Size(2, 2, 0, retries=1, throwing=(0,), postpone=True): ["the bell is looked at without L", "the bell is looked at after stay"],
    Size(1, 1, 0, retries=1, throwing=(0,), halt=True, postpone=True): ["halt without the bell"],
}
CLAIM_ORDERS = {
    "the page": ("base", "cur", "claim", "shrink", "unlock"),  # the correct order; the others are mutants
    "shrink before claim": ("base", "cur", "shrink", "claim", "unlock"),
    "claim before cur": ("base", "claim", "cur", "shrink", "unlock"),
    "claim before base": ("cur", "claim", "base", "shrink", "unlock"),
}
CLOSE_ORDERS = {"the page": ("finished", "claim", "cur"), "claim cleared before finished": ("claim", "finished", "cur")}

# Values of words. A pair (b, e) is one byte, b << 4 | e; cur is task << 4 | attempts << 1 | running.
NO_PAIR, NONE = 0, 255
FREE, SUPERVISOR, OWNER_DEAD = 0, 127, 128  # L; held by worker w: w + 1; OWNER_DEAD | w + 1 keeps the owner for one mutant
HALT_NEVER, HALT_POSSIBLE, HALT, HALT_AND_BELL = range(4)
INDICES = [(1 << (pair & 15)) - (1 << (pair >> 4)) if pair >> 4 < pair & 15 else 0 for pair in range(256)]  # as a set of bits
# The states of a process: its next step.
WORKER_STEPS = ["lock", *(f"claim {k}" for k in range(1, 6)), "task", "body", "advance", "close 1", "close 2", "close 3",
                "leave", "unlock to wait", "news of a wait", "wait", "pass", "news", "dead", "gone"]
(LOCK, CLAIM, _, _, _, UNLOCK, TASK, BODY, ADVANCE, CLOSE, _, CLOSE_3, LEAVE, WAIT_UNLOCK, WAIT_NEWS, WAIT, PASS, NEWS_THEN_TASK, DEAD,
 GONE) = range(len(WORKER_STEPS))
SUPERVISOR_STEPS = ["watch", "repair", "finished", "left_attempts", "left_over", "claim = none", "cur = none", "unlock", "fork",
                    "look: L", "look: left_attempts", "look: left_over", "look: unlock", "look: bell", "look: records", "dismiss", "bell"]
(WATCH, S_REPAIR, FINISHED, LEFT_ATTEMPTS, LEFT_OVER, CLEAR_CLAIM, CLEAR_CUR, S_UNLOCK, FORK, LOOK_LOCK, LOOK_ATTEMPTS, LOOK_LEFT,
 LOOK_UNLOCK, LOOK_BELL, LOOK_RECORDS, DISMISS, DISMISS_BELL) = range(len(SUPERVISOR_STEPS))


# How a trace shows the words of a state, in their order. Only the checker knows done, failed, blamed, written (the slot, by the current
# attempt), pending (postponed, and in no left_over yet), records (how many were published before the last attempt), died_in and attempts
# (announced, of a task that is not over yet). Only w itself knows mine, source and saw; only the supervisor postponed, due and idle.
SHOW_PAIR = lambda pair: f"({pair >> 4}, {pair & 15})" if pair else "none"
SHOW_CUR = lambda cur: "none" if cur == NONE else f"({cur >> 4}, {cur >> 1 & 7}, {'running' if cur & 1 else 'not running'})"
SHOW_LOCK = lambda lock: {FREE: "free", SUPERVISOR: "supervisor"}.get(lock, "owner dead" if lock >= OWNER_DEAD else f"worker {lock - 1}")
SHOW_TASKS = lambda tasks: str([i for i in range(8) if tasks >> i & 1])
SHOW_HEAD = lambda head: "none" if head == NONE else f"({head >> 4}, {head & 15})"
WORDS = {"range": SHOW_PAIR, "lock": SHOW_LOCK, "halt": "0011".__getitem__, "supervisor": SUPERVISOR_STEPS.__getitem__, "recovered": str,
         "deaths": str, "refusals": str, "done": SHOW_TASKS, "failed": SHOW_TASKS, "blamed": SHOW_TASKS, "written": SHOW_TASKS,
         "stay": str, "bell": str, "news": str, "postponed": SHOW_TASKS, "due": SHOW_TASKS, "idle": str, "pending": SHOW_TASKS, "records": str}
WORDS_OF_LEFT_OVER = {"left_over": SHOW_PAIR, "left_attempts": str}
WORDS_OF_WORKER = {"claim": SHOW_PAIR, "cur": SHOW_CUR, "finished": str, "base": str,
                   "head": SHOW_HEAD, "at": WORKER_STEPS.__getitem__, "mine": SHOW_PAIR, "source": str, "died_in": str, "saw": str,
                   "unread": SHOW_TASKS}


def protocol(size, mutant=None):
    """Return the protocol for one size: start, successors(state), check(state), final(state), and show (name and format
    of each byte of a state)."""
    n, workers, spares = size.tasks, range(size.workers), size.spare if size.postpone else 0
    show = [*WORDS.items(), *((f"{word}[{j}]", form) for word, form in WORDS_OF_LEFT_OVER.items() for j in range(size.workers + spares)),
            *((f"{word}[{w}]", form) for word, form in WORDS_OF_WORKER.items() for w in workers), *((f"attempts[{i}]", str) for i in range(n))]
    (RANGE, LOCKED, HALTED, STEP, RECOVERED, DEATHS, REFUSALS, DONE, FAILED, BLAMED, WRITTEN, STAY, BELL, NEWS, POSTPONED, DUE, IDLE, PENDING,
     RECORDS, LEFT, LEFT_A, CLAIMED, CUR, FIN, BASE, HEAD, AT, MINE, SOURCE, DIED_IN, SAW, UNREAD, ATTEMPTS) = [
        k for k, (name, _) in enumerate(show) if name[-3:] == "[0]" or "[" not in name]
    lefts = range(LEFT, LEFT + size.workers + spares)
    spare_lefts = range(LEFT + size.workers, LEFT + size.workers + spares)
    claim_order, close_order = (orders.get(mutant, orders["the page"]) for orders in (CLAIM_ORDERS, CLOSE_ORDERS))

    def but(state, *changes):
        """Return a copy of state with other values; changes are word, value, word, value and so on."""
        changed = bytearray(state)
        for k in range(0, len(changes), 2):
            changed[changes[k]] = changes[k + 1]
        return changed

    start = but(bytes(len(show)), STAY, int(size.postpone), RANGE, n, DEATHS, size.deaths, REFUSALS, size.refusals,
                HALTED, HALT_POSSIBLE if size.halt else HALT_NEVER, *(value for w in workers for value in (CUR + w, NONE, HEAD + w, NONE)))

    def halted(s):
        return s[HALTED] >= HALT

    def work_left(s):
        return not halted(s) and (INDICES[s[RANGE]] or any(s[left] for left in lefts))

    def repair(s, who):
        """Repair in the recovery of who: return the next store as (word, value), or None once claim and source share nothing."""
        lo, hi = s[RANGE] >> 4, s[RANGE] & 15
        claim = s[CLAIMED + (who if mutant == "repair of who is recovered" else s[SOURCE + who] - 1)]
        if not claim or mutant == "no repair":
            return None
        b, e = claim >> 4, claim & 15
        if lo == b and e <= hi:
            return RANGE, e << 4 | hi
        if hi == e and b >= lo:
            return RANGE, lo << 4 | b
        return next(((left, NO_PAIR) for left in lefts if s[left] == claim and mutant != "repair forgets left_over"), None)

    def take(s, w):
        """Return what w claims as (pair, the word it comes from), or None."""
        lo, hi = s[RANGE] >> 4, s[RANGE] & 15
        chunk = min(size.chunk, max(1, (hi - lo) // 2))
        end = (lo << 4 | lo + chunk if w % 2 == 0 else hi - chunk << 4 | hi, RANGE) if lo < hi else None
        left_over = next(((s[left], left) for left in lefts if s[left]), None)
        return end or left_over if mutant == "the range before left_overs" else left_over or end

    def announce(s, w, task, attempt):
        """cur announces that w runs task; the body may begin from now on."""
        if s[ATTEMPTS + task] + 1 != attempt or attempt > size.retries + 1:
            raise Bad(f"attempt {attempt} of task {task} after {s[ATTEMPTS + task]}")
        return but(s, CUR + w, s[CUR + w] if mutant == "cur not written before a body" else task << 4 | attempt << 1 | 1, AT + w, BODY,
                   ATTEMPTS + task, attempt, WRITTEN, s[WRITTEN] & ~(1 << task))

    def over(s, task, how):
        """Record, for the checker, that task is DONE, FAILED or BLAMED."""
        return but(s, how, s[how] | 1 << task, ATTEMPTS + task, 0, WRITTEN, s[WRITTEN] & ~(1 << task))

    def advance(s, w, task):
        if not (s[DONE] | s[FAILED]) >> task & 1:
            if not s[WRITTEN] >> task & 1:
                raise Bad(f"cur of worker {w} calls task {task} finished, its slot is not written")
            s = over(s, task, DONE)
        return but(s, CUR + w, task + 1 << 4, AT + w, TASK)

    def die(s, w, task=None):
        lock = s[LOCKED] if s[LOCKED] != w + 1 else OWNER_DEAD | w + 1
        return but(s, AT + w, DEAD, MINE + w, NO_PAIR, SOURCE + w, 0, LOCKED, lock, DIED_IN + w, 0 if task is None else task + 1)

    def claim_step(s, w, at):
        if at == CLAIM:
            if halted(s) or not (taken := take(s, w)):
                return but(s, AT + w, WAIT_UNLOCK) if s[STAY] and not halted(s) else but(s, AT + w, LEAVE, SAW + w, 0)
            s = but(s, MINE + w, taken[0], SOURCE + w, taken[1], SAW + w, 0)
        mine, source, lo, hi = s[MINE + w], s[SOURCE + w], s[RANGE] >> 4, s[RANGE] & 15
        rest = NO_PAIR if source != RANGE else (mine & 15) << 4 | hi if lo == mine >> 4 else lo << 4 | mine >> 4
        after = NEWS_THEN_TASK if at == UNLOCK and source in spare_lefts else at + 1
        return but(s, AT + w, after, *{
            "base": (BASE + w, s[FIN + w]), "claim": (CLAIMED + w, mine),
            "cur": (CUR + w, mine & 0xf0 | (s[source - LEFT + LEFT_A] << 1 if source != RANGE else 0)),
            "shrink": (source, rest), "unlock": (LOCKED, FREE, SOURCE + w, 0)}[claim_order[at - CLAIM]])

    def close_step(s, w, at):
        b, e = s[MINE + w] >> 4, s[MINE + w] & 15
        return but(s, AT + w, at + 1 if at < CLOSE_3 else LOCK, *{
            "finished": (FIN + w, s[BASE + w] + e - b), "claim": (CLAIMED + w, NO_PAIR),
            "cur": (CUR + w, NONE, MINE + w, NO_PAIR)}[close_order[at - CLOSE]])

    def body(s, w, task, attempts):
        """Yield the states in which the body of task can end."""
        if not s[CUR + w] & 1 or attempts != s[ATTEMPTS + task]:
            raise Bad(f"a body runs in worker {w}, cur says otherwise")
        yield but(s, WRITTEN, s[WRITTEN] | 1 << task, AT + w, ADVANCE) if mutant != "cur before the slot" else advance(s, w, task)
        if task in size.throwing and attempts > size.retries:
            yield but(over(s, task, FAILED), HEAD + w, task << 4 | attempts, AT + w, ADVANCE)
        elif task in size.throwing and size.postpone:
            yield but(s, HEAD + w, task << 4 | attempts, UNREAD + w, s[UNREAD + w] | 1 << task, PENDING, s[PENDING] | 1 << task,
                      RECORDS, s[RECORDS] + 1, WRITTEN, s[WRITTEN] & ~(1 << task), AT + w, PASS)
        elif task in size.throwing:
            yield announce(s, w, task, attempts + 1)
            if halted(s):  # the page allows a worker to check halt between attempts, or not to
                yield die(s, w)

    def worker(s, w):
        """Yield the states after the next step of w, or after its death."""
        at, task, attempts = s[AT + w], s[CUR + w] >> 4, s[CUR + w] >> 1 & 7
        if s[DEATHS]:
            yield but(die(s, w, task if at in (BODY, ADVANCE, PASS) else None), DEATHS, s[DEATHS] - 1)
        if at == LOCK:
            if s[LOCKED] == FREE:
                yield but(s, LOCKED, w + 1, AT + w, CLAIM, SAW + w, s[BELL])
        elif at <= UNLOCK:
            yield claim_step(s, w, at)
        elif at == TASK and task < s[MINE + w] & 15:
            begun = announce(s, w, task, attempts + 1)
            yield begun if not halted(s) else die(begun if mutant == "halt looked at after cur" else s, w)
        elif at == BODY:
            yield from body(s, w, task, attempts)
        elif at == ADVANCE:
            yield advance(s, w, task)
        elif at == PASS:
            yield but(s, CUR + w, task + 1 << 4, AT + w, NEWS_THEN_TASK)
        elif at == NEWS_THEN_TASK:
            yield but(s, NEWS, 1, AT + w, TASK)
        elif at == LEAVE:
            yield die(but(s, LOCKED, FREE), w)
        elif at == WAIT_UNLOCK:
            saw = s[BELL] if mutant == "the bell is looked at after stay" else s[SAW + w]
            yield but(s, LOCKED, FREE, SAW + w, saw, AT + w, WAIT if mutant == "waits without news" else WAIT_NEWS)
        elif at == WAIT_NEWS:
            yield but(s, NEWS, 1, AT + w, WAIT, SAW + w, s[BELL] if mutant == "the bell is looked at without L" else s[SAW + w])
        elif at == WAIT:
            if s[BELL] != s[SAW + w]:
                yield but(s, SAW + w, 0, AT + w, LOCK)
        else:
            yield close_step(s, w, max(at, CLOSE))

    def verdict(s, w):
        """Return a line of the page's table "Recovery": (number finished, task blamed or None, what is handed back, its attempts, task
        postponed or None)."""
        b, e, q, attempts, running = s[CLAIMED + w] >> 4, s[CLAIMED + w] & 15, s[CUR + w] >> 4, s[CUR + w] >> 1 & 7, s[CUR + w] & 1
        if running and published(s, w) and mutant != "recovery ignores head":
            return q + 1 - b, None, (q + 1, e), 0, None
        if not running and mutant == "recovery blames who was not running" and q < e:
            return q - b, q, (q + 1, e), 0, None
        if running and attempts <= size.retries and size.postpone and mutant != "a task that its worker died in is not postponed":
            return q - b, None, (q + 1, e), 0, q
        if not running or (attempts <= size.retries and not size.postpone):
            return q - b, None, (q, e), 0 if mutant == "recovery forgets attempts" else attempts, None
        return q - b, None if mutant in ("recovery blames nobody", "a task that its worker died in is not postponed") else q, (q + 1, e), 0, None

    def published(s, w):
        """Whether w's newest record is about the attempt that cur tells of."""
        q, attempts = s[CUR + w] >> 4, s[CUR + w] >> 1 & 7
        if mutant == "published told by the task alone":
            return s[HEAD + w] != NONE and s[HEAD + w] >> 4 == q
        return s[HEAD + w] == q << 4 | attempts

    def recover(s, w, at):
        """Return the state after the next step of the recovery of w, which has a claim."""
        finished, blamed, (b, e), attempts, postponed = verdict(s, w)
        free = next((j for j in workers if not s[LEFT + j]), None) if mutant != "a left_over only in the slot of one's own" else w
        if at == FINISHED:
            before = s[FIN + w if mutant == "recovery adds to finished, not to base" else BASE + w]
            return but(s, FIN + w, before + finished, STEP, LEFT_ATTEMPTS if b < e else CLEAR_CLAIM)
        if at != CLEAR_CLAIM:
            if free is None:
                raise Bad(f"no free left_over for ({b}, {e}) of worker {w}")
            return but(s, STEP, at + 1, *((LEFT_A + free, attempts) if at == LEFT_ATTEMPTS else (LEFT + free, b << 4 | e)))
        for task in (blamed, postponed):
            if task is not None and s[DIED_IN + w] != task + 1:
                raise Bad(f"task {task} is blamed or postponed, worker {w} did not die in it")
        if blamed is not None:
            s = over(s, blamed, BLAMED)
        if postponed is not None:
            s = but(s, *(change for word in (POSTPONED, PENDING) for change in (word, s[word] | 1 << postponed)), WRITTEN, s[WRITTEN] & ~(1 << postponed))
        return but(s, CLAIMED + w, NO_PAIR, STEP, CLEAR_CUR)

    def idle(s):
        """Whether nothing is claimed or to be claimed."""
        return not INDICES[s[RANGE]] and not any(s[left] for left in lefts) and not any(s[CLAIMED + w] for w in workers)

    def look(s, at):
        """Return the state after the next step of a look at the news: put a task that is due into a spare left_over; read the records of
        failed attempts; and once nothing is left, dismiss the workers. What is idle is told under L, and before the records are read."""
        first = (s[DUE] & -s[DUE]).bit_length() - 1
        free = next((left for left in spare_lefts if not s[left]), None)
        if at == LOOK_LOCK:
            return but(s, LOCKED, SUPERVISOR, IDLE, int(bool(idle(s))), STEP, LOOK_ATTEMPTS if s[DUE] and free is not None and not halted(s) else LOOK_UNLOCK)
        if at == LOOK_ATTEMPTS:
            forgets = mutant == "a postponed task forgets attempts"
            return but(s, free - LEFT + LEFT_A, 0 if forgets else s[ATTEMPTS + first], STEP, LOOK_LEFT)
        if at == LOOK_LEFT:
            return but(s, free, first << 4 | first + 1, DUE, s[DUE] & ~(1 << first), PENDING, s[PENDING] & ~(1 << first), RECOVERED, 1, STEP, LOOK_UNLOCK)
        if at == LOOK_UNLOCK:
            return but(s, LOCKED, FREE, STEP, LOOK_BELL if s[RECOVERED] else LOOK_RECORDS, RECOVERED, 0)
        if at == LOOK_BELL:
            return but(s, BELL, s[BELL] + 1, STEP, LOOK_RECORDS)
        if at == LOOK_RECORDS:
            w = s[RECOVERED]
            s = but(s, POSTPONED, s[POSTPONED] | s[UNREAD + w], UNREAD + w, 0)
            if w + 1 < size.workers:
                return but(s, RECOVERED, w + 1)
            over_now = s[IDLE] and not s[POSTPONED] and not s[DUE] and s[STAY]
            return but(s, RECOVERED, 0, IDLE, 0, STEP, DISMISS if over_now else WATCH)
        if at == DISMISS:
            return but(s, STAY, 0, STEP, WATCH if mutant == "dismissal without the bell" else DISMISS_BELL)
        return but(s, BELL, s[BELL] + 1, STEP, WATCH)

    def take_over(s, w, *more):
        """The recovery of w begins, with L."""
        return but(s, RECOVERED, w, STEP, S_REPAIR if s[LOCKED] >= OWNER_DEAD else FINISHED, SOURCE + w, s[LOCKED] & ~OWNER_DEAD,
                   LOCKED, s[LOCKED] if mutant == "recovery without L" else SUPERVISOR, *more)

    def supervisor(s):
        """Yield the states after the next step of the supervisor."""
        at, w = s[STEP], s[RECOVERED]
        due = repair(s, w) if at == S_REPAIR else None
        if at == WATCH:
            if s[LOCKED] == FREE or s[LOCKED] >= OWNER_DEAD or mutant == "recovery without L":
                for w in workers:
                    if s[AT + w] == DEAD:
                        yield take_over(s, w)
            all_gone = all(s[AT + w] == GONE for w in workers)
            if mutant != "a refused fork is never tried again" and all_gone and work_left(s):
                yield from (but(s, RECOVERED, w, STEP, FORK) for w in workers)
            if s[NEWS] or (all_gone and any(s[UNREAD + w] for w in workers)):
                yield but(s, NEWS, 0, STEP, LOOK_LOCK)
        elif at == LOOK_LOCK:
            if s[LOCKED] == FREE:
                yield look(s, at)
            elif s[LOCKED] >= OWNER_DEAD:  # that worker's death is handled first
                yield take_over(s, (s[LOCKED] & ~OWNER_DEAD) - 1, NEWS, 1)
        elif at > LOOK_LOCK:
            yield look(s, at)
        elif due:
            yield but(s, *due)
        elif at <= CLEAR_CLAIM and s[CLAIMED + w]:
            yield recover(s, w, max(at, FINISHED))
        elif at <= CLEAR_CUR:
            yield but(s, CUR + w, NONE, STEP, S_UNLOCK)
        elif at == S_UNLOCK:
            yield but(s, LOCKED, FREE if s[LOCKED] == SUPERVISOR else s[LOCKED], STEP, FORK)
        else:
            forked = but(s, STEP, WATCH, RECOVERED, 0, DIED_IN + w, 0, SOURCE + w, 0, SAW + w, 0, AT + w, LOCK if work_left(s) else GONE,
                         *((NEWS, 1) if size.postpone else ()))  # what a death has postponed, or left as the last of all
            yield forked
            if s[REFUSALS] and work_left(s):
                yield but(forked, AT + w, GONE, REFUSALS, s[REFUSALS] - 1)
        for task in range(n):  # its time is over, which only the supervisor sees
            if at == WATCH and s[POSTPONED] >> task & 1:
                yield but(s, POSTPONED, s[POSTPONED] & ~(1 << task), DUE, s[DUE] | 1 << task, NEWS, 1)

    def successors(s):
        reached = [*supervisor(s), *(t for w in workers if s[AT + w] < DEAD for t in worker(s, w))]
        if s[HALTED] == HALT_POSSIBLE:
            reached.append(but(s, HALTED, HALT if size.postpone and mutant != "halt without the bell" else HALT_AND_BELL))
        elif s[HALTED] == HALT:
            reached.append(but(s, HALTED, HALT_AND_BELL, BELL, s[BELL] + 1))
        return [bytes(t) for t in reached]

    def joined(places):
        """Return the union of sets of indices, which must be disjoint."""
        if sum(places) != (union := reduce(or_, places)):
            raise Bad("1: an index is in two places")
        return union

    def check(s):
        """Check the page's invariants."""
        over_now, claims, counted = joined([s[DONE], s[FAILED], s[BLAMED], s[PENDING]]), [], 0
        for w in workers:
            if s[CLAIMED + w]:
                b, e, q = s[CLAIMED + w] >> 4, s[CLAIMED + w] & 15, s[CUR + w] >> 4
                if s[CUR + w] == NONE or not b <= q <= e:
                    raise Bad(f"claim and cur of worker {w} disagree")
                q += s[CUR + w] & 1 and published(s, w)
                claims.append(INDICES[q << 4 | e])
                counted += s[BASE + w] + q - b
            else:
                counted += s[FIN + w]
        claimed, sources = joined([over_now, *claims]), joined([INDICES[s[word]] for word in (RANGE, *lefts)])
        if claimed | sources != (1 << n) - 1 or over_now & sources:
            raise Bad("1: an index is nowhere, or over and unclaimed")
        if counted != (s[DONE] | s[FAILED]).bit_count() + s[RECORDS]:
            raise Bad("4: finished and base do not count what is finished")
        left_overs = sum(s[left] > 0 for left in lefts if left not in spare_lefts) - (claimed & sources and left_overs_shared(s, claimed & sources))
        if left_overs + len(claims) > size.workers:
            raise Bad("2: more left_overs and open claims than workers")

    def left_overs_shared(s, shared):
        """Check that only one claim shares indices with its source, as a whole, and while L says so. Return how many left_overs share."""
        holder, handing_back = s[LOCKED] - 1, s[STEP] == CLEAR_CLAIM  # what is handed back stays in the claim until that is cleared
        suspects = [s[RECOVERED]] if handing_back else []
        if holder < size.workers and CLAIM < s[AT + holder] < UNLOCK:
            suspects = [holder]
        elif s[LOCKED] >= OWNER_DEAD:
            suspects = [(s[LOCKED] & ~OWNER_DEAD) - 1]
        elif s[STEP] == S_REPAIR:
            suspects = [s[SOURCE + s[RECOVERED]] - 1]
        claims = [INDICES[s[CLAIMED + w]] for w in suspects]
        if not any(claim == shared or (handing_back and claim | shared == claim) for claim in claims):
            raise Bad("1: in a claim and in its source, and nobody knows")
        return sum(INDICES[s[left]] & shared > 0 for left in lefts if left not in spare_lefts)

    def final(s):
        """Check a state without a next step: it must be the end and account for every task."""
        postponed = not halted(s) and s[PENDING]
        if any(s[AT + w] != GONE or s[CLAIMED + w] for w in workers) or s[STEP] != WATCH or s[LOCKED] != FREE or work_left(s) or postponed:
            raise Bad("stuck, or work is left at the end")
        never_begun = sum(INDICES[s[word]].bit_count() for word in (RANGE, *lefts))
        if sum(s[FIN + w] for w in workers) - s[RECORDS] + s[BLAMED].bit_count() + s[PENDING].bit_count() + never_begun != n:
            raise Bad("4: the sum is not n")

    return SimpleNamespace(start=bytes(start), successors=successors, check=check, final=final, show=show)


if __name__ == "__main__":
    sys.exit(run(protocol, {(): QUICK, ("--all",): SIZES, ("--deep",): DEEP}, MUTANTS, sys.argv[1:], __doc__))
