// SPDX-License-Identifier: MIT
// reduce_values: combines, in the calling thread, values that an engine has brought there.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/reduction/in_process.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/results/placed_tasks.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>
#include <parmap/reduction.hpp>
#include <parmap/results.hpp>

#include <cstdint>
#include <exception>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Tasks that return the values of a map, each once.
template <class T>
class values_as_tasks {
 public:
  using result = T;
  static constexpr bool takes_context = false;

  explicit values_as_tasks(results<T>& all) noexcept : all_(all) {}

  [[nodiscard]] std::uint64_t size() const noexcept { return all_.size(); }
  template <class Visit>
  void for_each(std::uint64_t b, std::uint64_t e, context&, Visit&& visit) const {
    for (std::uint64_t i = b; i < e; ++i)
      if (!visit(i, [&] { return std::move(all_)[i]; })) return;
  }

 private:
  results<T>& all_;
};

// `lets_out`: what the reducer throws leaves the call.
template <class T, class Reducer>
reduction<typename Reducer::value> reduce_values(results<T>&& all, const Reducer& reducer, const options& chosen,
                                                 bool lets_out) {
  const values_as_tasks<T> tasks(all);
  reduced_tasks<values_as_tasks<T>, Reducer> bound(tasks, reducer, chosen, 1, lets_out);
  context self(all.seed(), 0);
  failure_runs refused;
  all.failures().for_each_gap(all.size(), [&](std::uint64_t b, std::uint64_t e) {
    for (task_chunk chunk{b, e, nullptr}; chunk.at < e;) {
      try {
        bound.run(chunk, self);
      } catch (...) {
        if (lets_out) throw;
        thrown what = describe_or_give_up();
        refused.emplace_back(failure{chunk.at++, what.kind, std::move(what.message), 1, std::current_exception()}, 1);
      }
    }
  });
  failure_list failures = add_failures(all.failures(), std::move(refused));
  auto made = bound.finish(failures);
  reduction<typename Reducer::value> whole(std::move(made), all.size(), std::move(failures), all.seed());
  all.pass_notes(whole);
  return whole;
}

}  // namespace parmap::inline PARMAP_ABI::detail
