# SPDX-License-Identifier: MIT
"""Checkpoints as docs/internals/checkpoint-format.md describes them, made by sqlite3 alone."""

import itertools
import json
import math
import sqlite3

KINDS = ("ok", "threw", "crashed", "exited", "timed_out", "out_of_memory", "unencodable", "stopped")


def make_checkpoint(path, axes, outcome, began=1.8e9, ended=True):
    """`axes`: names and values by axis, [(("mu",), [(0.5,), (1.5,)]), ...]. outcome(index, *inputs) gives (kind, value, format,
    seconds, worker, µs after the run's begin)."""
    names = [name for each, _ in axes for name in each]
    database = sqlite3.connect(path)
    run = database.execute
    run("PRAGMA application_id = 0x7061726d")
    run("PRAGMA user_version = 1")
    run("CREATE TABLE version(number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL)")
    run("CREATE TABLE axis(version INTEGER, number INTEGER, place INTEGER, names TEXT, hashed INTEGER)")
    run(
        "CREATE TABLE run(number INTEGER PRIMARY KEY, version INTEGER, began REAL, seen INTEGER, ended INTEGER, host TEXT, pid INTEGER,"
        " started INTEGER, parmap TEXT, language TEXT, command TEXT, git TEXT, code TEXT, tasks INTEGER, stored INTEGER, done INTEGER,"
        " failed INTEGER)"
    )
    run("CREATE TABLE spread(version INTEGER, name TEXT)")
    run("INSERT INTO version VALUES(1, '')")
    sizes = [len(values) for _, values in axes]
    tasks = math.prod(sizes)
    run("INSERT INTO run VALUES(1, 1, ?, ?, ?, 'node7', 4711, 1, '0.1.0', 'Python', 'sweep.py', NULL, '', ?, 0, ?, 0)",
        (began, began + 8, began + 10 if ended else None, tasks, tasks))  # fmt: skip
    joined, stride = "", "1"
    shown = {}
    for k in reversed(range(len(axes))):
        own, values = axes[k]
        run("INSERT INTO axis VALUES(1, ?, ?, ?, 0)", (k + 1, k, json.dumps(own)))
        columns = "".join(f", format_{c + 1} INTEGER, value_{c + 1}" for c in range(len(own)))
        run(f"CREATE TABLE axis_1_{k + 1}(position INTEGER PRIMARY KEY{columns})")
        for position, row in enumerate(values):
            cells = [each for value in row for each in (2 if isinstance(value, float) else 1, value)]
            run(f"INSERT INTO axis_1_{k + 1} VALUES(?{', ?' * len(cells)})", (position, *cells))
        shown[k] = "".join(f'a{k + 1}.value_{c + 1} AS "{name.replace(chr(34), chr(34) * 2)}", ' for c, name in enumerate(own))
        joined += f" JOIN axis_1_{k + 1} AS a{k + 1} ON a{k + 1}.position = e.start_{k + 1} + (r.task - e.first) / ({stride}) % e.size_{k + 1}"
        stride += f" * e.size_{k + 1}"
    run("CREATE TABLE extent_1(first INTEGER PRIMARY KEY, tasks INTEGER"
        + "".join(f", start_{k + 1} INTEGER, size_{k + 1} INTEGER" for k in range(len(axes))) + ")")  # fmt: skip
    run(f"INSERT INTO extent_1 VALUES(0, ?{', 0, ?' * len(axes)})", (tasks, *sizes))
    run(
        "CREATE TABLE result_1(task INTEGER PRIMARY KEY, kind INTEGER, attempts INTEGER, run INTEGER, began INTEGER, seconds REAL,"
        " worker INTEGER, format INTEGER, value)"
    )
    for index, inputs in enumerate(itertools.product(*(values for _, values in axes))):
        made = outcome(index, *itertools.chain(*inputs))
        if made is None:
            continue
        kind, value, form, seconds, worker, at = made
        run("INSERT INTO result_1 VALUES(?, ?, 1, 1, ?, ?, ?, ?, ?)", (index, KINDS.index(kind), at, seconds, worker, form, value))
    cases = "".join(f" WHEN {k} THEN '{kind}'" for k, kind in enumerate(KINDS))
    run(
        f"CREATE VIEW results AS SELECT {''.join(shown[k] for k in range(len(axes)))}CASE WHEN r.kind = 0 THEN r.value END AS value,"
        f" CASE r.kind{cases} END AS _kind, CASE WHEN r.kind <> 0 THEN r.value END AS _message, r.attempts AS _attempts,"
        f" r.seconds AS _seconds, r.worker AS _worker, r.task AS _task FROM result_1 AS r"
        f" JOIN extent_1 AS e ON r.task >= e.first AND r.task < e.first + e.tasks{joined}"
    )
    database.commit()
    database.close()
    return names
