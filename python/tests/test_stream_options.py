# SPDX-License-Identifier: MIT
"""The options of stream, imap and imap_unordered, and what they refuse; limits of time."""

import io
import itertools
import os
import threading
import time

import pytest

import parmap as package
from helpers_of_streams import fail_at_3, square
from parmap import context, imap, imap_unordered, stream

pytestmark = pytest.mark.timeout(60)


def test_retries(skipping, tmp_path):
    def task(i):
        attempt = context().attempt
        if i % 5 == 0 and attempt < 3:
            raise ValueError(i)
        return attempt

    outcomes = list(stream(task, range(20), engine=skipping, ordered=True, retries=2, retry_delay_sec=0.001))
    assert [each.value for each in outcomes] == [3, 1, 1, 1, 1] * 4
    assert [each.attempts for each in outcomes] == [3, 1, 1, 1, 1] * 4
    lazy = stream(fail_at_3, iter(range(6)), engine=skipping, ordered=True, retries=4, retry_if=lambda why: why.attempts < 2)
    assert [each.attempts for each in lazy] == [1, 1, 1, 2, 1, 1]
    asked = stream(fail_at_3, iter(range(6)), engine=skipping, ordered=True, retries=4, retry_if=lambda why: why.task != (3,))
    assert [each.attempts for each in asked] == [1] * 6


def test_a_retry_if_that_raises_ends_the_stream(skipping):
    with pytest.raises(KeyError, match="not asked for"):
        list(stream(fail_at_3, range(6), engine=skipping, retries=1, retry_if=lambda why: {}["not asked for"]))


def test_max_failures_and_stop(skipping):
    it = stream(square, ["x"] * 100, engine=skipping, ordered=True, max_failures=2, window=4)
    kinds = [each.failure.kind for each in it]
    assert len(kinds) == 100 and 2 <= kinds.count("threw") <= 7 and kinds[-1] == "stopped"
    assert it.summary().count("stopped") == 100 - kinds.count("threw")

    event = threading.Event()
    it = stream(square, itertools.count(), engine=skipping, stop=event, window=8)
    next(it)
    event.set()
    rest = list(it)
    assert len(rest) < 10_000 and all(each or each.failure.kind == "stopped" for each in rest)


def test_the_deadline(skipping):
    it = stream(square, itertools.count(), engine=skipping, deadline_sec=0.3)
    outcomes = [0, 0]
    for each in it:
        outcomes[bool(each)] += 1
    assert outcomes[1] > 0, "it has ended by itself"


def test_what_streams_refuse():
    with pytest.raises(ValueError, match="streams need start='fork'"):
        stream(square, [1], start="spawn")
    with pytest.raises(ValueError, match="parmap.astream"):
        stream(square, [1], engine="async")
    with pytest.raises(ValueError, match="window"):
        stream(square, [1], window=-1)
    with pytest.raises(TypeError, match="buffersize is another name"):
        imap(square, [1], buffersize=3, window=3)
    with pytest.raises(TypeError, match="ordered"):
        imap(square, [1], ordered=False)
    with pytest.raises(TypeError, match="here that is n_worker"):
        imap_unordered(square, [1], processes=3)
    with pytest.raises(TypeError, match="leave it out"):
        stream(square, [1], chunksize=3)
    with pytest.raises(TypeError, match="must be iterable"):
        stream(square, 1)
    with pytest.raises(TypeError, match="at least one iterable"):
        stream(square)
    with pytest.raises(ValueError, match="no memory_limit"):
        stream(square, [1], engine="threads", memory_limit=10**9)

def test_init_finish_and_max_tasks(tmp_path):
    def log(word):
        with open(tmp_path / "log", "a") as file:
            file.write(f"{word} {os.getpid()}\n")

    pids = set(imap(lambda i: os.getpid(), range(20), n_worker=2, max_tasks=5, init=lambda: log("init"), finish=lambda: log("finish")))
    assert len(pids) >= 4
    words = (tmp_path / "log").read_text().split()[::2]
    assert words.count("init") == words.count("finish") >= 4


def test_finish_under_threads_and_serial():
    ended = []
    assert list(imap(square, range(3), engine="threads", finish=lambda: ended.append(1), n_worker=2)) == [0, 1, 4]
    assert 1 <= len(ended) <= 2
    assert list(imap(square, range(3), engine="serial", finish=lambda: ended.append("serial"))) == [0, 1, 4]
    it = imap(square, range(3), engine="serial", finish=lambda: ended.append("closed"))
    next(it)
    it.close()
    assert ended[-2:] == ["serial", "closed"]


def test_memory_limit():
    def task(i):
        return len(bytearray(300 << 20)) if i == 1 else i

    outcomes = list(stream(task, range(3), memory_limit="100MiB", ordered=True))
    assert [bool(each) for each in outcomes] == [True, False, True] and outcomes[1].failure.kind == "out_of_memory"


def test_an_override_holds(monkeypatch):
    with package.override(engine="serial"):
        assert list(imap(lambda i: os.getpid(), range(2))) == [os.getpid()] * 2


def test_progress(engine):
    calls = []
    assert len(list(stream(square, range(300), engine=engine, reporter=lambda i, n: calls.append((i, n))))) == 300
    assert calls[-1] == (299, 300)
    calls.clear()
    assert len(list(stream(square, iter(range(300)), engine=engine, reporter=lambda i, n: calls.append((i, n))))) == 300
    assert calls[-1] == (299, 300)
    with pytest.raises(KeyError):
        list(stream(square, range(300), engine=engine, reporter=lambda i, n: {}[i]))


def test_a_bar_of_an_unknown_total(engine):
    tqdm = pytest.importorskip("tqdm").tqdm
    made = []

    class Bar(tqdm):
        def __init__(self, *given, **options):
            made.append(self)
            super().__init__(*given, **{**options, "file": io.StringIO()})

    list(stream(square, iter(range(300)), engine=engine, reporter=Bar))
    assert made[0].n == 300 and made[0].disable


# ---- limits


def test_a_late_task_is_killed_while_the_loop_does_something_else(tmp_path):
    begun = tmp_path / "begun"

    def task(i):
        if i == 0:
            begun.write_text(str(os.getpid()))
            time.sleep(3600)
        return i

    it = stream(task, range(3), n_worker=2, timeout_sec=0.5)
    first = next(it)
    assert first
    while True:  # the caller reads nothing
        try:
            os.kill(int(begun.read_text()), 0)
        except (FileNotFoundError, ValueError):
            pass
        except ProcessLookupError:
            break
    rest = list(it)
    assert [each.index for each in rest if not each] == [0]
    assert type(next(each for each in rest if not each).failure.exception) is package.TaskTimeout


def test_a_late_task_of_threads():
    def task(i):
        while i == 1:
            pass
        return i

    outcomes = list(stream(task, range(3), engine="threads", timeout_sec=0.2, ordered=True))
    assert [each.failure.kind if not each else each.value for each in outcomes] == [0, "timed_out", 2]


def test_next_with_a_timeout(skipping):
    go = threading.Event()
    if skipping == "threads":
        it = imap(lambda i: go.wait(50), [1], engine="threads")
        with pytest.raises(TimeoutError, match="in time"):
            it.next(0.05)
        with pytest.raises(TimeoutError):
            it.next(timeout=0)
        go.set()
        assert it.next(30) is True
    else:
        read, write = os.pipe()
        with open(read, "rb"), open(write, "wb", buffering=0) as end:
            it = imap(lambda i: os.read(read, 1), [1])
            with pytest.raises(TimeoutError, match="in time"):
                it.next(0.05)
            end.write(b"x")
            assert it.next(30) == b"x"
    with pytest.raises(ValueError, match="timeout"):
        it.next(-1)
    with pytest.raises(StopIteration):
        it.next(30)
