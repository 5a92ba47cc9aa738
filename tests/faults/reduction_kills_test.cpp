// SPDX-License-Identifier: MIT
// Reductions of which a worker is killed at one step, for many steps in turn: nothing runs twice, nothing is lost, and
// the value is bitwise that of an undisturbed reduction.
#include <parmap/parmap.hpp>

#include <leftovers.hpp>
#include <reduction_by_hand.hpp>

#include <gtest/gtest.h>

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <ranges>
#include <string>
#include <vector>

namespace {

using parmap::failure;
using parmap::detail::moment;

constexpr std::size_t most_tasks = 1100;

// What the processes of a reduction share.
struct shared {
  std::atomic<std::uint64_t> arrivals;  // of workers at steps
  std::uint64_t kill_at;                // the worker dies at this arrival
  std::atomic<unsigned> kills;
  std::array<std::atomic<unsigned>, most_tasks> begun;
};
shared* on{};
pid_t caller{};

void arrive(const char*, moment) noexcept {
  const int error = errno;
  if (::getpid() != caller && ++on->arrivals == on->kill_at) {
    ++on->kills;
    ::kill(::getpid(), SIGKILL);
    for (;;) ::pause();
  }
  errno = error;
}

class reduction_kills_test : public leftovers::none {
 protected:
  reduction_kills_test() {
    void* const at = ::mmap(nullptr, sizeof(shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) std::abort();
    on = ::new (at) shared{};
    caller = ::getpid();
    parmap::detail::step_hook = arrive;
  }
  ~reduction_kills_test() override {
    parmap::detail::step_hook = nullptr;
    ::munmap(on, sizeof(shared));
  }
};

// Calls trial() with a death at arrival 1, 1 + stride, ... until the reduction ends before that arrival. Returns the
// number of deaths.
template <class Trial>
unsigned at_steps(std::uint64_t stride, Trial&& trial) {
  unsigned deaths = 0;
  for (std::uint64_t k = 1; !::testing::Test::HasFailure(); k += stride) {
    on = ::new (static_cast<void*>(on)) shared{};
    on->kill_at = k;
    SCOPED_TRACE("killed at arrival " + std::to_string(k));
    trial();
    if (on->kills == 0) break;
    ++deaths;
  }
  return deaths;
}
// Each task has begun once; the one in which the worker died once more if it was tried again.
void expect_nothing_twice(std::uint64_t n, unsigned retries) {
  std::uint64_t again = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    ASSERT_LE(on->begun[i], 1 + retries) << "task " << i;
    if (on->begun[i] > 1) again += on->begun[i] - 1;
  }
  ASSERT_LE(again, on->kills);
}

std::string name_of(std::uint64_t i) { return std::to_string(i); }
std::string in_brackets(const std::string& a, const std::string& b) { return '(' + a + ' ' + b + ')'; }
double inverse(std::uint64_t i) { return 1 / (1 + static_cast<double>(i)); }
double sum_of(double a, double b) { return a + b; }
void append(std::vector<std::uint64_t>& all, std::uint64_t i) { all.push_back(i); }
void append_all(std::vector<std::uint64_t>& all, const std::vector<std::uint64_t>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

struct sizes {
  std::uint64_t tasks;
  unsigned workers;
  unsigned retries;
  std::uint64_t stride;
};
#ifdef __SANITIZE_ADDRESS__
constexpr std::uint64_t sparse = 41;  // sanitizers make forks slow
#else
constexpr std::uint64_t sparse = 1;
#endif
const sizes all_sizes[] = {{6, 1, 0, 1 * sparse},      {6, 1, 1, 1 * sparse},      {5, 2, 0, 1 * sparse},
                           {5, 2, 1, 1 * sparse},      {1030, 1, 0, 263 * sparse}, {1030, 1, 1, 263 * sparse},
                           {1030, 2, 0, 263 * sparse}, {1030, 2, 1, 263 * sparse}};

// Reduces by run(options, tasks), of which each task counts that it has begun, with a death at each step.
template <class T, class Run, class Expected>
void check_deaths(const Run& run, const Expected& expected) {
  for (const auto& [n, workers, retries, stride] : all_sizes) {
    SCOPED_TRACE(std::to_string(n) + " tasks, " + std::to_string(workers) + " workers, " + std::to_string(retries) +
                 " retries");
    const unsigned deaths = at_steps(stride, [&, tasks = n, again = retries, most = workers] {
      const parmap::reduction<T> all =
          run(parmap::options{.reporter = parmap::report::silent, .retries = again, .seed = 1, .workers = most}, tasks);
      if (again > 0) {
        ASSERT_TRUE(all.ok()) << all.failures();
      }
      ASSERT_LE(all.failures().size(), on->kills);
      for (const failure& why : all.failures()) {
        ASSERT_EQ(why.kind, failure::crashed) << why;
      }
      by_hand::reduction<T> by_recursion = expected(tasks);
      by_hand::leave_out(by_recursion, all.failures());
      ASSERT_EQ(all.partial(), by_recursion.value()) << all.failures();
      expect_nothing_twice(tasks, again);
    });
    EXPECT_GT(deaths, 20U / sparse);
  }
}

TEST_F(reduction_kills_test, of_values_by_codec) {
  const auto f = [](std::uint64_t i) {
    ++on->begun[i];
    return name_of(i);
  };
  check_deaths<std::string>(
      [&](const parmap::options& how, std::uint64_t n) {
        return parmap::map_reduce(f, in_brackets, std::string("init"), std::views::iota(std::uint64_t{0}, n), how);
      },
      [](std::uint64_t n) { return by_hand::map_reduce(name_of, in_brackets, std::string("init"), n); });
}

TEST_F(reduction_kills_test, of_values_in_place) {
  const auto f = [](std::uint64_t i) {
    ++on->begun[i];
    return inverse(i);
  };
  check_deaths<double>(
      [&](const parmap::options& how, std::uint64_t n) {
        return parmap::map_reduce(f, sum_of, 0.5, std::views::iota(std::uint64_t{0}, n), how);
      },
      [](std::uint64_t n) { return by_hand::map_reduce(inverse, sum_of, 0.5, n); });
}

TEST_F(reduction_kills_test, of_a_fold) {
  using list = std::vector<std::uint64_t>;
  const auto step = [](list& all, std::uint64_t i) {
    ++on->begun[i];
    append(all, i);
  };
  check_deaths<list>(
      [&](const parmap::options& how, std::uint64_t n) {
        return parmap::fold(list{}, step, append_all, std::views::iota(std::uint64_t{0}, n), how);
      },
      [](std::uint64_t n) { return by_hand::fold(list{}, append, append_all, n); });
}

}  // namespace
