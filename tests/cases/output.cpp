// SPDX-License-Identifier: MIT
// What tasks print where stdout is a file.
#include "cases.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace cases {
namespace {

using namespace std::chrono_literals;

// What the program and its workers print while `act` runs, if stdout is a file.
std::string printed_by(const std::function<void()>& act) {
  std::FILE* const file = std::tmpfile();
  std::cout.flush();
  std::fflush(stdout);
  const int before = ::dup(1);
  ::fcntl(::fileno(file), F_SETFL, O_APPEND);
  ::dup2(::fileno(file), 1);
  act();
  std::cout.flush();
  std::fflush(stdout);
  ::dup2(before, 1);
  std::string all;
  std::array<char, 4096> piece{};
  std::rewind(file);
  while (const std::size_t got = std::fread(piece.data(), 1, piece.size(), file)) all.append(piece.data(), got);
  std::fclose(file);
  return all;
}

int count(const std::string& line, const std::string& text) {
  std::istringstream lines(text);
  int found = 0;
  for (std::string each; std::getline(lines, each);) found += each == line ? 1 : 0;
  return found;
}

const std::vector<int> twenty{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19};

bool lines_are_there(bool (*bad_end)(), const parmap::options& chosen) {
  int lost = 0;
  int twice = 0;
  for (int k = 0; k < 5; ++k) {
    const std::string all = printed_by([&] {
      const auto f = [bad_end](int i) {
        print("task %d", i);
        if (i == 11) bad_end();
        return i;
      };
      static_cast<void>(parmap::map(f, twenty, chosen));
    });
    for (const int i : twenty) {
      const int times = count("task " + std::to_string(i), all);
      lost += i != 11 && times == 0 ? 1 : 0;
      twice += times > 1 ? 1 : 0;
    }
  }
  print("lines of finished tasks lost: %d of 95; printed twice: %d", lost, twice);
  return lost == 0 && twice == 0;
}

bool crash() {
  std::abort();
  return false;
}

bool hang() {
  for (;;) ::pause();
  return false;
}

bool heads_and_tails() {
  const std::string all = printed_by([] {
    std::cout << "head\n";
    print("printf head");
    const auto f = [](int i) {
      std::cout << "task " << i << '\n';
      if (i == 2) std::abort();
      if (i == 4) std::exit(0);
      return i;
    };
    static_cast<void>(parmap::map(f, std::vector<int>{0, 1, 2, 3, 4, 5}, {.workers = 2}));
    std::cout << "tail\n";
  });
  bool right = count("head", all) == 1 && count("printf head", all) == 1 && count("tail", all) == 1;
  for (const int i : {0, 1, 3, 4, 5}) right = right && count("task " + std::to_string(i), all) == 1;
  print("%s", right ? "each line once" : all.c_str());
  return right;
}

}  // namespace

std::vector<input> output() {
  return {{"a_later_task_crashes", "the lines of finished tasks are there, once",
           [] { return lines_are_there(crash, {.workers = 2}); }},
          {"a_later_task_hangs", "the lines of finished tasks are there, once",
           [] { return lines_are_there(hang, {.timeout = 200ms, .workers = 2}); }},
          {"the_callers_own_lines", "what the caller had printed before comes once; so does what ended tasks printed",
           heads_and_tails}};
}

}  // namespace cases
