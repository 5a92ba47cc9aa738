# SPDX-License-Identifier: MIT
"""parmap's rows in docs/reliability.md are what it does."""

import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[2] / "benchmarks" / "reliability" / "run.py"


@pytest.mark.timeout(600)  # two cells hang until their limit, as the page says
def test_page():
    pytest.importorskip("numpy")
    ran = subprocess.run(
        [sys.executable, RUN, "--check-python"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=580, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout
