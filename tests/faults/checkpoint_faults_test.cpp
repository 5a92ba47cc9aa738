// SPDX-License-Identifier: MIT
// Maps with a checkpoint whose program is killed at any moment, whose file is damaged or in use, whose disk is full.
#include "engines.hpp"
#include "killed_sweep.hpp"
#include "leftovers.hpp"
#include "run_in_child.hpp"
#include "scratch_folder.hpp"

#include <parmap/checkpoint.hpp>
#include <parmap/detail/checkpoints/database.hpp>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using killed_sweep::reap_all;
using killed_sweep::run_and_kill;
using killed_sweep::stored;
using scratch::folder;

class checkpoint_faults_test : public leftovers::none {};

constexpr int tasks = 600;

std::vector<std::uint64_t> numbers(parmap::context& self, int i) {
  const auto end = std::chrono::steady_clock::now() + 200us;
  while (std::chrono::steady_clock::now() < end) {
  }
  return {self.rng()(), static_cast<std::uint64_t>(i)};
}

auto sweep(const std::string& file, std::uint64_t seed = 11) {
  return parmap::map(parmap::multi, numbers, std::views::iota(0, tasks),
                     {.reporter = parmap::report::silent,
                      .seed = seed,
                      .store = parmap::checkpoint(file, {.name = "numbers"}),
                      .workers = 2});
}

template <class Call>
std::string refusal(const Call& call) {
  try {
    call();
  } catch (const parmap::store_failed& error) {
    return error.what();
  }
  return "no store_failed was thrown";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_F(checkpoint_faults_test, killed_at_random_moments_nothing_stored_is_lost) {
  const char* const given = std::getenv("PARMAP_KILLS");
  const int kills = given != nullptr ? std::atoi(given) : 12;
  constexpr std::uint64_t seed = 20261130;
  std::cout << "seed " << seed << std::endl;
  std::mt19937_64 random(seed);
  const auto undisturbed = parmap::map(parmap::serial, numbers, std::views::iota(0, tasks), {.seed = 11}).value();
  for (int killed = 0; killed < kills;) {
    const folder here;
    const std::string file = here.file();
    for (int round = 0; round < 3; ++round, ++killed) {
      ASSERT_NO_FATAL_FAILURE(run_and_kill([](const std::string& in) { return sweep(in); }, file, random));
    }
    const auto whole = sweep(file);
    ASSERT_TRUE(whole.ok());
    ASSERT_EQ(whole.value(), undisturbed);
  }
}

parmap::options kept_or_not(const std::string& file) {
  parmap::options how{.reporter = parmap::report::silent, .seed = 11, .workers = 2};
  if (!file.empty()) how.store = parmap::checkpoint(file, {.name = "numbers"});
  return how;
}

auto folded(const std::string& file) {
  const auto step = [](parmap::context& self, double& sum, int i) {
    sum += static_cast<double>(numbers(self, i)[0]) * 0x1p-64 / (i + 1);
  };
  return parmap::fold(
      parmap::multi, 0.0, step, [](double& a, double b) { a += b; }, std::views::iota(0, 2100), kept_or_not(file));
}
auto put_into(const std::string& file) {
  std::vector<std::vector<std::uint64_t>> to(tasks);
  parmap::map_into(parmap::multi, to, numbers, std::views::iota(0, tasks), kept_or_not(file)).value();
  return to;
}
auto awaited(const std::string& file) {
  const auto f = [](parmap::context& self, int i) -> asio::awaitable<std::vector<std::uint64_t>> {
    co_return numbers(self, i);
  };
  std::vector<std::vector<std::uint64_t>> made;
  const parmap::options how = kept_or_not(file);  // see async_map: g++ 12 destroys temporaries of a co_await twice
  asio::io_context loop;
  asio::co_spawn(
      loop,
      [&]() -> asio::awaitable<void> {
        made = (co_await parmap::async_map(f, std::views::iota(0, tasks), how)).value();
      },
      [](const std::exception_ptr& lost) {
        if (lost) std::rethrow_exception(lost);
      });
  loop.run();
  return made;
}

TEST_F(checkpoint_faults_test, map_into_and_async_map_that_are_killed_lose_nothing_either) {
  const char* const given = std::getenv("PARMAP_KILLS");
  const int kills = given != nullptr ? std::atoi(given) : 6;
  constexpr std::uint64_t seed = 20261203;
  std::cout << "seed " << seed << std::endl;
  std::mt19937_64 random(seed);
  const auto undisturbed = put_into({});
  ASSERT_EQ(awaited({}), undisturbed);
  for (int killed = 0; killed < kills;) {
    const folder here;
    const std::string file = here.file();
    for (int round = 0; round < 3; ++round, ++killed) {
      if (killed % 2 == 0) ASSERT_NO_FATAL_FAILURE(run_and_kill(put_into, file, random));
      else ASSERT_NO_FATAL_FAILURE(run_and_kill(awaited, file, random));
    }
    // The file is that of a map, too.
    ASSERT_EQ(killed % 2 == 0 ? put_into(file) : awaited(file), undisturbed);
    const auto whole = sweep(file);
    ASSERT_EQ(whole.stored(), static_cast<std::uint64_t>(tasks));
    ASSERT_EQ(whole.value(), undisturbed);
  }
}

// Its tasks share accumulators by twos.
TEST_F(checkpoint_faults_test, a_fold_that_is_killed_at_random_moments_has_the_bits_of_an_undisturbed_one) {
  const char* const given = std::getenv("PARMAP_KILLS");
  const int kills = given != nullptr ? std::atoi(given) : 9;
  constexpr std::uint64_t seed = 20261201;
  std::cout << "seed " << seed << std::endl;
  std::mt19937_64 random(seed);
  const auto undisturbed = std::bit_cast<std::uint64_t>(folded({}).value());
  for (int killed = 0; killed < kills;) {
    const folder here;
    const std::string file = here.file();
    for (int round = 0; round < 3; ++round, ++killed) {
      ASSERT_NO_FATAL_FAILURE(run_and_kill(folded, file, random, 700));
    }
    const auto whole = folded(file);
    ASSERT_TRUE(whole.ok());
    ASSERT_EQ(std::bit_cast<std::uint64_t>(whole.value()), undisturbed);
  }
}

TEST_F(checkpoint_faults_test, another_programs_file_is_refused_and_stays) {
  const folder here;
  std::ofstream(here.file("text")) << "these are notes of mine, and no database at all";
  EXPECT_TRUE(has(refusal([&] { std::ignore = sweep(here.file("text")); }), "not a SQLite database"));
  EXPECT_EQ(std::filesystem::file_size(here.file("text")), 47U);
  {
    parmap::detail::database(here.file("other")).execute("CREATE TABLE mine(x); INSERT INTO mine VALUES(3)");
  }
  EXPECT_TRUE(has(refusal([&] { std::ignore = sweep(here.file("other")); }), "not a checkpoint of parmap"));
  EXPECT_EQ(parmap::detail::database(here.file("other")).number("SELECT x FROM mine"), 3);
  EXPECT_TRUE(has(refusal([&] { std::ignore = sweep(here.file("no/such/folder")); }), "does its folder exist"));
}

TEST_F(checkpoint_faults_test, a_damaged_file_is_refused) {
  const folder here;
  ASSERT_TRUE(sweep(here.file()).ok());
  std::fstream file(here.file(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(std::filesystem::file_size(here.file()) - 4096, '\xfe');
  file.close();
  EXPECT_TRUE(has(refusal([&] { std::ignore = sweep(here.file()); }), "damaged"));
}

TEST_F(checkpoint_faults_test, a_file_in_use_is_refused_until_its_user_has_died) {
  const folder here;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto f = [&](int) {
      std::ignore = ::write(ready[1], "x", 1);
      ::pause();
      return 1.0;
    };
    std::ignore = parmap::map(parmap::threads, f, std::views::iota(0, 2),
                              {.store = parmap::checkpoint(here.file(), {.name = "f"})});
    ::_exit(0);
  }
  char got{};
  ASSERT_EQ(::read(ready[0], &got, 1), 1);
  const auto again = [&] {
    return parmap::map(parmap::threads, [](int) { return 1.0; }, std::views::iota(0, 2),
                       {.reporter = parmap::report::silent, .store = parmap::checkpoint(here.file(), {.name = "f"})});
  };
  EXPECT_TRUE(has(refusal([&] { std::ignore = again(); }), "process " + std::to_string(child) + " on "));
  ::kill(child, SIGKILL);
  reap_all();
  EXPECT_TRUE(again().ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(checkpoint_faults_test, a_full_disk_is_told_and_what_was_stored_stays) {
  const folder here;
  const auto f = [](int i) { return std::string(10'000, static_cast<char>('a' + i % 26)); };
  const auto large = [&] {
    return parmap::map(
        parmap::multi, f, std::views::iota(0, 2000),
        {.reporter = parmap::report::silent, .store = parmap::checkpoint(here.file(), {.name = "f"}), .workers = 2});
  };
  EXPECT_EQ(in_child([&] {
              ::signal(SIGXFSZ, SIG_IGN);
              const rlimit least{1 << 20, 1 << 20};  // bytes a file
              if (::setrlimit(RLIMIT_FSIZE, &least) != 0) throw std::runtime_error("setrlimit");
              const std::string said = refusal([&] { std::ignore = large(); });
              if (!has(said, here.file())) throw std::runtime_error(said);
            }),
            "");
  const auto whole = large();
  ASSERT_TRUE(whole.ok());
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(whole[static_cast<std::uint64_t>(i)], f(i));
}

TEST_F(checkpoint_faults_test, a_file_that_is_gone_is_told) {
  const folder here;
  const auto f = [&](int i) {
    if (i == 1) std::filesystem::rename(here.file(), here.file("elsewhere.db"));
    return i;
  };
  EXPECT_TRUE(has(refusal([&] {
                    std::ignore = parmap::map(parmap::threads, f, std::views::iota(0, 3),
                                              {.reporter = parmap::report::silent,
                                               .store = parmap::checkpoint(here.file(), {.name = "f"}),
                                               .workers = 1});
                  }),
                  "it was moved or deleted while the map ran"));
}

TEST_F(checkpoint_faults_test, a_device_is_refused_and_stays) {
  const folder here;
  ASSERT_EQ(::mkfifo(here.file().c_str(), 0600), 0);
  EXPECT_TRUE(has(refusal([&] { std::ignore = sweep(here.file()); }), "it is a folder or a device, and not a file"));
  EXPECT_TRUE(std::filesystem::is_fifo(here.file()));
}

TEST_F(checkpoint_faults_test, deaths_of_workers_are_stored_failures) {
  const folder here;
  const auto f = [](int i) {
    if (i == 3) std::abort();
    if (i == 5) ::_exit(7);
    return i;
  };
  const auto again = [&](parmap::checkpoint_options how) {
    return parmap::map(parmap::multi, f, std::views::iota(0, 8),
                       {.reporter = parmap::report::silent, .store = parmap::checkpoint(here.file(), std::move(how))});
  };
  const auto first = again({.name = "f"});
  const auto kept = again({.name = "f", .rerun = std::vector<parmap::failure_kind>()});
  ASSERT_EQ(kept.failures().size(), 2U);
  EXPECT_EQ(kept.failures()[0].kind, parmap::failure::crashed);
  EXPECT_EQ(kept.failures()[0].message, first.failures()[0].message);
  EXPECT_EQ(kept.failures()[1].kind, parmap::failure::exited);
  EXPECT_EQ(again({.name = "f"}).failures().size(), 2U);
}

}  // namespace
