# SPDX-License-Identifier: MIT
"""500 pages on this machine to be downloaded: real files, each after a moment, and three that go wrong.

    pages.py PROGRAM [OPTION...]

gives the program their URLs, a line each, and an --output FILE for lines like sha256sum's; then looks whether the 497 files
have arrived whole, and the program has told what went wrong with the three.
"""

import hashlib
import os
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote

TASKS = 500
WRONG = {100: "/missing", 250: "/silent", 400: "/reset"}  # by their place in the list
# Files that are on every machine which can run this.
ROOT = Path(sysconfig.get_path("stdlib"))


class _Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept

    def do_GET(self):
        path = unquote(self.path)
        content = self.server.files.get(path)
        if path == "/silent":
            self.server.over.wait()
            self.close_connection = True
        elif path == "/reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            self.close_connection = True
        elif content is None:
            self.send_error(404)
        else:
            time.sleep(0.01 * (len(path) % 7))
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_):
        """Nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def handle_error(self, request, client_address):
        """Somebody has hung up."""


class Pages:
    """While it is entered they are there: `urls` in order, `digests` their SHA-256, None for what goes wrong."""

    def __init__(self):
        found = sorted(path for path in ROOT.rglob("*.py") if path.is_file() and path.stat().st_size > 0)
        if len(found) < TASKS:
            raise FileNotFoundError(f"fewer than {TASKS} files below {ROOT}")
        names = [f"/{path.relative_to(ROOT)}" for path in found[: TASKS - len(WRONG)]]
        self._server = _Server(("127.0.0.1", 0), _Page)
        self._server.over = threading.Event()
        self._server.files = {name: (ROOT / name[1:]).read_bytes() for name in names}
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        for place, name in WRONG.items():
            names.insert(place, name)
        self.urls = [self.base + quote(name) for name in names]
        contents = [self._server.files.get(name) for name in names]
        self.digests = [None if content is None else hashlib.sha256(content).hexdigest() for content in contents]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.over.set()
        self._server.shutdown()
        self._server.server_close()

    def judge(self, digests, failed):
        """Whether the digests (None where there is none) are right, and those that failed (their URLs) are the wrong ones."""
        right = sum(mine is not None and mine == theirs for mine, theirs in zip(digests, self.digests, strict=True))
        wrong = [self.base + path for _, path in sorted(WRONG.items())]
        print(f"{right} of {TASKS - len(WRONG)} files have the right SHA-256, and {len(failed)} downloads failed")
        return right == TASKS - len(WRONG) and failed == wrong


def main(command):
    if not command:
        print(__doc__)
        return 2
    with Pages() as pages, tempfile.TemporaryDirectory() as work:
        output = Path(work, "digests")
        done = subprocess.run(
            [*command, "--output", output], input="".join(url + "\n" for url in pages.urls),
            stdout=subprocess.PIPE, text=True, timeout=300, check=False,
        )  # fmt: skip
        print(done.stdout.replace(pages.base, ""), end="", flush=True)
        if done.returncode != 0:
            return done.returncode
        found = dict(reversed(line.split("  ", 1)) for line in output.read_text().splitlines())
        told = [url for line in done.stdout.splitlines() for url in [line.split(": ", 1)[0]] if url in pages.urls]
        return 0 if pages.judge([found.get(url) for url in pages.urls], told) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
