# SPDX-License-Identifier: MIT
"""joblib's own tests of Parallel, with parmap's backend in place of loky and multiprocessing.

They run from a copy of the installed joblib.test.test_parallel in which the names of those backends are changed. LEFT_OUT says
which do not apply, and why.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("joblib")
tests = pytest.importorskip("joblib.test.test_parallel")

REGISTER = "import parmap.joblib; parmap.joblib.register()\n"
PROCESSES = 'PROCESS_BACKENDS = ["multiprocessing", "loky"]'
#: What becomes of the text.
CHANGES = (
    ("import joblib\n", "import joblib\n" + REGISTER),
    ("from joblib import Parallel, delayed", REGISTER + "from joblib import Parallel, delayed"),  # of programs that tests run
    (PROCESSES, 'PROCESS_BACKENDS = ["parmap"]'),
    ('("loky", True)', '("parmap", False)'),  # a generator that is left does not end another one's workers
    ('"loky"', '"parmap"'),
    ("from ._openmp", "from joblib.test._openmp"),
)

NESTED = "asks for ThreadingBackend itself in a task; here it is ThreadsOfWorker, within the cores of the worker"
FILES = "expects a numpy.memmap in a task; here it is an array over shared memory, see test_large_arrays_are_copied_once"
LEFT_OUT = {
    "test_nested_parallel_warnings": "is about warnings of loky and multiprocessing that they cannot be nested",
    "test_error_capture": "looks into the executor, and expects another one after a failure; here it stays, see test_workers_stay_as_long_as_the_context",
    "test_backend_context_manager": "asks for LokyBackend by its class",
    "test_nested_backend_context_manager": NESTED,
    "test_nested_parallelism_limit": NESTED,
    "test_nested_backend_in_sequential": "expects one worker without n_jobs; here it is all cores, as with dask",
    "test_auto_memmap_on_arrays_from_generator": FILES,
    "test_memmapping_leaks": FILES,
    "test_backend_batch_statistics_reset": "looks into AutoBatchingMixin, which this backend does not use",
}  # fmt: skip


def changed():
    text = Path(tests.__file__).read_text(encoding="utf-8")
    for old, new in CHANGES:
        text = text.replace(old, new)
    return text


def test_what_is_changed_exists():
    text = Path(tests.__file__).read_text(encoding="utf-8")
    if PROCESSES not in text:
        pytest.skip("the tests of this joblib are written otherwise")
    assert all(f"def {each}(" in text for each in LEFT_OUT)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("part", range(4))
def test_joblib(part, tmp_path):
    """A quarter of them each, so that they run beside one another."""
    text = changed()
    if '"parmap"' not in text:
        pytest.skip("the tests of this joblib are written otherwise")
    (tmp_path / "test_parallel_of_joblib.py").write_text(text, encoding="utf-8")
    names = [each for each in re.findall(r"^def (test_\w+)\(", text, re.M) if each not in LEFT_OUT]
    mine = " or ".join(names[part::4])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-c", "/dev/null", "--rootdir", tmp_path, "-W", "ignore",
         "--timeout", "100", "-k", f"(parmap or Parmap) and ({mine})", "test_parallel_of_joblib.py"],
        cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=220, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 5
