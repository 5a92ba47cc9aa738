# SPDX-License-Identifier: MIT
"""The engine mpi: an agent on each node of an MPI job. Rank 0 runs the program; the others only serve (mpi.py starts them).

mpi4py carries messages; parmap schedules the tasks. It does not use mpi4py.futures, whose workers hear nothing while they run a
call: a map that is stopped or interrupted has to reach them then.
"""

from __future__ import annotations

import os
import queue
import warnings
from typing import Any

from . import _errors
from ._carrier import Call, Carrier, Engine, Event, Place, check_versions
from ._mpi_session import Session, session

_WITHIN = 0.25  # seconds of work that a node gets at once

# How many processes a launcher says there are. Not SLURM_NTASKS: sbatch sets that for its script, too.
_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")


class MpiEngine(Engine):
    """The engine of an MPI job: parmap(f, xs, engine=parmap.MpiEngine(n_worker=8)); engine="mpi" is the same with the defaults.

    The program is started by ``mpirun python -m parmap.mpi script.py``, or by srun in place of mpirun. Rank 0 runs the script, so it
    is written as if there were no MPI. Each node has one agent, whose tasks run in processes of their own, one for each core that the
    node's ranks may use together. One rank for each node is enough, if it may use all cores.

    Arguments
    ---------
    n_worker
        The number of processes on each node. Default: the number of cores that its ranks may use. (The option n_worker of
        parmap() is the largest number of all together.)

    Raises
    ------
    ImportError
        mpi4py is not installed.
    ValueError
        n_worker is less than 1.

    Notes
    -----
    If a rank is lost, MPI ends the whole job. An engine can be used for any number of maps.
    """

    _name = "mpi"

    def __init__(self, *, n_worker: int | None = None) -> None:
        if n_worker is not None and (not isinstance(n_worker, int) or n_worker < 1):
            raise ValueError(f"parmap: n_worker must be at least 1, but is {n_worker!r:.100}")
        self._n_worker = n_worker
        _check_mpi4py()

    def __repr__(self) -> str:
        return f"parmap.MpiEngine({'' if self._n_worker is None else f'n_worker={self._n_worker}'})"

    def _open(self, most: int) -> Carrier:
        return _Carrier(_session_here(), self._n_worker, most)


def _check_mpi4py() -> None:
    import importlib.util

    if importlib.util.find_spec("mpi4py") is None:
        raise ImportError("parmap: engine='mpi' needs mpi4py: pip install 'parmap-cpp[mpi]', or pip install mpi4py")


def _session_here() -> Session:
    found = session()
    if found is not None:
        return found
    from mpi4py import MPI

    if (actual := MPI.COMM_WORLD.Get_size()) > 1:
        raise RuntimeError(
            f"parmap: {actual} ranks run this program, and each of them would run the whole map. Start it by: mpirun -n {actual} python -m "
            "parmap.mpi script.py (or srun in place of mpirun): then rank 0 alone runs the script, and the others its tasks"
        )
    check_launcher(actual)
    return Session.alone()


def check_launcher(ranks: int) -> None:
    """Raises if each of several processes believes to be alone, as each would run the whole program."""
    started = max((int(os.environ[name]) for name in _SIZES if os.environ.get(name, "").isdecimal()), default=1)
    if ranks == 1 and started > 1:
        raise RuntimeError(
            f"parmap: the launcher has started {started} processes, but MPI knows only this one: mpi4py was built for another MPI than that "
            "of mpirun or srun, or its variables (PMIX_, PMI_) do not reach a container. Use the mpirun of the same MPI, or srun --mpi=pmix "
            "(or pmi2), and: python -m parmap.mpi script.py"
        )


_warned = False


def _warn_of_cores(here: Session) -> None:
    """Once: a launcher has bound the ranks to less than there is."""
    global _warned
    granted = os.environ.get("SLURM_CPUS_ON_NODE", "")
    there = int(granted) if granted.isdecimal() else (os.cpu_count() or 1) if "OMPI_COMM_WORLD_SIZE" in os.environ else 0
    mine = min((len(each.cores) for each in here.nodes), default=there)
    if mine < there and not _warned:
        _warned = True
        warnings.warn(
            f"parmap: the ranks of a node may use {mine} of {there} CPUs: srun -c {there}, or mpirun --bind-to none --map-by ppr:1:node",
            _errors.ParmapWarning,
            stacklevel=2,
        )


class _Carrier:
    within = _WITHIN

    def __init__(self, here: Session, n_worker: int | None, most: int) -> None:
        self._session = here
        self._n_worker = n_worker
        self._most = most
        self._answers: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def places(self) -> list[Place]:
        if self._n_worker is None:
            _warn_of_cores(self._session)
        found = []
        left = self._most
        for node in self._session.nodes:
            check_versions(f"rank {node.rank} on {node.host}", node.versions)
            workers = self._n_worker or len(node.cores)
            if self._most:
                workers = min(workers, left)
                left -= workers
            if workers:
                found.append(Place(node.rank, f"rank {node.rank} on {node.host}", node.host, workers, node.cores, node.number))
        return found

    def call(self, key: Any, call: Call, program: bytes) -> None:
        _, start, needs_program, ranges, low, patience, ends = call
        arguments = (call.job, start, program if needs_program else None, ranges, low, patience, ends)
        self._session.call(key, arguments, self._answers)

    def tell(self, keys: list[Any], job: str, what: str) -> None:
        for key in keys:
            self._session.tell(key, job, what)

    def wait(self, seconds: float) -> list[Event]:
        found: list[Event] = []
        self._session.pump(seconds, self._answers.empty)
        while not self._answers.empty():
            found.append(self._answers.get())
        return found

    def close(self) -> None:
        self._session.flush()
