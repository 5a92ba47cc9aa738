// SPDX-License-Identifier: MIT
#include "spawned_worker.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>

namespace parmap::python {

namespace nb = nanobind;

std::string to_text(const spawn_assignment& told) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<unsigned char, sizeof told> bytes{};
  std::memcpy(bytes.data(), &told, sizeof told);
  std::string text;
  for (const unsigned char each : bytes) {
    text += digits[each >> 4];
    text += digits[each & 15];
  }
  return text;
}

spawn_assignment to_spawn_assignment(std::string_view text) {
  std::array<unsigned char, sizeof(spawn_assignment)> bytes{};
  bool fits = text.size() == 2 * bytes.size();
  for (std::size_t k = 0; fits && k < bytes.size(); ++k) {
    const char* const from = text.data() + 2 * k;
    fits = std::from_chars(from, from + 2, bytes[k], 16).ptr == from + 2;
  }
  if (!fits) throw std::invalid_argument("parmap: a worker was started by another version of parmap");
  spawn_assignment told;
  std::memcpy(&told, bytes.data(), sizeof told);
  return told;
}

worker_program::worker_program(nb::handle arguments, int job) : job_(job) {
  for (nb::handle each : arguments) {
    const auto bytes = nb::borrow<nb::bytes>(each);
    arguments_.emplace_back(bytes.c_str(), bytes.size());
  }
}

void worker_program::start(const spawn_assignment& told) noexcept {
  // The program must die with the caller, even while it starts.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != told.mine.parent) return;
  // It inherits nothing else that the caller has open (since Linux 5.11; before that this call has no effect).
  ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  const std::array<int, 6> inherited{
      job_, told.memory, told.buffers, told.mine.news, told.mine.stream.arrivals, told.mine.stream.rings};
  for (const int each : inherited)
    if (each >= 0 && ::fcntl(each, F_SETFD, 0) != 0) return;
  // Ctrl-C ends the workers through the caller. Until the program has installed its own handler, it ignores SIGINT.
  if (::signal(SIGINT, SIG_IGN) == SIG_ERR) return;
  // Not as an argument: anybody on this machine can read those, and the map's seed is in it.
  const int mine = ::memfd_create("parmap worker", 0);
  const std::string text = to_text(told);
  if (mine < 0 || ::write(mine, text.data(), text.size()) != static_cast<ssize_t>(text.size())) return;
  std::vector<std::string> descriptors{std::to_string(mine)};
  for (const int each : inherited) descriptors.push_back(std::to_string(each));
  std::vector<char*> all;
  for (std::string& each : arguments_) all.push_back(each.data());
  for (std::string& each : descriptors) all.push_back(each.data());
  all.push_back(nullptr);
  ::execv(all.front(), all.data());
}

}  // namespace parmap::python
