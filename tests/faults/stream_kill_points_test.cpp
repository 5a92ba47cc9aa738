// SPDX-License-Identifier: MIT
// SIGKILL at every step of a stream in turn: to its workers, to its supervisor, and to its caller.
#include "kill/each_step.hpp"
#include "kill/killed_map.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>

namespace {

using namespace std::chrono_literals;
using killing::at_each_step;
using killing::here;
using killing::plan;
using killing::role;
using killing::shape;
using killing::steps_killed_at;
using killing::survive;
using killing::tally;

class stream_kill_points_test : public killing::kill_test {};

// A stream takes three processes at least, so most runs leave out arrivals; PARMAP_EVERY_STEP=1 leaves out none.
std::uint64_t every() { return std::getenv("PARMAP_EVERY_STEP") != nullptr ? 1 : std::uint64_t{5} * killing::stride; }

const plan plans[] = {
    {.name = "plain", .streamed = true},
    {.name = "encoded, a retry", .retries = 1, .result = shape::encoded, .streamed = true, .ordered = true},
    {.name = "one throws",
     .tasks = 4,
     .retries = 1,
     .result = shape::encoded,
     .throwing = 0b1010,
     .throwing_once = 4,
     .streamed = true,
     .lazy = true},
    {.name = "void, timed",
     .retries = 1,
     .result = shape::nothing,
     .throwing_once = 1,
     .timed = true,
     .streamed = true},
    {.name = "max_failures", .tasks = 5, .throwing = 6, .max_failures = 2, .streamed = true},
    {.name = "memory_limit", .retries = 1, .without_memory = 2, .streamed = true},
    {.name = "left-overs, a small window",
     .tasks = 8,
     .workers = 3,
     .retries = 1,
     .killing_itself = 0b1000'0001,
     .streamed = true,
     .window = 2,
     .ordered = true},
    {.name = "two rounds", .tasks = 18, .workers = 2, .retries = 1, .streamed = true, .window = 3, .lazy = true},
    {.name = "postponed, two workers",
     .tasks = 4,
     .workers = 2,
     .retries = 2,
     .result = shape::encoded,
     .throwing = 2,
     .killing_itself = 4,
     .postponed = true,
     .streamed = true,
     .window = 2},
};

TEST_F(stream_kill_points_test, a_worker_dies_at_each_step) {
  std::uint64_t points = 0;
  tally sum;
  for (const plan& it : plans) {
    SCOPED_TRACE(it);
    points += at_each_step(role::worker, [&] { killing::run(it, sum); }, every());
  }
  std::cout << points << " kill points, " << sum.crashed << " tasks lost, " << sum.retried << " begun again\n";
  EXPECT_GT(points, 2000 / every());
  EXPECT_FALSE(killing::seen->unknown_step);
  EXPECT_EQ(steps_killed_at(),
            "lock- lock+ unlock- unlock+ halt- halt+ failures- failures+ range- range+ left_over- left_over+ "
            "left_attempts- claim- claim+ cur- cur+ base- base+ finished- finished+ started- started+ top- top+ "
            "head- head+ farewell- farewell+ go- go+ birth+ pdeathsig+ prepared+ begin- begin+ record+ slot+ end- "
            "task- task+ bell- bell+ wait- news- stay- waiting- waiting+ limit- told- tail- tail+ taken- cell- cell+ "
            "asleep- asleep+");
}

int value(const parmap::context& self, unsigned i) {
  if (i % 4 == 1) ::kill(::getpid(), SIGKILL);
  if (i % 4 == 2 && self.attempt() == 1) throw std::runtime_error("thrown");
  return static_cast<int>(i);
}

// Reads the stream to its end, or to the death of its supervisor.
template <class Stream>
void read(Stream all) {
  try {
    for (auto&& [index, outcome] : all)
      if (outcome && *outcome != static_cast<int>(index)) throw std::logic_error("a wrong value");
  } catch (const std::runtime_error&) {
    if (!killing::on->supervisor_dead) throw;
  }
}

// A stream with deaths, failures, retries and left-overs; its axis is read as it goes.
void ordinary_stream() {
  std::stringstream numbers;
  for (unsigned i = 0; i < 18; ++i) numbers << i << ' ';
  read(parmap::stream(parmap::multi, value, std::views::istream<unsigned>(numbers),
                      {.retries = 1, .seed = 1, .window = 5, .workers = 3}));
}

// One with postponed tasks that ends before its time.
void halted_stream() {
  read(parmap::stream(parmap::multi, value, std::views::iota(0U, 12U),
                      {.max_failures = 2, .ordered = true, .retries = 1, .retry_delay = 1ms, .seed = 1, .workers = 2}));
}

// One that is left.
void left_stream() {
  auto all = parmap::stream(parmap::multi, [](unsigned i) { return static_cast<int>(i); }, std::views::iota(0U),
                            {.seed = 1, .window = 4, .workers = 2});
  int taken = 0;
  try {
    for (auto&& each : all)
      if (each.outcome && ++taken == 6) break;
  } catch (const std::runtime_error&) {
    if (!killing::on->supervisor_dead) throw;
  }
}

// One with a task that is late.
void late_stream() {
  const auto f = [](unsigned i) {
    while (i == 1) ::pause();
    return static_cast<int>(i);
  };
  read(parmap::stream(parmap::multi, f, std::views::iota(0U, 3U), {.seed = 1, .timeout = 2ms, .workers = 1}));
}

TEST_F(stream_kill_points_test, the_supervisor_dies_at_each_step) {
  std::uint64_t points = 0;
  for (const auto& caller : {ordinary_stream, halted_stream, left_stream, late_stream})
    points += at_each_step(role::supervisor, [caller] { survive(caller, role::caller); }, every());
  std::cout << points << " kill points\n";
  EXPECT_GT(points, 1000 / every());
  EXPECT_FALSE(killing::seen->unknown_step);
  EXPECT_EQ(steps_killed_at(),
            "lock- lock+ unlock- unlock+ halt- halt+ failures- failures+ range- range+ left_over- left_over+ "
            "left_attempts- left_attempts+ claim- claim+ cur- cur+ base- finished- finished+ started- head- "
            "farewell- farewell+ go- go+ fork- fork+ pidfd+ stop- stop+ kill- kill+ reap- reap+ bell- bell+ stay- "
            "stay+ waiting- waiting+ supervise+ limit- told- told+ tail- tail+ taken- cell- cell+ asleep- asleep+ "
            "bound- closing- state- state+");
}

TEST_F(stream_kill_points_test, the_caller_dies_at_each_step) {
  std::uint64_t points = 0;
  for (const auto& caller : {ordinary_stream, halted_stream, left_stream})
    points += at_each_step(role::caller, [caller] { survive(caller, role::caller); }, every());
  std::cout << points << " kill points\n";
  EXPECT_GT(points, 300 / every());
  EXPECT_FALSE(killing::seen->unknown_step);
  // Whether a worker waits for room when the caller tells what it has taken, is a matter of time.
  EXPECT_EQ(steps_killed_at({"waiting", "taken"}),
            "halt- halt+ top- top+ head- head+ fork- fork+ pidfd+ kill- kill+ reap- reap+ bell- bell+ limit- "
            "limit+ told- told+ tail- asleep- asleep+ bound- bound+ closing- closing+ state-");
}

}  // namespace
