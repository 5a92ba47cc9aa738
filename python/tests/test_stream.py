# SPDX-License-Identifier: MIT
"""stream, imap and imap_unordered: outcomes as they come, inputs that are read as the stream goes, windows, failures."""

import itertools
import os
import signal
import threading

import numpy
import pytest

import parmap as package
from helpers_of_streams import Counting, fail_at_3, square
from parmap import Outcome, ParmapWarning, context, imap, imap_unordered, rng, stream

pytestmark = pytest.mark.timeout(60)


# ---- values


def test_all_outcomes_come(engine):
    outcomes = list(stream(square, range(500), engine=engine))
    assert all(outcomes) and {each.index: each.value for each in outcomes} == {i: i * i for i in range(500)}
    first = min(outcomes)
    assert type(first) is Outcome and first[:4] == (0, (0,), 0, None) and first.attempts == 1
    assert first.seconds >= 0 and first.worker >= 0


def test_in_order(engine):
    assert [each.value for each in stream(square, range(500), engine=engine, ordered=True)] == [i * i for i in range(500)]
    assert list(imap(square, range(500), engine=engine)) == [i * i for i in range(500)]
    assert sorted(imap_unordered(square, range(500), engine=engine)) == [i * i for i in range(500)]


def test_combinations_lockstep_and_fixed_arguments(engine):
    def join(a, b, c="-"):
        return f"{a}{b}{c}"

    options = dict(engine=engine, ordered=True)
    assert [each.task for each in stream(join, "ab", [1, 2], **options)] == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert list(imap(join, package.zip("ab", [1, 2]), fargs=dict(c="!"), engine=engine)) == ["a1!", "b2!"]
    assert list(imap(join, iter("ab"), [1, 2], engine=engine)) == ["a1-", "a2-", "b1-", "b2-"]
    tasks = [each.task for each in stream(join, iter("ab"), [1, 2], "xyz", **options)]
    assert tasks == list(itertools.product("ab", [1, 2], "xyz"))


def test_nothing_to_do(engine):
    for empty in ([], iter([]), range(0)):
        assert list(stream(square, empty, engine=engine)) == []
    assert list(stream(max, iter("abc"), [], engine=engine)) == []
    assert list(stream(max, Counting(), [], engine=engine)) == []


def test_values_of_all_kinds(engine):
    values = [None, 1, 2**80, 1.5, "ä" * 100, b"x" * 100_000, {"a": [1, (2,)]}, {1, 2}, numpy.float32(3), package.Outcome]
    assert list(imap(lambda value: value, values, engine=engine)) == values
    assert list(imap(lambda value: value, iter(values), engine=engine)) == values


def test_one_argument_or_an_array(engine):
    assert list(imap(square, numpy.arange(4.0), engine=engine)) == [0, 1, 4, 9]
    assert list(imap(str.upper, "abc", engine=engine)) == ["A", "B", "C"]


def test_the_last_one_then_nothing_but_the_end(engine):
    it = imap(square, [1], engine=engine)
    assert not it.is_over and next(it) == 1
    for _ in range(3):
        with pytest.raises(StopIteration):
            next(it)
    with pytest.raises(StopIteration):
        it.next(1)
    assert it.is_over


def test_context_state_and_random_numbers(engine):
    def task(x):
        return context().index, context().state, rng().random()

    found = list(imap(task, range(6), engine=engine, seed=5, init=lambda: "state"))
    assert [each[:2] for each in found] == [(i, "state") for i in range(6)]
    plain = package.parmap(task, range(6), engine=engine, seed=5, init=lambda: "state")
    assert found == plain
    it = stream(task, range(1), engine=engine)
    assert 0 <= it.seed < 2**64
    with pytest.raises(RuntimeError, match="no parmap task"):
        context()


# ---- inputs that are read as the stream goes


def test_an_endless_iterator_is_read_a_window_ahead(engine):
    numbers = Counting()
    with imap_unordered(square, numbers, engine=engine, n_worker=2, buffersize=10) as it:
        for taken in range(1, 200):
            next(it)
            assert taken <= numbers.read <= taken + 10
    assert numbers.read <= 199 + 10


def test_without_a_window_large_elements_are_not_read_far_ahead():
    blocks = (bytes(1 << 20) for _ in itertools.count())
    read = Counting()
    with imap_unordered(len, (block for block, _ in zip(blocks, read)), n_worker=2) as it:
        for taken in range(1, 30):
            assert next(it) == 1 << 20
            assert read.read <= taken + 12


def test_a_generator_that_raises(engine):
    def numbers():
        yield from range(5)
        raise KeyError("no more")

    it = stream(square, numbers(), engine=engine)
    found = []
    with pytest.raises(KeyError, match="no more"):
        found.extend(it)
        found.extend(it)
    assert not found or len(found) == 5
    assert it.summary().completed == 5 and it.is_over
    with pytest.raises(StopIteration):
        next(it)


def test_a_generator_is_read_in_the_thread_that_reads_the_stream(engine):
    readers = set()

    def numbers():
        for i in range(20):
            readers.add(threading.get_ident())
            yield i

    assert len(list(stream(square, numbers(), engine=engine))) == 20
    assert readers == {threading.get_ident()}


def test_a_generator_that_reads_its_own_stream(engine):
    def numbers():
        yield 1
        next(it)

    it = imap(square, numbers(), engine=engine)
    with pytest.raises(ValueError, match="being read"):
        list(it)


def test_elements_that_cannot_be_pickled():
    def inputs():
        yield 1
        yield threading.Lock()

    found = []
    it = imap(lambda each: 1, inputs())
    with pytest.raises(TypeError, match="type _thread.lock cannot be pickled.*give a list"):
        for each in it:
            found.append(each)
    assert found == [1]
    assert list(imap(lambda lock: lock.locked(), (threading.Lock() for _ in range(3)), engine="threads")) == [False] * 3
    assert list(imap(lambda lock: lock.locked(), [threading.Lock()])) == [False]


class NotUnpickled:
    def __reduce__(self):
        return int, ("no number",)


def test_elements_that_cannot_be_unpickled_cost_their_task():
    outcomes = list(stream(lambda each: 1, iter([1, NotUnpickled(), 2]), ordered=True))
    assert [bool(each) for each in outcomes] == [True, False, True]
    assert "cannot be unpickled in its worker" in str(outcomes[1].failure)


def test_a_file_is_read_line_by_line(tmp_path, engine):
    path = tmp_path / "lines"
    path.write_text("a\nbb\nccc\n")
    with open(path) as file:
        assert list(imap(len, file, engine=engine)) == [2, 3, 4]


# ---- failures


def test_failures_are_outcomes(skipping):
    outcomes = list(stream(fail_at_3, range(6), engine=skipping, ordered=True))
    assert [bool(each) for each in outcomes] == [True] * 3 + [False] + [True] * 2
    bad = outcomes[3]
    assert bad.index == 3 and bad.task == (3,) and bad.value is None and bad.attempts == 1
    assert bad.failure.kind == "threw" and bad.failure.task == (3,) and type(bad.failure.exception) is ValueError
    assert "fail_at_3" in bad.failure.traceback


def test_serial_raises_the_first_exception():
    it = stream(fail_at_3, range(6), engine="serial")
    assert [next(it).value for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(it)
    assert it.is_over


def test_crashes_cost_one_task():
    def task(i):
        if i == 4:
            os.kill(os.getpid(), signal.SIGSEGV)
        if i == 7:
            os._exit(3)
        return i

    outcomes = list(stream(task, range(12), ordered=True))
    assert [each.index for each in outcomes if not each] == [4, 7]
    assert outcomes[4].failure.exception.signal == signal.SIGSEGV and outcomes[7].failure.exception.status == 3
    lazy = list(stream(task, iter(range(12)), ordered=True))
    assert [(each.index, each.value, each.task) for each in lazy] == [(each.index, each.value, each.task) for each in outcomes]


def test_results_that_cannot_be_pickled_cost_their_task():
    outcomes = list(stream(lambda i: threading.Lock() if i == 1 else i, range(3), ordered=True))
    assert [bool(each) for each in outcomes] == [True, False, True]
    assert outcomes[1].failure.kind == "unencodable"


def test_imap_raises_in_place_of_the_value(engine):
    it = imap(fail_at_3, range(100), engine=engine)
    found = []
    with pytest.raises(ValueError, match="three") as raised:
        for each in it:
            found.append(each)
    assert found == [0, 1, 2] and it.is_over
    if engine != "serial":
        assert "raised by task 3" in raised.value.__notes__[0]


def test_on_error_of_imap(skipping):
    given = lambda func, task, error: (task, type(error))  # noqa: E731
    assert list(imap(fail_at_3, range(5), engine=skipping, on_error=given)) == [0, 1, 2, ((3,), ValueError), 4]
    with pytest.warns(ParmapWarning, match="1 of 5 tasks failed; the first: task 3 threw: ValueError: three") as warned:
        assert list(imap(fail_at_3, range(5), engine=skipping, on_error=None)) == [0, 1, 2, 4]
    assert warned[0].filename == __file__
    with pytest.warns(ParmapWarning, match="1 of 5 tasks failed") as warned:
        with imap(fail_at_3, range(5), engine=skipping, on_error=None, buffersize=1) as it:
            assert [next(it) for _ in range(3)] == [0, 1, 2]
            with pytest.raises(TypeError):
                it.next("soon")
            it.next(30)
    assert warned[0].filename == __file__


def test_on_error_of_stream(skipping):
    outcomes = list(stream(fail_at_3, range(5), engine=skipping, ordered=True, on_error=lambda func, task, error: -1))
    assert [each.value for each in outcomes] == [0, 1, 2, -1, 4] and not outcomes[3] and outcomes[3].failure.kind == "threw"
    with pytest.raises(ValueError, match="three"):
        list(stream(fail_at_3, range(5), engine=skipping, on_error="raise"))
    with pytest.raises(ZeroDivisionError):
        list(stream(fail_at_3, range(5), engine=skipping, on_error=lambda func, task, error: 1 // 0))


def test_the_summary_has_causes_and_no_list(skipping):
    def task(i):
        if i % 2:
            raise ValueError(f"no convergence after {i} steps")
        return i

    it = stream(task, range(2000), engine=skipping)
    for _ in it:
        pass
    summary = it.summary()
    assert (summary.tasks, summary.completed, summary.failed) == (2000, 1000, 1000) and summary.seconds > 0
    (cause,) = summary.causes
    assert (cause.count, cause.first.index) == (1000, 1) and "after ... steps" in cause.message


def test_the_summary_tells_256_causes_apart(skipping):
    words = [a + b for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmnopqrst"]

    def task(word):
        raise ValueError(word)

    it = stream(task, words, engine=skipping, ordered=True)
    for _ in it:
        pass
    causes = it.summary().causes
    assert len(causes) == 257 and causes[-1].count == 400 - 256 and sum(each.count for each in causes) == 400
    assert "other causes" in str(causes[-1])
