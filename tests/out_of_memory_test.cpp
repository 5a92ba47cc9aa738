// SPDX-License-Identifier: MIT
// Memory that runs out while a map hands over its results: no existing value is leaked.
#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <numeric>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace {

// First so many allocations succeed, then so many fail.
std::atomic<long> before_failures{0};
std::atomic<long> failures_left{0};

void fail_allocations(long after, long many) {
  before_failures = after;
  failures_left = many;
}
bool to_fail() {
  if (failures_left.load() <= 0) return false;
  if (before_failures.fetch_sub(1) > 0) return false;
  return failures_left.fetch_sub(1) > 0;
}

}  // namespace

// Not inlined, because g++ 12 would warn that malloc and free do not match.
[[gnu::noinline]] void* operator new(std::size_t size) {
  void* at = to_fail() ? nullptr : std::malloc(size > 0 ? size : 1);
  if (at == nullptr) throw std::bad_alloc();
  return at;
}
[[gnu::noinline]] void operator delete(void* at) noexcept { std::free(at); }
[[gnu::noinline]] void operator delete(void* at, std::size_t) noexcept { std::free(at); }

namespace {

std::atomic<long> alive{0};

class counted {
 public:
  explicit counted(std::string text) : text_(std::move(text)) { ++alive; }
  counted(counted&& other) noexcept : text_(std::move(other.text_)) { ++alive; }
  counted& operator=(counted&&) = delete;
  ~counted() { --alive; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

const std::string long_text(100, 'x');

// The failing allocations of the caller, starting with the decoding of task 20.
long allocations_after = 0;
long allocations_many = 0;

}  // namespace

template <>
struct parmap::codec<counted> {
  static void encode(encoder& out, const counted& it) { out.put(it.text()); }
  static counted decode(decoder& in) {
    auto text = in.get<std::string>();
    if (text == "20") fail_allocations(allocations_after, allocations_many);
    if (text == "25") throw std::runtime_error(long_text);
    return counted(std::move(text) + long_text);
  }
};

namespace {

std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

counted result_of(int i) {
  if (i % 8 == 7) throw std::runtime_error(long_text);
  return counted(std::to_string(i));
}

// Returns how often the map threw std::bad_alloc, over all places where an allocation can fail.
template <class Map>
int give_ups(const Map& map) {
  int count = 0;
  for (const long many : {1L, 2L, 3L, 1000L})
    for (long after = 0; after < 60; ++after) {
      allocations_after = after;
      allocations_many = many;
      try {
        const auto all = map();
        failures_left = 0;
        for (std::uint64_t i = 0; i < all.size(); ++i) {
          const counted* it = all.get_if(i);
          EXPECT_TRUE(it == nullptr || it->text().starts_with(std::to_string(i)));
        }
      } catch (const std::bad_alloc&) {
        failures_left = 0;
        ++count;
      }
      EXPECT_EQ(alive, 0) << "of " << many << " failing allocations after " << after;
      alive = 0;
    }
  return count;
}

TEST(out_of_memory, decoding_leaks_nothing) {
  const auto xs = numbers(40);
  EXPECT_GT(give_ups([&] { return parmap::map(result_of, xs, {.reporter = parmap::report::silent, .workers = 1}); }),
            0);
}

TEST(out_of_memory, finishing_a_map_on_threads_leaks_nothing) {
  const auto xs = numbers(41);
  const auto last = [&](int i) {
    if (i == 40) fail_allocations(allocations_after, allocations_many);
    return result_of(i);
  };
  const auto map = [&] {
    return parmap::map(parmap::threads, last, xs, {.reporter = parmap::report::silent, .workers = 1});
  };
  EXPECT_GT(give_ups(map), 0);
}

TEST(out_of_memory, a_stopped_serial_map_leaks_nothing) {
  const auto xs = numbers(7);
  const auto map = [&] {
    std::stop_source stop;
    const auto last = [&](int i) {
      counted value = result_of(i);
      if (i == 5) {
        stop.request_stop();
        fail_allocations(allocations_after, allocations_many);
      }
      return value;
    };
    return parmap::map(parmap::serial, last, xs, {.reporter = parmap::report::silent, .stop = stop.get_token()});
  };
  EXPECT_GT(give_ups(map), 0);
}

TEST(out_of_memory, without_memory_to_tell_of_a_failure_a_map_on_threads_ends_by_bad_alloc) {
  const auto f = [](int i) {
    if (i != 20) return i;
    fail_allocations(0, 1'000'000);
    throw i;
  };
  EXPECT_THROW(static_cast<void>(parmap::map(parmap::threads, f, numbers(40), {.workers = 1})), std::bad_alloc);
  failures_left = 0;
}

}  // namespace
