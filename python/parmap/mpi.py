# SPDX-License-Identifier: MIT
"""Starts a program whose maps may use all ranks of an MPI job, by engine="mpi"::

    mpirun -n 4 --map-by ppr:1:node --bind-to none python -m parmap.mpi script.py arguments
    srun --ntasks-per-node=1 --cpus-per-task=64 python -m parmap.mpi script.py arguments
    python -m parmap.mpi -m module, or -c "text", as with python itself

Rank 0 runs the program; the other ranks run its tasks and nothing else. The exit status is that of the program.
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from typing import Any

_USAGE = "usage: mpirun [OPTIONS] python -m parmap.mpi SCRIPT [ARGUMENTS]   (or -m MODULE, or -c TEXT, in place of SCRIPT)"


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help") or (arguments[0] in ("-m", "-c") and len(arguments) < 2):
        print(_USAGE, file=sys.stdout if arguments and arguments[0] in ("-h", "--help") else sys.stderr)
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    # Handlers of crashes, of Open MPI and UCX, would print a backtrace for each task that crashes in its own process.
    os.environ.setdefault("OMPI_MCA_opal_signal", "")
    os.environ.setdefault("UCX_HANDLE_ERRORS", "none")
    try:
        from mpi4py import MPI
    except ImportError as error:
        print(f"parmap: python -m parmap.mpi needs mpi4py ({error}): pip install 'parmap-cpp[mpi]'", file=sys.stderr)
        return 1
    from . import _mpi_session, _stream
    from ._mpi_engine import check_launcher

    try:
        check_launcher(MPI.COMM_WORLD.Get_size())
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments[0] not in ("-m", "-c"):
        sys.path[0] = os.path.dirname(os.path.abspath(arguments[0]))  # on all ranks, as tasks import what lies there
    else:
        sys.path[0] = os.getcwd() if arguments[0] == "-m" else ""
    session = _mpi_session.begin(MPI.COMM_WORLD)
    if MPI.COMM_WORLD.Get_rank() != 0:
        session.serve()
        return 0
    try:
        return _run(arguments)
    finally:
        _stream._close_all()
        session.leave()


def _run(arguments: list[str]) -> int:
    """As python itself does, so also with its exit status."""
    try:
        if arguments[0] == "-m":
            sys.argv[:] = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        elif arguments[0] == "-c":
            sys.argv[:] = ["-c", *arguments[2:]]
            _run_as_main(compile(arguments[1], "<string>", "exec"))
        else:
            sys.argv[:] = arguments
            with open(arguments[0], "rb") as file:
                text = compile(file.read(), arguments[0], "exec")
            _run_as_main(text, arguments[0])
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        return 130
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
    return 0


def _run_as_main(code: Any, file: str | None = None) -> None:
    """In a module __main__ that stays, as handlers of atexit and functions by value need it."""
    import types

    main = types.ModuleType("__main__")
    if file is not None:
        main.__file__ = file
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    exec(code, main.__dict__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
