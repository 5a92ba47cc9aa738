// SPDX-License-Identifier: MIT
// Engine multi where file descriptors or processes are limited, system calls are refused, or /proc is missing.
#include "engines.hpp"
#include "leftovers.hpp"
#include "run_in_child.hpp"
#include "troubled_maps.hpp"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ranges>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

void limit(__rlimit_resource what, rlim_t most) {
  const rlimit both{most, most};
  require(::setrlimit(what, &both) == 0, "setrlimit");
}

#if !defined(__SANITIZE_ADDRESS__)  // UBSan opens a pipe to check whether memory is readable
TEST(resource_limits_test, thirty_two_fds) {
  EXPECT_EQ(in_child([] {
              limit(RLIMIT_NOFILE, 32);
              for (const unsigned workers : {24U, 64U}) {
                const auto fds = leftovers::open_fds();
                check_map({.workers = workers});
                check_late({.workers = workers});
                require(leftovers::open_fds() == fds, "no fd is left");
              }
            }),
            "");
}

TEST(resource_limits_test, no_fd_at_all) {
  EXPECT_EQ(in_child([] {
              limit(RLIMIT_NOFILE, 32);
              std::vector<int> all;
              for (int fd = 0; (fd = ::open("/dev/null", O_RDONLY)) >= 0;) all.push_back(fd);
              require_part("Too many open files", thrown_by<std::system_error>([] { check_map(); }));
              ::close(all.back());  // one fd is enough for one worker at a time
              check_map({.workers = 8});
            }),
            "");
}
#endif

// These tests become another user or change their root. They run wherever ./test runs as root, as in CI.
class as_root : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::getuid() != 0) GTEST_SKIP() << "only root can become another user or change its root";
  }
};

// Becomes an unused user, so that no other process counts against the limit. Returns false if that is not allowed.
bool become_a_stranger() {
  constexpr uid_t stranger = 61'234;
  return ::setgroups(0, nullptr) == 0 && ::setgid(stranger) == 0 && ::setuid(stranger) == 0;
}

TEST_F(as_root, four_processes) {
  EXPECT_EQ(in_child([] {
              require(become_a_stranger(), "setuid");
              limit(RLIMIT_NPROC, 4);
              check_map({.workers = 16});
              check_late({.workers = 16});
            }),
            "");
}

TEST_F(as_root, only_this_process) {
  EXPECT_EQ(in_child([] {
              require(become_a_stranger(), "setuid");
              limit(RLIMIT_NPROC, 1);
              require_part("fork", thrown_by<std::system_error>([] { check_map(); }));
            }),
            "");
}

// The caller's reporter forks processes until that is refused, while workers die and need replacing.
TEST_F(as_root, processes_run_out_in_the_middle) {
  EXPECT_EQ(in_child([] {
              require(become_a_stranger(), "setuid");
              limit(RLIMIT_NPROC, 8);
              std::vector<pid_t> own;
              const auto greedy = [&](const parmap::progress&) {
                for (pid_t child = 0; (child = ::fork()) >= 0; own.push_back(child))
                  while (child == 0) ::pause();
              };
              const auto f = [](int i) {
                if (i % 10 == 3) ::raise(SIGKILL);
                std::this_thread::sleep_for(5ms);
                return 2 * i;
              };
              const auto all = parmap::map(f, std::views::iota(0, 300), {.reporter = greedy, .workers = 4});
              require(!own.empty(), "the reporter was called");
              std::uint64_t done = 0;
              for (int i = 0; i < 300; ++i) {
                const int* value = all.get_if(static_cast<std::uint64_t>(i));
                require(value == nullptr || *value == 2 * i, "value");
                done += value != nullptr ? 1 : 0;
              }
              require(done > 0 && done + all.failures().size() == 300, "nothing is lost");
              for (const parmap::failure& why : all.failures())
                if (why.kind == parmap::failure::stopped) require_part("no new worker could be started", why.message);
                else require(why.index % 10 == 3 && why.kind == parmap::failure::crashed, to_string(why));
              for (const pid_t each : own) {
                ::kill(each, SIGKILL);
                require(::waitpid(each, nullptr, 0) == each, "they are the caller's own");
              }
            }),
            "");
}

// ---- System calls that a sandbox refuses.

TEST(resource_limits_test, prctl_is_refused) {
  EXPECT_EQ(in_child([] {
              refuse({SYS_prctl}, EPERM);
              const auto what = thrown_by<std::runtime_error>([] { check_map(); });
              require_part("could not be set up: Operation not permitted", what);
            }),
            "");
}

TEST(resource_limits_test, affinity_is_refused) {
  EXPECT_EQ(in_child([] {
              refuse({SYS_sched_setaffinity, SYS_sched_getaffinity}, EPERM);
              check_map();
              check_late();
            }),
            "");
}

TEST(resource_limits_test, signals_by_pidfd_are_refused) {
  EXPECT_EQ(in_child(
                [] {
                  refuse({SYS_pidfd_send_signal}, EPERM);
                  check_map();
                  check_late();
                  const auto f = [](int i) {
                    while (i == 1) ::pause();
                    return i;
                  };
                  const auto report = [](const parmap::progress&) { throw std::runtime_error("no more"); };
                  require_part("no more", thrown_by<std::runtime_error>([&] {
                                 static_cast<void>(parmap::map(f, std::views::iota(0, 9), {.reporter = report}));
                               }));
                },
                20s),
            "");
}

TEST_F(as_root, there_is_no_proc) {
  std::string empty = "/tmp/parmap_empty_XXXXXX";
  ASSERT_NE(::mkdtemp(empty.data()), nullptr);
  EXPECT_EQ(in_child([&] {
              require(::chroot(empty.c_str()) == 0 && ::chdir("/") == 0, "chroot");
              check_map();
              check_late();
              check_map({.reporter = parmap::report::text, .workers = 5});
            }),
            "");
  ::rmdir(empty.c_str());
}

}  // namespace
