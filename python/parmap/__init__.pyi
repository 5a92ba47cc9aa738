# SPDX-License-Identifier: MIT
# The types of the package, for type checkers; stubtest compares them with the code.

import concurrent.futures
import functools
import os
import threading
import types
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, Protocol, SupportsIndex, TypeAlias, TypedDict, TypeVar, overload

import numpy
from typing_extensions import ParamSpec, TypeVarTuple, Unpack

from . import _part, joblib as joblib

_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_D = TypeVar("_D")
_R = TypeVar("_R")
_E = TypeVar("_E")
_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)
_P = ParamSpec("_P")
_Z = TypeVarTuple("_Z")

_OnError = Callable[[Callable[..., Any], Any, BaseException], _E]
_Grid = Any  # a dict, a zip with names, a data frame, or a list of these
_Where = Callable[..., object]
_Kind = Literal["threw", "crashed", "exited", "timed_out", "out_of_memory", "unencodable", "stopped"]

class _Stop(Protocol):
    def is_set(self) -> bool: ...

class _CommonOptions(TypedDict, total=False):
    timeout_sec: float | None
    deadline_sec: float | None
    deadline: Literal["slurm"] | None
    n_worker: int | None
    reporter: Literal["bar", "text", "silent", "none"] | type[Any] | functools.partial[Any] | Callable[[int, int], object] | None
    label: str | None
    times: bool
    trace: str | bytes | os.PathLike[Any] | Literal[False] | None
    retries: int
    retry_delay_sec: float
    retry_if: Callable[[Failure], object] | None
    seed: int | None
    memory_limit: int | str | None
    init: Callable[[], Any] | None
    finish: Callable[[], Any] | None
    max_failures: int | None
    stop: threading.Event | _Stop | None
    checkpoint: str | os.PathLike[str] | checkpoint | None
    part: tuple[int, int] | Literal["slurm"] | None
    n_simul: int | None

class _AsyncOptions(_CommonOptions, total=False):
    max_tasks: int | None
    start: Literal["fork", "spawn"]

class _DaskClient(Protocol):
    def scheduler_info(self) -> Any: ...

_Engine: TypeAlias = Literal["multi", "threads", "serial", "dask", "mpi"] | Executor | DaskEngine | MpiEngine | _DaskClient

class _Options(_AsyncOptions, total=False):
    engine: _Engine

class _AllStreamOptions(_CommonOptions, total=False):
    grid: _Grid
    where: _Where | None
    fargs: dict[str, Any] | None
    max_tasks: int | None
    start: Literal["fork"]
    window: int

class _BareOptions(_AllStreamOptions, total=False):
    engine: _Engine
    on_error: Literal["raise"] | _OnError[Any] | None

class _StreamOptions(_BareOptions, total=False):
    ordered: bool

class _AstreamOptions(_AllStreamOptions, total=False):
    on_error: Literal["raise"] | _OnError[Any] | None
    ordered: bool

__all__ = [
    "ENGINES",
    "AsyncStream",
    "BrokenPool",
    "Context",
    "DaskEngine",
    "Executor",
    "Failure",
    "FailureCause",
    "Failures",
    "Future",
    "MpiEngine",
    "OTHER_PART",
    "Outcome",
    "ParmapWarning",
    "Reduction",
    "RemoteError",
    "Results",
    "StoreFailed",
    "Stored",
    "StoredRow",
    "Stream",
    "Summary",
    "TaskNotRun",
    "TaskTime",
    "TaskTimeout",
    "UnpicklableResult",
    "WorkerDied",
    "astream",
    "axis",
    "checkpoint",
    "context",
    "fold",
    "imap",
    "imap_unordered",
    "load",
    "map_reduce",
    "maplike",
    "override",
    "parmap",
    "parmap_async",
    "rng",
    "starmap",
    "stream",
    "watch",
    "zip",
]

ENGINES: tuple[str, ...]
OTHER_PART: _part.OtherPart
_pure: str | None
__version__: str

class ParmapWarning(RuntimeWarning):
    results: Results[Any]

class TaskTimeout(TimeoutError): ...

class WorkerDied(RuntimeError):
    signal: int | None
    status: int | None
    def __init__(self, message: str, signal: int | None = None, status: int | None = None) -> None: ...

class RemoteError(RuntimeError):
    type_name: str
    def __init__(self, type_name: str, text: str) -> None: ...

class StoreFailed(RuntimeError):
    results: Results[Any] | None

class BrokenPool(concurrent.futures.BrokenExecutor):
    def __init__(self, text: str = "") -> None: ...

class UnpicklableResult(TypeError): ...
class TaskNotRun(RuntimeError): ...

@dataclass(frozen=True)
class Failure:
    index: int
    task: Any  # a tuple; of a grid a dict
    kind: _Kind
    exception: BaseException
    attempts: int
    host: str = ...
    _trace: str | None = ...
    @property
    def traceback(self) -> str: ...

@dataclass(frozen=True)
class FailureCause:
    kind: _Kind
    message: str
    count: int
    first: Failure

class Failures(list[Failure]):
    _inputs: Any
    def causes(self) -> list[FailureCause]: ...
    def to_frame(self, kind: Literal["pandas", "polars"] = "pandas") -> Any: ...

@dataclass(frozen=True)
class TaskTime:
    index: int
    task: Any  # a tuple; of a grid a dict
    seconds: float
    attempt: int

@dataclass(frozen=True)
class Summary:
    tasks: int
    completed: int
    seconds: float | None
    causes: list[FailureCause]
    busy: float | None = ...
    slowest: list[TaskTime] = ...
    left_out: int = ...
    stored: int = ...
    elsewhere: int = ...
    @property
    def failed(self) -> int: ...
    def count(self, kind: _Kind) -> int: ...

class Reduction:
    partial: Any
    failures: Failures
    seed: int
    def __init__(self, partial: Any, size: int, failures: Iterable[Failure] = (), seed: int = 0, seconds: float | None = None) -> None: ...
    @property
    def value(self) -> Any: ...
    @property
    def ok(self) -> bool: ...
    @property
    def size(self) -> int: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def raise_for_failures(self) -> None: ...
    def summary(self) -> Summary: ...

class Results(list[_T]):
    failures: Failures
    seed: int
    engine: str
    part: tuple[int, int] | None
    @property
    def here(self) -> list[int]: ...
    def __init__(self, values: Iterable[_T] = (), failures: Iterable[Failure] | None = None, seed: int = 0) -> None: ...
    def summary(self) -> Summary: ...
    @property
    def tasks(self) -> Sequence[Any]: ...
    @property
    def stored(self) -> Sequence[int]: ...
    @property
    def left_out(self) -> Sequence[Any]: ...
    def report(self, path: str | os.PathLike[str]) -> None: ...
    def to_frame(self, kind: Literal["pandas", "polars"] = "pandas") -> Any: ...
    def to_xarray(
        self, dims: str | Sequence[str] | Mapping[str, str | Sequence[str]] = (), coords: Mapping[str, Any] | None = None
    ) -> Any: ...
    def sel(self, /, **inputs: Any) -> Results[_T]: ...
    @property
    def ok(self) -> bool: ...
    def raise_for_failures(self) -> None: ...
    @overload
    def __getitem__(self, at: SupportsIndex) -> _T: ...
    @overload
    def __getitem__(self, at: slice) -> Results[_T]: ...
    def copy(self) -> Results[_T]: ...
    @overload
    def __add__(self, other: list[_T]) -> Results[_T]: ...
    @overload
    def __add__(self, other: list[_E]) -> Results[_T | _E]: ...
    def __radd__(self, other: list[_E]) -> Results[_T | _E]: ...  # type: ignore[misc]

class _Fields(NamedTuple):
    index: int  # type: ignore[assignment]
    task: Any  # a tuple; of a grid a dict
    value: Any
    failure: Failure | None
    attempts: int
    seconds: float | None
    worker: int | None

class Outcome(_Fields):
    stored: bool
    def __bool__(self) -> bool: ...

class Stream(Generic[_T]):
    @property
    def seed(self) -> int: ...
    @property
    def is_over(self) -> bool: ...
    def next(self, timeout: float | None = None) -> _T: ...
    def close(self) -> None: ...
    def summary(self) -> Summary: ...
    def __iter__(self) -> Stream[_T]: ...
    def __next__(self) -> _T: ...
    def __enter__(self) -> Stream[_T]: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None) -> None: ...

class AsyncStream:
    @property
    def seed(self) -> int: ...
    def summary(self) -> Summary: ...
    def __aiter__(self) -> AsyncStream: ...
    async def __anext__(self) -> Outcome: ...
    async def aclose(self) -> None: ...
    async def __aenter__(self) -> AsyncStream: ...
    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None) -> None: ...

class Future(concurrent.futures.Future[_T]):
    def __init__(self, pool: Any) -> None: ...
    def kill(self) -> bool: ...

class DaskEngine:
    def __init__(
        self,
        client: _DaskClient | None = None,
        *,
        workers: str | Iterable[str] | None = None,
        priority: int = 0,
        resources: dict[str, float] | None = None,
        n_worker: int | None = None,
    ) -> None: ...

class MpiEngine:
    def __init__(self, *, n_worker: int | None = None) -> None: ...

class Executor(concurrent.futures.Executor):
    _max_workers: int
    def __init__(
        self,
        n_worker: int | None = None,
        init: Callable[[], Any] | None = None,
        finish: Callable[[], Any] | None = None,
        timeout_sec: float | None = None,
        max_tasks: int | None = None,
        memory_limit: int | str | None = None,
        seed: int | None = None,
        start: Literal["fork"] = "fork",
        *,
        max_workers: int | None = None,
        mp_context: Any = None,
        initializer: Callable[..., Any] | None = None,
        initargs: tuple[Any, ...] = (),
        max_tasks_per_child: int | None = None,
    ) -> None: ...
    def submit(self, fn: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]: ...
    def map(
        self, fn: Callable[..., _R], *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1, buffersize: int | None = None
    ) -> Iterator[_R]: ...
    def share(self, array: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]: ...
    def restart(self) -> None: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None) -> None: ...
    def terminate_workers(self) -> None: ...
    def kill_workers(self) -> None: ...

class _Numbers(NamedTuple):
    index: int  # type: ignore[assignment]
    attempt: int
    worker: int

class Context(_Numbers):
    state: Any

class zip(Generic[Unpack[_Z]]):
    @overload
    def __new__(cls, a: Iterable[_A], /) -> zip[_A]: ...
    @overload
    def __new__(cls, a: Iterable[_A], b: Iterable[_B], /) -> zip[_A, _B]: ...
    @overload
    def __new__(cls, a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], /) -> zip[_A, _B, _C]: ...
    @overload
    def __new__(cls, a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], d: Iterable[_D], /) -> zip[_A, _B, _C, _D]: ...
    @overload
    def __new__(cls, *iterables: Iterable[Any]) -> zip[Unpack[tuple[Any, ...]]]: ...
    @overload
    def __new__(cls, **named: Iterable[Any]) -> zip[Unpack[tuple[Any, ...]]]: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[tuple[Unpack[_Z]]]: ...

class axis(Sequence[_T]):
    def __init__(self, name: str, values: Iterable[_T], key: Callable[[_T], Any] | str | None = None) -> None: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, at: int) -> _T: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[_T]: ...

class checkpoint:
    path: str
    name: str | None
    version: str
    rerun: frozenset[str] | None
    existing: dict[str, Any]
    accept_code_change: bool
    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        version: str = "",
        rerun: _Kind | Iterable[_Kind] | None = None,
        existing: Mapping[str, Any] | None = None,
        accept_code_change: bool = False,
    ) -> None: ...

class StoredRow(NamedTuple):
    task: dict[str, Any]
    value: Any
    kind: str
    message: str
    attempts: int | None
    began: float | None
    seconds: float | None
    worker: int | None
    def __bool__(self) -> bool: ...

class Stored(Sequence[StoredRow]):
    names: tuple[str, ...]
    version: str
    versions: list[str]
    tasks: int
    fields: dict[str, Any]
    def __init__(
        self, names: tuple[str, ...], rows: list[StoredRow], version: str, versions: list[str], tasks: int, fields: dict[str, Any]
    ) -> None: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, at: int) -> StoredRow: ...
    @overload
    def __getitem__(self, at: slice) -> list[StoredRow]: ...
    def to_frame(self, kind: Literal["pandas", "polars"] = "pandas") -> Any: ...

def load(path: str | os.PathLike[str], allow_pickle: bool = False, version: str | None = None) -> Stored: ...
def context() -> Context: ...
def rng() -> numpy.random.Generator: ...
def watch(path: str | bytes | os.PathLike[Any], *, interval_sec: float = 1.0, once: bool = False) -> None: ...
def override(**options: Any) -> AbstractContextManager[None]: ...

# With fargs, a zip beside other axes, or five axes, the arguments of func are not checked.
@overload
def parmap(func: Callable[[Unpack[_Z]], Awaitable[_R]], a: zip[Unpack[_Z]], /, *, engine: Literal["async", "asyncio"], on_error: Literal["raise"], **options: Unpack[_AsyncOptions]) -> Results[_R]: ...
@overload
def parmap(func: Callable[[Unpack[_Z]], Awaitable[_R]], a: zip[Unpack[_Z]], /, *, engine: Literal["async", "asyncio"], on_error: _OnError[_E], **options: Unpack[_AsyncOptions]) -> Results[_R | _E]: ...
@overload
def parmap(func: Callable[[Unpack[_Z]], Awaitable[_R]], a: zip[Unpack[_Z]], /, *, engine: Literal["async", "asyncio"], on_error: None = None, **options: Unpack[_AsyncOptions]) -> Results[_R | None]: ...
@overload
def parmap(func: Callable[[_A], Awaitable[_R]], a: Iterable[_A], /, *, engine: Literal["async", "asyncio"], on_error: Literal["raise"], **options: Unpack[_AsyncOptions]) -> Results[_R]: ...
@overload
def parmap(func: Callable[[_A], Awaitable[_R]], a: Iterable[_A], /, *, engine: Literal["async", "asyncio"], on_error: _OnError[_E], **options: Unpack[_AsyncOptions]) -> Results[_R | _E]: ...
@overload
def parmap(func: Callable[[_A], Awaitable[_R]], a: Iterable[_A], /, *, engine: Literal["async", "asyncio"], on_error: None = None, **options: Unpack[_AsyncOptions]) -> Results[_R | None]: ...
@overload
def parmap(func: Callable[[_A, _B], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], /, *, engine: Literal["async", "asyncio"], on_error: Literal["raise"], **options: Unpack[_AsyncOptions]) -> Results[_R]: ...
@overload
def parmap(func: Callable[[_A, _B], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], /, *, engine: Literal["async", "asyncio"], on_error: _OnError[_E], **options: Unpack[_AsyncOptions]) -> Results[_R | _E]: ...
@overload
def parmap(func: Callable[[_A, _B], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], /, *, engine: Literal["async", "asyncio"], on_error: None = None, **options: Unpack[_AsyncOptions]) -> Results[_R | None]: ...
@overload
def parmap(func: Callable[[_A, _B, _C], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], /, *, engine: Literal["async", "asyncio"], on_error: Literal["raise"], **options: Unpack[_AsyncOptions]) -> Results[_R]: ...
@overload
def parmap(func: Callable[[_A, _B, _C], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], /, *, engine: Literal["async", "asyncio"], on_error: _OnError[_E], **options: Unpack[_AsyncOptions]) -> Results[_R | _E]: ...
@overload
def parmap(func: Callable[[_A, _B, _C], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], /, *, engine: Literal["async", "asyncio"], on_error: None = None, **options: Unpack[_AsyncOptions]) -> Results[_R | None]: ...
@overload
def parmap(func: Callable[[_A, _B, _C, _D], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], d: Iterable[_D], /, *, engine: Literal["async", "asyncio"], on_error: Literal["raise"], **options: Unpack[_AsyncOptions]) -> Results[_R]: ...
@overload
def parmap(func: Callable[[_A, _B, _C, _D], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], d: Iterable[_D], /, *, engine: Literal["async", "asyncio"], on_error: _OnError[_E], **options: Unpack[_AsyncOptions]) -> Results[_R | _E]: ...
@overload
def parmap(func: Callable[[_A, _B, _C, _D], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], d: Iterable[_D], /, *, engine: Literal["async", "asyncio"], on_error: None = None, **options: Unpack[_AsyncOptions]) -> Results[_R | None]: ...
@overload
def parmap(func: Callable[[Unpack[_Z]], _R], a: zip[Unpack[_Z]], /, *, on_error: Literal["raise"], **options: Unpack[_Options]) -> Results[_R]: ...
@overload
def parmap(func: Callable[[Unpack[_Z]], _R], a: zip[Unpack[_Z]], /, *, on_error: _OnError[_E], **options: Unpack[_Options]) -> Results[_R | _E]: ...
@overload
def parmap(func: Callable[[Unpack[_Z]], _R], a: zip[Unpack[_Z]], /, *, on_error: None = None, **options: Unpack[_Options]) -> Results[_R | None]: ...
@overload
def parmap(func: Callable[[_A], _R], a: Iterable[_A], /, *, on_error: Literal["raise"], **options: Unpack[_Options]) -> Results[_R]: ...
@overload
def parmap(func: Callable[[_A], _R], a: Iterable[_A], /, *, on_error: _OnError[_E], **options: Unpack[_Options]) -> Results[_R | _E]: ...
@overload
def parmap(func: Callable[[_A], _R], a: Iterable[_A], /, *, on_error: None = None, **options: Unpack[_Options]) -> Results[_R | None]: ...
@overload
def parmap(func: Callable[[_A, _B], _R], a: Iterable[_A], b: Iterable[_B], /, *, on_error: Literal["raise"], **options: Unpack[_Options]) -> Results[_R]: ...
@overload
def parmap(func: Callable[[_A, _B], _R], a: Iterable[_A], b: Iterable[_B], /, *, on_error: _OnError[_E], **options: Unpack[_Options]) -> Results[_R | _E]: ...
@overload
def parmap(func: Callable[[_A, _B], _R], a: Iterable[_A], b: Iterable[_B], /, *, on_error: None = None, **options: Unpack[_Options]) -> Results[_R | None]: ...
@overload
def parmap(func: Callable[[_A, _B, _C], _R], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], /, *, on_error: Literal["raise"], **options: Unpack[_Options]) -> Results[_R]: ...
@overload
def parmap(func: Callable[[_A, _B, _C], _R], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], /, *, on_error: _OnError[_E], **options: Unpack[_Options]) -> Results[_R | _E]: ...
@overload
def parmap(func: Callable[[_A, _B, _C], _R], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], /, *, on_error: None = None, **options: Unpack[_Options]) -> Results[_R | None]: ...
@overload
def parmap(func: Callable[[_A, _B, _C, _D], _R], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], d: Iterable[_D], /, *, on_error: Literal["raise"], **options: Unpack[_Options]) -> Results[_R]: ...
@overload
def parmap(func: Callable[[_A, _B, _C, _D], _R], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], d: Iterable[_D], /, *, on_error: _OnError[_E], **options: Unpack[_Options]) -> Results[_R | _E]: ...
@overload
def parmap(func: Callable[[_A, _B, _C, _D], _R], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], d: Iterable[_D], /, *, on_error: None = None, **options: Unpack[_Options]) -> Results[_R | None]: ...
@overload
def parmap(func: Callable[..., Awaitable[Any]], *args: Iterable[Any], fargs: dict[str, Any], engine: Literal["async", "asyncio"], on_error: Literal["raise"] | _OnError[Any] | None = None, **options: Unpack[_AsyncOptions]) -> Results[Any]: ...
@overload
def parmap(func: Callable[..., Awaitable[Any]], a: zip[Unpack[tuple[Any, ...]]], b: Iterable[Any], /, *rest: Iterable[Any], engine: Literal["async", "asyncio"], on_error: Literal["raise"] | _OnError[Any] | None = None, **options: Unpack[_AsyncOptions]) -> Results[Any]: ...
@overload
def parmap(func: Callable[..., Awaitable[Any]], a: Iterable[Any], b: zip[Unpack[tuple[Any, ...]]], /, *rest: Iterable[Any], engine: Literal["async", "asyncio"], on_error: Literal["raise"] | _OnError[Any] | None = None, **options: Unpack[_AsyncOptions]) -> Results[Any]: ...
@overload
def parmap(func: Callable[..., Awaitable[Any]], a: Iterable[Any], b: Iterable[Any], c: Iterable[Any], d: Iterable[Any], e: Iterable[Any], /, *rest: Iterable[Any], engine: Literal["async", "asyncio"], on_error: Literal["raise"] | _OnError[Any] | None = None, **options: Unpack[_AsyncOptions]) -> Results[Any]: ...
@overload
def parmap(func: Callable[..., Any], *args: Iterable[Any], fargs: dict[str, Any], on_error: Literal["raise"] | _OnError[Any] | None = None, **options: Unpack[_Options]) -> Results[Any]: ...
@overload
def parmap(func: Callable[..., Any], a: zip[Unpack[tuple[Any, ...]]], b: Iterable[Any], /, *rest: Iterable[Any], on_error: Literal["raise"] | _OnError[Any] | None = None, **options: Unpack[_Options]) -> Results[Any]: ...
@overload
def parmap(func: Callable[..., Any], a: Iterable[Any], b: zip[Unpack[tuple[Any, ...]]], /, *rest: Iterable[Any], on_error: Literal["raise"] | _OnError[Any] | None = None, **options: Unpack[_Options]) -> Results[Any]: ...
@overload
def parmap(func: Callable[..., Any], a: Iterable[Any], b: Iterable[Any], c: Iterable[Any], d: Iterable[Any], e: Iterable[Any], /, *rest: Iterable[Any], on_error: Literal["raise"] | _OnError[Any] | None = None, **options: Unpack[_Options]) -> Results[Any]: ...
@overload
def parmap(func: Callable[..., Awaitable[_R]], *, grid: _Grid, where: _Where | None = None, fargs: dict[str, Any] | None = None, engine: Literal["async", "asyncio"], on_error: Literal["raise"], **options: Unpack[_AsyncOptions]) -> Results[_R]: ...
@overload
def parmap(func: Callable[..., Awaitable[_R]], *, grid: _Grid, where: _Where | None = None, fargs: dict[str, Any] | None = None, engine: Literal["async", "asyncio"], on_error: _OnError[_E], **options: Unpack[_AsyncOptions]) -> Results[_R | _E]: ...
@overload
def parmap(func: Callable[..., Awaitable[_R]], *, grid: _Grid, where: _Where | None = None, fargs: dict[str, Any] | None = None, engine: Literal["async", "asyncio"], on_error: None = None, **options: Unpack[_AsyncOptions]) -> Results[_R | None]: ...
@overload
def parmap(func: Callable[..., _R], *, grid: _Grid, where: _Where | None = None, fargs: dict[str, Any] | None = None, on_error: Literal["raise"], **options: Unpack[_Options]) -> Results[_R]: ...
@overload
def parmap(func: Callable[..., _R], *, grid: _Grid, where: _Where | None = None, fargs: dict[str, Any] | None = None, on_error: _OnError[_E], **options: Unpack[_Options]) -> Results[_R | _E]: ...
@overload
def parmap(func: Callable[..., _R], *, grid: _Grid, where: _Where | None = None, fargs: dict[str, Any] | None = None, on_error: None = None, **options: Unpack[_Options]) -> Results[_R | None]: ...

@overload
async def parmap_async(func: Callable[[Unpack[_Z]], Awaitable[_R]], a: zip[Unpack[_Z]], /, *, on_error: Literal["raise"], **options: Unpack[_CommonOptions]) -> Results[_R]: ...
@overload
async def parmap_async(func: Callable[[Unpack[_Z]], Awaitable[_R]], a: zip[Unpack[_Z]], /, *, on_error: _OnError[_E], **options: Unpack[_CommonOptions]) -> Results[_R | _E]: ...
@overload
async def parmap_async(func: Callable[[Unpack[_Z]], Awaitable[_R]], a: zip[Unpack[_Z]], /, *, on_error: None = None, **options: Unpack[_CommonOptions]) -> Results[_R | None]: ...
@overload
async def parmap_async(func: Callable[[_A], Awaitable[_R]], a: Iterable[_A], /, *, on_error: Literal["raise"], **options: Unpack[_CommonOptions]) -> Results[_R]: ...
@overload
async def parmap_async(func: Callable[[_A], Awaitable[_R]], a: Iterable[_A], /, *, on_error: _OnError[_E], **options: Unpack[_CommonOptions]) -> Results[_R | _E]: ...
@overload
async def parmap_async(func: Callable[[_A], Awaitable[_R]], a: Iterable[_A], /, *, on_error: None = None, **options: Unpack[_CommonOptions]) -> Results[_R | None]: ...
@overload
async def parmap_async(func: Callable[[_A, _B], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], /, *, on_error: Literal["raise"], **options: Unpack[_CommonOptions]) -> Results[_R]: ...
@overload
async def parmap_async(func: Callable[[_A, _B], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], /, *, on_error: _OnError[_E], **options: Unpack[_CommonOptions]) -> Results[_R | _E]: ...
@overload
async def parmap_async(func: Callable[[_A, _B], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], /, *, on_error: None = None, **options: Unpack[_CommonOptions]) -> Results[_R | None]: ...
@overload
async def parmap_async(func: Callable[[_A, _B, _C], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], /, *, on_error: Literal["raise"], **options: Unpack[_CommonOptions]) -> Results[_R]: ...
@overload
async def parmap_async(func: Callable[[_A, _B, _C], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], /, *, on_error: _OnError[_E], **options: Unpack[_CommonOptions]) -> Results[_R | _E]: ...
@overload
async def parmap_async(func: Callable[[_A, _B, _C], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], /, *, on_error: None = None, **options: Unpack[_CommonOptions]) -> Results[_R | None]: ...
@overload
async def parmap_async(func: Callable[[_A, _B, _C, _D], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], d: Iterable[_D], /, *, on_error: Literal["raise"], **options: Unpack[_CommonOptions]) -> Results[_R]: ...
@overload
async def parmap_async(func: Callable[[_A, _B, _C, _D], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], d: Iterable[_D], /, *, on_error: _OnError[_E], **options: Unpack[_CommonOptions]) -> Results[_R | _E]: ...
@overload
async def parmap_async(func: Callable[[_A, _B, _C, _D], Awaitable[_R]], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], d: Iterable[_D], /, *, on_error: None = None, **options: Unpack[_CommonOptions]) -> Results[_R | None]: ...
@overload
async def parmap_async(func: Callable[..., Awaitable[Any]], *args: Iterable[Any], fargs: dict[str, Any], on_error: Literal["raise"] | _OnError[Any] | None = None, **options: Unpack[_CommonOptions]) -> Results[Any]: ...
@overload
async def parmap_async(func: Callable[..., Awaitable[Any]], a: zip[Unpack[tuple[Any, ...]]], b: Iterable[Any], /, *rest: Iterable[Any], on_error: Literal["raise"] | _OnError[Any] | None = None, **options: Unpack[_CommonOptions]) -> Results[Any]: ...
@overload
async def parmap_async(func: Callable[..., Awaitable[Any]], a: Iterable[Any], b: zip[Unpack[tuple[Any, ...]]], /, *rest: Iterable[Any], on_error: Literal["raise"] | _OnError[Any] | None = None, **options: Unpack[_CommonOptions]) -> Results[Any]: ...
@overload
async def parmap_async(func: Callable[..., Awaitable[Any]], a: Iterable[Any], b: Iterable[Any], c: Iterable[Any], d: Iterable[Any], e: Iterable[Any], /, *rest: Iterable[Any], on_error: Literal["raise"] | _OnError[Any] | None = None, **options: Unpack[_CommonOptions]) -> Results[Any]: ...
@overload
async def parmap_async(func: Callable[..., Awaitable[_R]], *, grid: _Grid, where: _Where | None = None, fargs: dict[str, Any] | None = None, on_error: Literal["raise"], **options: Unpack[_CommonOptions]) -> Results[_R]: ...
@overload
async def parmap_async(func: Callable[..., Awaitable[_R]], *, grid: _Grid, where: _Where | None = None, fargs: dict[str, Any] | None = None, on_error: _OnError[_E], **options: Unpack[_CommonOptions]) -> Results[_R | _E]: ...
@overload
async def parmap_async(func: Callable[..., Awaitable[_R]], *, grid: _Grid, where: _Where | None = None, fargs: dict[str, Any] | None = None, on_error: None = None, **options: Unpack[_CommonOptions]) -> Results[_R | None]: ...

def map_reduce(
    func: Callable[..., _R],
    op: Callable[[Any, Any], Any],
    *args: Iterable[Any],
    initial: Any,
    on_error: Literal["raise", "skip"] = "raise",
    full: bool = False,
    **options: Any,
) -> Any: ...
def fold(
    identity: _T,
    step: Callable[..., Any],
    merge: Callable[[_T, _T], Any],
    *args: Iterable[Any],
    on_error: Literal["raise", "skip"] = "raise",
    full: bool = False,
    **options: Any,
) -> Any: ...
@overload
def maplike(func: Callable[[_A], _R], a: Iterable[_A], /, **options: Any) -> Results[_R]: ...
@overload
def maplike(func: Callable[[_A, _B], _R], a: Iterable[_A], b: Iterable[_B], /, **options: Any) -> Results[_R]: ...
@overload
def maplike(func: Callable[[_A, _B, _C], _R], a: Iterable[_A], b: Iterable[_B], c: Iterable[_C], /, **options: Any) -> Results[_R]: ...
@overload
def maplike(func: Callable[..., _R], *iterables: Iterable[Any], **options: Any) -> Results[_R]: ...
def starmap(func: Callable[[Unpack[_Z]], _R], tasks: Iterable[tuple[Unpack[_Z]]], **options: Any) -> Results[_R]: ...

# The arguments of func are checked for one input.
@overload
def stream(func: Callable[[_A], Any], a: Iterable[_A], /, **options: Unpack[_StreamOptions]) -> Stream[Outcome]: ...
@overload
def stream(func: Callable[..., Any], *args: Iterable[Any], **options: Unpack[_StreamOptions]) -> Stream[Outcome]: ...
@overload
def imap(func: Callable[[_A], _R], a: Iterable[_A], /, *, buffersize: int | None = None, **options: Unpack[_BareOptions]) -> Stream[_R]: ...
@overload
def imap(func: Callable[..., _R], *args: Iterable[Any], buffersize: int | None = None, **options: Unpack[_BareOptions]) -> Stream[_R]: ...
@overload
def imap_unordered(func: Callable[[_A], _R], a: Iterable[_A], /, *, buffersize: int | None = None, **options: Unpack[_BareOptions]) -> Stream[_R]: ...
@overload
def imap_unordered(func: Callable[..., _R], *args: Iterable[Any], buffersize: int | None = None, **options: Unpack[_BareOptions]) -> Stream[_R]: ...
@overload
def astream(func: Callable[..., Awaitable[Any]], *args: Iterable[Any] | AsyncIterable[Any], engine: Literal["async", "asyncio"] = "async", **options: Unpack[_AstreamOptions]) -> AsyncStream: ...
@overload
def astream(func: Callable[..., Any], *args: Iterable[Any] | AsyncIterable[Any], engine: _Engine, **options: Unpack[_AstreamOptions]) -> AsyncStream: ...
