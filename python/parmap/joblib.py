# SPDX-License-Identifier: MIT
"""parmap as a backend of joblib, and so of scikit-learn and of all others that use joblib::

    import joblib
    import parmap.joblib

    parmap.joblib.register()
    with joblib.parallel_config(backend="parmap"):
        search.fit(X, y)

joblib is imported by register(), not before.
"""

from __future__ import annotations

__all__ = ["register"]


def register(make_default: bool = False) -> None:
    """Make "parmap" a backend of joblib: ``joblib.parallel_config(backend="parmap")``, ``joblib.Parallel(backend="parmap")``.

    Arguments
    ---------
    make_default
        Use it also where no backend is named.

    What the backend does
    ---------------------
    - Its tasks run in the workers of a parmap.Executor. Options of joblib's call that joblib does not know go to the Executor:
      ``parallel_config(backend="parmap", memory_limit="2GB")``. Its timeout_sec is for a batch of tasks.
    - Without n_jobs it uses all usable cores.
    - The workers stay while a parallel_config() lasts, and while the ``with`` block of a Parallel lasts. They have other
      modules as these were when the workers were made; what belongs to __main__ is sent anew each time.
    - Cheap tasks run in batches of some milliseconds. A task that crashes, exits or exceeds a limit ends its call of Parallel
      with WorkerDied, TaskTimeout or MemoryError, as joblib has no other way; the workers and later calls go on.
    - Arrays larger than joblib's max_nbytes are copied once for each call, into memory that the workers share. They are
      read-only there, as with loky; mmap_mode changes that.
    - A Parallel in a task runs in threads, at most as many as the cores of its worker: usually one, so it is serial.
      inner_max_num_threads sets the threads of BLAS and OpenMP of each worker.

    Raises
    ------
    ImportError
        joblib is not installed, or older than 1.2.

    Notes
    -----
    Calling it again has no effect. Any thread may call it.
    """
    try:
        import joblib
    except ImportError:
        raise ImportError("parmap.joblib.register() needs joblib: pip install joblib") from None
    try:
        from ._joblib_backend import ParmapBackend
    except ImportError as error:
        raise ImportError(f"parmap.joblib.register() needs joblib 1.2 or newer, and this is {joblib.__version__}") from error
    joblib.register_parallel_backend("parmap", ParmapBackend, make_default=make_default)
