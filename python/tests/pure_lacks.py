# SPDX-License-Identifier: MIT
"""Tests that do not hold over the pure form (PARMAP_PURE=1), each with the reason; and how they run with workers by spawn.

PARMAP_PURE_START=spawn makes that the default of the option start.
"""

import os
import re

# What the names of tests contain (a regular expression): why they are skipped.
LACKS = {
    r"memory_limit": "the pure form refuses memory_limit",
    r"serial_accepts_every_option": "it runs a map with memory_limit",
    r"close_every_fd": "a task of the pure form that closes every descriptor loses its worker: it fails as exited",
    r"only_what_is_needed_is_open|no_file_or_process_is_left": "looks for the compiled core's descriptors; by spawn Python's resource tracker stays",
    r"without_cloudpickle": "the pure form spawns without cloudpickle, too",
    r"a_program_that_cannot_begin": "the pure form starts multiprocessing's executable",
    r"nothing_hangs\[hang_in_a_generator": "asyncio itself complains of an asynchronous generator that never ends",
    r"takes_what_parmap_does": "the signature of the pure form's parmap_async has **options",
    r"the_remedy\[(timeout|n_jobs|chunksize)|says_it_too": "the pure form names help(parmap) and fargs",
    r"public_classes_say": "about the whole package",
}

# By spawn only: workers have not inherited what these tests set up.
BY_SPAWN = {
    r"multi-cached": "it cannot be pickled",
    r"pickling_loses|does_not_survive": "their exception is a part of func, and so is pickled before the task begins",
    r"only_the_axes_are_held": "the objects are not the same in another interpreter",
    r"naive_draw|callers_generator": "of a fork's inherited generators",
    r"init_that_|init_runs|huge_one|unpickling_raises|test_a_fork_|stop_and_go_on|what_tasks_print|exits_in_the_middle": "of a fork",
}

SPAWNS = os.environ.get("PARMAP_PURE_START") == "spawn"


def reason(name):
    """Why a test of this name is skipped; None if it runs."""
    known = {**LACKS, **(BY_SPAWN if SPAWNS else {})}
    return next((why for pattern, why in known.items() if re.search(pattern, name)), None)


def spawn(implementation, modules):
    """Workers start by spawn from now on; they get the functions of these modules by value."""
    import cloudpickle

    implementation._START = "spawn"
    implementation.parmap.__kwdefaults__["start"] = implementation._OPTIONS["start"] = "spawn"
    for each in modules:
        cloudpickle.register_pickle_by_value(each)
