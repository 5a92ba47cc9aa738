// SPDX-License-Identifier: MIT
// A pool in whose caller operator new is refused while an outcome is taken: that call throws, and nothing is lost.
#include "leftovers.hpp"
#include "watchdog.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr std::size_t large = 1'000'000;
thread_local std::size_t refused_from = std::numeric_limits<std::size_t>::max();  // bytes
thread_local int refusals_left = 0;

}  // namespace

// Not inline: g++ would see a new that belongs to free().
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  if (bytes >= refused_from && refusals_left > 0) {
    --refusals_left;
    throw std::bad_alloc();
  }
  void* const made = std::malloc(bytes > 0 ? bytes : 1);
  if (made == nullptr) throw std::bad_alloc();
  return made;
}
[[gnu::noinline]] void operator delete(void* it) noexcept { std::free(it); }
[[gnu::noinline]] void operator delete(void* it, std::size_t) noexcept { std::free(it); }

namespace {

using namespace std::chrono_literals;

// So many of the large allocations of this thread are refused.
class refused {
 public:
  explicit refused(int count) {
    refused_from = large;
    refusals_left = count;
  }
  refused(const refused&) = delete;
  refused& operator=(const refused&) = delete;
  ~refused() { refused_from = std::numeric_limits<std::size_t>::max(); }
};

std::string letters(std::size_t size) { return std::string(size, 'x'); }
int same(int i) { return i; }
int throw_letters(int) { throw std::runtime_error(letters(large)); }

class pool_memory_test : public leftovers::none {
 protected:
  void SetUp() override {
    leftovers::none::SetUp();
    workers_.emplace(parmap::pool_options{.workers = 1});
  }
  void TearDown() override {
    EXPECT_EQ(parmap::map(*workers_, same, std::vector{1}).value()[0], 1);
    workers_.reset();
    leftovers::none::TearDown();
  }
  // One of these maps sees the outcome that is refused.
  void expect_a_map_to_throw() {
    const refused here(1);
    int thrown = 0;
    while (refusals_left > 0) try {
        static_cast<void>(parmap::map(*workers_, same, std::vector{1}));
      } catch (const std::bad_alloc&) {
        ++thrown;
      }
    EXPECT_EQ(thrown, 1);
  }

  watchdog dog_{60s};
  std::optional<parmap::pool> workers_;
};

TEST_F(pool_memory_test, for_a_value_of_another) {
  auto waits = workers_->submit(letters, large);
  expect_a_map_to_throw();
  EXPECT_EQ(waits.get(), letters(large));
}

TEST_F(pool_memory_test, for_a_failure_of_another) {
  auto waits = workers_->submit(throw_letters, 1);
  expect_a_map_to_throw();
  EXPECT_GE(waits.outcome().error().message.size(), large);
}

TEST_F(pool_memory_test, for_a_failure_of_its_own) {
  const refused here(1);
  EXPECT_THROW(static_cast<void>(parmap::map(*workers_, throw_letters, std::vector{1})), std::bad_alloc);
}

// Until the map has ended: it cannot wait for ever.
TEST_F(pool_memory_test, for_good) {
  auto waits = workers_->submit(letters, large);
  {
    const refused here(1'000'000);
    EXPECT_THROW(static_cast<void>(parmap::map(*workers_, same, std::vector{1})), std::bad_alloc);
  }
  EXPECT_EQ(waits.outcome().error().kind, parmap::failure::out_of_memory);
}

}  // namespace
