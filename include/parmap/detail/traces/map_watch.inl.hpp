// SPDX-License-Identifier: MIT
// The bodies of map_watch.hpp.
#pragma once

#include <parmap/detail/observers/time_keeper.hpp>
#include <parmap/detail/traces/map_watch.hpp>
#include <parmap/detail/traces/recorder_for.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void prepare(options& chosen) {
  check_values(chosen);
  if (!chosen.label.empty()) chosen.reporter.set_label(chosen.label);
  if (is_traced(chosen) || chosen.store != nullptr) chosen.times = true;
}

class map_watch::state {
 public:
  state(std::unique_ptr<map_recorder> recorder, attempt_observer* next)
      : recorder_(std::move(recorder)),
        kept_(recorder_ != nullptr ? recorder_.get() : next) {}

  [[nodiscard]] map_recorder* recorder() const noexcept { return recorder_.get(); }
  [[nodiscard]] time_keeper& kept() noexcept { return kept_; }

 private:
  std::unique_ptr<map_recorder> recorder_;
  time_keeper kept_;
};

PARMAP_INLINE map_watch::map_watch(const options& chosen, std::string_view engine_name, watched_tasks&& tasks,
                                   attempt_observer* next, const std::string& status)
    : state_(std::make_unique<state>(recorder_for(chosen, engine_name, std::move(tasks), next, status), next)) {}
PARMAP_INLINE map_watch::~map_watch() = default;
PARMAP_INLINE attempt_observer& map_watch::observer() noexcept { return state_->kept(); }
PARMAP_INLINE void map_watch::finish() noexcept {
  if (state_->recorder() != nullptr) state_->recorder()->finish();
}
PARMAP_INLINE map_times map_watch::times() const { return state_->kept().times(); }

}  // namespace parmap::inline PARMAP_ABI::detail
