# SPDX-License-Identifier: MIT
"""What all tests share: fixed seeds, and no process left behind by any of them."""

import os
import signal
import tempfile
from multiprocessing import resource_tracker

import hypothesis
import pytest

import cluster_suite
import helpers
import parmap
import pure_lacks

# Tasks of many tests return nothing. That is said once in a process, so it would be any test's warning; test_options.py tests it.
if parmap._pure is None:
    parmap._outcome._told_of_none = True

# A shell's background job begins with SIGINT ignored, and what it starts inherits that: some tests and documents send one.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile(
    "parmap", derandomize=True, database=None, deadline=None, max_examples=25, print_blob=True
)
hypothesis.settings.load_profile("parmap")


# Tests with limits which innocent tasks would exceed on a busy machine: see pyproject.toml.
ALONE = ("test_timeouts.py", "test_async_limits.py")
# Begun first, as it takes longest: some of its rows hang until their limit.
LONGEST = "test_reliability.py"


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.name in ALONE:
            item.add_marker("alone")
    if parmap._pure is not None:
        for item in items:
            if (why := pure_lacks.reason(item.name)) is not None:
                item.add_marker(pytest.mark.skip(reason=why))
        if pure_lacks.SPAWNS:
            pure_lacks.spawn(parmap.implementation, {helpers, *(item.module for item in items)})
    if cluster_suite.ENGINE is not None:
        for item in items:
            if (why := cluster_suite.reason(item.name)) is not None:
                item.add_marker(pytest.mark.skip(reason=why))
    items.sort(key=lambda item: item.path.name != LONGEST)


@pytest.fixture(scope="session")
def cluster():
    """None, unless the suites run on one."""
    return None if cluster_suite.ENGINE is None else cluster_suite.Cluster()


@pytest.fixture(autouse=True)
def no_child_is_left(cluster):
    if cluster is not None:
        cluster.before_a_test()
    yield
    if cluster is not None:
        helpers.until(lambda: not helpers.has_children())
    if parmap._pure is not None:  # by spawn Python's own resource tracker stays, for all that spawn, until the program ends
        resource_tracker._resource_tracker._stop()
    with pytest.raises(ChildProcessError):  # there is none, not even a dead one
        os.waitpid(-1, os.WNOHANG)


@pytest.fixture
def db():
    """The name of a file for a checkpoint: in memory, as commits wait for a disk."""
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(prefix="parmap-test-", dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield os.path.join(folder, "sweep.db")


@pytest.fixture(params=("serial", "threads", "multi"))
def engine(request):
    return request.param


@pytest.fixture(params=("threads", "multi"))
def skipping(request):
    """The engines that leave a failed task out and go on."""
    return request.param


@pytest.fixture(params=("serial", "threads", "multi", "async", "pool"))
def every(request):
    """Every engine on this machine: a name, or an executor."""
    if request.param == "pool":
        with parmap.Executor(2) as pool:
            yield pool
    else:
        yield request.param
