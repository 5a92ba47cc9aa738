// SPDX-License-Identifier: MIT
// Compares the engine async with minimal code written by hand with Asio: time and memory for tasks that wait at the
// same time, and time for tasks that do not wait. Runs take turns. Prints medians and spread as a Markdown table.
//
//     async [--only NAME] [--runs N]
#include <parmap/async.hpp>
#include <parmap/parmap.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/version.hpp>

#include <malloc.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iomanip>
#include <iostream>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

// Bytes that are allocated now. (Counting operator new is not enough: Asio allocates its frames by aligned_alloc.)
std::size_t allocated() {
  const struct mallinfo2 now = ::mallinfo2();
  return now.uordblks + now.hblkhd;
}
std::size_t allocated_at_the_end = 0;  // when the last task begins to wait: the most tasks are in flight then

using asio::awaitable;
using asio::use_awaitable;

constexpr double most_time = 1.1;          // times bare Asio's
constexpr double most_memory = 1.25;       // times bare Asio's
constexpr double most_microseconds = 0.5;  // for a task that does not wait
constexpr std::chrono::milliseconds pause{50};
constexpr std::uint32_t last_task = 9999;  // of the waiting tasks

awaitable<std::uint32_t> wait_a_little(std::uint32_t i) {
  asio::steady_timer timer(co_await asio::this_coro::executor, pause);
  if (i == last_task) allocated_at_the_end = allocated();
  co_await timer.async_wait(use_awaitable);
  co_return i;
}
awaitable<std::uint32_t> wait_for_nothing(std::uint32_t i) { co_return i; }

using task = awaitable<std::uint32_t> (*)(std::uint32_t);

struct workload {
  std::string name;
  task f;
  std::uint32_t tasks;
  unsigned workers;
};

const std::vector<workload>& workloads() {
  static const std::vector<workload> all{
      {"10 000 x 50 ms, all at once", wait_a_little, last_task + 1, 10'000},
      {"10 000 x 50 ms, 1000 at once", wait_a_little, last_task + 1, 1000},
      {"10 000 x 50 ms, 100 at once", wait_a_little, last_task + 1, 100},
      {"1e6 x 0 ms, 64 at once", wait_for_nothing, 1'000'000, 64},
  };
  return all;
}

// By hand: one coroutine for each task if all may run at once; else one for each worker, which takes task after task.
awaitable<void> one(task f, std::uint32_t i, std::vector<std::uint32_t>& results) { results[i] = co_await f(i); }
awaitable<void> several(task f, std::uint32_t& next, std::vector<std::uint32_t>& results) {
  while (next < results.size()) {
    const std::uint32_t i = next++;
    results[i] = co_await f(i);
  }
}
std::vector<std::uint32_t> by_hand(const workload& what) {
  std::vector<std::uint32_t> results(what.tasks);
  std::uint32_t next = 0;
  asio::io_context context(1);
  if (what.workers >= what.tasks)
    for (std::uint32_t i = 0; i < what.tasks; ++i) asio::co_spawn(context, one(what.f, i, results), asio::detached);
  else
    for (unsigned w = 0; w < what.workers; ++w) asio::co_spawn(context, several(what.f, next, results), asio::detached);
  context.run();
  return results;
}
std::vector<std::uint32_t> by_parmap(const workload& what) {
  return parmap::map(parmap::async, what.f, std::views::iota(std::uint32_t{0}, what.tasks),
                     {.reporter = parmap::report::silent, .workers = what.workers})
      .value();
}
// With a limit, for which code written by hand would need a timer for each task.
std::vector<std::uint32_t> by_parmap_with_limit(const workload& what) {
  return parmap::map(parmap::async, what.f, std::views::iota(std::uint32_t{0}, what.tasks),
                     {.reporter = parmap::report::silent, .timeout = std::chrono::hours(1), .workers = what.workers})
      .value();
}

struct measured {
  std::vector<double> seconds{};
  std::vector<double> bytes{};

  void add(std::vector<std::uint32_t> (*run)(const workload&), const workload& what) {
    const std::size_t before = allocated();
    const auto start = std::chrono::steady_clock::now();
    const auto results = run(what);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    bytes.push_back(static_cast<double>(allocated_at_the_end - before) /
                    std::min<std::uint32_t>(what.tasks, what.workers));
    if (!std::ranges::equal(results, std::views::iota(std::uint32_t{0}, what.tasks)))
      throw std::runtime_error("the results of " + what.name + " are wrong");
  }
};

double median(std::vector<double> all) {
  std::ranges::sort(all);
  return (all[(all.size() - 1) / 2] + all[all.size() / 2]) / 2;
}
std::string text(double value, int digits) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(digits) << value;
  return out.str();
}
std::string spread(const std::vector<double>& all, double unit, int digits) {
  const auto [least, most] = std::ranges::minmax(all);
  return text(median(all) / unit, digits) + " (" + text(least / unit, digits) + " .. " + text(most / unit, digits) +
         ')';
}

void run(std::string_view only, unsigned runs) {
  std::array<double, 1> load{-1};
  static_cast<void>(::getloadavg(load.data(), 1));
  std::cout << "Asio " << ASIO_VERSION / 100000 << '.' << ASIO_VERSION / 100 % 1000 << '.' << ASIO_VERSION % 100 << ", "
            << runs << " runs each, load before: " << text(load[0], 2) << "\n\n"
            << "| workload | | bare Asio | parmap | parmap with a limit | parmap / Asio |\n|---|---|---|---|---|---|\n";
  std::string missed;
  for (const workload& what : workloads()) {
    if (!only.empty() && what.name != only) continue;
    std::array<measured, 3> of;
    for (unsigned k = 0; k < runs; ++k) {
      of[0].add(by_hand, what);
      of[1].add(by_parmap, what);
      of[2].add(by_parmap_with_limit, what);
    }
    const double slower = median(of[1].seconds) / median(of[0].seconds);
    const double larger = median(of[1].bytes) / median(of[0].bytes);
    if (what.f == wait_for_nothing) {
      const double unit = what.tasks * 1e-6;
      std::cout << "| " << what.name << " | µs a task | " << spread(of[0].seconds, unit, 3) << " | "
                << spread(of[1].seconds, unit, 3) << " | " << spread(of[2].seconds, unit, 3) << " | " << text(slower, 2)
                << " |\n";
      if (median(of[1].seconds) / unit > most_microseconds) missed += "\n- " + what.name + ": time";
      continue;
    }
    std::cout << "| " << what.name << " | ms | " << spread(of[0].seconds, 1e-3, 1) << " | "
              << spread(of[1].seconds, 1e-3, 1) << " | " << spread(of[2].seconds, 1e-3, 1) << " | " << text(slower, 2)
              << " |\n| | bytes a task in flight | " << text(median(of[0].bytes), 0) << " | "
              << text(median(of[1].bytes), 0) << " | " << text(median(of[2].bytes), 0) << " | " << text(larger, 2)
              << " |\n";
    if (slower > most_time) missed += "\n- " + what.name + ": time";
    if (larger > most_memory && what.workers >= what.tasks) missed += "\n- " + what.name + ": memory";
  }
  std::cout << "\nTargets: time at most " << most_time << " times bare Asio's, memory of all at once at most "
            << most_memory << " times, " << most_microseconds
            << " us for a task that does not wait. Missed:" << (missed.empty() ? " none." : missed) << '\n';
}

}  // namespace

int main(int argc, char** argv) try {
  std::string_view only;
  unsigned runs = 9;
  for (int k = 1; k < argc; k += 2) {
    const std::string_view argument = argv[k];
    const std::string_view value = k + 1 < argc ? argv[k + 1] : "";
    if (argument == "--only" && !value.empty()) {
      only = value;
    } else if (argument != "--runs" ||
               std::from_chars(value.data(), value.data() + value.size(), runs).ec != std::errc() || runs == 0) {
      throw std::invalid_argument("usage: async [--only NAME] [--runs N]");
    }
  }
  run(only, runs);
  return 0;
} catch (const std::exception& error) {
  std::cerr << "async: " << error.what() << '\n';
  return 2;
}
