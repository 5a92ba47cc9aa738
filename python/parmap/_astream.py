# SPDX-License-Identifier: MIT
"""astream(): outcomes for `async for`."""

from __future__ import annotations

import functools
import types
from collections.abc import AsyncIterable, Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from ._failures import Failure
from ._map import ask
from ._outcome_type import Outcome
from ._stream import opened
from ._summary import Summary
from ._unknown_name import unknown_argument

if TYPE_CHECKING:
    from ._async_stream import OnLoop
    from ._stored_async_stream import StoredOnLoop
    from ._thread_of_stream import InThread


class AsyncStream:
    """The outcomes of a stream, for `async for`, and an asynchronous context manager that closes it. astream() makes it::

        async with parmap.astream(fetch, urls) as outcomes:
            async for outcome in outcomes:
                ...
        print(outcomes.summary())

    It begins when its first outcome is asked for. One task of asyncio at a time may read it. A wait for an outcome may be
    cancelled, as by asyncio.timeout(): the stream goes on.

    Attributes
    ----------
    seed : int
        The seed of parmap.rng() in this stream.

    Methods
    -------
    aclose()
        End the stream: running tasks are cancelled.
    summary()
        What has happened so far, in a few numbers, with the failures grouped by cause.
    """

    def __init__(self, source: OnLoop | StoredOnLoop | Callable[[], InThread], seed: int | None = None) -> None:
        self._make = source if callable(source) else None
        self._source: OnLoop | StoredOnLoop | InThread | None = None if callable(source) else source
        self._over = False
        self._busy = False

    @property
    def seed(self) -> int:
        """The seed of parmap.rng() in this stream."""
        return self._begun().seed

    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> Outcome:
        if self._busy:
            raise ValueError("parmap: this stream is being read by another task")
        if self._over:
            raise StopAsyncIteration
        self._busy = True
        try:
            found = await self._begun().next()
        except BaseException as error:
            if not _is_cancellation(error):  # of the wait: the stream goes on
                await self.aclose()
            raise
        finally:
            self._busy = False
        if found is None:
            await self.aclose()
            raise StopAsyncIteration
        return found

    async def aclose(self) -> None:
        """End the stream, and leave nothing behind. Has no effect if it has ended."""
        if self._over:
            return
        self._over = True
        if self._source is not None:
            await self._source.close()

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if not getattr(self, "_over", True) and self._source is not None:
            self._over = True
            self._source.abandon()

    def summary(self) -> Summary:
        """Return what has happened in the tasks whose outcomes have been read, as Stream.summary() does."""
        return self._begun().summary()

    def _begun(self) -> OnLoop | StoredOnLoop | InThread:
        if self._source is None:
            assert self._make is not None
            self._source = self._make()
        return self._source


def astream(
    func: Callable[..., Any],
    *args: Iterable[Any] | AsyncIterable[Any],
    grid: Any = None,
    where: Callable[..., Any] | None = None,
    ordered: bool = False,
    window: int = 0,
    fargs: dict[str, Any] | None = None,
    engine: str = "async",
    timeout_sec: float | None = None,
    deadline_sec: float | None = None,
    deadline: str | None = None,
    n_worker: int | None = None,
    on_error: Callable[[Callable[..., Any], Any, BaseException], Any] | str | None = None,
    reporter: Any = None,
    label: str | None = None,
    times: bool = False,
    trace: Any = None,
    retries: int = 0,
    retry_delay_sec: float = 0,
    retry_if: Callable[[Failure], Any] | None = None,
    seed: int | None = None,
    memory_limit: int | str | None = None,
    init: Callable[[], Any] | None = None,
    finish: Callable[[], Any] | None = None,
    max_failures: int | None = None,
    stop: Any = None,
    max_tasks: int | None = None,
    start: str = "fork",
    checkpoint: Any = None,
    part: Any = None,
    n_simul: int | None = None,
    **unknown: NoReturn,
) -> AsyncStream:
    """Call an async func on every element, and give the outcomes one by one, as the tasks end::

        async for outcome in parmap.astream(fetch, urls, n_worker=100):
            if outcome:
                save(outcome.index, outcome.value)

    It is stream() for code on an event loop. Other tasks of the loop run meanwhile.

    Arguments
    ---------
    func
        An async function; any other function for another engine.
    *args
        As for stream(). The first one may also be an asynchronous iterator, such as an async generator: it is read on the
        loop, one element at a time, as far ahead as the window needs.
    grid, where
        As for stream().
    engine
        "async" (default): the tasks are coroutines on the running loop, of which n_worker run at once, default 64. With
        "multi", "threads" or "serial" a thread reads the stream for the loop.
    window
        At most this number of tasks have begun and not been read. Default, 0: four times n_worker.
    **options
        All others as for stream().

    Returns
    -------
    AsyncStream
        An asynchronous iterator of Outcome, with aclose(), summary() and seed. It is an asynchronous context manager.

        Leave the loop by a `with` or call aclose(): then its tasks have ended. If it is only freed, they are cancelled soon.

    Raises
    ------
    TypeError, ValueError
        As stream() does, at once; under the other engines, when the first outcome is asked for.

    Notes
    -----
    Several may be open at the same time, on one loop or on several.
    """
    if unknown:
        raise unknown_argument("parmap.astream", unknown)
    options: dict[str, Any] = dict(
        reporter=reporter, label=label, func=func, args=args, fargs=fargs, engine=engine, timeout_sec=timeout_sec,
        deadline_sec=deadline_sec, deadline=deadline, n_worker=n_worker, n_simul=n_simul, on_error=on_error,
        retries=retries, retry_delay_sec=retry_delay_sec, retry_if=retry_if, seed=seed, memory_limit=memory_limit,
        init=init, finish=finish, max_failures=max_failures, stop=stop, max_tasks=max_tasks, start=start, times=times, trace=trace,
        grid=grid, where=where, ordered=ordered, window=window, checkpoint=checkpoint, part=part,
    )  # fmt: skip
    if engine not in ("async", "asyncio"):
        return AsyncStream(functools.partial(_in_thread, options))
    from ._async_stream import OnLoop

    source = None
    if args and isinstance(args[0], AsyncIterable):
        source = aiter(args[0])
        options["args"] = (iter(()), *args[1:])
    asked, shown = ask(**options, streams=True)
    if asked.may_skip:
        from ._stored_async_stream import StoredOnLoop

        return AsyncStream(StoredOnLoop(asked, shown))
    return AsyncStream(OnLoop(asked, shown, source))


def _is_cancellation(error: BaseException) -> bool:
    import asyncio

    return isinstance(error, asyncio.CancelledError)


def _in_thread(options: dict[str, Any]) -> InThread:
    """On the running loop: opens the stream, as its workers are forked better from this thread than from another one."""
    from ._thread_of_stream import AsyncInput, InThread

    args = options["args"]
    import asyncio  # takes longer than importing parmap

    source = None
    if args and isinstance(args[0], AsyncIterable):
        source = AsyncInput(aiter(args[0]), asyncio.get_running_loop())
        options = {**options, "args": (source, *args[1:])}
    at_once = 1 if options["window"] or options["engine"] == "serial" else 64
    return InThread(opened("astream", False, 3, **options), source, at_once)
