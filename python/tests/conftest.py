# SPDX-License-Identifier: MIT
"""What all tests share: fixed seeds, and no process left behind by any of them."""

import os

import hypothesis
import pytest

hypothesis.settings.register_profile(
    "parmap", derandomize=True, database=None, deadline=None, max_examples=25, print_blob=True
)
hypothesis.settings.load_profile("parmap")


@pytest.fixture(autouse=True)
def no_child_is_left():
    yield
    with pytest.raises(ChildProcessError):  # there is none, not even a dead one
        os.waitpid(-1, os.WNOHANG)


@pytest.fixture(params=("serial", "threads", "multi"))
def engine(request):
    return request.param


@pytest.fixture(params=("threads", "multi"))
def skipping(request):
    """The engines that leave a failed task out and go on."""
    return request.param
