// SPDX-License-Identifier: MIT
// element_feed: an axis that is read as the stream goes, as the stream's loop sees it.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

class shared_elements;

// Used by the caller's thread only. Each element has the same number of tasks: element e has tasks [e k, (e + 1) k).
class element_feed {
 public:
  element_feed() = default;
  element_feed(const element_feed&) = delete;
  element_feed& operator=(const element_feed&) = delete;
  virtual ~element_feed() = default;

  // Reads the next element; false if there is none. What the range throws passes.
  virtual bool read_one() = 0;
  // An outcome of element e has been taken. Once all have, the element is dropped.
  virtual void one_is_taken(std::uint64_t e) = 0;
  // Whether there is a place for the next element: it may be this many elements ahead of the first that is not dropped.
  [[nodiscard]] virtual bool has_room() const noexcept = 0;
  // The memory that the elements take which are not dropped, as far as it is known.
  [[nodiscard]] virtual std::uint64_t bytes() const noexcept = 0;
  // From now on elements go into this memory, encoded. Before the first is read.
  virtual void share(shared_elements& to) = 0;

  [[nodiscard]] std::uint64_t read() const noexcept { return read_; }
  [[nodiscard]] std::uint64_t tasks_of_one() const noexcept { return tasks_of_one_; }
  void set_tasks_of_one(std::uint64_t k) noexcept { tasks_of_one_ = k; }

 protected:
  std::uint64_t read_{};

 private:
  std::uint64_t tasks_of_one_{1};
};

}  // namespace parmap::inline PARMAP_ABI::detail
