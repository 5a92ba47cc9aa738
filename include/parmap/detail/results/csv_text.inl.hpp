// SPDX-License-Identifier: MIT
// The bodies of csv_text.hpp.
#pragma once

#include <parmap/detail/results/csv_text.hpp>

#include <array>
#include <charconv>
#include <sstream>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void csv_text::begin_cell() {
  if (in_row_) text_ += ',';
  in_row_ = true;
}

PARMAP_INLINE void csv_text::add_plain(std::string_view text) {
  begin_cell();
  text_ += text;
}

PARMAP_INLINE void csv_text::add_quoted(std::string_view text) {
  // An empty text has quotes, so that it differs from no value.
  if (!text.empty() && text.find_first_of(",\"\r\n") == std::string_view::npos) return add_plain(text);
  begin_cell();
  text_ += '"';
  for (const char c : text) {
    if (c == '"') text_ += '"';
    text_ += c;
  }
  text_ += '"';
}

PARMAP_INLINE void csv_text::end_row() {
  text_ += '\n';
  in_row_ = false;
}

// The shortest text that gives the same number again.
template <class Number>
void add_number(csv_text& row, Number x) {
  std::array<char, 64> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), x).ptr;
  row.add_plain({digits.data(), end});
}

PARMAP_INLINE void csv_text::add_real(float x) { add_number(*this, x); }
PARMAP_INLINE void csv_text::add_real(double x) { add_number(*this, x); }
PARMAP_INLINE void csv_text::add_real(long double x) { add_number(*this, x); }
PARMAP_INLINE void csv_text::add_signed(std::int64_t x) { add_number(*this, x); }
PARMAP_INLINE void csv_text::add_unsigned(std::uint64_t x) { add_number(*this, x); }

PARMAP_INLINE void csv_text::add_streamed(const void* it, void (*write)(std::ostream& out, const void* it)) {
  std::ostringstream out;
  write(out, it);
  add_quoted(out.str());
}

}  // namespace parmap::inline PARMAP_ABI::detail
