# SPDX-License-Identifier: MIT
"""The simulation.py of the sweep in docs/howto/slurm-python.md, as slurm_arrays.sh runs it: while there is a file `interrupt`, task 4
removes it and kills its job."""

import os
import signal
import time

import parmap

program = os.getpid()


def simulate(mu, n):
    if parmap.context().index == 4 and os.path.exists("interrupt"):
        os.unlink("interrupt")
        os.kill(program, signal.SIGKILL)
        time.sleep(60)  # until the kernel ends this worker, too
    return mu * n + parmap.rng().random()
