# SPDX-License-Identifier: MIT
"""Options that end a map early or renew workers; override; maplike and starmap; Results as a list with failures."""

import inspect
import itertools
import os
import subprocess
import sys
import threading

import pytest

import parmap as package
from helpers import for_engine, quiet, run
from parmap import parmap


def kinds(results):
    return [each.kind for each in results.failures]


# ---- stop, max_failures, max_tasks


@pytest.mark.parametrize("engine", ["serial", "threads", "multi", "async"])
def test_stop(engine, tmp_path):
    """Tasks that run end well, no other begins."""
    stop = threading.Event()

    def reporter(done, total):
        stop.set()

    def task(i):
        threading.Event().wait(0.02)
        return i

    found = quiet(for_engine(task, engine), range(1000), engine=engine, stop=stop, n_worker=2, reporter=reporter)
    assert set(kinds(found)) == {"stopped"} and 0 < len(found.failures) < 1000
    assert all(value == i for i, value in enumerate(found) if value is not None)


def test_stop_is_anything_with_is_set():
    with pytest.raises(TypeError, match=r"stop must be a threading.Event"):
        parmap(abs, [1], stop=True)


@pytest.mark.parametrize("engine", ["threads", "multi", "async"])
def test_max_failures(engine):
    def task(i):
        return 1 // 0

    found = quiet(for_engine(task, engine), range(1000), engine=engine, max_failures=5, n_worker=2)
    assert 5 <= kinds(found).count("threw") < 10 and kinds(found).count("threw") + kinds(found).count("stopped") == 1000
    with pytest.raises(ValueError, match="max_failures must be at least 1"):
        parmap(for_engine(task, engine), [1], engine=engine, max_failures=0)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_worker_is_renewed_after_max_tasks(start):
    def task(i):
        import os

        return os.getpid()

    found = parmap(task, range(10), n_worker=1, max_tasks=3, start=start)
    assert [len(list(same)) for _, same in itertools.groupby(found)] == [3, 3, 3, 1]
    found = parmap(task, range(100), n_worker=2, max_tasks=7, start="fork")
    assert max(found.count(each) for each in set(found)) <= 7


def test_max_tasks_is_for_processes():
    with pytest.raises(ValueError, match="use multi"):
        parmap(abs, [1], max_tasks=3, engine="threads")
    assert parmap(abs, [-1], max_tasks=3, engine="serial") == [1]


@pytest.mark.parametrize(("text", "size"), [("1GB", 10**9), ("1.5 GiB", 3 << 29), ("200M", 2 * 10**8), ("7", 7), ("64kib", 65536)])
def test_memory_limit_as_text(text, size):
    from parmap._arguments import _bytes

    assert _bytes(text) == size


@pytest.mark.parametrize("bad", ["1XB", "GB", "-1GB", "1 i", ""])
def test_a_memory_limit_that_is_no_size(bad):
    with pytest.raises(ValueError, match="a text like '1GB'"):
        parmap(abs, [1], memory_limit=bad)


def test_a_timeout_beyond_floats():
    with pytest.raises(ValueError, match="too large for a float"):
        parmap(abs, [1], timeout_sec=10**400)


# ---- override and PARMAP_ENGINE


def test_override():
    here = os.getpid()
    with package.override(engine="serial"):
        assert parmap(lambda i: os.getpid(), range(2), engine="multi") == [here, here]
        with package.override(engine="multi", n_worker=1):
            assert here not in parmap(lambda i: os.getpid(), range(2), n_simul=3, engine="threads")
        assert parmap(for_engine(abs, "async"), [-1], engine="async") == [1]
    assert here not in parmap(lambda i: os.getpid(), range(2))


@pytest.mark.parametrize("bad", [{"func": abs}, {"fargs": {}}, {"engines": "serial"}])
def test_what_cannot_be_overridden(bad):
    with pytest.raises(TypeError, match=next(iter(bad))), package.override(**bad):
        pass


def test_the_engine_of_the_environment():
    program = """
        import os
        import parmap as package
        from parmap import parmap
        print(parmap(lambda i: os.getpid() == {}, [0], engine="threads"))
        with package.override(engine="multi"):
            print(parmap(lambda i: os.getpid() == {}, [0]))
    """
    program = program.replace("{}", "caller").replace("import os", "import os; caller = os.getpid()")
    assert run(program, env={**os.environ, "PARMAP_ENGINE": "serial"}) == "[True]\n[False]\n"
    with pytest.raises(AssertionError, match="there is no engine 'fast'"):
        run(program, env={**os.environ, "PARMAP_ENGINE": "fast"})


# ---- what is refused or told


def test_an_open_file_is_no_result(tmp_path):
    (tmp_path / "file").write_text("x")
    failure = quiet(lambda i: [open(tmp_path / "file")], [0]).failures[0]  # noqa: SIM115
    assert failure.kind == "unencodable" and "an open file cannot leave its worker" in str(failure.exception)


def test_a_memoryview_comes_back_as_one():
    pytest.importorskip("cloudpickle")
    first, second = parmap(lambda i: [memoryview(b"abc"), memoryview(bytes(range(8))).cast("h", (2, 2))][i], range(2))
    assert (type(first), first.tobytes()) == (memoryview, b"abc")
    assert (second.format, second.shape, second.tolist()) == ("h", (2, 2), [[256, 770], [1284, 1798]])


def test_an_endless_generator_is_refused():
    program = """
        import resource
        from parmap import parmap
        import parmap as package
        with open("/proc/self/statm") as file:
            most = int(file.read().split()[0]) * resource.getpagesize() + (1 << 30)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        def endless():
            while True:
                yield bytes(10_000)
        for axis in (lambda: parmap(max, [1], endless()), lambda: package.zip([1], endless())):
            try:
                axis()
            except ValueError as error:
                print(error)
        print(len(parmap(len, (bytes(10) for _ in range(100_000)))))
    """
    first, second, rest = run(program).splitlines()
    assert first.startswith("parmap: argument 2 has filled ") and "is it endless?" in first
    assert second.startswith("parmap.zip: argument 2 has filled ") and rest == "100000"


def test_tasks_that_all_return_none_are_told_once():
    program = """
        import warnings
        from parmap import parmap
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            parmap(lambda i: None, [1])
            parmap(lambda i: None, range(3), engine="threads")
            parmap(lambda i: [None, 1][i], range(2))
            print(len(said))
            for k in range(2):
                parmap(lambda i: None, range(3))
        print(len(said), said[0].category.__name__, said[0].filename, said[0].message)
    """
    none, told = run(program).splitlines()
    assert none == "0" and told.startswith("1 RuntimeWarning <string> parmap: every task has returned None.")


def test_fargs_are_those_of_the_call(engine):
    """A task that replaces a value in the caller's dict does not free what other tasks are called with."""

    class Model:
        def __init__(self):
            self.weights = [1.0] * 100

    settings = {"model": Model()}
    junk = []

    def task(i, model):
        settings["model"] = None
        junk.extend(bytes(48) for _ in range(100))
        return sum(model.weights)

    assert parmap(task, range(50), fargs=settings, engine=engine, n_worker=1) == [100.0] * 50


def test_a_fork_that_is_refused_is_an_oserror():
    program = """
        import errno, os, resource
        from parmap import parmap
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        if os.getuid() == 0:  # whom that does not limit
            os.setgid(65534); os.setuid(65534)
        try:
            parmap(abs, [1])
        except OSError as error:
            print(type(error).__name__, errno.errorcode[error.errno])
    """
    assert run(program) == "BlockingIOError EAGAIN\n"


def test_public_classes_say_where_they_are():
    for name in package.__all__:
        if isinstance(getattr(package, name), type):
            assert getattr(package, name).__module__ == "parmap", name


@pytest.mark.parametrize("engine", ["multi", "threads", "serial"])
def test_a_sub_interpreter_is_refused(engine):
    program = f"""
        import sys
        try:
            import _xxsubinterpreters as interpreters
            run = interpreters.run_string
        except ImportError:
            import _interpreters as interpreters
            run = interpreters.exec
        from parmap import parmap
        other = interpreters.create()
        lines = [
            f"import sys; sys.path[:] = {{sys.path!r}}",
            "try: import parmap; print(parmap.parmap(abs, [-1], engine={engine!r}), flush=True)",
            "except ImportError as error: print('refused:', error, flush=True)",
        ]
        run(other, chr(10).join(lines))
        interpreters.destroy(other)
        print(parmap(abs, [-1]))
    """
    refused, _, here = run(program).partition("\n")
    assert refused.startswith("refused: ") and here.strip() == "[1]"


def test_threads_and_the_caller(tmp_path):
    """Contexts, decimal's precision, NumPy's errors; names; the hooks of debuggers and profilers."""
    program = """
        import contextvars, decimal, threading
        import numpy as np
        import parmap as package
        from parmap import parmap
        variable = contextvars.ContextVar("variable", default="unset")
        variable.set("set")
        decimal.getcontext().prec = 30
        def task(i):
            found = variable.get(), decimal.getcontext().prec, np.geterr()["divide"]
            variable.set("of a task")
            decimal.getcontext().prec = 5
            np.seterr(divide="ignore")
            return found
        with np.errstate(divide="raise"):
            print(set(parmap(task, range(100), engine="threads", n_worker=3)), variable.get(), decimal.getcontext().prec)
        print(set(parmap(lambda i: variable.get(), range(9), engine="threads", init=lambda: variable.set("of init"))))
        seen = set()
        def profile(frame, event, argument):
            if event == "call" and frame.f_code.co_name == "named":
                seen.add(threading.current_thread().name)
        def named(i):
            return threading.current_thread().name
        threading.setprofile(profile)
        names = parmap(named, range(100), engine="threads", n_worker=2)
        threading.setprofile(None)
        print(set(names) == seen and seen <= {"parmap-0", "parmap-1"})
        seen.clear()
        parmap(named, range(100), engine="threads", n_worker=2)
        print(seen)
    """
    assert run(program).splitlines() == ["{('set', 30, 'raise')} set 30", "{'of init'}", "True", "set()"]


def test_the_stack_of_threads():
    deep = 20_000 if sys.version_info < (3, 12) else 3_000  # from there on Python bounds recursion through C by itself
    program = """
        import sys, threading
        from parmap import parmap
        sys.setrecursionlimit(10**6)
        def deep(n):
            return 0 if n == 0 else 1 + list(map(deep, [n - 1]))[0]
        print(parmap(abs, [-1] * 10, engine="threads"))  # with threads of the usual size
        threading.stack_size(512 << 20)
        print(parmap(deep, [DEEP] * 4, engine="threads", n_worker=3))
    """
    assert run(program.replace("DEEP", str(deep))) == f"{[1] * 10}\n{[deep] * 4}\n"


SPAWN = """
    import os, subprocess, sys, tempfile
    from parmap import parmap
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    {before}
    def task(i):
        import os
        return {what}
    print(parmap(task, range(2), start="spawn", n_worker=1, seed=0x1122334455667788))
"""


def test_a_spawned_worker_imports_nothing_from_the_current_folder():
    before = """
    for name in ("pickle", "mmap", "marshal", "signal"):
        with open(name + ".py", "w") as file: file.write("print('of the current folder')")
    sys.path[:] = [each for each in sys.path if each]
    """
    assert run(SPAWN.format(before=before, what="i")) == "[0, 1]\n"


def test_the_command_line_of_a_spawned_worker_tells_no_seed():
    what = "'8877665544332211' in open('/proc/self/cmdline').read() or len(open('/proc/self/cmdline').read()) > 2000"
    assert run(SPAWN.format(before="", what=what)) == "[False, False]\n"


def test_programs_that_an_import_starts_inherit_nothing():
    before = """
    with open("starts.py", "w") as file:
        file.write("import os\\nos.system('ls -l /proc/self/fd > seen')\\ndef task(i): return i")
    sys.path.insert(0, folder)
    import starts
    os.unlink("seen")
    """
    program = SPAWN.format(before=before, what="i").replace("parmap(task,", "parmap(starts.task,") + "    print(open('seen').read().count('memfd'))\n"
    assert run(program) == "[0, 1]\n0\n"


@pytest.mark.parametrize("engine", ["threads", "async"])
def test_the_time_of_a_stopped_process_does_not_count(engine):
    """As at Ctrl-Z and fg: here by a process that stops this one for longer than the limit."""
    program = f"""
        import asyncio, os, subprocess, sys, time
        from parmap import parmap
        stopper = "import os, signal, time; os.kill(CALLER, signal.SIGSTOP); time.sleep(7); os.kill(CALLER, signal.SIGCONT)"
        def task(i):
            if i == 0: other = subprocess.Popen([sys.executable, "-c", stopper.replace("CALLER", str(os.getpid()))])
            for _ in range(50): time.sleep(0.01)
            return i
        async def atask(i):
            if i == 0: other = subprocess.Popen([sys.executable, "-c", stopper.replace("CALLER", str(os.getpid()))])
            for _ in range(50): await asyncio.sleep(0.01)
            return i
        print(parmap({"task" if engine == "threads" else "atask"}, range(2), engine="{engine}", timeout_sec=5, n_worker=2))
    """
    assert run(program) == "[0, 1]\n"


def test_the_module_tells_of_every_option():
    """On the first screen of help(parmap)."""
    options = set(inspect.signature(parmap).parameters) - {"func", "args", "n_simul", "unknown"}
    said = package.__doc__
    assert {each for each in options if f"{each}=" not in said} == set() and len(said.splitlines()) < 40
    shown = subprocess.run([sys.executable, "-m", "parmap", "--help"], stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout
    assert said.strip().splitlines()[-1] in shown
