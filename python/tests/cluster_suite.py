#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the suites of one machine on a cluster, where engine="multi" becomes that of the cluster:

  cluster_suite.py dask [PYTEST-ARGS]   on a Dask cluster of two workers; one of them is killed before every 25th test
  cluster_suite.py mpi [PYTEST-ARGS]    on two ranks, which are made to be nodes of their own

Unless PYTEST-ARGS name files, these are all of SUITES. With "short" in their place: what each change is tested by. The tests that do not hold there
are in LACKS, with reasons; interrupts have cases of their own, in dask_cases.py and mpi_program.py.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUITES = ("on_error", "semantics", "failures", "faults", "crashes", "timeouts", "retries", "deadline", "random", "results", "map_reduce")
SHORT = ["test_faults.py", "test_on_error.py", "-k", "nineteen_of_twenty or on_error_raise or is_asked_in_order"]
#: The engine's name, or the address of the scheduler.
ENGINE = os.environ.get("PARMAP_TEST_CLUSTER")

# What the names of tests contain (a regular expression): why they are skipped.
LACKS = {
    r"threads|serial": "of another engine",
    r"multi-cached": "it cannot be pickled",
    r"last_failure_counts|ends_a_map_of_hours|halted_map_tries|multi_kills_after_the_grace": "on a cluster a failure names its host, and a stopped task has no attempts",
    r"retry_if_gets_each|a_stop_ends_the_wait|late_task_started": "func and retry_if change what belongs to the test, but run elsewhere",
    r"slurm_job|numpys_in_every_engine": "they change this process, or use engines of it, around the map",
    r"pickling_loses|does_not_survive_pickling|multi-NoAttributes": "their exception is a part of func, and so is pickled before the task begins",
    r"test_bad_input|test_exceptions_of_parmap|test_zip_refuses|walked_together_among": "before any engine",
}


def reason(name):
    """Why a test of this name is skipped; None if it runs."""
    return next((why for pattern, why in LACKS.items() if re.search(pattern, name)), None)


class Cluster:
    """In the process of pytest."""

    def __init__(self):
        from parmap import _combining, _map, _reduction

        self._process = os.getpid()
        self._chance = random.Random(1)
        self._tests = 0
        self.engine = ENGINE
        if ENGINE != "mpi":
            import distributed

            self.engine = distributed.Client(ENGINE, set_as_default=False)
        original = _map.overridden
        here = threading.local()  # op of map_reduce runs in maps of this computer

        def overridden(given):
            given = original(given)
            if getattr(here, "combines", False):
                return given
            if given["engine"] == "multi" and given.get("start", "fork") == "fork" and os.getpid() == self._process:
                return {**given, "engine": self.engine}
            return given

        def combined(*axes, original=_combining.parmap, **options):
            here.combines = True
            try:
                return original(*axes, **options)
            finally:
                here.combines = False

        _map.overridden = _reduction.overridden = overridden
        _combining.parmap = combined

    def before_a_test(self):
        """A worker is killed; another one comes in the middle of what follows."""
        self._tests += 1
        if ENGINE != "mpi" and self._tests % 25 == 5:
            os.kill(self._chance.choice(sorted(self.engine.run(os.getpid).values())), signal.SIGKILL)


def main():
    engine, *arguments = sys.argv[1:]
    if arguments[:1] == ["short"]:
        arguments[:1] = SHORT
    if not any(each.startswith("test_") for each in arguments):
        arguments = [f"test_{each}.py" for each in SUITES] + arguments
    environment = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout", "120", "--timeout-method", "signal", *arguments]
    if engine == "mpi":
        environment |= dict(PARMAP_TEST_CLUSTER="mpi", PARMAP_TEST_RANKS_PER_NODE="1", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
        said = subprocess.run([shutil.which("mpirun") or "mpirun", "--version"], stdout=subprocess.PIPE, check=True).stdout
        launcher = ["mpirun", "-n", "2", *(["--oversubscribe", "--bind-to", "none"] if b"Open MPI" in said else [])]
        return subprocess.run([*launcher, sys.executable, "-m", "parmap.mpi", *pytest], cwd=HERE, env=environment, check=False).returncode
    import distributed

    os.environ |= environment  # workers of Dask import the functions of the tests by name
    with distributed.LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None, silence_logs=50) as cluster:
        environment["PARMAP_TEST_CLUSTER"] = cluster.scheduler_address
        return subprocess.run([sys.executable, *pytest], cwd=HERE, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
