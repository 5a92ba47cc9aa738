// SPDX-License-Identifier: MIT
// Encoded results that are read while workers run: which are read early, which must wait, and what happens to both when
// the failures are known at the end.
#include "encoded_memory.hpp"

#include <parmap/codec.hpp>
#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/detail/processes/result_collector.hpp>
#include <parmap/detail/results/value_places.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using parmap::failure;
using parmap::failure_kind;
using namespace parmap::detail;

// Counts its instances and how often it was decoded. decode throws while `refuse` is set.
class text {
 public:
  explicit text(std::string words) : words_(std::move(words)) { ++alive; }
  text(text&& other) noexcept : words_(std::move(other.words_)) { ++alive; }
  text& operator=(text&& other) noexcept = default;
  ~text() { --alive; }
  [[nodiscard]] const std::string& words() const { return words_; }

  static inline int alive{};
  static inline int decoded{};
  static inline bool refuse{};

 private:
  std::string words_;
};

}  // namespace

template <>
struct parmap::codec<text> {
  static void encode(encoder& out, const text& it) { out.put(it.words()); }
  static text decode(decoder& in) {
    ++text::decoded;
    auto words = in.get<std::string>();
    if (text::refuse || words == "never") throw std::runtime_error("refused");
    return text(std::move(words));
  }
};
template <>
struct parmap::detail::early_reading<text> {
  static bool of(const byte_reader& bytes) { return bytes.left() != 8 + 5; }  // "later"
};

namespace {

constexpr std::uint64_t tasks = 8;

// A map whose only worker is this process.
class result_collector_test : public ::testing::Test {
 protected:
  result_collector_test() {
    text::alive = text::decoded = 0;
    text::refuse = false;
  }

  void put(std::uint64_t i, const std::string& words) { shared_.put(0, i, text(words)); }
  void put_all_but(std::uint64_t without) {
    for (std::uint64_t i = 0; i < tasks; ++i)
      if (i != without) put(i, words_of(i));
  }
  static std::string words_of(std::uint64_t i) { return "task " + std::to_string(i) + std::string(20, '.'); }
  static failure_runs failed(std::uint64_t i, std::uint64_t many = 1) {
    return {{failure{i, failure_kind::crashed, "died", 1, nullptr}, many}};
  }
  void read_all(std::uint64_t b, std::uint64_t e) {
    while (reading_->read_early(b, e)) {
    }
  }
  parmap::results<text> finish(failure_runs failures) {
    return places_.finish(reading_->finish(std::move(failures)), 7);
  }

  encoded_memory shared_{1, tasks, 65536};
  own_places<text> places_{tasks};
  value_reader_of<text, own_places<text>> reader_{places_};
  std::optional<result_collector> reading_{std::in_place, shared_.slots(), shared_.arenas(), tasks, reader_};
};

TEST_F(result_collector_test, only_what_has_ended_is_read_early_and_nothing_is_read_twice) {
  put_all_but(tasks);
  read_all(3, 6);
  EXPECT_EQ(text::decoded, 5);
  read_all(3, 6);
  EXPECT_EQ(text::decoded, 5);
  read_all(4, 4);  // all have ended
  EXPECT_EQ(text::decoded, 8);
  {
    const auto all = finish({});
    EXPECT_EQ(text::decoded, 8);
    EXPECT_TRUE(all.ok());
    for (std::uint64_t i = 0; i < tasks; ++i) EXPECT_EQ(all[i].words(), words_of(i));
    reading_.reset();
    EXPECT_EQ(text::alive, 8);
  }
  EXPECT_EQ(text::alive, 0);
}

TEST_F(result_collector_test, what_was_read_of_a_task_that_is_blamed_is_destroyed) {
  put_all_but(tasks);
  read_all(3, 6);
  const auto all = finish(failed(1));
  EXPECT_EQ(text::alive, 7);
  EXPECT_EQ(all.get_if(1), nullptr);
  EXPECT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all[7].words(), words_of(7));
}

TEST_F(result_collector_test, a_run_of_failures_over_read_and_unread_tasks_takes_them_all) {
  put_all_but(tasks);
  read_all(3, 6);
  const auto all = finish(failed(2, 5));
  EXPECT_EQ(text::alive, 3);
  EXPECT_EQ(all.failures().size(), 5U);
  EXPECT_EQ(text::decoded, 5);
}

TEST_F(result_collector_test, an_empty_slot_is_passed_by_and_asked_again_at_the_end) {
  put_all_but(0);
  read_all(3, 6);
  EXPECT_EQ(text::decoded, 4);
  const auto all = finish({});
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 0U);
  EXPECT_EQ(all.failures()[0].kind, failure_kind::unencodable);
}

TEST_F(result_collector_test, what_cannot_be_decoded_now_may_be_at_the_end) {
  put_all_but(tasks);
  text::refuse = true;
  read_all(3, 6);
  EXPECT_EQ(text::alive, 0);
  text::refuse = false;
  const auto all = finish({});
  EXPECT_TRUE(all.ok());
  EXPECT_EQ(text::alive, 8);
}

TEST_F(result_collector_test, what_cannot_be_decoded_at_all_is_a_failure_once) {
  put_all_but(2);
  put(2, "never");
  read_all(3, 6);
  const auto all = finish({});
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 2U);
  EXPECT_EQ(all.failures()[0].message, "decoding its result: std::runtime_error: refused");
  EXPECT_EQ(text::alive, 7);
}

TEST_F(result_collector_test, from_the_first_value_that_has_to_wait_all_wait) {
  put_all_but(1);
  put(1, "later");
  read_all(3, 6);
  EXPECT_EQ(text::decoded, 1);
  read_all(8, 8);
  EXPECT_EQ(text::decoded, 1);
  const auto all = finish({});
  EXPECT_TRUE(all.ok());
  EXPECT_EQ(all[1].words(), "later");
}

TEST_F(result_collector_test, left_without_a_finish_it_destroys_what_it_has_read) {
  put_all_but(0);
  read_all(3, 6);
  EXPECT_EQ(text::alive, 4);
  reading_.reset();
  EXPECT_EQ(text::alive, 0);
}

}  // namespace
