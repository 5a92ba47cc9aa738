# SPDX-License-Identifier: MIT
"""stream(): outcomes as the tasks end, while the rest still runs."""

from __future__ import annotations

import atexit
import functools
import sys
import time
import types
import warnings
import weakref
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from . import _errors, _parmap, _setup, _task, _thread_worker, _worker
from ._arguments import Request
from ._element_pickler import ElementPickler
from ._failures import Failure, lines_of_causes
from ._map import ask, for_processes, for_threads, prepare_forks
from ._outcome import end_in_words, failure_of_task, set_retry_if, words_of_failures
from ._outcome_type import Outcome
from ._pool_map import open_stream as open_on_pool
from ._progress import Reporter
from ._stream_tally import StreamTally
from ._summary import Summary
from ._unknown_name import unknown_argument

_open: weakref.WeakSet[Stream] = weakref.WeakSet()


class Stream(_parmap.make_stream_type(Outcome)):  # type: ignore[misc]
    """The outcomes of a stream, as they come: an iterator, and a context manager that closes it. stream() makes it::

        with parmap.stream(f, xs) as outcomes:
            for outcome in outcomes:
                ...
        print(outcomes.summary())

    It ends by itself with its last outcome. It is also closed when it is freed, as a loop does that is left, and when the
    program ends. One thread at a time may read it; it may be read by another thread than the one that made it.

    Attributes
    ----------
    seed : int
        The seed of parmap.rng() in this stream.

    Methods
    -------
    next(timeout=None)
        The next outcome. Raises TimeoutError if none comes within `timeout` seconds, and StopIteration at the end.
    close()
        End the stream. Under multi running tasks are killed, under threads TaskNotRun is raised in them.
    summary()
        What has happened so far, in a few numbers, with the failures grouped by cause.
    """

    __class_getitem__: Any = classmethod(types.GenericAlias)

    def __init__(self, asked: Request, shown: Reporter, bare: bool, level: int) -> None:
        self._asked = asked
        self._shown = shown
        self._tally = StreamTally(asked)
        self._skips = bare and asked.on_error is None
        self._level = 2  # of warnings: who reads the stream
        try:
            self._begin(bare, level + 1)
        except BaseException:
            shown.close()
            if asked.recording is not None:
                asked.recording.abandon()
            raise
        _open.add(self)

    def _begin(self, bare: bool, level: int) -> None:
        asked = self._asked
        product = asked.product
        if product.first is not None:
            product.task_of_stream = functools.partial(_task_of, weakref.ref(self))
        if asked.retries:
            set_retry_if(asked)
        if asked.engine == "multi" and asked.retry_if is not None:
            asked.retry_if = functools.partial(_ask_elsewhere, weakref.ref(self), asked.retry_if)
        form = product.first, bare, self._skips
        if asked.engine == "serial":
            _parmap.open_serial_stream(self, asked, *form, _SerialScope(_task.Running(-1, 1, 0, asked.seed, None)))
            return
        if sys.is_finalizing():
            raise RuntimeError(f"parmap: a stream of {asked.engine} cannot begin while Python shuts down; use engine='serial'")
        with _task.of_the_extension(), asked.ctrl_c:
            if asked.engine == "pool":
                return open_on_pool(self, asked, bare, self._skips)
            if asked.engine == "threads":
                _parmap.open_thread_stream(self, asked, *form, **{**for_threads(asked), "end": _thread_worker.end_with_stream})
                return
            prepare_forks(asked, level + 3)
            birth = _worker.Birth(asked.hazards)
            pickler = None if product.first is None else ElementPickler()
            _parmap.open_process_stream(
                self, asked, *form, pickler, begin_supervisor=birth.begin_supervisor, **for_processes(birth)
            )

    @property
    def seed(self) -> int:
        """The seed of parmap.rng() in this stream."""
        return self._asked.seed

    def next(self, timeout: float | None = None) -> Any:
        """Return the next outcome. Raise TimeoutError if none comes within `timeout` seconds, StopIteration at the end.

        After a TimeoutError the stream goes on.
        """
        return self.take(timeout)

    def close(self) -> None:
        """End the stream, and leave nothing behind. Has no effect if it has ended.

        If another thread waits for an outcome, that thread ends the stream, within 0.1 s.
        """
        self._level = 3
        self.shut()

    def summary(self) -> Summary:
        """Return what has happened in the tasks whose outcomes have been read: the time, the counts, and the failures
        grouped by cause. Of more than 256 causes the others are one. With times=True also how busy the workers were, and the
        slowest tasks."""
        return self._tally.summary(*self.counts())

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self._level = 3
        self.shut()

    # ---- called by the extension

    def _failed(
        self, told: tuple[int, str, bytes, int, int], raised: BaseException | None, task: tuple[Any, ...]
    ) -> tuple[Failure, Any]:
        """A task has failed. Returns the failure, and what takes the place of the value."""
        failure = failure_of_task(self._asked, told, raised, task)
        return failure, self._tally.answer(failure)

    def _note_workers(self, workers: int) -> None:
        """With the option times, as the stream begins."""
        self._tally.note_workers(workers)

    def _took(self, index: int, attempts: int, seconds: float | None, task: tuple[Any, ...]) -> None:
        """With the option times, for each outcome whose time is known."""
        self._tally.add_time(index, attempts, seconds, self._asked.product.as_task(task))

    def _raise_elsewhere(self, described: bytes) -> NoReturn:
        """retry_if has raised this, in the process that watches the workers."""
        raise _errors.restore(described, True, self._asked.ctrl_c.has_raised)[0]

    def _ended(self) -> None:
        """Nothing of the stream runs any more, for whatever reason."""
        _open.discard(self)
        self._shown.close()
        if self._asked.recording is not None:
            self._asked.recording.finish()
        for end in self._asked.ends:
            warnings.warn(end_in_words(end), _errors.ParmapWarning, self._level)
        if self._skips and self._tally.failed:
            summary = self.summary()
            first = min((each.first for each in summary.causes), key=lambda failure: failure.index)
            text = words_of_failures(first, summary.failed, summary.tasks, lines_of_causes(summary.causes))
            warnings.warn(text, _errors.ParmapWarning, self._level)


class GridStream(Stream):
    """A stream whose outcomes have the inputs of a grid. The extension makes them with the arguments."""

    def __next__(self) -> Outcome:
        return self._named(super().__next__())

    def next(self, timeout: float | None = None) -> Outcome:
        return self._named(super().next(timeout))

    def _named(self, it: Outcome) -> Outcome:
        return it._replace(task=self._asked.product.as_task(it.task))


def _task_of(stream: weakref.ref[Stream], index: int) -> tuple[Any, ...]:
    it = stream()
    assert it is not None  # the extension asks while it runs
    return it.task_of(index)  # type: ignore[no-any-return]


def _ask_elsewhere(stream: weakref.ref[Stream], ask: Callable[..., bool], *arguments: Any) -> bool:
    """Calls retry_if in the process that watches the workers. What it raises is noted for the caller."""
    try:
        return ask(*arguments)
    except BaseException as error:
        it = stream()
        assert it is not None
        it.note_error(_errors.describe_within(error, 60_000))
        raise


@atexit.register
def _close_all() -> None:
    busy = list(_open)
    for each in busy:
        each.close()
    until = time.monotonic() + 1.0
    while any(not each.is_over for each in busy) and time.monotonic() < until:
        time.sleep(0.01)  # another thread reads it, and ends it


class _SerialScope:
    """A stream of serial runs its tasks in here: what parmap.context() tells there does not reach the loop that reads it."""

    def __init__(self, task: _task.Running) -> None:
        self.task = task
        self._state: Any = None
        self._outer: list[tuple[Any, Any]] = []

    def enter(self) -> None:
        self._outer.append((_task.running.set(self.task), _setup.here.state))
        _setup.here.state = self._state

    def leave(self) -> None:
        self._state = _setup.here.state
        token, _setup.here.state = self._outer.pop()
        _task.running.reset(token)


def stream(
    func: Callable[..., Any],
    *args: Iterable[Any],
    grid: Any = None,
    where: Callable[..., Any] | None = None,
    ordered: bool = False,
    window: int = 0,
    fargs: dict[str, Any] | None = None,
    engine: str = "multi",
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
) -> Stream:
    """Call func as parmap() does, and give the outcomes one by one, as the tasks end, while the rest still runs::

        for outcome in parmap.stream(simulate, parameters):
            if outcome:
                save(outcome.index, outcome.value)
            else:
                print(outcome.failure)

    A stream takes the memory of its window, however many tasks there are. imap() and imap_unordered() give bare values.

    Arguments
    ---------
    func
        Any callable that is not async; astream() is for these.
    *args
        One iterable or more, as for parmap(). The first one may be an iterator, such as a generator, even an endless one.
        It is then read as the stream goes: by the thread that reads the stream, and only as far ahead as the window needs.
        Under multi such an element reaches its worker by pickle; one that cannot be pickled ends the stream with a
        TypeError. What the iterator raises ends the stream, too, after the outcomes of the elements before it.
    grid, where
        As for parmap(): inputs with names, in place of the iterables. They are read whole. The task of an outcome is a dict.
    ordered
        Give the outcomes in input order. A slow task then holds up all behind it, once the window is full. Default: as
        the tasks end.
    window
        At most this number of tasks have begun and not been read. When it is full, workers wait until you read on. Default, 0:
        what fits into 2 MiB, but at least 4 a worker; under threads 4 a worker, but at least 16.
    on_error
        - None (default): nothing; the outcome has the failure.
        - a callable: on_error(func, task, exc) gives the value of the outcome, which keeps its failure.
        - "raise": the exception of the first failed outcome is raised in its place, and the stream ends.

        serial always raises the first exception, unchanged.
    retry_if
        As for parmap(). Under multi it is called in the process that watches the workers, so what it writes to variables
        does not reach you.
    stop
        As for parmap(); it is looked at while the stream is read.
    start
        "fork". Streams have no other workers.
    checkpoint
        As for parmap(). Stored outcomes come first, or in their order if ordered is true; they have ``stored`` true. Outcomes are
        stored as the tasks end, also while your loop does something else; but those of an ordered stream that wait for an earlier
        task are stored with that one. The first iterable must then have a length.
    part
        As for parmap(): the outcomes are those of this part, with the indices of the whole map. The first iterable must have a length.
    **options
        All others as for parmap(). engine is "multi", "threads" or "serial", a parmap.Executor, or that of a cluster.
        deadline_sec counts from this call.

    Returns
    -------
    Stream
        An iterator of Outcome(index, task, value, failure, attempts, seconds, worker), with next(timeout), close(),
        summary() and seed. It is a context manager.

        It keeps no list of failures; summary() has their number and the first one of each cause.

    Raises
    ------
    TypeError, ValueError
        As parmap() does, before any task starts; also for engine="async" and start="spawn". ValueError when a stream is read
        while another thread reads it.
    RuntimeError
        The workers or the process that watches them were killed.
    KeyboardInterrupt
        Ctrl-C while the stream is read. It ends the stream.

    Notes
    -----
    Several streams may be open at the same time, and a task may have one of its own.

    Under multi the tasks are watched by a process of its own: a task that runs longer than timeout_sec is killed in time,
    also while your loop does something else. Under threads a thread does that. Under serial a task runs when its outcome is
    asked for.

    Leaving the loop ends the stream, as the interpreter frees it then; close() and `with` do so everywhere. Tasks that run
    are killed (multi), or get TaskNotRun at their next bytecode (threads); one that is in C code then is left behind.
    """
    if unknown:
        raise unknown_argument("parmap.stream", unknown)
    return opened(
        "stream", False, 1, reporter=reporter, label=label, func=func, args=args, fargs=fargs, engine=engine,
        timeout_sec=timeout_sec, deadline_sec=deadline_sec, deadline=deadline, n_worker=n_worker, n_simul=n_simul,
        on_error=on_error, retries=retries, retry_delay_sec=retry_delay_sec, retry_if=retry_if, seed=seed,
        memory_limit=memory_limit, init=init, finish=finish, max_failures=max_failures, stop=stop, max_tasks=max_tasks,
        start=start, times=times, trace=trace, grid=grid, where=where, ordered=ordered, window=window, checkpoint=checkpoint,
        part=part,
    )  # fmt: skip


def opened(name: str, bare: bool, level: int, **options: Any) -> Stream:
    """`bare`: gives values. `level`: how many frames lie between the caller of parmap and this one."""
    if options["engine"] in ("async", "asyncio"):
        raise ValueError(f"parmap.{name}: engine='async' is for parmap.astream: async for outcome in parmap.astream(func, ...)")
    asked, shown = ask(**options, streams=True)
    if asked.start != "fork" and asked.engine == "multi":
        raise ValueError(f"parmap.{name}: streams need start='fork'; parmap() itself has start={asked.start!r}")
    if asked.may_skip:
        from ._stored_stream import StoredStream

        return StoredStream(asked, shown, bare, level + 1)
    if asked.engine == "cluster":
        from ._cluster_stream import ClusterStream

        return ClusterStream(asked, shown, bare, level + 1)
    kind = Stream if bare or asked.product.names is None else GridStream
    return kind(asked, shown, bare, level + 1)
