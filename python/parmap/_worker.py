# SPDX-License-Identifier: MIT
"""A worker process: what is done before its fork, before its first task, and after its last one."""

from __future__ import annotations

import _signal  # like signal, without converting each handler to an enum member: a worker must start fast
import gc
import io
from collections.abc import Callable
from typing import Any

from . import _fork_hazards, _inherited, _setup, _streams, _thread_pools, _worker_end


class Birth:
    """Of the workers of one map, by fork."""

    def __init__(self, hazards: list[_fork_hazards.Hazard]) -> None:
        self._hazards = hazards
        self._streams = _streams.Inherited()

    def before_fork(self) -> list[io.BufferedWriter]:
        """Runs in the caller before each fork. Returns the buffers of stdout and stderr, which are flushed."""
        buffers = _streams.flush()
        self._streams.note()
        return buffers

    def begin_supervisor(self) -> None:
        """Runs in the process that forks and watches the workers of a stream, before it forks the first one. It goes on in
        place of its caller, and runs no other code of it than retry_if."""
        gc.freeze()  # what the caller has left as garbage is not finalized here
        if self._streams.caller_had_other_threads:
            self._streams.renew()
            _inherited.forget_imports_of_other_threads()
        _inherited.give_workers_other_numbers()

    def begin(self, workers: int, number: int) -> None:
        """Runs right after the fork, in the worker. `number` counts the workers of the caller. What it raises is the failure of
        each of the worker's tasks."""
        gc.freeze()  # inherited objects are never collected here, so their pages are not touched and copied
        _setup.here.state = None  # of the caller, if that is a worker
        if self._streams.caller_had_other_threads:
            self._streams.renew()
            _inherited.forget_imports_of_other_threads()
        self._streams.leave_stdin_to_the_caller()
        _signal.set_wakeup_fd(-1)  # it belongs to an event loop of the caller
        if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
            leave_ctrl_c_to_the_caller()
        _inherited.give_tqdm_own_locks()
        _inherited.tell_multiprocessing()
        _inherited.draw_other_numbers(number)
        _thread_pools.share_cores(workers)
        _fork_hazards.use_one_openmp_thread(self._hazards)
        _worker_end.begin(inherits=True)


def begin_program() -> None:
    """The same in a worker that is a program of its own (start="spawn"): it has inherited only descriptors."""
    _streams.Inherited().leave_stdin_to_the_caller()
    _worker_end.begin(inherits=False)


def finish(leave: Callable[[], None] | None) -> None:
    """Runs when the worker has done its work, unless it is killed; see _worker_end. `leave` is the counterpart of init."""
    _worker_end.finish(leave)


def leave_ctrl_c_to_the_caller() -> None:
    """The caller ends the workers, so they print no traceback. A handler, because SIG_IGN would be inherited by their programs."""
    _signal.signal(_signal.SIGINT, _ignore)


def _ignore(number: int, frame: Any) -> None:
    pass
