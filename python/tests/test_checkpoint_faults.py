# SPDX-License-Identifier: MIT
"""What goes wrong with the file of a checkpoint: a killed program, a full disk, locks, damage, another program's file.

PARMAP_KILLS=200 kills a program so often; the seed is printed.
"""

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap

import pytest

from helpers_of_checkpoints import add, draw, rows
from parmap import StoreFailed, _checkpoint_file, _program_facts, _row_writer, _stored_tasks, checkpoint, load, parmap, stream

pytestmark = pytest.mark.timeout(600)

KILLS = int(os.environ.get("PARMAP_KILLS", "9"))
PROGRAM = """
    import sys, parmap
    from helpers_of_checkpoints import draw
    grid = dict(mu=[0.5 * k for k in range(40)], x0=list(range(25)))
    for outcome in parmap.stream(draw, grid=grid, seed=9, engine=sys.argv[2], n_worker=2, checkpoint=sys.argv[1], reporter="silent"):
        if not outcome.stored:
            print(outcome.index, flush=True)
"""


@pytest.mark.parametrize("engine", ("multi", "threads", "serial"))
def test_a_program_that_is_killed_at_any_moment_loses_no_row(db, engine):
    seed = random.SystemRandom().getrandbits(32)
    print("seed", seed)
    chosen = random.Random(seed)
    known: dict[int, float] = {}
    for _ in range(-(-KILLS // 3)):
        last = chosen.choice((0, 1, 5, chosen.randrange(300)))  # lines that are read before the kill
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), db, engine]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=os.path.dirname(__file__)) as program:
            for k, _ in enumerate(program.stdout):
                if k == last:
                    break
            program.send_signal(signal.SIGKILL)
        assert rows(db, "PRAGMA integrity_check") == [("ok",)]
        found = dict(rows(db, "SELECT task, value FROM result_1"))
        assert known.items() <= found.items()
        known = found
    grid = dict(mu=[0.5 * k for k in range(40)], x0=list(range(25)))
    whole = parmap(draw, grid=grid, seed=9, checkpoint=db, reporter="silent")
    assert list(whole) == list(parmap(draw, grid=grid, seed=9)) and len(whole.stored) == len(known)
    assert [row.value for row in load(db)] == list(whole)


def test_a_full_disk_is_an_error_that_has_the_results(db, monkeypatch):
    connected = _checkpoint_file.connected

    def small(path, **options):
        made = connected(path, **options)
        if not options:
            made.execute("PRAGMA max_page_count = 60")
        return made

    def long(x):
        return "x" * 3000 + str(x)

    monkeypatch.setattr(_checkpoint_file, "connected", small)
    with pytest.raises(StoreFailed, match="the disk is full") as caught:
        parmap(long, range(2000), engine="serial", checkpoint=db, reporter="silent")
    done = [k for k, each in enumerate(caught.value.results) if each is not None]
    assert done == list(range(len(done))) and {each.kind for each in caught.value.results.failures} <= {"stopped"}
    with pytest.raises(StoreFailed, match="the disk is full"):
        for _ in stream(long, range(2000), engine="threads", checkpoint=db, reporter="silent"):
            pass
    monkeypatch.undo()
    assert list(parmap(long, range(2000), checkpoint=db, reporter="silent")) == [long(x) for x in range(2000)]


def test_a_lock_of_another_program_is_said(db, monkeypatch):
    parmap(add, [1, 2], engine="threads", checkpoint=db, reporter="silent")
    monkeypatch.setattr(_checkpoint_file, "_BUSY_SECONDS", 0.05)
    other = sqlite3.connect(db, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailed, match="another program holds a lock on it"):
        parmap(add, [1, 2, 3], engine="threads", checkpoint=db, reporter="silent")
    assert len(load(db)) == 2
    other.execute("ROLLBACK")
    other.close()
    assert len(parmap(add, [1, 2, 3], engine="threads", checkpoint=db, reporter="silent").stored) == 2


def test_foreign_and_damaged_files_are_refused_and_stay(db):
    def refused(words):
        with open(db, "rb") as file:
            before = file.read()
        with pytest.raises(StoreFailed, match=words):
            parmap(add, [1, 2], engine="threads", checkpoint=db, reporter="silent")
        with pytest.raises(StoreFailed, match=words):
            load(db)
        with open(db, "rb") as file:
            assert file.read() == before

    with open(db, "w") as file:
        file.write("a text\n" * 1000)
    refused("it is not a SQLite database: another program's file, or damaged")
    os.unlink(db)
    other = sqlite3.connect(db)
    other.execute("CREATE TABLE own(x)")
    other.commit()
    other.close()
    refused("it is a database, but not a checkpoint of parmap")
    os.unlink(db)
    parmap(add, [1, 2], engine="threads", checkpoint=db, reporter="silent")
    newer = sqlite3.connect(db)
    newer.execute("PRAGMA user_version = 2")
    newer.close()
    refused("it has format 2, and this parmap knows format 1")


def test_a_damaged_file_is_said(db):
    parmap(add, range(3000), engine="threads", checkpoint=db, reporter="silent")
    with open(db, "r+b") as file:
        file.seek(8 * 4096)
        file.write(os.urandom(os.path.getsize(db) - 8 * 4096))
    with pytest.raises(StoreFailed, match="it is damaged"):
        parmap(add, range(3000), engine="threads", checkpoint=db, reporter="silent")


def test_a_file_that_is_deleted_meanwhile_is_said(db):
    with pytest.raises(StoreFailed, match="it was moved or deleted while the map ran") as caught:
        parmap(lambda x: os.unlink(db) if x == 1 else x, range(3), engine="serial", checkpoint=checkpoint(db, name="f"), reporter="silent")
    assert list(caught.value.results) == [0, None, 2]


@pytest.mark.parametrize("engine", ("serial", "threads", "multi"))
def test_a_task_and_a_loop_may_change_the_folder(db, engine, monkeypatch, tmp_path):
    folder, name = os.path.split(db)
    monkeypatch.chdir(folder)

    def go(x):
        os.makedirs(f"of {x}", exist_ok=True)
        os.chdir(f"of {x}")
        return x

    keep = checkpoint(name, name="go")
    assert parmap(go, [1, 2, 3], engine=engine, n_worker=1, checkpoint=keep, reporter="silent") == [1, 2, 3]
    os.chdir(folder)
    with stream(go, [1, 2, 3, 4, 5], engine=engine, n_worker=1, ordered=True, window=1, checkpoint=keep, reporter="silent") as outcomes:
        for outcome in outcomes:
            assert outcome.stored == (outcome.index < 3)
            os.chdir(tmp_path)
    assert [row.value for row in load(db)] == [1, 2, 3, 4, 5]


def test_a_device_is_refused_and_stays(db):
    os.mkfifo(db)
    for use in (lambda: parmap(add, [1], checkpoint=db), lambda: load(db)):
        with pytest.raises(StoreFailed, match="it is a folder or a device, and not a file"):
            use()
    assert stat.S_ISFIFO(os.stat(db).st_mode) and os.listdir(os.path.dirname(db)) == ["sweep.db"]


def test_an_empty_file_of_the_user_stays(db):
    with open(db, "w"):
        pass
    with pytest.raises(TypeError, match="cannot compare element 0"):
        parmap(add, [object()], engine="threads", checkpoint=db)
    assert os.path.exists(db)


@pytest.mark.parametrize("name", ("file:x.db", "file:x.db?mode=memory", "a ?#%20'\"b.db", "é\n.db"))
def test_odd_names_of_files(db, name, monkeypatch):
    monkeypatch.chdir(os.path.dirname(db))
    for stored in (0, 1):
        assert len(parmap(add, [1], engine="threads", checkpoint=name, reporter="silent").stored) == stored
    assert [row.value for row in load(name)] == [2] and os.path.isfile(os.path.join(os.path.dirname(db), name))


def test_names_that_are_no_utf8_are_refused():
    with pytest.raises(ValueError, match="path must be UTF-8"):
        parmap(add, [1], checkpoint=b"\xff.db".decode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match="trace must be a path in UTF-8"):
        parmap(add, [1], trace=b"\xff.json")


def test_a_folder_that_is_missing_and_a_file_that_is_refused_leave_nothing(db):
    with pytest.raises(StoreFailed, match="it cannot be opened; does its folder exist"):
        parmap(add, [1], checkpoint=db + "/x.db")
    with pytest.raises(TypeError):
        parmap(add, [object()], engine="threads", checkpoint=db)
    assert os.listdir(os.path.dirname(db)) == []


def test_network_file_systems_have_the_file_to_themselves(db, monkeypatch, capfd):
    monkeypatch.setattr(_checkpoint_file, "shared_file_system", lambda path: "nfs4")
    parmap(add, [1, 2], engine="threads", checkpoint=db)
    assert "lies on a network file system (nfs4): no other program can read it while this one runs" in capfd.readouterr().err
    assert [each.value for each in stream(add, [1, 2, 3], engine="threads", checkpoint=db, reporter="silent")] == [2, 3, 4]
    assert not os.path.exists(db + "-shm")


def test_the_file_system_is_found():
    assert _checkpoint_file.shared_file_system("/proc/self") is None
    assert _checkpoint_file.process_start(os.getpid()) > 0 and _checkpoint_file.process_start(2**22 + 1) is None


def test_a_process_on_another_host_keeps_the_file_for_half_a_minute(db):
    parmap(add, [1], engine="threads", checkpoint=db, reporter="silent")

    def leave(seen):
        file = sqlite3.connect(db)
        file.execute("UPDATE run SET ended = NULL, host = 'node7', pid = 4711, seen = strftime('%s', 'now') - ? WHERE number = 1", (seen,))
        file.commit()
        file.close()

    leave(5)
    with pytest.raises(StoreFailed, match=r"process 4711 on node7 is using it; it last wrote \d s ago"):
        parmap(add, [1], engine="threads", checkpoint=db, reporter="silent")
    leave(31)
    assert len(parmap(add, [1], engine="threads", checkpoint=db, reporter="silent").stored) == 1
    assert rows(db, "SELECT count(*) FROM run WHERE ended IS NULL") == [(0,)]


def test_rows_wait_for_no_more_than_their_bound(db, monkeypatch):
    monkeypatch.setattr(_row_writer, "_MOST_WAITING", 10_000)
    assert list(parmap(lambda x: "x" * 4000, range(50), engine="threads", checkpoint=checkpoint(db, name="f"), reporter="silent")) == ["x" * 4000] * 50
    assert rows(db, "SELECT count(*) FROM result_1") == [(50,)]


def test_an_error_of_the_reporter_ends_the_map_and_keeps_the_rows(db, engine):
    def show(i, n):
        raise RuntimeError("no window")

    with pytest.raises(RuntimeError, match="no window"):
        parmap(add, range(5), engine=engine, checkpoint=db, reporter=show)
    assert rows(db, "SELECT count(*) FROM run WHERE ended IS NULL") == [(0,)]
    assert not rows(db, "SELECT 1 FROM result_1 WHERE kind <> 0")


@pytest.mark.parametrize("call", (parmap, stream))
def test_an_error_before_the_first_task_frees_the_file(db, monkeypatch, call):
    def fail(self):
        raise MemoryError("before the first task")

    monkeypatch.setattr(_stored_tasks.StoredTasks, "_tell", fail)
    with pytest.raises(MemoryError):
        call(add, [1], engine="threads", checkpoint=db)
    monkeypatch.undo()
    assert rows(db, "SELECT count(*) FROM run WHERE ended IS NULL") == [(0,)]
    assert list(parmap(add, [1], engine="threads", checkpoint=db, reporter="silent")) == [2]


def test_git_and_command_are_found(monkeypatch, tmp_path):
    head = _program_facts.git_commit()
    assert head is None or len(head) == 40
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / ".git" / "packed-refs").write_text("# pack-refs\n" + "ab" * 20 + " refs/heads/main\n")
    assert _program_facts.git_commit() == "ab" * 20 and _program_facts.command_line()
