# SPDX-License-Identifier: MIT
import io
from collections.abc import Callable
from typing import Any, NoReturn

__version__: str
free_threaded: bool

def usable_cores() -> int: ...
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
) -> None: ...
def fork_hazards(threads_of_python: list[int]) -> list[tuple[str, str]]: ...
def retry_wait(first_ns: int, seed: int, task: int, attempt: int) -> int: ...
def limit_libgomp(threads: int) -> None: ...
def tell_leaving(doing: int) -> None: ...
def leave_worker() -> NoReturn: ...
def workers_of(assignment: str) -> int: ...
def keep(what: Any) -> None: ...
def task() -> tuple[int, int, int]: ...
def task_generator(make: Callable[[int, int], Any]) -> Any: ...
