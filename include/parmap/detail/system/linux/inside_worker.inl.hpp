// SPDX-License-Identifier: MIT
// The bodies of inside_worker.hpp on Linux. Copies of the library share no symbol: one may be of another version, or
// loaded by dlopen apart from the others. They share the environment.
#pragma once

#include <parmap/detail/system/fork_generation.hpp>
#include <parmap/detail/system/inside_worker.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

inline constexpr const char* worker_variable = "PARMAP_WORKER_PID";

// What was found out in this generation of processes: twice its number, and one more if it is a worker.
PARMAP_INLINE std::atomic<std::uint64_t>& known_about_worker() noexcept {
  static std::atomic<std::uint64_t> known{~std::uint64_t{0}};
  return known;
}

PARMAP_INLINE bool inside_worker() noexcept {
  const std::uint64_t generation = fork_generation();
  const std::uint64_t known = known_about_worker().load(std::memory_order_relaxed);
  if (known >> 1 == generation) return (known & 1) != 0;
  const bool inherited = known != ~std::uint64_t{0} && (known & 1) != 0;
  const char* const pid = std::getenv(worker_variable);
  const bool inside = inherited || (pid != nullptr && std::atol(pid) == ::getpid());
  known_about_worker().store(generation << 1 | (inside ? 1U : 0U), std::memory_order_relaxed);
  return inside;
}

// The environment of a worker, in static memory: each page of memory or of code that a worker is the first to touch
// costs it about a microsecond.
struct worker_environment {
  std::array<char, 48> entry;
  std::array<char*, 1024> all;
};

// Not by setenv: another thread of the caller may have held its lock at the fork. The entry stays where it is.
PARMAP_INLINE void add_to_environment(worker_environment& mine) noexcept {
  if (environ != nullptr && environ[0] == mine.entry.data()) return;  // from a worker whose task has made this one
  std::size_t size = 0;
  while (environ != nullptr && environ[size] != nullptr) ++size;
  char** const all = size + 2 <= mine.all.size() ? mine.all.data() : new (std::nothrow) char*[size + 2];
  if (all == nullptr) return;  // only other copies would ask
  std::copy_n(environ, size, all + 1);
  all[0] = mine.entry.data();
  all[size + 1] = nullptr;
  environ = all;
}

PARMAP_INLINE void enter_worker() noexcept {
  static worker_environment mine;
  char* const value = std::ranges::copy(std::string_view(worker_variable), mine.entry.data()).out;
  *value = '=';
  *std::to_chars(value + 1, mine.entry.data() + mine.entry.size() - 1, ::getpid()).ptr = '\0';
  add_to_environment(mine);
  known_about_worker().store(fork_generation() << 1 | 1, std::memory_order_relaxed);
}

}  // namespace parmap::inline PARMAP_ABI::detail
