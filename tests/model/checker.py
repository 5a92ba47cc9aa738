# SPDX-License-Identifier: MIT
"""The search through every state of a model, for claims.py and streams.py. A model is a function protocol(size, mutant) that returns
start, successors(state), check(state), final(state), and show (name and format of each byte of a state)."""
import sys
import time


class Bad(Exception):
    """A violation of the protocol."""


def trace(show, parent, state):
    """Return the steps from the start to state, each by what it changes, and then the whole of state."""
    lines = ["then  " + ", ".join(f"{name} = {form(value)}" for (name, form), value in zip(show, state))]
    while before := parent[state]:
        lines.append("step  " + " · ".join(f"{name} = {form(new)}" for (name, form), old, new in zip(show, before, state) if new != old))
        state = before
    return "\n".join(reversed(lines))


def explore(steps, circles):
    """Explore every reachable state. Return (states, final states, None, or the violation and the steps that lead to it). circles: whether steps
    that go round in a circle are a violation, which doubles the time."""
    parent, arrivals, layer, finals = {steps.start: None}, {}, [steps.start], 0
    try:
        while layer:
            following = []
            for here in layer:
                reached = steps.successors(here)
                for state in reached:
                    if state not in parent:
                        parent[state] = here
                        following.append(state)
                    if circles:
                        arrivals[state] = arrivals.get(state, 0) + 1
                if not reached:
                    steps.final(here)
                    finals += 1
            for here in following:
                steps.check(here)
            layer = following
        layer = [steps.start] if circles else []
        while layer:  # remove states that nothing leads to any more; a circle stays
            for state in steps.successors(layer.pop()):
                arrivals[state] -= 1
                if not arrivals[state]:
                    layer.append(state)
        for here in (state for state, left in arrivals.items() if left):
            raise Bad("steps that go round in a circle lead here")
    except Bad as bad:
        return len(parent), finals, f"{bad}\n{trace(steps.show, parent, here)}"
    return len(parent), finals, None


def run(protocol, modes, mutants, arguments, usage):
    """Explore the sizes of a mode, which the arguments name, or the mutants of each size. Return whether anything is wrong."""
    modes = {**{option: [(size, None) for size in sizes] for option, sizes in modes.items()},
             ("--mutants",): [(size, mutant) for size, each in mutants.items() for mutant in each]}
    if tuple(arguments) not in modes:
        sys.exit(usage)
    wrong = False
    for size, mutant in modes[tuple(arguments)]:
        began = time.perf_counter()
        states, finals, bad = explore(protocol(size, mutant), size.circles)
        wrong |= bool(bad) != bool(mutant)
        outcome = bad or "ok" if not mutant else f"{mutant}: " + (f"caught, {bad.splitlines()[0]}" if bad else "SURVIVES")
        print(f"{size}: {states} states, {finals} final, {time.perf_counter() - began:.1f} s: {outcome}", flush=True)
    return wrong
