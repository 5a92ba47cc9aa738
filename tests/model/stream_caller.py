# SPDX-License-Identifier: MIT
"""The steps of the caller in the model of streams (streams.py)."""
from operator import attrgetter

from checker import Bad
from stream_words import *  # the names of words and steps, which this file is written in


def caller_of(size, mutant, words):
    """Return caller(state): the states after its next step."""
    (but, halted, ring_bell, given, unread, n, workers, rings, own, everything, cells, WAITS, TAIL, TAKEN, CELL) = attrgetter(
        "but", "halted", "ring_bell", "given", "unread", "n", "workers", "rings", "own", "everything", "cells", "WAITS", "TAIL", "TAKEN", "CELL")(words)

    def take(s, r):
        """The caller takes the oldest outcome of ring r."""
        here = CELL[r] + s[TAKEN + r] % cells
        tasks = INDICES[s[here]]
        if not tasks or tasks & s[ARRIVED] or tasks & ~everything:
            raise Bad(f"the caller takes {SHOW_PAIR(s[here])} from ring {r}")
        s = but(s, ARRIVED, s[ARRIVED] | tasks, TAKEN + r, s[TAKEN + r] + 1, C_AT, C_LIMIT, ENDED, 0, ASLEEP, 0 if s[C_AT] == C_AGAIN else s[ASLEEP])
        if s[TAKEN + r] < s[TAIL + r]:
            s[here] = 0
        return s

    def readable(s, r):
        if not unread(s, r):
            return False
        if mutant != "later outcomes stay in their rings" or r == own:
            return True
        return s[CELL[r] + s[TAKEN + r] % cells] >> 4 == given(s)

    def look(s, found_none, *changes):
        """Look at all rings. That is one step: who finds each of them empty, one after the other, would have at the first look, too."""
        found = [r for r in rings if readable(s, r)]
        yield from (take(s, r) for r in found)
        if not found:
            yield but(s, C_AT, found_none, *changes)

    def caller(s):
        """Yield the states after the next step of the caller."""
        at = s[C_AT]
        wants = size.endless and not s[BOUND] and given(s) + size.window > n  # to read an element behind the last
        if at == C_STATE:
            yield but(s, ENDED, 0 if mutant == "the rings before state" else s[STATE], C_AT, C_RINGS)
            if wants:
                yield but(s, C_AT, C_BOUND)
            if size.closing:
                yield but(s, C_AT, C_CLOSING)
        elif at == C_RINGS:
            if s[ENDED]:
                yield from look(s, C_END)
            else:
                yield from look(s, C_BOUND if wants else C_STATE_LAST if mutant == "the rings before state" else C_ASLEEP)
        elif at == C_STATE_LAST:
            yield but(s, C_AT, C_END if s[STATE] else C_ASLEEP)
        elif at == C_LIMIT:
            limit = min(given(s) + size.window, n if size.endless else 15)
            if limit == s[LIMIT] or halted(s):
                yield but(s, C_AT, C_WAITING if size.room else C_STATE)
            else:
                yield but(s, LIMIT, limit, C_AT, C_STATE if mutant == "limit without the bell" else C_BELL)
        elif at == C_BELL:
            yield ring_bell(s, C_AT, C_WAITING if size.room else C_STATE)
        elif at == C_WAITING:
            any_waits = any(s[WAITS + w] for w in workers) and mutant != "taken without a look at waiting"
            yield but(s, C_AT, C_WAKE if any_waits else C_STATE)
        elif at == C_WAKE:
            yield ring_bell(s, C_AT, C_STATE)
        elif at == C_BOUND:
            yield but(s, BOUND, 1, C_AT, C_STATE if mutant == "bound without news" else C_BOUND_NEWS)
        elif at == C_BOUND_NEWS:
            yield but(s, NEWS, 1, C_AT, C_STATE)
        elif at == C_ASLEEP:
            if mutant == "asleep set after the look":
                yield from look(s, C_AGAIN)
            else:
                yield but(s, ASLEEP, 1, C_AT, C_AGAIN)
        elif at == C_AGAIN:
            if mutant == "asleep set after the look":
                yield but(s, ASLEEP, 1, C_AT, C_SLEEP)
            else:
                yield from look(s, C_AWAKE if s[STATE] else C_SLEEP)
        elif at == C_SLEEP:
            if s[EVENT]:  # and not by the supervisor's end, of which the kernel tells: `state` and its wake are enough
                yield but(s, EVENT, 0, C_AT, C_AWAKE)
        elif at == C_AWAKE:
            yield but(s, ASLEEP, 0, C_AT, C_STATE)
        elif at == C_CLOSING:
            yield but(s, CLOSING, 1, C_AT, C_HALT)
        elif at == C_HALT:
            yield but(s, C_AT, C_NEWS) if halted(s) else but(s, HALTED, HALT_AND_NEWS, C_AT, C_HALT_BELL)
        elif at == C_HALT_BELL:
            yield ring_bell(s, C_AT, C_NEWS)
        elif at == C_NEWS:
            yield but(s, NEWS, 1, C_AT, C_WAIT_END)
        elif at == C_WAIT_END:
            if s[STEP] == S_GONE:
                yield but(s, C_AT, C_END)

    return caller
