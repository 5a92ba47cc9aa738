# SPDX-License-Identifier: MIT
"""Hundreds of downloads at once by threads, from a server on this machine of which three pages go wrong."""

import argparse
import hashlib
import os
import socket
import struct
import subprocess
import sys
import sysconfig
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from parmap import parmap

# Some files that are on every machine which can run this.
FILES = sorted(Path(sysconfig.get_path("stdlib")).glob("[a-z]*/*.py"))[:400]
WRONG = ("/missing", "/silent", "/reset")
TIMEOUT_SEC = 2.0


def download(url):
    """The digest of a page."""
    # A thread that is blocked in C cannot be interrupted, so the socket has a limit too; timeout_sec is that of the whole.
    without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with without_proxy.open(url, timeout=1.5 * TIMEOUT_SEC) as page:
        return hashlib.sha256(page.read()).hexdigest()


class Page(BaseHTTPRequestHandler):
    """/file/NUMBER, after a moment; and the three that go wrong."""

    def do_GET(self):
        if self.path == "/silent":
            threading.Event().wait()
        elif self.path == "/reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
        elif self.path.startswith("/file/"):
            number = int(self.path.rsplit("/", 1)[1])
            time.sleep(0.01 * (number % 7))
            content = FILES[number].read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        else:
            self.send_error(404)

    def log_message(self, *_):
        """Nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


def serve():
    """In a process of its own; ends with the one that started it, as its stdin does."""
    server = Server(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--workers", type=int, default=32, help="downloads at once (32)")
    arguments.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.serve:
        serve()
        return 0

    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        base = f"http://127.0.0.1:{int(server.stdout.readline())}"
        urls = [f"{base}/file/{number}" for number in range(len(FILES))] + [base + path for path in WRONG]
        start = time.perf_counter()
        digests = parmap(
            download, urls, engine="threads", n_worker=chosen.workers, timeout_sec=TIMEOUT_SEC,
            on_error=lambda func, task, error: None,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        server.stdin.close()

    print(f"{len(urls)} downloads, {chosen.workers} at once, in {seconds:.1f} s")
    for failure in digests.failures:
        print(f"  {failure.task[0].removeprefix(base)}: {type(failure.exception).__name__}: {failure.exception}")
    expected = [hashlib.sha256(path.read_bytes()).hexdigest() for path in FILES]
    right = sum(mine == theirs for mine, theirs in zip(digests, expected))
    failed = tuple(failure.task[0].removeprefix(base) for failure in digests.failures)
    print(f"{right} of {len(FILES)} files have the right SHA-256, and {len(failed)} downloads failed")
    return 0 if right == len(FILES) and failed == WRONG else 1


if __name__ == "__main__":
    sys.exit(main())
