# SPDX-License-Identifier: MIT
import io
from collections.abc import Callable
from typing import Any, NoReturn

__version__: str
free_threaded: bool

def usable_cores() -> int: ...
def checksum(data: bytes) -> int: ...
def advice_on_signal(number: int) -> str: ...
def set_ctrl_c_handler(handler: Callable[[int, Any], Any]) -> None: ...
def install(
    describe: Callable[[BaseException], bytes],
    describe_unpicklable: Callable[..., bytes],
    raised_by_handler: Callable[[BaseException], bool],
    hear: Callable[[], None],
    heard: type[BaseException],
    go_on: Callable[[BaseException], None],
) -> None: ...
def run_serial(asked: Any, task: Any) -> None: ...
def run_threads(
    asked: Any,
    raised: dict[int, BaseException],
    late: type[BaseException],
    stopped: type[BaseException],
    begin: Callable[[int], None],
    end: Callable[[], None] | None,
    begin_task: Callable[[], None] | None,
    stack: int,
) -> None: ...
def run_multi(
    asked: Any,
    begin: Callable[[int, int], None],
    finish: Callable[[Callable[[], None] | None], None],
    before_fork: Callable[[], list[io.BufferedWriter]],
    flush: Callable[[], object],
    dumps: Callable[..., bytes],
    otherwise: Callable[[Any, BaseException, Callable[[Any], bool]], bytes],
    loads: Callable[..., Any],
    scalar_types: tuple[tuple[type, str], ...],
    pending: object,
    program: Any,
) -> None: ...
def serve(
    asked: Any,
    begin: Callable[[int, int], None],
    finish: Callable[[Callable[[], None] | None], None],
    flush: Callable[[], list[io.BufferedWriter]],
    dumps: Callable[..., bytes],
    otherwise: Callable[[Any, BaseException, Callable[[Any], bool]], bytes],
    loads: Callable[..., Any],
    scalar_types: tuple[tuple[type, str], ...],
    assignment: str,
    at_go: Callable[[], None],
    unfit: BaseException | None,
    read_function: Callable[[bytes], Any] | None,
    read_inputs: Callable[[bytes, list[Any]], Any] | None,
) -> None: ...
def make_stream_type(outcome: type[tuple[Any, ...]]) -> type[Any]: ...
def open_serial_stream(stream: Any, asked: Any, first: Any, bare: bool, skips: bool, scope: Any) -> None: ...
def open_thread_stream(
    stream: Any,
    asked: Any,
    first: Any,
    bare: bool,
    skips: bool,
    raised: dict[int, BaseException],
    late: type[BaseException],
    stopped: type[BaseException],
    begin: Callable[[int], None],
    end: Callable[[], None] | None,
    begin_task: Callable[[], None] | None,
) -> None: ...
def open_process_stream(
    stream: Any,
    asked: Any,
    first: Any,
    bare: bool,
    skips: bool,
    pickler: Any,
    begin: Callable[[int, int], None],
    finish: Callable[[Callable[[], None] | None], None],
    before_fork: Callable[[], list[io.BufferedWriter]],
    begin_supervisor: Callable[[], None],
    flush: Callable[[], object],
    dumps: Callable[..., bytes],
    otherwise: Callable[[Any, BaseException, Callable[[Any], bool]], bytes],
    loads: Callable[..., Any],
    scalar_types: tuple[tuple[type, str], ...],
) -> None: ...
def open_pool(
    asked: Any,
    begin: Callable[[int, int], None],
    finish: Callable[[Callable[[], None] | None], None],
    before_fork: Callable[[], list[io.BufferedWriter]],
    begin_supervisor: Callable[[], None],
    flush: Callable[[], object],
    dumps: Callable[..., bytes],
    otherwise: Callable[[Any, BaseException, Callable[[Any], bool]], bytes],
    loads: Callable[..., Any],
    scalar_types: tuple[tuple[type, str], ...],
    read_function: Callable[[bytes], Any],
    read_inputs: Callable[[bytes, list[Any]], Any],
    broken: Callable[[str], BaseException],
    program: Any,
    first: int,
) -> Any: ...
def close_pool(pool: Any, at_once: bool) -> None: ...
def run_pool(pool: Any, asked: Any, function: bytes, next_inputs: Callable[[int], tuple[int, bytes, list[Any]]]) -> None: ...
def open_pool_stream(
    stream: Any,
    asked: Any,
    first: Any,
    bare: bool,
    skips: bool,
    pool: Any,
    function: bytes,
    next_inputs: Callable[..., tuple[int, bytes, list[Any]]],
) -> None: ...
def pool_submit(pool: Any, receiver: Any, function: bytes, inputs: bytes, buffers: list[Any]) -> int: ...
def pool_submit_block(
    pool: Any, receiver: Any, values: list[Any], failed: dict[int, Any], function: bytes, inputs: bytes, buffers: list[Any]
) -> int: ...
def take_values(values: list[Any], first: int, pending: Any) -> list[Any]: ...
def pool_collect(pool: Any, seconds: float) -> list[tuple[Any, ...]]: ...
def pool_halt(pool: Any, task: int) -> bool: ...
def pool_has_begun(pool: Any, task: int) -> bool: ...
def pool_halt_block(pool: Any, first: int, count: int) -> None: ...
def pool_kill(pool: Any, task: int) -> None: ...
def pool_next(pool: Any) -> int: ...
def pool_share(pool: Any, buffer: Any) -> tuple[int, int]: ...
def shared_view(address: int, size: int) -> memoryview: ...
def fork_hazards(threads_of_python: list[int]) -> list[tuple[str, str]]: ...
def retry_wait(first_ns: int, seed: int, task: int, attempt: int) -> int: ...
def limit_libgomp(threads: int) -> None: ...
def tell_leaving(doing: int) -> None: ...
def leave_worker() -> NoReturn: ...
def workers_of(assignment: str) -> int: ...
def keep(what: Any) -> None: ...
def in_task() -> bool: ...
def task() -> tuple[int, int, int]: ...
def task_generator(make: Callable[[int, int], Any]) -> Any: ...

class Recorder:
    def __init__(
        self,
        trace: str,
        status: list[str],
        option: str,
        label: str,
        program: str,
        engine: str,
        tasks: int | None,
        stored: int,
        text: Callable[[int], str],
        in_calls: bool,
        silent: bool,
    ) -> None: ...
    def begun(self, task: int, number: int, worker: int, began: float) -> None: ...
    def ended(
        self, task: int, number: int, worker: int, began: float, seconds: float, kind: str = "", message: str = "", again: bool = False
    ) -> None: ...
    def number_from(self, first: int, step: int) -> None: ...
    def set_tasks(self, tasks: int) -> None: ...
    def write_texts(self) -> None: ...
    def finish(self) -> None: ...
    def abandon(self) -> None: ...
