# SPDX-License-Identifier: MIT
"""The error for a name that parmap does not have."""

from __future__ import annotations

from collections.abc import Iterable


class UnknownName(ValueError, KeyError):
    """An engine or reporter that there is not. A KeyError too, as python-parmap raises that."""

    def __init__(self, what: str, name: object, known: Iterable[str]) -> None:
        super().__init__(f"parmap: there is no {what} {name!r}; the names are " + ", ".join(known))

    def __str__(self) -> str:  # KeyError would put it into quotes
        return str(self.args[0])
