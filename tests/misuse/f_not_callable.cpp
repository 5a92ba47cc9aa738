// expect: f cannot be called with the axes' elements, with or without a parmap::context& first
// SPDX-License-Identifier: MIT
// f must take what the axes hold; the message names what was tried.
#include <parmap/parmap.hpp>

#include <string>
#include <vector>

int main() {
  const std::vector<std::string> x{"a", "b"};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](int i) { return i; }, x);
#else
  const auto all = parmap::map([](const std::string& s) { return s; }, x);
#endif
  return static_cast<int>(all.size());
}
