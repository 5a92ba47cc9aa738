// SPDX-License-Identifier: MIT
// Engine multi: results of 1 GiB, tasks that leak memory, and a cgroup that runs out of memory.
#include "engines.hpp"
#include "leftovers.hpp"
#include "run_in_child.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

namespace {

using parmap::failure;

constexpr std::size_t mib = std::size_t{1} << 20;

std::size_t available_memory() {
  std::ifstream file("/proc/meminfo");
  for (std::string word; file >> word;)
    if (std::size_t kib{}; word == "MemAvailable:" && file >> kib) return kib << 10;
  return 0;
}

class exhausted_memory_test : public leftovers::none {
 protected:
  void SetUp() override {
    if (available_memory() < 4500 * mib) GTEST_SKIP() << "needs 4.5 GB of free memory";
    none::SetUp();
  }
};

TEST_F(exhausted_memory_test, a_gigabyte_that_is_encoded) {
  const auto f = [](int i) { return std::string(i == 1 ? 1024 * mib : 10, static_cast<char>('a' + i)); };
  const auto all = parmap::map(f, std::views::iota(0, 4));
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  ASSERT_EQ(all[1].size(), 1024 * mib);
  EXPECT_EQ(all[1].find_first_not_of('b'), std::string::npos);
  EXPECT_EQ(all[3], f(3));
}

struct block {
  char bytes[512 * mib];
};

TEST_F(exhausted_memory_test, a_gigabyte_in_slots) {
  const auto f = [](int i) {
    if (i == 1) std::abort();
    block made;
    std::memset(made.bytes, 'a' + i, sizeof made.bytes);
    return made;
  };
  const auto all = parmap::map(f, std::views::iota(0, 3));
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 1U);
  EXPECT_EQ(all.failures()[0].kind, failure::crashed) << all.failures()[0];
  for (const std::uint64_t i : {0U, 2U})
    for (std::size_t k = 0; k < sizeof(block); k += 4093) ASSERT_EQ(all[i].bytes[k], static_cast<char>('a' + i));
}

#if !defined(__SANITIZE_ADDRESS__)  // ASan ends the process when an allocation is refused
TEST_F(exhausted_memory_test, more_than_there_is) {
  const auto f = [](int i) { return std::vector<char>(i == 2 ? std::size_t{1} << 46 : 1); };
  const auto all = parmap::map(f, std::views::iota(0, 4));
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 2U);
  EXPECT_EQ(all.failures()[0].kind, failure::out_of_memory) << all.failures()[0];
}

// Each task alone stays below the limit, and a worker that is full is replaced. With two workers, both may be full, so
// only the third attempt is certain to run in a fresh worker.
TEST_F(exhausted_memory_test, a_leak_over_many_tasks_costs_a_retry_now_and_then) {
  const auto f = [](int i) {
    static std::vector<std::vector<char>> leak;
    leak.emplace_back(2 * mib, 'x');
    return std::to_string(i);
  };
  const auto once = parmap::map(f, std::views::iota(0, 200), {.memory_limit = 64 * mib, .workers = 1});
  EXPECT_GE(once.failures().size(), 4U);
  EXPECT_LE(once.failures().size(), 10U);
  for (const failure& why : once.failures()) EXPECT_EQ(why.kind, failure::out_of_memory) << why;
  const auto again = parmap::map(f, std::views::iota(0, 200), {.memory_limit = 64 * mib, .retries = 2, .workers = 2});
  ASSERT_TRUE(again.ok()) << again.failures()[0];
  EXPECT_EQ(again[199], "199");
}
#endif

// A cgroup with a memory limit of `most` bytes. exists() is false if none can be created here.
class memory_group {
 public:
  explicit memory_group(std::size_t most) {
    const std::string name = "/parmap_test_" + std::to_string(::getpid());
    for (const auto& [root, limit] :
         {std::pair("/sys/fs/cgroup/memory", "/memory.limit_in_bytes"), std::pair("/sys/fs/cgroup", "/memory.max")}) {
      path_ = root + name;
      if (::mkdir(path_.c_str(), 0755) != 0) continue;
      if (put(limit, most)) return;
      ::rmdir(path_.c_str());
    }
    path_.clear();
  }
  memory_group(const memory_group&) = delete;
  memory_group& operator=(const memory_group&) = delete;
  ~memory_group() {
    if (exists()) {
      EXPECT_EQ(::rmdir(path_.c_str()), 0);  // fails if a process is left in the cgroup
    }
  }

  [[nodiscard]] bool exists() const { return !path_.empty(); }
  // Moves this process, and so all its later children, into the cgroup.
  [[nodiscard]] bool join() const { return put("/cgroup.procs", static_cast<std::size_t>(::getpid())); }

 private:
  [[nodiscard]] bool put(const char* file, std::size_t value) const {
    if (!std::filesystem::exists(path_ + file)) return false;
    std::ofstream out(path_ + file);
    out << value << std::flush;
    return out.good();
  }

  std::string path_;
};

TEST(kernel_memory_test, a_task_that_eats_all_memory_is_the_one_to_go) {
  const memory_group small(192 * mib);
  if (!small.exists()) GTEST_SKIP() << "no cgroup with a memory limit can be made here";
  EXPECT_EQ(in_child([&] {
              require(small.join(), "in the group");
              const auto f = [](int i) {
                if (i % 20 == 7)
                  for (std::vector<std::vector<char>> all;;) all.emplace_back(mib, 'x');
                return 2 * i;
              };
              const auto all = parmap::map(f, std::views::iota(0, 60), {.retries = 1, .workers = 2});
              check_all(all, 60, {7, 27, 47});
              for (const failure& why : all.failures()) {
                require(why.kind == failure::out_of_memory, to_string(why));
                require_part("SIGKILL", why.message);
                require(why.attempts == 2, to_string(why));
              }
            }),
            "");
}

}  // namespace
