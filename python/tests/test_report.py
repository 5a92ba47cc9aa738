# SPDX-License-Identifier: MIT
"""python -m parmap report, and Results.report."""

import json
import math
import os
import re
import shutil
import sqlite3
import subprocess
import sys

import pytest

from checkpoint_by_hand import make_checkpoint
from helpers import needs, quiet
from parmap import parmap
from parmap._report import _page, facts_of_file, write_page
from parmap._report._facts import OK, Facts, Grid, Histogram, NotReadable, Slices
from parmap._report._figures import timeline
from parmap._report._text import report_text

NASTY = '<script>alert("x")</script><b>\x1b[31m&amp; "quoted" \N{SNOWMAN}'


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "parmap", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def square(x):
    if x == 3:
        raise ValueError(NASTY)
    return x * x


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "run.json"
    quiet(square, range(20), trace=path, label=NASTY, reporter="silent", retries=1)
    return path


def two_axes(index, mu, n):
    if index == 5:
        return None
    if mu == 1.5:
        return ("threw", f"ValueError: mu={mu}, n={n} {NASTY}", None, 0.001, 0, 1000 * index)
    if index == 3:
        return ("stopped", "the map was stopped", None, None, None, None)
    return ("ok", mu * n, 2, 0.001 * (index + 1), index % 2, 1000 * index)


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "sweep.db"
    make_checkpoint(path, [(("mu",), [(2.5,), (0.5,), (1.5,)]), (("n",), [(1,), (2,), (3,), (4,)])], two_axes)
    return path


# ---- The summary.


def test_of_a_trace(trace):
    done = command("report", trace)
    assert (done.returncode, done.stderr) == (0, "")
    assert "20 tasks in " in done.stdout and ": 19 ok, 1 failed; 1 attempt was repeated" in done.stdout
    assert "task 3 (3) threw: ValueError: <script>" in done.stdout and "\x1b" not in done.stdout
    assert re.search(r"\d+ workers?, busy \d+ % of the time", done.stdout) and "slowest:" in done.stdout


def test_of_an_archive(tmp_path):
    path = tmp_path / "run.json.gz"
    parmap(abs, range(10), trace=path)
    assert facts_of_file(str(path)).completed == 10


def test_of_a_trace_without_an_end(trace, tmp_path):
    text = trace.read_text(encoding="utf-8")
    events = text.splitlines(keepends=True)
    for kept in ("".join(events[:-2]), "".join(events[:-3]) + events[-3][:20]):  # killed between two writes, and within one
        cut = tmp_path / "cut.json"
        cut.write_text(kept, encoding="utf-8")
        facts = facts_of_file(str(cut))
        assert 0 < facts.completed + facts.failed <= 20 and facts.elapsed > 0
        assert "was killed" in report_text(facts)


def test_of_a_trace_that_another_program_has_written_again(trace, tmp_path):
    events = json.loads(trace.read_text(encoding="utf-8"))
    for name, whole in (("array", events), ("object", {"traceEvents": events})):
        path = tmp_path / name
        path.write_text(json.dumps(whole, indent=1 if name == "object" else None), encoding="utf-8")
        assert facts_of_file(str(path)).completed == 19


def test_of_a_checkpoint(checkpoint):
    before = checkpoint.read_bytes()
    facts = facts_of_file(str(checkpoint))
    assert (facts.completed, facts.failed, facts.stopped, facts.tasks) == (6, 4, 1, 12)
    assert facts.host == "node7" and facts.elapsed == 10 and facts.workers == 2
    (cause,) = (each for each in facts.causes if each.kind == "threw")
    assert cause.count == 4 and cause.first == 8 and cause.inputs == "mu=1.5, n=1"
    assert facts.slowest[0].inputs == "mu=0.5, n=4" and facts.slowest[0].seconds == 0.008
    assert len(facts.slices) == 10 and facts.busy == pytest.approx(0.001 * (1 + 2 + 3 + 5 + 7 + 8 + 4))
    grid = facts.grid
    assert grid.names == ["mu", "n"] and grid.values == [[0.5, 1.5, 2.5], [1, 2, 3, 4]]  # in the order of numbers
    assert grid.quantities["value"] == [0.5, None, 1.5, 2.0, None, None, None, None, 2.5, 5.0, 7.5, None]
    assert grid.quantities["seconds"][0] == 0.005
    assert grid.failed[4:8] == ["threw"] * 4 and grid.failed[11] == "stopped"
    assert checkpoint.read_bytes() == before and sorted(os.listdir(checkpoint.parent)) == ["sweep.db"]
    done = command("report", checkpoint)
    assert (done.returncode, done.stderr) == (0, "") and "6 ok, 4 failed, 1 stopped" in done.stdout


def test_of_a_checkpoint_with_a_zip_and_fields(tmp_path):
    path = tmp_path / "sweep.db"

    def outcome(index, a, b, n):
        return ("ok", json.dumps({"energy": a * n, "name": b, "steps": n}), 10, 0.5, 0, 600_000 * index)

    make_checkpoint(path, [(("a", 'b "q"'), [(1, "x"), (2, "y")]), (("n",), [(3,), (4,), (5,)])], outcome, ended=False)
    facts = facts_of_file(str(path))
    assert facts.grid.names == ['a, b "q"', "n"] and facts.grid.values[0] == ["1, x", "2, y"]
    assert facts.grid.quantities["energy"] == [3, 4, 5, 6, 8, 10] and set(facts.grid.quantities) == {"energy", "steps", "seconds"}
    assert facts.elapsed >= 8 and any("has not ended" in each for each in facts.notes)


def test_of_a_checkpoint_while_a_map_writes_it(checkpoint):
    writer = sqlite3.connect(checkpoint)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM result_1 WHERE task = 0")
    assert facts_of_file(str(checkpoint)).completed == 6
    writer.commit()
    assert facts_of_file(str(checkpoint)).completed == 5
    writer.close()


def test_files_that_are_something_else(tmp_path):
    other = tmp_path / "other.db"
    database = sqlite3.connect(other)
    database.execute("CREATE TABLE a(b)")
    database.commit()
    database.close()
    (tmp_path / "text").write_text("hello", encoding="utf-8")
    (tmp_path / "empty").write_text("", encoding="utf-8")
    (tmp_path / "json").write_text("[]", encoding="utf-8")
    (tmp_path / "gz").write_bytes(b"\x1f\x8b\x08broken")
    (tmp_path / "odd").write_text('[\n{"ph":"M","name":"parmap","args":[1]}\n]', encoding="utf-8")
    (tmp_path / "slice").write_text('[\n{"ph":"M","name":"parmap"},\n{"ph":"X","cat":"ok","ts":"a"}\n]', encoding="utf-8")
    parmap(abs, range(3), trace=tmp_path / "run.json")
    cases = {"other.db": "not a checkpoint of parmap", "text": "neither a trace nor a checkpoint", "empty": "neither", "json": "no trace of parmap",
             "gz": "gz", "odd": "it is damaged", "slice": "it is damaged", "run.json.status": "python -m parmap watch", "missing": "No such file"}  # fmt: skip
    for name, words in cases.items():
        with pytest.raises(NotReadable, match=words):
            facts_of_file(str(tmp_path / name))
    done = command("report", tmp_path / "text")
    assert done.returncode == 2 and done.stderr.startswith("python -m parmap report: ") and "Traceback" not in done.stderr


def test_quantiles():
    times = Histogram()
    for k in range(1, 101):
        times.add(k / 1000)
    assert times.quantile(0.5) == pytest.approx(0.05, rel=0.26) and times.quantile(0.9) == pytest.approx(0.09, rel=0.26)
    assert Histogram().quantile(0.5) is None
    times = Histogram([0] * 60 + [7])  # the trace's own bins: 1 to 1.26 ms
    assert 0.001 <= times.quantile(0.5) <= 0.00126


# ---- The page.


def data_of(page):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found[1])


def without_plotly(page):
    return "".join(each for each in re.split(r"(<script>.*?</script>)", page, flags=re.DOTALL) if len(each) < 1_000_000)


def test_texts_of_users_are_escaped(trace, tmp_path):
    needs("plotly")
    write_page(facts_of_file(str(trace)), tmp_path / "page.html")
    page = without_plotly((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "alert" in page and "<script>alert" not in page and "\x1b" not in page
    figures = data_of(page)["figures"]
    assert set(figures) == {"timeline", "histogram"}


def test_a_timeline_of_many_slices_is_binned():
    slices = Slices()
    for k in range(100_001):
        slices.add(k % 3, k // 3 * 0.01, 0.005, OK, k)
    figure = timeline(Facts(source="x", slices=slices))
    (heat,) = figure["data"]
    assert heat["type"] == "heatmap" and len(heat["z"]) == 3 and len(heat["z"][0]) == 1000
    assert heat["z"][0][500] == 50
    fewer = Slices()
    for k in range(5000):
        fewer.add(k % 3, k // 3 * 0.01, 0.005, OK, k)
    assert set(timeline(Facts(source="x", slices=fewer))) == {"lines", "layout"}


def test_a_page_stays_small(tmp_path):
    needs("plotly")
    facts = Facts(source="x")
    for k in range(100_000):
        facts.slices.add(k % 64, k // 64 * 0.01, 0.005, OK, k, inputs=f"mu={k / 7!r}, x0={k / 3!r}, name='a long text {k}'")
    write_page(facts, tmp_path / "page.html")
    assert os.path.getsize(tmp_path / "page.html") < 10_000_000
    values = [k / 7 for k in range(400)]
    facts.grid = Grid(["a", "b"], [values, values], {name: [k / 13 for k in range(160_000)] for name in "cdef"})
    write_page(facts, tmp_path / "page.html")
    assert os.path.getsize(tmp_path / "page.html") < 10_000_000
    assert "would be larger" in without_plotly((tmp_path / "page.html").read_text(encoding="utf-8"))


def test_of_results(tmp_path):
    needs("plotly")

    def energy(mu, x0):
        if mu == x0 == 2:
            raise ValueError("equal")
        return {"sum": mu + x0, "ratio": mu / x0 if x0 else math.nan}

    results = quiet(energy, grid=dict(mu=[1, 2], x0=[0, 2, 4]), label="sweep", trace=tmp_path / "run.json")
    results.report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    data = data_of(without_plotly(page))
    assert data["grid"]["names"] == ["mu", "x0"] and data["grid"]["values"] == [[1, 2], [0, 2, 4]]
    quantities = dict(data["grid"]["quantities"])
    assert quantities["sum"] == [1, 3, 5, 2, None, 6] and quantities["failed"] == [0, 0, 0, 0, 1, 0]
    assert quantities["ratio"][0] is None  # NaN
    assert "sweep" in page and "timeline" in data["figures"]
    # Without a trace, and without a grid.
    quiet(square, range(5)).report(tmp_path / "bare.html")
    assert "ValueError" in (tmp_path / "bare.html").read_text(encoding="utf-8")


def test_a_page_goes_through_a_link_and_leaves_nothing(trace, tmp_path, monkeypatch):
    monkeypatch.setattr(_page, "page_of", lambda facts: "a page")
    (tmp_path / "sub").mkdir()
    (tmp_path / "latest.html").symlink_to("sub/page.html")
    write_page(facts_of_file(str(trace)), tmp_path / "latest.html")
    assert (tmp_path / "latest.html").is_symlink() and (tmp_path / "sub" / "page.html").read_text() == "a page"
    os.mkfifo(tmp_path / "pipe")  # as /dev/stdout may be
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_page(facts_of_file(str(trace)), tmp_path / "pipe")
    assert os.read(reader, 100) == b"a page" and not (tmp_path / "pipe").is_file()
    os.close(reader)


def test_without_plotly(trace, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(ImportError, match=r"pip install 'parmap-cpp\[report\]'"):
        write_page(facts_of_file(str(trace)), tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


# ---- In a browser.

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def opened(page, tmp_path):
    """The page after its scripts have run. Fails if they wrote on the console."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed; ./test --soak installs it (Debian: chromium)")
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", f"--user-data-dir={tmp_path / 'profile'}",
         "--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom", f"file://{page}"],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    # Where there is no GPU, the software that stands in for it tells that it is slow.
    said = [each for each in done.stderr.splitlines() if "CONSOLE" in each and "GL Driver Message" not in each]
    assert said == []
    return without_plotly(done.stdout)


def test_the_page_of_a_trace_in_a_browser(trace, tmp_path):
    needs("plotly")
    write_page(facts_of_file(str(trace)), tmp_path / "page.html")
    dom = opened(tmp_path / "page.html", tmp_path)
    assert dom.count("main-svg") >= 4  # two figures are drawn
    assert "<h1>&lt;script&gt;alert" in dom


def test_a_page_of_many_slices_in_a_browser(tmp_path):
    needs("plotly")
    facts = Facts(source="x")
    for k in range(5000):
        facts.slices.add(k % 7, k // 7 * 0.01, 0.008, k % 4, k, 1 + k % 2, inputs=f"<b>{k}")
    write_page(facts, tmp_path / "page.html")
    assert opened(tmp_path / "page.html", tmp_path).count("gl-canvas") >= 1


def test_the_page_of_a_checkpoint_of_three_axes_in_a_browser(tmp_path):
    needs("plotly")
    path = tmp_path / "sweep.db"

    def outcome(index, mu, x0, name):
        if mu == 3 and x0 == 0.5:
            return ("crashed", "SIGSEGV", None, 0.1, index % 4, 1000 * index)
        return ("ok", mu * x0, 2, 0.001 * index, index % 4, 1000 * index)

    axes = [(("mu",), [(k,) for k in range(6)]), (("x0",), [(0.25 * k,) for k in range(5)]), (("<name>",), [("a",), ("<b>",)])]
    make_checkpoint(path, axes, outcome)
    write_page(facts_of_file(str(path)), tmp_path / "page.html")
    dom = opened(tmp_path / "page.html", tmp_path)
    assert dom.count("main-svg") >= 8 and 'type="range"' in dom
    assert "&lt;name&gt;" in dom and "<name>" not in dom
    assert re.search(r'<select id="quantity">.*value.*seconds.*failed.*</select>', dom, re.DOTALL)
