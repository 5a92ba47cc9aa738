// SPDX-License-Identifier: MIT
// The bodies of stay_loaded.hpp on Windows.
#pragma once

#include <parmap/detail/system/stay_loaded.hpp>
#include <parmap/detail/system/windows/windows_header.hpp>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void stay_loaded() noexcept {
  static const bool pinned = [] {
    HMODULE here{};
    constexpr DWORD how = GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
    return ::GetModuleHandleExW(how, reinterpret_cast<LPCWSTR>(&stay_loaded), &here) != 0;
  }();
  static_cast<void>(pinned);
}

}  // namespace parmap::inline PARMAP_ABI::detail
