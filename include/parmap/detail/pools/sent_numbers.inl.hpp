// SPDX-License-Identifier: MIT
// The bodies of sent_numbers.hpp.
#pragma once

#include <parmap/detail/pools/sent_numbers.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE sent_numbers::sent_numbers(const renumbering* of) {
  if (of == nullptr) return;
  size_ = of->size();
  for (std::uint64_t k = 0; k < size_; ++k) {
    const std::uint64_t index = of->index(k);
    const std::uint64_t stream = of->stream(k);
    if (!runs_.empty()) {
      const std::uint64_t behind = k - runs_.back().first;
      if (runs_.back().index + behind == index && runs_.back().stream + behind == stream) continue;
    }
    runs_.push_back({k, index, stream});
  }
}

PARMAP_INLINE sent_numbers::~sent_numbers() = default;

PARMAP_INLINE void sent_numbers::write(byte_writer& to) const {
  if (size_ == 0) return;
  const std::array<std::uint64_t, 2> head{size_, runs_.size()};
  to.write(head.data(), sizeof head);
  to.write(runs_.data(), runs_.size() * sizeof(run));
}

PARMAP_INLINE std::unique_ptr<sent_numbers> sent_numbers::read(byte_reader& from, std::uint64_t tasks) {
  if (from.left() == 0) return nullptr;
  std::array<std::uint64_t, 2> head{};
  std::memcpy(head.data(), from.read(sizeof head), sizeof head);
  const auto& [size, count] = head;
  if (count == 0 || count > from.left() / sizeof(run)) throw bad_encoding("the numbers of a pool's tasks are damaged");
  auto made = std::make_unique<sent_numbers>(nullptr);
  made->size_ = size;
  made->runs_.resize(static_cast<std::size_t>(count));
  std::memcpy(made->runs_.data(), from.read(made->runs_.size() * sizeof(run)), made->runs_.size() * sizeof(run));
  from.expect_end();
  for (std::size_t i = 0; i < made->runs_.size(); ++i) {
    const run& each = made->runs_[i];
    const std::uint64_t end = i + 1 < made->runs_.size() ? made->runs_[i + 1].first : size;
    const bool in_order = end > each.first && (i > 0 || each.first == 0);
    if (!in_order || each.index >= tasks || end - each.first > tasks - each.index)
      throw bad_encoding("a pool's batch has tasks without inputs");
  }
  return made;
}

PARMAP_INLINE const sent_numbers::run& sent_numbers::run_of(std::uint64_t k) const noexcept {
  return *std::prev(std::ranges::upper_bound(runs_, k, {}, &run::first));
}
PARMAP_INLINE std::uint64_t sent_numbers::index(std::uint64_t k) const noexcept {
  const run& found = run_of(k);
  return found.index + (k - found.first);
}
PARMAP_INLINE std::uint64_t sent_numbers::stream(std::uint64_t k) const noexcept {
  const run& found = run_of(k);
  return found.stream + (k - found.first);
}

}  // namespace parmap::inline PARMAP_ABI::detail
