// SPDX-License-Identifier: MIT
// Aborts a program in which nothing happens for too long, after printing what /proc says about each of its processes.
#pragma once

#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <sstream>
#include <stop_token>
#include <string>
#include <thread>

class watchdog {
 public:
  explicit watchdog(std::chrono::seconds limit)
      : thread_([this, limit](const std::stop_token& ended) {
          std::unique_lock lock(mutex_);
          begun_ = true;
          changed_.notify_all();
          while (!ended.stop_requested()) {
            const unsigned seen = pats_;
            if (changed_.wait_for(lock, ended, limit, [&] { return pats_ != seen; }) || ended.stop_requested())
              continue;
            std::cout << "Nothing has happened for " << limit.count() << " s.\n";
            tell(::getpid());
            std::cout << std::flush;
            std::abort();
          }
        }) {
    // Until it waits: a process that is forked meanwhile might inherit a lock of ASan's allocator.
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return begun_; });
  }

  // Reports progress: the limit starts anew.
  void pat() {
    const std::scoped_lock lock(mutex_);
    ++pats_;
    changed_.notify_one();
  }

 private:
  // Prints the process and all processes below it. Leaves out what may not be read (stack: root only).
  static void tell(pid_t pid) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    const fs::path process = "/proc/" + std::to_string(pid);
    for (const auto& thread : fs::directory_iterator(process / "task", ignored)) {
      std::cout << "--- process " << pid << ", thread " << thread.path().filename().string() << '\n';
      for (const char* what : {"comm", "wchan", "syscall", "stack", "status"}) show(thread.path() / what);
    }
    show(process / "maps");
    for (const auto& thread : fs::directory_iterator(process / "task", ignored)) {
      std::ifstream children(thread.path() / "children");
      for (pid_t child{}; children >> child;) tell(child);
    }
  }
  static void show(const std::filesystem::path& file) {
    std::ostringstream text;
    if (std::ifstream in(file); in && text << in.rdbuf())
      std::cout << file.filename().string() << ": " << text.str() << '\n';
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  unsigned pats_{0};
  bool begun_{false};
  std::jthread thread_;
};
