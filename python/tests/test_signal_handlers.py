# SPDX-License-Identifier: MIT
"""What the caller's signal handlers raise, other than that of Ctrl-C, ends the map wherever it comes: nothing is lost."""

import signal
import subprocess

import pytest

from helpers import run
from parmap import parmap


def unpickles_by(act, i):
    """A result that acts in the caller, as it is unpickled."""

    class Result:
        def __reduce__(self):
            return act, (i,)

    return Result()


ALARM = """
    import signal, sys, threading
    import parmap as package
    from parmap import parmap
    class Alarm({kind}): pass
    def handler(number, frame):
        raise Alarm("of the handler")
    signal.signal(signal.SIGALRM, handler)
"""


@pytest.mark.parametrize("kind", ["Exception", "OSError", "BaseException"])
def test_what_a_handler_raises_in_the_flush_before_a_fork(kind):
    program = ALARM.format(kind=kind) + """
    class Stream:
        def __init__(self): self.flushes = 0
        def write(self, text): return len(text)
        def flush(self):
            self.flushes += 1
            if self.flushes == 1:
                signal.raise_signal(signal.SIGALRM)
    real, sys.stdout = sys.stdout, Stream()
    try:
        parmap(abs, range(10), n_worker=2)
    except Alarm as error:
        print(error, len(error.results), file=real)
    """
    assert run(program) == "of the handler 10\n"


def test_what_a_stream_raises_in_its_flush_is_ignored():
    program = ALARM.format(kind="Exception") + """
    class Stream:
        def write(self, text): return len(text)
        def flush(self): raise OSError("no space")
    real, sys.stdout = sys.stdout, Stream()
    print(parmap(abs, range(3), n_worker=2), file=real)
    sys.stdout = real
    """
    assert run(program) == "[0, 1, 2]\n"


SHOW = """
#include <signal.h>
#include <unistd.h>
int show(void) {  /* meanwhile tasks become late; the signal's handler in Python runs at the next bytecode */
  static int calls;
  usleep(20000);
  return calls++ == 0 ? raise(SIGALRM) : 0;
}
"""


def test_what_a_handler_raises_as_late_threads_are_told(tmp_path):
    """Before Python 3.13 the calling thread runs a line of Python for it, in which handlers run, too."""
    (tmp_path / "show.c").write_text(SHOW)
    library = str(tmp_path / "show.so")
    subprocess.run(["gcc", "-shared", "-fPIC", tmp_path / "show.c", "-o", library], check=True, timeout=60)
    program = ALARM.format(kind="Exception") + f"""
    import ctypes
    from parmap import _map
    class Reporter:
        show = ctypes.CDLL({library!r}).show  # called without a line of Python around it
        show.argtypes = [ctypes.c_long] * 3 + [ctypes.py_object]
        def tell_once(self, line): pass
        def show_places(self, places): pass
        def close(self): pass
    _map.make_reporter = lambda *arguments, **options: Reporter()
    def late(i):
        for _ in range(100):
            threading.Event().wait(0.001)
    try:
        parmap(late, range(1000), engine="threads", n_worker=10, timeout_sec=0.01, on_error=lambda *failed: None)
        print("not raised")
    except Alarm as error:
        print(error)
    """
    assert run(program) == "of the handler\n"


def test_what_a_handler_raises_while_a_result_is_unpickled():
    class Alarm(Exception):
        pass

    def handler(number, frame):
        raise Alarm

    def read(i):
        signal.raise_signal(signal.SIGALRM)
        return i

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with pytest.raises(Alarm) as caught:
            parmap(lambda i: unpickles_by(read, i) if i == 7 else i, range(20), n_worker=2)
        assert [each for each in caught.value.results if each is not None] == [i for i in range(20) if i != 7]
    finally:
        signal.signal(signal.SIGALRM, before)
