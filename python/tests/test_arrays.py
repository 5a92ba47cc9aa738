# SPDX-License-Identifier: MIT
"""Large buffers of results: equal to what the task made, the caller's own, and given back with their last view."""

import ctypes
import dataclasses
import gc
import mmap
import os
import pickle
import re
import resource

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import only_failure, quiet, run
from parmap import parmap

LARGE = 20_000  # float64: 160 000 bytes, 40 pages

_libc = ctypes.CDLL(None, use_errno=True)


def pages_held():
    """How many pages of results there are in memory, by the mappings of this process."""
    held = 0
    with open("/proc/self/maps") as maps:
        for line in maps:
            if "/memfd:parmap results" in line and " rw-s " in line:
                begin, end = (int(each, 16) for each in line.split()[0].split("-"))
                count = (end - begin) // mmap.PAGESIZE
                there = (ctypes.c_ubyte * count)()
                assert _libc.mincore(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), there) == 0
                held += sum(each & 1 for each in there)
    return held


def pages_of(nbytes):
    return -(-nbytes // mmap.PAGESIZE)


def is_shared(array):
    """Whether the array lies in the memory its worker wrote it to."""
    with open("/proc/self/maps") as maps:
        for line in maps:
            begin, end = (int(each, 16) for each in line.split()[0].split("-"))
            if begin <= array.ctypes.data < end:
                return "/memfd:parmap results" in line
    raise AssertionError("the array is nowhere")


@pytest.fixture(autouse=True)
def nothing_is_held():
    gc.collect()
    assert pages_held() == 0
    yield
    gc.collect()
    assert pages_held() == 0


class Heir(np.ndarray):
    pass


record = np.dtype([("a", "i4"), ("b", "f8"), ("c", "S5")])

MADE = {
    "float": lambda: np.arange(LARGE, dtype=float),
    "three axes": lambda: np.arange(3.0 * LARGE).reshape(3, LARGE // 2, 2),
    "fortran": lambda: np.asfortranarray(np.arange(4.0 * LARGE).reshape(4, LARGE)),
    "a part": lambda: np.arange(4.0 * LARGE).reshape(LARGE, 4)[::2, 1:3],
    "backwards": lambda: np.arange(LARGE)[::-1],
    "big end first": lambda: np.arange(LARGE, dtype=">i8"),
    "bool": lambda: np.arange(8 * LARGE) % 3 == 0,
    "complex": lambda: np.arange(LARGE) * 1j,
    "text": lambda: np.array(["a", "bcd"] * LARGE),
    "bytes": lambda: np.array([b"a", b"bcd"] * LARGE),
    "dates": lambda: np.arange("2026-01-01", "2326-01-01", dtype="datetime64[D]"),
    "records": lambda: np.array([(1, 2.5, b"x"), (3, 4.5, b"yz")] * LARGE, dtype=record),
    "recarray": lambda: np.array([(1, 2.5, b"x")] * LARGE, dtype=record).view(np.recarray),
    "masked": lambda: np.ma.masked_greater(np.arange(2 * LARGE), LARGE),
    "an heir": lambda: np.arange(LARGE).view(Heir),
    "objects": lambda: np.array([None, [1], "two"] * LARGE, dtype=object),
}


@pytest.mark.parametrize("name", MADE)
def test_large_arrays_of_every_kind(name):
    made = MADE[name]()
    (found,) = parmap(lambda _: MADE[name](), [0])
    assert type(found) is type(made) and found.dtype == made.dtype and found.shape == made.shape
    assert np.ma.getdata(found).tolist() == np.ma.getdata(made).tolist()
    assert np.array_equal(np.ma.getmask(found), np.ma.getmask(made))
    assert found.flags.c_contiguous >= made.flags.c_contiguous and found.flags.f_contiguous >= made.flags.f_contiguous
    assert found.flags.writeable and found.flags.aligned
    found[...] = found


def test_plain_large_arrays_are_not_copied():
    found = parmap(lambda n: np.full(n, n % 256, dtype=np.uint8), [1 << 16, (1 << 16) - 1, 1 << 24, 100])
    assert [is_shared(each) for each in found] == [True, False, True, False]
    assert [(each == each.size % 256).all() for each in found] == [True] * 4
    assert pages_held() == pages_of(1 << 16) + pages_of(1 << 24)


def test_an_array_that_cannot_be_written_stays_so():
    def made(_):
        array = np.arange(LARGE)
        array.flags.writeable = False
        return array

    (found,) = parmap(made, [0])
    assert not found.flags.writeable and is_shared(found) and found.tolist() == list(range(LARGE))


@dataclasses.dataclass
class Solution:
    name: str
    x: np.ndarray
    history: list


def test_arrays_within_other_things():
    def solve(i):
        x = np.full(LARGE, float(i))
        return Solution(f"run {i}", x, [x, {"y": np.full(LARGE, i + 0.5)}, np.arange(3)])

    for i, found in enumerate(parmap(solve, range(7), n_worker=3)):
        assert found.name == f"run {i}" and (found.x == i).all()
        assert found.history[0] is found.x, "what was one array is one array"
        assert (found.history[1]["y"] == i + 0.5).all() and found.history[2].tolist() == [0, 1, 2]
        assert is_shared(found.x) and is_shared(found.history[1]["y"])


def test_frames_of_pandas():
    def made(i):
        index = pd.date_range("2026-01-01", periods=LARGE, freq="h", name="when")
        frame = pd.DataFrame({"x": np.arange(LARGE) * 0.5, "n": np.arange(LARGE) + i}, index=index)
        return frame.assign(word=pd.Categorical.from_codes(np.arange(LARGE) % 3, ["a", "b", "c"]), text="t")

    for i, found in enumerate(parmap(made, range(3))):
        pd.testing.assert_frame_equal(found, made(i))
        found.loc[found.index[0], "x"] = 7.0
        found["n"] += 1
        assert found["x"].iloc[0] == 7.0 and found["n"].iloc[1] == i + 2


class Buffer:
    """As torch's tensors or pyarrow's tables might: it says by itself what of it is a buffer."""

    def __init__(self, data):
        self.data = data

    def __reduce_ex__(self, protocol):
        return type(self), (pickle.PickleBuffer(self.data),)


@pytest.mark.parametrize("size", [10, 1 << 20])
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_what_names_its_buffers_itself(size, kind):
    (found,) = parmap(lambda n: Buffer(kind(range(256)) * (n // 256 + 1)), [size])
    assert bytes(found.data) == bytes(range(256)) * (size // 256 + 1)
    assert memoryview(found.data).readonly == (kind is bytes)


def test_many_buffers_in_one_result():
    (found,) = parmap(lambda _: [np.full(LARGE, k) for k in range(300)], [0])
    assert [int(each[-1]) for each in found] == list(range(300))
    del found[1:]
    assert pages_held() == pages_of(LARGE * 8)


@given(st.lists(st.integers(0, 30_000), max_size=8))
def test_any_sizes(sizes):
    found = parmap(lambda n: np.arange(n), sizes, n_worker=2)
    assert [each.tolist() for each in found] == [list(range(n)) for n in sizes]


# ---- memory


def test_each_array_is_given_back_with_its_last_view():
    found = parmap(lambda i: np.full(LARGE, i), range(10), n_worker=2)
    each = pages_of(LARGE * 8)
    assert pages_held() == 10 * each
    del found[3]
    assert pages_held() == 9 * each
    view = found.pop(0)[5:7]
    found[4][...] = 1  # the copies of pages that a store makes are of this array too
    del found[:8]
    assert pages_held() == each
    assert view.tolist() == [0, 0]
    del view
    assert pages_held() == 0


def test_a_small_array_pins_no_large_mapping():
    found = parmap(lambda n: np.zeros(n), [10, 1_000_000, 10])
    del found[1]
    assert pages_held() == 0
    with open("/proc/self/maps") as maps:
        assert "parmap" not in re.sub(r"\S*/site-packages/\S*|\S*\.so\b", "", maps.read())


def test_what_failed_attempts_wrote_is_given_back():
    class Refuses:
        def __reduce__(self):
            raise ValueError("no")

    def task(i):
        big = np.full(LARGE, i)
        if i % 4 == 1:
            return [big, Refuses()]
        if i % 4 == 2:
            os._exit(3)
        return big

    found = quiet(task, range(16), n_worker=2)
    assert [each.index for each in found.failures] == [i for i in range(16) if i % 4 in (1, 2)]
    assert all((found[i] == i).all() for i in range(16) if i % 4 in (0, 3))
    assert pages_held() == 8 * pages_of(LARGE * 8)


class Explodes:
    """Has a large buffer, and cannot be made again."""

    def __reduce__(self):
        return self.again, (np.zeros(LARGE),)

    @staticmethod
    def again(array):
        raise ValueError("not again")


def test_what_cannot_be_unpickled_is_given_back():
    found = quiet(lambda i: Explodes() if i == 1 else np.full(LARGE, i), range(3))
    failure = only_failure(found, 1)
    assert failure.kind == "unencodable" and "not again" in str(failure.exception)
    del failure
    found.failures.clear()  # the traceback holds the array
    gc.collect()
    assert pages_held() == 2 * pages_of(LARGE * 8)


# ---- other processes


def in_child(act):
    """act() in a forked process; what it returns is the exit status."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            status = act()
        finally:
            os._exit(status)
    return child


def status_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_child_of_the_caller_keeps_what_it_has_inherited():
    found = parmap(lambda i: np.full(LARGE, i + 1), range(2), n_worker=1)
    go, went = os.pipe()

    def look():
        os.read(go, 1)
        return int((found[0] == 1).all() and (found[1] == 2).all())

    child = in_child(look)
    del found[0]  # in this process only
    found[0][...] = 7
    os.write(went, b".")
    assert status_of(child) == 1
    os.close(go)
    os.close(went)
    assert (found[0] == 7).all()


def test_a_child_of_the_caller_writes_to_its_own_copy():
    found = parmap(lambda i: np.full(LARGE, i + 1), range(2), n_worker=1)

    def scribble():
        found[0][...] = 9
        del found[1]
        return int((found[0] == 9).all())

    assert status_of(in_child(scribble)) == 1
    assert (found[0] == 1).all() and (found[1] == 2).all()


def test_results_as_the_input_of_another_map():
    first = parmap(lambda i: np.full(LARGE, i), range(4))

    def spoil(array):
        before = int(array[0])
        array[...] = -1
        return before, array

    second = parmap(spoil, first)
    assert [before for before, _ in second] == [0, 1, 2, 3]
    assert all((array == i).all() for i, array in enumerate(first)), "tasks write to their worker's copy"
    assert all((array == -1).all() for _, array in second)
    del first
    assert pages_held() == 4 * pages_of(LARGE * 8), "what workers had inherited is given back once they are gone"


def test_nested_maps():
    def outer(i):
        inner = parmap(lambda j: np.full(LARGE, 10 * i + j), range(3), n_worker=2)
        middle = inner.pop(1)
        return [*inner, middle, sum(inner)]

    for i, found in enumerate(parmap(outer, range(3))):
        assert [int(each[0]) for each in found] == [10 * i, 10 * i + 2, 10 * i + 1, 20 * i + 2]
        assert all((each == each[0]).all() for each in found)


def test_a_task_that_closes_every_descriptor(tmp_path):
    def task(i):
        os.closerange(3, 64)
        files = [open(tmp_path / f"{i}.{k}", "w+b") for k in range(20)]  # under the numbers of ours
        array = np.full(LARGE, i)
        return array, [os.fstat(each.fileno()).st_size for each in files]

    found = parmap(task, range(4), n_worker=2)
    assert all((array == i).all() for i, (array, _) in enumerate(found))
    assert all(each.stat().st_size == 0 for each in tmp_path.iterdir()), "ours went into a file of the task"


def test_a_limit_on_the_size_of_files():
    def task(i):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
        return np.full(LARGE, i)

    found = parmap(task, range(4), n_worker=2)
    assert all((array == i).all() for i, array in enumerate(found)) and not any(map(is_shared, found))


def test_address_space_too_short_for_mappings():
    """For once as much as the arrays take, and not for twice: so they are copied."""
    program = """
        import resource
        import numpy as np
        from parmap import parmap
        parmap(abs, [1])
        with open("/proc/self/status") as status:
            used = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmSize"))
        resource.setrlimit(resource.RLIMIT_AS, (used + (600 << 20), resource.RLIM_INFINITY))
        found = parmap(lambda i: np.full(10 << 20, i, dtype=np.uint8), range(30), n_worker=1)
        assert [(int(each[0]), (each == each[0]).all(), each.size) for each in found] == [(i, True, 10 << 20) for i in range(30)]
        with open("/proc/self/maps") as maps:
            print("memfd" in maps.read())
    """
    assert run(program) == "False\n"


def test_an_array_may_live_as_long_as_the_program():
    program = """
        import numpy as np
        from parmap import parmap
        kept = parmap(lambda i: np.full(100_000, i), range(3))
        print(len(kept))
    """
    assert run(program) == "3\n"
