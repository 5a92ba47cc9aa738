// SPDX-License-Identifier: MIT
// record_request: what a map asks of a recorder.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/traces/map_identity.hpp>
#include <parmap/failure.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

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

}  // namespace parmap::inline PARMAP_ABI::detail
