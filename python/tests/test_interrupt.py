# SPDX-License-Identifier: MIT
"""Ctrl-C at any moment, and the death of the caller: nobody is left, nothing is said. Where results could be lost: test_held_interrupt.py."""

import fcntl
import os
import pty
import random
import select
import signal
import subprocess
import sys
import termios
import textwrap
import time

import pytest

# Says "ready" as its workers begin, and then what it was given. Every process it makes holds `held`.
PROGRAM = """
    import os, sys, time
    import parmap as package
    from parmap import parmap

    def spin(i):
        until = time.monotonic() + 0.004
        while time.monotonic() < until: pass
        return i

    def sleep(i):
        time.sleep(0.003 if i < 20 else 1.5)
        return i

    def nested(i):
        parmap(spin, range(5), engine=inner)
        return i

    n, engine, inner = 3000, {engine!r}, {inner!r}
    parmap(abs, range(10), engine=engine)
    try:
        parmap({act}, range(n), engine=engine, n_worker=4, init=lambda: os.write(1, b"ready "))
    except KeyboardInterrupt as error:
        results = error.results
        assert len(results) == n
        failed = {{each.index for each in results.failures}}
        assert len(failed) == len(results.failures)
        for i, value in enumerate(results):
            assert value == (None if i in failed else i), (i, value)
        kinds = {{each.kind for each in results.failures}}
        assert kinds <= {{"stopped", "threw"}}, kinds
        done = n - len(failed)
        os.write(1, b"done %d;" % done)
        assert parmap(abs, [-1, 1], engine=engine) == [1, 1]
        os.write(1, b"after")
    else:
        os.write(1, b"not interrupted")
"""


class Program:
    """A Python program that leads a terminal of its own, and whose every process holds a pipe."""

    def __init__(self, text):
        self.terminal, inside = pty.openpty()
        self.held, held = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(text)],
            stdin=inside,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[held],
            start_new_session=True,
            preexec_fn=self._sit_at_terminal,
        )
        os.close(inside)
        os.close(held)

    @staticmethod
    def _sit_at_terminal():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # which a shell's background job, as a test run may be, has ignored

    def until_ready(self):
        """It may say so from several workers, or again."""
        assert os.read(self.process.stdout.fileno(), 6) == b"ready "

    def press_ctrl_c(self):
        os.write(self.terminal, b"\x03")

    def end(self):
        """Its stdout and stderr, once it has ended and nobody holds the pipe."""
        out, said = self.process.communicate(timeout=60)
        assert self.nobody_is_left(10)
        return out.decode().replace("ready ", ""), said.decode()

    def nobody_is_left(self, seconds):
        return bool(select.select([self.held], [], [], seconds)[0])

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        os.close(self.terminal)
        os.close(self.held)


@pytest.fixture
def program():
    made = []

    def start(text):
        made.append(Program(text))
        return made[-1]

    yield start
    for each in made:
        each.close()


SCENES = [
    ("serial", "spin", "serial"),
    ("serial", "sleep", "serial"),
    ("threads", "spin", "serial"),
    ("threads", "sleep", "serial"),
    ("threads", "nested", "threads"),
    ("threads", "nested", "multi"),
    ("multi", "spin", "serial"),
    ("multi", "sleep", "serial"),
    ("multi", "nested", "threads"),
    ("multi", "nested", "multi"),
]


@pytest.mark.parametrize(("engine", "act", "inner"), SCENES)
@pytest.mark.parametrize("seed", range(3))
def test_ctrl_c_at_a_random_moment(program, engine, act, inner, seed):
    # Any moment from the first worker's birth on is meant, so this sleep stands for no state.
    wait = random.Random(f"{engine} {act} {inner} {seed}").uniform(0, 0.4)
    print(f"after {wait:.3f} s")
    it = program(PROGRAM.format(engine=engine, act=act, inner=inner))
    it.until_ready()
    time.sleep(wait)
    it.press_ctrl_c()
    out, said = it.end()
    assert said == ""
    assert it.process.returncode == 0
    assert out.startswith("done ") and out.endswith(";after")


def test_ctrl_c_twice(program):
    it = program(PROGRAM.format(engine="multi", act="sleep", inner="serial"))
    it.until_ready()
    it.press_ctrl_c()
    it.press_ctrl_c()
    out, said = it.end()
    assert "Error" not in said or "KeyboardInterrupt" in said
    assert it.process.returncode is not None


def test_a_handler_of_the_callers_own_goes_on(program, engine):
    it = program(
        f"""
        import os, signal, time
        from parmap import parmap
        count = []
        reading, writing = os.pipe()

        def handler(number, frame):
            count.append(number)
            os.write(writing, bytes(20))

        def task(i):
            os.write(1, b"ready ")
            os.read(reading, 1)
            return i

        signal.signal(signal.SIGINT, handler)
        found = parmap(task, range(20), engine="{engine}", n_worker=2)
        print(found == list(range(20)), count, signal.getsignal(signal.SIGINT) is handler)
        """
    )
    it.until_ready()
    it.press_ctrl_c()
    assert it.end() == ("True [2] True\n", "")


def test_threads_asleep_in_c_are_left_and_the_program_can_end(program):
    """Also where they wake about when it ends: at any moment, for which the shorter sleeps stand."""
    for seconds in (0.4, 3, 3600):
        it = program(
            f"""
            import os, time
            from parmap import parmap
            try:
                parmap(lambda i: os.write(1, b"ready ") and time.sleep({seconds}), range(8), engine="threads", n_worker=4)
            except KeyboardInterrupt as error:
                os.write(1, b"%d" % len(error.results.failures))
            """
        )
        it.until_ready()
        it.press_ctrl_c()
        out, said = it.end()
        assert (out, said, it.process.returncode) == ("8", "", 0)


def test_a_caller_in_a_thread_does_not_hear_ctrl_c(program, engine):
    it = program(
        f"""
        import os, threading, time
        from parmap import parmap
        found = []
        reading, writing = os.pipe()
        waits, ended = threading.Event(), threading.Event()  # not join(), which believes in no second try before 3.13

        def wait():
            while not ended.wait(0.1):  # a signal that comes just before it sleeps does not wake it
                pass

        def task(i):
            os.write(1, b"ready ")
            os.read(reading, 1)
            return i

        def act():
            waits.wait()
            found.append(parmap(task, range(20), engine="{engine}", n_worker=2))
            ended.set()

        threading.Thread(target=act).start()
        try:
            waits.set()
            wait()
        except KeyboardInterrupt:
            os.write(1, b"heard ")
            os.write(writing, bytes(20))
            wait()
        print(found == [list(range(20))])
        """
    )
    it.until_ready()
    it.press_ctrl_c()
    assert it.end() == ("heard True\n", "")


@pytest.mark.parametrize("inner", ["serial", "multi"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_callers_death_ends_its_workers(program, inner, number):
    it = program(
        f"""
        import os, time
        from parmap import parmap
        asleep = lambda j: os.write(1, b"ready ") and time.sleep(60)
        inside = lambda i: parmap(asleep, range(2), engine="{inner}", n_worker=2)
        parmap(inside, range(4), n_worker=2)
        """
    )
    it.until_ready()
    assert not it.nobody_is_left(0)
    it.process.send_signal(number)
    assert it.nobody_is_left(20)


@pytest.mark.parametrize("inner", ["serial", "multi"])
def test_ctrl_c_ends_workers_who_block_signals(program, inner):
    it = program(
        f"""
        import os, signal, time
        from parmap import parmap
        def act(i):
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
            parmap(lambda j: os.write(1, b"ready ") and time.sleep(60), range(2), engine="{inner}", n_worker=2)
        try:
            parmap(act, range(2), n_worker=2)
        except KeyboardInterrupt as error:
            print(len(error.results.failures))
        """
    )
    it.until_ready()
    it.press_ctrl_c()
    assert it.end() == ("2\n", "")
