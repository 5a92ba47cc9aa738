# SPDX-License-Identifier: MIT
"""checkpoint(): the file in which a map keeps its outcomes, and how."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ._failures import KINDS
from ._unknown_name import UnknownName


class checkpoint:
    """A file that keeps the outcomes of a map, so that the same call runs only what is missing::

        parmap(simulate, grid=dict(mu=mus, x0=x0s), checkpoint="sweep.db")
        parmap(simulate, grid=dict(mu=mus, x0=x0s), checkpoint=parmap.checkpoint("sweep.db", version="2"))

    It is a SQLite database, which other programs can read meanwhile. parmap.load() gives a table of it.

    Arguments
    ---------
    path
        The file. It is made if it does not exist.
    name
        What func is called in the file, in place of its module and name. A lambda needs one.
    version
        Another version begins anew in the same file; what earlier ones have stored stays.
    rerun
        The kinds of failures, as in Failure.kind, whose tasks run again: an iterable of strings, or one. Default: all. Tasks
        that were stopped always run again.
    existing
        A dict: which values the rows that are there have on axes that are new, as in ``existing=dict(n=1000)``. Once the file
        has these axes, it has no effect.
    accept_code_change
        Go on with stored values although the code of func has changed. The file remembers that.

    Raises
    ------
    TypeError, ValueError
        An argument is wrong.

    Notes
    -----
    It opens nothing. Several maps may use it, one after the other.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        version: str = "",
        rerun: str | Iterable[str] | None = None,
        existing: Mapping[str, Any] | None = None,
        accept_code_change: bool = False,
    ) -> None:
        self.path = os.fspath(path)
        if not isinstance(self.path, str) or not self.path or self.path == ":memory:":
            raise TypeError(f"parmap.checkpoint: path must be the name of a file, but is {path!r:.100}")
        try:
            self.path.encode()
        except UnicodeEncodeError:
            raise ValueError(f"parmap.checkpoint: path must be UTF-8, but is {path!r:.100}") from None
        for what, text in (("name", name), ("version", version)):
            if text is not None and not isinstance(text, str):
                raise TypeError(f"parmap.checkpoint: {what} must be a string, but is {text!r:.100}")
        self.name = name
        self.version = version
        self.rerun: frozenset[str] | None = None
        if rerun is not None:
            kinds = (rerun,) if isinstance(rerun, str) else tuple(rerun)
            for kind in kinds:
                if kind not in KINDS:
                    raise UnknownName("kind of failure", kind, KINDS)
            self.rerun = frozenset(kinds)
        if existing is not None and not isinstance(existing, Mapping):
            raise TypeError(f"parmap.checkpoint: existing must be a dict such as dict(n=1000), but is {existing!r:.100}")
        self.existing = dict(existing or {})
        self.accept_code_change = bool(accept_code_change)

    def __repr__(self) -> str:
        return f"parmap.checkpoint({self.path!r})"


def checkpoint_of(given: Any) -> checkpoint | None:
    """The option checkpoint of a map."""
    if given is None or isinstance(given, checkpoint):
        return given
    if isinstance(given, (str, os.PathLike)):
        return checkpoint(given)
    raise TypeError(f"parmap: checkpoint must be the name of a file or a parmap.checkpoint, but is {given!r:.100}")
