# SPDX-License-Identifier: MIT
"""Sphinx's settings; docs/build runs it."""

import re
import sys
from pathlib import Path

from docutils import nodes

_root = Path(__file__).resolve().parent.parent
_version = (_root / "include" / "parmap" / "version.hpp").read_text(encoding="utf-8")

project = "parmap"
copyright = "2026, parmap authors"
author = "parmap authors"
release = version = ".".join(re.findall(r"#define PARMAP_VERSION_\w+ (\d+)", _version))

extensions = ["myst_parser", "breathe", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "sphinx_design"]
exclude_patterns = ["_static"]
myst_enable_extensions = ["colon_fence"]
myst_disable_syntax = ["html_inline"]  # <vector> in a sentence is a word
myst_heading_anchors = 3

# C++ from what Doxygen has read.
breathe_projects = {"parmap": str(_root / "build" / "docs" / "doxygen" / "xml")}
breathe_default_project = "parmap"

# Python from its sources; the extension need not be built for that.
sys.path.insert(0, str(_root / "python"))
autodoc_mock_imports = ["parmap._parmap"]
autodoc_member_order = "bysource"
napoleon_google_docstring = False

smartquotes_action = "D"  # dashes, but not quotes, which belong to code: engine="threads"
python_maximum_signature_line_length = 100
html_theme = "furo"
html_title = f"parmap {release}"
html_static_path = ["_static"]
html_css_files = ["parmap.css"]
html_show_sphinx = False
html_show_sourcelink = html_copy_source = False  # the pages' Markdown belongs to the project's own page
html_theme_options = {"top_of_page_buttons": []}


# What people type who look for these pages. A word in any heading counts as much for the search as one in the page's title; an entry of the index counts more.
_words = {
    "installation": ["install", "pip", "cmake", "single header"],
    "index": ["license", "licence"],
    "options": ["option", "n_worker", "workers", "retry", "retries"],
    "performance": ["benchmark", "speed", "overhead", "chunk", "chunksize"],
    "troubleshooting": ["troubleshooting", "slow", "problem", "deadlock"],
    "when-not-to-use": ["cluster", "mpi", "gpu", "windows", "macos", "mac"],
    "engines/async": ["async", "asyncio", "coroutine"],
    "engines/multi": ["multi", "processes", "pickle", "lambda", "nested map"],
    "engines/serial": ["serial"],
    "engines/threads": ["threads", "thread pool"],
    "failures": ["crash", "segfault", "segmentation fault", "exception", "error"],
    "howto/debugging": ["debug", "gdb", "valgrind", "sanitizer", "asan", "profiler", "print", "logging"],
    "howto/large-data": ["numpy", "large array", "shared memory", "memory", "memory limit"],
    "howto/monte-carlo": ["random", "random number", "seed", "rng", "reproducible"],
    "howto/not-thread-safe": ["thread-safe"],
    "howto/single-file": ["macos", "windows", "pypy", "pure python", "spawn", "single file", "__main__", "without a compiler"],
    "howto/openmp-blas-fork": ["blas", "fork", "spawn", "cuda"],
    "howto/progress": ["progress", "progress bar", "tqdm", "jupyter", "notebook"],
    "howto/report": ["trace", "report", "watch", "perfetto", "timeline", "status file", "dashboard", "plotly", "profile"],
    "howto/pools": ["pool", "executor", "future", "submit", "workers that stay", "concurrent.futures", "sampler", "optimiser"],
    "howto/futures": ["future", "asyncio", "dask", "run_in_executor", "as_completed"],
    "howto/samplers": ["emcee", "dynesty", "mcmc", "nested sampling", "likelihood"],
    "howto/scipy": ["scipy", "differential_evolution", "brute"],
    "howto/scikit-learn": ["scikit-learn", "sklearn", "joblib", "grid search", "random forest"],
    "scale": ["scale", "scaling", "how many workers", "saturation", "simulation", "model"],
    "howto/streams": ["stream", "generator", "iterator", "lazy", "endless", "imap", "imap_unordered", "as completed", "window"],
    "howto/grids": ["grid", "sweep", "parameter", "names", "where", "data frame", "pandas", "polars", "xarray", "to_frame", "csv"],
    "howto/reductions": ["sum", "reduce", "reduction", "map_reduce", "fold", "histogram", "accumulate"],
    "howto/retries": ["retry", "retries", "backoff", "try again"],
    "howto/stopping": ["stop", "cancel", "ctrl-c", "interrupt", "signal"],
    "howto/cluster": ["mpi", "slurm", "job array", "sbatch", "cluster", "part"],
    "howto/slurm-python": ["slurm", "job array", "sbatch", "part", "requeue"],
    "howto/timeouts": ["timeout", "time limit", "hang", "deadline", "slurm", "walltime"],
    "cookbook/pandas": ["pandas", "dataframe"],
}


def _indexed(app, page, source):
    """Behind a page's title stand its entries of the index."""
    if page in _words:
        entries = ", ".join(f"! {word}" for word in _words[page])
        source[0] = re.sub(r"\A(# .*\n)", rf"\1\n```{{index}} {entries}\n```\n", source[0])


def _plain(app, what, name, it, options, lines):
    """The module's docstring has words beside its code, so it is shown in one colour."""
    if what == "module":
        lines[:] = [".. highlight:: none", "", *lines, "", ".. highlight:: default", ""]


def _joined(app, tree):
    """Breathe makes a paragraph of each line that follows a reference; such a line belongs to the paragraph around it."""
    for each in [it for it in tree.findall(nodes.paragraph) if isinstance(it.parent, nodes.paragraph)]:
        each.parent.replace(each, [*each.children, nodes.Text(" ")])


def setup(app):
    app.add_config_value("search_words", _words, "env", dict)  # when they change, all pages are read again
    app.connect("doctree-read", _joined)
    app.connect("autodoc-process-docstring", _plain)
    app.connect("source-read", _indexed)
