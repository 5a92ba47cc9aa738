// SPDX-License-Identifier: MIT
// options::trace and options::label: the trace and the status file of a map, reduction or stream on every engine.
#include "engines.hpp"
#include "json_value.hpp"
#include "scratch_folder.hpp"

#include <parmap/async.hpp>
#include <parmap/detail/traces/json_text.hpp>
#include <parmap/detail/traces/map_recorder.hpp>
#include <parmap/parmap.hpp>
#include <parmap/store.hpp>

#include <gtest/gtest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;

std::string read(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// A trace as a viewer sees it.
class seen_trace {
 public:
  explicit seen_trace(const std::string& path) : seen_trace(json::parse(read(path))) {
    status = json::parse(read(path + ".status"));
  }
  explicit seen_trace(const json::value& all) {
    for (const json::value& each : all.items()) {
      if (each["ph"].text() == "M" && each["name"].text() == "parmap") about = each["args"];
      if (each["ph"].text() == "M" && each["name"].text() == "parmap_end") end = each["args"];
      if (each["ph"].text() == "i") ++instants[each["name"].text()];
      if (each["ph"].text() != "X") continue;
      slices.push_back(each);
      const json::value& more = each["args"];
      if (each["cat"].text() == "wait") continue;
      const std::uint64_t count = more.has("tasks") ? static_cast<std::uint64_t>(more["tasks"].number()) : 1;
      tasks[each["cat"].text()] += count;
    }
    expect_rows();
  }

  // Those of one category whose task has this number.
  [[nodiscard]] std::vector<json::value> of_task(double task, const std::string& category) const {
    std::vector<json::value> found;
    for (const json::value& each : slices)
      if (each["cat"].text() == category && each["args"].has("task") && each["args"]["task"].number() == task)
        found.push_back(each);
    return found;
  }

  std::optional<json::value> about;
  std::optional<json::value> end;
  json::value status;
  std::vector<json::value> slices;
  std::map<std::string, std::uint64_t> tasks;     // by category
  std::map<std::string, std::uint64_t> instants;  // by name

 private:
  // Slices of a worker do not overlap.
  void expect_rows() const {
    std::map<double, std::vector<std::pair<double, double>>> rows;
    for (const json::value& each : slices)
      rows[each["tid"].number()].emplace_back(each["ts"].number(), each["ts"].number() + each["dur"].number());
    for (auto& [row, spans] : rows) {
      std::ranges::sort(spans);
      for (std::size_t k = 1; k < spans.size(); ++k) EXPECT_GE(spans[k].first, spans[k - 1].second - 0.002) << row;
    }
  }
};

void expect_end(const seen_trace& it, double completed, double failed, const std::string& how = "complete") {
  ASSERT_TRUE(it.end);
  for (const json::value& each : {*it.end, it.status}) {
    EXPECT_EQ(each["completed"].number(), completed);
    EXPECT_EQ(each["failed"].number(), failed);
    EXPECT_EQ(each["how"].text(), how);
  }
  EXPECT_TRUE(it.status["ended"].truth());
  EXPECT_EQ(it.status["running"].number(), 0);
}

template <class Engine>
class trace : public ::testing::Test {
 protected:
  scratch::folder folder;
  std::string path = folder.file("run.json");
};
TYPED_TEST_SUITE(trace, engines::all, engines::names);

TYPED_TEST(trace, has_each_task_with_its_inputs) {
  const auto slow = [](int x) {
    std::this_thread::sleep_for(1ms);
    return x;
  };
  const auto made = parmap::map(TypeParam::engine, slow, parmap::axis("mu", std::views::iota(0, 20)),
                                {.label = "a \"label\"\n", .trace = this->path, .workers = 3});
  const seen_trace seen(this->path);
  expect_end(seen, 20, 0);
  ASSERT_TRUE(seen.about);
  EXPECT_EQ((*seen.about)["label"].text(), "a \"label\"\n");
  EXPECT_EQ((*seen.about)["engine"].text(), TypeParam::engine.name());
  EXPECT_EQ((*seen.about)["tasks"].number(), 20);
  EXPECT_EQ(seen.tasks, (std::map<std::string, std::uint64_t>{{"ok", 20}}));
  for (int x = 0; x < 20; ++x) {
    const auto found = seen.of_task(x, "ok");
    ASSERT_EQ(found.size(), 1U) << x;
    EXPECT_EQ(found[0]["args"]["inputs"].text(), "mu=" + std::to_string(x));
    EXPECT_GE(found[0]["dur"].number(), 1000);
  }
  EXPECT_EQ(seen.instants.at("worker begins"), seen.instants.at("worker ends"));
  EXPECT_TRUE(made.summary().busy);  // a trace measures times
}

TYPED_TEST(trace, shows_failed_attempts_and_what_became_of_them) {
  if constexpr (std::is_same_v<TypeParam, engines::serial>) GTEST_SKIP() << "serial halts at a failure";
  const auto f = [](parmap::context& self, int x) {
    if (x == 3) throw std::runtime_error("never");
    if (x == 5 && self.attempt() == 1) throw std::runtime_error("not yet");
    return x;
  };
  const auto made =
      parmap::map(TypeParam::engine, f, std::views::iota(0, 10), {.retries = 1, .trace = this->path, .workers = 2});
  const seen_trace seen(this->path);
  expect_end(seen, 9, 1);
  EXPECT_EQ((*seen.end)["retried"].number(), 2);
  EXPECT_EQ(seen.of_task(3, "retried").size(), 1U);
  EXPECT_EQ(seen.of_task(5, "retried").size(), 1U);
  const auto failed = seen.of_task(3, "failed");
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(failed[0]["args"]["attempt"].number(), 2);
  EXPECT_EQ(failed[0]["args"]["kind"].text(), "threw");
  EXPECT_EQ(failed[0]["args"]["message"].text(), "std::runtime_error: never");
  const json::value& cause = (*seen.end)["failures"].items().at(0);
  EXPECT_EQ(cause["count"].number(), 1);
  EXPECT_EQ(cause["first"].number(), 3);
}

TYPED_TEST(trace, of_short_tasks_has_slices_of_several) {
  if constexpr (std::is_same_v<TypeParam, engines::async>) GTEST_SKIP() << "its tasks wait for each other's turn";
  const auto made =
      parmap::map(TypeParam::engine, [](int x) { return x; }, std::views::iota(0, 20'000), {.trace = this->path});
  const seen_trace seen(this->path);
  expect_end(seen, 20'000, 0);
  EXPECT_EQ(seen.tasks.at("ok"), 20'000U);
  EXPECT_LT(seen.slices.size(), 10'000U);
  double counted = 0;
  for (const json::value& each : (*seen.end)["histogram"].items()) counted += each.number();
  EXPECT_EQ(counted, 20'000);
}

TYPED_TEST(trace, of_a_map_that_is_stopped) {
  std::stop_source stop;
  stop.request_stop();
  const auto made = parmap::map(TypeParam::engine, [](int x) { return x; }, std::views::iota(0, 10),
                                {.stop = stop.get_token(), .trace = this->path});
  expect_end(seen_trace(this->path), 0, 0, "incomplete");
}

TYPED_TEST(trace, that_cannot_be_written_is_an_error_before_any_task) {
  std::atomic<int> begun{0};
  const auto f = [&begun](int x) { return ++begun, x; };
  try {
    static_cast<void>(parmap::map(TypeParam::engine, f, std::views::iota(0, 3), {.trace = this->path + "/x.json"}));
    ADD_FAILURE() << "it was written";
  } catch (const std::runtime_error& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("options.trace: cannot write " + this->path + "/x.json"), std::string::npos) << text;
  }
  EXPECT_EQ(begun, 0);
}

TEST(trace_of_multi, shows_deaths) {
  const scratch::folder folder;
  const std::string path = folder.file("run.json");
  const auto f = [](int x) {
    if (x == 2) std::_Exit(7);
    return x;
  };
  const auto made = parmap::map(f, std::views::iota(0, 6), {.trace = path, .workers = 1});
  const seen_trace seen(path);
  expect_end(seen, 5, 1);
  const auto died = seen.of_task(2, "failed");
  ASSERT_EQ(died.size(), 1U);
  EXPECT_EQ(died[0]["name"].text(), "task 2 exited");
  EXPECT_EQ(seen.instants.at("worker begins"), 2U);
}

TEST(trace_of_serial, of_an_exception_that_leaves_the_map) {
  const scratch::folder folder;
  const auto f = [](int x) { return x < 3 ? x : throw std::runtime_error("x"); };
  EXPECT_THROW(static_cast<void>(parmap::map(parmap::serial, f, std::views::iota(0, 9), {.trace = folder.file("a")})),
               std::runtime_error);
  expect_end(seen_trace(folder.file("a")), 3, 1, "exception");
}

TEST(trace_of, a_pool) {
  const scratch::folder folder;
  parmap::pool workers({.workers = 2});
  const auto made = parmap::map(workers, [](int x) { return x < 5 ? x : throw 1; }, std::views::iota(0, 10),
                                {.trace = folder.file("a")});
  const seen_trace seen(folder.file("a"));
  expect_end(seen, 5, 5);
  EXPECT_EQ(seen.tasks.at("failed"), 5U);
}

TEST(trace_of, reductions) {
  const scratch::folder folder;
  const auto square = [](int x) { return long{x} * x; };
  const auto add = [](long& to, int x) { to += x; };
  const auto merge = [](long& to, long from) { to += from; };
  const auto on = [&](const auto& engine) {
    const auto sum =
        parmap::map_reduce(engine, square, std::plus{}, 0L, std::views::iota(0, 3000), {.trace = folder.file("sum")});
    EXPECT_TRUE(sum.ok());
    expect_end(seen_trace(folder.file("sum")), 3000, 0);
    const auto all = parmap::fold(engine, 0L, add, merge, std::views::iota(0, 3000), {.trace = folder.file("fold")});
    EXPECT_EQ(all.value(), 3000L * 2999 / 2);
    expect_end(seen_trace(folder.file("fold")), 3000, 0);
  };
  on(parmap::serial);
  on(parmap::threads);
  on(parmap::multi);
}

TEST(trace_of, streams) {
  const scratch::folder folder;
  const auto f = [](int x) { return x == 4 ? throw std::runtime_error("four") : x; };
  const auto on = [&](const auto& engine, auto axis) {
    int sum = 0;
    for (auto&& [index, outcome] : parmap::stream(engine, f, axis, {.trace = folder.file("a"), .workers = 2}))
      sum += outcome ? *outcome : 0;
    EXPECT_EQ(sum, 41);
    const seen_trace seen(folder.file("a"));
    expect_end(seen, 9, 1);
    const auto failed = seen.of_task(4, "failed");
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_EQ(failed[0]["args"]["message"].text(), "std::runtime_error: four");
  };
  on(parmap::threads, std::views::iota(0, 10));
  on(parmap::multi, std::views::iota(0, 10));
  on(parmap::multi, std::views::iota(0) | std::views::take_while([](int x) { return x < 10; }));
}

TEST(trace_of, a_stream_that_is_left) {
  const scratch::folder folder;
  for (auto&& [index, outcome] :
       parmap::stream(parmap::threads, [](int x) { return x; }, std::views::iota(0, 1000), {.trace = folder.file("a")}))
    if (outcome) break;
  const seen_trace seen(folder.file("a"));
  ASSERT_TRUE(seen.end);
  EXPECT_EQ((*seen.end)["how"].text(), "incomplete");
}

TEST(trace_options, a_name_for_an_archive_is_refused) {
  EXPECT_THROW(static_cast<void>(parmap::map([](int x) { return x; }, std::views::iota(0, 3), {.trace = "a.json.gz"})),
               std::invalid_argument);
}

// The program is killed while a task runs: what was written until then can be read, but for the end.
TEST(trace_of_a_killed_program, is_readable_as_far_as_it_goes) {
  const scratch::folder folder;
  const std::string path = folder.file("run.json");
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto f = [&path](int x) {
      if (x == 0) return std::this_thread::sleep_for(1ms), x;
      while (read(path).find("\"task 0\"") == std::string::npos) std::this_thread::yield();
      ::raise(SIGKILL);
      return x;
    };
    static_cast<void>(parmap::map(parmap::serial, f, std::views::iota(0, 2), {.trace = path}));
    std::_Exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  const std::string text = read(path);
  EXPECT_THROW(json::parse(text), std::runtime_error);
  const seen_trace seen(json::parse(text + "\n]"));
  EXPECT_FALSE(seen.end);
  EXPECT_EQ(seen.of_task(0, "ok").size(), 1U);
}

// Whoever reads meanwhile finds a whole file. It names the tasks that run.
TEST(status_file, tells_of_running_tasks) {
  const scratch::folder folder;
  const std::string path = folder.file("run.json");
  std::atomic<bool> seen{false};
  const auto f = [&](int x) {
    while (x == 7 && !seen) {
      const json::value now = json::parse(read(path + ".status"));
      EXPECT_FALSE(now["ended"].truth());
      if (now["running"].number() == 0) continue;
      const json::value& it = now["oldest"].items().at(0);
      EXPECT_EQ(it["task"].number(), 7);
      EXPECT_EQ(it["inputs"].text(), "mu=7");
      EXPECT_EQ(now["completed"].number(), 7);
      EXPECT_EQ(now["tasks"].number(), 10);
      EXPECT_GT(now["rate"].number(), 0);
      EXPECT_GT(now["left"].number(), 0);
      seen = true;
    }
    return x;
  };
  const auto made = parmap::map(parmap::serial, f, parmap::axis("mu", std::views::iota(0, 10)), {.trace = path});
  EXPECT_TRUE(seen);
  EXPECT_FALSE(std::filesystem::exists(path + ".status.tmp"));
}

// A store that has the outcomes of even tasks.
class even_store final : public parmap::result_store {
 public:
  explicit even_store(std::string status) : status_(std::move(status)) {}
  [[nodiscard]] std::unique_ptr<parmap::detail::store_run> open(const parmap::detail::sweep& what) override {
    return std::make_unique<run>(what.axes.at(0).size);
  }
  [[nodiscard]] std::string status_path(const parmap::part& /*of*/) const override { return status_; }

 private:
  class run final : public parmap::detail::store_run {
   public:
    explicit run(std::uint64_t tasks) : tasks_(tasks) {}
    [[nodiscard]] std::uint64_t seed() const noexcept override { return 1; }
    [[nodiscard]] std::uint64_t number(std::uint64_t index) const noexcept override { return index; }
    void read(bool, const std::function<void(std::uint64_t, parmap::detail::stored_outcome&&)>& visit) override {
      for (std::uint64_t i = 0; i < tasks_; i += 2) visit(i, find(i));
    }
    [[nodiscard]] parmap::detail::stored_outcome find(std::uint64_t i) override {
      parmap::detail::stored_outcome found;
      found.number = i;
      found.value = parmap::detail::to_stored(static_cast<int>(i));
      return found;
    }
    [[nodiscard]] const std::vector<std::string>& notes() const noexcept override { return notes_; }
    void put(parmap::detail::stored_outcome&&) noexcept override {}
    void give_up(const char*) noexcept override {}
    [[nodiscard]] std::stop_token stop() const noexcept override { return {}; }
    void finish() override {}

   private:
    std::uint64_t tasks_;
    std::vector<std::string> notes_;
  };
  std::string status_;
};

TEST(status_file, of_a_store_counts_what_was_stored) {
  const scratch::folder folder;
  const auto f = [](int x) {
    std::this_thread::sleep_for(1ms);
    return x;
  };
  const auto made =
      parmap::map(parmap::threads, f, parmap::axis("mu", std::views::iota(0, 10)),
                  {.store = std::make_shared<even_store>(folder.file("a.status")), .trace = folder.file("run.json")});
  EXPECT_TRUE(made.ok());
  const seen_trace seen(folder.file("run.json"));
  expect_end(seen, 5, 0);
  EXPECT_EQ(seen.of_task(3, "ok").at(0)["args"]["inputs"].text(), "mu=3");  // by its number in the map
  for (const json::value& each : {seen.status, json::parse(read(folder.file("a.status")))}) {
    EXPECT_EQ(each["tasks"].number(), 10);
    EXPECT_EQ(each["stored"].number(), 5);
  }
}

// The variable is read once, so this takes a program of its own.
TEST(trace_variable, makes_traces_of_a_program_that_does_not_ask) {
  if (const char* const folder = std::getenv("PARMAP_TRACE")) {  // in that program
    for (int k = 0; k < 2; ++k)
      EXPECT_TRUE(parmap::map(parmap::threads, [](int x) { return x; }, std::views::iota(0, 3)).ok());
    EXPECT_TRUE(std::filesystem::is_directory(folder));
    return;
  }
  const scratch::folder folder;
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command =
      "PARMAP_TRACE='" + folder.file("traces") + "' '" + self + "' --gtest_filter=trace_variable.* >/dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0);
  int traces = 0;
  for (const auto& each : std::filesystem::directory_iterator(folder.file("traces"))) {
    if (each.path().extension() != ".json") continue;
    ++traces;
    EXPECT_TRUE(each.path().filename().string().starts_with(std::filesystem::path(self).filename().string()))
        << each.path();
    expect_end(seen_trace(each.path().string()), 3, 0);
  }
  EXPECT_EQ(traces, 2);
}

// ---- What bounds the file.

TEST(trace_events, have_a_bounded_number_of_slices_with_all_tasks) {
  using parmap::detail::attempt;
  constexpr std::uint64_t most = 200;
  const auto begin = attempt::clock::now();
  parmap::detail::trace_events events(begin, 1, most);
  std::uint64_t own = 0;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    const auto took = std::chrono::microseconds(i % 3 == 0 ? 500 : 20);
    attempt it{i, 1, static_cast<unsigned>(i % 2), begin + i * 600us, took};
    const parmap::failure why{i, parmap::failure::threw, "x", 1};
    const bool fails = i % 10 == 0;
    if (!events.has_own_slice(it, i, fails ? &why : nullptr, false)) continue;
    ++own;
    events.add({.it = it,
                .index = i,
                .how = fails ? parmap::detail::attempt_end::failure : parmap::detail::attempt_end::value});
  }
  EXPECT_GT(own, most / 4);
  events.end_shared();
  events.end();
  const seen_trace seen(json::parse(events.take()));
  EXPECT_LE(seen.slices.size(), most + 2);
  EXPECT_EQ(events.left_out(), 0U);
  std::uint64_t tasks = 0;
  for (const auto& [category, count] : seen.tasks) tasks += count;
  EXPECT_EQ(tasks, 100'000U);
}

TEST(trace_events, draw_attempts_of_a_worker_one_after_the_other) {
  using parmap::detail::attempt;
  const auto begin = attempt::clock::now();
  parmap::detail::trace_events events(begin, 1);
  for (std::uint64_t i = 0; i < 3; ++i) {
    attempt it{i, 1, 0, begin + 10ms, 5ms};
    ASSERT_TRUE(events.has_own_slice(it, i, nullptr, false));
    EXPECT_EQ(it.began, begin + 10ms + i * 5ms);
    events.add({.it = it, .index = i});
  }
  events.end();
  EXPECT_EQ(seen_trace(json::parse(events.take())).slices.size(), 3U);
}

TEST(trace_events, show_where_a_worker_waits) {
  using parmap::detail::attempt;
  using parmap::detail::worker_event;
  const auto begin = attempt::clock::now();
  parmap::detail::trace_events events(begin, 1);
  events.happened_to(0, worker_event::born, begin);
  events.happened_to(0, worker_event::waits, begin + 1ms);
  events.begun({0, 1, 0, begin + 4ms, {}});
  events.end();
  const seen_trace seen(json::parse(events.take()));
  ASSERT_EQ(seen.slices.size(), 1U);
  EXPECT_EQ(seen.slices[0]["name"].text(), "waits");
  EXPECT_DOUBLE_EQ(seen.slices[0]["dur"].number(), 3000);
}

TEST(json_text, is_json_whatever_the_text) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  std::string text;
  parmap::detail::add_json(text, all + "\xc3\xa9\xed\xa0\x80");
  const std::string back = json::parse(text).text();
  EXPECT_EQ(back.substr(0, 128), all.substr(0, 128));
  EXPECT_NE(back.find("\xc3\xa9"), std::string::npos);
  EXPECT_EQ(back.find("\xed\xa0\x80"), std::string::npos);  // a surrogate
  text.clear();
  parmap::detail::add_json_real(text, std::numeric_limits<double>::infinity());
  EXPECT_TRUE(json::parse(text).is_null());
}

}  // namespace
