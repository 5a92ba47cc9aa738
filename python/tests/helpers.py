# SPDX-License-Identifier: MIT
"""Maps whose failures a test looks at, and programs run in a Python of their own."""

import importlib.util
import inspect
import os
import re
import subprocess
import sys
import sysconfig
import textwrap
import time
import warnings

import pytest

from parmap import parmap


def needs(*names):
    """Skips a test without these libraries. Does not import them: forks would warn of some ever after."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def has_children():
    """Whether this process has a child; it need not live."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def has_gil():
    return not sysconfig.get_config_var("Py_GIL_DISABLED")


def generator_of(seed, i):
    """That of task i, from its definition. NumPy adds 1 to the counter before it draws, so that the first one is 0."""
    import numpy

    return numpy.random.Generator(numpy.random.Philox(key=numpy.array([seed, i], dtype=numpy.uint64), counter=2**256 - 1))


def quiet(func, *axes, **options):
    """The results of a map whose failures are no news: no warning."""
    return parmap(func, *axes, on_error=lambda func, task, error: None, **options)


def for_engine(func, engine):
    """func as this engine takes it: async only takes async functions."""
    if engine != "async" or inspect.iscoroutinefunction(func):
        return func

    async def afunc(*args, **fargs):
        return func(*args, **fargs)

    return afunc


def only_failure(results, index):
    """The failure of the task with this index, which must be the only one."""
    assert [each.index for each in results.failures] == [index], [str(each) for each in results.failures]
    assert results[index] is None
    return results.failures[0]


def run(program, *, timeout=60, arguments=(), **options):
    """Runs a program's text; checks that it ends well and says nothing on stderr; gives its stdout."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | options
    # Its output is buffered, as a program's usually is: what a fork or a crash does to that is to be seen.
    options.setdefault("env", {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"})
    command = [sys.executable, *arguments, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, text=True, timeout=timeout, check=False, **options)
    assert (done.returncode, done.stderr or "") == (0, ""), f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def at_7(act, n=20, **options):
    """The only failure of 20 tasks of which the seventh acts. The 19 others have their results."""

    def task(i):
        return act() if i == 7 else i

    with warnings.catch_warnings():  # of the task itself, such as of an open file
        warnings.simplefilter("ignore")
        results = quiet(task, range(n), **options)
    assert [each for i, each in enumerate(results) if i != 7] == [i for i in range(n) if i != 7]
    return only_failure(results, 7)


def shown(value):
    """Its repr without its address: the same name of a test in every process, as pytest-xdist wants it."""
    return re.sub(" at 0x[0-9a-f]+", "", repr(value))


def raising(error):
    def act():
        raise error

    return act
