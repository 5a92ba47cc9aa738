# SPDX-License-Identifier: MIT
"""How the elements of an iterator reach worker processes."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

from . import _errors


class ElementPickler:
    """Takes the elements of an iterator to worker processes."""

    def __init__(self) -> None:
        self.dumps = pickle.dumps
        self.otherwise = self._otherwise
        self.loads = _unpickled_element
        self._error: BaseException | None = None

    def _otherwise(self, element: Any, refused: BaseException, buffer_callback: Callable[[Any], bool]) -> bytes:
        try:
            return _errors.pickled_otherwise(element, refused, buffer_callback)
        except Exception as error:
            kind = type(element)
            self._error = TypeError(
                f"parmap: an element of type {kind.__module__}.{kind.__qualname__} cannot be pickled, but the elements of an "
                f"iterator reach the workers of multi by pickle: {type(error).__name__}: {error}; give a list, whose elements "
                "the workers inherit, or use engine='threads'"
            )
            self._error.__cause__ = error
            raise self._error from error
        except BaseException as error:
            self._error = error
            raise

    def take_error(self) -> BaseException | None:
        error, self._error = self._error, None
        return error


def _unpickled_element(data: Any) -> Any:
    try:
        return pickle.loads(data)
    except Exception as error:
        raise TypeError(
            f"parmap: an element of an iterator cannot be unpickled in its worker: {type(error).__name__}: {error}"
        ) from error
