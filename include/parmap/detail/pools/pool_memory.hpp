// SPDX-License-Identifier: MIT
// pool_memory: the memory of a pool besides that of its stream: what its tasks are, what they run on, and which of them
// are to end.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/pools/batch_table.hpp>
#include <parmap/detail/processes/stream_layout.hpp>
#include <parmap/detail/processes/supervisor_client.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/detail/streams/shared_heap.hpp>
#include <parmap/detail/system/futex.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

// The caller writes all of it. A worker changes only the state of a batch that it begins, and tells which large inputs
// it holds.
class pool_memory final : public stream_annex, public task_orders {
 public:
  explicit pool_memory(unsigned workers) noexcept : workers_(workers) {}

  // ---- by the caller

  [[nodiscard]] shared_heap& heap() noexcept { return *heap_; }
  // Worker w is to be killed if it runs this task.
  void end(unsigned w, std::uint64_t task) noexcept { of_[w].ends.set(task + 1); }
  // Nobody uses the inputs of this number any more. Whether a worker holds them: it has to be woken then.
  [[nodiscard]] bool take_back(std::uint64_t inputs) noexcept {
    bool held = false;
    for (unsigned w = 0; w < workers_; ++w)
      if (auto& holds = of_[w].holds; holds.get() == inputs) held = holds.set_if(inputs, 0) == inputs || held;
    return held;
  }
  // No attempt may take less, of those that may run now; 0: none has a limit.
  void set_shortest_limit(std::uint64_t ns) noexcept { shortest_->set(ns); }

  // ---- by the caller and by workers, each of which has a copy

  [[nodiscard]] batch_table& table() noexcept { return *table_; }
  [[nodiscard]] const std::byte* at(std::uint64_t offset) const noexcept { return memory_ + offset; }
  // Whether these bytes lie in the heap.
  [[nodiscard]] bool contains(const sent_bytes& it) const noexcept {
    return it.offset >= heap_begin_ && it.offset < end_ && it.size <= end_ - it.offset;
  }

  // ---- by worker w

  // It keeps a copy of these large inputs as long as is_held() says so.
  void hold(unsigned w, std::uint64_t inputs) noexcept { of_[w].holds.set(inputs); }
  [[nodiscard]] bool is_held(unsigned w, std::uint64_t inputs) const noexcept { return of_[w].holds.get() == inputs; }

  // ---- by the supervisor

  [[nodiscard]] std::chrono::nanoseconds shortest_limit() const noexcept override {
    const std::uint64_t ns = shortest_->get();
    return ns == 0 ? no_limit : std::chrono::nanoseconds(ns);
  }
  [[nodiscard]] bool ends(unsigned w, std::uint64_t task) const noexcept override {
    return of_[w].ends.get() == task + 1;
  }

 private:
  struct alignas(64) words_of_worker {
    shared_word<"ends"> ends;    // the task that it is to be killed in, and 1; 0: none
    shared_word<"holds"> holds;  // the number of the large inputs that it keeps; 0: none
  };

  [[nodiscard]] std::size_t table_begin() const noexcept {
    return (sizeof(shared_word<"shortest">) + 63) / 64 * 64 + workers_ * sizeof(words_of_worker);
  }
  [[nodiscard]] std::size_t table_bytes() const noexcept override { return table_begin() + batch_table::bytes; }
  void take(std::byte* memory, std::size_t begin, std::size_t end) override {
    memory_ = memory;
    end_ = end;
    heap_begin_ = begin + table_bytes();
    void* const shortest = memory + begin;
    shortest_ = static_cast<shared_word<"shortest">*>(shortest);
    void* const words = memory + begin + table_begin() - workers_ * sizeof(words_of_worker);
    of_ = static_cast<words_of_worker*>(words);
    table_.emplace(memory + begin + table_begin());
    heap_.emplace(memory, heap_begin_, end);
  }

  unsigned workers_;
  std::byte* memory_{};
  std::size_t heap_begin_{};
  std::size_t end_{};
  shared_word<"shortest">* shortest_{};
  words_of_worker* of_{};
  std::optional<batch_table> table_;
  std::optional<shared_heap> heap_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
