# SPDX-License-Identifier: MIT
"""The scalar types of NumPy that leave a worker without being pickled."""

from __future__ import annotations


from ._loaded import loaded


def numpy_scalars() -> tuple[tuple[type, str], ...]:
    """Returns the scalar types that fit into a slot, with numpy.dtype.kind of each."""
    numpy = loaded("numpy")
    if numpy is None:
        return ()
    names = "bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 longlong ulonglong float16 float32 float64 complex64 complex128"
    try:
        types = [getattr(numpy, name) for name in names.split()]
        return tuple((each, numpy.dtype(each).kind) for each in types)
    except AttributeError:  # another thread is importing NumPy
        return ()
