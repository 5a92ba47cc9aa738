# SPDX-License-Identifier: MIT
"""CPython's own tests of concurrent.futures, with parmap.Executor in place of ProcessPoolExecutor.

They run where they are installed: beside the interpreter, where Debian's package libpythonX.Y-testsuite puts them (./test installs
it), or in the folder `test` that PARMAP_CPYTHON_TESTS names, of the same version. Up to 3.11 they are a file, then a folder. LEFT_OUT
says which do not apply, and why.
"""

import importlib.util
import os
import sys
import unittest
from pathlib import Path

import pytest

import parmap

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
NAMES = ("test_concurrent_futures.py", "test_concurrent_futures/__init__.py")
PLACES = (os.environ.get("PARMAP_CPYTHON_TESTS"), Path(os.__file__).parent / "test", f"/usr/lib/python{VERSION}/test")
BREAKS = "expects that a crash breaks the executor, with every other future; here it costs its own future only, as test_executor.py shows"
INTERNALS = "looks into the processes or threads of ProcessPoolExecutor, by names that are not documented"
FORK = "is skipped by itself where workers are forked"

#: Of the tests that CPython has for executors with processes.
LEFT_OUT = {
    "ExecutorShutdownTest.test_interpreter_shutdown": "its program names ProcessPoolExecutor; see test_python_ends_with_the_pool",
    "ExecutorShutdownTest.test_submit_after_interpreter_shutdown": "its program names ProcessPoolExecutor; see test_submit_as_python_ends",
    "ExecutorShutdownTest.test_hang_gh83386": "its program names ProcessPoolExecutor",
    "ExecutorShutdownTest.test_cancel_futures": "expects that some task has begun when shutdown() is called at once; see test_shutdown_cancels",
    "ProcessPoolShutdownTest.test_processes_terminate": INTERNALS,
    "ProcessPoolShutdownTest.test_context_manager_shutdown": INTERNALS,
    "ProcessPoolShutdownTest.test_del_shutdown": INTERNALS + "; see test_an_executor_that_is_freed_ends",
    "ProcessPoolShutdownTest.test_shutdown_no_wait": INTERNALS + "; see test_shutdown_finishes_what_was_submitted",
    "ProcessPoolExecutorTest.test_max_workers_too_large": "is for Windows",
    "ProcessPoolExecutorTest.test_killed_child": BREAKS,
    "ProcessPoolExecutorTest.test_traceback": "asks for the private class of the cause, and is otherwise as "
    "test_an_exception_of_a_task_is_raised_with_its_traceback_there",
    "ProcessPoolExecutorTest.test_saturation": INTERNALS,
    "ProcessPoolExecutorTest.test_idle_process_reuse_one": FORK,
    "ProcessPoolExecutorTest.test_idle_process_reuse_multiple": FORK,
    "ProcessPoolExecutorTest.test_max_tasks_per_child": "expects that forked workers cannot be replaced; here they can, see "
    "test_names_of_other_executors",
    "ProcessPoolExecutorTest.test_max_tasks_per_child_defaults_to_spawn_context": "the same",
    "ProcessPoolExecutorTest.test_max_tasks_early_shutdown": FORK,
    "ExecutorDeadlockTest.test_exit_at_task_unpickle": BREAKS,
    "ExecutorDeadlockTest.test_error_at_task_unpickle": BREAKS,
    "ExecutorDeadlockTest.test_crash_at_task_unpickle": BREAKS,
    "ExecutorDeadlockTest.test_crash_during_func_exec_on_worker": BREAKS,
    "ExecutorDeadlockTest.test_crash_during_result_pickle_on_worker": BREAKS,
    "ExecutorDeadlockTest.test_error_during_result_unpickle_in_result_handler": BREAKS,
    "ExecutorDeadlockTest.test_exit_during_result_unpickle_in_result_handler": BREAKS,
    "ExecutorDeadlockTest.test_shutdown_deadlock": BREAKS,
    "ExecutorDeadlockTest.test_shutdown_deadlock_pickle": INTERNALS,
    "ExecutorDeadlockTest.test_exit_during_func_exec_on_worker": "expects SystemExit from sys.exit() in a task, which would end who asks "
    "for the result; here it is RemoteError, whose cause that is",
    "ExecutorDeadlockTest.test_exit_during_result_pickle_on_worker": "the same",
    "ExecutorDeadlockTest.test_error_during_result_pickle_on_worker": "expects the error of pickle; here it is UnpicklableResult, whose "
    "cause that is",
    "FailingInitializerMixin.test_initializer": BREAKS + " (test_an_init_that_raises_fails_each_task)",
}

#: The same, of tests that CPython 3.11 does not have.
LEFT_OUT_LATER = {
    "ProcessPoolExecutorTest.test_python_finalization_error": INTERNALS,
    "ExecutorDeadlockTest.test_crash_big_data": BREAKS,
}


def found():
    for place in PLACES:
        for name in NAMES:
            if place and (Path(place) / name).exists():
                return Path(place) / name
    return None


def load(path):
    """The classes by name."""
    spec = importlib.util.spec_from_file_location("cpython_test_concurrent_futures", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its functions are pickled by this name
    modules = [module]
    try:
        spec.loader.exec_module(module)
        if path.name == "__init__.py":
            parts = [each.stem for each in sorted(path.parent.glob("*.py")) if each != path and "interpreter" not in each.stem]
            modules = [importlib.import_module(f"{spec.name}.{each}") for each in parts]
    except (ImportError, unittest.SkipTest) as why:  # no test.support, which it needs
        del sys.modules[spec.name]
        return {}, str(why)
    return {name: each for module in modules for name, each in vars(module).items() if isinstance(each, type)}, ""


PATH = found()
CLASSES, WHY = ({}, f"CPython's own tests are not there: apt-get install libpython{VERSION}-testsuite") if PATH is None else load(PATH)


def made_of(name):
    """Each test is skipped with its reason if it is left out."""
    base = CLASSES[name]
    changed = {"executor_type": parmap.Executor}
    for kind in base.__mro__:
        for each in vars(kind):
            reason = (LEFT_OUT | LEFT_OUT_LATER).get(f"{kind.__name__}.{each}")
            if each.startswith("test") and reason:
                changed[each] = unittest.skip(reason)(getattr(base, each))
    return type(f"{name}OfCpython", (CLASSES["ProcessPoolForkMixin"], base, CLASSES["BaseTestCase"]), changed)


if CLASSES:
    BASES = ("InitializerMixin", "FailingInitializerMixin", "ProcessPoolShutdownTest", "WaitTests", "AsCompletedTests",
             "ProcessPoolExecutorTest", "ExecutorDeadlockTest")  # fmt: skip
    globals().update({f"{each}OfCpython": made_of(each) for each in BASES})


@pytest.mark.skipif(not CLASSES, reason=WHY)
def test_what_is_left_out_exists():
    for each in LEFT_OUT:
        kind, name = each.split(".")
        assert hasattr(CLASSES[kind], name), each
