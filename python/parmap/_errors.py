# SPDX-License-Identifier: MIT
"""The exceptions of failed tasks, and how they leave a worker.

One file, as restore() reads what describe() packs.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import re
import signal
import sys
import traceback
import types
from collections import ChainMap
from collections.abc import Callable
from typing import Any

from . import _parmap

_dumps = pickle.dumps  # a task may replace it
_loads = pickle.loads  # a task may replace it


class ParmapWarning(RuntimeWarning):
    """Tasks of a map failed, or a worker did not end as it should.

    parmap gives this warning at every such map, unless a filter says otherwise. If a filter makes an exception of a
    warning about failed tasks, its attribute ``results`` holds what parmap would have returned::

        warnings.simplefilter("error", parmap.ParmapWarning)
        try:
            results = parmap(f, xs)
        except parmap.ParmapWarning as warning:
            results = warning.results
    """


class TaskTimeout(TimeoutError):
    """A task ran longer than timeout_sec: the exception of a Failure of kind "timed_out"::

        late = [each.task for each in results.failures if isinstance(each.exception, parmap.TaskTimeout)]

    Under engine="threads" it is also raised in the task itself. If the task then raised something else, that is the
    __cause__.
    """


class WorkerDied(RuntimeError):
    """A task ended its worker process: the exception of a Failure of kind "crashed" or "exited"::

        died = [each.exception for each in results.failures if each.kind == "crashed"]
        print(died[0].signal == signal.SIGSEGV)

    Attributes
    ----------
    signal : int or None
        The number of the signal that killed the worker; None if it exited, or if the cause is unknown.
    status : int or None
        The exit status; None if the worker was killed, or if the cause is unknown.
    """

    def __init__(self, message: str, signal: int | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.signal = signal
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.signal, self.status)


class RemoteError(RuntimeError):
    """Takes the place of a task's exception that cannot be pickled, or not unpickled in the caller::

        for why in results.failures:
            if isinstance(why.exception, parmap.RemoteError):
                print(why.exception.type_name, why.exception.text, why.traceback)

    Attributes
    ----------
    type_name : str
        The name of the exception's type, with its module.
    text : str
        Its message.
    """

    def __init__(self, type_name: str, text: str) -> None:
        super().__init__(f"{type_name}: {text}" if text else type_name)
        self.type_name = type_name
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.type_name, self.text)


class UnpicklableResult(TypeError):
    """The result of a task could not be brought from its worker: the exception of a Failure of kind "unencodable"::

        results = parmap(lambda x: threading.Lock(), [1])
        print(results.failures[0].exception)     # a result of type _thread.lock cannot be pickled: ...

    Return plain data, install cloudpickle, or use engine="threads", where nothing is pickled.
    """


class TaskNotRun(RuntimeError):
    """A task did not begin, or did not end, because the map was stopped: the exception of a Failure of kind "stopped"::

        missing = [each.task for each in results.failures if each.kind == "stopped"]

    A map is stopped by its options stop, max_failures and deadline_sec, by on_error="raise" at the first failure, and by Ctrl-C.
    """


class StoreFailed(RuntimeError):
    """The file of a checkpoint cannot be used or written: it is damaged or another program's, a process is using it, the disk is
    full::

        try:
            results = parmap(simulate, grid=grid, checkpoint="sweep.db")
        except parmap.StoreFailed as error:
            results = error.results

    What was stored before stays in the file.

    Attributes
    ----------
    results : Results or None
        What the map has done until then; tasks that did not end are "stopped". None if it had not begun.
    """

    results: Any = None


class RemoteTraceback(Exception):
    """The traceback in a worker, as text: the __cause__ of an exception that a task raised there."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


# The engine cuts messages longer than 16 MiB.
_LONGEST_PICKLE = 8 << 20
_LONGEST_TEXT = 1 << 20


def pickled(value: Any) -> bytes:
    """Pickles by protocol 5, or by cloudpickle if pickle refuses and cloudpickle is installed."""
    try:
        return _dumps(value, protocol=5)
    except Exception as refused:
        return pickled_otherwise(value, refused)


def pickled_otherwise(value: Any, refused: BaseException, buffer_callback: Any = None) -> bytes:
    """Pickles by cloudpickle what pickle has refused. Raises the refusal again if cloudpickle is not installed."""
    if isinstance(refused, (pickle.PicklingError, AttributeError, TypeError)):
        try:
            import cloudpickle
        except ImportError:
            pass
        else:
            return _pickled_by(cloudpickle, value, buffer_callback)
    raise refused


def _pickled_by(cloudpickle: Any, value: Any, buffer_callback: Any) -> bytes:
    with io.BytesIO() as file:
        _pickler_of(cloudpickle)(file, protocol=5, buffer_callback=buffer_callback).dump(value)
        return file.getvalue()


_picklers: dict[Any, Any] = {}


def _pickler_of(cloudpickle: Any) -> Any:
    if (made := _picklers.get(cloudpickle)) is not None:
        return made
    reduce_code = getattr(cloudpickle.cloudpickle, "_code_reduce", None)

    def code_with_its_file(code: types.CodeType) -> Any:
        """For tracebacks; cloudpickle names another file."""
        make, arguments = reduce_code(code)  # type: ignore[misc]
        return make, tuple(code.co_filename if each == "<dynamic-code>" else each for each in arguments)

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc,name-defined]
        """Unlike cloudpickle it refuses open files, which it would read, and keeps a memoryview one."""

        dispatch_table = ChainMap(
            {io.TextIOWrapper: _refuse_file, memoryview: lambda view: (_viewed, (view.tobytes(), view.format, view.shape))},
            {} if reduce_code is None else {types.CodeType: code_with_its_file},
            cloudpickle.Pickler.dispatch_table,
        )

    _picklers[cloudpickle] = Pickler
    return Pickler


def _refuse_file(file: Any) -> Any:
    raise pickle.PicklingError(f"an open file cannot leave its worker ({file.name!r:.100}): return its name or its contents")


def _viewed(data: bytes, format: str, shape: tuple[int, ...]) -> memoryview:
    flat = memoryview(data)
    return flat if format == "B" and len(shape) == 1 else flat.cast(format, shape)  # type: ignore[call-overload,no-any-return]


def _type_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def words_of(error: BaseException | None) -> str:
    """Its type and text, on one line of an account."""
    if error is None:
        return ""
    text = text_of(error)
    return f"{_type_name(error)}: {text}" if text else _type_name(error)


def text_of(error: BaseException) -> str:
    try:
        return str(error)
    except (Exception, SystemExit) as worse:
        return f"(its __str__ raised {type(worse).__name__})"


#: Functions of parmap that stand between an engine and func.
hidden: set[types.CodeType] = set()


def traceback_of(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code in hidden:
        trace = trace.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, trace))
    except (Exception, SystemExit):  # its __str__ may raise, or that of an object it refers to
        return "".join(traceback.format_tb(trace)) + f"{_type_name(error)}: {text_of(error)}\n"


def _without_addresses(text: str) -> str:
    """They differ in a copy of an argument."""
    return re.sub("0x[0-9a-f]+", "", text)


def set_attribute(error: BaseException, name: str, value: Any) -> None:
    """Sets an attribute even if the class has its own __setattr__, as frozen dataclasses do."""
    BaseException.__setattr__(error, name, value)


def add_note(error: BaseException, note: str) -> None:
    """Like error.add_note, which Python 3.10 does not have."""
    set_attribute(error, "__notes__", [*getattr(error, "__notes__", ()), note])


def _pickled_by_itself(error: BaseException) -> bytes:
    """As pickled(), but without what tblib has put in place for all exceptions (which Dask installs): that pickles tracebacks, too,
    which are told as text, and those of a deep recursion cannot be pickled."""
    support = sys.modules.get("tblib.pickling_support")
    if support is None:
        return pickled(error)
    with io.BytesIO() as file:
        pickler = pickle.Pickler(file, protocol=5)
        pickler.dispatch_table = {
            kind: reduce for kind, reduce in copyreg.dispatch_table.items() if getattr(reduce, "__module__", None) != support.__name__
        }
        try:
            pickler.dump(error)
            return file.getvalue()
        except Exception as refused:
            return pickled_otherwise(error, refused)


def _pickled_if_it_survives(error: BaseException) -> tuple[bytes | None, bool]:
    """Its pickle, and whether its text has to be restored as its only argument. Unpickles the exception once here in the
    worker, so that the caller does not find it broken."""
    try:
        data = _pickled_by_itself(error)
        if len(data) > _LONGEST_PICKLE:
            return None, False
        again = _loads(data)
        text = str(error)
        if type(again) is not type(error):
            return None, False
        if _without_addresses(str(again)) == _without_addresses(text):
            return data, False
        # An argument has lost a part, as the connection pool in an error of requests. Attributes are restored by pickle.
        again.args = (text,)
        if str(again) == text and again.__dict__.keys() == error.__dict__.keys():
            return data, True
    except BaseException:
        pass  # it does not survive; what it raises is not the task's
    return None, False


def describe(error: BaseException) -> bytes:
    """In the worker: packs all that restore() needs."""
    return _dumps(
        (
            _type_name(error),
            text_of(error)[:_LONGEST_TEXT],
            traceback_of(error)[-_LONGEST_TEXT:],
            *_pickled_if_it_survives(error),
        )
    )


def describe_within(error: BaseException, most: int) -> bytes:
    """The same in at most so many bytes: then perhaps without the exception itself."""
    data = describe(error)
    if len(data) <= most:
        return data
    return _dumps((_type_name(error), text_of(error)[: most // 16], traceback_of(error)[-most // 4 :], None, False))


_NO_RESULT = object()


def describe_unpicklable(error: BaseException | None, result: Any = _NO_RESULT) -> bytes:
    """Like describe(), for a result that cannot be pickled; without `result`, for one that cannot be unpickled."""
    why = "pickling it gave no bytes" if error is None else f"{_type_name(error)}: {text_of(error)}"
    if result is _NO_RESULT:
        what = UnpicklableResult(f"the result was pickled by its worker but cannot be unpickled here: {why}")
    else:
        kind = type(result)
        what = UnpicklableResult(
            f"a result of type {kind.__module__}.{kind.__qualname__} cannot be pickled: {why}; return plain data, "
            "install cloudpickle, or use engine='threads'"
        )
    if isinstance(error, MemoryError):
        what = error  # type: ignore[assignment]
    elif error is not None:
        what.__cause__ = error
    return describe(what)


_IN_PYTHON = {
    "options.timeout": "timeout_sec",
    "options.workers": "n_worker",
    "options.memory_limit": "memory_limit",
    "options.max_failures": "max_failures",
    "options.retries": "retries",
    "options.reporter": "reporter",
}


def in_words_of_python(text: str) -> str:
    """A message of the C++ library, with the names that options have here."""
    for name, here in _IN_PYTHON.items():
        text = text.replace(name, here)
    return text


def restore(message: bytes, unpickle: bool, interrupted: Callable[[BaseException], bool]) -> tuple[BaseException, str]:
    """In the caller: returns the exception, whose cause is the worker's traceback, and that as text.

    Without `unpickle` the exception is a RemoteError in its place; also if its unpickling raises anything, unless
    interrupted(error) tells that a signal handler has raised that, which passes.
    """
    try:
        type_name, text, trace, data, text_is_lost = pickle.loads(message)
    except Exception:  # not from describe(): the engine's own message, or one that was cut
        words = in_words_of_python(message.decode(errors="replace"))
        return RemoteError(words if words.isprintable() else "unknown", ""), ""
    error: BaseException
    try:
        error = pickle.loads(data) if unpickle and data is not None else RemoteError(type_name, text)
        if text_is_lost:
            error.args = (text,)
    except BaseException as why:
        if interrupted(why):
            raise
        error = RemoteError(type_name, text)
    set_attribute(error, "__cause__", RemoteTraceback(trace))
    return error, trace


def words_of_described(message: bytes) -> str:
    """What describe() or an engine has packed, in words: without its exception, which may be anything."""
    try:
        type_name, text = pickle.loads(message)[:2]
    except Exception:
        return in_words_of_python(message.decode(errors="replace"))
    return f"{type_name}: {text}" if text else str(type_name)


def _signal_name(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} ({signal.strsignal(number)})"
    except ValueError:
        return f"signal {number}"


def of_death(kind: str, status: int) -> WorkerDied:
    """Returns the exception of a task that ended its worker."""
    if kind == "exited":
        return WorkerDied(
            f"its worker exited with status {status}, as by os._exit({status}) or exit() in C code", status=status
        )
    if status == 0:
        return WorkerDied("its worker died, and the cause is unknown, because this process ignores SIGCHLD or reaps every child")
    return WorkerDied(f"its worker was killed by {_signal_name(status)}: {_parmap.advice_on_signal(status)}", signal=status)
