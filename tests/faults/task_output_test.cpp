// SPDX-License-Identifier: MIT
// Engine multi: what a finished task has printed arrives, though a later task of its worker ends that.
#include "leftovers.hpp"

#include <parmap/parmap.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <ranges>
#include <sstream>
#include <string>

namespace {

using namespace std::chrono_literals;

// For its lifetime stdout is a file, so that the C library buffers what is printed.
class stdout_in_file {
 public:
  stdout_in_file() {
    std::cout.flush();
    std::fflush(stdout);
    before_ = ::dup(1);
    ::dup2(file_, 1);
  }
  stdout_in_file(const stdout_in_file&) = delete;
  stdout_in_file& operator=(const stdout_in_file&) = delete;
  ~stdout_in_file() {
    std::cout.flush();
    std::fflush(stdout);
    ::dup2(before_, 1);
    ::close(before_);
    ::close(file_);
  }

  [[nodiscard]] std::string text() const {
    std::string all;
    char piece[4096];
    for (off_t at = 0;;) {
      const ssize_t got = ::pread(file_, piece, sizeof piece, at);
      if (got <= 0) return all;
      all.append(piece, static_cast<std::size_t>(got));
      at += got;
    }
  }

 private:
  int file_{::open("/tmp", O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600)};
  int before_{-1};
};

class task_output_test : public leftovers::none {
 protected:
  // 20 tasks print; task 11 then ends its worker. Returns which of the others' lines are missing.
  template <class Print>
  static std::string missing(const Print& print, void (*end)(), parmap::options chosen = {}) {
    const stdout_in_file out;
    chosen.workers = 2;
    const auto f = [&](int i) {
      print("task " + std::to_string(i) + ";");
      if (i == 11) end();
    };
    const auto all = parmap::map(parmap::multi, f, std::views::iota(0, 20), chosen);
    EXPECT_EQ(all.failures().size(), 1U);
    const std::string text = out.text();
    std::ostringstream lost;
    for (int i = 0; i < 20; ++i)
      if (i != 11 && text.find("task " + std::to_string(i) + ";") == std::string::npos) lost << ' ' << i;
    return lost.str();
  }
};

void print_by_stdio(const std::string& text) { std::fputs(text.c_str(), stdout); }
void print_by_stream(const std::string& text) { std::cout << text; }

TEST_F(task_output_test, arrives_before_a_crash) {
  EXPECT_EQ(missing(print_by_stdio, [] { std::abort(); }), "");
}

TEST_F(task_output_test, arrives_before_an_exit) {
  EXPECT_EQ(missing(print_by_stdio, [] { ::_exit(1); }), "");
}

TEST_F(task_output_test, arrives_before_a_timeout) {
  const auto hang = [] {
    for (;;) ::pause();
  };
  EXPECT_EQ(missing(print_by_stdio, hang, {.timeout = 300ms}), "");
}

// A stream with a buffer of its own, which stdout knows nothing of.
TEST_F(task_output_test, arrives_from_a_stream_that_is_not_synchronised_with_stdio) {
  std::ios_base::sync_with_stdio(false);
  EXPECT_EQ(missing(print_by_stream, [] { std::abort(); }), "");
}

// An attempt that is followed by another one.
TEST_F(task_output_test, arrives_from_an_attempt_that_threw) {
  const stdout_in_file out;
  const auto f = [](parmap::context& self, int) {
    if (self.attempt() == 1) {
      print_by_stdio("first");
      throw 1;
    }
    std::abort();
  };
  static_cast<void>(parmap::map(parmap::multi, f, std::views::iota(0, 1), {.retries = 1}));
  EXPECT_EQ(out.text(), "first");
}

// What a handler of atexit prints that a task has registered.
TEST_F(task_output_test, arrives_from_a_handler_of_atexit) {
  const stdout_in_file out;
  const auto f = [](int) { std::atexit([] { print_by_stdio("at exit"); }); };
  EXPECT_TRUE(parmap::map(parmap::multi, f, std::views::iota(0, 1)).ok());
  EXPECT_EQ(out.text(), "at exit");
}

}  // namespace
