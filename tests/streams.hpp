// SPDX-License-Identifier: MIT
// What the tests of streams share: the engines, a counter that workers share, and an axis that can be read once only.
#pragma once

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>

namespace streams {

using namespace std::chrono_literals;

struct serial {
  static constexpr auto& engine = parmap::serial;
};
struct threads {
  static constexpr auto& engine = parmap::threads;
};
struct multi {
  static constexpr auto& engine = parmap::multi;
};
struct named {
  static inline const auto engine = parmap::engine_named("multi");
};
// `named` hands axes and options on as they are, and compiles all three engines again for each test: only
// stream_test.cpp has it. No sanitizer sees more by it, as in engines.hpp.
using without_named = ::testing::Types<serial, threads, multi>;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
using all_engines = without_named;
#else
using all_engines = ::testing::Types<serial, threads, multi, named>;
#endif
// Those that skip failed tasks, and run several at once.
using skipping = ::testing::Types<threads, multi>;

struct names {
  template <class Engine>
  static std::string GetName(int) {
    return (std::is_same_v<Engine, named> ? "named_" : "") + std::string(Engine::engine.name());
  }
};

// A counter that workers of every engine share.
class shared_count {
 public:
  shared_count()
      : at_(static_cast<std::atomic<int>*>(
            ::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    ::new (at_) std::atomic<int>(0);
  }
  shared_count(const shared_count&) = delete;
  shared_count& operator=(const shared_count&) = delete;
  ~shared_count() { ::munmap(at_, sizeof(std::atomic<int>)); }

  std::atomic<int>& operator*() const { return *at_; }
  // False after a minute.
  [[nodiscard]] bool reaches(int n) const {
    const auto until = std::chrono::steady_clock::now() + 60s;
    while (*at_ < n) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(1ms);
    }
    return true;
  }

 private:
  std::atomic<int>* at_;
};

inline int twice(int x) { return 2 * x; }

// 0, 1, 2, .. that can be read once only; `read` counts. Throws at `end`, if there is one.
class counting_range {
 public:
  explicit counting_range(int& read, int end = -1) : read_(&read), end_(end) {}

  class iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using value_type = int;
    using difference_type = std::ptrdiff_t;

    explicit iterator(counting_range* of) : of_(of) {}
    int operator*() const { return *of_->read_ - 1; }
    iterator& operator++() {
      of_->step();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator&, std::default_sentinel_t) { return false; }

   private:
    counting_range* of_;
  };
  iterator begin() {
    step();
    return iterator(this);
  }
  static std::default_sentinel_t end() { return {}; }

 private:
  void step() {
    if (*read_ == end_) throw std::runtime_error("the input has broken off");
    ++*read_;
  }

  int* read_;
  int end_;
};

}  // namespace streams
