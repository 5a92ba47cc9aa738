// SPDX-License-Identifier: MIT
// map_watch: all that observes one map by its options: options::times, options::trace and the status file of a store.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/observers/time_keeper.hpp>
#include <parmap/detail/results/input_text.hpp>
#include <parmap/detail/space/axis.hpp>
#include <parmap/detail/traces/record_request.hpp>
#include <parmap/detail/traces/recorder_calls.hpp>
#include <parmap/detail/traces/trace_path.hpp>
#include <parmap/options.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Checks the options of a map or stream, and completes them. A trace measures times, so that they are in the summary,
// too.
inline void prepare(options& chosen) {
  check_values(chosen);
  if (!chosen.label.empty()) chosen.reporter.set_label(chosen.label);
  if (is_traced(chosen)) chosen.times = true;
}

// Whether the text of these elements is made by our code alone, of what lies in memory.
template <class... Elements>
consteval bool has_cheap_text(list<Elements...>) {
  const auto is_cheap = []<class T>(std::type_identity<T>) {
    constexpr input_kind kind = kind_of_input<T>();
    return kind != input_kind::foreign || std::is_same_v<T, std::string_view> || std::is_pointer_v<T>;
  };
  return (is_cheap(std::type_identity<std::remove_cvref_t<Elements>>()) && ...);
}

template <class Space>
std::function<std::string(std::uint64_t)> texts_of([[maybe_unused]] const Space& space) {
  if constexpr (requires(input_text& text) { space.show(std::uint64_t{}, text); }) {
    if constexpr (has_cheap_text(typename Space::elements()))
      return [&space](std::uint64_t index) {
        input_text text;
        space.show(index, text);
        return text.take();
      };
  }
  return {};
}

// Of numbered tasks; refers to them.
template <class Tasks>
record_request record_request_of(const Tasks& tasks) {
  record_request asked;
  asked.about.tasks = tasks.size();
  asked.about.stored = tasks.space().size() - tasks.size();
  asked.text = texts_of(tasks.space());
  asked.numbers = tasks.renumbered();
  return asked;
}

class map_watch {
 public:
  // It tells the observer of the tasks, too.
  template <class Tasks>
  map_watch(const options& chosen, std::string_view engine, const Tasks& tasks, const std::string& status = {})
      : recorder_(recorder_for(chosen, engine, status, record_request_of(tasks), tasks.observer())),
        kept_(recorder_ != nullptr ? &as_observer(*recorder_) : tasks.observer()) {}

  [[nodiscard]] attempt_observer& observer() noexcept { return kept_; }
  // The engine has returned.
  void finish() noexcept {
    if (recorder_ != nullptr) finish_record(*recorder_);
  }
  [[nodiscard]] map_times times() const { return kept_.times(); }

 private:
  std::shared_ptr<map_recorder> recorder_;
  time_keeper kept_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
