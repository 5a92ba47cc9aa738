// SPDX-License-Identifier: MIT
// The shared memory of a map with encoded results, without processes: the test itself acts as every worker.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/detail/encoding/encoded_slot.hpp>
#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/worker_arenas.hpp>
#include <parmap/detail/system/shared_memory.hpp>
#include <parmap/encoding.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>

class encoded_memory {
 public:
  encoded_memory(unsigned workers, std::uint64_t tasks, std::size_t arena)
      : slots_(parmap::detail::claim_ledger::bytes(workers)),
        memory_(slots_ + tasks * sizeof(parmap::detail::encoded_slot) + 16 + workers * arena),
        book_(memory_.data(), {.workers = workers}),
        arenas_(memory_, book_, slots_ + tasks * sizeof(parmap::detail::encoded_slot), memory_.size(), tasks) {}

  [[nodiscard]] const parmap::detail::shared_memory& memory() const { return memory_; }
  [[nodiscard]] parmap::detail::claim_ledger& book() { return book_; }
  [[nodiscard]] const parmap::detail::worker_arenas& arenas() const { return arenas_; }
  [[nodiscard]] parmap::detail::encoded_slot* slots() const {
    return reinterpret_cast<parmap::detail::encoded_slot*>(memory_.bytes() + slots_);
  }

  // Stores the result of task i as worker w does.
  template <class T>
  void put(unsigned w, std::uint64_t i, const T& value) {
    parmap::detail::byte_writer bytes = arenas_.writer(w).append();
    parmap::encoder(bytes).put(value);
    slots()[i] = arenas_.writer(w).commit(bytes, i);
  }

 private:
  std::size_t slots_;
  parmap::detail::shared_memory memory_;
  parmap::detail::claim_ledger book_;
  parmap::detail::worker_arenas arenas_;
};
