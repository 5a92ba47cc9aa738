# SPDX-License-Identifier: MIT
"""A report as text for the terminal."""

from __future__ import annotations

import time

from .._summary import line
from .._times import span
from ._facts import Facts

_MOST = 10  # causes, and slow tasks


def report_text(facts: Facts) -> str:
    lines = [headline(facts), tasks_line(facts)]
    for cause in facts.causes[:_MOST]:
        lines.append(f"  {cause}")
    if len(facts.causes) > _MOST:
        rest = facts.causes[_MOST:]
        lines.append(f"  and {sum(each.count for each in rest)} more, of {len(rest)} other causes")
    if (workers := workers_line(facts)) is not None:
        lines.append(workers)
    if (times := times_line(facts)) is not None:
        lines.append(times)
    if facts.slowest:
        lines.append("slowest:")
        for each in facts.slowest[:_MOST]:
            inputs = f" ({each.inputs})" if each.inputs else ""
            extra = ("" if each.ok else ", failed") + (f", attempt {each.attempt}" if each.attempt > 1 else "")
            lines.append(f"  {span(each.seconds):>10}  task {each.index}{inputs}{extra}")
    lines += facts.notes
    return "\n".join(one_line(each) for each in lines)


def one_line(text: str) -> str:
    """Without control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


def headline(facts: Facts) -> str:
    parts = [facts.label or facts.source]
    if facts.engine:
        parts.append(f"engine {facts.engine}")
    if facts.began is not None:
        parts.append("began " + time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(facts.began)))
    if facts.host:
        parts.append(f"on {facts.host}")
    if facts.program:
        parts.append(f"by {facts.program}")
    return ", ".join(parts)


def tasks_line(facts: Facts) -> str:
    text = line(facts.elapsed, facts.completed, facts.failed, facts.stopped)
    if facts.stored:
        text += f"; {facts.stored} more were stored before"
    if facts.retried:
        text += f"; {facts.retried} {'attempt was' if facts.retried == 1 else 'attempts were'} repeated"
    return text


def workers_line(facts: Facts) -> str | None:
    if not facts.workers:
        return None
    share = facts.busy_share
    text = f"{facts.workers} {'worker' if facts.workers == 1 else 'workers'}"
    return text if share is None else f"{text}, busy {share * 100:.0f} % of the time"


def times_line(facts: Facts) -> str | None:
    median, most = facts.histogram.quantile(0.5), facts.histogram.quantile(0.9)
    if median is None or most is None:
        return None
    text = f"times of tasks: half below about {span(median)}, 90 % below about {span(most)}"
    return f"{text}, the longest {span(facts.slowest[0].seconds)}" if facts.slowest else text
