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
        // Everything mapped so far is also the parent's, for good. The parent's other maps do not run here.
        ++forks_;
        maps_ = 0;
        streams_.clear();
        gate_.unlock();
      });
  static_cast<void>(done);  // fails only if memory is out: no map has begun yet
}

}  // namespace parmap::python
