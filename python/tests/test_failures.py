# SPDX-License-Identifier: MIT
"""What a failed task's exception is, and what becomes of it: warnings, retries, init."""

import os
import sys
import threading
import traceback
import warnings

import pytest

import parmap as package
from helpers import at_7, needs, quiet, raising, run
from parmap import ParmapWarning, RemoteError, parmap


class OwnError(Exception):
    pass


class TwoArguments(Exception):
    def __init__(self, code, reason):
        super().__init__(f"{code}: {reason}")
        self.code = code


class KeywordOnly(Exception):
    def __init__(self, *, code):
        super().__init__(code)
        self.code = code


class Holds(Exception):
    """Holds something that cannot be pickled."""

    def __init__(self, what):
        super().__init__(what)
        self.lock = threading.Lock()


class FailsToUnpickle(Exception):
    def __setstate__(self, state):
        raise OSError("no")

    def __reduce__(self):
        return type(self), self.args, {"a": 1}


class BadStr(Exception):
    def __str__(self):
        raise ValueError("bad str")


class BadRepr(Exception):
    def __repr__(self):
        raise ValueError("bad repr")


class BadReduce(Exception):
    def __reduce__(self):
        raise ValueError("bad reduce")


class ExitsInStr(Exception):
    def __str__(self):
        raise SystemExit(3)

    __repr__ = __str__


class BecomesAnother(Exception):
    def __reduce__(self):
        return ValueError, ("another",)


class ChangesItsText(Exception):
    def __reduce__(self):
        return type(self), ("another",)


# One of another class that looks the same.
Lookalike = type("OwnError", (Exception,), {"__reduce__": lambda self: (OwnError, self.args)})


class NoAttributes(Exception):
    def __setattr__(self, name, value):
        raise AttributeError(f"no {name} here")


def test_its_own_exception(skipping):
    def act():
        error = OwnError("words", 3, [4])
        error.extra = {"a": 1}
        error.__notes__ = ["a note"]  # as add_note() does, from Python 3.11 on
        raise error

    failure = at_7(act, engine=skipping)
    error = failure.exception
    assert type(error) is OwnError and error.args == ("words", 3, [4]) and error.extra == {"a": 1}
    assert error.__notes__ == ["a note"]
    assert (failure.kind, failure.task, failure.attempts) == ("threw", (7,), 1)
    assert "in act" in failure.traceback and "OwnError: ('words', 3, [4])" in failure.traceback
    if skipping == "multi":
        assert failure.traceback in str(error.__cause__)
        assert "in act" in "".join(traceback.format_exception(error))


def test_a_chain_is_in_the_traceback(skipping):
    def act():
        try:
            raise KeyError("first")
        except KeyError as error:
            raise OwnError("second") from error

    failure = at_7(act, engine=skipping)
    assert "KeyError: 'first'" in failure.traceback and "direct cause" in failure.traceback


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no exception groups")
def test_a_group_comes_out_whole(skipping):
    failure = at_7(raising(ExceptionGroup("several", [OwnError(1), ValueError(2)])), engine=skipping)
    assert [type(each) for each in failure.exception.exceptions] == [OwnError, ValueError]


def test_an_exception_that_holds_an_object_without_a_repr_survives():
    failure = at_7(raising(OwnError(Thing())))
    assert type(failure.exception) is OwnError and failure.exception.args[0].held == 5


class Thing:
    held = 5


STRANGE = {
    "two arguments": TwoArguments(404, "gone"),
    "keyword only": KeywordOnly(code=3),
    "holds a lock": Holds("text"),
    "fails to unpickle": FailsToUnpickle("text"),
    "bad __reduce__": BadReduce("text"),
    "becomes another": BecomesAnother("text"),
    "becomes one that looks the same": Lookalike("text"),
}


def test_a_text_that_pickling_loses_is_restored():
    """As that of requests.ConnectionError, whose argument loses its connection pool."""
    error = at_7(raising(ChangesItsText("text"))).exception
    assert type(error) is ChangesItsText and str(error) == "text"


@pytest.mark.parametrize("which", STRANGE)
def test_one_that_does_not_survive_pickling(which, skipping):
    error = STRANGE[which]
    failure = at_7(raising(error), engine=skipping)
    if skipping == "threads":
        assert failure.exception is error
        return
    assert type(failure.exception) is RemoteError
    assert failure.exception.type_name == f"{__name__}.{type(error).__name__}"
    assert failure.exception.text == str(error) and str(error) in str(failure.exception)
    assert "in act" in failure.traceback and failure.kind == "threw"


@pytest.mark.parametrize("kind", [BadStr, BadRepr, ExitsInStr, NoAttributes], ids=lambda kind: kind.__name__)
def test_one_that_misbehaves_when_it_is_looked_at(kind, skipping):
    failure = at_7(raising(kind("text")), engine=skipping)
    assert failure.kind == "threw"
    shown = type(failure.exception).__name__ + str(getattr(failure.exception, "type_name", ""))
    assert kind.__name__ in shown
    assert isinstance(failure.traceback, str)


@pytest.mark.parametrize("kind", [BadStr, ExitsInStr], ids=lambda kind: kind.__name__)
def test_the_warning_can_show_any_exception(kind, skipping):
    with pytest.warns(ParmapWarning, match="1 of 1 tasks failed") as caught:
        assert parmap(lambda i: raising(kind("text"))(), [0], engine=skipping) == [None]
    assert len(caught) == 1 and kind.__name__ in str(caught[0].message)


@pytest.mark.parametrize("size", [1 << 20, 9 << 20, 40 << 20])
def test_a_huge_one(size, skipping):
    failure = at_7(raising(OwnError("x" * size)), engine=skipping)
    assert "OwnError" in str(failure.exception) + type(failure.exception).__name__
    assert "x" * 1000 in str(failure.exception)


@pytest.mark.parametrize("error", [SystemExit(3), SystemExit(), KeyboardInterrupt("mine"), GeneratorExit()], ids=repr)
def test_those_that_end_programs_are_failures_of_the_task(error, skipping):
    failure = at_7(raising(error), engine=skipping)
    assert type(failure.exception) is type(error) and failure.exception.args == error.args
    assert failure.kind == "threw"


def test_serial_raises_the_first_untouched():
    error = OwnError("text")
    done = []

    def task(i):
        done.append(i)
        if i >= 3:
            raise error

    with pytest.raises(OwnError) as caught:
        parmap(task, range(9), engine="serial", timeout_sec=1, n_worker=5)
    assert caught.value is error and done == [0, 1, 2, 3]
    assert not hasattr(error, "__notes__") and error.__cause__ is None and error.args == ("text",)


def test_what_threads_raise_is_the_exception_itself():
    error = OwnError("text")
    failure = at_7(raising(error), engine="threads")
    assert failure.exception is error and failure.exception.__traceback__ is not None


# ---- the warning


def test_one_warning_at_the_callers_line(skipping):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = sys._getframe().f_lineno + 1
        results = parmap(lambda i: 1 // i, [0, 1, 0], engine=skipping)
    assert results == [None, 1, None] and len(caught) == 1
    assert caught[0].category is ParmapWarning and (caught[0].filename, caught[0].lineno) == (__file__, line)
    text = str(caught[0].message)
    assert "2 of 3 tasks failed; the first: task 0 threw: ZeroDivisionError" in text and "in <lambda>" in text


def test_the_warning_groups_many_failures_by_cause(skipping):
    with pytest.warns(ParmapWarning) as caught:
        parmap(lambda i: raising(ValueError(f"no root at {i * 0.5}"))(), range(3000), engine=skipping)
    lines = str(caught[0].message).splitlines()
    assert lines[-2:] == ["The failures:", "  3000 x threw: ValueError: no root at ...; first task 0 (0)"]


def test_every_call_warns_and_not_only_the_first_of_a_line(skipping):
    program = f"""
        import sys, warnings
        from parmap import parmap
        said = []
        warnings.showwarning = lambda message, *where: said.append(type(message).__name__)
        for _ in range(3):
            parmap(lambda i: 1 // i, [0], engine="{skipping}")
        print(said)
    """
    assert run(program) == f"{['ParmapWarning'] * 3}\n"


def test_a_warning_made_an_error_has_the_results(skipping):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ParmapWarning) as caught:
            parmap(lambda i: 1 // i, [1, 0], engine=skipping)
    assert caught.value.results == [1, None] and caught.value.results.failures[0].index == 1


# ---- retries and init


def test_retries(engine):
    def task(i):
        if package.context().attempt <= i:
            raise OwnError(i)
        return package.context().attempt

    if engine == "serial":
        assert parmap(task, range(3), engine=engine, retries=2) == [1, 2, 3]
        with pytest.raises(OwnError):
            parmap(task, range(4), engine=engine, retries=2)
        return
    results = quiet(task, range(5), engine=engine, retries=2)
    assert results == [1, 2, 3, None, None]
    assert [(each.index, each.attempts) for each in results.failures] == [(3, 3), (4, 3)]
    assert str(results.failures[0]).endswith("(3 attempts)")


def test_retries_of_a_crash():
    def task(i):
        if i == 2 and package.context().attempt < 3:
            os._exit(1)
        return package.context().attempt

    assert parmap(task, range(5), retries=2) == [1, 1, 3, 1, 1]


def test_init_runs_once_in_each_worker(engine, tmp_path):
    log = tmp_path / "log"

    def init():
        with log.open("a") as out:
            out.write("begun\n")

    seen = parmap(lambda i: package.context().worker, range(100), n_worker=2, engine=engine, init=init)
    assert len(set(seen)) <= log.read_text().count("begun") <= 2


def test_init_that_raises(engine):
    def init():
        raise OwnError("init")

    if engine == "serial":
        with pytest.raises(OwnError):
            parmap(abs, range(5), engine=engine, init=init)
        return
    results = quiet(abs, range(5), engine=engine, init=init)
    assert list(results) == [None] * 5
    assert all(type(each.exception) is OwnError and each.exception.args == ("init",) for each in results.failures)


def test_init_that_crashes_ends_the_map():
    with pytest.raises((OSError, RuntimeError)) as caught:
        parmap(abs, range(50), init=lambda: os._exit(3))
    assert "worker" in str(caught.value)


class Unprintable:
    def __repr__(self):
        raise RuntimeError("not even this")


@pytest.mark.parametrize("engine", ["threads", "multi"])
def test_an_argument_that_cannot_be_shown(engine):
    with pytest.warns(ParmapWarning, match="1 of 1 tasks failed.*Unprintable"):
        assert parmap(lambda each: 1 // 0, [Unprintable()], engine=engine) == [None]


def test_a_long_argument_is_shown_in_part(skipping):
    with pytest.warns(ParmapWarning) as caught:
        parmap(lambda each: 1 // 0, ["x" * 10_000], engine=skipping)
    first_line = str(caught[0].message).splitlines()[0]
    assert "x" * 40 in first_line and len(first_line) < 300


@pytest.mark.parametrize("engine", ["threads", "multi"])
def test_a_closed_stderr_loses_no_results(engine):
    program = f"""
        import sys
        from parmap import parmap
        sys.stderr.close()
        found = parmap(lambda i: 1 // i, [1, 0], engine={engine!r})
        print(found, len(found.failures))
    """
    assert run(program) == "[1, None] 1\n"


class RaisesWhenRead(ValueError):
    """Pickled in a worker and unpickled there without harm; in the caller its unpickling raises what is no Exception."""

    caller = None

    def __init__(self, text, kind):
        super().__init__(text, kind)
        if os.getpid() == self.caller:
            raise kind("on the way in")


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit, KeyboardInterrupt, BaseException])
def test_an_exception_whose_unpickling_raises_costs_its_task(kind, monkeypatch):
    def act():
        raise RaisesWhenRead("text", kind)

    monkeypatch.setattr(RaisesWhenRead, "caller", os.getpid())
    failure = at_7(act)
    assert type(failure.exception) is RemoteError and "text" in str(failure.exception)


def test_exceptions_are_those_of_the_task_where_tblib_pickles_them():
    """Dask has tblib pickle all exceptions with their tracebacks."""
    needs("tblib")
    program = """
        import tblib.pickling_support
        tblib.pickling_support.install()
        from parmap import parmap
        def deeper(i):
            return deeper(i)
        print(type(parmap(deeper, [1], on_error=lambda *failed: None).failures[0].exception).__name__)
    """
    assert run(program) == "RecursionError\n"
