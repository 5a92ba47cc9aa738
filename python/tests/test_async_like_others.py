# SPDX-License-Identifier: MIT
"""Tests of the other engines, of async too: the functions they map are made async."""

import inspect

import pytest

import helpers
import parmap as package
import test_callers
import test_failures
import test_on_error
import test_progress
import test_random
import test_semantics
from helpers import for_engine


def pmap(func, *axes, engine="multi", **options):
    return package.parmap(for_engine(func, engine) if callable(func) else func, *axes, engine=engine, **options)


SHARED = [
    test_semantics.test_zip,
    test_semantics.test_kinds_of_functions,
    test_semantics.test_kinds_of_iterables,
    test_semantics.test_a_builtin_and_a_class,
    test_semantics.test_fargs_are_keywords_and_not_changed,
    test_semantics.test_results_are_a_list,
    test_semantics.test_results_with_a_failure_can_be_pickled,
    test_semantics.test_seed_is_told,
    test_semantics.test_workers_are_an_upper_bound,
    test_semantics.test_only_the_axes_are_held,
    test_semantics.test_bad_input_is_named_before_anything_starts,
    test_semantics.test_long_timeouts_are_none,
    test_semantics.test_too_many_tasks_is_an_error_and_not_a_crash,
    test_semantics.test_a_map_without_failures_warns_of_nothing,
    test_failures.test_a_chain_is_in_the_traceback,
    test_failures.test_one_that_misbehaves_when_it_is_looked_at,
    test_failures.test_the_warning_can_show_any_exception,
    test_failures.test_a_huge_one,
    test_failures.test_those_that_end_programs_are_failures_of_the_task,
    test_on_error.test_what_on_error_raises_passes,
    test_on_error.test_on_error_raise,
    test_on_error.test_on_error_raise_without_a_failure,
    test_failures.test_a_warning_made_an_error_has_the_results,
    test_failures.test_an_argument_that_cannot_be_shown,
    test_progress.test_bar_and_text_anywhere,
    test_progress.test_without_a_stderr,
    test_progress.test_a_class_like_tqdm,
    test_progress.test_failed_tasks_have_ended_too,
    test_progress.test_nothing_to_report_of_no_tasks,
    test_progress.test_what_a_reporter_raises_passes,
    test_progress.test_a_reporter_that_warns,
    test_progress.test_a_reporter_that_is_slow_costs_no_results,
    test_random.test_a_retry_draws_the_same,
    test_random.test_a_naive_draw_never_repeats,
    test_random.test_context,
    test_random.test_outside_of_a_task,
    test_random.test_a_thread_of_a_task_is_outside_of_it,
    test_callers.test_from_a_thread,
    test_callers.test_from_several_threads_at_once,
    test_callers.test_from_a_finalizer,
]


def cells(test):
    """Its own parameters, if it has one set of them."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize" and mark.args[0] != "engine"]
    if not marks:
        return [{}]
    names, values = marks[0].args
    return [{names: value} for value in values]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    ("test", "cell"),
    [pytest.param(test, cell, id=f"{test.__name__}-{k}") for test in SHARED for k, cell in enumerate(cells(test))],
)
def test_like_the_others(test, cell, monkeypatch, request):
    monkeypatch.setattr(inspect.getmodule(test), "parmap", pmap)
    monkeypatch.setattr(helpers, "parmap", pmap)
    cell = {name: value for name, value in cell.items()}
    for name in set(inspect.signature(test).parameters) - set(cell):
        cell[name] = "async" if name in ("engine", "skipping") else request.getfixturevalue(name)
    test(**cell)
