# SPDX-License-Identifier: MIT
"""The worker processes of an Executor, from their fork to their end; its futures that have not ended; the thread that
collects outcomes."""

from __future__ import annotations

import atexit
import functools
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from typing import Any

from . import _errors, _parmap, _task, _worker
from ._arguments import Request
from ._future import Future
from ._interrupt import CtrlC
from ._map import for_processes, prepare_forks
from ._outcome import end_in_words, failure_of_task
from ._pool_pickle import Pickles, read_function, read_inputs
from ._spawn import Program

_BUSY = 0.1  # seconds: how long the thread waits at once for an outcome of a task that runs
_IDLE = 0.005  # after the last outcome, for the case that more is submitted at once
_SOON = 0.001  # while values have come that nobody was told of
_KILLING = 0.01  # a task may begin just before its worker is told to end it


class BrokenPool(BrokenExecutor):
    """The worker processes of an Executor are gone: the process that starts and watches them was killed, or
    terminate_workers() was called. Each future that had not ended has this exception, and submit() raises it, until
    restart() is called::

        try:
            value = future.result()
        except parmap.BrokenPool:
            executor.restart()
    """

    def __init__(self, text: str = "") -> None:
        text = text.replace("of this stream", "of this pool")
        self.before_a_task = "before they began a task" in text  #: as vain_deaths.hpp says: whoever starts them anew gains nothing
        super().__init__(text if not text or "restart()" in text else f"{text}; restart() of the Executor makes new ones")


def _broken_pool(program: str | None, text: str) -> BrokenPool:
    """`program`: that workers are, if they are not forked. It may be that it cannot be started."""
    error = BrokenPool(text)
    if program is not None:
        _errors.add_note(error, f"parmap: start='spawn' starts its workers with {program}")
    return error


class Pool:
    """Used by any thread of the process that has made it. The lock is that of `changed`."""

    def __init__(self, asked: Request, first: int, level: int) -> None:
        """Forks the workers. `first`: the number of the first task that is submitted. `level`: of a warning's caller."""
        self.asked = asked
        self.pid = os.getpid()
        self.pickles = Pickles()
        self.changed = threading.Condition()
        self.futures: dict[int, Any] = {}  # that have not ended, by number of submission; a block of map() by that of its first
        self.killed: set[int] = set()
        self.unnoticed: set[Any] = set()  # blocks of which values have come that nobody was told of
        self.ending = False  # no more is submitted; the workers end with the last future
        self.broken: BrokenPool | None = None
        self.thread: threading.Thread | None = None
        self.next_number = first  # of a task, when the workers have ended
        self._broke = functools.partial(_broken_pool, sys.executable if asked.start == "spawn" else None)
        self._is_idle = False
        with _task.of_the_extension(), asked.ctrl_c:
            self.handle = self._open(first, level + 2)
        _alive.add(self)

    def _open(self, first: int, level: int) -> Any:
        asked = self.asked
        program = None
        if asked.start == "spawn":
            program = Program(asked, of_pool=True)
        else:
            prepare_forks(asked, level)
        birth = _worker.Birth(asked.hazards)
        try:
            return _parmap.open_pool(
                asked,
                **for_processes(birth),
                begin_supervisor=birth.begin_supervisor,
                read_function=read_function,
                read_inputs=read_inputs,
                broken=self._broke,
                program=program,
                first=first,
            )
        finally:
            if program is not None:
                program.close()

    @property
    def workers(self) -> int:
        return self.asked.workers or _parmap.usable_cores()

    def check_process(self) -> None:
        if self.pid != os.getpid():
            raise RuntimeError(
                f"parmap: this Executor was made by another process (pid {self.pid}) and cannot be used in a process that was forked "
                "from it, such as a task's worker: make an Executor here"
            )

    # ---- submitting; with the lock

    def check_open(self) -> None:
        self.check_process()
        if self.broken is not None:
            raise self._broke(str(self.broken))
        if _python_ends:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        if self.ending:
            raise RuntimeError("cannot schedule new futures after shutdown")

    def add(self, number: int, future: Any) -> None:
        """It was submitted."""
        self.futures[number] = future
        if self.thread is None:
            thread = threading.Thread(target=_collect, args=(self,), name="parmap.Executor", daemon=True)
            with CtrlC() as ctrl_c:  # which in start() would leave it unknown whether the thread has begun
                ctrl_c.keep_off()
                thread.start()
                self.thread = thread
        elif self._is_idle:
            self.changed.notify_all()

    # ---- the end

    def end_later(self) -> None:
        """The workers end when all futures have. From then on nothing is submitted."""
        with self.changed:
            if self.ending:
                return
            self.ending = True
            if self.thread is not None:
                self.changed.notify_all()
                return
        self.close()

    def wait(self) -> None:
        """Until the workers have ended, after end_later()."""
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join()
        ends, self.asked.ends[:] = list(self.asked.ends), []
        for end in ends:
            warnings.warn(end_in_words(end), _errors.ParmapWarning, stacklevel=4)

    def close(self) -> None:
        """Ends the workers. No future is pending."""
        try:
            self.next_number = _parmap.pool_next(self.handle)
        except RuntimeError:  # it has been called before
            return
        _parmap.close_pool(self.handle, self.broken is not None)
        _alive.discard(self)

    def break_by(self, error: BrokenPool) -> None:
        """The workers are gone."""
        with self.changed:
            if self.broken is not None:
                return
            self.broken = error
            left, self.futures = list(self.futures.items()), {}
            self.changed.notify_all()
        for _, future in left:
            future._broke(self._broke(str(error)))

    # ---- futures

    def halt(self, number: int) -> bool:
        """Whether the task is sure not to run."""
        try:
            return _parmap.pool_halt(self.handle, number)
        except RuntimeError:  # the pool has ended
            return False

    def has_begun(self, number: int) -> bool:
        try:
            return _parmap.pool_has_begun(self.handle, number)
        except RuntimeError:  # the pool has ended
            return False

    def halt_block(self, first: int, count: int) -> None:
        """Those of these tasks that have not begun will not."""
        try:
            _parmap.pool_halt_block(self.handle, first, count)
        except RuntimeError:
            pass  # the pool has ended

    def kill(self, number: int) -> None:
        with self.changed:
            if number not in self.futures:
                return
            self.killed.add(number)
        try:
            _parmap.pool_kill(self.handle, number)
        except RuntimeError:
            pass  # the pool has ended

    def exception_of(self, told: tuple[int, str, bytes, int, int], task: tuple[Any, ...], number: int) -> BaseException:
        if told[1] == "stopped":
            return _errors.TaskNotRun("not finished, because " + ("it was killed" if number in self.killed else "its executor ended"))
        why = failure_of_task(self.asked, told, None, task).exception
        if isinstance(why, Exception):
            return why
        # SystemExit of a task must not end who asks for its result.
        error = _errors.RemoteError(type(why).__name__, str(why))
        error.__cause__ = why
        return error

    def end_futures(self, told: list[tuple[Any, ...]]) -> None:
        """Gives futures what has come for them."""
        ended: list[tuple[Future, Any, Any]] = []
        blocks: list[Any] = []
        with self.changed:
            for each in told:
                if len(each) == 2:
                    each[0].left = each[1]
                    blocks.append(each[0])
                    if each[1] == 0:
                        self.futures.pop(each[0].first, None)
                elif self.futures.pop(each[0]._number, None) is not None:
                    ended.append(each)  # type: ignore[arg-type]
        for future, value, why in ended:
            future._end(value, why)
        self.unnoticed.update(blocks)
        for block in [each for each in self.unnoticed if each.is_worth_a_notice()]:
            self.unnoticed.discard(block)
            block.notify()

    def notice(self) -> None:
        """Nothing more has come."""
        while self.unnoticed:
            self.unnoticed.pop().notify()


def _collect(pool: Pool) -> None:
    """The thread of a pool. It lives until the workers have ended."""
    changed = pool.changed
    while True:
        busy = bool(pool.futures)
        if pool.killed:
            for number in list(pool.killed):
                if number in pool.futures:
                    pool.kill(number)
                else:
                    pool.killed.discard(number)
        try:
            patience = _SOON if pool.unnoticed else _KILLING if pool.killed else _BUSY if busy else _IDLE
            told = _parmap.pool_collect(pool.handle, patience)
        except BrokenPool as error:
            pool.break_by(error)
            break
        if told:
            pool.end_futures(told)
            told = []  # nothing here keeps a result
            continue
        pool.notice()
        if busy:
            continue
        with changed:
            pool._is_idle = True
            while not pool.futures and not pool.ending and pool.broken is None:
                changed.wait()
            pool._is_idle = False
            if pool.broken is not None or not pool.futures:
                break
    pool.close()


_alive: set[Pool] = set()  # of this process, and of those that it was forked from
_python_ends = False


def _of_this_process() -> list[Pool]:
    return [each for each in _alive if each.pid == os.getpid()]


def _end_with_python() -> None:
    """As concurrent.futures does: what was submitted is finished first. Unless the program ends by Ctrl-C: workers of
    concurrent.futures get that, too, but parmap's leave it to their caller."""
    global _python_ends
    _python_ends = True
    busy = [each for each in _of_this_process() if each.thread is not None]
    if getattr(sys, "last_type", None) is KeyboardInterrupt:
        _interrupt(busy)
    for each in busy:
        each.end_later()
    try:
        for each in busy:
            assert each.thread is not None
            each.thread.join()
    except BaseException:  # Ctrl-C
        _interrupt(busy)
        raise


def _interrupt(pools: list[Pool]) -> None:
    for each in pools:
        each.break_by(BrokenPool("parmap: the program was interrupted"))


@atexit.register
def _end_rest() -> None:
    """Pools without futures, which maps in other threads may have used until now."""
    for each in _of_this_process():
        each.end_later()
        each.wait()


_register: Callable[[Callable[[], None]], Any] | None = getattr(threading, "_register_atexit", None)
if _register is not None:
    _register(_end_with_python)


def end_when_freed(executor: Any, pool: Pool) -> None:
    """Keeps no executor alive."""

    def freed(_: Any) -> None:
        _references.discard(reference)
        if pool.pid == os.getpid():
            pool.end_later()

    reference = weakref.ref(executor, freed)
    _references.add(reference)


_references: set[Any] = set()
