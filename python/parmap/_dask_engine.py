# SPDX-License-Identifier: MIT
"""The engine dask: agents in the workers of a Dask cluster. The cluster carries calls and answers; parmap schedules the tasks."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import _errors, _parmap
from ._carrier import Call, Carrier, Engine, Event, Place, check_versions

_WITHIN = 1.0  # seconds of work that an agent gets at once: a call of Dask takes tens of milliseconds
_LOOK = 0.5  # seconds between two looks at which workers there are
_LARGE = 1 << 20  # bytes of a program, above which it does not go through the scheduler
_REACH = 5.0  # seconds for a word to a worker

# Runs on a worker of Dask, where parmap may be missing, so it travels as text.
_ABOUT = """
def about(dask_worker):
    import platform, socket, sys
    found = {"host": socket.gethostname(), "address": dask_worker.address, "name": str(dask_worker.name),
             "threads": dask_worker.state.nthreads, "resources": dict(dask_worker.state.total_resources),
             "Python": platform.python_implementation() + " %d.%d" % sys.version_info[:2]}
    try:
        import cloudpickle, parmap
        found.update({"parmap": parmap.__version__, "cloudpickle": cloudpickle.__version__})
    except ImportError as error:
        found["error"] = str(error)
    return found
"""


class DaskEngine(Engine):
    """The engine of a Dask cluster: parmap(f, xs, engine=parmap.DaskEngine(client)). engine=client is the same, with the defaults;
    engine="dask" takes the client that Dask knows as the current one, or else a cluster on this computer, for this map alone::

        client = distributed.Client("tcp://scheduler:8786")
        results = parmap(simulate, xs, engine=client, timeout_sec=60)
        results = parmap(simulate, xs, engine=parmap.DaskEngine(client, resources={"GPU": 1}))

    Each worker of Dask runs one agent, whose tasks run in processes of their own: as many as the worker of Dask has threads.

    Arguments
    ---------
    client
        A distributed.Client. Default: as for engine="dask".
    workers
        Which workers of Dask take part: addresses, names or hosts. Default: all, also those that come while the map runs.
    priority
        The priority of parmap's calls among others in that cluster, as for client.submit. Default: 0.
    resources
        Resources of Dask that a worker must have: {"GPU": 1}. parmap's calls there hold them: one after the other, as long as the
        map runs. Default: none.
    n_worker
        The number of processes for each worker of Dask. Default: the number of its threads. (The option n_worker of parmap() is
        the largest number of all together.)

    Raises
    ------
    ImportError
        distributed is not installed.
    TypeError, ValueError
        An argument of a wrong type or value; a client that is asynchronous.

    Notes
    -----
    An engine can be used for any number of maps, also by several threads at the same time.
    """

    _name = "dask"

    def __init__(
        self,
        client: Any = None,
        *,
        workers: str | Iterable[str] | None = None,
        priority: int = 0,
        resources: dict[str, float] | None = None,
        n_worker: int | None = None,
    ) -> None:
        try:
            distributed = _distributed()
        except ImportError:
            raise ImportError("parmap: engine='dask' needs distributed: pip install 'parmap-cpp[dask]', or pip install distributed") from None
        if client is not None:
            if not isinstance(client, distributed.Client):
                raise TypeError(f"parmap: client must be a distributed.Client, but is {client!r:.100}")
            if client.asynchronous:
                raise ValueError("parmap: this client of Dask is asynchronous, so a map would block its event loop; make one with asynchronous=False")
        if n_worker is not None and (not isinstance(n_worker, int) or n_worker < 1):
            raise ValueError(f"parmap: n_worker must be at least 1, but is {n_worker!r:.100}")
        if resources is not None and not isinstance(resources, dict):
            raise TypeError(f"parmap: resources must be a dict of names and numbers, such as {{'GPU': 1}}, but is {resources!r:.100}")
        self._client = client
        self._workers = None if workers is None else {workers} if isinstance(workers, str) else {str(each) for each in workers}
        self._priority = priority
        self._resources = resources
        self._n_worker = n_worker

    def __repr__(self) -> str:
        return f"parmap.DaskEngine({'' if self._client is None else repr(self._client)})"

    def _open(self, most: int) -> Carrier:
        return _Carrier(self, most)


def _distributed() -> Any:
    import distributed

    return distributed


def _current_client() -> Any:
    try:
        client = _distributed().Client.current(allow_global=True)
    except ValueError:
        return None
    return None if client.asynchronous else client


class _Carrier:
    within = _WITHIN

    def __init__(self, engine: DaskEngine, most: int) -> None:
        self._engine = engine
        self._most = most
        self._granted: dict[str, int] = {}  # workers of each agent
        self._client = engine._client or _current_client()
        self._own: list[Any] = []  # made here, to be closed
        # Not a SimpleQueue: the get() of CPython 3.11 waits for ever if its timeout has passed when it looks at the clock again.
        self._events: queue.Queue[tuple[str, Any]] = queue.Queue()  # address, future
        self._calls: dict[str, Any] = {}  # by address: the future that is on its way
        # And the last one that has come. As long as a client has one of them, its agents know that it is there.
        self._last: dict[str, Any] = {}
        self._refused: set[str] = set()  # addresses of workers that take no part
        self._spare: set[str] = set()  # of those that n_worker leaves out, unless another one is lost
        self._program: Any = None  # where a large one lies
        self._looked = time.monotonic()
        if self._client is None:
            self._start_cluster()

    def _start_cluster(self) -> None:
        """One worker in this process: its tasks run in processes anyway. Another process would have to import the program anew,
        which needs a guard (if __name__ == "__main__") in it."""
        distributed = _distributed()
        threads = self._engine._n_worker or self._most or _parmap.usable_cores()
        cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=threads, processes=False, dashboard_address=":0", silence_logs=40)
        self._own.append(cluster)
        try:
            self._client = distributed.Client(cluster, set_as_default=False)
            self._own.append(self._client)
        except BaseException:
            self.close()
            raise

    # ---- who is there

    def places(self) -> list[Place]:
        found = self._new_places(self._addresses(), True)
        if not found and self._engine._workers is not None and self._refused:
            names = ", ".join(sorted(self._engine._workers))
            raise ValueError(f"parmap: no worker of this Dask cluster is called {names} (workers=) and has the resources {self._engine._resources}")
        return found

    def _check_client(self) -> None:
        if not self._is_open():
            raise RuntimeError(f"parmap: the client of Dask is {self._client.status}; results that have come are in the attribute results")

    def _is_open(self) -> bool:
        return self._client.status in ("running", "connecting")

    @contextlib.contextmanager
    def _calls_of_client(self) -> Iterator[None]:
        """The program may close the client at any time, and then what a call of it raises says little."""
        self._check_client()
        try:
            yield
        except Exception:
            self._check_client()
            raise

    def _cancel(self, future: Any) -> None:
        try:
            future.cancel()
        except Exception:
            if self._is_open():
                raise

    def _addresses(self) -> set[str]:
        with self._calls_of_client():
            return set(self._client.nthreads())

    def _new_places(self, addresses: Iterable[str], must_fit: bool) -> list[Place]:
        new = [each for each in addresses if not (each in self._granted or each in self._refused or each in self._spare)]
        if not new:
            return []
        here: dict[str, Any] = {"__name__": "__main__"}  # so it goes by value
        exec(_ABOUT, here)
        found = []
        with self._calls_of_client():
            told = self._client.run(here["about"], workers=new, on_error="return")
        for address, about in sorted(told.items()):
            if not isinstance(about, dict):
                if not isinstance(about, OSError):  # it is gone again
                    raise RuntimeError(f"parmap: the worker {address} of Dask does not answer: {about!r:.200}")
                continue
            if not self._takes_part(about):
                self._refused.add(address)
                continue
            try:
                _check(address, about)
            except RuntimeError:
                if must_fit:
                    raise
                self._refused.add(address)
                warnings.warn(f"parmap: {address} has come and cannot take part, as it has another version", _errors.ParmapWarning, stacklevel=2)
                continue
            workers = self._engine._n_worker or about["threads"]
            if self._most:
                workers = min(workers, self._most - sum(self._granted.values()))
            if workers <= 0:
                self._spare.add(address)
                continue
            self._granted[address] = workers
            found.append(Place(address, f"the Dask worker {address}", about["host"], workers))
        return found

    def _takes_part(self, about: dict[str, Any]) -> bool:
        chosen = self._engine._workers
        host = about["address"].partition("://")[2].rpartition(":")[0]
        if chosen is not None and chosen.isdisjoint({about["address"], about["name"], about["host"], host}):
            return False
        return all(about["resources"].get(name, 0) >= amount for name, amount in (self._engine._resources or {}).items())

    # ---- calls

    def call(self, key: Any, call: Call, program: bytes) -> None:
        with self._calls_of_client():
            text: Any = program if call.needs_program else None
            if text is not None and len(program) > _LARGE:
                if self._program is None or self._program.status != "finished":
                    self._program = self._client.scatter(program, hash=False)
                text = self._program
            future = self._client.submit(
                _exchange, tuple(call), text, key=f"{call.job}-{time.monotonic_ns()}", workers=[key], allow_other_workers=False, pure=False,
                priority=self._engine._priority, resources=self._engine._resources, retries=0,
            )  # fmt: skip
        self._calls[key] = future
        future.add_done_callback(lambda ended: self._events.put((key, ended)))

    def tell(self, keys: list[Any], job: str, what: str) -> None:
        if there := [each for each in keys if each in self._granted]:
            _at_most(_REACH, lambda: self._client.run(_tell, job, what, workers=there, on_error="ignore"))
        if what == "kill":
            for key in keys:
                if (future := self._calls.pop(key, None)) is not None:
                    self._cancel(future)

    def wait(self, seconds: float) -> list[Event]:
        found: list[Event] = []
        try:
            key, future = self._events.get(timeout=max(0.001, seconds))
            while True:
                if self._calls.get(key) is future:  # else its agent was lost before
                    del self._calls[key]
                    found.append(self._event_of(key, future))
                key, future = self._events.get_nowait()
        except queue.Empty:
            pass
        if time.monotonic() - self._looked > _LOOK:
            self._looked = time.monotonic()
            there = self._addresses()
            for gone in [each for each in self._granted if each not in there]:
                found.append(self._lost(gone))
            found += [Event("joined", each.key, each) for each in self._new_places(there, False)]
        return found

    def _event_of(self, key: str, future: Any) -> Event:
        if future.status == "finished":
            self._last[key] = future
            try:
                return Event("answer", key, future.result())
            except Exception:  # its only copy was lost with the worker
                return self._lost(key)
        if future.status == "error":
            error = future.exception()
            if type(error).__name__ != "KilledWorker":
                return Event("error", key, error)
        return self._lost(key)

    def _lost(self, key: str) -> Event:
        """If the worker is still there after all, it is asked anew."""
        self._granted.pop(key, None)
        self._spare.clear()
        self._last.pop(key, None)
        future = self._calls.pop(key, None)
        if future is not None:
            self._cancel(future)
        return Event("lost", key)

    def close(self) -> None:
        self._program = None
        for future in self._calls.values():
            self._cancel(future)
        self._calls.clear()
        self._last.clear()
        while self._own:
            self._own.pop().close()


def _check(address: str, about: dict[str, Any]) -> None:
    place = f"the Dask worker {address} on {about['host']}"
    if "error" in about:
        raise RuntimeError(f"parmap: {place} cannot import what it needs: {about['error']}; install parmap and cloudpickle there, in these versions: {_wanted()}")
    check_versions(place, about)


def _wanted() -> str:
    from ._carrier import versions

    return ", ".join(f"{name} {version}" for name, version in versions().items())


def _at_most(seconds: float, act: Callable[[], object]) -> None:
    """In a thread, as a lost scheduler would keep the caller waiting."""

    def quietly() -> None:
        try:
            act()
        except Exception:
            pass  # whoever cannot be reached is gone

    thread = threading.Thread(target=quietly, name="parmap dask", daemon=True)
    thread.start()
    thread.join(seconds)


# ---- on a worker of Dask


def _exchange(call: tuple[Any, ...], program: bytes | None) -> bytes:
    from . import _agent

    worker = _distributed().get_worker()
    key = worker.get_current_task()

    def is_unwanted() -> bool:
        """Whether the client has cancelled the call, or is gone: then the scheduler forgets what it has asked for."""
        state = worker.state.tasks.get(key)
        return state is None or state.state == "cancelled"

    _, start, _, ranges, low, patience, ends = call
    memory = worker.memory_manager.memory_limit
    return _agent.exchange(call[0], start, program, ranges, low, patience, ends, memory, is_unwanted)


def _tell(job: str, what: str) -> None:
    from . import _agent

    _agent.tell(job, what)
