# SPDX-License-Identifier: MIT
"""The words of the model of streams (streams.py): what a state is made of, the names of all steps, and what every process does with them."""
from types import SimpleNamespace

from checker import Bad

# What a process does to publish an outcome. `clear` and `wake` are left out if the look at `asleep` says so.
SEND = {
    "the page": ("cell", "tail", "asleep", "clear", "wake", "cur"),  # the correct order; the others are mutants
    "tail before cell": ("tail", "cell", "asleep", "clear", "wake", "cur"),
    "cur before tail": ("cell", "cur", "tail", "asleep", "clear", "wake"),
    "asleep before tail": ("cell", "asleep", "tail", "clear", "wake", "cur"),
}
NO_PAIR, NONE = 0, 255  # a pair (b, e) is one byte, b << 4 | e; cur is task << 4 | attempts << 1 | running
FREE, OWNER_DEAD = 0, 128  # L; held by worker w: w + 1; OWNER_DEAD | w + 1: by the dead w
HALT_NEVER, HALT_POSSIBLE, HALT, HALT_AND_BELL, HALT_AND_NEWS = range(5)
CALLER = 15  # as a process that sets `halt`
INDICES = [(1 << (pair & 15)) - (1 << (pair >> 4)) if pair >> 4 < pair & 15 else 0 for pair in range(256)]  # as a set of bits
# The states of a process: its next step.
WORKER_STEPS = ["lock", "claim", "shrink", "unlock to wait", "news of a wait", "wait", "leave", "task", "look for room", "waiting",
                "look again", "sleep for room", "body", *(f"send {k}" for k in range(6)), "record", "head", "count", "halt", "bell", "cur of a failure",
                "news of a failure", "dead", "gone"]
(LOCK, CLAIM, SHRINK, WAIT_UNLOCK, WAIT_NEWS, WAIT, LEAVE, TASK, ROOM, WAITING, ROOM_AGAIN, ROOM_SLEEP, BODY, SENDING, _, _, _, _, _,
 RECORD, PUT_HEAD, COUNT, SET_HALT, RING_HALT, FAIL_CUR, FAIL_NEWS, DEAD, GONE) = range(len(WORKER_STEPS))
SUPERVISOR_STEPS = ["watch", "bell after recovery", *(f"send {k}" for k in range(5)), "fork", "closing", "kill", "bound", "cut", "cut: range", "idle", "head", "records",
                    "told", "dismiss", "bell", "drain", "state", "wake at the end", "gone"]
(WATCH, S_BELL, S_SENDING, _, _, _, _, FORK, LOOK_CLOSING, KILL, LOOK_BOUND, CUT, CUT_RANGE, LOOK_IDLE, LOOK_HEAD, READ, TOLD, DISMISS, DISMISS_BELL, DRAIN,
 PUT_STATE, END_WAKE, S_GONE) = range(len(SUPERVISOR_STEPS))
CALLER_STEPS = ["state", "rings", "limit", "bell", "waiting?", "wake workers", "bound", "news of bound", "asleep = 1", "rings and state again", "sleep",
                "asleep = 0", "closing", "halt", "bell of halt", "news of closing", "wait for the end", "end", "state, too late"]
(C_STATE, C_RINGS, C_LIMIT, C_BELL, C_WAITING, C_WAKE, C_BOUND, C_BOUND_NEWS, C_ASLEEP, C_AGAIN, C_SLEEP, C_AWAKE, C_CLOSING, C_HALT, C_HALT_BELL,
 C_NEWS, C_WAIT_END, C_END, C_STATE_LAST) = range(len(CALLER_STEPS))

SYMMETRIC = (WATCH, S_BELL, FORK)

# How a trace shows the words of a state, in their order. Only the checker knows done, failed, blamed (the outcomes that have been published or
# decided), died_in and arrived. Only w itself knows mine, rest, source, note and seen_bell (1: the bell is as w saw it; a ring makes it 0); only
# the supervisor recovered, to_send, back (the step behind a sending), s_note, newest, idle, cut and seen; only the caller ended.
SHOW_PAIR = lambda pair: f"({pair >> 4}, {pair & 15})" if pair else "none"
SHOW_CUR = lambda cur: "none" if cur == NONE else f"({cur >> 4}, {cur >> 1 & 7}, {'running' if cur & 1 else 'not running'})"
SHOW_LOCK = lambda lock: "free" if lock == FREE else f"{'dead ' if lock >= OWNER_DEAD else ''}worker {(lock & ~OWNER_DEAD) - 1}"
SHOW_TASKS = lambda tasks: str([i for i in range(8) if tasks >> i & 1])
SHOW_PLACE = lambda place: "none" if place == NONE else str(place)
WORDS = {"range": SHOW_PAIR, "limit": str, "lock": SHOW_LOCK, "halt": "00111".__getitem__, "stay": str, "failures": str, "news": str, "asleep": str,
         "event": str, "bound": str, "closing": str, "state": str, "supervisor": SUPERVISOR_STEPS.__getitem__, "recovered": str, "to_send": SHOW_TASKS,
         "back": SUPERVISOR_STEPS.__getitem__, "s_note": str, "newest": SHOW_PLACE, "idle": str, "cut": str, "deaths": str, "refusals": str,
         "caller": CALLER_STEPS.__getitem__, "ended": str, "arrived": SHOW_TASKS, "done": SHOW_TASKS, "failed": SHOW_TASKS, "blamed": SHOW_TASKS}
WORDS_OF_WORKER = {"left_over": SHOW_PAIR, "left_attempts": str, "claim": SHOW_PAIR, "cur": SHOW_CUR, "head": SHOW_PLACE, "told": SHOW_PLACE, "seen": SHOW_PLACE,
                   "waiting": str, "at": WORKER_STEPS.__getitem__, "mine": SHOW_PAIR, "rest": SHOW_PAIR, "source": str, "note": str,
                   "seen_bell": str, "died_in": str, "stopped": str}
WORDS_OF_RING = {"tail": str, "taken": str}
(RANGE, LIMIT, LOCKED, HALTED, STAY, FAILURES, NEWS, ASLEEP, EVENT, BOUND, CLOSING, STATE, STEP, WHO, TO_SEND, BACK, S_NOTE, NEWEST, IDLE, HAS_CUT, DEATHS,
 REFUSALS, C_AT, ENDED, ARRIVED, DONE, FAILED, BLAMED) = range(len(WORDS))


def words_of(size, mutant):
    """Return where the words of a state lie for this size, its first state, and the functions that all processes use."""
    n, workers, rings, own = size.tasks, range(size.workers), range(size.workers + 1), size.workers
    everything, end_of_round = (1 << n) - 1, size.tasks + (2 if size.endless else 0)
    half, places = size.arena if size.throwing else (0, 0)
    cells = size.window + 1  # the supervisor's ring has one more, for tasks that were never claimed
    order = SEND.get(mutant, SEND["the page"])
    late_waiting = mutant == "waiting after the look at taken"
    own_order = [step for step in order if step != "cur"]
    show = [*WORDS.items(), *((f"{word}[{w}]", form) for word, form in WORDS_OF_WORKER.items() for w in workers),
            *((f"{word}[{r}]", form) for word, form in WORDS_OF_RING.items() for r in rings),
            *((f"cell[{r}] {k}", SHOW_PAIR) for r in rings for k in range(cells)),
            *((f"record[{w}] {k}", str) for w in workers for k in range(places)), *((f"previous[{w}] {k}", SHOW_PLACE) for w in workers for k in range(places))]
    at_name = {name: k for k, (name, _) in reversed(list(enumerate(show)))}
    (LEFT, LEFT_A, CLAIMED, CUR, HEAD, TOLD_W, SEEN, WAITS, AT, MINE, REST, SOURCE, NOTE, SAW, DIED_IN, STOPPED) = (at_name[f"{word}[0]"] for word in WORDS_OF_WORKER)
    TAIL, TAKEN = at_name["tail[0]"], at_name["taken[0]"]
    CELL = [at_name[f"cell[{r}] 0"] for r in rings]
    RECORDS, PREVIOUS = ([at_name[f"{word}[{w}] 0"] for w in workers] if places else [] for word in ("record", "previous"))

    def but(state, *changes):
        """Return a copy of state with other values; changes are word, value, word, value and so on."""
        changed = bytearray(state)
        for k in range(0, len(changes), 2):
            changed[changes[k]] = changes[k + 1]
        return changed

    start = but(bytes(len(show)), RANGE, end_of_round, STAY, 1, DEATHS, size.deaths, REFUSALS, size.refusals, HALTED, HALT_POSSIBLE if size.halt else HALT_NEVER,
                C_AT, C_LIMIT, *(value for w in workers for value in (CUR + w, NONE, HEAD + w, NONE, TOLD_W + w, NONE, SEEN + w, NONE)))

    def halted(s):
        return s[HALTED] >= HALT

    def ring_bell(s, *more):
        return but(s, *(value for w in workers for value in (SAW + w, 0)), *more)

    def unclaimed(s):
        return INDICES[s[RANGE]] or any(s[LEFT + w] for w in workers)

    def given(s):
        """How many outcomes the caller has given away."""
        if not size.ordered or mutant == "limit by what has arrived":
            return s[ARRIVED].bit_count()
        return (~s[ARRIVED] & s[ARRIVED] + 1).bit_length() - 1

    def unread(s, r):
        return s[TAIL + r] - s[TAKEN + r]

    def publish_cell(s, r, tasks):
        """The next cell of ring r, tasks is a pair."""
        if unread(s, r) >= (size.window if r != own else cells):
            raise Bad(f"ring {r} is without a cell")
        here = CELL[r] + s[TAIL + r] % cells
        return but(s, here, tasks)

    def publish_tail(s, r):
        """Only cells that can still be read keep what is in them, so that equal states are the same."""
        s = but(s, TAIL + r, s[TAIL + r] + 1)
        if s[TAIL + r] - 2 >= 0 and s[TAIL + r] - 1 == s[TAKEN + r]:
            s[CELL[r] + (s[TAIL + r] - 2) % cells] = 0
        return s

    def newest_cell(s, r):
        return s[CELL[r] + (s[TAIL + r] - 1) % cells] if s[TAIL + r] else 0

    def die(s, w, task=None):
        lock = s[LOCKED] if s[LOCKED] != w + 1 else OWNER_DEAD | w + 1
        return but(s, AT + w, DEAD, MINE + w, NO_PAIR, REST + w, 0, NOTE + w, 0, SAW + w, 0, LOCKED, lock, DIED_IN + w, 0 if task is None else task + 1)

    return SimpleNamespace(**{name: value for name, value in locals().items() if name not in ("size", "mutant", "at_name")})
