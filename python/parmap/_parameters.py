# SPDX-License-Identifier: MIT
"""The parameters of a function, if they can be known."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any


def parameters_of(func: Callable[..., Any]) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):  # of some functions in C
        return None


def remembered_parameters(func: Any) -> tuple[Any, int]:
    """What names the arguments of func: its code, or something else without the data that func may hold; and how many of the first
    parameters are none of the map."""
    skip = 0
    for _ in range(16):  # what wraps what
        if type(func) is types.MethodType:
            func, skip = func.__func__, skip + 1
        elif type(func) is functools.partial:
            func, skip = func.func, skip + len(func.args)
        elif "__wrapped__" in getattr(func, "__dict__", ()):
            func = func.__wrapped__
        else:
            break
    if type(func) is types.FunctionType:
        return func.__code__, skip
    if isinstance(func, type) or (type(func) is types.BuiltinFunctionType and isinstance(func.__self__, (types.ModuleType, type(None)))):
        return func, skip
    call = getattr(type(func), "__call__", None)
    return (call.__code__, skip + 1) if type(call) is types.FunctionType else (None, 0)


def names_of_positions(remembered: tuple[Any, int] | None, count: int) -> tuple[str, ...]:
    """The names of the first arguments; x0, x1 and so on, if not all of them have one."""
    names: list[str] = []
    if remembered is not None:
        source, skip = remembered
        if isinstance(source, types.CodeType):
            names = list(source.co_varnames[: source.co_argcount])
        elif source is not None:
            names = [each.name for each in parameters_of(source) or () if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
        names = names[skip : skip + count]
    return tuple(names) if len(names) == count else tuple(f"x{k}" for k in range(count))
