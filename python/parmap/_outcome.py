# SPDX-License-Identifier: MIT
"""What becomes of a map: its results, an exception for each failure, and the warnings that tell of them."""

from __future__ import annotations

import re
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

from . import _errors, _parmap, _task, _worker_end
from ._arguments import PENDING, Request
from ._failures import Failure, call_text, lines_of_failures
from ._inputs import kept_inputs
from ._part import OTHER_PART
from ._results import Results
from ._times import times_of


_DEADLINE = b"the deadline"


def collect(asked: Request, unpickle: bool = True) -> Results:
    """Returns the values, and a Failure for each task without one."""
    interrupted = asked.interrupt is not None or not unpickle
    asked.values.extend([PENDING] * (asked.product.size - len(asked.values)))  # of multi, if it was interrupted early
    results = Results(asked.values) if interrupted else asked.values  # tasks that were left behind still write to asked.values
    results.seed, results.engine = asked.seed, asked.engine
    results._inputs = kept_inputs(asked.product, asked.given)
    results._seconds = time.monotonic() - asked.begun
    if asked.measured:
        results._times = times_of(asked.measured, asked.product.task)
    for index, kind, message, attempts, status in asked.told:
        if isinstance(asked.raised.get(index), _errors.TaskNotRun):
            kind, message = "stopped", _DEADLINE  # raised in a thread
        error, trace = _exception(kind, message, attempts, status, asked, asked.raised.get(index), unpickle)
        host = asked.hosts.get(index, "")
        results.failures.append(Failure(index, asked.product.task(index), kind, error, attempts, host, trace))
        results[index] = None
    if interrupted:
        _tell_of_what_is_left(results, asked)
    if results.failures:
        results.failures._inputs = results._inputs
    return results


def failure_of(asked: Request, told: tuple[int, str, bytes, int, int], raised: BaseException | None) -> Failure:
    """The failure of an attempt, while the map runs."""
    return failure_of_task(asked, told, raised, asked.product.arguments(told[0]))


def failure_of_task(
    asked: Request, told: tuple[int, str, bytes, int, int], raised: BaseException | None, arguments: tuple[Any, ...]
) -> Failure:
    index, kind, message, attempts, status = told
    if isinstance(raised, _errors.TaskNotRun):
        kind, message = "stopped", _DEADLINE  # raised in a thread
    error, trace = _exception(kind, message, attempts, status, asked, raised, unpickle=True)
    return Failure(index, asked.product.as_task(arguments), kind, error, attempts, asked.hosts.get(index, ""), trace)


def set_retry_if(asked: Request) -> None:
    """Sets what the extension calls for each attempt that has failed, except the last one."""
    wants_retry = asked.wants_retry

    def is_wanted(told: tuple[int, str, bytes, int, int], raised: BaseException | None) -> bool:
        raised = asked.raised.get(told[0]) if raised is None else raised
        return wants_retry is None or bool(wants_retry(failure_of(asked, told, raised)))

    def is_wanted_after_sleep(told: tuple[int, str, bytes, int, int], raised: BaseException | None) -> bool:
        if not is_wanted(told, raised):
            return False
        until = time.monotonic() + _parmap.retry_wait(delay_ns, asked.seed, told[0], told[3]) / 1e9
        while (left := until - time.monotonic()) > 0 and not (asked.stop is not None and asked.stop.is_set()):
            if deadline is not None and time.monotonic() > deadline:
                break
            time.sleep(min(left, 0.05))
        return True

    if asked.engine == "serial" and asked.retry_delay_ns:  # the extension would sleep with the GIL
        delay_ns, asked.retry_delay_ns = asked.retry_delay_ns, 0
        deadline = None if asked.deadline_ns is None else asked.begun + asked.deadline_ns / 1e9
        asked.retry_if = is_wanted_after_sleep
    elif wants_retry is not None:
        asked.retry_if = is_wanted


def _tell_of_what_is_left(results: Results, asked: Request) -> None:
    """Adds the failures of tasks that Ctrl-C has left behind, in threads or on a loop: no engine reports these."""
    for index, value in enumerate(results):
        if value is PENDING:
            error = _errors.TaskNotRun("not finished, because the map was interrupted")
            results.failures.append(Failure(index, asked.product.task(index), "stopped", error, 0, _trace=""))
            results[index] = None
    results.failures.sort(key=lambda each: each.index)


def _exception(
    kind: str, message: bytes, attempts: int, status: int, asked: Request, raised: BaseException | None, unpickle: bool
) -> tuple[BaseException, str | None]:
    """Returns a failed task's exception, and its traceback in the worker if it ran in one."""
    if kind == "timed_out":
        assert asked.timeout_ns is not None
        cause = "".join(f"; {each}" for each in asked.hazards)
        late = _errors.TaskTimeout(f"ran longer than timeout_sec={asked.timeout_ns / 1e9:g}{cause}")
        if isinstance(raised, _errors.TaskTimeout):
            late.__traceback__ = raised.__traceback__
        else:
            late.__cause__ = raised  # what the task raised instead
        return late, None
    if kind == "stopped":
        why = "another task failed" if asked.stop_at_failure else "the map was stopped"
        if b"deadline" in message:
            why = "the deadline was reached"
        if message == b"lost":
            return _errors.TaskNotRun(f"not finished, because the node that ran it was lost {attempts} times"), ""
        if not message:
            return _errors.TaskNotRun("its result was not read, because Ctrl-C was pressed twice"), ""
        return _errors.TaskNotRun(f"not finished, because {why}"), ""
    if raised is not None:
        return raised, None
    if kind in ("crashed", "exited"):
        return _errors.of_death(kind, status), ""
    error, trace = _errors.restore(message, unpickle, asked.ctrl_c.has_raised)
    if kind == "out_of_memory" and not isinstance(error, MemoryError):
        why = "memory_limit was reached" if asked.memory_limit else "an allocation was refused"
        return MemoryError(f"{why}: {error}" if trace else _words(message, why)), trace
    if kind == "out_of_memory" and asked.memory_limit:
        _errors.add_note(error, f"parmap: memory_limit={asked.memory_limit} may have been reached")
    if kind == "unencodable" and not isinstance(error, _errors.UnpicklableResult):
        return _errors.UnpicklableResult(_words(message, "its result was lost")), trace
    return error, trace


def end_in_words(end: tuple[int, int] | BaseException | str) -> str:
    if isinstance(end, str):
        return end  # of another node
    if isinstance(end, BaseException):
        return f"parmap: finish raised {type(end).__name__}: {_errors.text_of(end)}"
    count, doing = end
    workers = "a worker was" if count == 1 else f"{count} workers were"
    return f"parmap: {workers} killed, because ending after the last task took too long. Not finished: {_worker_end.DOING[doing]}"


def _words(message: bytes, otherwise: str) -> str:
    return _errors.in_words_of_python(message.decode(errors="replace")) or otherwise


_told_of_none = False


def tell_if_all_are_none(results: Results) -> None:
    """Once in a process: somebody may expect what tasks have written to variables of the caller."""
    global _told_of_none
    if _told_of_none or any(value is not None for value in results if value is not OTHER_PART) or _task.in_task():
        return
    _told_of_none = True
    warnings.warn(
        "parmap: every task has returned None. If a task changes a variable, list or array, only its worker process sees that: "
        "return the value, or use engine='threads'. (If your tasks write files, ignore this. It is shown only once.)",
        RuntimeWarning,
        stacklevel=3,
    )


def _hint(first: Failure) -> str:
    """For a func of several arguments that was given one iterable of tuples, as Pool.starmap is."""
    if not isinstance(first.task, tuple) or len(first.task) != 1 or not isinstance(first.task[0], (tuple, list)) or not isinstance(first.exception, TypeError):
        return ""
    if re.search(r"missing \d+ required positional argument|takes .* positional argument", str(first.exception)) is None:
        return ""
    return (
        "\nThe elements are tuples, and func was called with one of them as its argument. To call func(*pair): "
        "parmap.starmap(func, pairs), or parmap(func, parmap.zip(a, b)) for two iterables in lockstep."
    )


def words_of_failures(first: Failure, failed: int, tasks: int, lines: list[str]) -> str:
    text = f"{failed} of {tasks} tasks failed; the first: {first}, called with {call_text(first.task)}"
    if first.traceback:
        text += "\n" + first.traceback.rstrip()
    text += _hint(first)
    return text if failed <= 1 else text + "\n".join(["\nThe failures:", *(f"  {line}" for line in lines)])


def answer(results: Results, func: Callable[..., Any], on_error: Any) -> None:
    """Handles the failures as on_error says. Called two frames below parmap's caller, for the warning."""
    if on_error == "raise":
        results.raise_for_failures()
    if on_error is not None:
        for each in results.failures:
            results[each.index] = on_error(func, each.task, each.exception)
        return
    text = words_of_failures(results.failures[0], len(results.failures), len(results.here), lines_of_failures(results.failures))
    try:
        warnings.warn(text, _errors.ParmapWarning, stacklevel=3)
    except _errors.ParmapWarning as warning:
        warning.results = results  # type: ignore[attr-defined]
        raise
    except ValueError:  # stderr is closed: the warning cannot be shown, but the results have the failures
        if not getattr(sys.stderr, "closed", False):
            raise
