# SPDX-License-Identifier: MIT
"""How a batch of joblib's tasks reaches a worker: by pickle, and its large arrays in memory that is shared.

A call of Parallel often gives the same array to all its tasks. It is copied once for each call, into a file in memory, which
workers map.
"""

from __future__ import annotations

import copyreg
import io
import mmap
import os
import pickle
import time
import weakref
from typing import Any

import joblib._memmapping_reducer as joblib_arrays

from . import _parmap
from ._executor import Executor
from ._future import Future
from ._loaded import loaded
from ._pool_pickle import _LARGE, Pickles, _has_modules_by_value, by_value

_MOST = 64  # copies at a time; further arrays go with their batch
_open: set[int] = set()  # their descriptors


def run_batch(batch: Any) -> tuple[Any, float]:
    """In a worker. Also gives the seconds that it took."""
    begun = time.perf_counter()
    results = batch()
    return results, time.perf_counter() - begun


def submit(executor: Executor, pickler: BatchPickler, batch: Any) -> Future:
    """Like executor.submit(run_batch, batch), with the pickler of this call. What cannot be pickled raises."""
    pool = executor._pool
    pool.check_process()
    function = pool.pickles.function(run_batch)
    data, buffers, shared = pickler.dumps(((batch,), {}), pool.pickles)
    future = Future(pool)
    future.shared = shared  # type: ignore[attr-defined]  # for as long as the worker may read it
    with pool.changed:
        pool.check_open()
        number = future._number = _parmap.pool_submit(pool.handle, future, function, data, buffers)
        pool.add(number, future)
    return future


class BatchPickler:
    """Of one call of Parallel. `least`: arrays of more bytes are shared; None: no array. `mode`: as of numpy.memmap. Several
    threads may use it."""

    def __init__(self, least: int | None = None, mode: str | None = None) -> None:
        self._least = least
        self._mode = mode
        self._copies: dict[int, tuple[Any, SharedArray]] = {}  # by id: of the arrays that are alive

    def dumps(self, what: Any, pickles: Pickles) -> tuple[bytes, list[Any], list[SharedArray]]:
        """The pickle, buffers that are not in it, and arrays that it refers to. What belongs to __main__ goes by value."""
        buffers: list[Any] = []
        shared: list[SharedArray] = []

        def goes_inside(buffer: pickle.PickleBuffer) -> bool:
            with buffer.raw() as view:
                if view.nbytes < _LARGE:
                    return True
            buffers.append(buffer)
            return False

        def reduce(array: Any) -> Any:
            base = joblib_arrays._get_backing_memmap(array)
            if base is not None and isinstance(base, numpy.memmap):
                return joblib_arrays._reduce_memmap_backed(array, base)  # the worker maps the same file
            if self._least is None or array.nbytes <= self._least or array.dtype.hasobject:
                return array.__reduce_ex__(5)
            copy = self._copy_of(array)
            if copy is None:
                return array.__reduce_ex__(5)
            shared.append(copy)
            return _mapped, (*copy.place, self._mode)

        numpy = loaded("numpy")
        mine = {} if numpy is None else {numpy.ndarray: reduce, numpy.memmap: reduce}
        try:
            with io.BytesIO() as file:
                pickler = pickle.Pickler(file, 5, buffer_callback=goes_inside)
                pickler.dispatch_table = {**copyreg.dispatch_table, **mine}
                pickler.dump(what)
                data = file.getvalue()
            if b"__main__" not in data and not _has_modules_by_value():
                return data, buffers, shared
        except (pickle.PicklingError, AttributeError, TypeError):
            pass
        buffers.clear()
        cloudpickle = pickles._cloudpickle or _cloudpickle_of_joblib()
        return by_value(cloudpickle, pickles, what, goes_inside, buffers.clear, mine), buffers, shared

    def _copy_of(self, array: Any) -> SharedArray | None:
        """None: there are so many that descriptors may become scarce."""
        key = id(array)
        found = self._copies.get(key)
        if found is not None and found[0]() is array:
            return found[1]
        if len(_open) >= _MOST:
            return None
        copy = SharedArray(array)
        mine = weakref.ref(self)  # not self, which would refer to itself
        self._copies[key] = weakref.ref(array, lambda reference: _forget(mine(), key, reference)), copy
        return copy


def _forget(pickler: BatchPickler | None, key: int, reference: Any) -> None:
    found = None if pickler is None else pickler._copies.get(key)
    if found is not None and found[0] is reference:
        del pickler._copies[key]  # type: ignore[union-attr]


def _cloudpickle_of_joblib() -> Any:
    from joblib.externals import cloudpickle

    return cloudpickle


class SharedArray:
    """A copy in a file in memory, which is closed with the last reference. Workers that have mapped it keep it."""

    def __init__(self, array: Any) -> None:
        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        self._descriptor = os.memfd_create("parmap joblib", os.MFD_CLOEXEC)
        os.truncate(self._descriptor, array.nbytes)
        with mmap.mmap(self._descriptor, array.nbytes) as memory:
            copy = loaded("numpy").ndarray(array.shape, array.dtype, memory, order=order)
            copy[...] = array
            del copy
        _open.add(self._descriptor)
        self.place = f"/proc/{os.getpid()}/fd/{self._descriptor}", array.dtype, array.shape, order

    def __del__(self) -> None:
        _open.discard(self._descriptor)
        os.close(self._descriptor)


def _mapped(path: str, kind: Any, shape: tuple[int, ...], order: str, mode: str) -> Any:
    """In a worker: the array at that place."""
    import numpy

    with open(path, "rb" if mode in ("r", "c") else "r+b") as file:
        access = {"r": mmap.ACCESS_READ, "c": mmap.ACCESS_COPY}.get(mode, mmap.ACCESS_WRITE)
        memory = mmap.mmap(file.fileno(), 0, access=access)
    return numpy.ndarray(shape, kind, memory, order=order)  # type: ignore[arg-type,call-overload]
