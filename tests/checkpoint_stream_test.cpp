// SPDX-License-Identifier: MIT
// Streams with a checkpoint: on every engine with streams and on a pool; and maps on a pool.
#include "engines.hpp"
#include "scratch_folder.hpp"
#include "stored_maps.hpp"

#include <parmap/checkpoint.hpp>
#include <parmap/detail/checkpoints/database.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using scratch::folder;
using stored_maps::has;
using stored_maps::kept_in;
using stored_maps::message_of;

// What the tasks are called with, and what they return: also under a pool, which sends no captures.
using row = std::tuple<int, std::string, std::uint64_t, std::uint64_t>;

row task(parmap::context& self, int i, const std::string& name) { return {i, name, self.index(), self.rng()()}; }
row failing(parmap::context& self, int i, const std::string& name) {
  if (i % 3 == 1) throw std::runtime_error("no " + std::to_string(i) + name);
  return task(self, i, name);
}

struct pool {
  static constexpr std::string_view name = "pool";
  static const parmap::pool& engine() {
    static const parmap::pool workers({.workers = 2});
    return workers;
  }
};
template <class Named>
struct of_name {
  static constexpr auto& engine() { return Named::engine; }
};
struct serial : of_name<engines::serial> {};
struct threads : of_name<engines::threads> {};
struct multi : of_name<engines::multi> {};

std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) all[static_cast<std::size_t>(i)] = i;
  return all;
}
const std::vector<std::string> names{"a", "b"};

template <class Engine>
class checkpoint_stream : public ::testing::Test {
 public:
  auto map(int n, const folder& here, row (*f)(parmap::context&, int, const std::string&) = task) {
    return parmap::map(Engine::engine(), f, parmap::axis("i", numbers(n)), parmap::axis("name", names),
                       kept_in(here.file()));
  }
  auto stream(int n, const folder& here, bool ordered, row (*f)(parmap::context&, int, const std::string&) = task,
              std::uint64_t window = 0) {
    parmap::options how = kept_in(here.file());
    how.ordered = ordered;
    how.window = window;
    return parmap::stream(Engine::engine(), f, parmap::axis("i", numbers(n)), parmap::axis("name", names), how);
  }
};
using streaming = ::testing::Types<serial, threads, multi, pool>;
TYPED_TEST_SUITE(checkpoint_stream, streaming);

TYPED_TEST(checkpoint_stream, a_map_resumes_with_what_is_missing) {
  const folder here;
  const auto first = this->map(4, here).value();
  const auto all = this->map(9, here);
  EXPECT_EQ(all.stored(), 8U);
  const auto whole = all.value();
  EXPECT_TRUE(std::equal(first.begin(), first.end(), whole.begin()));
  const folder fresh;
  for (std::uint64_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(std::get<0>(whole[i]), static_cast<int>(i / 2));
    EXPECT_EQ(std::get<2>(whole[i]), i);
    parmap::context self(all.seed(), 0);
    self.begin(i, 1);
    EXPECT_EQ(std::get<3>(whole[i]), self.rng()()) << i;
  }
}

TYPED_TEST(checkpoint_stream, stored_outcomes_come_first) {
  const folder here;
  const auto first = this->map(5, here).value();
  std::vector<row> seen(40);
  std::uint64_t stored = 0;
  std::uint64_t count = 0;
  for (auto&& each : this->stream(20, here, false)) {
    if (each.stored) {
      EXPECT_EQ(stored++, count);
      EXPECT_EQ(each.index, count);
    }
    ++count;
    auto&& [index, outcome] = each;
    EXPECT_EQ(std::get<2>(*outcome), index);
    seen[index] = *outcome;
  }
  EXPECT_EQ(stored, 10U);
  EXPECT_EQ(count, 40U);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), seen.begin()));
  EXPECT_EQ(this->map(20, here).value(), seen);
  EXPECT_EQ(this->map(20, here).stored(), 40U);
}

TYPED_TEST(checkpoint_stream, an_ordered_one_stays_in_order) {
  const folder here;
  // Every other i is stored.
  std::ignore =
      parmap::map(parmap::serial, task,
                  parmap::axis("i", std::views::iota(0, 30) | std::views::filter([](int i) { return i % 2; })),
                  parmap::axis("name", names), kept_in(here.file()));
  for (const std::uint64_t window : {0, 1, 3}) {
    std::uint64_t count = 0;
    for (auto&& each : this->stream(30, here, true, task, window)) {
      EXPECT_EQ(each.index, count);
      if (window == 0) EXPECT_EQ(each.stored, count / 2 % 2 == 1);
      else EXPECT_TRUE(each.stored);
      EXPECT_EQ(std::get<0>(*each.outcome), static_cast<int>(count / 2));
      ++count;
    }
    EXPECT_EQ(count, 60U);
  }
}

TYPED_TEST(checkpoint_stream, its_end_closes_the_file) {
  const folder here;
  auto ended = this->stream(3, here, false);
  for (auto&& each : ended) EXPECT_TRUE(each.outcome);
  EXPECT_EQ(this->map(3, here).stored(), 6U);
  auto closed = this->stream(300, here, false, task, 2);
  EXPECT_TRUE((*closed.begin()).stored);
  closed.close();
  EXPECT_GE(this->map(3, here).stored(), 6U);
}

TYPED_TEST(checkpoint_stream, what_was_read_is_stored_when_it_is_left) {
  const folder here;
  std::vector<std::pair<std::uint64_t, row>> read;
  for (auto&& [index, outcome] : this->stream(500, here, false, task, 4)) {
    read.emplace_back(index, *outcome);
    if (read.size() == 10) break;
  }
  const auto whole = this->map(500, here);
  EXPECT_GE(whole.stored(), 10U);
  EXPECT_LT(whole.stored(), 1000U);
  for (const auto& [index, value] : read) {
    EXPECT_TRUE(whole.is_stored(index));
    EXPECT_EQ(whole[index], value);
  }
}

template <class Engine>
class checkpoint_stream_skipping : public checkpoint_stream<Engine> {};
using skipping = ::testing::Types<threads, multi, pool>;
TYPED_TEST_SUITE(checkpoint_stream_skipping, skipping);

TYPED_TEST(checkpoint_stream_skipping, failures_are_stored_and_run_again) {
  const folder here;
  const auto failed = [&](auto f) {
    std::vector<std::uint64_t> indices;
    for (auto&& [index, outcome] : this->stream(7, here, true, f))
      if (!outcome) {
        EXPECT_EQ(outcome.error().index, index);
        EXPECT_EQ(outcome.error().message, "std::runtime_error: no " + std::to_string(index / 2) + names[index % 2]);
        EXPECT_EQ(outcome.error().inputs, "i=" + std::to_string(index / 2) + ", name=\"" + names[index % 2] + '"');
        indices.push_back(index);
      }
    return indices;
  };
  EXPECT_EQ(failed(failing), (std::vector<std::uint64_t>{2, 3, 8, 9}));
  EXPECT_EQ(failed(failing), (std::vector<std::uint64_t>{2, 3, 8, 9}));
  const auto kept = this->map(7, here, failing);
  EXPECT_EQ(kept.stored(), 10U);
  EXPECT_EQ(kept.failures().size(), 4U);
  EXPECT_TRUE(failed(task).empty());
  parmap::detail::database file(here.file());
  EXPECT_EQ(file.number("SELECT count(*) FROM result_1 WHERE kind = 0 AND seconds > 0"), 14);
}

TYPED_TEST(checkpoint_stream_skipping, retry_if_gets_indices_of_the_map) {
  const folder here;
  std::ignore = this->map(4, here);
  parmap::options how = kept_in(here.file());
  how.retries = 1;
  how.retry_if = [](const parmap::failure& why) {
    if (why.index < 8) throw std::logic_error("an index of the run");
    return false;
  };
  std::uint64_t failures = 0;
  for (auto&& each :
       parmap::stream(TypeParam::engine(), failing, parmap::axis("i", numbers(8)), parmap::axis("name", names), how))
    if (!each.outcome) ++failures;
  EXPECT_EQ(failures, 4U);
}

TEST(checkpoint_streams, refuse_axes_that_cannot_be_compared) {
  const folder here;
  EXPECT_TRUE(has(message_of([&] {
                    std::ignore = parmap::stream(
                        parmap::threads, [](int i) { return i; }, std::views::iota(0), kept_in(here.file()));
                  }),
                  "endless or can be read only once"));
  EXPECT_TRUE(has(message_of([&] {
                    std::ignore = parmap::stream(
                        parmap::threads, [](int i) { return std::make_shared<int>(i); }, std::vector{1},
                        kept_in(here.file()));
                  }),
                  "cannot keep values of this type"));
}

double half(int i) { return i * 0.5; }

TEST(checkpoint_streams, a_task_that_never_ran_has_no_worker) {
  const folder here;
  auto keeps = kept_in(here.file());
  keeps.seed = 1;
  const auto store =
      parmap::detail::open_store_of_stream<int>(half, parmap::detail::make_axis(std::vector{1, 2, 3}), keeps);
  const parmap::failure why{1, parmap::failure_kind::crashed, "its worker died before it began", 0, nullptr};
  store->ended({.task = 1, .number = 0, .worker = parmap::detail::never_ran}, {}, &why);
  store->finish();
  parmap::detail::database file(here.file());
  EXPECT_EQ(file.number("SELECT task FROM result_1 WHERE kind <> 0 AND worker IS NULL AND seconds IS NULL"), 1);
}

TEST(checkpoint_streams, of_a_pool_store_numbers_as_numbers) {
  const folder here;
  std::ignore = parmap::map(pool::engine(), half, std::vector{1, 2, 3}, kept_in(here.file()));
  parmap::detail::database file(here.file());
  EXPECT_EQ(file.number("SELECT count(*) FROM result_1 WHERE format = 2 AND value = (task + 1) * 0.5"), 3);
}

TEST(checkpoint_streams, may_return_nothing) {
  const folder here;
  for (const bool stored : {false, true}) {
    int count = 0;
    for (auto&& each : parmap::stream(parmap::threads, [](int) {}, std::vector{1, 2, 3}, kept_in(here.file()))) {
      EXPECT_EQ(each.stored, stored);
      EXPECT_TRUE(each.outcome);
      ++count;
    }
    EXPECT_EQ(count, 3);
  }
}

}  // namespace
