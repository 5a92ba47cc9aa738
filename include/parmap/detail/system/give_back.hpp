// SPDX-License-Identifier: MIT
// give_back: memory whose contents nobody needs any more goes back to the system.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstddef>

#if PARMAP_LINUX
#include <parmap/detail/system/linux/release_pages.hpp>
#else
#include <parmap/detail/system/portable/release_pages.hpp>
#endif

namespace parmap::inline PARMAP_ABI::detail {

// Less than this is kept for the next use: new pages cost time.
inline constexpr std::size_t much_memory = std::size_t{16} << 20;

// Much shared memory: its whole pages go back, in all processes that share them, and are zero when they are used again.
// No effect for less, and where the system refuses it.
inline void give_back(const std::byte* begin, std::size_t size) noexcept {
  if (size >= much_memory) release_pages(begin, size);
}

// Writes a draft by write(to). If it throws, nothing of the draft stays.
template <class Writer, class Write>
void write_or_give_back(Writer& to, const Write& write) {
  try {
    write(to);
  } catch (...) {
    give_back(to.data(), to.written());
    throw;
  }
}

}  // namespace parmap::inline PARMAP_ABI::detail
