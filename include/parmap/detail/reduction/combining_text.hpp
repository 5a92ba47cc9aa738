// SPDX-License-Identifier: MIT
// combining_text: what a failure says that happened when values were combined, and not in the task itself.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/failure.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

// "combining tasks 512..1023: ", for the tasks [b, e).
[[nodiscard]] PARMAP_API std::string combining_text(std::uint64_t b, std::uint64_t e);

// Call in a catch block: what was thrown when the values of the tasks [b, e) were combined.
[[nodiscard]] PARMAP_API thrown describe_combining(std::uint64_t b, std::uint64_t e);

// The failure of the task of this index for the same reason.
[[nodiscard]] PARMAP_API failure failure_of_combining(std::uint64_t index, std::uint64_t b, std::uint64_t e);

// The list with further failures, and with this text in front of the message of each failure for which it is not empty.
// text_of is not called for stopped tasks.
[[nodiscard]] PARMAP_API failure_list with_combining(failure_list list, failure_runs more,
                                                     const std::function<std::string(const failure&)>& text_of);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/reduction/combining_text.inl.hpp>
#endif
