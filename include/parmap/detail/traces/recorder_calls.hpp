// SPDX-License-Identifier: MIT
// recorder_calls: how a map and a stream use a recorder. A user's program compiles only these declarations of it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/traces/record_request.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

class map_recorder;

// A recorder for these options, or null if there is nothing to record. `status`: a path of a status file, or empty.
// `next` hears everything, too; null: there is none. Throws what the constructor of a recorder throws.
[[nodiscard]] PARMAP_API std::shared_ptr<map_recorder> recorder_for(const options& chosen, std::string_view engine,
                                                                    const std::string& status, record_request&& asked,
                                                                    attempt_observer* next);
[[nodiscard]] PARMAP_API attempt_observer& as_observer(map_recorder& it) noexcept;
// The map has ended.
PARMAP_API void finish_record(map_recorder& it) noexcept;
// An exception has ended it.
PARMAP_API void abandon_record(map_recorder& it) noexcept;
// A stream of so many tasks has ended.
PARMAP_API void finish_record(map_recorder& it, std::uint64_t tasks) noexcept;
// An outcome of a stream has reached the caller. When its task ended, is not known, only how long it took.
PARMAP_API void record_outcome(map_recorder& to, attempt it, const failure* why) noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/traces/map_recorder.inl.hpp>
#endif
