// SPDX-License-Identifier: MIT
// The bodies of inputs_by_child.hpp.
#pragma once

#include <parmap/detail/processes/inputs_by_child.hpp>
#include <parmap/detail/system/cancellation.hpp>
#include <parmap/detail/system/child_process.hpp>
#include <parmap/detail/system/running_map.hpp>
#include <parmap/detail/system/shared_memory.hpp>

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// In memory that the child shares with its parent.
struct written_inputs {
  struct text {
    std::uint32_t size;
    std::array<char, input_text::longest> bytes;
  };
  std::atomic<std::uint64_t> next;  // the text that the child is at

  [[nodiscard]] text* texts() noexcept { return reinterpret_cast<text*>(this + 1); }
};

[[noreturn]] PARMAP_INLINE void write_in_child(written_inputs& to, const std::vector<std::uint64_t>& tasks,
                                               std::size_t count, const inputs_writer& writer) noexcept {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (std::uint64_t k = to.next; k < count; to.next = ++k) try {
      const std::string text = writer.text(writer.tasks, tasks[k]);
      std::copy_n(text.data(), std::min(text.size(), input_text::longest), to.texts()[k].bytes.begin());
      to.texts()[k].size = static_cast<std::uint32_t>(std::min(text.size(), input_text::longest));
    } catch (...) {  // NOLINT(bugprone-empty-catch): this one has no text
    }
  ::_exit(EXIT_SUCCESS);
}

// Returns when the child has ended; kills it at `until`.
PARMAP_INLINE void wait_for_end(child_process& child, std::chrono::steady_clock::time_point until) noexcept {
  while (!child.was_missed() && child.life() == child_process::life_of::running) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return child.kill();
    constexpr std::chrono::milliseconds asking_period(10);
    pollfd end{child.wakes(), POLLIN, 0};
    const auto nap = child.has_to_be_asked() ? std::min(left, asking_period) : left;
    static_cast<void>(::poll(&end, 1, static_cast<int>(nap.count())));
  }
}

// Children write the texts, one after the other, each from the one after that which has ended the child before. Where
// no child can be had, what has been written stays.
PARMAP_INLINE void write_in_children(written_inputs& to, const std::vector<std::uint64_t>& tasks, std::size_t count,
                                     const inputs_writer& writer) {
  constexpr int most_children = 16;
  constexpr std::chrono::seconds patience(1);
  const auto until = std::chrono::steady_clock::now() + patience;
  running_map none;
  try {
    for (int children = 0; to.next < count && children < most_children; ++children) {
      child_process child([&] { write_in_child(to, tasks, count, writer); }, &none);
      wait_for_end(child, until);
      if (to.next < count) ++to.next;  // it did not survive this one
      if (std::chrono::steady_clock::now() >= until) break;
    }
  } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch): processes or descriptors have run out
  }
}

PARMAP_INLINE void write_inputs_by_child(failure_list& failures, const inputs_writer& writer,
                                         bool foreign_code) noexcept {
  constexpr std::size_t most = 1000;
  const cancellation_held_back here;
  if (!foreign_code && !ended_a_worker(failures)) return write_inputs(failures, writer);
  try {
    const std::vector<std::uint64_t> tasks = tasks_with_inputs(failures);
    const std::size_t count = std::min(tasks.size(), most);
    if (count == 0) return;
    const shared_memory memory(sizeof(written_inputs) + count * sizeof(written_inputs::text));
    auto& written = *static_cast<written_inputs*>(memory.data());  // zeroed memory is such an object
    write_in_children(written, tasks, count, writer);
    const std::function<std::string(std::uint64_t)> text_of = [&](std::uint64_t task) {
      const auto k = static_cast<std::size_t>(std::ranges::lower_bound(tasks, task) - tasks.begin());
      if (k >= count) return std::string();
      const written_inputs::text& text = written.texts()[k];
      return std::string(text.bytes.data(), std::min<std::size_t>(text.size, input_text::longest));
    };
    write_inputs(failures, {&text_of, [](const void* of, std::uint64_t task) {
                              return (*static_cast<const std::function<std::string(std::uint64_t)>*>(of))(task);
                            }});
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): memory has run out
  }
}

}  // namespace parmap::inline PARMAP_ABI::detail
