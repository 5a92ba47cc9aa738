// SPDX-License-Identifier: MIT
// The bodies of results.hpp.
#pragma once

#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/results/summary_times.hpp>
#include <parmap/results.hpp>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ios>
#include <memory>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE map_notes::~map_notes() = default;
PARMAP_INLINE results_base::~results_base() = default;

PARMAP_INLINE std::vector<std::pair<std::uint64_t, std::uint64_t>> results_base::here() const {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> all;
  if (whole()) failed().for_each_gap(size_, [&all](std::uint64_t b, std::uint64_t e) { all.emplace_back(b, e); });
  else add_intervals_of_part(all);
  return all;
}

PARMAP_INLINE map_notes& results_base::notes() {
  if (notes_ == nullptr) notes_ = std::make_unique<map_notes>();
  return *notes_;
}

PARMAP_INLINE void results_base::note_stored(stored_tasks those) { notes().stored = std::move(those); }
PARMAP_INLINE void results_base::note_measured(task_measures measured) { notes().measured = std::move(measured); }
PARMAP_INLINE void results_base::note_times(map_times times) { notes().times = std::move(times); }
PARMAP_INLINE void results_base::note_inputs(input_columns inputs) { notes().inputs = std::move(inputs); }

PARMAP_INLINE std::optional<map_times> results_base::take_times() noexcept {
  return notes_ == nullptr ? std::nullopt : std::exchange(notes_->times, std::nullopt);
}

PARMAP_INLINE void results_base::note_absent(failure_list failures) {
  std::optional<failure_list>& absent = notes().absent;
  absent.emplace(std::move(failures_));
  failures_ = std::move(failures);
}

PARMAP_INLINE void results_base::note_part(std::shared_ptr<const task_part> those) {
  map_notes& all = notes();
  failure_runs of_map;
  for (const auto& [why, tasks] : runs_of(failures_))
    add_by_index(of_map, why, tasks, [&](std::uint64_t k) { return those->index(k); });
  failure_list failures(std::move(of_map));
  if (all.times)
    for (task_time& each : all.times->slowest) each.index = those->index(each.index);
  all.absent.emplace(std::move(failures_));
  failures_ = std::move(failures);
  size_ = those->of();
  all.part = std::move(those);
}

PARMAP_INLINE void results_base::add_intervals_of_part(std::vector<std::pair<std::uint64_t, std::uint64_t>>& to) const {
  failed().for_each_gap(room(), [&](std::uint64_t b, std::uint64_t e) {
    for (std::uint64_t at = b; at < e; ++at) {
      const std::uint64_t i = index_at(at);
      if (!to.empty() && to.back().second == i) ++to.back().second;
      else to.emplace_back(i, i + 1);
    }
  });
}

PARMAP_INLINE void results_base::throw_map_failed() const { throw map_failed(failures_, room()); }

PARMAP_INLINE void results_base::throw_no_value(std::uint64_t i) const {
  if (i >= size_)
    throw std::out_of_range("parmap: there is no task " + std::to_string(i) + " in results of size " +
                            std::to_string(size_));
  if (place_of(i) == task_part::nowhere)
    throw std::logic_error("parmap: task " + std::to_string(i) +
                           " is in another part of the map: these are the results of " + to_string(part()));
  if (!failures_.contains(i)) throw_elsewhere();
  throw task_failed(why_failed(i));
}

PARMAP_INLINE void results_base::throw_elsewhere() const {
  if (!whole())
    throw std::logic_error(
        "parmap: these are the results of " + to_string(part()) +
        ", and have no value of the other tasks: read values(), outcomes() or r[i], where here() tells "
        "which i there are");
  throw std::logic_error(
      "parmap: these values are on other ranks; gather them on all: "
      "parmap::map(parmap::mpi.with({.gather = parmap::gather::all}), f, ...), or read them on rank 0 only (or, with "
      "gather::none, those that here() names)");
}

PARMAP_INLINE map_summary results_base::summary() const {
  const double ns = static_cast<double>(elapsed_) / ticks_per_us() * 1e3;
  map_summary all{.tasks = room(),
                  .completed = room() - failures_.size(),
                  .elapsed = std::chrono::nanoseconds(static_cast<std::int64_t>(ns)),
                  .causes = failures_.causes()};
  all.elsewhere = size_ - room();
  if (notes_ != nullptr && notes_->times) add_times(all, *notes_->times);
  return all;
}

PARMAP_INLINE void results_base::write_table(std::ostream& out, std::size_t cells, add_value* add,
                                             const void* self) const {
  constexpr std::size_t enough = std::size_t{1} << 16;  // bytes to write at once
  const input_columns* const inputs = notes_ != nullptr && !notes_->inputs.empty() ? &notes_->inputs : nullptr;
  csv_text text;
  const auto write = [&] {
    out.write(text.text().data(), static_cast<std::streamsize>(text.text().size()));
    if (!out) throw std::runtime_error("parmap: write_csv could not write: the stream has failed");
    text.clear();
  };
  if (inputs != nullptr) inputs->add_names(text);
  else text.add_plain("_task");
  if (cells == 1) text.add_plain("value");
  else
    for (std::size_t k = 1; k <= cells; ++k) text.add_plain("value_" + std::to_string(k));
  for (const char* each : {"_kind", "_message", "_attempts"}) text.add_plain(each);
  const task_measures* const measured =
      notes_ != nullptr && !notes_->measured.workers.empty() ? &notes_->measured : nullptr;
  if (measured != nullptr)
    for (const char* each : {"_seconds", "_worker"}) text.add_plain(each);
  text.end_row();
  auto why = failures_.begin();
  for (std::uint64_t at = 0; at < room(); ++at) {
    const std::uint64_t i = index_at(at);
    if (inputs != nullptr) inputs->add_inputs(text, i);
    else text.add(i);
    if (why != failures_.end() && why->index == i) {
      const failure it = *why++;
      for (std::size_t k = 0; k < cells; ++k) text.add_plain("");
      text.add_plain(to_string(it.kind));
      text.add_quoted(it.message);
      text.add(it.attempts);
    } else {
      if (cells > 0) add(text, self, at);
      for (const char* each : {"ok", "", ""}) text.add_plain(each);
    }
    if (measured != nullptr) {
      if (std::isnan(measured->seconds[at])) text.add_plain(""), text.add_plain("");
      else text.add(measured->seconds[at]), text.add(measured->workers[at]);
    }
    text.end_row();
    if (text.text().size() >= enough) write();
  }
  write();
}

}  // namespace parmap::inline PARMAP_ABI::detail
