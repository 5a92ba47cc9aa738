// SPDX-License-Identifier: MIT
// What is sent to the workers of a pool, and what comes back, runs code of the user: codecs, destructors, operator<<,
// the ranges of the axes. Wherever such code throws, crashes, hangs or uses the pool, it costs its own task.
#include "leftovers.hpp"
#include "watchdog.hpp"

#include <parmap/detail/system/inside_worker.hpp>
#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <optional>
#include <ostream>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

// What it does, and where: "decode throws", "print hangs", ..
struct awkward {
  std::string does;

  awkward() = default;
  explicit awkward(std::string what) : does(std::move(what)) {}
  awkward(const awkward&) = default;
  awkward(awkward&&) = default;
  awkward& operator=(const awkward&) = default;
  awkward& operator=(awkward&&) = default;
  ~awkward() { act("destructor"); }

  void act(std::string_view where) const {
    if (!does.starts_with(where)) return;
    const bool worker = parmap::detail::inside_worker();
    if (where == "destructor" && !worker) return;
    if (does.ends_with("in worker") && !worker) return;
    if (does.ends_with("in caller") && worker) return;
    const std::string_view rest = std::string_view(does).substr(where.size() + 1);
    if (rest.starts_with("throws int")) throw 7;
    if (rest.starts_with("throws bad_alloc")) throw std::bad_alloc();
    if (rest.starts_with("throws")) throw std::runtime_error("awkward");
    if (rest.starts_with("aborts")) std::abort();
    if (rest.starts_with("exits")) ::_exit(5);
    while (rest.starts_with("hangs")) ::pause();
  }
};
std::ostream& operator<<(std::ostream& out, const awkward& it) {
  it.act("print");
  return out << it.does;
}

}  // namespace

template <>
struct parmap::codec<awkward> {
  static void encode(encoder& out, const awkward& it) {
    it.act("encode");
    out.put(it.does);
  }
  static awkward decode(decoder& in) {
    awkward it(in.get<std::string>());
    it.act("decode");
    return it;
  }
};

namespace {

using namespace std::chrono_literals;
using parmap::failure;

class pool_inputs_test : public leftovers::none {
 protected:
  void SetUp() override {
    leftovers::none::SetUp();
    workers_.emplace(parmap::pool_options{.timeout = 300ms, .workers = 2});
  }
  void TearDown() override {
    check();
    workers_.reset();
    leftovers::none::TearDown();
  }
  // The pool is as before.
  void check() {
    const auto all = parmap::map(*workers_, [](int x) { return x + 1; }, std::vector{1, 2, 3});
    EXPECT_TRUE(all.ok()) << all.failures();
  }

  watchdog dog_{30s};
  std::optional<parmap::pool> workers_;
};

int length(const awkward& it) { return static_cast<int>(it.does.size()); }
awkward make(const std::string& what) { return awkward(what); }
int abort_with(const awkward&) { std::abort(); }

struct expected {
  const char* what;
  parmap::failure_kind kind;
};

TEST_F(pool_inputs_test, arguments_of_a_submitted_task_that_cannot_be_decoded) {
  const expected all[] = {{"decode throws", failure::threw},
                          {"decode throws int", failure::threw},
                          {"decode throws bad_alloc", failure::out_of_memory},
                          {"decode aborts", failure::crashed},
                          {"decode exits", failure::exited},
                          {"decode hangs", failure::timed_out}};
  for (const auto& [what, kind] : all) {
    auto it = workers_->submit(length, awkward(what));
    auto beside = workers_->submit(length, awkward("x"));
    ASSERT_FALSE(it.outcome()) << what;
    EXPECT_EQ(it.outcome().error().kind, kind) << it.outcome().error();
    EXPECT_EQ(it.outcome().error().inputs, "") << what;
    EXPECT_EQ(beside.get(), 1);
    dog_.pat();
  }
}

TEST_F(pool_inputs_test, elements_of_a_map_that_cannot_be_decoded) {
  for (const char* const what : {"decode throws", "decode throws int", "decode aborts", "decode exits"}) {
    const auto all = parmap::map(*workers_, length, std::vector<awkward>{awkward("x"), awkward(what)});
    EXPECT_EQ(all.failures().size(), 2U) << what;  // a worker reads all elements at once
    check();
    dog_.pat();
  }
}

TEST_F(pool_inputs_test, inputs_whose_text_cannot_be_written) {
  for (const char* const what : {"print throws", "print throws int", "print aborts", "print exits"}) {
    const auto all = parmap::map(*workers_, abort_with, std::vector<awkward>{awkward("x"), awkward(what)});
    ASSERT_EQ(all.failures().size(), 2U) << what;
    EXPECT_EQ(all.failures()[0].inputs, "x");
    EXPECT_EQ(all.failures()[1].inputs, "") << what;
    auto it = workers_->submit(abort_with, awkward(what));
    EXPECT_EQ(it.outcome().error().kind, failure::crashed);
    EXPECT_EQ(it.outcome().error().inputs, "");
    EXPECT_EQ(workers_->submit(abort_with, awkward("seen")).outcome().error().inputs, "seen");
    int failed = 0;
    for (auto&& each : parmap::stream(*workers_, abort_with, std::vector<awkward>{awkward(what), awkward("x")})) {
      EXPECT_EQ(each.outcome.error().kind, failure::crashed);
      EXPECT_EQ(each.outcome.error().inputs, each.index == 0 ? "" : "x");
      ++failed;
    }
    EXPECT_EQ(failed, 2);
    dog_.pat();
  }
}

TEST_F(pool_inputs_test, inputs_whose_text_hangs) {
  const auto all = parmap::map(*workers_, abort_with, std::vector<awkward>{awkward("print hangs")});
  EXPECT_EQ(all.failures()[0].inputs, "");
  EXPECT_EQ(workers_->submit(abort_with, awkward("print hangs")).outcome().error().kind, failure::crashed);
}

TEST_F(pool_inputs_test, inputs_that_cannot_be_encoded) {
  EXPECT_THROW(static_cast<void>(workers_->submit(length, awkward("encode throws"))), std::runtime_error);
  EXPECT_THROW(static_cast<void>(workers_->submit(length, awkward("encode throws int"))), int);
  EXPECT_THROW(static_cast<void>(workers_->submit(length, awkward("encode throws bad_alloc"))), std::bad_alloc);
  const std::vector<awkward> some{awkward("x"), awkward("encode throws")};
  EXPECT_THROW(static_cast<void>(parmap::map(*workers_, length, some)), std::runtime_error);
  EXPECT_THROW(static_cast<void>(parmap::stream(*workers_, length, some)), std::runtime_error);
  EXPECT_THROW(static_cast<void>(workers_->submit(parmap::fargs([](int, const awkward&) { return 1; }, some[1]), 1)),
               std::runtime_error);
}

TEST_F(pool_inputs_test, fixed_arguments_that_cannot_be_decoded) {
  const auto f = [](int x, const awkward&) { return x; };
  for (const auto& [what, kind] :
       {expected{"decode throws", failure::threw}, expected{"decode aborts", failure::crashed},
        expected{"decode hangs", failure::timed_out}}) {
    auto it = workers_->submit(parmap::fargs(f, awkward(what)), 1);
    EXPECT_EQ(it.outcome().error().kind, kind) << it.outcome().error();
    const auto all = parmap::map(*workers_, parmap::fargs(f, awkward(what)), std::vector{1, 2});
    EXPECT_EQ(all.failures().size(), 2U);
    dog_.pat();
  }
}

TEST_F(pool_inputs_test, results_that_cannot_be_encoded_or_decoded) {
  const expected all[] = {{"encode throws", failure::unencodable},
                          {"encode throws int", failure::unencodable},
                          {"encode throws bad_alloc", failure::out_of_memory},
                          {"encode aborts", failure::crashed},
                          {"encode hangs", failure::timed_out},
                          {"decode throws in caller", failure::unencodable},
                          {"decode throws int in caller", failure::unencodable},
                          {"decode throws bad_alloc in caller", failure::out_of_memory}};
  std::vector<std::string> texts{"plain"};
  for (const auto& [what, kind] : all) texts.emplace_back(what);
  const auto some = parmap::map(*workers_, make, texts);
  ASSERT_EQ(some.failures().size(), std::size(all));
  for (std::size_t k = 0; k < std::size(all); ++k) {
    EXPECT_EQ(some.failures()[k].index, k + 1);
    EXPECT_EQ(some.failures()[k].kind, all[k].kind) << some.failures()[k];
  }
  EXPECT_EQ(some[0].does, "plain");
  std::size_t count = 0;
  for (auto&& [index, outcome] : parmap::stream(*workers_, make, texts)) {
    EXPECT_EQ(static_cast<bool>(outcome), index == 0);
    if (!outcome) {
      EXPECT_EQ(outcome.error().kind, all[index - 1].kind) << outcome.error();
    }
    ++count;
  }
  EXPECT_EQ(count, texts.size());
  for (const auto& [what, kind] : all) {
    auto it = workers_->submit(make, std::string(what));
    EXPECT_EQ(it.outcome().error().kind, kind) << it.outcome().error();
    dog_.pat();
  }
}

// The elements that a worker has read die when the worker reads others. No task of another map is to blame.
TEST_F(pool_inputs_test, elements_whose_destructor_crashes_after_their_map) {
  for (const char* const what : {"destructor aborts", "destructor exits"}) {
    std::vector<awkward> some;
    some.emplace_back("x");
    some.emplace_back(what);
    const auto all = parmap::map(*workers_, length, some, {.workers = 1});
    const auto after = parmap::map(*workers_, [](int x) { return x; }, std::views::iota(0, 50));
    EXPECT_TRUE(after.ok()) << after.failures();
    dog_.pat();
  }
}

// Encoding runs code of the user, which may use the pool itself.
TEST_F(pool_inputs_test, axes_that_are_computed_by_the_same_pool) {
  const auto twice = [](int x) { return 2 * x; };
  const auto by_pool = std::views::transform([&](int x) { return workers_->submit(twice, x).get(); });
  EXPECT_EQ(parmap::map(*workers_, twice, std::views::iota(0, 4) | by_pool).value(), (std::vector{0, 4, 8, 12}));
  int next = 0;
  for (auto&& each : parmap::stream(*workers_, twice, std::views::iota(0) | by_pool, {.ordered = true, .window = 4})) {
    EXPECT_EQ(*each.outcome, 4 * next);
    if (++next == 10) break;
  }
  auto first = parmap::stream(*workers_, twice, std::views::iota(0, 20), {.ordered = true});
  next = 0;
  auto at = first.begin();
  const auto by_stream = std::views::transform([&](int) {
    const int value = *(*at).outcome;
    ++at;
    return value;
  });
  for (auto&& each : parmap::stream(*workers_, twice, std::views::iota(0, 20) | by_stream, {.ordered = true}))
    EXPECT_EQ(*each.outcome, 4 * next++);
  EXPECT_EQ(next, 20);
}

}  // namespace
