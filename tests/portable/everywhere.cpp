// SPDX-License-Identifier: MIT
// What serial and threads promise on every system, and the bodies of detail/system that only macOS and Windows use, in
// a program without a test library. Status 0: all is right. run.py compiles it, and runs it where it can.
#ifdef PARMAP_SINGLE_HEADER
#include <parmap.hpp>
#else
#include <parmap/parmap.hpp>
#endif

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#if PARMAP_WINDOWS
#include <windows.h>
#endif

namespace {

int wrong = 0;

void check(bool right, const char* what) {
  std::printf("%s: %s\n", right ? "right" : "WRONG", what);
  wrong += right ? 0 : 1;
}

// Not std::atomic::wait: that of libstdc++ 12 loses wakes where it has no futex.
class counter {
 public:
  void add() {
    const std::scoped_lock lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  void wait(int least) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return count_ >= least; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_{};
};

std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

void values_and_failures() {
  const std::vector<int> xs = numbers(10'000);
  const auto square = [](int x) {
    if (x == 777) throw std::runtime_error("no square");
    return x * x;
  };
  const auto all = parmap::map(parmap::threads, square, xs);
  check(all.failures().size() == 1 && all.failures()[0].index == 777 && all.failures()[0].inputs == "777",
        "a task that throws fails alone");
  check(*all.get_if(9999) == 9999 * 9999, "values are in input order");
  check(parmap::map(parmap::serial, [](int x) { return std::to_string(x); }, xs).value()[42] == "42", "serial");
  std::vector<double> out(xs.size());
  parmap::map_into(parmap::threads, out, [](int x) { return x / 2.0; }, xs).value();
  check(out[5] == 2.5, "map_into");
  const auto grid = parmap::map(parmap::threads, [](int a, int b) { return 10 * a + b; }, numbers(3), numbers(4));
  check(grid.value()[11] == 23, "two axes");
  std::uint64_t next = 0;
  for (const auto& [index, outcome] : parmap::stream(parmap::threads, square, xs, {.ordered = true, .window = 7}))
    next += index == next && outcome.has_value() == (index != 777) ? 1U : 0U;
  check(next == xs.size(), "an ordered stream");
  std::size_t retried = 0;
  std::atomic<int> calls{0};
  const auto second_time = [&](parmap::context& self, int) {
    ++calls;
    if (self.attempt() == 1) throw std::runtime_error("once");
    return self.attempt();
  };
  for (const unsigned attempts : parmap::map(parmap::threads, second_time, numbers(50),
                                             {.retries = 1, .retry_delay = std::chrono::milliseconds(1)})
                                     .value())
    retried += attempts == 2 ? 1 : 0;
  check(retried == 50 && calls == 100, "retries with a delay");
}

// The same bits as on every other system.
void reproducible() {
  const auto draw = [](parmap::context& self, int x) { return static_cast<double>(self.rng()() >> 11) * 0x1p-53 + x; };
  const double sum = parmap::map_reduce(parmap::threads, draw, std::plus{}, 0.0, numbers(5000), {.seed = 42}).value();
  check(sum == parmap::map_reduce(parmap::serial, draw, std::plus{}, 0.0, numbers(5000), {.seed = 42}).value(),
        "a sum is the same under serial and threads");
  std::printf("the sum is %a\n", sum);
  check(sum == 0x1.7d782bb0714a2p+23, "a sum is the same as on other systems");
  std::set<std::uint64_t> seeds;
  for (int k = 0; k < 100; ++k) seeds.insert(parmap::map(parmap::serial, [](int x) { return x; }, numbers(1)).seed());
  check(seeds.size() == 100, "seeds are fresh");
}

// Both tasks return only if two threads run at once.
void threads_help() {
  for (int k = 0; k < 20; ++k) {
    counter here;
    const auto meet = [&](int) {
      here.add();
      here.wait(2);
      return std::this_thread::get_id();
    };
    const auto ids = parmap::map(parmap::threads, meet, numbers(2), {.workers = 2}).value();
    if (ids[0] == ids[1]) return check(false, "two threads run two tasks");
  }
  check(true, "two threads run two tasks");
  check(parmap::detail::usable_cores() >= 1, "there is a core");
}

void limits() {
  const auto until_stopped = [](parmap::context& self, int x) {
    counter stops;
    const std::stop_callback wake(self.stop_token(), [&] { stops.add(); });
    if (x == 1) stops.wait(1);
    return x;
  };
  const auto all =
      parmap::map(parmap::threads, until_stopped, numbers(3), {.timeout = std::chrono::milliseconds(20), .workers = 2});
  bool late = false;
  for (const parmap::failure& why : all.failures())
    late = late || (why.index == 1 && why.kind == parmap::failure_kind::timed_out);
  check(late, "a time limit");
}

void engines_by_name() {
  check(parmap::engine_named("threads").name() == "threads", "an engine by its name");
  if (PARMAP_LINUX) return;
  try {
    static_cast<void>(parmap::engine_named("multi"));
    check(false, "multi needs Linux");
  } catch (const std::invalid_argument& error) {
    check(std::string_view(error.what()).ends_with("the names are serial and threads; multi needs Linux"),
          "multi needs Linux");
  }
}

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void traces() {
  const std::string path = "everywhere-trace.json";
  const auto all =
      parmap::map(parmap::threads, [](int x) { return x; }, numbers(100), {.label = "squares", .trace = path});
  const std::string trace = text_of(path);
  const std::string status = text_of(path + ".status");
  check(all.ok() && trace.starts_with('[') && trace.find("\"squares\"") != std::string::npos, "a trace");
  check(status.find("\"pid\":" + std::to_string(parmap::detail::process_id())) != std::string::npos &&
            status.find("everywhere") != std::string::npos,
        "its status file");
  check(!parmap::detail::host_name().empty(), "this host has a name");
  std::remove(path.c_str());
  std::remove((path + ".status").c_str());
}

// Ctrl-C while the map runs; false if there is no console that could send it.
bool interrupt_this_program() {
#if PARMAP_WINDOWS
  return ::GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, 0) != 0;
#else
  return std::raise(SIGINT) == 0;
#endif
}

void interrupts() {
  std::atomic<bool> sent{true};
  const auto f = [&](parmap::context& self, int x) {
    if (x == 3 && (sent = interrupt_this_program())) {
      counter stops;
      const std::stop_callback wake(self.stop_token(), [&] { stops.add(); });
      stops.wait(1);
    }
    return x;
  };
  const auto all =
      parmap::map(parmap::threads, f, numbers(1000), {.on_interrupt = parmap::interrupt::keep, .workers = 1});
  if (!sent) std::puts("not tried: there is no console that sends Ctrl-C");
  else check(!all.ok() && all.get_if(3) != nullptr && all.get_if(999) == nullptr, "Ctrl-C ends the map alone");
}

void standard_streams() {
  check(parmap::detail::write_all(parmap::detail::standard_error, "this line is on stderr\n"), "a line on stderr");
  check(!parmap::detail::is_terminal(-1) && !parmap::detail::write_all(-1, "x"), "a descriptor that there is not");
  std::printf("stderr is %sa terminal of %zu columns\n",
              parmap::detail::is_terminal(parmap::detail::standard_error) ? "" : "not ",
              parmap::detail::terminal_columns(parmap::detail::standard_error));
}

// Threads hand a word round by futex_wait and futex_wake, which sleep until it has changed.
void words() {
  constexpr std::uint32_t rounds = 2000;
  constexpr std::uint32_t players = 3;
  parmap::detail::futex_word word{0};
  std::vector<std::thread> all;
  for (std::uint32_t me = 0; me < players; ++me)
    all.emplace_back([&, me] {
      for (;;) {
        const std::uint32_t seen = word.load();
        if (seen >= rounds * players) return;
        if (seen % players != me) {
          parmap::detail::futex_wait(word, seen, parmap::detail::no_limit);
        } else {
          word.store(seen + 1);
          parmap::detail::futex_wake(word, static_cast<int>(players));
        }
      }
    });
  for (std::thread& each : all) each.join();
  check(word.load() == rounds * players, "threads sleep on a word, and are woken");
  parmap::detail::futex_wait(word, word.load(), std::chrono::milliseconds(2));
  parmap::detail::futex_wait(word, word.load() + 1, parmap::detail::no_limit);
  check(true, "a wait ends at its limit, and if the word has another value");
}

}  // namespace

int main() {
  values_and_failures();
  reproducible();
  threads_help();
  limits();
  engines_by_name();
  traces();
  interrupts();
  standard_streams();
  words();
  std::printf("%s\n", wrong == 0 ? "all is right" : "SOMETHING IS WRONG");
  return wrong == 0 ? 0 : 1;
}
