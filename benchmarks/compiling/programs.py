# SPDX-License-Identifier: MIT
"""The files that benchmarks/compile_time.py compiles: a plain loop, and parallel versions of it."""

from dataclasses import dataclass

LEAST = "#include <string>\n#include <thread>\n#include <vector>\n"
VECTOR = "#include <vector>\n"

#: Result type and body of each map in a file with several: each has its own lambda.
BODIES = (
    ("int", "return i * i;"),
    ("double", "return i / 2.0;"),
    ("std::string", "return std::string(static_cast<std::size_t>(i), 'x');"),
    ("std::vector<int>", "return std::vector<int>{i, i + 1};"),
    ("long long", "return 1LL << i;"),
    ("bool", "return i % 2 == 0;"),
)


@dataclass(frozen=True)
class Program:
    name: str
    source: str
    parmap: bool = False  # measured in each of parmap's forms
    needs: str = ""  # a header; without it the program is not measured
    options: tuple = ()


def main_of(lines) -> str:
    return "\n".join(["int main() {", "  const std::vector<int> x{1, 2, 3};", *(f"  {line}" for line in lines), "}", ""])


def filled(*lines) -> str:
    """Return a program that first makes the vector of results."""
    return main_of(["std::vector<int> y(x.size());", *lines, "return y[2] == 9 ? 0 : 1;"])


def maps(engine: str, count: int) -> str:
    calls = [f"const auto y{k} = parmap::map(parmap::{engine}, [](int i) -> {type_} {{ {body} }}, x);" for k, (type_, body) in enumerate(BODIES[:count])]
    return main_of([*calls, "return " + " && ".join(f"y{k}.ok()" for k in range(count)) + " ? 0 : 1;"])


HEADER = "#include <parmap/parmap.hpp>\n"
TO_N = "for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * x[i];"
LOOP, ONE_THREADS, ONE_MULTI = "plain loop", "one map, threads", "one map, multi"
TWO_MULTI, SIX_MULTI = "2 maps, multi", "6 maps, multi"

PROGRAMS = {each.name: each for each in (
    Program(LOOP, LEAST + filled(TO_N)),
    Program("plain loop, <vector> only", VECTOR + filled(TO_N)),
    Program("OpenMP parallel for", LEAST + filled("#pragma omp parallel for", TO_N), needs="omp.h", options=("-fopenmp",)),
    Program("oneTBB parallel_for", LEAST + "#include <tbb/parallel_for.h>\n" + filled(
        "tbb::parallel_for(std::size_t{0}, x.size(), [&](std::size_t i) { y[i] = x[i] * x[i]; });"), needs="tbb/parallel_for.h"),
    # Without oneTBB libstdc++ compiles this too, but runs it on one core.
    Program("std::execution::par for_each", LEAST + "#include <algorithm>\n#include <execution>\n" + filled(
        "std::for_each(std::execution::par, x.begin(), x.end(), [&](const int& i) { y[&i - x.data()] = i * i; });"),
        needs="tbb/parallel_for.h"),
    Program("the header alone", LEAST + HEADER + filled(TO_N), parmap=True),
    Program("one map, serial", LEAST + HEADER + maps("serial", 1), parmap=True),
    Program(ONE_THREADS, LEAST + HEADER + maps("threads", 1), parmap=True),
    Program(ONE_MULTI, LEAST + HEADER + maps("multi", 1), parmap=True),
    Program(TWO_MULTI, LEAST + HEADER + maps("multi", 2), parmap=True),
    Program(SIX_MULTI, LEAST + HEADER + maps("multi", 6), parmap=True),
)}  # fmt: skip
