// SPDX-License-Identifier: MIT
// The innermost map of this thread, as hooks and codecs find it.
#pragma once

namespace parmap::python {

class worker_setup;
class value_transport;

struct map_of_thread {
  worker_setup* setup{};
  const value_transport* transport{};
};
inline thread_local map_of_thread current_map;

/// Lives around each call of Python code by an engine: that may switch to another greenlet of this thread, which may be
/// in a map of its own, and come back while that is not over.
class call_out {
 public:
  call_out() = default;
  call_out(const call_out&) = delete;
  call_out& operator=(const call_out&) = delete;
  ~call_out() { current_map = mine_; }

 private:
  map_of_thread mine_{current_map};
};

}  // namespace parmap::python
