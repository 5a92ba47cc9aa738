# SPDX-License-Identifier: MIT
"""The results of parmap: a list in input order, with its failures."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, SupportsIndex, overload

from . import _errors
from ._axes import Product
from ._failures import Failure, Failures, call_text, moved_failures_of, state_to_pickle
from ._inputs import Inputs, inputs_of, joined
from ._part import OTHER_PART
from ._summary import Summary
from ._task_runs import TaskRuns, joined as joined_runs
from ._times import Times, busy_and_slowest


class Results(list[Any]):
    """The results of a map: a list in input order, with None in place of each failed task. With the option part it has
    parmap.OTHER_PART for each task of another part. parmap() makes it::

        results = parmap(f, xs)
        if not results.ok:
            for why in results.failures:
                print(why)             # task 3 threw: ValueError: no convergence
        again = parmap(f, xs, seed=results.seed)     # draws the same random numbers

    A slice, a copy and a sum of results are Results too, and keep the failures of their elements, with new indices.
    Other changes to the list, such as del and sort(), do not change the failures.

    Results keep the inputs alive; ``list(results)`` does not. Without a grid they do so only if the inputs do not begin
    with something large: an array or a text of more than 1024 bytes, or a data frame. If results are pickled, the inputs go
    along only if they are of a grid.

    As with any list, several threads may read it at the same time.

    Attributes
    ----------
    failures : Failures
        The tasks that have no result: a list of Failure, sorted by index. Empty if no task failed.
    seed : int
        The seed of parmap.rng() in this map. Another map with this seed draws the same numbers.
    ok : bool
        True if no task failed; with the option part: no task of this part.
    part : tuple of int or None
        The option part, as (3, 16). None: these are the results of all tasks.
    here : list of int
        The indices of the tasks that this list has results or failures of: those of the part, or all.
    engine : str
        The engine that ran the map, such as "multi"; "multi (pure, spawn)" if the package's pure form did. Empty for a sum.
    tasks : sequence
        The inputs of the tasks, as in Failure.task: tuples, or dicts with the option grid.
    stored : sequence of int
        The indices of the tasks whose outcomes were in the file of a checkpoint. Empty without one.
    left_out : sequence
        The combinations of a grid that the option where has left out, as dicts.

    Methods
    -------
    to_frame(kind="pandas")
        A data frame with a row for each task.
    to_xarray(dims=(), coords=None)
        A full grid as a labelled array.
    sel(**inputs)
        The results of the tasks with these inputs.
    raise_for_failures()
        Raise the exception of the first failed task, if a task failed.
    report(path)
        Write a page about the map.
    summary()
        What happened, in a few numbers, with the failures grouped by cause.
    """

    failures: Failures
    seed: int
    engine: str = ""  #: who ran the map
    part: tuple[int, int] | None = None
    _seconds: float | None = None  # the wall time of the map
    _times: Times | None = None  # with the option times
    _trace: str | None = None  # the path of its trace
    _inputs: Product | Inputs | None = None  # Product: of the whole map
    _stored: Sequence[int] = ()
    _runs: TaskRuns | None = None  # with a checkpoint

    def __init__(self, values: Any = (), failures: Iterable[Failure] | None = None, seed: int = 0) -> None:
        super().__init__(values)
        self.failures = failures if isinstance(failures, Failures) else Failures(failures or ())
        self.seed = seed

    @property
    def ok(self) -> bool:
        """True if no task failed."""
        return not self.failures

    @property
    def here(self) -> list[int]:
        """The indices of the tasks of this part, or of all::

            {i: results[i] for i in results.here}
        """
        return [k for k, value in enumerate(self) if value is not OTHER_PART]

    def raise_for_failures(self) -> None:
        """Raise the exception of the first failed task, if a task failed, as on_error="raise" does.

        A note on the exception says which task it was, and its attribute results is this list. A task that failed comes
        before tasks that were only stopped.
        """
        if self.ok:
            return
        first = next((each for each in self.failures if each.kind != "stopped"), self.failures[0])
        error = first.exception
        _errors.add_note(error, f"parmap: raised by task {first.index}, called with {call_text(first.task)}")
        _errors.set_attribute(error, "results", self)
        raise error

    def summary(self) -> Summary:
        """Return what happened in the map: the time, the counts, and the failures grouped by cause; with times=True also how
        busy the workers were, and the slowest tasks::

            print(results.summary())     # 200 tasks in 2.0 s: 197 ok, 3 failed ...
        """
        failures = Failures(self.failures)
        left_out = self._inputs.left_out if isinstance(self._inputs, Product) else 0
        here = len(self.here)
        return Summary(
            here, here - len(failures), self._seconds, failures.causes(), *busy_and_slowest(self._times), left_out=left_out,
            stored=len(self._stored), elsewhere=len(self) - here,
        )  # fmt: skip

    def report(self, path: Any) -> None:
        """Write a page about the map, which a browser opens without anything else: what failed, which tasks were slow, and of a
        grid the values as plots and maps::

            results = parmap(simulate, grid=dict(mu=mus, x0=x0s), trace="run.json")
            results.report("run.html")

        With the option trace it also has the timeline of the workers and the times of all tasks; with times the slowest ones.
        ``python -m parmap report FILE -o PAGE`` makes the same page of a trace or a checkpoint, without the results.

        Raises
        ------
        ImportError
            plotly is not installed: ``pip install 'parmap-cpp[report]'``.
        OSError
            The file cannot be written.
        """
        from ._report import write_page
        from ._report._of_results import facts_of_results

        write_page(facts_of_results(self), path)

    @property
    def tasks(self) -> Sequence[Any]:
        """The inputs of the tasks: a sequence in the order of the results, which makes each when it is asked for. They are
        dicts with the option grid, and tuples without::

            results.tasks[3]         # {"mu": 0.5, "x0": 1}

        Raises ValueError if they are not known: if parmap has not made all of the list, if its length was changed, and
        without a grid, if the inputs are large.
        """
        return self._known_inputs()

    @property
    def stored(self) -> Sequence[int]:
        """The indices of the tasks whose outcomes were in the file of a checkpoint, in order."""
        return self._stored

    @property
    def left_out(self) -> Sequence[Any]:
        """The combinations of a grid that the option where has left out: a sequence of dicts. Empty without a grid, for slices and
        for what sel() gives."""
        return () if self._inputs is None else self._known_inputs().left_out()

    def to_frame(self, kind: str = "pandas") -> Any:
        """Return a data frame with a row for each task (of this part), in input order::

            results.to_frame()           # columns mu, x0, value, _kind, _message, _attempts

        Arguments
        ---------
        kind
            "pandas" or "polars".

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
            - A column for each input. Its name is that in the grid; without a grid, that of func's parameter, or x0, x1 and
              so on, if not all of them have a name. If the inputs are not known (see tasks), _task has the number of the task.
            - value: what func has returned. If all values are dicts, dataclasses or named tuples, there is a column for each
              of their fields instead. One that has the name of another column has "_value" behind its name.
            - _kind: "ok", or the kind of the failure. _message: of the failure, with the type of its exception. _attempts:
              how often a task that failed was started.
            - with a checkpoint or a part, _attempts of all tasks, _seconds and _worker: how long the last attempt took, and where it ran.

            The values of failed tasks are missing. Whole numbers stay whole (Int64) and booleans stay boolean; a type of
            NumPy is kept. Arrays and other objects stay as they are. If the grid is a pandas frame, the result has its
            index, and the columns of a frame keep their types.

        Raises
        ------
        ValueError
            An input has the name of one of these columns; or the length of the list was changed.
        ImportError
            The library is not installed.
        """
        from . import _frames

        known = None if self._inputs is None else self._known_inputs()
        here = self.here
        if len(here) == len(self):
            return _frames.frame_of(self, known, kind, here)
        own = self._at(here, [super(Results, self).__getitem__(place) for place in here])
        return _frames.frame_of(own, None if known is None else known.of(here), kind, here)

    def to_xarray(self, dims: str | Sequence[str] | Mapping[str, str | Sequence[str]] = (), coords: Mapping[str, Any] | None = None) -> Any:
        """Return the results of a full grid as an array with a dimension for each input::

            results.to_xarray().sel(mu=0.5).plot()
            results.to_xarray(dims="t", coords={"t": times})      # where func returns an array with a value for each time

        Arguments
        ---------
        dims
            The names of the dimensions of the values, if these are arrays or lists: one or more. If the values have fields
            with different dimensions, a dict of such names by field.
        coords
            The coordinates of these dimensions: a dict of name and values.

        Returns
        -------
        xarray.DataArray or xarray.Dataset
            A DataArray named "value"; of values that are dicts, dataclasses or named tuples, a Dataset with a variable for
            each field. The coordinates are the inputs. Where a task failed, was left out by where, or is in another part, it has NaN (or NaT):
            whole numbers then become floats, and other values objects.

        Raises
        ------
        ValueError
            The results are not those of a grid of dicts, or dims does not fit the values.
        ImportError
            xarray is not installed.
        """
        from . import _labelled

        return _labelled.array_of(self, self._known_inputs(), dims, coords or {})

    def sel(self, /, **inputs: Any) -> Results:
        """Return the results of the tasks with these inputs, with their failures::

            results.sel(mu=0.5)
            results.sel(mu=0.5, x0=[1, 2])      # a list, range, set, tuple or array: each of its elements

        The names are those in the grid; without a grid, those of func's parameters. A list or tuple that is itself an element
        of the input means that element.

        Raises
        ------
        KeyError
            There is no input of such a name; or no task has this value, which must be equal and not only near.
        ValueError
            The inputs are not known.
        """
        known = self._known_inputs()
        places = known.places_of(inputs)
        made = self._at(places, [super(Results, self).__getitem__(place) for place in places])
        made._inputs = made.failures._inputs = known.of(places)
        return made

    def _known_inputs(self) -> Inputs:
        found = inputs_of(self._inputs, len(self))
        if found is None:
            why = "the list was changed"
            if self._inputs is None:
                why = "not all of the list is from a map, or they are large and have no names: grid=dict(name=...) keeps them"
            raise ValueError(f"parmap: the inputs of these results are not known, because {why}")
        return found

    def __getstate__(self) -> dict[str, Any]:
        return state_to_pickle(vars(self))

    @overload
    def __getitem__(self, at: SupportsIndex) -> Any: ...
    @overload
    def __getitem__(self, at: slice) -> Results: ...
    def __getitem__(self, at: SupportsIndex | slice) -> Any:
        if not isinstance(at, slice):
            return super().__getitem__(at)
        made = self._at(range(len(self))[at], super().__getitem__(at))
        known = inputs_of(self._inputs, len(self))
        made._inputs = made.failures._inputs = None if known is None else known[at]
        return made

    def _at(self, places: Sequence[int], values: list[Any]) -> Results:
        """Those at these places, without the inputs."""
        number = places.index if isinstance(places, range) else {place: k for k, place in enumerate(places)}.__getitem__
        among = places if isinstance(places, range) else set(places)
        failures = [replace(each, index=number(each.index)) for each in self.failures if each.index in among]
        made = Results(values, sorted(failures, key=lambda each: each.index), self.seed)
        made._stored = sorted(number(each) for each in self._stored if each in among)
        made._runs = None if self._runs is None or len(self._runs) != len(self) else self._runs.at(places)
        made.engine, made.part = self.engine, self.part
        return made

    def copy(self) -> Results:
        """Return a copy, with the failures and the seed."""
        return self[:]

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, list):
            return NotImplemented
        made = Results([*self, *other], [*self.failures, *moved_failures_of(other, len(self))], self.seed)
        made._inputs = made.failures._inputs = _added_inputs(self, other)
        made._stored, made._runs = _added_stored(self, other), joined_runs(self, other)
        return made

    def __radd__(self, other: Any) -> Any:
        if not isinstance(other, list):
            return NotImplemented
        made = Results([*other, *self], moved_failures_of(self, len(other)), self.seed)
        made._inputs = made.failures._inputs = _added_inputs(other, self)
        made._stored, made._runs = _added_stored(other, self), joined_runs(other, self)
        return made

    def __iadd__(self, other: Any) -> Results:  # type: ignore[override,misc]
        if not isinstance(other, Results):
            other = list(other)
        inputs = _added_inputs(self, other)
        self.failures += moved_failures_of(other, len(self))
        self._stored, self._runs = _added_stored(self, other), joined_runs(self, other)
        super().__iadd__(other)
        self._inputs = self.failures._inputs = inputs
        return self


def _added_inputs(first: Any, second: Any) -> Inputs | None:
    """Of a sum of lists. None if those of one are not known, unless it is empty."""
    inputs = [(getattr(each, "_inputs", None), len(each)) for each in (first, second)]
    known = [inputs_of(of, size) for of, size in inputs if of is not None or size]
    return functools.reduce(joined, known) if known else None


def _added_stored(first: Any, second: Any) -> Sequence[int]:
    moved = [len(first) + each for each in getattr(second, "_stored", ())]
    return [*getattr(first, "_stored", ()), *moved]
