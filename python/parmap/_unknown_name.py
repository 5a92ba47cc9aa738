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
    "timeout": "timeout_sec",
    **dict.fromkeys(("workers", "n_workers", "n_jobs", "processes", "max_workers", "num_workers"), "n_worker"),
    **dict.fromkeys(("initializer", "worker_init"), "init"),
    **dict.fromkeys(("kwargs", "kwds", "args"), "fargs, a dict"),
    **dict.fromkeys(("backend", "method"), "engine"),
    "context": "start",
    "progress_bar": "reporter",
}


def unknown_argument(function: str, unknown: Iterable[str]) -> TypeError:
    """Like Python's own error, but says what to write instead."""
    name = next(iter(unknown))
    said = f"{function}() got an unexpected keyword argument {name!r}"
    if name in ("chunksize", "chunk_size", "batch_size"):
        return TypeError(f"{said}: leave it out, as workers go by the clock")
    if name in _ELSEWHERE:
        return TypeError(f"{said}: here that is {_ELSEWHERE[name]}")
    return TypeError(f"{said}; what is the same for every call of func goes into fargs: fargs=dict({name}=...)")
