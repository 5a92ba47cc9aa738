// SPDX-License-Identifier: MIT
// sent_numbers: which tasks of a space are to run, where a store has the outcomes of the others, as a pool's workers
// are told it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/space/renumbering.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Tasks whose indices and random streams are consecutive are one run.
class sent_numbers final : public renumbering {
 public:
  // Null: all tasks run, and nothing is written.
  PARMAP_API explicit sent_numbers(const renumbering* of);
  PARMAP_API ~sent_numbers();
  PARMAP_API void write(byte_writer& to) const;
  // What write() has written behind other bytes, up to the end; null if nothing follows. Throws bad_encoding if the
  // bytes are damaged, or name a task beyond `tasks`.
  [[nodiscard]] PARMAP_API static std::unique_ptr<sent_numbers> read(byte_reader& from, std::uint64_t tasks);

  [[nodiscard]] std::uint64_t size() const noexcept override { return size_; }
  [[nodiscard]] std::uint64_t index(std::uint64_t k) const noexcept override;
  [[nodiscard]] std::uint64_t stream(std::uint64_t k) const noexcept override;

 private:
  struct run {
    std::uint64_t first;   // among the tasks that run
    std::uint64_t index;   // of that task
    std::uint64_t stream;  // of its random numbers
  };

  [[nodiscard]] const run& run_of(std::uint64_t k) const noexcept;

  std::vector<run> runs_;
  std::uint64_t size_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/pools/sent_numbers.inl.hpp>
#endif
