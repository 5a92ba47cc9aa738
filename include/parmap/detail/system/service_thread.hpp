// SPDX-License-Identifier: MIT
// service_thread: starts a thread that works for a map beside its workers.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/signal_mask.hpp>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Starts a thread that runs `serve` and takes no signal of the program. It has begun when this returns, and allocates
// nothing any more until `serve` does: the caller is about to fork, and not every allocator (that of ASan in g++ 12)
// keeps a process from being forked while another thread is inside it. Such a process would wait for ever.
// Throws std::system_error if no thread can be had.
template <class Serve>
[[nodiscard]] std::thread service_thread(Serve serve) {
  std::mutex mutex;
  std::condition_variable news;
  bool begun = false;
  std::unique_lock lock(mutex);
  const signals_blocked here;
  std::thread made([&mutex, &news, &begun, serve = std::move(serve)] {
    {
      const std::scoped_lock turn(mutex);
      begun = true;
      news.notify_one();  // under the lock: the three end once the starter has it
    }
    serve();
  });
  news.wait(lock, [&] { return begun; });
  return made;
}

}  // namespace parmap::inline PARMAP_ABI::detail
