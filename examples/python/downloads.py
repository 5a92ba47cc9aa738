# SPDX-License-Identifier: MIT
"""500 downloads, many at once, from a server on this machine of which three pages go wrong: by threads or by asyncio."""

import argparse
import asyncio
import hashlib
import sys
import time
import urllib.request
from urllib.parse import urlsplit

from pages import Pages
from parmap import parmap

def download(url, timeout_sec):
    """The digest of a page."""
    # A thread that is blocked in C cannot be interrupted, so the socket has a limit too; timeout_sec is that of the whole.
    without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with without_proxy.open(url, timeout=1.5 * timeout_sec) as page:
        return hashlib.sha256(page.read()).hexdigest()


async def download_async(url, timeout_sec):
    """The same for asyncio, by the least of HTTP that will do; a limit cancels it wherever it waits."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
        status, *headers = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        if " 200 " not in status:
            raise OSError(f"the server says {status}")
        (length,) = (int(line.split(":")[1]) for line in headers if line.lower().startswith("content-length:"))
        return hashlib.sha256(await reader.readexactly(length)).hexdigest()
    finally:
        writer.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--engine", choices=["threads", "async"], default="threads", help="the engine (default: threads)")
    arguments.add_argument("--workers", type=int, default=100, help="downloads at a time (default: 100)")
    arguments.add_argument("--timeout", type=float, default=2.0, help="seconds that a page may take (default: 2)")
    chosen = arguments.parse_args()

    with Pages() as pages:
        start = time.perf_counter()
        digests = parmap(
            download if chosen.engine == "threads" else download_async, pages.urls,
            fargs=dict(timeout_sec=chosen.timeout),
            engine=chosen.engine, n_worker=chosen.workers, timeout_sec=chosen.timeout,
            on_error=lambda func, task, error: None,
        )  # fmt: skip
        seconds = time.perf_counter() - start

        print(f"{len(pages.urls)} downloads by {chosen.engine}, {chosen.workers} at once, in {seconds:.1f} s")
        for failure in digests.failures:
            print(f"  {failure.task[0].removeprefix(pages.base)}: {type(failure.exception).__name__}: {failure.exception}")
        return 0 if pages.judge(digests, [failure.task[0] for failure in digests.failures]) else 1


if __name__ == "__main__":
    sys.exit(main())
