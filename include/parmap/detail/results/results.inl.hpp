// SPDX-License-Identifier: MIT
// The bodies of results.hpp.
#pragma once

#include <parmap/detail/results/summary_times.hpp>
#include <parmap/results.hpp>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ios>
#include <ostream>
#include <stdexcept>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void results_base::throw_map_failed() const { throw map_failed(failures_, size_); }

PARMAP_INLINE void results_base::throw_no_value(std::uint64_t i) const {
  if (i >= size_)
    throw std::out_of_range("parmap: there is no task " + std::to_string(i) + " in results of size " +
                            std::to_string(size_));
  if (!failures_.contains(i)) throw_elsewhere();
  throw task_failed(why_failed(i));
}

PARMAP_INLINE void results_base::throw_elsewhere() const {
  throw std::logic_error(
      "parmap: these values are on other ranks; gather them on all: "
      "parmap::map(parmap::mpi.with({.gather = parmap::gather::all}), f, ...), or read them on rank 0 only (or, with "
      "gather::none, those that here() names)");
}

PARMAP_INLINE map_summary results_base::summary() const {
  const double ns = static_cast<double>(elapsed_) / ticks_per_us() * 1e3;
  map_summary all{.tasks = size_,
                  .completed = size_ - failures_.size(),
                  .elapsed = std::chrono::nanoseconds(static_cast<std::int64_t>(ns)),
                  .causes = failures_.causes()};
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
  for (std::uint64_t i = 0; i < size_; ++i) {
    if (inputs != nullptr) inputs->add_inputs(text, i);
    else text.add(i);
    if (why != failures_.end() && why->index == i) {
      const failure it = *why++;
      for (std::size_t k = 0; k < cells; ++k) text.add_plain("");
      text.add_plain(to_string(it.kind));
      text.add_quoted(it.message);
      text.add(it.attempts);
    } else {
      if (cells > 0) add(text, self, i);
      for (const char* each : {"ok", "", ""}) text.add_plain(each);
    }
    if (measured != nullptr) {
      if (std::isnan(measured->seconds[i])) text.add_plain(""), text.add_plain("");
      else text.add(measured->seconds[i]), text.add(measured->workers[i]);
    }
    text.end_row();
    if (text.text().size() >= enough) write();
  }
  write();
}

}  // namespace parmap::inline PARMAP_ABI::detail
