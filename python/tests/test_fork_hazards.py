# SPDX-License-Identifier: MIT
"""Libraries of the caller whose threads do not survive a fork: what is done, and what is said."""

import subprocess

import pytest

from helpers import run

OPENMP = """
int asked(int threads) {
  int n = 0;
  #pragma omp parallel num_threads(threads) reduction(+:n)
  n += 1;
  return n;
}
int usual(void) {
  int n = 0;
  #pragma omp parallel reduction(+:n)
  n += 1;
  return n;
}
"""


@pytest.fixture
def openmp(tmp_path):
    (tmp_path / "openmp.c").write_text(OPENMP)
    library = str(tmp_path / "openmp.so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-fopenmp", tmp_path / "openmp.c", "-o", library], check=True, timeout=60)
    return f"""
        import ctypes, os, types, warnings
        from parmap import _fork_hazards, parmap
        os.environ.pop("OMP_NUM_THREADS", None)
        def threads(i):
            return ctypes.CDLL({library!r}).asked(2)
        def usual(i):
            return ctypes.CDLL({library!r}).usual()
        warnings.simplefilter("error")
    """


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("tasks", [1, 3])
def test_openmp_before_the_map_and_in_its_tasks(openmp, start, tasks):
    """Its idle threads are ended before the fork, and others are started when they are needed."""
    program = openmp + f"""
        for k in range(3):
            assert threads(0) == 2
            print(parmap(threads, range({tasks}), start="{start}", n_worker=2, timeout_sec=60))
    """
    assert run(program) == 3 * f"{[2] * tasks}\n"


# As it is with gcc 8 and older, whose libgomp cannot end its threads.
OLD_OPENMP = """
        real = _fork_hazards._parmap
        _fork_hazards._parmap = types.SimpleNamespace(
            fork_hazards=lambda threads_of_python: [("/lib/libgomp.so.1", "threads")], limit_libgomp=real.limit_libgomp)
"""


def test_an_old_openmp_has_one_thread_in_a_worker(openmp):
    program = openmp + OLD_OPENMP + """
        warnings.simplefilter("ignore")
        print(threads(0), parmap(usual, range(2), n_worker=1, timeout_sec=60), parmap(usual, [0], timeout_sec=60))
    """
    assert run(program) == "2 [1, 1] [1]\n"


# A library by the name of polars, whose thread has the name that those of polars have.
POLARS = """
    import ctypes, sys, threading, time, types, warnings
    from parmap import _fork_hazards, parmap
    named, end = threading.Event(), threading.Event()
    def pool():
        ctypes.CDLL(None).prctl(15, b"polars-0", 0, 0, 0)
        named.set()
        end.wait()
    def use_polars():
        sys.modules["polars"] = types.ModuleType("polars")
        threading.Thread(target=pool, daemon=True).start()
        named.wait()
    never = threading.Lock()
    never.acquire()
"""


def test_polars_is_told_by_a_warning_at_each_line_and_by_late_tasks():
    program = POLARS + """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        sys.modules["polars"] = types.ModuleType("polars")  # imported, and not in use
        parmap(abs, [1])
        print(len(said))
        use_polars()
        for k in range(2):
            parmap(abs, [1])
        results = parmap(lambda i: never.acquire(), [1], timeout_sec=0.2, on_error=lambda *failed: None)
    print(*(f"{each.category.__name__} {each.lineno} {each.message}" for each in said), sep="\\n")
    print(results.failures[0].exception)
    """
    none, first, second, late = run(program).splitlines()
    assert none == "0"
    for said in (first, second):
        assert "RuntimeWarning" in said and "has used polars: its threads" in said and "start='spawn'" in said
    assert int(first.split()[1]) + 1 == int(second.split()[1])
    assert late == "ran longer than timeout_sec=0.2; polars was used before the fork: try start='spawn'"


def test_a_map_in_which_every_worker_waits_for_a_lock_says_so_once():
    """Only in a caller with such a library, and only if no task ends."""
    program = POLARS + """
    _fork_hazards.StallWatch.patience = 0.5
    def waits(i):
        never.acquire()
    def sleeps(i):
        time.sleep(1.5)
    def stalls(act):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            parmap(act, range(2), n_worker=2, timeout_sec=2, on_error=lambda *failed: None)
        return [str(each.message) for each in said if "no task has ended" in str(each.message)]
    print(stalls(waits))
    use_polars()
    print(stalls(sleeps))
    print(*stalls(waits), sep="\\n")
    """
    without, asleep, stalled = run(program).splitlines()
    assert (without, asleep) == ("[]", "[]")
    assert "each worker waits for a lock" in stalled and "polars was used before the fork: try start='spawn'" in stalled
