# SPDX-License-Identifier: MIT
"""Formats the results of benchmarks/compile_time.py in Markdown: {"g++ -O2": {program: {form: [seconds, ...]}}}, measured in turns."""

from dataclasses import dataclass
from statistics import median

from compiling.compilers import BEFORE, COMPILED, INLINE, SINGLE
from compiling.programs import LOOP, ONE_MULTI, ONE_THREADS, PROGRAMS, SIX_MULTI
from markup import head, row, spread

FORMS = (COMPILED, INLINE, SINGLE, BEFORE)
NO_FORM = ""  # of programs without parmap
JUDGED = "g++ -O2"
LIBRARY = "libparmap itself, once for a project"
FURTHER = "each further map, multi"


@dataclass(frozen=True)
class Target:
    """A target: at most `times` the time that the form BEFORE takes above the plain loop."""

    what: str
    programs: tuple
    form: str
    times: float


TARGETS = (
    Target("one map by multi", (ONE_MULTI,), COMPILED, 0.35),
    Target("one map by threads", (ONE_THREADS,), COMPILED, 0.3),
    Target("each further map", (FURTHER,), COMPILED, 0.5),
    Target("everything", tuple(name for name, program in PROGRAMS.items() if program.parmap), INLINE, 0.8),
)


def pairs(left: list, right: list):
    """Pair the seconds of the same turn."""
    return zip(left, right, strict=False)


def above(found: dict, program: str, form: str) -> list:
    """Return the seconds above the plain loop, turn by turn; empty if it was not measured."""
    if program == FURTHER:
        one, six = (found.get(each, {}).get(form, []) for each in (ONE_MULTI, SIX_MULTI))
        return [(s - o) / 5 for o, s in pairs(one, six)]
    return [own - loop for own, loop in pairs(found.get(program, {}).get(form, []), found[LOOP][NO_FORM])]


def ratios(found: dict, program: str, form: str) -> list:
    return [own / before for own, before in pairs(above(found, program, form), above(found, program, BEFORE)) if before > 0]


def judged(found: dict, target: Target) -> str:
    """Return a row, or an empty string if it was not measured."""
    by_program = {each: measured for each in target.programs if (measured := ratios(found, each, target.form))}
    if not by_program:
        return ""
    worst = max(by_program, key=lambda each: median(by_program[each]))
    of = f" ({worst})" if len(by_program) > 1 else ""
    verdict = "reached" if median(by_program[worst]) <= target.times else "**not reached**"
    return row([f"{target.what}, {target.form}: at most {target.times:g} of {BEFORE}", spread(by_program[worst], "{:.2f}".format) + of, verdict])


def table(found: dict) -> list:
    """Return the table of one compiler at one level."""
    show = "{:.2f}".format
    forms = [form for form in FORMS if any(form in each for each in found.values())]
    lines = head(["a file that has, s", "without parmap", *forms])
    for program, by_form in found.items():
        lines.append(row([program, spread(by_form.get(NO_FORM, []), show), *(spread(by_form.get(form, []), show) for form in forms)]))
    further = [spread(above(found, FURTHER, form), show) for form in forms]
    if any(each != "-" for each in further):
        lines.append(row([f"*{FURTHER}*", "-", *further]))
    return lines


def lines(result: dict) -> list:
    if not result:
        return ["Not measured yet. To be made by `./bench --only compile --write`."]
    before, after = result["load"]
    where = f"`{result['command']}` on {result['date'][:10]}; {result['machine']}; {result['compilers']}; load average {before:.2f} before, {after:.2f} after."
    what = (f"Seconds of the processor; runs in turns: {result['runs']}; medians (least .. greatest). The form \"{BEFORE}\" is revision {result['base']}, "
            f"where all was compiled wherever it was used.")
    text = [where, "", what, ""]
    for setting, found in result["seconds"].items():
        text += [f"`{setting}`", "", *table(found), ""]
    for each in result["not_run"]:
        text += [f"Not run: {each}.", ""]
    found = result["seconds"].get(JUDGED, {})
    verdicts = [line for target in TARGETS if (line := judged(found, target))] if LOOP in found else []
    if verdicts:
        text += [*head([f"target, above the plain loop, `{JUDGED}`", "measured", ""]), *verdicts, ""]
    return text[:-1]
