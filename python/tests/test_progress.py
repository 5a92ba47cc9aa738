# SPDX-License-Identifier: MIT
"""Who shows how far a map is, and when nothing is shown."""

import asyncio
import fcntl
import functools
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import textwrap
import threading
import time
import warnings

import pytest
from tqdm import tqdm

from helpers import quiet, run
from parmap import _progress, parmap

SLOW = """
    import time
    from parmap import parmap
    parmap(lambda i: time.sleep(0.1) or i, range(8), n_worker=1, engine="{engine}", reporter={reporter!r})
"""


def on_a_terminal(program, stdout=None):
    """What a program writes to stderr if that is a terminal; with a pipe as stdout, what it writes to either."""
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))  # a bar needs some width
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stderr=inside, stdin=subprocess.DEVNULL,
                             stdout=stdout, text=True)
    os.close(inside)
    said = b""
    try:
        while True:
            more = os.read(terminal, 65536)
            if not more:
                break
            said += more
    except OSError:  # EIO: nobody holds the other end
        pass
    os.close(terminal)
    out, _ = child.communicate(timeout=30)
    assert child.returncode == 0, said
    return said.decode() if stdout is None else (out, said.decode())


def run_for_stderr(program):
    """What a program writes to stderr if that is a pipe."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0 and done.stdout == "", done
    return done.stderr


def test_a_bar_on_a_terminal(engine):
    said = on_a_terminal(SLOW.format(engine=engine, reporter=None))
    assert "8/8" in said and "100%" in said


@pytest.mark.parametrize("took, bar", [(0.4, False), (0.6, True)])
def test_no_bar_for_a_map_of_less_than_half_a_second(engine, took, bar):
    """By a clock of the test's own, in place of the reporter's."""
    program = f"""
        import itertools, types
        from parmap import _progress, parmap
        looks = itertools.count()
        _progress.time = types.SimpleNamespace(monotonic=lambda: {took} if next(looks) else 0.0)
        parmap(abs, range(1000), engine="{engine}")
    """
    said = on_a_terminal(program)
    assert "1000/1000" in said if bar else said == ""


def test_no_bar_of_a_map_in_a_task(engine):
    said = on_a_terminal(
        f"""
        import time
        from parmap import parmap
        inner = lambda i: parmap(lambda i: time.sleep(0.1), range(7), n_worker=1)
        parmap(inner, [0], engine="{engine}", reporter="silent")
        """
    )
    assert said == ""


@pytest.mark.parametrize("reporter", [None, "silent", "none"])
def test_nothing_on_a_pipe(engine, reporter):
    assert run(SLOW.format(engine=engine, reporter=reporter)) == ""


@pytest.mark.parametrize("reporter", ["silent", "none"])
def test_silent_on_a_terminal(reporter):
    assert on_a_terminal(SLOW.format(engine="multi", reporter=reporter)) == ""


def test_bar_and_text_anywhere(engine, capsys):
    parmap(abs, range(10), reporter="bar", engine=engine)
    said = capsys.readouterr()
    assert "10/10" in said.err and said.out == ""
    parmap(abs, range(10), reporter="text", engine=engine)
    said = capsys.readouterr()
    assert "10/10" in said.err and said.err.count("\n") == 1 and said.out == ""


@pytest.mark.parametrize("reporter", ["bar", "text", None])
def test_without_a_stderr(engine, reporter, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    assert parmap(abs, [1, -1], reporter=reporter, engine=engine) == [1, 1]
    assert capsys.readouterr().out == ""


UNENFORCED = [
    "parmap: the engine serial does not enforce timeout_sec; use threads or multi",
    "parmap: the engine serial does not enforce memory_limit; use multi",
]
LIMITED = """
    import time
    from parmap import parmap
    for reporter in ({reporters}):
        for i in range(2):
            parmap(lambda i: time.sleep({seconds}), range(8), engine="serial", timeout_sec=5, memory_limit=2**40, n_worker=4, reporter=reporter)
"""


@pytest.mark.parametrize("reporters", ["'text', 'bar'", "'bar', 'text'"])
def test_what_serial_does_not_enforce_is_said_once(reporters):
    said = run_for_stderr(LIMITED.format(reporters=reporters, seconds=0))
    assert said.splitlines()[:2] == UNENFORCED
    assert said.count("does not enforce") == 2 and "8/8" in said


def test_what_serial_does_not_enforce_is_said_on_a_terminal():
    """Before the first task: it may be the one that hangs."""
    said = on_a_terminal(LIMITED.format(reporters="None,", seconds=0.1))
    assert said.splitlines()[:2] == UNENFORCED
    assert said.count("does not enforce") == 2 and "8/8" in said


@pytest.mark.parametrize("reporters", ["None,", "'silent', 'none'", "print, lambda i, n: None", "Quiet,"])
def test_what_serial_does_not_enforce_is_not_said_by_others(reporters):
    quiet_class = """
    import io
    from tqdm import tqdm
    class Quiet(tqdm):
        def __init__(self, **options):
            super().__init__(file=io.StringIO(), **options)
    """
    run(quiet_class + LIMITED.format(reporters=reporters, seconds=0))  # with nothing on stderr


@pytest.mark.parametrize("options", ["", "timeout_sec=1e12", "n_worker=3, start='spawn', retries=2, on_error='raise'"])
def test_serial_says_nothing_of_what_is_no_limit(options):
    said = run_for_stderr(f"from parmap import parmap; parmap(abs, [1], engine='serial', reporter='text', {options})")
    assert len(said.splitlines()) == 1 and "1/1" in said


def test_other_engines_enforce_what_they_take():
    said = run_for_stderr("from parmap import parmap; parmap(abs, [1], reporter='text', timeout_sec=9, memory_limit=2**40)")
    assert len(said.splitlines()) == 1 and "1/1" in said


def test_a_class_like_tqdm(engine):
    made = []

    class Mine(tqdm):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options, file=io.StringIO())
            made.append(self)

        def close(self):
            super().close()
            self.closed = True

    parmap(abs, range(30), reporter=Mine, engine=engine)
    assert len(made) == 1 and made[0].n == made[0].total == 30 and made[0].closed


def test_a_callable(engine):
    said = []
    parmap(
        lambda i: time.sleep(0.05),
        range(12),
        n_worker=2,
        engine=engine,
        reporter=lambda i, n: said.append((i, n, threading.get_ident())),
    )
    assert {(n, thread) for _, n, thread in said} == {(12, threading.get_ident())}
    counts = [i for i, _, _ in said]
    assert counts == sorted(set(counts)) and counts[0] >= 0 and counts[-1] == 11


def test_failed_tasks_have_ended_too(skipping):
    said = []
    quiet(lambda i: 1 // 0, range(12), engine=skipping, retries=1, reporter=lambda i, n: said.append(i))
    assert said[-1] == 11


def test_nothing_to_report_of_no_tasks(engine):
    said = []
    parmap(abs, [], engine=engine, reporter=lambda i, n: said.append(i))
    assert said == []


@pytest.mark.parametrize("kind", [LookupError, SystemExit, KeyboardInterrupt, StopIteration])
def test_what_a_reporter_raises_passes(engine, kind):
    begun = []

    def reporter(i, n):
        begun.append(i)
        raise kind("reporter")

    with pytest.raises(kind) as caught:
        parmap(lambda i: time.sleep(0.02), range(200), n_worker=2, engine=engine, reporter=reporter)
    assert caught.value.args == ("reporter",) and len(begun) == 1 and begun[0] < 199


def test_a_reporter_that_warns(engine):
    def reporter(i, n):
        warnings.warn("from the reporter", UserWarning, stacklevel=1)

    with pytest.warns(UserWarning, match="from the reporter"):
        assert parmap(abs, [-1, 1], engine=engine, reporter=reporter) == [1, 1]
    with warnings.catch_warnings(), pytest.raises(UserWarning):
        warnings.simplefilter("error")
        parmap(abs, [-1, 1], engine=engine, reporter=reporter)


def test_a_reporter_may_map(engine):
    said = []
    parmap(abs, range(3), engine=engine, reporter=lambda i, n: said.append(parmap(abs, [-1], engine=engine)))
    assert said and all(each == [1] for each in said)


def test_a_reporter_that_is_slow_costs_no_results(skipping):
    found = parmap(abs, range(1000), engine=skipping, n_worker=2, reporter=lambda i, n: time.sleep(0.2))
    assert found == list(range(1000))


def test_a_partial_of_a_class_and_a_label(engine):
    written = io.StringIO()
    parmap(abs, range(5), reporter=functools.partial(tqdm, file=written, desc="mine"), engine=engine)
    assert "mine: 100%" in written.getvalue() and "5/5" in written.getvalue()
    parmap(abs, range(5), reporter=functools.partial(tqdm, file=written, desc="mine"), label="label", engine=engine)
    assert "label: 100%" in written.getvalue()
    with pytest.raises(TypeError, match=r"give its class, or functools.partial\(tqdm"):
        parmap(abs, range(5), reporter=tqdm(total=5, file=io.StringIO()), engine=engine)
    with pytest.raises(TypeError, match="label must be a string"):
        parmap(abs, range(5), label=5, engine=engine)


def test_the_bar_tells_failures(skipping, capsys):
    quiet(lambda i: 1 // (i % 2), range(10), reporter="bar", label="sweep", engine=skipping)
    said = capsys.readouterr().err
    assert "5 failed" in said and "sweep: 100%" in said


class Clock:
    """In place of the reporters' clock and tqdm's."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


def test_a_bar_rests_while_nothing_changes(monkeypatch):
    """It is drawn again after ten seconds, a second on a terminal, so that its clock goes on."""
    clock, drawn = Clock(), []

    class Drawn(tqdm):
        def update(self, n=1):
            drawn.append((clock.now, n))
            super().update(n)

    monkeypatch.setattr(_progress, "time", clock)
    bar = _progress._Bar(functools.partial(Drawn, file=io.StringIO()), None)
    for look in range(301):
        clock.now = look / 10
        bar.show(0 if look < 55 else 1, 2, 0)
    bar.close()
    assert drawn == [(5.5, 1), (15.5, 0), (25.5, 0)]


def test_the_rate_of_a_bar_that_begins_late(monkeypatch):
    """It is that of the whole map, from the start."""
    clock = Clock()
    monkeypatch.setattr(_progress, "time", clock)
    written = io.StringIO()
    bar = _progress._Bar(functools.partial(tqdm, file=written, mininterval=0), None)
    clock.now = 2.0  # 200 tasks were done before the first look
    bar.show(200, 1000, 0)
    rates = [float(each) for each in re.findall(r"([\d.]+)it/s", written.getvalue())]
    bar.close()
    assert rates and all(80 < each < 101 for each in rates), written.getvalue()


@pytest.mark.parametrize("engine", ["threads", "multi", "async"])
def test_reporters_hear_which_task_lasts(engine, monkeypatch):
    heard = []
    monkeypatch.setattr(_progress._Bar, "show", lambda self, done, total, failed, longest=None: heard.append(longest))

    def task(i):
        threading.Event().wait(0.4 if i == 3 else 0)
        return i

    async def atask(i):
        await asyncio.sleep(0.4 if i == 3 else 0)
        return i

    assert parmap(atask if engine == "async" else task, range(5), engine=engine, n_worker=2, reporter="bar") == list(range(5))
    assert any(each is not None and each[0] == 3 and 0 < each[1] < 100 for each in heard), heard


def test_the_bar_tells_which_task_lasts_after_five_seconds(monkeypatch):
    clock, written = Clock(), io.StringIO()
    monkeypatch.setattr(_progress, "time", clock)
    bar = _progress._Bar(functools.partial(tqdm, file=written, mininterval=0), None)
    for now in range(0, 43):
        clock.now = float(now)
        bar.show(1, 20, 2, (18, float(now)))
    assert "2 failed, task 18: 40 s" in written.getvalue() and "task 18: 4 s" not in written.getvalue()
    bar.show(2, 20, 2, (18, 43.0))
    bar.close()
    assert "task 18" not in written.getvalue().splitlines()[-1].split("\r")[-1]
