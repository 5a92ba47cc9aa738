// SPDX-License-Identifier: MIT
// Streams and reductions with a checkpoint whose program is killed at any moment, whose file is damaged or in use,
// whose disk is full.
#include "engines.hpp"
#include "killed_sweep.hpp"
#include "leftovers.hpp"
#include "run_in_child.hpp"
#include "scratch_folder.hpp"
#include "stored_maps.hpp"

#include <parmap/checkpoint.hpp>
#include <parmap/detail/checkpoints/database.hpp>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace {

using namespace std::chrono_literals;
using killed_sweep::reap_all;
using killed_sweep::run_and_kill;
using killed_sweep::stored;
using scratch::folder;
using stored_maps::has;
using stored_maps::kept_in;
using stored_maps::message_of;

class checkpoint_stream_faults_test : public leftovers::none {};

constexpr int tasks = 600;

std::uint64_t number(parmap::context& self, int i) {
  const auto end = std::chrono::steady_clock::now() + 200us;
  while (std::chrono::steady_clock::now() < end) {
  }
  return self.rng()() ^ static_cast<std::uint64_t>(i);
}
parmap::options seeded(const std::string& file) {
  parmap::options how = kept_in(file);
  how.seed = 11;
  return how;
}
std::vector<std::uint64_t> streamed(const std::string& file) {
  std::vector<std::uint64_t> all(tasks);
  for (auto&& [index, outcome] : parmap::stream(parmap::multi, number, std::views::iota(0, tasks), seeded(file)))
    all[index] = *outcome;
  return all;
}
std::uint64_t reduced(const std::string& file) {
  const auto mix = [](std::uint64_t a, std::uint64_t b) { return a * 31 + b; };
  return parmap::map_reduce(parmap::multi, number, mix, std::uint64_t{7}, std::views::iota(0, tasks), seeded(file))
      .value();
}

// Runs `sweep` in a child that is killed at a random moment, three times with one file, and then to its end here.
template <class Sweep>
auto resumed_after_kills(const Sweep& sweep, std::mt19937_64& random) {
  const folder here;
  const std::string file = here.file();
  for (int round = 0; round < 3; ++round) {
    run_and_kill(sweep, file, random);
  }
  return sweep(file);
}

TEST_F(checkpoint_stream_faults_test, killed_at_random_moments_the_whole_is_that_of_an_undisturbed_run) {
  const char* const given = std::getenv("PARMAP_KILLS");
  const int files = given != nullptr ? std::atoi(given) / 6 + 1 : 1;  // three kills of each form
  constexpr std::uint64_t seed = 20261201;
  std::cout << "seed " << seed << std::endl;
  std::mt19937_64 random(seed);
  const folder here;
  const auto in_order = parmap::map(parmap::serial, number, std::views::iota(0, tasks), {.seed = 11}).value();
  const std::uint64_t sum = reduced(here.file());
  for (int k = 0; k < files; ++k) {
    ASSERT_EQ(resumed_after_kills(streamed, random), in_order);
    ASSERT_EQ(resumed_after_kills(reduced, random), sum);
  }
}

std::string text(int i) { return std::string(10'000, static_cast<char>('a' + i % 26)); }

TEST_F(checkpoint_stream_faults_test, a_full_disk_reaches_the_reader_and_what_was_stored_stays) {
  const folder here;
  EXPECT_EQ(in_child([&] {
              ::signal(SIGXFSZ, SIG_IGN);
              const rlimit least{1 << 20, 1 << 20};  // bytes a file
              require(::setrlimit(RLIMIT_FSIZE, &least) == 0, "setrlimit");
              int whole = 0;
              const std::string said = message_of([&] {
                for (auto&& [index, outcome] :
                     parmap::stream(parmap::multi, text, std::views::iota(0, 2000), kept_in(here.file())))
                  if (outcome) whole += *outcome == text(static_cast<int>(index)) ? 1 : 0;
              });
              require(has(said, here.file()), said);
              require(whole > 0, "outcomes came before the error");
            }),
            "");
  const auto all = parmap::map(parmap::multi, text, std::views::iota(0, 2000), kept_in(here.file()));
  ASSERT_TRUE(all.ok());
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(all[static_cast<std::uint64_t>(i)], text(i));
}

TEST_F(checkpoint_stream_faults_test, files_that_cannot_be_used_are_refused) {
  const folder here;
  std::ofstream(here.file("text")) << "these are notes of mine, and no database at all";
  ASSERT_EQ(streamed(here.file()).size(), std::size_t{tasks});
  std::filesystem::copy_file(here.file(), here.file("damaged"));
  std::fstream file(here.file("damaged"), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(std::filesystem::file_size(here.file()) - 4096, '\xfe');
  file.close();
  for (const auto& sweep : {std::function<void(const std::string&)>([](const std::string& path) { streamed(path); }),
                            std::function<void(const std::string&)>([](const std::string& path) { reduced(path); })}) {
    EXPECT_TRUE(has(message_of([&] { sweep(here.file("text")); }), "not a SQLite database"));
    EXPECT_TRUE(has(message_of([&] { sweep(here.file("damaged")); }), "damaged"));
    EXPECT_TRUE(has(message_of([&] { sweep(here.file("no/such/folder")); }), "does its folder exist"));
  }
  // While a stream is open its file is in use, also by the same process.
  auto open = parmap::stream(parmap::threads, number, std::views::iota(0, tasks), seeded(here.file("used")));
  EXPECT_EQ((*open.begin()).index < tasks, true);
  EXPECT_TRUE(has(message_of([&] { reduced(here.file("used")); }), "is using it"));
  open.close();
}

TEST_F(checkpoint_stream_faults_test, a_result_that_is_gone_is_told) {
  const folder here;
  std::ignore = streamed(here.file());
  auto open = parmap::stream(parmap::threads, number, std::views::iota(0, tasks), seeded(here.file()));
  auto at = open.begin();
  EXPECT_EQ((*at).index, 0U);
  parmap::detail::database(here.file()).execute("DELETE FROM result_1 WHERE task = 1");
  EXPECT_TRUE(
      has(message_of([&] { ++at, std::ignore = at == std::default_sentinel; }), "the result of task 1 is gone"));
}

}  // namespace
