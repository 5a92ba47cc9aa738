// SPDX-License-Identifier: MIT
// record_request: what a map asks of a recorder. A user's program compiles only this; the recorder is ordinary code.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/traces/map_identity.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

class map_recorder;
class renumbering;

// When the text of a task's inputs may be asked for.
enum class text_time {
  any,        // by any thread
  in_calls,   // in the functions of attempt_observer, in finish and in the destructor
  when_told,  // in write_texts, finish and the destructor
};

struct record_request {
  std::string trace{};                                    // a path; empty: no trace
  std::vector<std::string> status{};                      // paths of status files
  std::string option{"options.trace"};                    // what gave the path, for messages
  map_identity about{};                                   // the recorder adds what is known of the process
  std::function<std::string(std::uint64_t task)> text{};  // of a task's inputs; may be empty
  text_time texts{text_time::any};
  std::string (*words)(const failure& why){};  // what its message says; null: itself
  const renumbering* numbers{};                // of the tasks that are told; null: they are their own
  bool is_silent{};                            // says nothing on stderr
  std::uint64_t most_slices{usual_slices};
};

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
#include <parmap/detail/traces/map_recorder.hpp>
#endif
