// SPDX-License-Identifier: MIT
// intrusive_list: a list of objects that contain their own links; it removes an object in O(1) and never allocates.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// A node is in at most one list, and must be unlinked before it is destroyed.
class list_node {
 public:
  list_node() = default;
  list_node(const list_node&) = delete;
  list_node& operator=(const list_node&) = delete;

  [[nodiscard]] bool is_linked() const noexcept { return after_ != this; }
  void unlink() noexcept {
    before_->after_ = after_;
    after_->before_ = before_;
    before_ = after_ = this;
  }

 protected:
  ~list_node() = default;

 private:
  friend class intrusive_list;

  list_node* before_{this};
  list_node* after_{this};
};

class intrusive_list {
 public:
  [[nodiscard]] bool empty() const noexcept { return !ring_.is_linked(); }
  [[nodiscard]] list_node& front() const noexcept { return *ring_.after_; }
  void push_back(list_node& it) noexcept {
    it.before_ = ring_.before_;
    it.after_ = &ring_;
    ring_.before_->after_ = &it;
    ring_.before_ = &it;
  }

 private:
  struct head final : list_node {};

  head ring_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
