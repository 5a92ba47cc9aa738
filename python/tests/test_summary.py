# SPDX-License-Identifier: MIT
"""Failures grouped by cause, and what happened in a map in a few numbers."""

import pickle
import re

import pytest

import parmap as package
from parmap import Failure, FailureCause, Failures, Results, Summary, parmap
from parmap._failures import _without_numbers
from parmap._summary import line
from parmap._times import span


def failure(index: int, kind: str = "threw", error: BaseException = ValueError("no root"), task: tuple = ()) -> Failure:
    return Failure(index, task, kind, error, 1, "")


@pytest.mark.parametrize(
    "text, pattern",
    [
        ("no convergence at mu=-0.25, x0=1.5e-07: 3 steps", "no convergence at mu=..., x0=...: ... steps"),
        ("at 0x7ffe12AB, not 0xg", "at ..., not ...xg"),
        ("int32 v2 x_3 (4) 5. 1.2.3 -6-7 +8", "int32 v2 x_3 (...) .... ... ...-... ..."),
        ("2e 2e+ 1e5x", "...e ...e+ ...x"),
        ("", ""),
    ],
)
def test_numbers_in_a_message(text, pattern):
    """As in C++ (failure_causes.numbers_in_a_text)."""
    assert _without_numbers(text) == pattern


def test_causes_the_most_frequent_first():
    failures = Failures(
        [
            failure(1, error=ValueError("no root at 2")),
            failure(2, "exited", package.WorkerDied("status 1", status=1)),
            failure(3, error=ValueError("no root at 3"), task=(3, 0.5)),
            failure(4, "exited", package.WorkerDied("status 2", status=2)),
            failure(5, error=KeyError("no root at 5")),
            failure(6, error=ValueError("no root at 4")),
            failure(7, "stopped", package.TaskNotRun("stopped"), task=("a", 1)),
            failure(8, "stopped", package.TaskNotRun("stopped")),
        ]
    )
    causes = failures.causes()
    assert [str(each) for each in causes] == [
        "3 x threw: ValueError: no root at ...; first task 1 ()",
        "2 x stopped: TaskNotRun: stopped; first task 7 ('a', 1)",
        "task 2 exited: WorkerDied: status 1",
        "task 4 exited: WorkerDied: status 2",
        "task 5 threw: KeyError: 'no root at 5'",
    ]
    assert (causes[0].count, causes[0].first.index, causes[0].message) == (3, 1, "ValueError: no root at ...")
    assert all(type(each) is FailureCause for each in causes)
    assert str(Summary(100, 92, 2.04, causes)).splitlines()[:2] == [
        "100 tasks in 2.0 s: 92 ok, 6 failed, 2 stopped",
        "  3 x threw: ValueError: no root at ...; first task 1 ()",
    ]


def test_a_few_failures_are_shown_one_by_one():
    failures = Failures(failure(each, error=ValueError(f"no root at {each}")) for each in range(2))
    assert str(failures) == "2 tasks failed\n  task 0 threw: ValueError: no root at 0\n  task 1 threw: ValueError: no root at 1"
    assert repr(failures) == repr(list(failures))
    assert str(Failures([failure(0)])) == "1 task failed\n  task 0 threw: ValueError: no root"
    assert str(Failures()) == "0 tasks failed" and repr(Failures()) == "[]"


def test_many_failures_have_a_short_text():
    failures = Failures(failure(each, error=ValueError("x" * (each % 7))) for each in range(3000))
    lines = str(failures).splitlines()
    assert lines[0] == "3000 tasks failed" and len(lines) == 7
    assert lines[1] == "  429 x threw: ValueError: ; first task 0 ()"
    assert lines[-1] == "  and 856 more, of 2 other causes"
    assert repr(failures).endswith(", ... 2995 more]") and len(repr(failures)) < 1000


def test_summary_of_a_map(skipping):
    def task(i):
        if i % 2:
            raise ValueError(f"odd {i}")
        return i

    results = parmap(task, range(10), engine=skipping, on_error=lambda *_: -1)
    summary = results.summary()
    assert (summary.tasks, summary.completed, summary.failed) == (10, 5, 5)
    assert summary.count("threw") == 5 and summary.count("crashed") == 0
    assert summary.seconds is not None and summary.seconds > 0
    assert re.fullmatch(
        r"10 tasks in [\d.]+ (µs|ms|s): 5 ok, 5 failed\n  5 x threw: ValueError: odd \.\.\.; first task 1 \(1\)", str(summary)
    )
    assert type(results.failures) is Failures


def test_summary_of_lists_that_no_map_has_made():
    made = Results([1, None], [failure(1)])
    assert str((made + made).summary()).splitlines()[0] == "4 tasks: 2 ok, 2 failed"
    assert type((made + [1]).failures) is type(([1] + made).failures) is type(made[1:].failures) is Failures
    assert str(Results().summary()) == "0 tasks: 0 ok"
    again = pickle.loads(pickle.dumps(made))
    assert type(again.failures) is Failures and str(again.summary()) == str(made.summary())
    made.failures = [failure(0)]  # a plain list, by the user
    assert made.summary().failed == 1


@pytest.mark.parametrize(
    "seconds, text",
    [(-1, "0.0 µs"), (9.94e-6, "9.9 µs"), (9.96e-6, "10 µs"), (9.994e-4, "999 µs"), (9.996e-4, "1.0 ms"), (2.049, "2.0 s"),
     (59.4, "59 s"), (59.6, "1 min 00 s"), (3599, "59 min 59 s"), (26 * 3600 + 359, "26 h 05 min")],
)  # fmt: skip
def test_times(seconds, text):
    assert span(seconds) == text


def test_the_line_counts():
    assert line(2.0, 1, 0, 0) == "1 task in 2.0 s: 1 ok"
    assert line(2.0, 1, 2, 3) == "6 tasks in 2.0 s: 1 ok, 2 failed, 3 stopped"


@pytest.mark.filterwarnings("ignore::parmap.ParmapWarning")
@pytest.mark.parametrize("reporter", ["bar", "text"])
def test_a_line_behind_the_last_report_if_a_task_failed(reporter, capsys):
    parmap(lambda i: 1 // i, range(4), reporter=reporter)
    assert re.search(r"\n4 tasks in [\d.]+ (µs|ms|s): 3 ok, 1 failed\n\Z", capsys.readouterr().err)
    parmap(lambda i: i, range(4), reporter=reporter)
    assert " ok" not in capsys.readouterr().err


def test_an_unprintable_exception_has_a_cause():
    class Unprintable(Exception):
        def __str__(self):
            raise RuntimeError

    causes = Failures(failure(each, error=Unprintable()) for each in range(2)).causes()
    assert [each.count for each in causes] == [2]
