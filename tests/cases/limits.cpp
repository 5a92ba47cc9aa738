// SPDX-License-Identifier: MIT
// Time that once no limit covered.
#include "cases.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace cases {
namespace {

using namespace std::chrono_literals;
using parmap::failure;

enum class end { hangs, crashes, exits };

struct bad_to_destroy {
  end how;
  explicit bad_to_destroy(end chosen) : how(chosen) {}
  bad_to_destroy(const bad_to_destroy&) = default;
  bad_to_destroy& operator=(const bad_to_destroy&) = default;
  ~bad_to_destroy() {
    while (how == end::hangs) ::pause();
    if (how == end::crashes) std::abort();
    std::exit(4);
  }
};

bool thrown_object(end how, parmap::failure_kind expected) {
  bool right = true;
  for (const unsigned retries : {0U, 1U}) {
    const auto f = [how](int i) {
      if (i == 2) throw bad_to_destroy(how);
      return i;
    };
    const auto all =
        parmap::map(f, std::vector<int>{0, 1, 2, 3, 4, 5}, {.retries = retries, .timeout = 300ms, .workers = 2});
    right = right && all.failures().size() == 1 && all.failures()[0].index == 2 && all.failures()[0].kind == expected;
    if (retries == 1) print("%zu values; %s", all.values().size(), first_of(all.failures()).c_str());
  }
  return right;
}

bool full_pipe() {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) return false;
  ::fcntl(ends[1], F_SETFL, O_NONBLOCK);
  const std::array<char, 4096> junk{};
  while (::write(ends[1], junk.data(), junk.size()) > 0) {
  }
  while (::write(ends[1], junk.data(), 1) > 0) {
  }
  ::fcntl(ends[1], F_SETFL, 0);
  print("full");  // musl tells a pipe from a terminal at the first write only
  std::fflush(stdout);
  const int before = ::dup(1);
  ::dup2(ends[1], 1);
  const auto f = [](int i) {
    print("task %d", i);
    return i;
  };
  const auto all = parmap::map(f, std::vector<int>{0, 1, 2, 3}, {.timeout = 500ms, .workers = 2});
  ::dup2(before, 1);
  print("%zu values", all.values().size());
  return all.values().size() == 4;
}

}  // namespace

std::vector<input> limits() {
  const std::string one_failure = "task 2 alone fails, with the retry that it has, too";
  return {{"thrown_object_hangs", one_failure, [] { return thrown_object(end::hangs, failure::timed_out); }},
          {"thrown_object_crashes", one_failure, [] { return thrown_object(end::crashes, failure::crashed); }},
          {"thrown_object_exits", one_failure, [] { return thrown_object(end::exits, failure::exited); }},
          {"stdout_is_a_full_pipe", "the map returns, with every value", full_pipe}};
}

}  // namespace cases
