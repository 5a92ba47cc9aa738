# SPDX-License-Identifier: MIT
"""Beside large libraries, each in a program of its own. A library that is not installed is skipped: ./test --soak installs them all."""

import pytest

from helpers import needs, run


def test_scipy():
    """maplike as `workers`: the values of the plain run, and a task's own exception instead of a NaN."""
    needs("scipy")
    program = """
        from scipy.optimize import brute, differential_evolution, rosen
        import parmap
        bounds = [(-2, 2)] * 3
        settings = dict(rng=1, maxiter=10, polish=False, updating="deferred")
        alone = differential_evolution(rosen, bounds, **settings)
        shared = differential_evolution(rosen, bounds, workers=parmap.maplike, **settings)
        print(alone.fun == shared.fun, alone.nfev == shared.nfev)
        print((brute(rosen, bounds, Ns=5, finish=None) == brute(rosen, bounds, Ns=5, finish=None, workers=parmap.maplike)).all())
        def bad(x):
            if x[0] > 1: raise ValueError("the model diverged")
            return rosen(x)
        try:
            differential_evolution(bad, bounds, workers=parmap.maplike, **settings)
        except ValueError as error:
            print(error)
        except RuntimeError as error:  # scipy says what a map-like callable is to do
            print(error.__cause__)
    """
    first, second, third = run(program).splitlines()
    assert (first, second) == ("True True", "True") and "diverged" in third


@pytest.mark.parametrize("workers", [1, 2])
def test_scikit_learn_before_the_map_and_in_its_tasks(workers):
    """Its OpenMP has threads in the caller."""
    needs("sklearn")
    program = f"""
        import warnings
        import numpy as np
        from sklearn.cluster import KMeans
        from sklearn.ensemble import HistGradientBoostingRegressor
        from parmap import parmap
        x = np.random.default_rng(0).random((3000, 5))
        def use(i):
            KMeans(3, n_init=1, random_state=0).fit(x)
            return float(HistGradientBoostingRegressor(max_iter=5).fit(x, x[:, 0]).predict(x)[0])
        here = use(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an old OpenMP
            found = parmap(use, range(4), timeout_sec=60, n_worker={workers}) + parmap(use, [0], timeout_sec=60)
        print(found.ok, np.allclose(found, here))
    """
    assert run(program, timeout=200) == "True True\n"


def test_scikit_learn_by_joblib():
    """The numbers of a plain run."""
    needs("sklearn")
    program = """
        import joblib
        import numpy as np
        from sklearn.datasets import make_classification
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.model_selection import GridSearchCV, cross_val_score
        from sklearn.svm import SVC
        import parmap
        parmap.joblib.register()
        x, y = make_classification(300, random_state=0)
        large = np.tile(x, (1, 50))  # more than joblib's max_nbytes
        def numbers(n_jobs=None):
            search = GridSearchCV(SVC(), {"C": [0.1, 1, 10], "gamma": [0.001, 0.01]}, n_jobs=n_jobs).fit(x, y)
            forest = RandomForestClassifier(30, random_state=0, n_jobs=n_jobs).fit(x, y)
            both = GridSearchCV(RandomForestClassifier(10, random_state=0, n_jobs=2), {"max_depth": [2, 3]}, n_jobs=n_jobs).fit(x, y)
            return [
                search.best_params_, *search.cv_results_["mean_test_score"], *forest.predict_proba(x).ravel(), *both.cv_results_["mean_test_score"],
                *cross_val_score(SVC(), large, y, n_jobs=n_jobs),
            ]
        plain = numbers(1)
        with joblib.parallel_config(backend="parmap"):
            print(numbers() == plain)
        with joblib.parallel_config(backend="parmap", n_jobs=2):
            print(numbers() == plain, numbers(3) == plain)
    """
    assert run(program, timeout=200) == "True\nTrue True\n"


def test_polars():
    needs("polars")
    program = """
        import warnings
        import polars
        from parmap import parmap
        def use(i):
            import polars
            return polars.DataFrame({"a": range(200_000)}).group_by(polars.col("a") % 7).agg(polars.len()).height
        print(use(0))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            print(parmap(use, range(2), start="spawn", timeout_sec=100))
            print(len(said))
            late = parmap(use, range(2), timeout_sec=3, on_error=lambda *failed: None)
        print("polars" in str(said[0].message), all("polars was used before the fork" in str(each.exception) for each in late.failures))
    """
    assert run(program, timeout=200).splitlines() == ["7", "[7, 7]", "0", "True True"]


def test_exceptions_keep_their_types():
    needs("requests", "pydantic")
    program = """
        import requests, pydantic, socketserver, threading, time
        from parmap import parmap
        class Slow(socketserver.BaseRequestHandler):
            def handle(self): time.sleep(2)
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Slow)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        class Model(pydantic.BaseModel):
            a: int
        session = requests.Session()
        session.trust_env = False  # no proxy
        acts = [lambda: session.get("http://127.0.0.1:9/"), lambda: session.get(url, timeout=0.2), lambda: Model(a="x")]
        found = parmap(lambda i: acts[i](), range(3), on_error=lambda *failed: None)
        print(*(type(each.exception).__name__ for each in found.failures))
    """
    assert run(program) == "ConnectionError ReadTimeout ValidationError\n"


def test_uvloop():
    needs("uvloop")
    program = """
        import asyncio, uvloop
        from parmap import parmap, parmap_async
        async def task(i):
            await asyncio.sleep(0.01)
            return i
        async def main():
            return await parmap_async(task, range(20))
        print(uvloop.run(main()) == list(range(20)))
    """
    assert run(program) == "True\n"
