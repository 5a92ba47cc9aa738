// SPDX-License-Identifier: MIT
// Measures the operations that every parallel call needs at least: floors NAME. Prints seconds.
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/system/fresh_seed.hpp>
#include <parmap/detail/system/futex.hpp>

#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

namespace bench {
namespace {

template <class T>
void keep(const T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

// Seconds for one call of act, averaged over many.
template <class Act>
double seconds_each(const Act& act, int many = 100'000) {
  const auto begun = std::chrono::steady_clock::now();
  for (int k = 0; k < many; ++k) act();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count() / many;
}

// Seconds from the call that wakes a thread, which has slept for a moment, until its answer: the median of 200.
double seconds_to_wake() {
  using parmap::detail::futex_word;
  futex_word asked{0};
  futex_word answered{0};
  std::jthread sleeper([&](const std::stop_token& enough) {
    for (std::uint32_t seen = 0; !enough.stop_requested(); seen = asked) {
      while (asked == seen && !enough.stop_requested())
        parmap::detail::futex_wait(asked, seen, parmap::detail::no_limit);
      answered.store(asked);
    }
  });
  std::vector<double> all;
  for (std::uint32_t k = 1; k <= 200; ++k) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto begun = std::chrono::steady_clock::now();
    asked = k;
    parmap::detail::futex_wake(asked, 1);
    while (answered != k) parmap::detail::spin_pause();
    all.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
  }
  sleeper.request_stop();
  ++asked;
  parmap::detail::futex_wake(asked, 1);
  std::ranges::nth_element(all, all.begin() + 100);
  return all[100];
}

// Seconds for the first touch of a page of 4 KiB, averaged over consecutive pages.
double seconds_to_touch(int sharing) {
  constexpr std::size_t page = 4096;
  constexpr std::size_t pages = 16'384;
  void* const memory = ::mmap(nullptr, pages * page, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  ::madvise(memory, pages * page, MADV_NOHUGEPAGE);
  auto* at = static_cast<volatile char*>(memory);
  const double each = seconds_each(
      [&] {
        *at = 1;
        at += page;
      },
      pages);
  ::munmap(memory, pages * page);
  return each;
}

// Forks a child that does nothing and waits for its end.
void fork_and_wait() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  if (child < 0 || ::waitpid(child, nullptr, 0) != child)
    throw std::system_error(errno, std::generic_category(), "fork");
}
// Opens, polls and closes a pidfd, which reports a process's end even if its number is used again.
void watch_by_pidfd() {
  const auto fd = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
  pollfd one{fd, POLLIN, 0};
  if (fd < 0 || ::poll(&one, 1, 0) != 0 || ::close(fd) != 0)
    throw std::system_error(errno, std::generic_category(), "pidfd_open");
}

// Maps memory between two inaccessible pages, as for results and ledger.
void share_memory() {
  constexpr std::size_t page = 4096;
  void* const all = ::mmap(nullptr, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  void* const inner = ::mmap(static_cast<char*>(all) + page, page, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (inner == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  *static_cast<volatile char*>(inner) = 1;
  ::munmap(all, 3 * page);
}

double floor_of(std::string_view what) {
  if (what == "clock") return seconds_each([] { keep(parmap::detail::now_ticks()); });
  if (what == "seed") return seconds_each([] { keep(parmap::detail::fresh_seed()); });
  if (what == "locked") {
    std::atomic<int> word{0};
    return seconds_each([&word] { word.fetch_add(1); });
  }
  if (what == "allocation") return seconds_each([] { keep(*std::make_unique<double>(1)); });
  if (what == "wake") return seconds_to_wake();
  if (what == "private_page") return seconds_to_touch(MAP_PRIVATE);
  if (what == "shared_page") return seconds_to_touch(MAP_SHARED);
  if (what == "child") return seconds_each(fork_and_wait, 200);
  if (what == "watch") return seconds_each(watch_by_pidfd, 10'000);
  if (what == "mapping") return seconds_each(share_memory, 10'000);
  throw std::invalid_argument("no floor " + std::string(what));
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  try {
    if (argc < 2) throw std::invalid_argument("usage: floors NAME");
    std::printf("%.9g\n", bench::floor_of(argv[1]));
    return 0;
  } catch (const std::exception& why) {
    std::cerr << "floors: " << why.what() << '\n';
    return 1;
  }
}
