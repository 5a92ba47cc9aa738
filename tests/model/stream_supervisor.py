# SPDX-License-Identifier: MIT
"""The steps of the supervisor in the model of streams (streams.py): recovery, news, records of failures, the end."""
from operator import attrgetter

from checker import Bad
from stream_words import *  # the names of words and steps, which this file is written in


def supervisor_of(size, mutant, words):
    """Return supervisor(state): the states after its next step."""
    (but, halted, ring_bell, unclaimed, publish_cell, publish_tail, newest_cell, die, n, workers, own, places, own_order, LEFT, LEFT_A, CLAIMED, CUR,
     HEAD, TOLD_W, SEEN, WAITS, AT, SOURCE, DIED_IN, STOPPED, RECORDS, PREVIOUS) = attrgetter(
        "but", "halted", "ring_bell", "unclaimed", "publish_cell", "publish_tail", "newest_cell", "die", "n", "workers", "own", "places",
        "own_order", "LEFT", "LEFT_A", "CLAIMED", "CUR", "HEAD", "TOLD_W", "SEEN", "WAITS", "AT", "SOURCE", "DIED_IN", "STOPPED", "RECORDS",
        "PREVIOUS")(words)

    def seize(s):
        """Take L, from a dead worker with its claim repaired; None if a living one holds it. It is given back by the same step."""
        if s[LOCKED] == FREE:
            return but(s)
        if s[LOCKED] < OWNER_DEAD:
            return None
        w = (s[LOCKED] & ~OWNER_DEAD) - 1
        b, e, lo, hi = s[CLAIMED + w] >> 4, s[CLAIMED + w] & 15, s[RANGE] >> 4, s[RANGE] & 15
        s = but(s, LOCKED, FREE)
        if s[CLAIMED + w]:
            if lo == b and e <= hi and lo < hi:
                s[RANGE] = e << 4 | hi
            for v in workers:
                if s[LEFT + v] == s[CLAIMED + w]:
                    s[LEFT + v] = NO_PAIR
        return s

    def is_told(s, w):
        q = s[CUR + w] >> 4
        return s[HEAD + w] != NONE and s[RECORDS[w] + s[HEAD + w]] == q + 1

    def is_sent(s, w):
        newest = newest_cell(s, w)
        if mutant == "recovery ignores the ring":
            return False
        return newest > 0 and (newest >> 4 == s[CUR + w] >> 4 or mutant == "recovery takes any newest cell")

    def recover(before, w):
        """The whole recovery of w under L, which nobody can look into: all that is changed is changed under L only. None if L is not to be had."""
        s = seize(before)
        if s is None:
            return None
        s = but(s, WHO, w, STEP, FORK, CUR + w, NONE, SOURCE + w, 0, WAITS + w, 0, BACK, FORK)
        if not s[CLAIMED + w]:
            return s
        e, cur = s[CLAIMED + w] & 15, before[CUR + w]
        q, attempts, running = cur >> 4, cur >> 1 & 7, cur & 1
        stopped = s[STOPPED + w] and mutant != "who is ended is blamed"
        if running and (is_told(before, w) or is_sent(before, w)):
            if is_sent(before, w) and mutant != "a death between note and wake wakes nobody":
                s[EVENT] = 1  # it may have cleared `asleep` and not have woken the caller
            rest = (q + 1, 0)
        elif not running or stopped or attempts <= size.retries:
            rest = (q, attempts)
        else:
            if s[DIED_IN + w] != q + 1 or s[STOPPED + w]:
                raise Bad(f"task {q} is blamed, worker {w} did not die in it")
            if (s[DONE] | s[FAILED] | s[ARRIVED]) >> q & 1:
                raise Bad(f"task {q} is blamed, its outcome was published")
            s[BLAMED] |= 1 << q
            s[TO_SEND] = 1 << q
            rest = (q + 1, 0)
        if rest[0] < e:
            free = next((v for v in workers if not s[LEFT + v]), None)
            if free is None:
                raise Bad("no free left_over")
            s[LEFT + free], s[LEFT_A + free] = rest[0] << 4 | e, rest[1]
        s[CLAIMED + w] = NO_PAIR
        return but(s, STEP, S_BELL) if mutant != "recovery without the bell" else after_bell(s)

    def after_bell(s, *more):
        return but(s, STEP, S_SENDING if s[TO_SEND] else s[BACK], *more)

    def own_send(s, k):
        """Step k of sending the first of to_send: one failure, or at the end a run of tasks that are stopped."""
        step = own_order[k]
        first = (s[TO_SEND] & -s[TO_SEND]).bit_length() - 1
        upto = first + 1
        while s[BACK] == PUT_STATE and s[TO_SEND] >> upto & 1:
            upto += 1
        if step == "cell":
            s = publish_cell(s, own, first << 4 | upto)
        elif step == "tail":
            s = publish_tail(s, own)
        elif step == "asleep":
            s = but(s, S_NOTE, s[ASLEEP])
        elif step == "clear":
            s = but(s, ASLEEP, 0)
        else:
            s = but(s, EVENT, 1)
        k += 1
        while k < len(own_order) and own_order[k] in ("clear", "wake") and not s[S_NOTE]:
            k += 1
        if k < len(own_order):
            return but(s, STEP, S_SENDING + k)
        s = but(s, S_NOTE, 0, TO_SEND, s[TO_SEND] & ~((1 << upto) - (1 << first)))
        return but(s, STEP, S_SENDING if s[TO_SEND] else s[BACK])

    def next_records(s, w):
        """Go on to worker w's records; behind the last to what follows."""
        if w < size.workers and places:
            return but(s, WHO, w, NEWEST, 0, STEP, LOOK_HEAD)
        idle = s[IDLE]
        s = but(s, WHO, 0, NEWEST, 0, IDLE, 0)
        if idle == 2:  # nobody is left
            s[STEP] = DRAIN if halted(s) or not unclaimed(s) else FORK
        else:
            s[STEP] = DISMISS if idle and s[STAY] else WATCH
        return s

    def walk(s, w):
        """What the records say from the newest on, until the one that was read last."""
        tasks, place = 0, s[NEWEST]
        while place != NONE and place != s[SEEN + w]:
            if not s[RECORDS[w] + place]:
                raise Bad("the record of a failure is lost")
            tasks |= 1 << s[RECORDS[w] + place] - 1
            place = s[PREVIOUS[w] + place]
        return tasks

    def told(s, w):
        newest = s[HEAD + w] if mutant == "told is what head shows after the reading" else s[NEWEST]
        s = but(s, SEEN + w, newest, TOLD_W + w, newest)
        return next_records(s, w + 1)

    def fork(s, w):
        more = unclaimed(s) and not halted(s)
        forked = but(s, STEP, WATCH, WHO, 0, BACK, 0, DIED_IN + w, 0, AT + w, LOCK if more else GONE, NEWS, 1)
        yield forked
        if s[REFUSALS] and more:
            yield but(forked, AT + w, GONE, REFUSALS, s[REFUSALS] - 1)

    def supervisor(s):
        """Yield the states after the next step of the supervisor."""
        at, w = s[STEP], s[WHO]
        if at == WATCH:
            dead = [v for v in workers if s[AT + v] == DEAD]
            for v in dead:
                if (t := recover(s, v)) is not None:
                    yield t
            if s[NEWS]:
                yield but(s, NEWS, 0, STEP, LOOK_CLOSING if size.closing else LOOK_BOUND if size.endless else LOOK_IDLE)
            elif all(s[AT + v] == GONE for v in workers):
                yield next_records(but(s, IDLE, 2, STATE, int(mutant == "state before the last outcomes")), 0)
        elif at == S_BELL:
            yield after_bell(ring_bell(s))
        elif at < FORK:
            yield own_send(s, at - S_SENDING)
        elif at == FORK:
            if (t := seize(s)) is not None:
                yield from fork(t, w)
        elif at == LOOK_CLOSING:
            if not s[CLOSING]:
                yield but(s, STEP, LOOK_BOUND if size.endless else LOOK_IDLE)
            else:  # the caller sets `halt` only behind `closing`
                yield ring_bell(s, STEP, KILL, WHO, 0, HALTED, s[HALTED] if mutant == "the supervisor does not halt who is left" else HALT_AND_NEWS)
        elif at == KILL:
            if s[AT + w] < DEAD:
                task = s[CUR + w] >> 4 if s[CUR + w] & 1 and s[CUR + w] != NONE else None
                s = but(die(s, w, task), STOPPED + w, 1)
            yield but(s, WHO, w + 1) if w + 1 < size.workers else but(s, WHO, 0, STEP, LOOK_BOUND if size.endless else LOOK_IDLE)
        elif at == LOOK_BOUND:
            yield but(s, STEP, CUT if s[BOUND] and not s[HAS_CUT] else LOOK_IDLE)
        elif at == CUT:
            if mutant == "cut without L":
                yield but(s, NEWEST, s[RANGE], STEP, CUT_RANGE)
            elif (t := seize(s)) is not None:
                lo, hi = t[RANGE] >> 4, t[RANGE] & 15
                yield but(t, RANGE, lo << 4 | max(lo, min(n, hi)), HAS_CUT, 1, STEP, LOOK_IDLE)
        elif at == CUT_RANGE:
            lo, hi = s[NEWEST] >> 4, s[NEWEST] & 15
            yield but(s, RANGE, lo << 4 | max(lo, min(n, hi)), NEWEST, 0, HAS_CUT, 1, STEP, LOOK_IDLE)
        elif at == LOOK_IDLE:
            if (t := seize(s)) is not None:
                open_claims = any(t[CLAIMED + v] for v in workers)
                left = unclaimed(t) and mutant != "dismissal though the range is not empty"
                yield next_records(but(t, IDLE, int(not left and not open_claims)), 0)
        elif at == LOOK_HEAD:
            if s[HEAD + w] == s[SEEN + w]:
                yield next_records(s, w + 1)
            else:
                told_now = (TOLD_W + w, s[HEAD + w]) if mutant == "told before the records are read" else ()
                yield but(s, NEWEST, s[HEAD + w], STEP, READ, *told_now)
        elif at == READ:
            yield after_bell(but(s, TO_SEND, walk(s, w), BACK, TOLD))
        elif at == TOLD:
            yield told(s, w)
        elif at == DISMISS:
            yield but(s, STAY, 0, STEP, WATCH if mutant == "dismissal without the bell" else DISMISS_BELL)
        elif at == DISMISS_BELL:
            yield ring_bell(s, STEP, WATCH)
        elif at == DRAIN:
            known = (1 << (s[LIMIT] if size.endless and not s[HAS_CUT] else n)) - 1
            left = INDICES[s[RANGE]]
            for v in workers:
                left |= INDICES[s[LEFT + v]]
            s = but(s, RANGE, NO_PAIR, TO_SEND, left & known, BACK, PUT_STATE, *(value for v in workers for value in (LEFT + v, NO_PAIR)))
            yield after_bell(s)
        elif at == PUT_STATE:
            yield but(s, STATE, 1, STEP, END_WAKE)
        elif at == END_WAKE:
            yield but(s, ASLEEP, 0, EVENT, s[EVENT] if mutant == "the end wakes nobody" else 1, STEP, S_GONE)

    return supervisor
