// SPDX-License-Identifier: MIT
// The bodies of interrupt_watch.hpp on Linux and macOS.
#pragma once

#include <parmap/detail/system/event_counter.hpp>
#include <parmap/detail/system/inside_worker.hpp>
#include <parmap/detail/system/interrupt_watch.hpp>
#include <parmap/detail/system/service_thread.hpp>

#include <poll.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// What the handler may touch: it runs between any two instructions of any thread.
struct interrupt_words {
  std::atomic<pid_t> owner{0};
  std::atomic<int> bell{-1};     // what wakes the thread; -1: nobody listens any more
  std::atomic<int> received{0};  // since the handlers were set
  std::atomic<int> inside{0};    // threads in the handler, which may use the bell
};
PARMAP_INLINE interrupt_words& words_of_interrupts() noexcept {
  static interrupt_words all;
  return all;
}
static_assert(std::atomic<pid_t>::is_always_lock_free);

// By raise(), in a task.
inline bool comes_from_this_thread([[maybe_unused]] const siginfo_t& about) noexcept {
#ifdef SI_TKILL
  return about.si_code == SI_TKILL;
#else
  return false;
#endif
}

inline void note_interrupt(int signal, siginfo_t* about, void*) noexcept {
  const int before = errno;
  interrupt_words& all = words_of_interrupts();
  all.inside.fetch_add(1);
  // A process that was forked meanwhile has the handler, too. A worker leaves it to the caller, which ends the worker.
  const bool is_ours = all.owner.load() == ::getpid();
  const int bell = all.bell.load();
  if (is_ours && bell >= 0 && all.received.fetch_add(1) == 0) {
    event_counter::wake(bell);
  } else if (is_ours || !inside_worker() || comes_from_this_thread(*about)) {
    static_cast<void>(::signal(signal, SIG_DFL));
    static_cast<void>(::raise(signal));  // takes effect when this handler has returned
  }
  all.inside.fetch_sub(1);
  errno = before;
}

// Of a process. One that was forked has its own.
class interrupt_handlers {
 public:
  static interrupt_handlers& of_this_process() {
    static std::atomic<interrupt_handlers*> all{nullptr};  // no lock, as another thread may have it at a fork
    interrupt_handlers* found = all.load();
    while (found == nullptr || found->process_ != ::getpid()) {
      auto fresh = std::make_unique<interrupt_handlers>(found);
      if (all.compare_exchange_strong(found, fresh.get())) found = fresh.release();
    }
    return *found;
  }
  // `parent`: those of the process that has forked this one; they stay as they are, as their thread is not here.
  explicit interrupt_handlers(interrupt_handlers* parent) noexcept : parent_(parent) {}

  void add(interrupt_watch& who) {
    const std::scoped_lock turn(turns_);
    if (watches_.empty()) begin();
    const std::scoped_lock lock(mutex_);
    watches_.push_back(&who);
  }
  void remove(interrupt_watch& who) {
    const std::scoped_lock turn(turns_);
    {
      const std::scoped_lock lock(mutex_);
      std::erase(watches_, &who);
      if (!watches_.empty()) return;
    }
    end();
  }

 private:
  static constexpr std::array<int, 2> signals{SIGINT, SIGTERM};

  void begin() {
    bell_.emplace();
    interrupt_words& all = words_of_interrupts();
    all.received = 0;
    all.owner = process_;
    all.bell = bell_->waker();
    is_over_ = false;
    thread_ = service_thread([this] { listen(); });
    for (const int signal : signals) {
      struct sigaction now{};
      if (::sigaction(signal, nullptr, &now) != 0 || (now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL)
        continue;
      struct sigaction ours{};
      ours.sa_sigaction = note_interrupt;
      ours.sa_flags = SA_RESTART | SA_SIGINFO;
      static_cast<void>(sigemptyset(&ours.sa_mask));  // a macro on macOS
      static_cast<void>(::sigaction(signal, &ours, nullptr));
    }
  }
  void end() noexcept {
    for (const int signal : signals) {  // unless the program has set a handler meanwhile
      struct sigaction now{};
      if (::sigaction(signal, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
          now.sa_sigaction == note_interrupt)
        static_cast<void>(::signal(signal, SIG_DFL));
    }
    interrupt_words& all = words_of_interrupts();
    all.bell = -1;
    while (all.inside.load() > 0) std::this_thread::yield();  // a handler is a few instructions long
    is_over_ = true;
    event_counter::wake(bell_->waker());
    thread_.join();
    bell_.reset();
  }

  void listen() {
    const interrupt_words& all = words_of_interrupts();
    while (!is_over_) {
      pollfd asked{bell_->descriptor(), POLLIN, 0};
      if (::poll(&asked, 1, -1) < 0) continue;
      bell_->clear();
      if (all.received.load() == 0) continue;
      const std::scoped_lock lock(mutex_);
      for (interrupt_watch* const each : watches_)
        if (const auto then = std::exchange(each->then_, nullptr)) then();
    }
  }

  pid_t process_{::getpid()};
  [[maybe_unused]] interrupt_handlers* parent_;  // so that no leak is seen
  std::mutex turns_;                             // the handlers are being set or restored
  std::mutex mutex_;                             // of watches_
  std::vector<interrupt_watch*> watches_;
  std::optional<event_counter> bell_;
  std::atomic<bool> is_over_{false};
  std::thread thread_;
};

PARMAP_INLINE interrupt_watch::interrupt_watch(std::function<void()> then) : then_(std::move(then)) {
  if (!inside_worker()) interrupt_handlers::of_this_process().add(*this);
}
PARMAP_INLINE interrupt_watch::~interrupt_watch() {
  if (!inside_worker()) interrupt_handlers::of_this_process().remove(*this);
}

PARMAP_INLINE bool interrupt_watch::has_heard() noexcept {
  const interrupt_words& all = words_of_interrupts();
  return all.owner.load() == ::getpid() && all.bell.load() >= 0 && all.received.load() > 0;
}

}  // namespace parmap::inline PARMAP_ABI::detail
