# SPDX-License-Identifier: MIT
"""What a finished task has printed arrives, though a later task of its worker ends that."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, io, os, sys, time
from parmap import parmap

own = io.TextIOWrapper(os.fdopen(os.dup(1), "wb"))

def by_print(text): print(text)
def without_newline(text): print(text, end=";")
def to_buffer(text): sys.stdout.buffer.write(text.encode() + b";")
def to_stderr(text): print(text, end=";", file=sys.stderr)
def lines(text): sys.stdout.writelines([text, ";"])
def to_another_stdout(text):
    sys.stdout = own
    print(text, end=";")
def to_the_c_library(text): ctypes.CDLL(None).puts(text.encode())

def task(i):
    if i == 11:
        END
    PRINT(f"task{i}x")

before = sys.stdout
results = parmap(task, range(20), n_worker=2, timeout_sec=0.5)
assert [failure.index for failure in results.failures] == [11], results.failures
assert sys.stdout is before and "write" not in vars(sys.stdout)
"""


WAYS = ("by_print", "without_newline", "to_buffer", "to_stderr", "lines", "to_another_stdout", "to_the_c_library")


@pytest.mark.parametrize(
    ("how", "end"),
    [(how, "os.abort()") for how in WAYS] + [("by_print", "os._exit(1)"), ("to_buffer", "time.sleep(1000)")],
)
def test_finished_tasks(how, end):
    program = PROGRAM.replace("END", end).replace("PRINT", how)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-W", "ignore", "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=buffered)
    assert ended.returncode == 0, ended.stderr
    printed = ended.stdout + ended.stderr
    assert [i for i in range(20) if printed.count(f"task{i}x") != 1] == [11]
