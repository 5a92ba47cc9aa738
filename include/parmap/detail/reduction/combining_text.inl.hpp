// SPDX-License-Identifier: MIT
// The bodies of combining_text.hpp.
#pragma once

#include <parmap/detail/reduction/combining_text.hpp>

#include <exception>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::string combining_text(std::uint64_t b, std::uint64_t e) {
  return "combining tasks " + std::to_string(b) + ".." + std::to_string(e - 1) + ": ";
}

PARMAP_INLINE thrown describe_combining(std::uint64_t b, std::uint64_t e) {
  thrown what = describe_current_exception();
  if (!what.verbatim) what.message.insert(0, combining_text(b, e));
  return what;
}

PARMAP_INLINE failure failure_of_combining(std::uint64_t index, std::uint64_t b, std::uint64_t e) {
  thrown what = describe_combining(b, e);
  return {index, what.kind, std::move(what.message), 1, std::current_exception()};
}

PARMAP_INLINE failure_list with_combining(failure_list list, failure_runs more,
                                          const std::function<std::string(const failure&)>& text_of) {
  if (list.empty() && more.empty()) return list;
  failure_runs all = runs_of(list);
  for (auto& [why, tasks] : all)
    if (why.kind != failure_kind::stopped) why.message.insert(0, text_of(why));
  for (auto& run : more) all.push_back(std::move(run));
  return failure_list(std::move(all));
}

}  // namespace parmap::inline PARMAP_ABI::detail
