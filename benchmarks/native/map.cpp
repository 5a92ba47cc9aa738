// SPDX-License-Identifier: MIT
// One measurement of benchmarks/native.py, of the peer BENCH_PEER, in its own process: map_PEER WORKLOAD SIZE
// [FILE [FACTOR] | CALLS | WORKERS]. Prints the seconds of the call, or for short calls of one among many. Exits with 2
// if the peer does not support the workload. FILE has the steps of each task, which are multiplied by FACTOR if given.
#include "peers.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace bench {
namespace {

using clock = std::chrono::steady_clock;

template <class Fn>
double seconds_of(Fn&& fn) {
  const auto start = clock::now();
  fn();
  return std::chrono::duration<double>(clock::now() - start).count();
}

double median(std::vector<double> all) {
  std::ranges::sort(all);
  return (all[(all.size() - 1) / 2] + all[all.size() / 2]) / 2;
}

double square(double x) { return x * x + 1; }
constexpr auto squared = [](double x) { return square(x); };

// Pure computation: so many steps of a recurrence that no compiler can shorten. A thread's next task continues from its
// last one; otherwise the processor would overlap the end of one task with the start of the next.
thread_local std::uint64_t last = 1;
[[gnu::noinline]] std::uint32_t spin(std::uint32_t steps) {
  std::uint64_t x = last;
  for (std::uint32_t k = 0; k < steps; ++k) x = (x ^ (x >> 29)) * 6364136223846793005U;
  last = x;
  return steps;
}
constexpr auto spun = [](std::uint32_t steps) { return spin(steps); };

// The fastest of some tries, because the others were disturbed.
double steps_per_ns() {
  double least = std::numeric_limits<double>::infinity();
  for (int k = 0; k < 20; ++k) least = std::min(least, seconds_of([] { static_cast<void>(spin(4'000'000)); }));
  return 4'000'000 / (least * 1e9);
}

std::vector<std::uint32_t> steps_in(const std::string& path, double factor) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::vector<std::uint32_t> all(static_cast<std::size_t>(file.tellg()) / sizeof(std::uint32_t));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(all.data()), static_cast<std::streamsize>(all.size() * sizeof(std::uint32_t)));
  if (!file) throw std::runtime_error("cannot read " + path);
  if (factor != 1)
    for (std::uint32_t& each : all) each = std::max(1U, static_cast<std::uint32_t>(each * factor));
  return all;
}

std::vector<double> numbers(std::size_t n) {
  std::vector<double> all(n);
  for (std::size_t i = 0; i < n; ++i) all[i] = static_cast<double>(i);
  return all;
}
std::vector<int> integers(std::size_t n) {
  std::vector<int> all(n);
  for (std::size_t i = 0; i < n; ++i) all[i] = static_cast<int>(i);
  return all;
}

std::string text_of_32(int i) {
  std::string text(32, '.');
  for (std::size_t k = 32; i > 0; i /= 10) text[--k] = static_cast<char>('0' + i % 10);
  return text;
}
std::vector<double> thousand(int i) { return std::vector<double>(1000, i); }
using megabyte = std::array<double, 125'000>;
megabyte megabyte_of(int i) {
  megabyte all;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled at once
  all.fill(i);
  return all;
}

// Measures calls that take about 1 µs, many at once. Fewer if they take seconds, as calls do whose threads spin for
// each other on a shared core.
template <class Peer>
double hot_call(std::size_t n, unsigned calls) {
  const auto in = numbers(n);
  std::vector<double> batches;
  const auto limit = clock::now() + std::chrono::seconds(5);
  for (int k = 0; k < 21 && (k < 2 || clock::now() < limit); ++k)
    batches.push_back(seconds_of([&] {
                        for (unsigned c = 0; c < calls; ++c) keep(Peer::fresh(in, squared));
                      }) /
                      calls);
  batches.erase(batches.begin());  // the warm-up
  return median(batches);
}
template <class Peer>
double call_after_rest(std::size_t n) {
  const auto in = numbers(n);
  std::vector<double> calls;
  keep(Peer::fresh(in, squared));
  for (int k = 0; k < 20; ++k) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    calls.push_back(seconds_of([&] { keep(Peer::fresh(in, squared)); }));
  }
  return median(calls);
}

// Some 10 ms of work. After it the peer's threads exist, each on its own core.
template <class Peer>
void make_threads() {
  keep(Peer::fresh(std::vector<std::uint32_t>(10'000, 1000), spun));
}

// Measures one call, after one that starts the threads and one that fills the allocator's pools.
template <class Peer, class In, class F>
double fresh(const std::vector<In>& in, const F& f) {
  make_threads<Peer>();
  const std::vector<In> few(in.begin(),
                            in.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(in.size(), 1000)));
  keep(Peer::fresh(few, f));
  return seconds_of([&] { keep(Peer::fresh(in, f)); });
}
template <class Peer>
double in_place(std::size_t n) {
  const auto in = numbers(n);
  std::vector<double> out(n);
  make_threads<Peer>();
  const double taken = seconds_of([&] { Peer::transform(in, out.data(), squared); });
  for (std::size_t i = 0; i < n; i += n / 7)
    if (out[i] != square(in[i])) throw std::runtime_error("a result is wrong");
  return taken;
}

template <class Peer>
double sum(std::size_t n) {
  const auto in = numbers(n);
  make_threads<Peer>();
  double all = 0;
  const double taken = seconds_of([&] { all = Peer::sum(in, squared); });
  const double most = static_cast<double>(n) - 1;  // by the formula
  if (std::abs(all / (most * (most + 1) * (2 * most + 1) / 6 + most + 1) - 1) > 1e-6)
    throw std::runtime_error("the sum is wrong");
  return taken;
}

template <class Peer>
double nested(std::size_t inner, std::uint32_t steps) {
  const std::vector<std::uint32_t> tasks(inner, steps);
  const auto outer = integers(64);
  const auto f = [&tasks](int) { return static_cast<double>(Peer::fresh(tasks, spun)[7]); };
  return fresh<Peer>(outer, f);
}

// Maps and touches memory in the caller, in pages of 4 KiB.
void touch(std::size_t bytes) {
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  ::madvise(memory, bytes, MADV_NOHUGEPAGE);
  std::memset(memory, 1, bytes);
}

template <class Peer>
double processes(std::size_t touched, unsigned maps) {
  if (touched > 0) touch(touched);
  const auto in = numbers(parmap::detail::usable_cores());
  std::vector<double> calls;
  for (unsigned k = 0; k <= maps; ++k) calls.push_back(seconds_of([&] { keep(Peer::fresh(in, squared)); }));
  calls.erase(calls.begin());
  return median(calls);
}
struct not_here : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Returns the seconds of a workload.
template <class Peer>
double measure(std::string_view what, std::size_t size, const std::string& more, double factor) {
  const auto times = [&more](unsigned usually) {
    return more.empty() ? usually : static_cast<unsigned>(std::stoul(more));
  };
  if constexpr (requires { Peer::void_tasks(size, 0U); })
    if (what == "void") return seconds_of([&] { Peer::void_tasks(size, times(0)); });
  if (what == "hot") return hot_call<Peer>(size, times(2000));
  if (what == "rested") return call_after_rest<Peer>(size);
  if (what == "fresh") return fresh<Peer>(numbers(size), squared);
  if (what == "in_place") return in_place<Peer>(size);
  if constexpr (requires { Peer::sum(std::vector<double>(), squared); })
    if (what == "sum") return sum<Peer>(size);
  if (what == "balance") return fresh<Peer>(steps_in(more, factor), spun);
  if (what == "nested") return nested<Peer>(size, steps_in(more, factor)[0]);
  if (what == "strings") return fresh<Peer>(integers(size), text_of_32);
  if (what == "vectors") return fresh<Peer>(integers(size), thousand);
  if (what == "megabytes") return fresh<Peer>(integers(size), megabyte_of);
  if (what == "processes") return processes<Peer>(size, times(7));
  throw not_here("no workload " + std::string(what));
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() == 1 && words[0] == "steps") {
      std::printf("%.6g\n", bench::steps_per_ns());
      return 0;
    }
    if (words.size() < 2) throw bench::not_here("usage: map_PEER WORKLOAD SIZE [FILE [FACTOR] | CALLS | WORKERS]");
    const std::string more = words.size() > 2 ? words[2] : "";
    const double factor = words.size() > 3 ? std::stod(words[3]) : 1;
    std::printf("%.9g\n", bench::measure<bench::BENCH_PEER>(words[0], std::stoull(words[1]), more, factor));
    return 0;
  } catch (const bench::not_here& why) {
    std::cerr << "map: " << why.what() << '\n';
    return 2;
  } catch (const std::exception& why) {
    std::cerr << "map: " << why.what() << '\n';
    return 1;
  }
}
