// SPDX-License-Identifier: MIT
// Inputs that once failed, each with what is right. run.py runs each in a process of its own.
#pragma once

#include <parmap/parmap.hpp>

#include <cstdio>
#include <string>
#include <vector>

namespace cases {

struct input {
  std::string name;
  std::string right;
  bool (*run)();  // prints one line that tells what was seen
};

std::vector<input> limits();
std::vector<input> ends();
std::vector<input> output();
std::vector<input> values();
std::vector<input> callers();
std::vector<input> locks();

inline void print(const char* text) { std::puts(text); }
template <class... Values>
  requires(sizeof...(Values) > 0)
void print(const char* format, const Values&... values) {
  std::printf(format, values...);  // NOLINT(cppcoreguidelines-pro-type-vararg)
  std::putchar('\n');
}

inline std::string first_of(const parmap::failure_list& failures) {
  return failures.empty() ? "no failure" : to_string(failures[0]);
}

}  // namespace cases
