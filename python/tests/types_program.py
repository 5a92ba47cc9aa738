# SPDX-License-Identifier: MIT
"""What type checkers know of a map. test_types.py runs mypy and pyright on this: a line with `# error` must be one, and no
other line may be one. Only read, never run."""

from __future__ import annotations

import functools
import threading

from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

import parmap as pm
from parmap import Failure, Results, maplike, parmap, parmap_async, starmap


def length(s: str) -> int:
    return len(s)


def two(a: int, b: str) -> float:
    return 1.0


async def alength(s: str) -> int:
    return len(s)


def on_error(func: object, task: tuple[object, ...], exc: BaseException) -> str:
    return "failed"


def show(i: int, n: int) -> None: ...


r: Results[int | None] = parmap(length, ["a", "b"])
first: int | None = r[0]
part: Results[int | None] = r[1:]
both: Results[int | None] = r + r
failures: list[Failure] = r.failures
sure: Results[int] = parmap(length, ["a"], on_error="raise")
said: Results[int | str] = parmap(length, ["a"], on_error=on_error)
product: Results[float | None] = parmap(two, [1, 2], ["a"])
together: Results[float | None] = parmap(two, pm.zip([1], ["a"]))
for number, text in pm.zip([1], ["a"]):
    print(number + 1, text.upper())
fixed: Results[object] = parmap(two, [1], fargs={"b": "x"})
waited: Results[int | None] = parmap(alength, ["a"], engine="async")
squares = parmap(lambda x: x * x, range(10))
total = sum(square for square in squares if square is not None)
parmap(length, ["a"], reporter=show, n_worker=2, timeout_sec=1.5, memory_limit="1GB", label="x", stop=threading.Event())
parmap(length, ["a"], reporter=tqdm, max_failures=3, max_tasks=5, start="spawn", finish=lambda: None)
parmap(length, ["a"], reporter=functools.partial(tqdm, desc="x"), init=lambda: open("file"))
grid: Results[float | None] = parmap(two, grid=dict(a=[1, 2], b="xy"), where=lambda a, b: a > 1)
lockstep: Results[float] = parmap(two, grid=pm.zip(a=[1, 2], b="xy"), on_error="raise", engine="threads")
some: Results[float] = lockstep.sel(a=[1, 2])
frames = some.to_frame(), some.to_frame("polars"), some.failures.to_frame(), some.to_xarray(dims="t", coords={"t": [1.0]})
ordered: Results[float] = maplike(two, [1], ["a"])
starred: Results[float] = starmap(two, [(1, "a")])
with pm.override(engine="serial"):
    pass
index, attempt, worker = pm.context()
draw: float = pm.rng().random()


async def main() -> int | None:
    pages = await parmap_async(alength, ["a"], n_worker=100)
    return pages[0]


a: str = r[0]  # error
r[0].nosuch()  # error
parmap(length, [1, 2])  # error
parmap(two, [1])  # error
parmap(length, ["a"], n_workers=2)  # error
parmap(length, ["a"], engine="thread")  # error
parmap(length, ["a"], reporter=5)  # error
parmap(two, pm.zip([1], [2]))  # error
parmap(length, 5)  # error
some.to_frame("csv")  # error
parmap(length, ["a"], where=len)  # error


for outcome in pm.stream(length, ["a"], ordered=True, window=3, engine="threads"):
    place: int = outcome.index
    why: Failure | None = outcome.failure
for value in pm.imap(length, ["a"], buffersize=3):
    whole: int = value
unordered: pm.Stream[int] = pm.imap_unordered(length, ["a"], on_error=on_error)
unordered.close()
for named in pm.stream(two, grid=dict(a=[1], b="xy")):
    named.task["a"]
text: str = unordered.next(timeout=1.0)  # error
pm.stream(length, ["a"], orderd=True)  # error
pm.stream(length, ["a"], engine="async")  # error
pm.imap(length, ["a"], ordered=True)  # error


async def read() -> list[int]:
    async with pm.astream(alength, ["a"]) as outcomes:
        return [each.index async for each in outcomes]
