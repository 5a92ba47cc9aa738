// SPDX-License-Identifier: MIT
// The bodies of sent_store.hpp.
#pragma once

#include <parmap/detail/encoding/checksum.hpp>
#include <parmap/detail/pools/sent_store.hpp>

#include <cstddef>
#include <iterator>
#include <new>
#include <system_error>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::shared_ptr<kept_function> sent_store::keep_function(std::vector<std::byte> bytes) {
  const std::lock_guard lock(lock_);
  if (const auto found = known_.find(text_of(bytes)); found != known_.end()) {
    used_.splice(used_.begin(), used_, found->second);
    return used_.front();
  }
  const auto made = std::make_shared<kept_function>();
  made->bytes = std::move(bytes);
  functions one{made};
  known_.emplace(text_of(made->bytes), one.begin());
  try {
    made->where = store([&](byte_writer& to) { to.write(made->bytes.data(), made->bytes.size()); });
  } catch (...) {
    known_.erase(text_of(made->bytes));
    throw;
  }
  used_.splice(used_.begin(), one);
  function_bytes_ += made->bytes.size();
  drop_old();
  return made;
}

PARMAP_INLINE kept_inputs sent_store::keep_inputs(const write& encode) {
  const std::lock_guard lock(lock_);
  drop_old();
  const auto made = std::make_shared<in_use>(dropped_);
  made->what() = store(encode);
  return {made, &made->what()};
}

PARMAP_INLINE sent_bytes sent_store::store(const write& encode) {
  shared_heap& heap = memory_.heap();
  const shared_heap::block made = heap.keep(heap.draft(encode));
  const std::uint64_t number = ++newest_;
  return {number, made.offset, made.size, checksum(heap.at(made.offset), made.size, number)};
}

PARMAP_INLINE void sent_store::drop_inputs() {
  bool held = false;
  {
    const std::lock_guard lock(dropped_->lock);
    for (auto& all = dropped_->all; !all.empty(); all.pop_back()) {
      const sent_bytes& each = all.back();
      memory_.heap().drop({each.offset, each.size});
      if (each.size >= much_memory) held = memory_.take_back(each.number) || held;
    }
    dropped_->any_large = false;
  }
  if (held) wake_();
}

PARMAP_INLINE void sent_store::drop_old() {
  drop_inputs();
  // At most two at a time, of which one makes room for the next function: those in use pass to the front.
  for (int k = 0; k < 2 && used_.size() > 1 && (used_.size() > most_unused || function_bytes_ > much_memory); ++k) {
    if (used_.back().use_count() > 1) {
      used_.splice(used_.begin(), used_, std::prev(used_.end()));
      continue;
    }
    const kept_function& oldest = *used_.back();
    memory_.heap().drop({oldest.where.offset, oldest.where.size});
    known_.erase(text_of(oldest.bytes));
    function_bytes_ -= oldest.bytes.size();
    used_.pop_back();
  }
}

PARMAP_INLINE void sent_store::drop_unused() noexcept {
  const std::lock_guard lock(lock_);
  try {
    drop_old();
  } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): the next time
  }
}

PARMAP_INLINE kept_inputs sent_store::keep_foreign_inputs(const write& encode) {
  std::unique_ptr<shared_memory> space;
  {
    const std::lock_guard lock(lock_);
    space = std::move(draft_);
  }
  if (space == nullptr) space = std::make_unique<shared_memory>(draft_memory());
  byte_writer draft(space->bytes(), space->bytes() + space->size());
  encode(draft);
  kept_inputs made = keep_inputs([&draft](byte_writer& to) { to.write(draft.data(), draft.written()); });
  constexpr std::size_t much = 1 << 20;
  if (draft.written() > much) space.reset();
  const std::lock_guard lock(lock_);
  draft_ = std::move(space);
  return made;
}

// As much address space as the system permits; only what is written costs memory.
PARMAP_INLINE shared_memory sent_store::draft_memory() {
  for (std::size_t size = std::size_t{16} << 30;; size /= 2) try {
      return shared_memory(size);
    } catch (const std::system_error&) {
      if (size <= std::size_t{1} << 20) throw std::bad_alloc();
    }
}

}  // namespace parmap::inline PARMAP_ABI::detail
