# SPDX-License-Identifier: MIT
"""python -m parmap watch, and parmap.watch."""

import json
import os
import subprocess
import sys
import time

import pytest

import parmap as package
from helpers import quiet
from parmap import parmap
from parmap._watch import _Clock, status_lines, status_path


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "parmap", "watch", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def failing(x):
    return 1 // (x - 2)


def a_status(**changes):
    now = dict(
        parmap_status=1, label="sweep", engine="multi", program="a.py", host="node7", pid=12, began=1.0, tasks=100, stored=10, completed=40,
        failed=2, retried=0, busy=1.0, failures=[dict(kind="timed_out", message="ran longer", count=2, first=7, inputs="mu=2")],
        of_other_causes=0, heartbeat=time.time(), elapsed=20.0, rate=2.0, left=24.0, workers=4, running=7,
        oldest=[dict(task=k, inputs=f"mu={k}", attempt=1 + (k == 1), worker=k, seconds=9.0 - k) for k in range(7)],
        ended=False, how="not yet",
    )  # fmt: skip
    return {**now, **changes}


def test_the_lines():
    lines = status_lines(a_status(), 0.5)
    assert lines[0] == "sweep: engine multi, pid 12 on node7"
    assert lines[1] == " 52 % 52/100 in 20 s, 2 tasks/s, 24 s left, 2 failed"
    assert "  task 0 (mu=0) has been running for 9.0 s" in lines and "  task 1 (mu=1) has been running for 8.0 s, attempt 2" in lines
    assert "  and 2 more are running" in lines and lines[-1] == "  2 x timed out: ran longer; first task 7 (mu=2)"
    assert not any("heartbeat" in each for each in lines)
    assert any("The heartbeat is 1 min 40 s old" in each for each in status_lines(a_status(), 100.0))
    assert "?" in status_lines(a_status(tasks=None, left=None, rate=0.01), None)[1]
    ended = status_lines(a_status(ended=True, how="incomplete", running=0, oldest=[]), None)
    assert ended[1].endswith("40 ok, 2 failed, 48 stopped; ended before all tasks were done")
    assert "\x1b" not in "".join(status_lines(a_status(label="\x1b[2J"), None))


def test_the_age_of_a_heartbeat_does_not_depend_on_the_clock_of_another_machine():
    clock = _Clock()
    assert clock.age(a_status(heartbeat=time.time() + 1000)) < 5
    assert clock.age(a_status(heartbeat=time.time() + 1001)) < 5
    old = _Clock()
    assert old.age(a_status(heartbeat=time.time() - 1000)) > 900  # at the first look


def test_of_a_map_that_has_ended(tmp_path):
    parmap(abs, range(3), trace=tmp_path / "a", label="x")
    done = command(tmp_path / "a")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].startswith("3 tasks in ") and done.stdout.splitlines()[1].endswith(": 3 ok; ended")
    quiet(failing, range(4), trace=tmp_path / "b")
    done = command(tmp_path / "b.status")
    assert done.returncode == 4 and "1 x threw: ZeroDivisionError" in done.stdout


def test_of_a_running_map(tmp_path, capsys):
    def task(x):
        if x == 1:
            package.watch(tmp_path / "a", once=True)
        return x

    parmap(task, range(2), trace=tmp_path / "a", engine="serial")
    assert "/2 in " in capsys.readouterr().out
    (tmp_path / "b.status").write_text(json.dumps(a_status()), encoding="utf-8")
    assert command("--once", tmp_path / "b").returncode == 3


def test_it_follows_to_the_end(tmp_path):
    path = tmp_path / "a.status"
    path.write_text(json.dumps(a_status()), encoding="utf-8")
    with subprocess.Popen([sys.executable, "-m", "parmap", "watch", str(path)], stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout.readline().startswith("sweep")
        fresh = tmp_path / "fresh"
        fresh.write_text(json.dumps(a_status(ended=True, how="complete", failed=0)), encoding="utf-8")
        os.replace(fresh, path)
        assert "ended" in watcher.stdout.read()
        assert watcher.wait(30) == 0


def test_files_that_are_something_else(tmp_path):
    (tmp_path / "a.status").write_text("{", encoding="utf-8")
    (tmp_path / "b.status").write_text('{"parmap_status": 99}', encoding="utf-8")
    (tmp_path / "c.status").write_text('{"parmap_status": 1}', encoding="utf-8")
    for name in ("a", "b", "c", "missing"):
        done = command(tmp_path / name)
        assert done.returncode == 2 and done.stderr.startswith("python -m parmap watch: ") and "Traceback" not in done.stderr
        with pytest.raises(FileNotFoundError, match=r"parmap\.watch: "):
            package.watch(tmp_path / name)
    assert status_path("x.db") == "x.db.status" == status_path(b"x.db.status")


def test_in_a_notebook(tmp_path, monkeypatch):
    import types

    from parmap import _watch

    shown = []

    class Handle:
        def update(self, what):
            shown.append(what)

    display = types.SimpleNamespace(HTML=lambda text: text, display=lambda what, display_id: shown.append(what) or Handle())
    ipython = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=1))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(_watch, "loaded", lambda name: ipython)
    (tmp_path / "a.status").write_text(json.dumps(a_status(ended=True, how="complete", label="<b>")), encoding="utf-8")
    package.watch(tmp_path / "a")
    assert len(shown) == 1 and shown[0].startswith("<pre>&lt;b&gt;: engine")
