// SPDX-License-Identifier: MIT
// The bodies of this_process.hpp on Windows.
#pragma once

#include <parmap/detail/system/this_process.hpp>
#include <parmap/detail/system/windows/windows_header.hpp>

#include <array>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE int process_id() noexcept { return static_cast<int>(::GetCurrentProcessId()); }

PARMAP_INLINE std::string program_name() {
  std::array<char, 1024> path{};
  const DWORD size = ::GetModuleFileNameA(nullptr, path.data(), static_cast<DWORD>(path.size()));
  std::string name(path.data(), size);
  name.erase(0, name.find_last_of("\\/") + 1);  // npos + 1 is 0
  if (name.ends_with(".exe")) name.resize(name.size() - 4);
  return name;
}

PARMAP_INLINE std::string host_name() {
  std::array<char, 256> name{};
  auto size = static_cast<DWORD>(name.size());
  return ::GetComputerNameExA(ComputerNameDnsHostname, name.data(), &size) != 0 ? std::string(name.data(), size)
                                                                                : std::string();
}

}  // namespace parmap::inline PARMAP_ABI::detail
