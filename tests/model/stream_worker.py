# SPDX-License-Identifier: MIT
"""The steps of a worker in the model of streams (streams.py)."""
from operator import attrgetter

from checker import Bad
from stream_words import *  # the names of words and steps, which this file is written in


def worker_of(size, mutant, words):
    """Return worker(state, w): the states after the next step of worker w, or after its death."""
    (but, halted, ring_bell, unread, publish_cell, publish_tail, newest_cell, die, workers, half, places, order, late_waiting, LEFT, LEFT_A, CLAIMED,
     CUR, HEAD, TOLD_W, WAITS, AT, MINE, REST, SOURCE, NOTE, SAW, RECORDS, PREVIOUS) = attrgetter(
        "but", "halted", "ring_bell", "unread", "publish_cell", "publish_tail", "newest_cell", "die", "workers", "half", "places", "order",
        "late_waiting", "LEFT", "LEFT_A", "CLAIMED", "CUR", "HEAD", "TOLD_W", "WAITS", "AT", "MINE", "REST", "SOURCE", "NOTE", "SAW", "RECORDS",
        "PREVIOUS")(words)

    def claim(s, w):
        """With L. What is taken is announced at once; its source is shrunk by the next step."""
        if halted(s):
            return but(s, AT + w, LEAVE, SAW + w, 0)
        lo, hi = s[RANGE] >> 4, s[RANGE] & 15
        end = min(hi, s[LIMIT]) if mutant != "claims beyond limit" else hi
        for v in workers:
            if s[LEFT + v]:
                pair = s[LEFT + v]
                return but(s, AT + w, SHRINK, SAW + w, 0, CLAIMED + w, pair, MINE + w, pair, SOURCE + w, LEFT + v, REST + w, NO_PAIR, CUR + w, pair & 0xf0 | s[LEFT_A + v] << 1)
        if lo < end:
            upto = lo + min(size.chunk, end - lo)
            pair = lo << 4 | upto
            return but(s, AT + w, SHRINK, SAW + w, 0, CLAIMED + w, pair, MINE + w, pair, SOURCE + w, RANGE, REST + w, upto << 4 | hi, CUR + w, lo << 4)
        if lo < hi:
            return but(s, AT + w, WAIT_UNLOCK, NOTE + w, 0)
        return but(s, AT + w, WAIT_UNLOCK, NOTE + w, 1) if s[STAY] else but(s, AT + w, LEAVE, SAW + w, 0)

    def to_task(s, w, *more):
        s = but(s, *more)
        open_tasks = s[CUR + w] >> 4 < s[MINE + w] & 15
        s[AT + w] = (ROOM if size.room else TASK) if open_tasks else LOCK
        if not open_tasks:
            s[CLAIMED + w] = NO_PAIR
            s[CUR + w] = NONE
            s[MINE + w] = NO_PAIR
        return s

    def announce(s, w, task, attempt):
        if (s[DONE] | s[FAILED] | s[BLAMED] | s[ARRIVED]) >> task & 1:
            raise Bad(f"task {task} is run again after its outcome")
        return but(s, CUR + w, task << 4 | attempt << 1 | 1, AT + w, BODY)

    def next_send(s, w, k):
        """Go on to the step k of the order, or over it."""
        while k < len(order) and order[k] in ("clear", "wake") and not s[NOTE + w]:
            k += 1
        if k < len(order):
            return but(s, AT + w, SENDING + k)
        return to_task(s, w, NOTE + w, 0)

    def send_step(s, w, k):
        q, step = s[CUR + w] >> 4, order[k]
        if step == "cur":
            s = but(s, CUR + w, q + 1 << 4)
        elif step == "cell":
            s = publish_cell(s, w, q << 4 | q + 1)
        elif step == "tail":
            s = publish_tail(s, w)
            s[DONE] |= INDICES[newest_cell(s, w)]
        elif step == "asleep":
            s = but(s, NOTE + w, s[ASLEEP])
        elif step == "clear":
            s = but(s, ASLEEP, 0)
        else:
            s = but(s, EVENT, 1)
        return next_send(s, w, k + 1)

    def record_place(s, w):
        """Where the next record goes, and the record before it."""
        head = s[HEAD + w]
        if head == NONE:
            return 0, NONE
        if head == s[TOLD_W + w]:
            if mutant == "one half only":
                return 0, NONE
            return (half if head < half else 0), NONE
        place = head + 1
        if place == s[TOLD_W + w] and mutant != "a record at the place that told shows":
            place += 1  # else `head` would show what has been read
        return place, head

    def worker(s, w):
        """Yield the states after the next step of w, or after its death."""
        at, task, attempts = s[AT + w], s[CUR + w] >> 4, s[CUR + w] >> 1 & 7
        if s[DEATHS]:
            yield but(die(s, w, task if BODY <= at < FAIL_NEWS and s[CUR + w] & 1 else None), DEATHS, s[DEATHS] - 1)
        if at == LOCK:
            if s[LOCKED] == FREE:
                yield but(s, LOCKED, w + 1, AT + w, CLAIM, SAW + w, 1)
        elif at == CLAIM:
            yield claim(s, w)
        elif at == SHRINK:
            yield to_task(s, w, s[SOURCE + w], s[REST + w], LOCKED, FREE, SOURCE + w, 0, REST + w, 0)
        elif at == WAIT_UNLOCK:
            saw = 1 if mutant == "the bell is looked at after the range" else s[SAW + w]
            told = s[NOTE + w] and mutant != "waits without news"
            yield but(s, LOCKED, FREE, SAW + w, saw, NOTE + w, 0, AT + w, WAIT_NEWS if told else WAIT)
        elif at == WAIT_NEWS:
            yield but(s, NEWS, 1, AT + w, WAIT)
        elif at == WAIT:
            if not s[SAW + w]:
                yield but(s, AT + w, LOCK)
        elif at == LEAVE:
            yield die(but(s, LOCKED, FREE), w)
        elif at == ROOM:
            yield but(s, SAW + w, 1, AT + w, ROOM_AGAIN if late_waiting else WAITING) if unread(s, w) >= size.room and not halted(s) else but(s, AT + w, TASK)
        elif at == WAITING:
            yield but(s, WAITS + w, 1, AT + w, ROOM_SLEEP if late_waiting else ROOM_AGAIN)
        elif at == ROOM_AGAIN:
            go_on = WAITING if late_waiting else ROOM_SLEEP
            yield but(s, AT + w, go_on) if unread(s, w) >= size.room and not halted(s) else but(s, WAITS + w, 0, SAW + w, 0, AT + w, ROOM)
        elif at == ROOM_SLEEP:
            if not s[SAW + w]:
                yield but(s, WAITS + w, 0, AT + w, ROOM)
        elif at == TASK:
            yield announce(s, w, task, attempts + 1) if not halted(s) else die(s, w)
        elif at == BODY:
            if not size.always or task not in size.throwing:
                yield send_step(s, w, 0)
            if task in size.throwing:
                yield announce(s, w, task, attempts + 1) if attempts <= size.retries else but(s, AT + w, RECORD)
        elif at < RECORD:
            yield send_step(s, w, at - SENDING)
        elif at == RECORD:
            place, previous = record_place(s, w)
            if place >= places:
                raise Bad("the model's arena is too small")
            yield but(s, RECORDS[w] + place, task + 1, PREVIOUS[w] + place, previous, NOTE + w, place, AT + w, PUT_HEAD)
        elif at == PUT_HEAD:
            yield but(s, HEAD + w, s[NOTE + w], NOTE + w, 0, FAILED, s[FAILED] | 1 << task, AT + w, COUNT if size.most_failures else FAIL_CUR)
        elif at == COUNT:
            reached = s[FAILURES] + 1 >= size.most_failures and not halted(s)
            yield but(s, FAILURES, s[FAILURES] + 1, AT + w, SET_HALT if reached else FAIL_CUR)
        elif at == SET_HALT:
            yield but(s, HALTED, HALT_AND_NEWS, AT + w, RING_HALT)
        elif at == RING_HALT:
            yield ring_bell(s, AT + w, FAIL_CUR)
        elif at == FAIL_CUR:
            yield but(s, CUR + w, task + 1 << 4, AT + w, FAIL_NEWS)
        else:
            yield to_task(s, w, NEWS, s[NEWS] if mutant == "no news of failures" else 1)

    return worker
