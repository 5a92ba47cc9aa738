// SPDX-License-Identifier: MIT
// loaded_code: the code of the program and its shared libraries that is loaded at one moment.
#pragma once

#include <parmap/detail/config.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// A process that is forked now has the code that is loaded now. Whether it also has the code at an address of later is
// asked in the process that forked it. Any thread may ask at any time.
class loaded_code {
 public:
  // Takes note of the code that is loaded. Throws std::bad_alloc.
  PARMAP_API loaded_code();
  loaded_code(const loaded_code&) = delete;
  loaded_code& operator=(const loaded_code&) = delete;
  PARMAP_API ~loaded_code();

  // Whether code was loaded at this address then, and is still the same now: dlclose may have given the address to
  // another library meanwhile. Some tens of ns; some µs for the first address in a library after a dlclose.
  [[nodiscard]] PARMAP_API bool contains(const void* address) const noexcept;

 private:
  struct object;
  struct segment {
    std::uintptr_t begin;
    std::uintptr_t end;
    const object* of;
  };

  std::vector<std::unique_ptr<object>> objects_;
  std::vector<segment> segments_;  // by address
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/loaded_code.inl.hpp>
#endif
