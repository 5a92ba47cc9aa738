// SPDX-License-Identifier: MIT
// start_detached_thread: as std::thread and detach, with a stack of a given size.
#pragma once

#include <parmap/detail/config.hpp>

#include <pthread.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// `stack`: in bytes; 0: the usual size. Throws std::system_error, std::bad_alloc.
inline void start_detached_thread(std::size_t stack, std::function<void()> body) {
  auto mine = std::make_unique<std::function<void()>>(std::move(body));
  pthread_attr_t how{};
  int error = ::pthread_attr_init(&how);
  if (error == 0) {
    error = ::pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED);
    if (error == 0 && stack != 0) error = ::pthread_attr_setstacksize(&how, stack);
    pthread_t started{};
    const auto run = [](void* given) -> void* {
      const std::unique_ptr<std::function<void()>> owned(static_cast<std::function<void()>*>(given));
      (*owned)();
      return nullptr;
    };
    if (error == 0) error = ::pthread_create(&started, &how, run, mine.get());
    ::pthread_attr_destroy(&how);
  }
  if (error != 0) throw std::system_error(error, std::generic_category(), "parmap: cannot start a thread");
  const auto* const given = mine.release();  // the thread has it
  static_cast<void>(given);
}

}  // namespace parmap::inline PARMAP_ABI::detail
