# SPDX-License-Identifier: MIT
"""What a worker inherits and does not share: locks that it could leave locked, streams, stdin, random generators."""

import subprocess
import sys
import types

import pytest

from helpers import run
from parmap import _inherited

# A task draws bars, and ends its worker while it holds the lock of tqdm: such a lock is shared by all processes that were
# forked after it was made.
TQDM = """
    import os, sys, time
    from tqdm import tqdm
    from parmap import parmap
    class Mine(tqdm): pass
    Mine.set_lock(tqdm.get_lock())
    sys.stderr = open(os.devnull, "w")
    def task(i):
        if i == 1:
            bar.get_lock().acquire()
            {end}
        for _ in bar(range(3)):
            pass
        return i
    for bar in (tqdm, Mine):
        found = parmap(task, range(6), n_worker=2, timeout_sec={limit}, reporter={reporter}, on_error=lambda *failed: None)
        print(found, [each.kind for each in found.failures])
    with tqdm.get_lock(), Mine.get_lock():
        print("free")
"""


@pytest.mark.parametrize("reporter", ["'bar'", "tqdm", "Mine"])
@pytest.mark.parametrize(("end", "limit", "kind"), [("time.sleep(3600)", 0.5, "timed_out"), ("os._exit(1)", None, "exited")])
def test_a_worker_that_dies_while_it_draws(end, limit, kind, reporter):
    said = run(TQDM.format(end=end, limit=limit, reporter=reporter))
    assert said == 2 * f"[0, None, 2, 3, 4, 5] ['{kind}']\n" + "free\n"


@pytest.mark.parametrize("reporter", ["'bar'", "tqdm"])
def test_a_lock_that_tasks_were_given_does_not_hold_the_bar_up(reporter):
    """As tqdm's own documents tell users of pools to do."""
    program = f"""
        import multiprocessing, os, sys
        from tqdm import tqdm
        from parmap import parmap
        lock = multiprocessing.get_context("fork").RLock()
        tqdm.set_lock(lock)
        sys.stderr = open(os.devnull, "w")
        def task(i):
            if i == 0:
                tqdm.get_lock().acquire()
                os._exit(1)
            return i
        init = lambda: tqdm.set_lock(lock)
        print(parmap(task, range(3), n_worker=1, init=init, reporter={reporter}, on_error=lambda *failed: None))
    """
    assert run(program) == "[None, 1, 2]\n"


def test_files_of_logging_beside_a_thread_that_logs():
    """It holds the lock of the file's buffer without the GIL. Here it is held at each fork."""
    program = """
        import io, logging, os, sys, threading
        from parmap import parmap
        reader, writer = os.pipe()
        handler = logging.StreamHandler(io.TextIOWrapper(io.BufferedWriter(io.FileIO(writer, "w"))))
        logging.getLogger().addHandler(handler)
        fill = lambda: handler.stream.buffer.write(b"x" * 10_000_000)  # waits for a reader
        threading.Thread(target=fill, daemon=True).start()
        os.read(reader, 1)  # it waits now
        def task(i):
            os.dup2(os.open(os.devnull, os.O_WRONLY), writer)  # as the pipe is full
            logging.warning("task")
            return i
        print(parmap(task, range(1), timeout_sec=20), flush=True)
        os._exit(0)
    """
    assert run(program) == "[0]\n"


STDIN = """
    import subprocess, sys
    from parmap import parmap
    {before}
    def task(i):
        return subprocess.run(["cat"], stdout=subprocess.PIPE).stdout, sys.stdin.read(), sys.stdin.isatty()
    print(parmap(task, range(2), start="{start}"), repr(sys.stdin.read()))
"""


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize(("before", "rest"), [("", "one\ntwo\n"), ("sys.stdin.readline()", "two\n")])
def test_stdin_is_the_callers(start, before, rest):
    program = STDIN.format(before=before, start=start)
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(line[4:] for line in program.splitlines())], input="one\ntwo\n", text=True,
        stdout=subprocess.PIPE, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == f"[(b'', '', False), (b'', '', False)] {rest!r}\n"


def test_torch_draws_other_numbers(monkeypatch):
    """Its generator is copied by a fork; here by a stand-in, as torch is large."""
    seeds = []
    generator = types.SimpleNamespace(manual_seed=seeds.append)
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(default_generator=generator))
    for _ in range(3):
        _inherited.draw_other_numbers(1)
    assert len(set(seeds)) == 3 and all(0 <= each < 2**63 for each in seeds)
