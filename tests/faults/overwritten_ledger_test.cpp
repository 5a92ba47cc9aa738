// SPDX-License-Identifier: MIT
// Engine multi: tasks that overwrite the memory which their worker shares with the caller. What is overwritten may be
// lost, but the caller gets results or an exception, in time, and no process is left.
#include "engines.hpp"
#include "run_in_child.hpp"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <ostream>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;

struct mapping {
  std::byte* first;
  std::size_t size;
};

// The shared anonymous mappings that this process inherited.
std::vector<mapping> shared() {
  std::ifstream maps("/proc/self/maps");
  std::vector<mapping> all;
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin{};
    unsigned long end{};
    if (line.find("/dev/zero (deleted)") == std::string::npos) continue;
    if (std::sscanf(line.c_str(), "%lx-%lx", &begin, &end) != 2) continue;
    all.push_back({reinterpret_cast<std::byte*>(begin), end - begin});
  }
  return all;
}

// The ledger is at the start of the mapping with the arenas, which is by far the largest.
mapping claim_ledger() { return std::ranges::max(shared(), {}, &mapping::size); }

// A value that a stray write may leave in a word.
std::uint64_t garbage(std::mt19937_64& random) {
  switch (random() % 6) {
    case 0: return 0;
    case 1: return ~std::uint64_t{0};
    case 2: return random() % 1000;
    case 3: return random() % 1000 << 32 | random() % 1000;
    case 4: return random() % 1000 << 32 | random() % 1000 << 1 | 1;
    default: return random();
  }
}

// Which words of the first `bytes` of the ledger's mapping are overwritten: on average one in `each`.
struct scribble {
  const char* name;
  std::size_t bytes;
  unsigned each;
  bool survives;  // the task does not crash, so that its worker goes on with the overwritten memory

  friend void PrintTo(const scribble& it, std::ostream* out) { *out << it.name; }
};

class overwritten_ledger_test : public ::testing::TestWithParam<scribble> {
 protected:
  static void write_over(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto& how = GetParam();
    auto* const words = reinterpret_cast<volatile std::uint64_t*>(claim_ledger().first);
    for (std::size_t k = 0; k < how.bytes / sizeof *words; ++k)
      if (random() % how.each == 0) words[k] = garbage(random);
    if (!how.survives) ::raise(SIGKILL);
  }

  // Runs one map and reads everything that it returns.
  template <class T>
  static std::string outcome(std::uint64_t seed, parmap::options chosen) {
    const auto f = [seed](int i) {
      if (i == 50) write_over(seed);
      if constexpr (std::is_same_v<T, std::string>) return std::to_string(i);
      else return i;
    };
    try {
      const auto all = parmap::map(f, std::views::iota(0, 200), std::move(chosen));
      std::size_t failures = 0;
      for (const parmap::failure& why : all.failures()) failures += to_string(why).empty() ? 0 : 1;
      std::size_t values = 0;
      for (const T& each : all.values()) values += T(each) == each ? 1 : 0;
      require(all.size() == 200 && values + failures == 200, "every task has a value or a failure");
      return "results";
    } catch (const std::runtime_error& error) {
      return error.what();
    } catch (const std::logic_error& error) {  // "lost count"
      require_part("parmap", error.what());
      return error.what();
    }
  }

  template <class T>
  static void check(parmap::options chosen) {
    // With seed 421, task 50 makes the range begin with task 50.
    for (std::uint64_t seed = 1; seed <= 421; seed += seed == 40 ? 381 : 1) {
      const std::string said = in_child([&] { static_cast<void>(outcome<T>(seed, chosen)); }, 30s);
      ASSERT_EQ(said, "") << "seed " << seed;
    }
  }
};

TEST_P(overwritten_ledger_test, plain) { check<int>({.workers = 2}); }
TEST_P(overwritten_ledger_test, encoded) { check<std::string>({.workers = 3}); }
TEST_P(overwritten_ledger_test, with_a_limit) { check<std::string>({.retries = 1, .timeout = 200ms, .workers = 2}); }

// A task that puts itself back into the range each time it runs.
void run_me_again(int i, int n) {
  // Looked up once per worker, because the task may run 100 000 times.
  static auto* const words = reinterpret_cast<volatile std::uint64_t*>(claim_ledger().first);
  for (std::size_t k = 0; k < 512; ++k) {
    const auto all = parmap::detail::unpack(words[k]);
    if (all.e == static_cast<std::uint64_t>(n) && all.b > static_cast<std::uint64_t>(i))
      words[k] = parmap::detail::pack(parmap::detail::interval{static_cast<std::uint32_t>(i), all.e});
  }
}

TEST(work_without_end_test, by_a_task_that_lives_or_dies) {
  for (const bool dies : {false, true})
    EXPECT_EQ(in_child(
                  [dies] {
                    const auto f = [dies](int i) {
                      if (i == 20) {
                        run_me_again(i, 100'000);
                        if (dies) ::raise(SIGKILL);
                      }
                      return i;
                    };
                    const auto what = thrown_by<std::exception>(
                        [&] { static_cast<void>(parmap::map(f, std::views::iota(0, 100'000), {.workers = 1})); });
                    require_part("wrote over the memory", what);
                  },
                  20s),
              "")
        << dies;
}

const scribble scribbles[] = {
    {"all_of_it", 4096, 1, false},       {"all_of_it_and_goes_on", 4096, 1, true},
    {"here_and_there", 4096, 8, false},  {"here_and_there_and_goes_on", 4096, 8, true},
    {"a_word_or_two", 2048, 128, false}, {"a_word_or_two_and_goes_on", 2048, 128, true},
    {"arenas_too", 1 << 16, 8, false},   {"arenas_too_and_goes_on", 1 << 16, 8, true},
};

INSTANTIATE_TEST_SUITE_P(each, overwritten_ledger_test, ::testing::ValuesIn(scribbles),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
