// SPDX-License-Identifier: MIT
// Engine multi: what becomes of the processes that tasks have started, at each end of a map. docs/reliability.md has
// the table.
#include "leftovers.hpp"
#include "shared_counters.hpp"

#include <parmap/parmap.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <ranges>
#include <stdexcept>
#include <stop_token>

namespace {

using namespace std::chrono_literals;

[[noreturn]] void hang() {
  for (;;) ::pause();
}

// How a task starts a process: as its child; as an orphan, whose parent is gone; or detached, in a session of its own.
enum class manner { child, orphan, detached };

// A process that a task starts. It answers as long as it lives.
class started_process {
 public:
  started_process() {
    if (::pipe2(question_, O_CLOEXEC) != 0 || ::pipe2(answer_, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  }
  started_process(const started_process&) = delete;
  started_process& operator=(const started_process&) = delete;
  ~started_process() {
    for (const int each : {question_[0], question_[1], answer_[0], answer_[1]})
      if (each >= 0) ::close(each);
  }

  // In a task. Returns once the process runs.
  void start(manner how) const {
    const pid_t first = ::fork();
    if (first == 0) {
      if (how == manner::detached) ::setsid();
      if (how == manner::orphan && ::fork() != 0) ::_exit(0);
      serve();
    }
    if (how == manner::orphan) ::waitpid(first, nullptr, 0);
    char ready = 0;
    static_cast<void>(!::read(answer_[0], &ready, 1));
    pid_[0] = how == manner::orphan ? 0 : first;
  }
  // Its pid, in any process; not of an orphan.
  [[nodiscard]] pid_t pid() const { return pid_[0]; }

  // After the map: whether it lives. Ends it. A process that was killed never answers, however slowly it dies.
  [[nodiscard]] bool lives() {
    ::close(answer_[1]);
    ::close(question_[0]);
    answer_[1] = question_[0] = -1;
    ::signal(SIGPIPE, SIG_IGN);
    static_cast<void>(!::write(question_[1], "?", 1));
    char said = 0;
    return ::read(answer_[0], &said, 1) == 1;
  }

 private:
  [[noreturn]] void serve() const {
    ::close(question_[1]);
    ::close(answer_[0]);
    static_cast<void>(!::write(answer_[1], "!", 1));
    char asked = 0;
    if (::read(question_[0], &asked, 1) == 1) static_cast<void>(!::write(answer_[1], "!", 1));
    ::_exit(0);
  }

  int question_[2]{};
  int answer_[2]{};
  shared_counters pid_;
};

class started_processes_test : public leftovers::none, public ::testing::WithParamInterface<manner> {
 protected:
  [[nodiscard]] static bool detached() { return GetParam() == manner::detached; }

  // A detached process outlives its worker and then is a child of this process.
  static void reap() {
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }
};

TEST_P(started_processes_test, when_all_tasks_have_ended) {
  started_process it;
  const auto all = parmap::map(parmap::multi, [&it](int) { it.start(GetParam()); }, std::views::iota(0, 1));
  EXPECT_TRUE(all.ok());
  EXPECT_EQ(it.lives(), detached());
  if (detached()) reap();
}

TEST_P(started_processes_test, when_a_stop_was_requested) {
  started_process it;
  std::stop_source source;
  const auto f = [&](int) {
    it.start(GetParam());
    source.request_stop();
  };
  static_cast<void>(parmap::map(parmap::multi, f, std::views::iota(0, 3), {.stop = source.get_token(), .workers = 1}));
  EXPECT_EQ(it.lives(), detached());
  if (detached()) reap();
}

TEST_P(started_processes_test, when_a_task_exits) {
  started_process it;
  const auto f = [&](int) {
    it.start(GetParam());
    std::exit(3);
  };
  static_cast<void>(parmap::map(parmap::multi, f, std::views::iota(0, 1)));
  EXPECT_EQ(it.lives(), detached());
  if (detached()) reap();
}

// The late task's own at once: it is gone before the next worker is forked.
TEST_P(started_processes_test, when_its_own_task_is_late) {
  started_process it;
  const auto f = [&](int i) {
    if (i == 0) {
      it.start(GetParam());
      hang();
    }
    return it.pid() == 0 || ::kill(it.pid(), 0) == 0;
  };
  const auto all = parmap::map(parmap::multi, f, std::views::iota(0, 2), {.timeout = 500ms, .workers = 1});
  EXPECT_EQ(all.failures().size(), 1U);
  if (GetParam() != manner::orphan) {
    EXPECT_EQ(all[1], detached());
  }
  EXPECT_EQ(it.lives(), detached());
  if (detached()) reap();
}

// What an earlier task of that worker has started lives on, until the map ends.
TEST_P(started_processes_test, when_a_later_task_is_late) {
  started_process it;
  const auto f = [&](int i) {
    if (i == 0) {
      it.start(GetParam());
      // The kernel counts the start of a process in ticks of 10 ms; what was started within the same tick as a task
      // began could be the task's.
      const auto until = std::chrono::steady_clock::now() + 30ms;
      while (std::chrono::steady_clock::now() < until) ::usleep(1000);
    }
    if (i == 1) hang();
    return it.pid() == 0 || ::kill(it.pid(), 0) == 0;
  };
  const auto all = parmap::map(parmap::multi, f, std::views::iota(0, 3), {.timeout = 500ms, .workers = 1});
  EXPECT_EQ(all.failures().size(), 1U);
  EXPECT_TRUE(all[2]);
  EXPECT_EQ(it.lives(), detached());
  if (detached()) reap();
}

TEST_P(started_processes_test, when_the_reporter_throws) {
  started_process it;
  const shared_counters begun;
  const auto f = [&](int) {
    it.start(GetParam());
    begun[0] = 1;
    hang();
  };
  const auto report = [&](const parmap::progress&) {
    if (begun[0] != 0) throw std::runtime_error("enough");
  };
  EXPECT_THROW(static_cast<void>(parmap::map(parmap::multi, f, std::views::iota(0, 1), {.reporter = report})),
               std::runtime_error);
  EXPECT_EQ(it.lives(), detached());
  if (detached()) reap();
}

INSTANTIATE_TEST_SUITE_P(each_manner, started_processes_test,
                         ::testing::Values(manner::child, manner::orphan, manner::detached), [](const auto& each) {
                           switch (each.param) {
                             case manner::child: return "child";
                             case manner::orphan: return "orphan";
                             case manner::detached: break;
                           }
                           return "detached";
                         });

}  // namespace
