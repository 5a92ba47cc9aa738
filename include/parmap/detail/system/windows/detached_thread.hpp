// SPDX-License-Identifier: MIT
// start_detached_thread on Windows.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstddef>
#include <functional>
#include <thread>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Each stack has the usual size: only Python asks for another one, on Linux. Throws std::system_error, std::bad_alloc.
inline void start_detached_thread(std::size_t /*stack*/, std::function<void()> body) {
  std::thread(std::move(body)).detach();
}

}  // namespace parmap::inline PARMAP_ABI::detail
