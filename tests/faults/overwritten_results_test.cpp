// SPDX-License-Identifier: MIT
// Engine multi: a task that overwrites the memory it shares with the caller costs results, but never produces a wrong
// one.
#include "leftovers.hpp"

#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/result_collector.hpp>
#include <parmap/detail/processes/worker_arenas.hpp>
#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// A result that has been read early cannot be damaged any more. So here the caller reads nothing before all tasks have
// ended.
template <>
struct parmap::detail::early_reading<std::string> {
  static bool of(const byte_reader&) noexcept { return false; }
};

namespace {

using parmap::failure_kind;
using parmap::detail::claim_ledger;
using parmap::detail::encoded_slot;
using parmap::detail::worker_words;

struct mapping {
  std::byte* begin{};
  std::byte* end{};
  std::string permissions{};
  std::string flags{};  // VmFlags of smaps

  [[nodiscard]] bool has_flag(const std::string& flag) const {
    return (flags + ' ').find(' ' + flag + ' ') != std::string::npos;
  }
};

// The shared anonymous mappings of this process.
std::vector<mapping> shared_mappings() {
  std::vector<mapping> all;
  std::ifstream smaps("/proc/self/smaps");
  bool ours = false;
  for (std::string line; std::getline(smaps, line);) {
    std::uintptr_t from = 0;
    std::uintptr_t to = 0;
    char dash = 0;
    std::string permissions;
    if (std::istringstream words(line); words >> std::hex >> from >> dash >> to >> permissions && dash == '-') {
      ours = line.find("/dev/zero (deleted)") != std::string::npos;
      if (ours) all.push_back({reinterpret_cast<std::byte*>(from), reinterpret_cast<std::byte*>(to), permissions, {}});
    } else if (ours && line.starts_with("VmFlags:")) {
      all.back().flags = line.substr(8);
    }
  }
  return all;
}

// The memory of a map with encoded results and so many workers, as a task finds it: the largest shared mapping.
class shared_bytes {
 public:
  explicit shared_bytes(unsigned workers) : workers_(workers) {
    for (const mapping& each : shared_mappings())
      if (begin_ == nullptr || each.end - each.begin > end_ - begin_) {
        begin_ = each.begin;
        end_ = each.end;
      }
  }
  [[nodiscard]] worker_words& words() const {
    return *reinterpret_cast<worker_words*>(begin_ + sizeof(parmap::detail::common_words));
  }
  [[nodiscard]] encoded_slot* slots() const {
    return reinterpret_cast<encoded_slot*>(begin_ + claim_ledger::bytes(workers_));
  }
  [[nodiscard]] std::byte* at(std::uint64_t offset) const { return begin_ + offset; }
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(end_ - begin_); }

 private:
  unsigned workers_;
  std::byte* begin_{};
  std::byte* end_{};
};

void flip(std::byte* at, unsigned bit = 0) { *at ^= std::byte{1} << bit; }

std::string text_of(int i) { return "the result of task " + std::to_string(i); }
// 7 characters and an 8-byte length: short enough to lie in its slot.
std::string short_text_of(int i) { return "result" + std::to_string(i); }

std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

using overwritten_results_test = leftovers::none;

// Runs a map of ten tasks in which task 7 calls act, and expects exactly `harmed` to fail. With one worker, task 7 runs
// after the tasks that it harms. Every other result must be right.
void expect_harmed(const std::function<void(const shared_bytes&)>& act, const std::vector<std::uint64_t>& harmed,
                   std::string (*text)(int) = text_of) {
  const auto xs = numbers(10);
  const auto all = parmap::map(
      [&](int i) {
        if (i == 7) act(shared_bytes(1));
        return text(i);
      },
      xs, {.workers = 1});
  std::vector<std::uint64_t> failed;
  for (const auto& why : all.failures()) {
    failed.push_back(why.index);
    EXPECT_EQ(why.kind, failure_kind::unencodable) << why;
    EXPECT_NE(why.message.find("were written over"), std::string::npos) << why;
  }
  EXPECT_EQ(failed, harmed);
  for (const int i : xs) {
    const std::string* it = all.get_if(static_cast<std::uint64_t>(i));
    EXPECT_TRUE(it == nullptr || *it == text(i)) << i;
  }
}

TEST_F(overwritten_results_test, any_flipped_bit_of_a_result_makes_it_unencodable) {
  for (std::size_t k = 0; k < 8 + text_of(2).size(); ++k)
    expect_harmed([k](const shared_bytes& shared) { flip(shared.at(shared.slots()[2].offset + k), k % 8); }, {2});
}

TEST_F(overwritten_results_test, any_flipped_bit_of_a_slot_makes_it_unencodable) {
  for (std::size_t bit = 0; bit < 8 * sizeof(encoded_slot); ++bit)
    expect_harmed(
        [bit](const shared_bytes& shared) {
          flip(reinterpret_cast<std::byte*>(shared.slots() + 2) + bit / 8, static_cast<unsigned>(bit % 8));
        },
        {2});
}

TEST_F(overwritten_results_test, slots_in_the_wrong_place_are_unencodable) {
  expect_harmed([](const shared_bytes& shared) { std::swap(shared.slots()[1], shared.slots()[2]); }, {1, 2});
  expect_harmed([](const shared_bytes& shared) { shared.slots()[4] = shared.slots()[3]; }, {4});
}

TEST_F(overwritten_results_test, wiped_memory_is_unencodable) {
  expect_harmed([](const shared_bytes& shared) { shared.slots()[5] = {}; }, {5});
  expect_harmed(
      [](const shared_bytes& shared) {
        for (std::size_t k = 0; k < shared.slots()[6].size; ++k) *shared.at(shared.slots()[6].offset + k) = {};
      },
      {6});
}

// Such places are refused without being read: reading them could cost memory.
TEST_F(overwritten_results_test, absurd_places_are_unencodable) {
  constexpr std::uint64_t most = ~std::uint64_t{0};
  for (const std::uint64_t size : {most, std::uint64_t{1} << 40, std::uint64_t{1} << 30})
    expect_harmed([size](const shared_bytes& shared) { shared.slots()[0].size = size; }, {0});
  for (const std::uint64_t offset : {most, most - 7, std::uint64_t{0}, std::uint64_t{8}})
    expect_harmed([offset](const shared_bytes& shared) { shared.slots()[0].offset = offset; }, {0});
  expect_harmed([](const shared_bytes& shared) { shared.slots()[0].offset = shared.size() - 1; }, {0});
}

TEST_F(overwritten_results_test, any_flipped_bit_of_a_short_result_makes_it_unencodable) {
  for (std::size_t bit = 0; bit < 8 * sizeof(encoded_slot); ++bit)
    expect_harmed(
        [bit](const shared_bytes& shared) {
          flip(reinterpret_cast<std::byte*>(shared.slots() + 2) + bit / 8, static_cast<unsigned>(bit % 8));
        },
        {2}, short_text_of);
}

TEST_F(overwritten_results_test, short_results_in_the_wrong_place_are_unencodable) {
  expect_harmed([](const shared_bytes& shared) { std::swap(shared.slots()[1], shared.slots()[2]); }, {1, 2},
                short_text_of);
  expect_harmed([](const shared_bytes& shared) { shared.slots()[4] = shared.slots()[3]; }, {4}, short_text_of);
  expect_harmed([](const shared_bytes& shared) { shared.slots()[5] = {}; }, {5}, short_text_of);
}

TEST_F(overwritten_results_test, a_million_short_results_do_not_touch_the_arena) {
  constexpr int tasks = 1'000'000;
  static std::uint64_t arena_begin = 0;  // each worker has its own copy; there is one worker
  const auto all = parmap::map(
      [](int i) {
        const std::uint64_t top = i == 0 || i == tasks - 1 ? shared_bytes(1).words().top.get() : 0;
        if (i == 0) arena_begin = top;
        return i == tasks - 1 && top != arena_begin ? std::string("moved") : std::to_string(i);
      },
      numbers(tasks), {.workers = 1});
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  EXPECT_EQ(all[0], "0");
  EXPECT_EQ(all[tasks - 1], std::to_string(tasks - 1));
}

// Its destructor runs after it has been encoded, and damages the encoded bytes.
struct vandal {
  std::string text{};
  int task{-1};

  vandal(std::string what, int i) : text(std::move(what)), task(i) {}
  vandal(vandal&&) = default;
  vandal& operator=(vandal&&) = default;
  ~vandal() {
    if (task != 3 || text.empty() || ::getpid() == caller) return;
    const shared_bytes shared(1);
    flip(shared.at(shared.slots()[3].offset + 9));
  }

  static inline pid_t caller{-1};
};

}  // namespace

template <>
struct parmap::codec<vandal> {
  static void encode(encoder& out, const vandal& it) {
    out.put(it.text);
    out.put(it.task);
  }
  static vandal decode(decoder& in) {
    auto text = in.get<std::string>();
    return {std::move(text), in.get<int>()};
  }
};

namespace {

TEST_F(overwritten_results_test, a_task_may_harm_its_own_result) {
  vandal::caller = ::getpid();
  const auto all = parmap::map([](int i) { return vandal(text_of(i), i); }, numbers(6), {.workers = 1});
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 3U);
  EXPECT_EQ(all.failures()[0].kind, failure_kind::unencodable);
  EXPECT_EQ(all[4].text, text_of(4));
}

TEST_F(overwritten_results_test, a_task_may_harm_results_of_other_workers) {
  constexpr int tasks = 202;
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  auto* harmed = static_cast<std::atomic<bool>*>(page);
  const auto xs = numbers(tasks);
  {
    const auto all = parmap::map(
        [&](int i) {
          if (i == tasks / 2) {  // one worker starts at the front, the other at the back
            const shared_bytes shared(2);
            const auto offset = [&shared](int k) { return std::atomic_ref(shared.slots()[k].offset).load(); };
            while (offset(0) == 0 || offset(tasks - 1) == 0) std::this_thread::yield();
            for (int k = 0; k < tasks; ++k)
              if (const std::uint64_t at = offset(k); at != 0 && k % 3 == 0) {
                harmed[k] = true;
                flip(shared.at(at + 8));
              }
          }
          return text_of(i);
        },
        xs, {.workers = 2});
    EXPECT_TRUE(harmed[0] && harmed[tasks - 1]);
    for (const int i : xs) {
      const std::string* it = all.get_if(static_cast<std::uint64_t>(i));
      EXPECT_EQ(it == nullptr, harmed[i].load()) << i;
      EXPECT_TRUE(it == nullptr || *it == text_of(i)) << i;
    }
  }
  ::munmap(page, 4096);
}

// Runs a map in which act damages a failure record, and expects an exception that says so.
void expect_distrusted(const std::function<void(const shared_bytes&)>& act) {
  const auto xs = numbers(10);
  try {
    static_cast<void>(parmap::map(
        [&](int i) {
          if (i == 2 || i == 3) throw std::runtime_error("the failure of task " + std::to_string(i));
          if (i == 7) act(shared_bytes(1));
          return text_of(i);
        },
        xs, {.workers = 1}));
    ADD_FAILURE() << "the map was believed";
  } catch (const std::runtime_error& why) {
    EXPECT_NE(std::string(why.what()).find("a task wrote over the memory"), std::string::npos) << why.what();
  }
}

TEST_F(overwritten_results_test, a_lost_failure_is_told) {
  for (std::size_t k = 0; k < 40; ++k)
    expect_distrusted([k](const shared_bytes& shared) { flip(shared.at(shared.words().head.get() + k)); });
  expect_distrusted([](const shared_bytes& shared) { flip(shared.at(shared.words().head.get() + 50)); });  // text
  constexpr std::uint64_t most = ~std::uint64_t{0};
  for (const std::uint64_t head : {std::uint64_t{0}, std::uint64_t{4096}, most - 15, most})
    expect_distrusted([head](const shared_bytes& shared) { shared.words().head.set(head); });
  expect_distrusted([](const shared_bytes& shared) {  // the older of the two
    std::uint64_t previous = 0;
    std::memcpy(&previous, shared.at(shared.words().head.get()), sizeof previous);
    flip(shared.at(previous + 8));
  });
}

TEST_F(overwritten_results_test, the_memory_is_anonymous_not_dumped_and_never_in_dev_shm) {
  const auto seen = parmap::map(
      [](int) {
        std::string wrong;
        const auto mappings = shared_mappings();
        if (mappings.size() != 1) wrong += std::to_string(mappings.size()) + " mappings; ";
        for (const mapping& each : mappings) {
          if (each.permissions != "rw-s") wrong += each.permissions + "; ";
          if (!each.has_flag("dd")) wrong += "dumped:" + each.flags + "; ";
          if (!each.has_flag("dc")) wrong += "for children:" + each.flags + "; ";
        }
        std::ifstream maps("/proc/self/maps");
        for (std::string line; std::getline(maps, line);)
          if (line.find("/dev/shm") != std::string::npos || line.find("memfd:") != std::string::npos) wrong += line;
        return wrong;
      },
      numbers(4), {.workers = 2});
  for (const std::string& wrong : seen.value()) EXPECT_EQ(wrong, "");
}

TEST_F(overwritten_results_test, results_in_slots_are_read_only_and_not_dumped) {
  const auto all = parmap::map([](int i) { return i; }, numbers(1000));
  const auto mappings = shared_mappings();
  ASSERT_EQ(mappings.size(), 1U);  // the ledger's mapping is gone
  EXPECT_EQ(mappings[0].permissions, "r--s");
  EXPECT_TRUE(mappings[0].has_flag("dd")) << mappings[0].flags;
  EXPECT_EQ(reinterpret_cast<const std::byte*>(all.data()), mappings[0].begin);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    *reinterpret_cast<volatile std::byte*>(mappings[0].begin) = std::byte{1};
    ::_exit(EXIT_SUCCESS);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) << status;
}

}  // namespace
