// SPDX-License-Identifier: MIT
// Workers that are programs of their own (language_runtime.hpp): this test program again, which joins the map through
// the file in memory that it is handed.
#include "engines.hpp"
#include "leftovers.hpp"

#include <parmap/detail/processes/multi_run.hpp>
#include <parmap/detail/system/language_runtime.hpp>
#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace detail = parmap::detail;

// The tasks, the same in every program. The index decides what a task does.
std::string act(parmap::context& self, int i) {
  switch (i % 10) {
    case 3: throw std::runtime_error("three");
    case 5: ::raise(SIGSEGV); break;
    case 6: ::_exit(6);
    case 7:
      if (self.attempt() == 1) ::raise(SIGKILL);
      break;
    case 8:
      for (;;) ::pause();
    default: break;
  }
  return std::to_string(i) + ' ' + std::to_string(self.rng()()) + std::string(100, 'x');
}

struct post {
  detail::worker_assignment mine;
  int memory;
};

constexpr const char* variable = "PARMAP_TEST_POST";

class programs final : public detail::language_runtime {
 public:
  const char* path{"/proc/self/exe"};

  bool starts_programs() noexcept override { return true; }
  void start_program(const detail::worker_assignment& mine, int memory) noexcept override {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::fcntl(memory, F_SETFD, 0) != 0) return;
    if (mine.news >= 0 && ::fcntl(mine.news, F_SETFD, 0) != 0) return;
    const post told{mine, memory};
    std::array<unsigned char, sizeof told> bytes{};
    std::memcpy(bytes.data(), &told, sizeof told);
    std::string text;
    for (const unsigned char each : bytes) text += std::to_string(each) + ' ';
    ::setenv(variable, text.c_str(), 1);
    char* arguments[] = {const_cast<char*>(path), nullptr};
    ::execv(path, arguments);
  }
};

// In a program that was started as a worker: runs tasks instead of tests.
const bool is_worker = [] {
  const char* text = std::getenv(variable);
  if (text == nullptr) return false;
  std::array<unsigned char, sizeof(post)> bytes{};
  for (unsigned char& each : bytes) {
    char* end = nullptr;
    each = static_cast<unsigned char>(std::strtoul(text, &end, 10));
    text = end;
  }
  post told;
  std::memcpy(&told, bytes.data(), sizeof told);
  ::unsetenv(variable);
  const auto numbers = detail::make_axis(std::views::iota(0, static_cast<int>(told.mine.tasks)));
  const detail::numbered_tasks<decltype(act), std::remove_const_t<decltype(numbers)>> work(act, numbers);
  int released = 0;
  const detail::process_tasks_of tasks(work);
  const auto count = [](void* counter) { ++*static_cast<int*>(counter); };
  detail::serve_as_program(tasks, told.mine, told.memory, count, &released);
}();

class spawned_workers_test : public leftovers::none {
 protected:
  void SetUp() override {
    detail::language_runtime::install(host);
    leftovers::none::SetUp();
  }
  void TearDown() override {
    leftovers::none::TearDown();
    host.path = "/proc/self/exe";
  }

  static auto run(int n, parmap::options chosen) { return parmap::map(act, std::views::iota(0, n), std::move(chosen)); }

  static inline programs host;
};

TEST_F(spawned_workers_test, each_failure_costs_one_task) {
  const auto found = run(40, {.seed = 1, .timeout = 2s, .workers = 3});
  std::vector<std::string> failed;
  for (const parmap::failure& why : found.failures())
    failed.push_back(std::to_string(why.index) + ' ' + std::string(parmap::to_string(why.kind)));
  std::vector<std::string> expected;
  for (int i = 0; i < 40; ++i) {
    const char* const kind = i % 10 == 3   ? "threw"
                             : i % 10 == 5 ? "crashed"
                             : i % 10 == 6 ? "exited"
                             : i % 10 == 7 ? "crashed"
                             : i % 10 == 8 ? "timed_out"
                                           : nullptr;
    if (kind != nullptr) expected.push_back(std::to_string(i) + ' ' + kind);
    else EXPECT_TRUE(found[static_cast<std::uint64_t>(i)].starts_with(std::to_string(i) + ' '));
  }
  EXPECT_EQ(failed, expected);
}

TEST_F(spawned_workers_test, a_retry_and_the_numbers_of_a_task) {
  const auto found = run(8, {.retries = 1, .seed = 5, .timeout = 2s, .workers = 2});
  EXPECT_EQ(found.failures().size(), 3U);
  EXPECT_TRUE(found[7].starts_with("7 ")) << "at the second attempt";
  const auto later = run(8, {.retries = 1, .retry_delay = 1ms, .seed = 5, .timeout = 2s, .workers = 2});
  EXPECT_EQ(later.failures().size(), 3U);
  EXPECT_TRUE(later[7].starts_with("7 ")) << "at the second attempt, as a postponed task";

  class forks final : public detail::language_runtime {
  } another;
  detail::language_runtime::install(another);
  const auto forked = run(3, {.seed = 5, .workers = 2});
  detail::language_runtime::install(host);
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(found[i], forked[i]);
}

TEST_F(spawned_workers_test, a_memory_limit_counts_from_the_programs_own_memory) {
  EXPECT_TRUE(run(3, {.memory_limit = 64 << 20, .workers = 2}).ok());
}

TEST_F(spawned_workers_test, a_program_that_cannot_be_started_ends_the_map) {
  for (const char* path : {"/no/such/program", "/bin/false"}) {
    host.path = path;
    EXPECT_THROW(static_cast<void>(run(3, {.workers = 2})), std::runtime_error) << path;
  }
}

TEST_F(spawned_workers_test, plain_results_are_made_by_forked_workers) {
  int here = 1;
  const auto found = parmap::map([&here](int i) { return here + i; }, std::vector{1, 2, 3});
  EXPECT_EQ(found.value(), (std::vector{2, 3, 4}));
}

TEST_F(spawned_workers_test, where_files_may_not_be_large_no_map_begins) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{1 << 10, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_THROW(static_cast<void>(run(3, {.workers = 2})), std::system_error);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
}

}  // namespace
