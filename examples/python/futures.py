# SPDX-License-Identifier: MIT
"""Tasks in worker processes, awaited in asyncio: one crashes, one is too late, and the others have their results."""

import asyncio
import math
import os
import time

import parmap


def work(name):
    if name == "crash":
        os.abort()
    if name == "late":
        time.sleep(3600)
    return math.factorial(len(name))


async def main():
    loop = asyncio.get_running_loop()
    with parmap.Executor(2, timeout_sec=1) as pool:
        names = ["a", "crash", "abc", "late", "abcde"]
        results = await asyncio.gather(*(loop.run_in_executor(pool, work, each) for each in names), return_exceptions=True)
    for name, result in zip(names, results):
        print(f"{name}: {result if isinstance(result, int) else type(result).__name__}")


if __name__ == "__main__":
    asyncio.run(main())
