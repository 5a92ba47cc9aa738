// expect: parmap::fargs\(f, std::string\("text"\)\)
// SPDX-License-Identifier: MIT
// A literal as a fixed argument is a pointer, which may lead to a library that the workers do not have.
#include <parmap/detail/pools/sent_function.hpp>
#include <parmap/parmap.hpp>

#include <string>

std::size_t both(const std::string& a, const std::string& b) { return a.size() + b.size(); }

int main() {
#ifdef PARMAP_BAD
  const auto f = parmap::fargs(both, "text");
#else
  const auto f = parmap::fargs(both, std::string("text"));
#endif
  return parmap::detail::check_sent_function<decltype(f)>() && f("a") > 5 ? 1 : 0;
}
