# SPDX-License-Identifier: MIT
"""The measurements of benchmarks/native.py: columns of work, rows of peers, and targets for parmap."""

from dataclasses import dataclass, field, replace

LOOP, FORK, BARE = "loop", "fork_by_hand", "bare_forks"
SERIAL, THREADS, MULTI = "parmap_serial", "parmap_threads", "parmap_multi"
RAYON = "rayon"

#: The peers' names in peers.hpp, and their names for a reader.
NAMES = {
    LOOP: "plain loop",
    "omp_static": "OpenMP static", "omp_dynamic": "OpenMP dynamic", "omp_guided": "OpenMP guided",
    "tbb_auto": "oneTBB auto", "tbb_static": "oneTBB static", "std_par": "std::execution::par", RAYON: "rayon",
    BARE: "bare fork, _exit, waitpid", FORK: "fork by hand",
    "clock": "a look at the clock (rdtsc)", "seed": "a fresh seed", "locked": "a locked addition", "allocation": "new and delete of 8 bytes",
    "wake": "a sleeping thread woken, until it has answered",
    "private_page": "the first touch of a page of one's own", "shared_page": "the first touch of a page shared with children",
    "child": "fork, _exit, waitpid", "watch": "a pidfd opened, polled and closed",
    "mapping": "a page of shared memory made, touched and taken down",
    SERIAL: "parmap serial", THREADS: "parmap threads", MULTI: "parmap multi",
}  # fmt: skip

ON_THREADS = ("omp_static", "omp_dynamic", "omp_guided", "tbb_auto", "tbb_static", "std_par", RAYON)
ALL = (LOOP, *ON_THREADS, FORK, THREADS, MULTI)

NANOSECONDS, MICROSECONDS, MILLISECONDS = ("ns", 1e9), ("µs", 1e6), ("ms", 1e3)
MIB = 1.048576  # in MB
SHARE = ("% efficiency", 0)  # parallel efficiency: (the loop's time divided by the cores) divided by the time


@dataclass(frozen=True)
class Column:
    """`map_PEER workload size [more]`."""

    name: str
    workload: str
    size: int
    unit: tuple
    more: str = ""  # the name of the tasks' costs, or another argument
    quick: int = 0  # the size under --quick; 0: the same


@dataclass(frozen=True)
class Target:
    """A target: at most `times` the time of the best of `others` that was measured, or what the other fields say."""

    column: str
    peer: str
    times: float = 0
    others: tuple = ()
    share: float = 0  # at least so many per cent of the ideal
    above_loop: float = 0  # at most so much above the plain loop, in the column's unit
    peak: float = 0  # at most so many MB
    peak_above_loop: float = 0  # at most so many MB above the plain loop's peak
    peak_times: float = 0  # at most so many times the plain loop's peak


@dataclass(frozen=True)
class Table:
    title: str
    columns: list
    peers: tuple
    targets: list = field(default_factory=list)
    note: str = ""
    memory: bool = False  # whether to measure the peak of all processes, in separate runs

    def quick(self) -> "Table":
        return replace(self, columns=[replace(each, size=each.quick or each.size) for each in self.columns])


def calls(workload: str) -> list:
    return [Column(f"n = {n}", workload, n, NANOSECONDS) for n in (1, 10, 100, 1000)]


def squares(workload: str) -> list:
    return [Column(f"n = {text}", workload, n, MILLISECONDS, quick=min(n, 1_000_000))
            for text, n in (("1e5", 100_000), ("1e7", 10_000_000), ("1e8", 100_000_000))]


def at_most(times: float, peer: str, others, columns) -> list:
    return [Target(each.name, peer, times=times, others=tuple(others)) for each in columns]


BALANCE = {  # targets of threads and multi, by the name of the costs
    "100 ns each": (98, 96), "growing": (98, 96), "falling": (98, 96), "heavy first 5 %": (98, 96), "heavy middle 5 %": (98, 96),
    "Pareto": (98, 96), "one heavy last": (95, 95), "one heavy in the middle": (0, 0),
}  # fmt: skip

TABLES = {
    "floors": Table(
        "What the machine charges", [Column("", "floor", 0, NANOSECONDS)], ("clock", "seed", "locked", "allocation", "wake", "private_page", "shared_page", "mapping", "child",
                                                                              "watch"),
        note="A call under threads needs some of the first four, and on more than one core a thread that wakes; one under multi a child "
             "for each core, watched, and pages that are shared."),
    "calls": Table(
        "A call on a few tasks, x * x + 1, hot", calls("hot"), (LOOP, *ON_THREADS, THREADS),
        [each for n in calls("hot") for each in (
            Target(n.name, THREADS, times=1, others=ON_THREADS), Target(n.name, THREADS, above_loop=100))],
        "A fresh vector each time; 2000 calls one after the other, for 20 times."),
    "rested": Table("The same after 10 ms of rest", calls("rested"), (LOOP, *ON_THREADS, THREADS)),
    "fresh": Table(
        "x * x + 1 into a fresh vector", squares("fresh"), ALL,
        [*at_most(1.05, THREADS, ON_THREADS, squares("fresh")), *at_most(1.1, MULTI, [FORK], squares("fresh")[1:])]),
    "in place": Table(
        "x * x + 1 into a vector that is there (map_into)", squares("in_place"), ALL,
        at_most(1.05, THREADS, ON_THREADS, squares("in_place")), "fork by hand and multi copy their results at the end."),
    "sums": Table(
        "The sum of x * x + 1 (map_reduce)", squares("sum"), (LOOP, "tbb_auto", THREADS, MULTI),
        at_most(1.05, THREADS, ["tbb_auto"], squares("sum")[1:]),
        "The same bits for any number of workers; of oneTBB parallel_deterministic_reduce, by tasks of 512, as large as parmap's blocks. The plain "
        "loop adds from left to right."),
    "balance": Table(
        "Balance: tasks of known cost",
        [Column(name, "balance", 0, SHARE, more=name) for name in BALANCE], ALL,
        [Target(name, peer, share=share) for name, shares in BALANCE.items()
         for peer, share in zip((THREADS, MULTI), shares, strict=True) if share]),
    "nested": Table(
        "Nested: 64 x 10 000 tasks of 100 ns", [Column("", "nested", 10_000, SHARE, more="100 ns each", quick=1000)],
        (LOOP, *ON_THREADS, THREADS), [Target("", THREADS, share=98)]),
    "objects": Table(
        "Results that are objects",
        [Column("1e6 strings of 32", "strings", 1_000_000, MILLISECONDS, quick=20_000),
         Column("1e5 vectors of 1000 doubles", "vectors", 100_000, MILLISECONDS, quick=2000),
         Column("1000 arrays of 1 MB", "megabytes", 1000, MILLISECONDS, quick=50)], ALL,
        [Target("1e6 strings of 32", THREADS, times=1.05, others=(RAYON,)),
         Target("1e6 strings of 32", MULTI, times=1.2, others=(FORK,)),
         Target("1000 arrays of 1 MB", MULTI, times=1 / 0.9, others=(FORK,))]),
    "processes": Table(
        "The fixed cost of processes: as many tasks as cores",
        [Column("small caller", "processes", 0, MILLISECONDS),
         Column("1 GiB touched, pages of 4 KiB", "processes", 1 << 30, MILLISECONDS, quick=1 << 26)],
        (BARE, FORK, MULTI),
        [Target(name, MULTI, times=1.25, others=(BARE,)) for name in ("small caller", "1 GiB touched, pages of 4 KiB")]),
    "memory": Table(
        "Memory: inputs, results and a MiB a worker",
        [Column("1e7 doubles", "fresh", 10_000_000, MILLISECONDS, quick=1_000_000),
         Column("1000 arrays of 1 MB", "megabytes", 1000, MILLISECONDS, quick=50),
         Column("1e6 strings of 32", "strings", 1_000_000, MILLISECONDS, quick=100_000)], (LOOP, THREADS, MULTI),
        [*(Target(name, peer, peak_above_loop=2 * MIB) for name in ("1e7 doubles", "1000 arrays of 1 MB") for peer in (THREADS, MULTI)),
         Target("1e6 strings of 32", THREADS, peak_above_loop=2 * MIB), Target("1e6 strings of 32", MULTI, peak_times=2)],
        "The plain loop's peak is inputs and results. What is encoded may take its room twice.", memory=True),
    "void": Table(
        "1e9 tasks that return nothing", [Column("", "void", 1_000_000_000, MILLISECONDS, quick=10_000_000)],
        (SERIAL, THREADS, MULTI), [Target("", peer, peak=16 * MIB) for peer in (THREADS, MULTI)], memory=True),
    "growth": Table(
        "Growth: void tasks, 2 workers", [Column(f"n = 1e{k}", "void", 10**k, MILLISECONDS, more="2") for k in range(3, 10)],
        (SERIAL, THREADS, MULTI)),
    "workers": Table(
        "Growth: 1e7 void tasks by many workers",
        [Column(f"{w} workers", "void", 10_000_000, MILLISECONDS, more=str(w), quick=100_000) for w in (1, 2, 4, 8, 16, 32, 64)],
        (THREADS, MULTI), memory=True),
}
