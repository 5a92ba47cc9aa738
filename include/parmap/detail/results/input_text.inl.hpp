// SPDX-License-Identifier: MIT
// The bodies of input_text.hpp.
#pragma once

#include <parmap/detail/results/input_text.hpp>

#include <array>
#include <charconv>
#include <cstddef>
#include <sstream>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// The first bytes of a text of UTF-8, not more than `most`, without a part of a character.
PARMAP_INLINE std::string_view beginning_of(std::string_view text, std::size_t most) noexcept {
  if (text.size() <= most) return text;
  const auto continues = [&text](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80; };
  while (most > 0 && continues(most)) --most;
  return text.substr(0, most);
}

template <class Number>
void append_number(std::string& text, Number x) {
  std::array<char, 64> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), x).ptr;
  text.append(digits.data(), end);
}

PARMAP_INLINE void input_text::add_plain(std::string_view text) {
  known_ = true;
  if (!text_.empty()) text_ += ", ";
  const auto append = [this](std::string_view part) {
    for (const char c : beginning_of(part, 2 * longest)) text_ += is_control(c) ? ' ' : c;
  };
  if (!name_.empty()) {
    append(std::exchange(name_, {}));
    text_ += '=';
  }
  append(text);
}

PARMAP_INLINE void input_text::add_unknown() {
  const bool known = known_;
  add_plain("?");
  known_ = known;
}

PARMAP_INLINE void input_text::add_quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : beginning_of(text, longest)) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (c == '\n') quoted += "\\n";
    else if (c == '\t') quoted += "\\t";
    else quoted += c;
  }
  add_plain(quoted + '"');
}

PARMAP_INLINE void input_text::add_character(char c) {
  if (is_control(c) || static_cast<unsigned char>(c) >= 0x80) return add_signed(c);
  add_plain(std::string{'\'', c, '\''});
}

PARMAP_INLINE void input_text::add_real(float x) {
  std::string text;
  append_number(text, x);
  add_plain(text);
}
PARMAP_INLINE void input_text::add_real(double x) {
  std::string text;
  append_number(text, x);
  add_plain(text);
}
PARMAP_INLINE void input_text::add_real(long double x) {
  std::string text;
  append_number(text, x);
  add_plain(text);
}
PARMAP_INLINE void input_text::add_signed(std::int64_t x) { add_plain(std::to_string(x)); }
PARMAP_INLINE void input_text::add_unsigned(std::uint64_t x) { add_plain(std::to_string(x)); }

PARMAP_INLINE void input_text::add_streamed(const void* it, void (*write)(std::ostream& out, const void* it)) {
  std::ostringstream out;
  write(out, it);
  if (out) add_plain(out.str());
  else add_unknown();
}

PARMAP_INLINE std::string input_text::take() {
  constexpr std::string_view more = "...";
  if (!known_) return {};
  if (text_.size() > longest) text_ = std::string(beginning_of(text_, longest - more.size())).append(more);
  return std::move(text_);
}

}  // namespace parmap::inline PARMAP_ABI::detail
