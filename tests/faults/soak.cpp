// SPDX-License-Identifier: MIT
// The soak test: random maps with every fault, for minutes or days. Each outcome is checked, and no resource may grow.
// `soak --help` says how to run it.
#include "busy_processes.hpp"
#include "resource_count.hpp"
#include "soak_map.hpp"
#include "soak_plan.hpp"
#include "watchdog.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <mutex>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

namespace soak {

using clock = std::chrono::steady_clock;

struct settings {
  std::chrono::duration<double> length{std::chrono::minutes(10)};
  std::uint64_t seed{std::random_device()()};
  std::optional<std::uint64_t> map{};
};

class session {
 public:
  explicit session(const settings& chosen) : settings_(chosen), baseline_(resources::now()) {}

  int run() {
    std::cout << "soak: seed " << settings_.seed << std::endl;
    if (settings_.map) {
      step(*settings_.map);
      std::cout << plans_ << (total_.wrong.empty() ? "all right" : total_.wrong) << std::endl;
      return total_.wrong.empty() ? 0 : 1;
    }
    const auto begun = clock::now();
    auto next_line = begun + std::chrono::minutes(1);
    for (std::uint64_t k = 0; total_.wrong.empty() && clock::now() - begun < settings_.length; ++k) {
      watch_.pat();
      step(k);
      look_for_growth(k);
      if (!total_.wrong.empty()) {
        std::cout << "soak: map " << k << ": " << total_.wrong << '\n'
                  << plans_ << "Again: soak --seed " << settings_.seed << " --map " << k << std::endl;
      } else if (clock::now() >= next_line) {
        next_line += std::chrono::minutes(1);
        say(begun);
      }
    }
    busy_ = busy_processes(0);
    say(begun);
    return total_.wrong.empty() ? 0 : 1;
  }

 private:
  // Map k, and the busy processes beside it, depend only on the seed and k.
  void step(std::uint64_t k) {
    random draw(mix(settings_.seed ^ mix(k)));
    const auto wanted = mix(settings_.seed ^ mix(k / 64 + 1'000'000'007)) % 4;
    if (busy_.pids().size() != wanted) busy_ = busy_processes(static_cast<unsigned>(wanted));
    plans_.clear();
    const auto dice = between(draw, 0, 99);
    if (dice < 8) several_callers(draw);
    else if (dice < 14) end_a_caller(draw, SIGKILL);
    else if (dice < 20) end_a_caller(draw, SIGINT);
    else total_ += one(draw);
    ++maps_;
  }

  outcome one(random& draw) {
    const plan p(draw);
    {
      std::ostringstream text;
      text << "  " << p << '\n';
      const std::scoped_lock lock(mutex_);
      plans_ += text.str();
    }
    return soak::run(p, busy_.pids());
  }

  void several_callers(random& draw) {
    std::vector<std::jthread> callers;
    for (auto left = between(draw, 2, 5); left > 0; --left)
      callers.emplace_back([this, own = random(draw())]() mutable {
        for (auto maps = between(own, 1, 4); maps > 0; --maps) {
          const outcome made = one(own);
          const std::scoped_lock lock(mutex_);
          total_ += made;
        }
      });
  }

  // Starts a process that runs maps, and ends it by a signal at a random moment. SIGINT goes to its whole group, as
  // Ctrl-C does. Every process of it must end: the read then finds a pipe without a writer.
  void end_a_caller(random& draw, int signal) {
    std::array<int, 2> fds{};
    if (::pipe2(fds.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    const auto delay = std::chrono::microseconds(between(draw, 0, std::uint64_t{1} << between(draw, 0, 17)));
    random own(draw());
    const pid_t caller = ::fork();
    if (caller < 0) throw std::system_error(errno, std::generic_category(), "fork of a caller");
    if (caller == 0) be_ended(own, fds[1], signal);
    ::close(fds[1]);
    std::array<char, 1000> text{};
    ssize_t got = ::read(fds[0], text.data(), 1);
    std::this_thread::sleep_for(delay);
    ::kill(signal == SIGINT ? -caller : caller, signal);
    int status = 0;
    while (::waitpid(caller, &status, 0) < 0 && errno == EINTR) {
    }
    std::string said;
    while ((got = ::read(fds[0], text.data(), text.size())) > 0)
      said.append(text.data(), static_cast<std::size_t>(got));
    ::close(fds[0]);
    ++callers_ended_;
    if (!said.empty()) total_.wrong = "in a caller: " + said;
    else if (!WIFSIGNALED(status) || WTERMSIG(status) != signal)
      total_.wrong = "a caller ended with status " + std::to_string(status);
  }
  [[noreturn]] void be_ended(random& draw, int out, int signal) {
    if (signal == SIGINT) ::setpgid(0, 0);
    ::signal(signal, SIG_DFL);  // a shell starts its background jobs with SIGINT ignored
    static_cast<void>(!::write(out, "r", 1));
    for (;;) {
      outcome made;
      try {
        made = one(draw);
      } catch (const std::exception& error) {
        made.wrong = error.what();
      }
      if (!made.wrong.empty()) {
        made.wrong += '\n' + plans_;
        static_cast<void>(!::write(out, made.wrong.data(), made.wrong.size()));
        ::_exit(EXIT_FAILURE);
      }
      plans_.clear();
    }
  }

  // This process is the subreaper of the children that killed workers and callers left. They are dead or dying, and so
  // are their own children, which arrive here after them. If one survives, this hangs and the watchdog reports it.
  void reap_orphans() {
    for (bool some = true; some;) {
      some = false;
      for (const pid_t each : resources::children()) {
        if (std::ranges::find(busy_.pids(), each) != busy_.pids().end()) continue;
        some = true;
        while (::waitpid(each, nullptr, 0) < 0 && errno == EINTR) {
        }
      }
    }
  }

  void look_for_growth(std::uint64_t k) {
    constexpr std::uint64_t warm_up = 500;
    constexpr std::uint64_t often = 50;
    reap_orphans();
    if (!total_.wrong.empty() || k % often != 0) return;
    resources::count now = resources::now();
    now.children -= busy_.pids().size();
    if (k == warm_up) baseline_ = now;
    resources::allowance more{.mappings = 64, .threads = 32, .allocated_kb = 2048, .resident_kb = 16 << 10};
    if (k < warm_up) more = {.mappings = 1000, .threads = 64, .allocated_kb = 100'000, .resident_kb = 1 << 20};
    total_.wrong = resources::growth(baseline_, now, more);
    last_ = now;
  }

  void say(clock::time_point begun) const {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(clock::now() - begun);
    std::cout << "soak: " << seconds.count() << " s: " << maps_ << " maps, " << callers_ended_ << " callers ended, "
              << total_.tasks << " tasks, " << total_.kills << " kills, " << total_.failures << " failures; " << last_
              << std::endl;
  }

  settings settings_;
  resources::count baseline_;
  resources::count last_;
  busy_processes busy_{0};
  std::mutex mutex_;
  std::string plans_;
  outcome total_;
  std::uint64_t maps_{};
  std::uint64_t callers_ended_{};
  watchdog watch_{std::chrono::seconds(120)};
};

settings parse(int count, char** words) {
  settings chosen;
  for (int k = 1; k < count; k += 2) {
    const std::string_view word = words[k];
    if (word == "--help" || k + 1 == count) throw std::invalid_argument("");
    if (word == "--minutes") chosen.length = std::chrono::duration<double, std::ratio<60>>(std::stod(words[k + 1]));
    else if (word == "--seed") chosen.seed = std::stoull(words[k + 1]);
    else if (word == "--map") chosen.map = std::stoull(words[k + 1]);
    else throw std::invalid_argument("");
  }
  return chosen;
}

}  // namespace soak

int main(int count, char** words) {
  soak::settings chosen;
  try {
    chosen = soak::parse(count, words);
  } catch (const std::logic_error&) {
    std::cerr
        << "usage: soak [--minutes M] [--seed S] [--map K]\n"
           "Runs random maps for M minutes (10), each a function of the seed and its number; with --map only that\n"
           "one. Exits with 1 at the first outcome that is wrong, and says which.\n";
    return 2;
  }
  // No core files from tasks that crash on purpose.
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  std::set_terminate(std::abort);
  // Without this, each thread's heap keeps the memory of earlier tasks: some hundred MB in all, which would hide
  // growth.
  ::mallopt(M_TRIM_THRESHOLD, 128 << 10);
  // Orphans of killed workers and callers become children of this process.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1UL);
  return soak::session(chosen).run();
}
