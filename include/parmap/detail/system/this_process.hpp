// SPDX-License-Identifier: MIT
// This process as others know it: its number, its program and its host.
#pragma once

#include <parmap/detail/config.hpp>

#include <string>

namespace parmap::inline PARMAP_ABI::detail {

[[nodiscard]] int process_id() noexcept;
// The name of the program's file, without its folder.
[[nodiscard]] std::string program_name();
// Empty if the system does not tell.
[[nodiscard]] PARMAP_API std::string host_name();

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/this_process.inl.hpp>
#endif
