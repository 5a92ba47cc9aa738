// SPDX-License-Identifier: MIT
// A list of objects that carry their own links: an object leaves it in O(1), and allocates nothing.
#pragma once

namespace parmap::detail {

// In at most one list. It must leave before it dies.
class linked {
 public:
  linked() = default;
  linked(const linked&) = delete;
  linked& operator=(const linked&) = delete;

  [[nodiscard]] bool is_linked() const noexcept { return after_ != this; }
  void unlink() noexcept {
    before_->after_ = after_;
    after_->before_ = before_;
    before_ = after_ = this;
  }

 protected:
  ~linked() = default;

 private:
  friend class linked_list;

  linked* before_{this};
  linked* after_{this};
};

class linked_list {
 public:
  [[nodiscard]] bool empty() const noexcept { return !ring_.is_linked(); }
  [[nodiscard]] linked& front() const noexcept { return *ring_.after_; }
  void push_back(linked& it) noexcept {
    it.before_ = ring_.before_;
    it.after_ = &ring_;
    ring_.before_->after_ = &it;
    ring_.before_ = &it;
  }

 private:
  struct head final : linked {};

  head ring_;
};

}  // namespace parmap::detail
