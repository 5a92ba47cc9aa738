# SPDX-License-Identifier: MIT
"""The ranks of an MPI job that was started by `python -m parmap.mpi`: their messages, and who is the agent of which node.

Messages go between rank 0 and the agents, on a communicator of their own. A message is a head (its kind, the number of the call, and
its size) and its bytes, in pieces below 2 GiB. All are sent without waiting, as rank 0 and an agent may send to each
other at the same time; waits sleep, as a spinning rank would take a core from the tasks.

The agent of rank 0's node is another rank of it, or else rank 0 itself: then its calls run in threads.
"""

from __future__ import annotations

import os
import pickle
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from . import _agent
from ._carrier import Event, versions

_HEAD = struct.Struct("<qqq")
_CALL, _TELL, _LEAVE, _ANSWER, _ERROR = range(5)
_TAG_HEAD, _TAG_BODY = 1, 2
_PIECE = 1 << 30  # bytes; MPI-3 counts to 2**31
_NAPS = (0.0001, 0.002)  # seconds between two looks for messages, soon after one and long after
_RESTS = 0.02  # of an agent without a map

_session: Session | None = None


class Node(NamedTuple):
    number: int
    rank: int  # of its agent
    host: str
    cores: tuple[int, ...]  # that its ranks may use together
    versions: dict[str, str]


def session() -> Session | None:
    """That of this process, if it was started by parmap.mpi."""
    return _session


def begin(comm: Any) -> Session:
    """Collective: called once by each rank."""
    global _session
    _session = Session(comm.Dup(), _nodes_of(comm))
    return _session


def _nodes_of(comm: Any) -> list[Node]:
    from mpi4py import MPI

    # A rank of one node cannot be an agent of several; to be tried out on one computer, nodes can be made smaller.
    local = comm.Split_type(MPI.COMM_TYPE_SHARED)
    size = int(os.environ.get("PARMAP_TEST_RANKS_PER_NODE") or local.Get_size())
    node = local.Split(local.Get_rank() // size)
    first = node.bcast(comm.Get_rank())
    mine = (first, comm.Get_rank(), socket.gethostname(), os.sched_getaffinity(0), versions())
    node.Free()
    local.Free()
    ranks = comm.gather(mine)
    found = []
    for number, first in enumerate(sorted({each[0] for each in ranks or ()})):
        there = [each for each in ranks if each[0] == first]
        _, rank, host, _, has = next((each for each in there if each[1] != 0), there[0])
        cores = set().union(*(each[3] for each in there))
        found.append(Node(number, rank, host, tuple(sorted(cores)), has))
    return found


class Session:
    """Of one rank. Rank 0's is used by any thread, one at a time."""

    def __init__(self, comm: Any, nodes: list[Node]) -> None:
        self._comm = comm
        self.nodes = nodes  # on rank 0
        self._lock = threading.Lock()
        self._sending: list[tuple[Any, Any]] = []  # requests, and the bytes that they send
        self._calls: dict[int, tuple[Any, Any]] = {}  # by number: the agent, and where the answer goes
        self._number = 0
        self._heard = 0.0
        # Of an agent: kind, number, bytes. Not a SimpleQueue: the get() of CPython 3.11 waits for ever if its timeout has passed when it
        # looks at the clock again.
        self._answers: queue.Queue[tuple[int, int, bytes]] = queue.Queue()

    @classmethod
    def alone(cls) -> Session:
        """Of a process that has no other ranks."""
        global _session
        _session = cls(None, [Node(0, 0, socket.gethostname(), tuple(sorted(os.sched_getaffinity(0))), versions())])
        return _session

    # ---- rank 0

    def call(self, rank: int, arguments: tuple[Any, ...], answers: Any) -> None:
        with self._lock:
            self._number += 1
            number = self._number
            self._calls[number] = rank, answers
            if rank != 0:
                self._send(rank, _CALL, number, pickle.dumps(arguments, 5))
        if rank == 0:
            threading.Thread(target=self._answer_here, args=(number, arguments, answers), name="parmap mpi", daemon=True).start()

    def _answer_here(self, number: int, arguments: tuple[Any, ...], answers: Any) -> None:
        try:
            answers.put(Event("answer", 0, _agent.exchange(*arguments)))
        except BaseException as error:
            answers.put(Event("error", 0, error))
        self._calls.pop(number, None)

    def tell(self, rank: int, job: str, what: str) -> None:
        if rank == 0:
            _agent.tell(job, what)
            return
        with self._lock:
            self._send(rank, _TELL, 0, pickle.dumps((job, what), 5))

    def pump(self, seconds: float, go_on: Callable[[], bool]) -> None:
        """Takes in what comes, for so long, or while go_on()."""
        until = time.monotonic() + seconds
        while True:
            with self._lock:
                some = self._comm is not None and self._take_answers()
            now = time.monotonic()
            if some:
                self._heard = now
            if not go_on() or now >= until:
                return
            time.sleep(min(_NAPS[0] if now - self._heard < 0.01 else _NAPS[1], until - now))

    def _take_answers(self) -> bool:
        self._forget_sent()
        some = False
        while (got := self._receive()) is not None:
            rank, kind, number, data = got
            some = True
            _, answers = self._calls.pop(number)
            answers.put(Event("answer", rank, data) if kind == _ANSWER else Event("error", rank, pickle.loads(data)))
        return some

    def flush(self) -> None:
        """A word to an agent is on its way when this returns, or after a second."""
        until = time.monotonic() + 1
        while self._sending and time.monotonic() < until:
            with self._lock:
                self._forget_sent()
            time.sleep(_NAPS[0])

    def leave(self) -> None:
        """The program has ended, and so do all ranks."""
        for rank in range(1, self._comm.Get_size()):
            self._send(rank, _LEAVE, 0, b"")
        for request, _ in self._sending:
            request.Wait()
        self._sending.clear()

    # ---- the others

    def serve(self) -> None:
        """Until rank 0 leaves. This thread alone uses MPI; calls run in threads."""
        heard = 0.0
        busy = 0
        while True:
            some = False
            while (got := self._receive()) is not None:
                some = True
                _, kind, number, data = got
                if kind == _LEAVE:
                    return
                if kind == _TELL:
                    _agent.tell(*pickle.loads(data))
                    continue
                busy += 1
                threading.Thread(target=self._answer, args=(number, data), name="parmap mpi", daemon=True).start()
            while not self._answers.empty():
                some = True
                busy -= 1
                self._send(0, *self._answers.get())
            self._forget_sent()
            now = time.monotonic()
            if some:
                heard = now
            if now - heard < 0.01:
                time.sleep(_NAPS[0])
            else:
                try:
                    pause = _NAPS[1] if busy or now - heard < 5 else _RESTS
                    answer = self._answers.get(timeout=pause)
                    busy -= 1
                    self._send(0, *answer)
                    heard = now
                except queue.Empty:
                    pass

    def _answer(self, number: int, data: bytes) -> None:
        try:
            made = _ANSWER, number, _agent.exchange(*pickle.loads(data))
        except BaseException as error:
            made = _ERROR, number, pickle.dumps(RuntimeError(f"parmap: {type(error).__name__}: {error}"))
        self._answers.put(made)

    # ---- messages

    def _send(self, rank: int, kind: int, number: int, data: bytes) -> None:
        head = _HEAD.pack(kind, number, len(data))
        self._sending.append((self._comm.Isend([head, len(head), _byte()], rank, _TAG_HEAD), head))
        view = memoryview(data)
        for first in range(0, len(data), _PIECE):
            piece = view[first : first + _PIECE]
            self._sending.append((self._comm.Isend([piece, len(piece), _byte()], rank, _TAG_BODY), data))

    def _forget_sent(self) -> None:
        self._sending = [each for each in self._sending if not each[0].Test()]

    def _receive(self) -> tuple[int, int, int, bytes] | None:
        from mpi4py import MPI

        status = MPI.Status()
        message = self._comm.Improbe(MPI.ANY_SOURCE, _TAG_HEAD, status)
        if message is None:
            return None
        head = bytearray(_HEAD.size)
        message.Recv([head, len(head), _byte()])
        kind, number, size = _HEAD.unpack(head)
        rank = status.Get_source()
        data = bytearray(size)
        view = memoryview(data)
        for first in range(0, size, _PIECE):  # of one sender messages come in order
            piece = view[first : first + _PIECE]
            self._comm.Recv([piece, len(piece), _byte()], rank, _TAG_BODY)
        return rank, kind, number, bytes(data)


def _byte() -> Any:
    from mpi4py import MPI

    return MPI.BYTE
