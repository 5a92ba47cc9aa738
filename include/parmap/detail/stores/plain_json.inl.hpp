// SPDX-License-Identifier: MIT
// The bodies of plain_json.hpp.
#pragma once

#include <parmap/detail/stores/plain_json.hpp>
#include <parmap/detail/system/utf8.hpp>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

class json_parser {
 public:
  explicit json_parser(std::string_view text) noexcept : text_(text) {}

  [[nodiscard]] json_value whole() {
    json_value made = next(0);
    skip_space();
    if (at_ != text_.size()) fail();
    return made;
  }

 private:
  static constexpr unsigned deepest = 500;

  [[noreturn]] static void fail() { throw other_format("damaged JSON"); }
  void skip_space() noexcept {
    while (at_ < text_.size() && std::string_view(" \n\r\t").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  [[nodiscard]] bool take(std::string_view word) noexcept {
    skip_space();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void expect(std::string_view word) {
    if (!take(word)) fail();
  }

  [[nodiscard]] json_value next(unsigned depth) {
    using kind = json_value::kind;
    if (depth > deepest) fail();
    json_value it;
    if (take("null")) return it;
    if (take("true")) return it.is = kind::boolean, it.truth = true, it;
    if (take("false")) return it.is = kind::boolean, it;
    if (take("\"")) return it.is = kind::text, it.text = rest_of_text(), it;
    if (take("[")) {
      it.is = kind::list;
      if (take("]")) return it;
      do it.items.push_back(next(depth + 1));
      while (take(","));
      expect("]");
      return it;
    }
    if (take("{")) {
      it.is = kind::object;
      if (take("}")) return it;
      do {
        expect("\"");
        it.keys.push_back(rest_of_text());
        expect(":");
        it.items.push_back(next(depth + 1));
      } while (take(","));
      expect("}");
      return it;
    }
    return number();
  }

  [[nodiscard]] json_value number() {
    using kind = json_value::kind;
    const std::size_t end = text_.find_first_not_of("+-.0123456789eE", at_);
    const std::string_view word = text_.substr(at_, (end == std::string_view::npos ? text_.size() : end) - at_);
    at_ += word.size();
    json_value it;
    const char* const begin = word.begin();
    const char* const last = word.end();
    const auto read = [&](auto& x) {
      const auto [stop, error] = std::from_chars(begin, last, x);
      return error == std::errc() && stop == last;
    };
    if (word.find_first_of(".eE") != std::string_view::npos) {
      if (!read(it.real)) fail();
      it.is = kind::real;
    } else if (read(it.integer)) {
      it.is = kind::integer;
    } else if (read(it.natural)) {
      it.is = kind::natural;
    } else {
      throw other_format("an integer beyond 64 bits");
    }
    return it;
  }

  // Behind the first quotes.
  [[nodiscard]] std::string rest_of_text() {
    std::string made;
    for (;;) {
      if (at_ == text_.size()) fail();
      const char c = text_[at_++];
      if (c == '"') return made;
      if (c != '\\') {
        made += c;
        continue;
      }
      if (at_ == text_.size()) fail();
      constexpr std::string_view from = "\"\\/bfnrt";
      constexpr std::string_view to = "\"\\/\b\f\n\r\t";
      const char escaped = text_[at_++];
      if (escaped == 'u') append_character(made, escaped_character());
      else if (const std::size_t which = from.find(escaped); which != std::string_view::npos) made += to[which];
      else fail();
    }
  }
  [[nodiscard]] std::uint32_t escaped_character() {
    const std::uint32_t first = four_digits();
    if (first < 0xd800 || first > 0xdfff) return first;
    // The first half of a character; a half alone is no text.
    if (first > 0xdbff || !text_.substr(at_).starts_with("\\u")) throw other_format("text that is not Unicode");
    at_ += 2;
    const std::uint32_t second = four_digits();
    if (second < 0xdc00 || second > 0xdfff) throw other_format("text that is not Unicode");
    return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
  }
  [[nodiscard]] std::uint32_t four_digits() {
    std::uint32_t x = 0;
    const std::string_view digits = text_.substr(at_, 4);
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), x, 16);
    if (digits.size() != 4 || error != std::errc() || stop != digits.data() + 4) fail();
    at_ += 4;
    return x;
  }

  std::string_view text_;
  std::size_t at_{};
};

PARMAP_INLINE json_value parse_json(std::string_view text) { return json_parser(text).whole(); }

PARMAP_INLINE const json_value* json_behind(const json_value& it, std::string_view key) {
  return it.is == json_value::kind::object && it.keys.size() == 1 && it.keys[0] == key ? &it.items[0] : nullptr;
}

// A scalar of NumPy within a list or dict is the number that it holds.
PARMAP_INLINE const json_value& without_numpy(const json_value& it) {
  const json_value* const scalar = json_behind(it, "__numpy__");
  return scalar != nullptr && scalar->items.size() == 2 ? scalar->items[1] : it;
}

PARMAP_INLINE bool boolean_of(const json_value& of) {
  const json_value& it = without_numpy(of);
  if (it.is != json_value::kind::boolean) throw other_format("no boolean");
  return it.truth;
}
PARMAP_INLINE double real_of(const json_value& of) {
  const json_value& it = without_numpy(of);
  if (it.is == json_value::kind::real) return it.real;
  constexpr std::int64_t most = std::int64_t{1} << 53;  // beyond it not every integer is a double
  if (it.is == json_value::kind::integer && it.integer >= -most && it.integer <= most)
    return static_cast<double>(it.integer);
  const json_value* const bits = json_behind(it, "__float__");
  if (bits == nullptr || bits->is != json_value::kind::text || bits->text.size() != 16)
    throw other_format("no real number");
  std::uint64_t x = 0;
  const char* const end = bits->text.data() + bits->text.size();
  if (const auto [stop, error] = std::from_chars(bits->text.data(), end, x, 16); error != std::errc() || stop != end)
    throw other_format("no real number");
  return std::bit_cast<double>(x);
}
PARMAP_INLINE std::int64_t integer_of(const json_value& of) {
  const json_value& it = without_numpy(of);
  if (it.is != json_value::kind::integer) throw other_format("no integer that fits");
  return it.integer;
}
PARMAP_INLINE std::uint64_t natural_of(const json_value& of) {
  const json_value& it = without_numpy(of);
  if (it.is == json_value::kind::natural) return it.natural;
  if (it.is != json_value::kind::integer || it.integer < 0) throw other_format("no integer that fits");
  return static_cast<std::uint64_t>(it.integer);
}
PARMAP_INLINE const std::string& text_of(const json_value& of) {
  const json_value& it = without_numpy(of);
  if (it.is != json_value::kind::text) throw other_format("no text");
  return it.text;
}
PARMAP_INLINE const std::vector<json_value>& items_of(const json_value& of) {
  const json_value* const tuple = json_behind(of, "__tuple__");
  const json_value& it = tuple != nullptr ? *tuple : of;
  if (it.is != json_value::kind::list) throw other_format("no list");
  return it.items;
}
PARMAP_INLINE std::vector<std::pair<json_value, json_value>> entries_of(const json_value& it) {
  std::vector<std::pair<json_value, json_value>> all;
  if (const json_value* const entries = json_behind(it, "__dict__"); entries != nullptr) {
    for (const json_value& each : entries->items) {
      if (each.items.size() != 2) throw other_format("no dict");
      all.emplace_back(each.items[0], each.items[1]);
    }
    return all;
  }
  if (it.is != json_value::kind::object) throw other_format("no dict");
  for (std::size_t k = 0; k < it.keys.size(); ++k) {
    if (it.keys[k].starts_with("__")) throw other_format("no dict");  // a dataclass, or what JSON has not
    json_value& key = all.emplace_back().first;
    key.is = json_value::kind::text;
    key.text = it.keys[k];
    all.back().second = it.items[k];
  }
  return all;
}

// ---- Writing

PARMAP_INLINE void json_writer::add(bool x) { text_ += x ? "true" : "false"; }

template <class Number>
std::string digits_of(Number x) {
  std::array<char, 64> digits{};
  return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), x).ptr};
}
PARMAP_INLINE void json_writer::add(std::int64_t x) { text_ += digits_of(x); }
PARMAP_INLINE void json_writer::add(std::uint64_t x) { text_ += digits_of(x); }

PARMAP_INLINE void json_writer::add(double x) {
  if (!std::isfinite(x)) {
    std::string bits(16, '0');
    std::array<char, 16> digits{};
    const char* const end = std::to_chars(digits.data(), digits.data() + 16, std::bit_cast<std::uint64_t>(x), 16).ptr;
    const auto size = static_cast<std::size_t>(end - digits.data());
    bits.replace(16 - size, size, digits.data(), size);
    text_ += R"({"__float__":")" + bits + "\"}";
    return;
  }
  // The fewest digits that give x again; an exponent from 1e16 on and below 1e-4.
  std::array<char, 64> digits{};
  const auto written = [&](std::chars_format how) {
    return std::string_view(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), x, how).ptr);
  };
  const std::string_view scientific = written(std::chars_format::scientific);
  const std::string_view exponent = scientific.substr(scientific.find('e') + 1);
  int place = 0;
  std::from_chars(exponent.data() + 1, exponent.data() + exponent.size(), place);
  if (exponent[0] == '-' ? place > 4 : place >= 16) {
    text_ += scientific;
    return;
  }
  const std::string_view fixed = written(std::chars_format::fixed);
  text_ += fixed;
  if (fixed.find('.') == std::string_view::npos) text_ += ".0";  // else it would be an integer
}

PARMAP_INLINE void json_writer::add(std::string_view x) {
  if (!is_utf8(x)) {
    whole_ = false;
    return;
  }
  const auto escape = [this](std::uint32_t unit) {
    constexpr std::string_view hex = "0123456789abcdef";
    text_ += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) text_ += hex[unit >> shift & 0xf];
  };
  text_ += '"';
  while (!x.empty()) {
    constexpr std::string_view special = "\"\\\b\f\n\r\t";
    constexpr std::string_view letters = "\"\\bfnrt";
    const std::uint32_t character = take_character(x);
    const char c = character < 0x80 ? static_cast<char>(character) : '\0';
    if (const std::size_t which = special.find(c); c != '\0' && which != std::string_view::npos)
      (text_ += '\\') += letters[which];
    else if (character >= 0x20 && character < 0x7f) text_ += c;
    else if (character < 0x10000) escape(character);
    else escape(0xd800 + ((character - 0x10000) >> 10)), escape(0xdc00 + ((character - 0x10000) & 0x3ff));
  }
  text_ += '"';
}

}  // namespace parmap::inline PARMAP_ABI::detail
