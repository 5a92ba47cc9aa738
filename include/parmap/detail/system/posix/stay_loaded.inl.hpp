// SPDX-License-Identifier: MIT
// The bodies of stay_loaded.hpp on Linux and macOS.
#pragma once

#include <parmap/detail/system/stay_loaded.hpp>

#include <dlfcn.h>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void stay_loaded() noexcept {
#if defined(__PIC__) && !defined(__PIE__)  // only such code can be in a shared object
  static const bool pinned = [] {
    Dl_info here{};
    if (::dladdr(reinterpret_cast<const void*>(&stay_loaded), &here) == 0 || here.dli_fname == nullptr) return false;
    // The handle is never closed. It is null for the program itself, which cannot be unloaded.
    return ::dlopen(here.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE) != nullptr;
  }();
  static_cast<void>(pinned);
#endif
}

}  // namespace parmap::inline PARMAP_ABI::detail
