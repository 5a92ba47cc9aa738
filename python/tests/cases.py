#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every input of Python that once failed, what is right, and the tests that show it: runs them and prints a table.

  cases.py [NAME...]      all, or those whose name contains a NAME; with the Python that runs this, which has parmap and pytest

Fails if one is not right. What needs a library that is not installed is "not run" (./test --soak installs them).
"""

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent

# name: (what is right, tests)
CASES = {
    "log_file_handler": ("tasks that log to a file do not hang beside threads that log", "test_inherited.py::test_files_of_logging_beside_a_thread_that_logs"),
    "mpqueue_lost": ("what a task puts into a multiprocessing.Queue arrives", "test_worker_end.py::test_queues_of_multiprocessing"),
    "ctxvars": ("threads have the caller's context, decimal and errstate", "test_options.py::test_threads_and_the_caller"),
    "fork_libs": ("a library that does not survive a fork is named", "test_fork_hazards.py test_libraries.py::test_polars"),
    "mp_stacksize": ("threads have threading.stack_size()", "test_options.py::test_the_stack_of_threads"),
    "coverage": ("coverage measures tasks", "test_worker_end.py::test_coverage_measures_tasks"),
    "debug_hooks": ("profilers see tasks of threads, which have names", "test_options.py::test_threads_and_the_caller"),
    "reporter_partial": ("functools.partial of tqdm is a reporter", "test_progress.py::test_a_partial_of_a_class_and_a_label"),
    "shared_offset, default_rng": ("the documents warn", "test_documents.py"),
    "interrupt_grandchildren": ("what tasks started is gone after Ctrl-C", "test_interrupt.py"),
    "ctrl_z": ("the time of a stopped process does not count", "test_options.py::test_the_time_of_a_stopped_process_does_not_count"),
    "bar_spam": ("the bar is not drawn while nothing changes", "test_progress.py::test_a_bar_rests_while_nothing_changes"),
    "leaky": ("max_tasks renews workers", "test_options.py::test_a_worker_is_renewed_after_max_tasks"),
    "async_odd": ("odd coroutines", "test_async.py test_async_tasks.py test_async_limits.py test_libraries.py::test_uvloop"),
    "generator_eager, endless_generator": ("an endless generator is refused", "test_options.py::test_an_endless_generator_is_refused"),
    "cleanup_in_workers": ("what was inherited is the caller's; what a task made ends", "test_worker_end.py -k inherited_is or handlers_finalizers"),
    "nesting_depth": ("deep results cost their task at most", "test_values.py"),
    "omp_warning, one_item": ("OpenMP works before the map and in tasks", "test_fork_hazards.py -k openmp"),
    "scikit_learn": ("scikit-learn works before the map and in tasks", "test_libraries.py::test_scikit_learn_before_the_map_and_in_its_tasks"),
    "torch_rng": ("torch's generator is seeded in each worker", "test_inherited.py::test_torch_draws_other_numbers"),
    "stdin": ("stdin is the caller's", "test_inherited.py::test_stdin_is_the_callers"),
    "tqdm_killed_in_lock": ("a worker that dies while it draws holds up nobody", "test_inherited.py -k draws or tasks_were_given"),
    "scipy": ("maplike raises, and gives the plain run's values", "test_libraries.py::test_scipy test_results.py::test_maplike_is_the_built_in_map"),
    "exceptions": ("exceptions keep their types", "test_libraries.py::test_exceptions_keep_their_types test_failures.py::test_a_text_that_pickling_loses_is_restored"),
    "async_raise_blames": ("no exception of a task that has retries left", "test_async_failures.py::test_raise_names_the_task_that_failed_for_good"),
    "exception_restore": ("an exception whose unpickling raises costs its task", "test_failures.py::test_an_exception_whose_unpickling_raises_costs_its_task"),
    "fargs_uaf": ("a replaced value of fargs is not freed", "test_options.py::test_fargs_are_those_of_the_call"),
    "greenlets": ("maps of greenlets overlap", "test_greenlets.py"),
    "init_hangs, hang_at_leave": ("a limit ends both", "test_timeouts.py test_worker_end.py::test_an_end_that_lasts_too_long_is_cut_off_with_a_warning"),
    "lost_alarm, lost_ctrl_c, ctrl_c": ("what a handler raises is raised", "test_signal_handlers.py test_held_interrupt.py test_interrupt.py"),
    "spawn_cmdline, spawn_cwd, spawn_fds": ("start='spawn' leaves no trace and imports as the caller", "test_options.py -k spawned or inherit_nothing"),
    "subinterpreter": ("a sub-interpreter is refused", "test_options.py::test_a_sub_interpreter_is_refused"),
    "timeout_overflow": ("a timeout beyond floats is a ValueError", "test_options.py::test_a_timeout_beyond_floats"),
    "typing": ("mypy and pyright find the mistakes", "test_types.py"),
}


def run(tests):
    """right, WRONG or not run, and how many tests passed."""
    tests, _, choice = tests.partition(" -k ")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "300", f"--junitxml={report}", *tests.split()]
        done = subprocess.run(
            [*command, *(("-k", choice) if choice else ())], cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, check=False,
        )  # fmt: skip
        if not report.exists():
            return "WRONG", done.stdout[-2000:]
        suite = next(ElementTree.parse(report).getroot().iter("testsuite"))
    count, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
    if done.returncode != 0 or count == 0:
        return "WRONG", "\n".join(line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR")))
    return ("not run" if skipped == count else "right"), f"{count - skipped} of {count} tests"


def main():
    counts = dict.fromkeys(("right", "WRONG", "not run"), 0)
    for name, (right, tests) in CASES.items():
        if len(sys.argv) > 1 and not any(each in name for each in sys.argv[1:]):
            continue
        result, said = run(tests)
        counts[result] += 1
        print(f"{name:36} {result:8} {right}: {said}", flush=True)
    print(", ".join(f"{count} {result}" for result, count in counts.items()))
    return 1 if counts["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
