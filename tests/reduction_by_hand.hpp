// SPDX-License-Identifier: MIT
// What map_reduce and fold promise, written down as a recursion over all tasks. Tests compare with it.
#pragma once

#include <parmap/failure.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace by_hand {

// The tasks [b, e).
struct tasks {
  std::uint64_t b;
  std::uint64_t e;
};

template <class T>
struct reduction {
  std::uint64_t n;
  std::uint64_t block;
  std::function<std::optional<T>(std::uint64_t block)> start;     // the accumulator before a block's first task
  std::function<T(std::optional<T> before, std::uint64_t i)> go;  // with the value of task i
  std::function<T(const T& a, const T& b)> combine;
  std::function<bool(std::uint64_t i)> failed = [](std::uint64_t) { return false; };
  std::function<bool(tasks)> combination_failed = [](tasks) { return false; };

  [[nodiscard]] T value() const {
    if (n == 0) return *start(0);
    std::uint64_t width = 1;  // of the whole tree, in blocks
    while (width * block < n) width *= 2;
    return *node(0, width);
  }

 private:
  // Blocks [b, b + width), of which those behind the last are missing.
  [[nodiscard]] std::optional<T> node(std::uint64_t b, std::uint64_t width) const {
    if (b * block >= n) return {};
    if (width == 1) return leaf(b);
    const auto left = node(b, width / 2);
    const auto right = node(b + width / 2, width / 2);
    if (!left || !right || combination_failed({b * block, std::min((b + width) * block, n)}))
      return left ? left : right;
    return combine(*left, *right);
  }
  // The value of a block of whose tasks none has succeeded is left out, except that of block 0.
  [[nodiscard]] std::optional<T> leaf(std::uint64_t b) const {
    std::optional<T> all = start(b);
    bool any = b == 0;
    for (std::uint64_t i = b * block; i < std::min((b + 1) * block, n); ++i)
      if (!failed(i)) {
        all = go(std::move(all), i);
        any = true;
      }
    return any ? all : std::nullopt;
  }
};

// The tasks that a failure says were combined.
inline std::optional<tasks> combined_in(const parmap::failure& why) {
  const std::string front = "combining tasks ";
  if (why.message.rfind(front, 0) != 0) return {};
  std::size_t used = 0;
  const std::uint64_t first = std::stoull(why.message.substr(front.size()), &used);
  return tasks{first, std::stoull(why.message.substr(front.size() + used + 2)) + 1};
}

// Leaves out the tasks of these failures; or, where two parts could not be combined, the right one.
template <class T>
void leave_out(reduction<T>& it, const parmap::failure_list& failures) {
  std::set<std::uint64_t> failed;
  std::set<std::pair<std::uint64_t, std::uint64_t>> combinations;
  for (const parmap::failure& why : failures) {
    const auto range = combined_in(why);
    if (range && range->e - range->b > it.block) combinations.emplace(range->b, range->e);
    else failed.insert(why.index);
  }
  it.failed = [failed](std::uint64_t i) { return failed.contains(i); };
  it.combination_failed = [combinations](tasks of) { return combinations.contains({of.b, of.e}); };
}

// The reduction of map_reduce(f, op, init, 0 .. n - 1).
template <class T, class F, class Op>
reduction<T> map_reduce(const F& f, const Op& op, const T& init, std::uint64_t n) {
  return {.n = n,
          .block = 512,
          .start = [=](std::uint64_t b) { return b == 0 ? std::optional<T>(init) : std::nullopt; },
          .go = [=](std::optional<T> before, std::uint64_t i) { return before ? op(*before, T(f(i))) : T(f(i)); },
          .combine = [=](const T& a, const T& b) { return op(a, b); }};
}

// The reduction of fold(identity, step, merge, 0 .. n - 1).
template <class T, class Step, class Merge>
reduction<T> fold(const T& identity, const Step& step, const Merge& merge, std::uint64_t n) {
  return {.n = n,
          .block = n < 2048 ? 1 : std::min<std::uint64_t>(n / 1024, 512),
          .start = [=](std::uint64_t) { return std::optional<T>(identity); },
          .go =
              [=](std::optional<T> before, std::uint64_t i) {
                step(*before, i);
                return *before;
              },
          .combine =
              [=](T a, const T& b) {
                merge(a, b);
                return a;
              }};
}

}  // namespace by_hand
