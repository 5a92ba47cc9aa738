# SPDX-License-Identifier: MIT
"""Executor.share(): arrays that reach the workers of a pool as references into shared memory."""

from __future__ import annotations

import threading
from typing import Any

import numpy

from . import _parmap


class _Here(threading.local):
    pickles: Any = None  #: of the pool whose workers read what this thread pickles


here = _Here()


class SharedArray(numpy.ndarray):  # type: ignore[type-arg]
    """A view of the array that was shared, which cannot be written to. Its pickle for a task of the pool is a reference. Anything
    else, such as a part of it, is an array like any other."""

    _pickles: Any = None  # of the pool
    _place: tuple[int, int] | None = None  # in shared memory, at the same address in each worker

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self._place is not None and here.pickles is self._pickles:
            return _attached, (*self._place, self.dtype, self.shape, self.strides)
        return numpy.asarray(self).__reduce_ex__(protocol)


def shared(pool: Any, array: Any) -> Any:
    """`pool`: a parmap._pool.Pool."""
    given = numpy.asarray(array)
    if given.dtype.hasobject:
        raise TypeError("parmap.Executor.share: an array of Python objects cannot be shared; give one of numbers")
    if not (given.flags.c_contiguous or given.flags.f_contiguous):
        given = numpy.ascontiguousarray(given)
    made = given.view(SharedArray)
    made.flags.writeable = False
    if given.nbytes > 0:
        made._place = _parmap.pool_share(pool.handle, given.reshape(-1, order="A").view(numpy.uint8).data)
        made._pickles = pool.pickles
        pool.pickles.has_shared_arrays = True
    return made


def _attached(address: int, size: int, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    """In a worker."""
    return numpy.ndarray(shape, dtype, _parmap.shared_view(address, size), strides=strides)
