# SPDX-License-Identifier: MIT
"""parmap as a backend of joblib. test_joblib_of_joblib.py runs joblib's own tests; test_libraries.py has those with scikit-learn."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import pytest

import parmap
from helpers import run

joblib = pytest.importorskip("joblib")
from joblib import Parallel, delayed  # noqa: E402

parmap.joblib.register()


@pytest.fixture(autouse=True)
def exceptions_are_freed():
    """Their frames keep a Parallel and its workers."""
    yield
    gc.collect()
    for each in list(parmap._pool._alive):
        if each.thread is not None:
            each.thread.join(10)


BACKEND = joblib.parallel.BACKENDS["parmap"]


def on_two(**options):
    return Parallel(n_jobs=2, backend="parmap", **options)


def sqr(x):
    return x * x


def kill(x):
    if x == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    return x


def test_importing_parmap_does_not_import_joblib():
    run("import parmap, sys; assert 'joblib' not in sys.modules; parmap.joblib; assert 'joblib' not in sys.modules")


def test_registers_without_an_import_of_its_own():
    program = """
        import joblib, parmap
        parmap.joblib.register(make_default=True)
        print(joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(-x) for x in range(3)), type(joblib.Parallel()._backend).__name__)
    """
    assert run(program) == "[0, 1, 2] ParmapBackend\n"


def test_runs_in_workers():
    assert on_two()(delayed(sqr)(x) for x in range(100)) == [x * x for x in range(100)]
    pids = set(on_two(batch_size=1)(delayed(os.getpid)() for _ in range(20)))
    assert os.getpid() not in pids and len(pids) <= 2
    assert on_two()(delayed(sqr)(x) for x in ()) == []


def test_all_cores_unless_n_jobs_says_otherwise():
    assert Parallel(backend="parmap")._effective_n_jobs() == joblib.cpu_count()
    assert Parallel(backend="parmap", n_jobs=3)._effective_n_jobs() == 3
    assert Parallel(backend="parmap", n_jobs=-1)._effective_n_jobs() == joblib.cpu_count()
    with pytest.raises(ValueError, match="n_jobs == 0"):
        Parallel(backend="parmap", n_jobs=0)(delayed(sqr)(x) for x in range(3))


def test_lambdas_and_closures_travel_as_they_are_now():
    with joblib.parallel_config(backend="parmap", n_jobs=2):
        for step in range(3):
            assert Parallel()(delayed(lambda x: x + step)(x) for x in range(5)) == [x + step for x in range(5)]


@pytest.mark.parametrize("return_as", ["generator", "generator_unordered"])
def test_generators(return_as):
    results = on_two(return_as=return_as)(delayed(sqr)(x) for x in range(300))
    assert next(results) in {x * x for x in range(300)}
    assert len(list(results)) == 299


def test_an_unordered_generator_gives_what_is_ready(tmp_path):
    def wait(x):
        while x == 0 and not (tmp_path / "go").exists():
            time.sleep(0.01)
        return x

    results = on_two(return_as="generator_unordered", batch_size=1)(delayed(wait)(x) for x in range(10))
    assert sorted(next(results) for _ in range(9)) == list(range(1, 10))
    (tmp_path / "go").touch()
    assert list(results) == [0]


def test_a_generator_that_is_left_ends_its_tasks():
    with joblib.parallel_config(backend="parmap", n_jobs=2):
        results = Parallel(return_as="generator", batch_size=1)(delayed(time.sleep)(0 if x == 0 else 1000) for x in range(10))
        assert next(results) is None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joblib tells that tasks have been cancelled
            del results
        assert Parallel()(delayed(sqr)(x) for x in range(3)) == [0, 1, 4]


def test_an_exception_has_the_traceback_of_the_worker():
    with pytest.raises(ZeroDivisionError) as raised:
        on_two()(delayed(divmod)(1, x) for x in range(3))
    assert "in run_batch" in str(raised.value.__cause__)


def test_what_cannot_be_pickled_raises():
    with pytest.raises(TypeError, match="pickle"):
        on_two()(delayed(len)(threading.Lock()) for x in range(1000))


def test_a_crash_ends_its_call_alone():
    with joblib.parallel_config(backend="parmap", n_jobs=2):
        for _ in range(3):
            with pytest.raises(parmap.WorkerDied, match="SIGSEGV.*this ended joblib's call") as raised:
                Parallel()(delayed(kill)(x) for x in range(10))
            assert raised.value.signal == signal.SIGSEGV
            assert Parallel()(delayed(sqr)(x) for x in range(10)) == [x * x for x in range(10)]
    with pytest.raises(parmap.WorkerDied, match="one of a batch of 5"):
        on_two(batch_size=5, pre_dispatch="all")(delayed(kill)(x) for x in range(10))


def test_a_crash_ends_one_generator_and_not_the_other():
    with joblib.parallel_config(backend="parmap", n_jobs=2):
        good = Parallel(return_as="generator", batch_size=1)(delayed(sqr)(x) for x in range(100))
        assert next(good) == 0
        bad = Parallel(return_as="generator", batch_size=1)(delayed(kill)(x) for x in range(100))
        with pytest.raises(parmap.WorkerDied):
            list(bad)
        assert list(good) == [x * x for x in range(1, 100)]


def test_a_timeout_of_joblib():
    with pytest.raises(multiprocessing.TimeoutError):
        on_two(timeout=0.3)(delayed(time.sleep)(1000) for _ in range(2))
    with pytest.raises(TimeoutError, match="mine"):
        on_two(timeout=60)(delayed(raise_timeout)() for _ in range(2))


def raise_timeout():
    raise TimeoutError("mine")


def test_options_go_to_the_executor():
    with pytest.raises(parmap.TaskTimeout, match="timeout_sec=0.3; this ended joblib's call"):
        on_two(timeout_sec=0.3)(delayed(time.sleep)(1000) for _ in range(2))
    with joblib.parallel_config(backend="parmap", n_jobs=2, memory_limit="300MB"), pytest.raises(MemoryError):
        Parallel()(delayed(bytearray)(10**9) for _ in range(2))
    with pytest.raises(TypeError, match="nosuch"):
        on_two(nosuch=1)(delayed(sqr)(x) for x in range(2))
    named = dict(initializer=os.putenv, initargs=("PARMAP_TEST", "set"))
    assert on_two(**named)(delayed(os.system)('test "$PARMAP_TEST" = set') for _ in range(2)) == [0, 0]


def workers_of(parallel, tasks=20):
    return set(parallel(delayed(os.getpid)() for _ in range(tasks)))


def test_workers_stay_as_long_as_the_context():
    with joblib.parallel_config(backend="parmap", n_jobs=2):
        assert len(set.union(*(workers_of(Parallel()) for _ in range(5)))) <= 2
        assert len(workers_of(Parallel(n_jobs=3), 300)) <= 3
    assert not parmap._pool._alive
    with on_two() as parallel:
        assert len(set.union(*(workers_of(parallel) for _ in range(5)))) <= 2
        with pytest.raises(ZeroDivisionError):
            parallel(delayed(divmod)(1, x) for x in range(3))
        assert parallel(delayed(sqr)(x) for x in range(3)) == [0, 1, 4]
    assert not parmap._pool._alive
    on_two()(delayed(sqr)(x) for x in range(3))
    assert not parmap._pool._alive


def test_several_threads_share_a_context():
    answers = []
    with joblib.parallel_config(backend="parmap", n_jobs=2) as config:
        backend = config["backend"]

        def use(first):
            xs = range(first, first + 50)
            answers.append(Parallel(backend=backend, n_jobs=2)(delayed(sqr)(x) for x in xs) == [x * x for x in xs])

        threads = [threading.Thread(target=use, args=(k,)) for k in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    del config, backend, use, threads
    assert answers == [True] * 4


def test_a_parallel_in_a_task_stays_within_the_cores_of_its_worker():
    def nested(_):
        inner = Parallel(n_jobs=8)(delayed(threading.get_ident)() for _ in range(20))
        named = set(Parallel(n_jobs=8, backend="parmap")(delayed(os.getpid)() for _ in range(20)))
        return len(set(inner)), named == {os.getpid()}, joblib.cpu_count()

    cores = joblib.cpu_count()
    for threads, is_here, seen in Parallel(n_jobs=cores + 1, backend="parmap")(delayed(nested)(x) for x in range(4)):
        assert (threads, is_here, seen) == (1, True, 1)


def test_joblib_in_a_task_of_parmap_uses_its_share_of_the_cores():
    def seen(_):
        return joblib.cpu_count(), joblib.effective_n_jobs(-1)

    cores = parmap._parmap.usable_cores()
    assert parmap.parmap(seen, range(3), n_worker=cores) == [(1, 1)] * 3


def test_threads_of_blas():
    def limits(_):
        return os.environ["OMP_NUM_THREADS"], os.environ["NUMEXPR_NUM_THREADS"]

    with joblib.parallel_config(backend="parmap", n_jobs=2, inner_max_num_threads=3):
        assert Parallel()(delayed(limits)(x) for x in range(2)) == [("3", "3")] * 2


def test_large_arrays_are_copied_once(monkeypatch):
    np = pytest.importorskip("numpy")
    from parmap import _joblib_batches

    made = []

    class Counted(_joblib_batches.SharedArray):
        def __init__(self, array):
            made.append(array.shape)
            super().__init__(array)

    monkeypatch.setattr(_joblib_batches, "SharedArray", Counted)
    x = np.arange(1_000_000.0).reshape(1000, 1000)

    def use(x, k):
        return float(x[k, 0]), x.flags.writeable, x.flags.f_contiguous

    descriptors = len(os.listdir("/proc/self/fd"))
    with joblib.parallel_config(backend="parmap", n_jobs=2):
        assert Parallel()(delayed(use)(x, k) for k in range(50)) == [(1000.0 * k, False, False) for k in range(50)]
        assert len(made) == 1
        x[:] = 1  # the next call has it as it is then
        assert Parallel()(delayed(use)(x.T, 0) for k in range(5)) == [(1.0, False, True)] * 5
        assert Parallel(mmap_mode="c")(delayed(use)(x, 0) for k in range(5)) == [(1.0, True, False)] * 5
        assert Parallel(max_nbytes=None)(delayed(use)(x, 0) for k in range(5)) == [(1.0, True, False)] * 5
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_arrays_that_end_with_their_task_are_freed():
    np = pytest.importorskip("numpy")

    caller = os.getpid()

    def of_caller(x):
        return len(os.listdir(f"/proc/{caller}/fd"))

    open_then = on_two(batch_size=1)(delayed(of_caller)(np.zeros(200_000)) for _ in range(200))
    assert max(open_then) < min(open_then) + 20
    open_then = on_two(batch_size=100)(delayed(of_caller)(np.zeros(200_000)) for _ in range(200))
    assert max(open_then) < min(open_then) + 100


def test_a_memory_map_is_mapped_in_the_worker(tmp_path):
    np = pytest.importorskip("numpy")
    output = np.memmap(tmp_path / "output", dtype=float, shape=10, mode="w+")

    def write(output, k):
        output[k] = k

    on_two()(delayed(write)(output, k) for k in range(10))
    assert output.tolist() == list(range(10))


def test_the_clock_makes_batches_of_cheap_tasks_and_none_of_dear_ones():
    from parmap._joblib_running import Clock

    clock = Clock()
    assert clock.tasks == 1
    for _ in range(20):
        clock.note(clock.tasks, 1e-5 * clock.tasks)
    assert 300 <= clock.tasks <= 500
    clock.note(clock.tasks, 1.0)
    assert clock.tasks <= 10
    clock.note(1, 1.0)
    assert clock.tasks == 1
    clock.reset()
    assert clock.tasks == 1


def test_a_second_name_of_submit():
    """joblib before 1.5 calls apply_async, and before 1.3 get() of what that returns."""
    assert BACKEND.apply_async is BACKEND.submit


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="joblib 1.2 does not work there")
def test_the_oldest_joblib(tmp_path):
    """Debian 12 has it. Installed only if an index can be reached."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "0", "--no-deps", "--target", tmp_path, "joblib==1.2.0"]
    if subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("joblib 1.2 cannot be had")
    program = """
        import os, sys, joblib, parmap
        from joblib import Parallel, delayed
        parmap.joblib.register()
        def die(x):
            if x == 3: os._exit(7)
            return x
        def nested(x):
            return Parallel(n_jobs=4)(delayed(abs)(-y) for y in range(x))
        print(joblib.__version__, Parallel(n_jobs=2, backend="parmap")(delayed(abs)(-x) for x in range(1000)) == list(range(1000)))
        with joblib.parallel_backend("parmap", n_jobs=2):
            print(Parallel()(delayed(nested)(x) for x in range(4)))
            for bad in (die, lambda x: x / (x - 3), lambda x: open(os.devnull)):
                try:
                    Parallel()(delayed(bad)(x) for x in range(1000))
                except Exception as error:
                    print(type(error).__name__, error)
            try:
                Parallel()(delayed(len)(sys.stdin) for x in range(5000))
            except Exception as error:
                print(type(error).__name__)
            try:
                Parallel(timeout=0.3)(delayed(__import__("time").sleep)(100) for x in range(2))
            except Exception as error:
                print(type(error).__name__)
        with Parallel(n_jobs=2, backend="parmap") as parallel:
            print([parallel(delayed(abs)(-x) for x in range(3)) for _ in range(3)])
    """
    lines = run(program, arguments=("-W", "ignore"), env={**os.environ, "PYTHONPATH": str(tmp_path)}).splitlines()
    assert lines[:2] == ["1.2.0 True", "[[], [0], [0, 1], [0, 1, 2]]"]
    assert lines[2].startswith("WorkerDied its worker exited with status 7")
    assert lines[3:] == [
        "ZeroDivisionError division by zero",
        lines[4],
        "PicklingError",
        "TimeoutError",
        "[[0, 1, 2], [0, 1, 2], [0, 1, 2]]",
    ]
    assert lines[4].startswith("UnpicklableResult")
