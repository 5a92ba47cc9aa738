# SPDX-License-Identifier: MIT
"""start="spawn": workers that are fresh interpreters. What the caller passes to them, and what they do with it."""

from __future__ import annotations

import marshal
import mmap
import os
import pickle
import signal
import sys
from types import SimpleNamespace
from typing import Any

from . import _errors, _parmap, _streams, _thread_pools, _worker
from ._numpy_scalars import numpy_scalars
from ._pool_pickle import read_function, read_inputs
from ._setup import setup_of

# The worker's program. Nothing is imported from the current directory, unless the caller does so; programs that an import
# starts inherit no descriptors. The caller's sys.path stands at the beginning of the job, and the package is found even
# if it is not on it.
_TEXT = """
import sys
sys.path[:] = [each for each in sys.path if each]
import marshal, mmap, os
mine, job = int(sys.argv[1]), int(sys.argv[2])
for each in sys.argv[1:]:
    if each != "-1": os.set_inheritable(int(each), False)
with mmap.mmap(job, 0, access=mmap.ACCESS_READ) as file: sys.path[:] = marshal.loads(file[8:8 + int.from_bytes(file[:8], "little")])
sys.path.append({place!r})
from parmap._spawn import work
sys.path.pop()
assignment = os.pread(mine, 4096, 0).decode()
os.close(mine)
work(assignment, job)
"""


class Program:
    """The program of a map's workers, and the job that they read: func, axes, fargs, init and finish, pickled by cloudpickle. The
    workers of a pool get func, axes and fargs later.

    arguments: of the program, except those of worker_program. job: the descriptor of a file in memory.
    """

    def __init__(self, asked: Any, of_pool: bool = False) -> None:
        try:
            import cloudpickle
        except ImportError:
            raise ImportError("parmap: start='spawn' needs cloudpickle: pip install cloudpickle") from None
        if not sys.executable:
            raise RuntimeError("parmap: start='spawn' cannot start Python, because sys.executable is empty")
        try:
            of_map = (None, (), {}) if of_pool else (asked.func, asked.axes, asked.fargs)
            task = cloudpickle.dumps((*of_map, asked.init, asked.finish), protocol=5)
        except Exception as error:
            parts = "init and finish" if of_pool else "func, its iterables, fargs, init and finish"
            _errors.add_note(error, f"parmap: start='spawn' has to pickle {parts}")
            raise
        state = {
            "arguments": sys.argv,
            "cores": tuple(os.sched_getaffinity(0)),
            "usable": _parmap.usable_cores(),
            "numpy": "numpy" in sys.modules,
            "ctrl_c_is_ignored": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
            "seed": asked.seed,
            "max_tasks": asked.max_tasks,
            "of_pool": of_pool,
        }
        path = marshal.dumps([os.fspath(each) for each in sys.path])
        head = pickle.dumps(state, protocol=5)
        self.job = os.memfd_create("parmap job", os.MFD_CLOEXEC)
        try:
            with open(self.job, "wb", closefd=False) as file:
                for each in (len(path).to_bytes(8, "little"), path, len(head).to_bytes(8, "little"), head, task):
                    file.write(each)
        except BaseException:
            self.close()
            raise
        place = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        words = [sys.executable, *_flags(), "-c", _TEXT.format(place=place)]
        self.arguments = [os.fsencode(each) for each in words]

    def close(self) -> None:
        os.close(self.job)


def _flags() -> list[str]:
    """Interpreter options such as -O, -W and -X, as multiprocessing passes them."""
    from subprocess import _args_from_interpreter_flags  # type: ignore[attr-defined]

    return list(_args_from_interpreter_flags())


def work(assignment: str, job: int) -> None:
    """Runs a worker. Does not return."""
    state: dict[str, Any] = {"cores": (), "seed": 0, "max_tasks": None, "of_pool": False}
    func: Any = None
    axes: Any = ()
    fargs: Any = {}
    init: Any = None
    finish: Any = None
    unfit: BaseException | None = None
    scalars: tuple[tuple[type, str], ...] = ()
    try:
        with mmap.mmap(job, 0, access=mmap.ACCESS_READ) as text, memoryview(text) as all:
            os.close(job)
            begin = 16 + int.from_bytes(all[:8], "little")  # of the head, behind the path
            end_of_head = begin + int.from_bytes(all[begin - 8 : begin], "little")
            with all[begin:end_of_head] as head, all[end_of_head:] as task:
                state = pickle.loads(head)
                _become_like_the_caller(state, _parmap.workers_of(assignment))
                scalars = numpy_scalars()
                func, axes, fargs, init, finish = pickle.loads(task)
        _thread_pools.find_thread_pools()
    except BaseException as error:  # becomes the failure of every task of this worker
        unfit = error
        func, axes, fargs, init, finish = None, (), {}, None, None
    asked = SimpleNamespace(
        func=func, axes=axes, fargs=fargs, setup=setup_of(init, finish), values=[], report=None, workers=0, timeout_ns=None, retries=0, retry_delay_ns=0, retry_if=None,
        seed=state["seed"], memory_limit=None, ordered=False, window=0, max_failures=None, stop=None, deadline_ns=None,
        max_tasks=state["max_tasks"], stop_at_failure=False, told=[], measured=[], ends=[], ctrl_c=None, times=False,
    )  # fmt: skip
    _parmap.serve(
        asked,
        begin=lambda workers, number: _worker.begin_program(),
        finish=_worker.finish,
        flush=_streams.flush,
        dumps=pickle.dumps,
        otherwise=_errors.pickled_otherwise,
        loads=pickle.loads,
        scalar_types=scalars,
        assignment=assignment,
        at_go=lambda: _run_on(state["cores"]),
        unfit=unfit,
        read_function=read_function if state["of_pool"] else None,
        read_inputs=read_inputs if state["of_pool"] else None,
    )


def _become_like_the_caller(state: dict[str, Any], workers: int) -> None:
    if not state["ctrl_c_is_ignored"]:
        _worker.leave_ctrl_c_to_the_caller()
    sys.argv[:] = state["arguments"]
    _run_on(state["cores"])
    _thread_pools.cores = state["usable"]
    _thread_pools.share_cores(workers)  # before NumPy is imported, which reads the variables then
    if state["numpy"]:
        import numpy  # noqa: F401


def _run_on(cores: tuple[int, ...]) -> None:
    """Restores the caller's set of cores: the caller places a new worker on one core at first."""
    try:
        os.sched_setaffinity(0, cores)
    except OSError:
        pass  # a core is gone: then the worker stays where it is
