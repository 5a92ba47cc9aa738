// SPDX-License-Identifier: MIT
// Provokes every failure and every exception, and writes docs/failures.md: failures_page > docs/failures.md
#include "failures_page_exceptions.hpp"
#include "failures_page_tasks.hpp"
#include "failures_page_writer.hpp"

#include <sys/resource.h>

#include <iostream>
#include <vector>

namespace {

constexpr const char* head = R"(# Failures and exceptions

Search this page for the text of the message. Every message below was provoked, except the two for which the page says so, and a test compares them with what the library says today
(`tests/faults/failures_page.cpp` makes this page). Tasks are numbered in input order, from 0. Each example is task 3 of five, or the only task; all other tasks of
its map have results.

A **failure** says why one task has no value: `results.failures()` lists them, and `std::cout << failure` prints the lines below.

| kind | the task |
|---|---|
| [threw](#threw) | let an exception out |
| [crashed](#crashed) | was ended, with its worker process, by a signal |
| [exited](#exited) | ended its worker process |
| [timed_out](#timed_out) | ran longer than `options.timeout` |
| [out_of_memory](#out_of_memory) | was refused memory, or killed for taking too much |
| [unencodable](#unencodable) | made a result that could not be brought out of its worker |
| [stopped](#stopped) | was not begun any more |

An [**exception** of map](#exceptions-of-map) says that the whole call could not be done. What can be known at compile time is a compile
error that says the remedy.

To look at one task alone, run it where nothing is forked, under a debugger (`why` is its failure):

```cpp
parmap::map(parmap::serial, f, inputs | std::views::drop(why.index) | std::views::take(1));
```

(Its `context` then has index 0, and other random numbers; where those matter, run all tasks under `serial` with the same `seed` and
a breakpoint.) With several axes the last one is fastest: task `index` of `map(f, a, b)` is `f(a[index / b.size()], b[index % b.size()])`.

)";

bool write_all(const std::vector<failures_page::exhibit>& exhibits) {
  bool good = true;
  for (const failures_page::exhibit& each : exhibits) good = failures_page::write(each) && good;
  return good;
}

}  // namespace

int main() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  std::cout << head;
  bool good = true;
  for (const auto& [kind, exhibits] : failures_page::failures()) {
    std::cout << "## " << kind << "\n\n";
    good = write_all(exhibits) && good;
  }
  std::cout << "## Exceptions of map\n\n";
  good = write_all(failures_page::exceptions()) && good;
  failures_page::write_wrapped(
      "`std::logic_error` with \"lost count of its tasks; please report this\" would be a defect of "
      "the engine `threads`.");
  return good ? 0 : 1;
}
