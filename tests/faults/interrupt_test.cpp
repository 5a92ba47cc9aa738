// SPDX-License-Identifier: MIT
// Maps that SIGINT or SIGTERM ends, and programs that go on: what is done is kept, and all is as it was before.
#include "engines.hpp"
#include "leftovers.hpp"
#include "run_in_child.hpp"
#include "scratch_folder.hpp"
#include "stored_maps.hpp"

#include <parmap/checkpoint.hpp>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace {

using namespace std::chrono_literals;
using scratch::folder;
using stored_maps::has;
using stored_maps::kept_in;
using stored_maps::message_of;

class interrupt_test : public leftovers::none {};

constexpr int tasks = 60;
constexpr int trigger = 20;

bool is_default(int signal) {
  struct sigaction now{};
  return ::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_DFL;
}

// Task `trigger` interrupts the whole process group, as a terminal does; those behind it last until they are ended. In
// this process they see a stop.
class interrupted {
 public:
  explicit interrupted(int signal, int times = 1) : group_(::getpid()), signal_(signal), times_(times) {
    require(::setpgid(0, 0) == 0, "a group of its own");
  }
  int operator()(parmap::context& self, int i) const {
    if (i < trigger) return i;
    if (i == trigger)
      for (int k = 0; k < times_; ++k) ::kill(-group_, signal_);
    while (!self.stop_token().stop_requested()) std::this_thread::sleep_for(1ms);
    return -1;  // incomplete
  }

 private:
  pid_t group_;
  int signal_;
  int times_;
};

template <class Results>
void expect_interrupted(const Results& all) {
  std::uint64_t stopped = 0;
  for (const parmap::failure& why : all.failures()) {
    require(why.kind == parmap::failure::stopped, "other tasks are stopped, and not " + why.message);
    require(why.index >= trigger, "what was done is kept");
    ++stopped;
  }
  require(stopped > 0, "some are stopped");
  require(is_default(SIGINT) && is_default(SIGTERM), "the handlers are restored");
}

// The workers of a child that has died, which this process may have adopted.
void reap_all() {
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
}

template <class Engine>
class interrupt_of : public interrupt_test {};
TYPED_TEST_SUITE(interrupt_of, engines::all, engines::names);

TYPED_TEST(interrupt_of, a_stored_map_keeps_what_is_done) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const folder here;
    EXPECT_EQ(in_child([&] {
                expect_interrupted(parmap::map(TypeParam::engine, interrupted(signal), std::views::iota(0, tasks),
                                               kept_in(here.file())));
              }),
              "");
    const auto whole = parmap::map(
        TypeParam::engine, [](parmap::context&, int i) { return i; }, std::views::iota(0, tasks), kept_in(here.file()));
    ASSERT_TRUE(whole.ok());
    EXPECT_GE(whole.stored(), std::uint64_t{trigger});
    for (int i = 0; i < tasks; ++i)
      EXPECT_EQ(whole[static_cast<std::uint64_t>(i)], i) << "no incomplete value is stored";
  }
}

TYPED_TEST(interrupt_of, without_a_store_the_program_ends_unless_it_is_to_keep) {
  EXPECT_EQ(in_child([] {
              std::ignore = parmap::map(TypeParam::engine, interrupted(SIGINT), std::views::iota(0, tasks),
                                        {.reporter = parmap::report::silent, .workers = 2});
            }),
            "killed by SIGINT");
  reap_all();
  EXPECT_EQ(in_child([] {
              expect_interrupted(parmap::map(
                  TypeParam::engine, interrupted(SIGINT), std::views::iota(0, tasks),
                  {.on_interrupt = parmap::interrupt::keep, .reporter = parmap::report::silent, .workers = 2}));
            }),
            "");
}

TEST_F(interrupt_test, a_second_signal_ends_the_program) {
  const folder here;
  EXPECT_EQ(in_child([&] {
              std::ignore = parmap::map(parmap::threads, interrupted(SIGINT, 2), std::views::iota(0, tasks),
                                        kept_in(here.file()));
              ::pause();  // the second one may come when the map has returned already
            }),
            "killed by SIGINT");
  reap_all();
}

volatile sig_atomic_t own_handler_calls = 0;

TEST_F(interrupt_test, handlers_of_the_program_stay) {
  const folder here;
  EXPECT_EQ(in_child([&] {
              ::signal(SIGINT, [](int) { own_handler_calls = own_handler_calls + 1; });
              ::signal(SIGTERM, SIG_IGN);
              const pid_t self = ::getpid();
              const auto all = parmap::map(
                  parmap::threads,
                  [self](int i) {
                    if (i == trigger) ::kill(self, SIGINT), ::kill(self, SIGTERM);
                    return i;
                  },
                  std::views::iota(0, tasks), kept_in(here.file()));
              require(all.ok(), "the map goes on");
              require(own_handler_calls == 1, "the program's handler was called");
            }),
            "");
}

TEST_F(interrupt_test, ends_all_maps_of_the_program) {
  const folder here;
  EXPECT_EQ(in_child([&] {
              const auto waits = [](parmap::context& self, int i) {
                while (!self.stop_token().stop_requested()) std::this_thread::sleep_for(1ms);
                return i;
              };
              std::string other;
              std::thread beside([&] {
                try {
                  const auto all =
                      parmap::map(parmap::threads, waits, std::views::iota(0, 5), kept_in(here.file("beside")));
                  require(!all.ok(), "the map beside is interrupted, too");
                } catch (const std::exception& error) {
                  other = error.what();
                }
              });
              const auto all =
                  parmap::map(parmap::threads, interrupted(SIGINT), std::views::iota(0, tasks), kept_in(here.file()));
              beside.join();
              require(other.empty(), other);
              expect_interrupted(all);
              // A later map can be interrupted again.
              expect_interrupted(parmap::map(parmap::multi, interrupted(SIGINT), std::views::iota(0, tasks),
                                             kept_in(here.file("later"))));
            }),
            "");
}

TEST_F(interrupt_test, a_task_that_raises_the_signal_crashes) {
  const folder here;
  EXPECT_EQ(in_child([&] {
              const auto all = parmap::map(
                  parmap::multi,
                  [](int i) {
                    if (i == 3) ::raise(SIGTERM);
                    return i;
                  },
                  std::views::iota(0, 8), kept_in(here.file()));
              require(all.failures().size() == 1, "the others have values");
              require(all.failures()[0].kind == parmap::failure::crashed, all.failures()[0].message);
            }),
            "");
}

// One of the tasks has the group, as a second signal would end the program.
double wait_for_the_end(int group) {
  if (group > 0) ::kill(-group, SIGINT);
  for (;;) ::pause();
}

TEST_F(interrupt_test, a_pool_lives_on) {
  const folder here;
  EXPECT_EQ(in_child([&] {
              require(::setpgid(0, 0) == 0, "a group of its own");
              const parmap::pool workers({.workers = 2});
              const auto all =
                  parmap::map(workers, wait_for_the_end, std::vector{0, static_cast<int>(::getpid()), 0, 0},
                              {.on_interrupt = parmap::interrupt::keep, .reporter = parmap::report::silent});
              require(all.failures().size() == 4, "all have ended");
              for (const parmap::failure& why : all.failures())
                require(why.kind == parmap::failure::stopped, "all are stopped, and not " + why.message);
              require(parmap::map(workers, [](int i) { return i; }, std::vector{1, 2}).ok(), "the pool works");
            }),
            "");
}

TEST_F(interrupt_test, reductions_keep_their_part) {
  const folder here;
  EXPECT_EQ(in_child([&] {
              const auto part = parmap::map_reduce(
                  parmap::multi, interrupted(SIGTERM), std::plus{}, 0, std::views::iota(0, tasks),
                  {.on_interrupt = parmap::interrupt::keep, .reporter = parmap::report::silent, .workers = 2});
              expect_interrupted(part);
              require(part.partial() == trigger * (trigger - 1) / 2, "the sum of what is done");
            }),
            "");
}

TEST_F(interrupt_test, streams_do_not_have_it) {
  EXPECT_TRUE(has(message_of([] {
                    std::ignore = parmap::stream(parmap::threads, [](int i) { return i; }, std::vector{1},
                                                 {.on_interrupt = parmap::interrupt::keep});
                  }),
                  "parmap::stream has no options.on_interrupt"));
}

}  // namespace
