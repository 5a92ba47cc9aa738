// SPDX-License-Identifier: MIT
// Formats times and sizes for messages.
#pragma once

#include <parmap/detail/config.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

// "1.5 s", "50 ms", "3 us".
[[nodiscard]] PARMAP_API std::string to_text(std::chrono::nanoseconds span);
// "512 bytes", "64 MiB", "1.5 GiB".
[[nodiscard]] std::string bytes_to_text(std::uint64_t bytes);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/number_text.inl.hpp>
#endif
