// SPDX-License-Identifier: MIT
// The bodies of ../../part.hpp.
#pragma once

#include <parmap/part.hpp>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace parmap::inline PARMAP_ABI {

namespace detail {

// None if there is no such variable.
PARMAP_INLINE std::optional<std::uint64_t> array_variable(const char* name) {
  const char* const text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  if (text == nullptr) return std::nullopt;
  const std::string_view digits(text);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size())
    throw std::runtime_error(std::string("parmap::slurm_array_part: ") + name + " is not a number, but \"" + text +
                             '"');
  return number;
}

}  // namespace detail

PARMAP_INLINE std::string to_string(const part& which) {
  return "part " + std::to_string(which.index()) + " of " + std::to_string(which.count());
}

PARMAP_INLINE part slurm_array_part() {
  const auto id = detail::array_variable("SLURM_ARRAY_TASK_ID");
  const auto count = detail::array_variable("SLURM_ARRAY_TASK_COUNT");
  if (!id || !count)
    throw std::runtime_error(
        std::string("parmap::slurm_array_part: this program is not a job of a Slurm job array, as ") +
        (id ? "SLURM_ARRAY_TASK_COUNT" : "SLURM_ARRAY_TASK_ID") +
        " is not set; start it by sbatch --array=0-15 job.sh, or name the part: .part = {3, 16}");
  const std::uint64_t first = detail::array_variable("SLURM_ARRAY_TASK_MIN").value_or(0);
  const std::uint64_t step = detail::array_variable("SLURM_ARRAY_TASK_STEP").value_or(1);
  const std::uint64_t last = detail::array_variable("SLURM_ARRAY_TASK_MAX").value_or(first + (*count - 1) * step);
  const bool is_even = *count > 0 && step > 0 && last >= first && last - first == (*count - 1) * step && *id >= first &&
                       *id <= last && (*id - first) % step == 0;
  const bool may_be_all = *count > 1 || first <= 1;  // --array=3 is one part of an array that was there before
  if (!is_even || !may_be_all)
    throw std::runtime_error("parmap::slurm_array_part: job " + std::to_string(*id) + " of the array of " +
                             std::to_string(*count) + " jobs from " + std::to_string(first) + " to " +
                             std::to_string(last) +
                             " does not tell how many parts there are; start all of them, sbatch --array=0-15 job.sh, "
                             "or name the part: .part = {" +
                             std::to_string(*id) + ", 16}");
  return {(*id - first) / step, *count};
}

}  // namespace parmap::inline PARMAP_ABI
