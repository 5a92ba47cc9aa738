// SPDX-License-Identifier: MIT
#include "fork_counter.hpp"

#include <pthread.h>

namespace parmap::python {

void fork_counter::begin() {
  static const int done = ::pthread_atfork(
      [] {
        gate_.lock();
        if (!forking_worker_) ++forks_;
      },
      [] { gate_.unlock(); },
      [] {
        // What is mapped so far is the parent's as well, for good; and its other maps are none of ours.
        ++forks_;
        maps_ = 0;
        gate_.unlock();
      });
  static_cast<void>(done);  // out of memory, at the import of a module: nothing has been shared yet
}

}  // namespace parmap::python
