// SPDX-License-Identifier: MIT
// loaded_code knows the code of its moment, also after libraries were opened, closed and replaced.
#include <parmap/detail/system/loaded_code.hpp>

#include <gtest/gtest.h>

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/auxv.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using parmap::detail::loaded_code;

int own_function(int x) { return x + 1; }

const void* address_of(int (*f)(int)) { return reinterpret_cast<const void*>(f); }

// A directory of its own, with a file that is one of the libraries.
class installed_library {
 public:
  installed_library() {
    if (::mkdtemp(directory_.data()) == nullptr) throw std::runtime_error("no directory for a test");
  }
  installed_library(const installed_library&) = delete;
  installed_library& operator=(const installed_library&) = delete;
  ~installed_library() { std::filesystem::remove_all(directory_); }

  [[nodiscard]] std::string path() const { return directory_ + "/library.so"; }
  // Version 1 or 2, with a build id or without.
  void install(int version, const std::string& id) const {
    std::filesystem::remove(path());
    std::filesystem::copy_file(
        std::string(PARMAP_OPENED_LIBRARIES) + "/opened_" + std::to_string(version) + "_" + id + ".so", path());
  }

 private:
  std::string directory_{std::filesystem::temp_directory_path() / "parmap_loaded_code_XXXXXX"};
};

class opened_library {
 public:
  explicit opened_library(const std::string& path) : handle_(::dlopen(path.c_str(), RTLD_NOW), ::dlclose) {
    if (!handle_) throw std::runtime_error(::dlerror());
  }
  [[nodiscard]] const void* function() const { return ::dlsym(handle_.get(), "opened"); }
  [[nodiscard]] int call() const { return reinterpret_cast<int (*)()>(::dlsym(handle_.get(), "opened"))(); }

 private:
  std::unique_ptr<void, int (*)(void*)> handle_;
};

TEST(loaded_code, of_the_program_and_its_libraries) {
  const loaded_code now;
  EXPECT_TRUE(now.contains(address_of(own_function)));
  EXPECT_TRUE(now.contains(address_of(std::abs)));
  EXPECT_TRUE(now.contains(reinterpret_cast<const void*>(&std::qsort)));
  EXPECT_TRUE(now.contains(::dlsym(RTLD_DEFAULT, "malloc")));
}

TEST(loaded_code, data_and_other_addresses_are_no_code) {
  const loaded_code now;
  static int global = 0;
  const int local = 0;
  const auto heap = std::make_unique<int>(0);
  EXPECT_FALSE(now.contains(nullptr));
  EXPECT_FALSE(now.contains(&global));
  EXPECT_FALSE(now.contains(&local));
  EXPECT_FALSE(now.contains(heap.get()));
  EXPECT_FALSE(now.contains(reinterpret_cast<const void*>(UINTPTR_MAX)));
}

TEST(loaded_code, the_vdso_is_an_object_like_others) {
  const auto vdso = ::getauxval(AT_SYSINFO_EHDR);
  const loaded_code now;
  EXPECT_FALSE(now.contains(reinterpret_cast<const void*>(vdso - 1)));
  if (vdso != 0) static_cast<void>(now.contains(reinterpret_cast<const void*>(vdso + 0x800)));
}

class libraries : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(build_ids, libraries, testing::Values("sha1", "none"));

TEST_P(libraries, one_that_is_opened_later) {
  const installed_library it;
  it.install(1, GetParam());
  const loaded_code before;
  const opened_library opened(it.path());
  ASSERT_EQ(opened.call(), 1);
  EXPECT_FALSE(before.contains(opened.function()));
  EXPECT_TRUE(loaded_code().contains(opened.function()));
  EXPECT_TRUE(before.contains(address_of(own_function)));
}

TEST_P(libraries, one_that_is_closed) {
  const installed_library it;
  it.install(1, GetParam());
  auto opened = std::make_unique<opened_library>(it.path());
  const void* const function = opened->function();
  const loaded_code now;
  EXPECT_TRUE(now.contains(function));
  opened.reset();
  EXPECT_FALSE(now.contains(function));
  EXPECT_TRUE(now.contains(address_of(own_function)));
  EXPECT_TRUE(now.contains(address_of(own_function)));
}

TEST_P(libraries, the_same_one_again) {
  const installed_library it;
  it.install(1, GetParam());
  auto opened = std::make_unique<opened_library>(it.path());
  const void* const function = opened->function();
  const loaded_code now;
  opened.reset();
  opened = std::make_unique<opened_library>(it.path());
  if (opened->function() != function) GTEST_SKIP() << "it is at another address";
  EXPECT_TRUE(now.contains(function));
}

TEST_P(libraries, another_version_in_its_place) {
  const installed_library it;
  it.install(1, GetParam());
  auto opened = std::make_unique<opened_library>(it.path());
  const void* const function = opened->function();
  const loaded_code now;
  opened.reset();
  it.install(2, GetParam());
  opened = std::make_unique<opened_library>(it.path());
  ASSERT_EQ(opened->call(), 2);
  if (opened->function() != function) GTEST_SKIP() << "it is at another address";
  EXPECT_FALSE(now.contains(function));
  EXPECT_TRUE(loaded_code().contains(function));
}

TEST_P(libraries, a_copy_of_another_name_in_its_place) {
  const installed_library it;
  const installed_library other;
  it.install(1, GetParam());
  other.install(1, GetParam());
  auto opened = std::make_unique<opened_library>(it.path());
  const void* const function = opened->function();
  const loaded_code now;
  opened.reset();
  opened = std::make_unique<opened_library>(other.path());
  if (opened->function() != function) GTEST_SKIP() << "it is at another address";
  EXPECT_FALSE(now.contains(function));
}

TEST_P(libraries, threads_may_ask_while_libraries_come_and_go) {
  const installed_library it;
  it.install(1, GetParam());
  const loaded_code now;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      for (int k = 0; k < 2000; ++k) EXPECT_TRUE(now.contains(address_of(own_function)));
    });
  for (int k = 0; k < 50; ++k) {
    const opened_library opened(it.path());
    EXPECT_FALSE(now.contains(opened.function()));
  }
  for (std::thread& each : threads) each.join();
}

}  // namespace
