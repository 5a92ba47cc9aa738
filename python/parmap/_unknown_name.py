# SPDX-License-Identifier: MIT
"""The errors for arguments and names that parmap does not have."""

from __future__ import annotations

from collections.abc import Iterable


class UnknownName(ValueError, KeyError):
    """An engine, reporter or start that does not exist. A KeyError too, because python-parmap raises that."""

    def __init__(self, what: str, name: object, known: Iterable[str]) -> None:
        super().__init__(f"parmap: there is no {what} {name!r}; the names are " + ", ".join(known))

    def __str__(self) -> str:  # KeyError would quote it
        return str(self.args[0])


#: Names in other libraries, and their names here.
_ELSEWHERE = {
    **dict.fromkeys(("timeout", "task_timeout", "time_limit"), "timeout_sec"),
    **dict.fromkeys(
        ("workers", "n_workers", "n_jobs", "njobs", "processes", "pm_processes", "nprocs", "max_workers", "num_workers", "num_proc",
         "num_cpus", "n_threads"), "n_worker"
    ),
    **dict.fromkeys(("initializer", "worker_init"), "init"),
    **dict.fromkeys(("initargs", "worker_init_args"), "a part of init, which takes no arguments: init=lambda: f(*initargs)"),
    **dict.fromkeys(("worker_exit", "finalizer", "cleanup"), "finish"),
    **dict.fromkeys(("kwargs", "kwds", "args", "constants", "shared_objects"), "fargs, a dict"),
    **dict.fromkeys(("backend", "method", "executor", "prefer"), "engine"),
    "pm_parallel": "engine, which is 'serial' for a plain loop",
    **dict.fromkeys(("context", "mp_context", "start_method"), "start"),
    **dict.fromkeys(("progress_bar", "progress", "pbar", "pm_pbar", "show_progress", "progressbar", "verbose", "tqdm_class"), "reporter"),
    **dict.fromkeys(("desc", "description", "title"), "label"),
    **dict.fromkeys(("maxtasksperchild", "max_tasks_per_child", "worker_lifespan", "pm_maxtasksperchild"), "max_tasks"),
    **dict.fromkeys(("max_errors", "error_limit", "fail_fast"), "max_failures, or on_error='raise'"),
    **dict.fromkeys(("cancel", "cancel_event", "stop_event"), "stop, a threading.Event"),
    **dict.fromkeys(("max_memory", "mem_limit"), "memory_limit"),
    **dict.fromkeys(("retry", "max_retries", "n_retries"), "retries"),
    **dict.fromkeys(("random_state", "random_seed"), "seed"),
    **dict.fromkeys(("error_callback", "errors", "return_exceptions", "raise_errors"), "on_error"),
    **dict.fromkeys(("max_time", "total_timeout", "wall_time", "walltime"), "deadline_sec, for the whole map"),
    "enable_insights": "times, which summary() then tells",
    "callback": "a loop over parmap.stream, which gives outcomes as the tasks end",
    "unordered": "parmap.imap_unordered, or parmap.stream",
    "buffersize": "window, of parmap.stream",
}


def unknown_argument(function: str, unknown: Iterable[str]) -> TypeError:
    """Like Python's own error, but says what to write instead."""
    name = next(iter(unknown))
    said = f"{function}() got an unexpected keyword argument {name!r}"
    if name in ("chunksize", "chunk_size", "batch_size", "n_splits", "pm_chunksize", "pre_dispatch"):
        return TypeError(f"{said}: leave it out, because parmap chooses the chunk size")
    if name in _ELSEWHERE:
        return TypeError(f"{said}: here that is {_ELSEWHERE[name]}")
    return TypeError(f"{said}; an argument that is the same for every call of func goes into fargs: fargs=dict({name}=...)")


#: Names in other libraries, and what does their work here.
_OTHER_OBJECTS = {
    **dict.fromkeys(
        ("Pool", "ProcessPool", "WorkerPool", "ProcessPoolExecutor", "ThreadPoolExecutor"),
        "parmap.Executor, whose workers stay; a single map needs none",
    ),
    "Parallel": "parmap.parmap",
    "starimap": "parmap.imap with parmap.zip",
}


def unknown_attribute(name: str) -> AttributeError:
    """Of the module."""
    said = f"module 'parmap' has no attribute {name!r}"
    here = _OTHER_OBJECTS.get(name)
    return AttributeError(said if here is None else f"{said}; here that is {here}", name=name)
