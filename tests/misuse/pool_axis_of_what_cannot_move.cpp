// expect: this type cannot be moved; make it movable
// SPDX-License-Identifier: MIT
#include <parmap/detail/pools/sent_space.hpp>
#include <parmap/parmap.hpp>

#include <list>
#include <string>

struct fixed_in_place {
  explicit fixed_in_place(std::string it) : text(std::move(it)) {}
#ifdef PARMAP_BAD
  fixed_in_place(const fixed_in_place&) = delete;
#endif
  std::string text;
};
template <>
struct parmap::codec<fixed_in_place> {
  static void encode(encoder& out, const fixed_in_place& it) { out.put(it.text); }
  static fixed_in_place decode(decoder& in) { return fixed_in_place(in.get<std::string>()); }
};

int main() {
  std::list<fixed_in_place> all;
  all.emplace_back("a");
  const auto space = parmap::product(all);
  return parmap::detail::check_sent_space<decltype(space)>() && space.size() > 1 ? 1 : 0;
}
