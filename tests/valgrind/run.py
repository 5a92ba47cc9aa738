#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a program and its forked children under valgrind: run.py PRELOADED LOG-DIRECTORY PROGRAM [ARGUMENT...]

Fails if the program fails, if memcheck finds an error in any process (each has a log file in LOG-DIRECTORY), or if the
program itself has lost memory when it ends.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path


KINDS = re.compile(
    r"Invalid|Conditional jump|Use of uninit|Syscall param|Mismatched free|Source and destination|Jump to the invalid"
    r"|Argument .* has a fishy|Uninitialised|[\d,]+ (\(.*\) )?bytes in .* definitely lost")


def serve(listener):
    """Does what valgrind 3.19 cannot: pidfd_open and pidfd_send_signal, for preload.cpp."""
    while True:
        client, _ = listener.accept()
        with client:
            words, fds, _, _ = socket.recv_fds(client, 100, 1)
            made = []
            error = 0
            try:
                what, number = words.split()
                if what == b"open":
                    made = [os.pidfd_open(int(number))]
                else:
                    signal.pidfd_send_signal(fds[0], int(number))
            except OSError as why:
                error = why.errno
            socket.send_fds(client, [error.to_bytes(4, sys.byteorder)], made)
            for fd in made + fds:
                os.close(fd)


def faults(text):
    """Return the errors that memcheck reports in one process, the first line of each."""
    found = []
    for line in text.splitlines():
        said = re.sub(r"^==\d+== ", "", line)
        if KINDS.match(said):
            found.append(said)
    return found


def main():
    library, logs, *command = sys.argv[1:]
    logs = Path(logs)
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    name = f"parmap-pidfds-{os.getpid()}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind("\0" + name)
    listener.listen(100)
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    done = subprocess.run(
        ["valgrind", "--quiet", "--trace-children=no", "--child-silent-after-fork=no", "--leak-check=no",
         "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite", "--error-exitcode=99",
         f"--suppressions={Path(__file__).with_name('glibc.supp')}", f"--log-file={logs}/%p", *command],
        env={**os.environ, "LD_PRELOAD": library, "PARMAP_PIDFD_SERVER": name}, check=False)
    bad = 0
    processes = sorted(logs.iterdir())
    for log in processes:
        if found := faults(log.read_text(errors="replace")):
            bad += 1
            print(f"{log}: {len(found)} errors:", *found, sep="\n  ")
    print(f"valgrind: {len(processes)} processes, {bad} with errors; the program ended with {done.returncode}")
    return 1 if bad or done.returncode != 0 or not processes else 0


if __name__ == "__main__":
    sys.exit(main())
