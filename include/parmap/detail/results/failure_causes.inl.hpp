// SPDX-License-Identifier: MIT
// The bodies of failure_causes.hpp.
#pragma once

#include <parmap/detail/results/failure_causes.hpp>

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <utility>

namespace parmap::inline PARMAP_ABI {

namespace detail {

PARMAP_INLINE bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
PARMAP_INLINE bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// The end of the number that begins at text[at]: digits with points between them, an exponent, or hexadecimal digits
// behind 0x. `at` itself if there is none, or if it belongs to a name, such as int32.
PARMAP_INLINE std::size_t end_of_number(std::string_view text, std::size_t at) noexcept {
  const auto is = [text](std::size_t i, auto test) { return i < text.size() && test(text[i]); };
  const auto is_hex = [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); };
  const auto is_sign = [](char c) { return c == '-' || c == '+'; };
  std::size_t i = at;
  if (at > 0 && (is_letter(text[at - 1]) || is_digit(text[at - 1]))) return at;
  if (is(i, is_sign) && is(i + 1, is_digit)) ++i;
  if (!is(i, is_digit)) return at;
  if (text[i] == '0' && is(i + 1, [](char c) { return c == 'x'; }) && is(i + 2, is_hex)) {
    for (i += 2; is(i, is_hex);) ++i;
    return i;
  }
  for (;;) {
    while (is(i, is_digit)) ++i;
    if (is(i, [](char c) { return c == '.'; }) && is(i + 1, is_digit)) ++i;
    else break;
  }
  if (is(i, [](char c) { return c == 'e' || c == 'E'; })) {
    const std::size_t exponent = is(i + 1, is_sign) ? i + 2 : i + 1;
    if (is(exponent, is_digit))
      for (i = exponent; is(i, is_digit);) ++i;
  }
  return i;
}

PARMAP_INLINE std::string without_numbers(std::string_view text) {
  std::string made;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = end_of_number(text, i);
    if (end == i) {
      made += text[i++];
    } else {
      made += "...";
      i = end;
    }
  }
  return made;
}

PARMAP_INLINE std::string key_of_cause(const failure& why) {
  const bool death = why.kind == failure_kind::crashed || why.kind == failure_kind::exited;
  std::string key(to_string(why.kind));
  key += death ? why.message : without_numbers(why.message);
  return key;
}

PARMAP_INLINE void failure_causes::add(const failure& first, std::uint64_t count) {
  all_.push_back({key_of_cause(first), &first, count});
}

// Heap sort, as in sort_runs.
PARMAP_INLINE std::vector<failure_cause> failure_causes::take() && {
  const auto sort = [](auto& all, const auto& before) {
    std::make_heap(all.begin(), all.end(), before);
    std::sort_heap(all.begin(), all.end(), before);
  };
  sort(all_, [](const entry& a, const entry& b) {
    const int order = a.key.compare(b.key);
    return order != 0 ? order < 0 : a.first->index < b.first->index;
  });
  std::vector<failure_cause> causes;
  const std::string* key = nullptr;  // of the last cause
  for (const entry& each : all_) {
    if (key == nullptr || *key != each.key) {
      causes.push_back({*each.first, each.count, each.first->message});
      key = &each.key;
      continue;
    }
    failure_cause& cause = causes.back();
    cause.count += each.count;
    if (cause.message != each.first->message) cause.message = without_numbers(cause.message);
  }
  sort(causes, [](const failure_cause& a, const failure_cause& b) {
    return a.count != b.count ? a.count > b.count : a.first.index < b.first.index;
  });
  return causes;
}

PARMAP_INLINE std::string kind_and_message(failure_kind kind, std::string_view message) {
  std::string text;
  for (const char c : to_string(kind)) text += c == '_' ? ' ' : c;
  if (!message.empty()) text += ": ";
  for (const char c : message) text += c == '\n' || c == '\r' ? ' ' : c;
  return text;
}

PARMAP_INLINE std::string format_causes(const std::vector<failure_cause>& all) {
  std::string text;
  for (std::size_t k = 0; k < all.size() && k < most_shown; ++k) text += "\n  " + to_string(all[k]);
  if (all.size() > most_shown) {
    std::uint64_t others = 0;
    for (std::size_t k = most_shown; k < all.size(); ++k) others += all[k].count;
    text += "\n  and " + std::to_string(others) + " more, of " + std::to_string(all.size() - most_shown) +
            (all.size() - most_shown == 1 ? " other cause" : " other causes");
  }
  return text;
}

}  // namespace detail

PARMAP_INLINE std::string to_string(const failure_cause& why) {
  if (why.count == 1) return to_string(why.first);
  const std::string inputs = why.first.inputs.empty() ? "" : " (" + why.first.inputs + ')';
  return std::to_string(why.count) + " x " + detail::kind_and_message(why.first.kind, why.message) + "; first task " +
         std::to_string(why.first.index) + inputs;
}

PARMAP_INLINE std::ostream& operator<<(std::ostream& out, const failure_cause& why) { return out << to_string(why); }

}  // namespace parmap::inline PARMAP_ABI
