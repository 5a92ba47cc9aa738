// expect: a pointer, reference_wrapper, string_view or span .*cannot leave a worker process(.|\n)*std::string
// SPDX-License-Identifier: MIT
// A view of a worker's memory means nothing outside it.
#include <parmap/parmap.hpp>

#include <string>
#include <string_view>
#include <vector>

int main() {
  const std::vector<std::string> x{"a", "b"};
#ifdef PARMAP_BAD
  const auto all = parmap::map([](const std::string& s) { return std::string_view(s); }, x);
#else
  const auto all = parmap::map([](const std::string& s) { return s + s; }, x);
#endif
  return static_cast<int>(all.size());
}
