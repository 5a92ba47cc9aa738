# SPDX-License-Identifier: MIT
"""What a carrier is: it takes the calls of a map's caller to the agents of a cluster's nodes (_agent.py), and their answers back.

A carrier knows who is there, who is lost and who has come. It knows nothing of tasks. Dask and MPI are carriers; a third one has
to bring these few functions, and an engine class with `_is_parmap_cluster` and `_open()`.
"""

from __future__ import annotations

import platform
import sys
from typing import Any, NamedTuple, Protocol

from . import _parmap


class Place(NamedTuple):
    """Where an agent is."""

    key: Any  # of the carrier
    name: str  # in messages
    host: str
    workers: int  # that it should have
    cores: tuple[int, ...] = ()  # those that they may use; empty: those of the agent
    node: Any = None  # places with the same are on one node; None: those with the same host


class Call(NamedTuple):
    """The arguments of _agent.exchange(), except those that the carrier adds."""

    job: str
    start: Any
    needs_program: bool
    ranges: list[tuple[int, int, list[bytes] | None]]
    low: int
    patience: float
    ends: bool = False


class Event(NamedTuple):
    kind: str  # "answer", "lost", "error" (it cannot be called), "joined"
    key: Any
    payload: Any = None  # the answer's bytes, the exception, or the Place


class Carrier(Protocol):
    """One map's. Used by one thread at a time."""

    within: float  # seconds of work that a node should get at once

    def places(self) -> list[Place]:
        """Those that are there now. Raises what keeps the map from beginning."""

    def call(self, key: Any, call: Call, program: bytes) -> None:
        """Begins an exchange; its end is an event. One at a time for each agent."""

    def tell(self, keys: list[Any], job: str, what: str) -> None:
        """_agent.tell() there, also while exchanges last. At most a few seconds; what cannot be reached is left out."""

    def wait(self, seconds: float) -> list[Event]:
        """What has happened; empty if nothing has. Raises if the cluster is gone."""

    def close(self) -> None: ...


class Engine:
    """The base of the engines of clusters: what DaskEngine and MpiEngine have in common for a map."""

    _is_parmap_cluster = True
    _name = ""

    def _open(self, most: int) -> Carrier:
        """`most`: the largest number of workers, of all agents; 0: no limit."""
        raise NotImplementedError


def versions() -> dict[str, str]:
    """What has to be the same everywhere, as functions and values travel by cloudpickle."""
    import cloudpickle

    return {
        "parmap": _parmap.__version__,
        "Python": platform.python_implementation() + " {}.{}".format(*sys.version_info),
        "cloudpickle": cloudpickle.__version__,
    }


def check_versions(place: str, there: dict[str, str]) -> None:
    """Raises if they differ from those here."""
    for name, here in versions().items():
        if there.get(name) != here:
            raise RuntimeError(
                f"parmap: {place} has {name} {there.get(name, 'unknown')}, but this program has {here}: functions and values would not "
                "arrive as they are; install the same version there"
            )


def words_of(places: list[Place]) -> str:
    """Returns "2 nodes, 8 workers"."""
    nodes = len({each.host if each.node is None else each.node for each in places})
    workers = sum(each.workers for each in places)
    return f"{nodes} {'node' if nodes == 1 else 'nodes'}, {workers} {'worker' if workers == 1 else 'workers'}"


_OF_DASK = {
    "Future": "client.gather(futures) gives their values",
    "Delayed": "dask.compute(*delayed)[0], or delayed.compute(), gives its value",
    "Bag": "bag.compute() gives a list",
    "Array": "array.compute() gives a NumPy array",
    "Series": "series.compute() gives that of pandas",
    "DataFrame": "frame.compute() gives that of pandas",
}


def refuse_lazy(what: str, value: Any) -> None:
    """An input that is not there yet, but somewhere on a cluster: iterating it would compute each element by itself, and a
    Future cannot be waited for in a task."""
    for each in (value, *(value[:1] if type(value) in (list, tuple) else ())):
        kind = type(each)
        if kind.__module__.partition(".")[0] in ("dask", "distributed", "dask_expr") and (
            hasattr(each, "__dask_graph__") or kind.__name__ in _OF_DASK
        ):
            remedy = _OF_DASK.get(kind.__name__, ".compute() gives its value")
            raise TypeError(f"parmap: {what} is a {kind.__module__}.{kind.__qualname__}, whose value lies on a cluster: {remedy}")
