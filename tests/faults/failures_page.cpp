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

Search this page for the text of your message. A program (`tests/faults/failures_page.cpp`) caused every failure on this page and wrote down the message, except for two that
are marked. A test compares the page with the messages of the current version. Tasks are numbered in input order, from 0. In each example task 3 of five fails, or the only
task; all other tasks of its map have results.

A **failure** says why one task has no value: `results.failures()` lists them, and `std::cout << failure` prints the lines below.

| kind | the task |
|---|---|
| [threw](#threw) | threw an exception |
| [crashed](#crashed) | was killed by a signal, with its worker process |
| [exited](#exited) | ended its worker process |
| [timed_out](#timed_out) | ran longer than `options.timeout` |
| [out_of_memory](#out_of_memory) | was refused memory, or was killed because it took too much |
| [unencodable](#unencodable) | returned a result that could not be encoded or decoded |
| [stopped](#stopped) | did not begin, because the map was stopped |

An [**exception** of map](#exceptions-of-map) says that the whole call failed. A mistake that the compiler can see is a compile error; its
message says what to do.

To debug one task, run it alone under `serial`, which forks nothing (`why` is the task's failure):

```cpp
parmap::map(parmap::serial, f, inputs | std::views::drop(why.index) | std::views::take(1));
```

The task's `context` then has index 0 and other random numbers. If they matter, run all tasks under `serial` with the same `seed` and
a breakpoint. With several axes the last one varies fastest: task `index` of `map(f, a, b)` is `f(a[index / b.size()], b[index % b.size()])`.

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
