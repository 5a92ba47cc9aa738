// SPDX-License-Identifier: MIT
// The bodies of failure.hpp.
#pragma once

#include <parmap/detail/results/failure_causes.hpp>
#include <parmap/detail/system/cancellation.hpp>
#include <parmap/failure.hpp>

#include <algorithm>
#include <iterator>
#include <ostream>

namespace parmap::inline PARMAP_ABI {

PARMAP_INLINE std::ostream& operator<<(std::ostream& out, failure_kind kind) { return out << to_string(kind); }

PARMAP_INLINE void failure::rethrow() const {
  if (exception) std::rethrow_exception(exception);
  throw task_failed(*this);
}

PARMAP_INLINE std::string to_string(const failure& why) {
  std::string text = "task " + std::to_string(why.index) + ' ';
  if (!why.inputs.empty()) text += '(' + why.inputs + ") ";
  text += detail::kind_and_message(why.kind, why.message);
  if (why.attempts > 1) text += " (" + std::to_string(why.attempts) + " attempts)";
  if (!why.place.empty()) text += " [" + why.place + ']';
  return text;
}

PARMAP_INLINE std::ostream& operator<<(std::ostream& out, const failure& why) { return out << to_string(why); }

// ---- failure_list

namespace detail {

// Heap sort: std::stable_sort would allocate, and std::sort would add more code than the speed is worth.
PARMAP_INLINE void sort_runs(failure_runs& runs) noexcept {
  const auto before = [](const auto& a, const auto& b) { return a.first.index < b.first.index; };
  if (std::is_sorted(runs.begin(), runs.end(), before)) return;
  std::make_heap(runs.begin(), runs.end(), before);
  std::sort_heap(runs.begin(), runs.end(), before);
}

}  // namespace detail

struct failure_list::table {
  struct run {
    failure first;
    std::uint64_t before;  // the number of failures in earlier runs
    std::uint64_t length;
  };

  [[nodiscard]] std::uint64_t size() const noexcept { return runs.back().before + runs.back().length; }
  // The first run that begins after `index`.
  [[nodiscard]] std::vector<run>::const_iterator run_behind(std::uint64_t index) const noexcept {
    return std::partition_point(runs.begin(), runs.end(),
                                [index](const run& each) { return each.first.index <= index; });
  }
  [[nodiscard]] const run* run_at_or_before(std::uint64_t index) const noexcept {
    const auto after = run_behind(index);
    return after == runs.begin() ? nullptr : &*std::prev(after);
  }

  std::vector<run> runs;  // never empty
};

PARMAP_INLINE failure_list::failure_list(detail::failure_runs&& runs) {
  if (runs.empty()) return;
  std::vector<table::run> made;
  made.reserve(runs.size());
  detail::sort_runs(runs);
  auto* const fresh = new table;
  std::uint64_t before = 0;
  for (auto& [first, length] : runs) {
    if (length == 0) continue;
    made.push_back({std::move(first), before, length});
    before += length;
  }
  if (made.empty()) {
    delete fresh;
    return;
  }
  fresh->runs = std::move(made);
  all_ = fresh;
}

PARMAP_INLINE failure_list::failure_list(const detail::failure_runs& runs) : failure_list(detail::failure_runs(runs)) {}

PARMAP_INLINE failure_list::failure_list(const failure_list& other)
    : all_(other.empty() ? nullptr : new table(*other.all_)) {}

PARMAP_INLINE void failure_list::destroy() noexcept { delete all_; }

PARMAP_INLINE std::size_t failure_list::count() const noexcept { return all_->size(); }

PARMAP_INLINE failure failure_list::operator[](std::size_t k) const {
  const auto& runs = all_->runs;
  const auto after =
      std::partition_point(runs.begin(), runs.end(), [k](const table::run& run) { return run.before <= k; });
  const table::run& run = *std::prev(after);
  failure item = run.first;
  item.index += k - run.before;
  return item;
}

PARMAP_INLINE failure failure_list::at(std::size_t k) const {
  if (k >= size())
    throw std::out_of_range("parmap: there is no failure " + std::to_string(k) + " in a list of size " +
                            std::to_string(size()));
  return (*this)[k];
}

PARMAP_INLINE std::uint64_t failure_list::count_below(std::uint64_t index) const noexcept {
  const auto* const run = empty() ? nullptr : all_->run_at_or_before(index);
  return run == nullptr ? 0 : run->before + std::min(index - run->first.index, run->length);
}

PARMAP_INLINE bool failure_list::has(std::uint64_t index) const noexcept {
  const auto* const run = all_->run_at_or_before(index);
  return run != nullptr && index - run->first.index < run->length;
}

PARMAP_INLINE std::pair<std::uint64_t, std::uint64_t> failure_list::gap_behind(std::uint64_t from,
                                                                               std::uint64_t n) const noexcept {
  auto run = all_->run_behind(from);
  if (run != all_->runs.begin()) from = std::max(from, std::prev(run)->first.index + std::prev(run)->length);
  for (; run != all_->runs.end() && run->first.index == from; ++run) from += run->length;
  return {from, run == all_->runs.end() ? n : run->first.index};
}

namespace detail {

PARMAP_INLINE failure_runs runs_of(const failure_list& failures) {
  failure_runs runs;
  if (!failures.empty())
    for (const failure_list::table::run& each : failures.all_->runs) runs.emplace_back(each.first, each.length);
  return runs;
}

// Stopped tasks are stored as runs, and may be many.
PARMAP_INLINE bool has_inputs(const failure& why) noexcept { return why.kind != failure_kind::stopped; }

PARMAP_INLINE void write_inputs(failure_list& failures, const inputs_writer& writer) noexcept {
  const cancellation_held_back here;
  for (failure_list::table::run& each : failures.all_->runs)
    if (has_inputs(each.first)) try {
        each.first.inputs = writer.text(writer.tasks, each.first.index);
      } catch (...) {  // NOLINT(bugprone-empty-catch): the failure tells less
      }
}

PARMAP_INLINE std::vector<std::uint64_t> tasks_with_inputs(const failure_list& failures) {
  std::vector<std::uint64_t> all;
  for (const failure_list::table::run& each : failures.all_->runs)
    if (has_inputs(each.first)) all.push_back(each.first.index);
  return all;
}

PARMAP_INLINE bool ended_a_worker(const failure_list& failures) noexcept {
  return std::ranges::any_of(failures.all_->runs, [](const failure_list::table::run& each) {
    const failure_kind kind = each.first.kind;
    return kind != failure_kind::threw && kind != failure_kind::unencodable && kind != failure_kind::stopped;
  });
}

}  // namespace detail

PARMAP_INLINE std::vector<failure_cause> failure_list::causes() const {
  detail::failure_causes all;
  if (!empty())
    for (const table::run& each : all_->runs) all.add(each.first, each.length);
  return std::move(all).take();
}

// ---- Text

namespace detail {

// A few failures are shown one by one, many by their causes. Each line begins with a newline and two spaces.
PARMAP_INLINE std::string format_failures(const failure_list& all) {
  if (all.size() > most_shown) return format_causes(all.causes());
  std::string text;
  for (const failure& each : all) text += "\n  " + to_string(each);
  return text;
}

PARMAP_INLINE std::string describe_failures(const failure_list& all, std::uint64_t tasks) {
  return std::to_string(all.size()) + " of " + std::to_string(tasks) + " tasks failed" + format_failures(all);
}

}  // namespace detail

PARMAP_INLINE std::ostream& operator<<(std::ostream& out, const failure_list& all) {
  const std::size_t count = all.size();
  return out << count << (count == 1 ? " task failed" : " tasks failed") << detail::format_failures(all);
}

// ---- The exceptions

PARMAP_INLINE task_failed::task_failed(failure why) : std::runtime_error(to_string(why)), why_(std::move(why)) {}

PARMAP_INLINE map_failed::map_failed(failure_list all, std::uint64_t tasks)
    : std::runtime_error(detail::describe_failures(all, tasks)),
      failures_(std::move(all)) {}

}  // namespace parmap::inline PARMAP_ABI
