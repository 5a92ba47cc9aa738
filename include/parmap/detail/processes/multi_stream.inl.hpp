// SPDX-License-Identifier: MIT
// The bodies of multi_stream.hpp and stream_outlet.hpp.
#pragma once

#include <parmap/detail/processes/multi_stream.hpp>
#include <parmap/detail/processes/outcome_ring.hpp>
#include <parmap/detail/processes/overwritten_memory.hpp>
#include <parmap/detail/processes/shared_layout.hpp>
#include <parmap/detail/processes/stream_layout.hpp>
#include <parmap/detail/processes/stream_supervision.hpp>
#include <parmap/detail/processes/worker_exit.hpp>
#include <parmap/detail/schedule/usable_cores.hpp>
#include <parmap/detail/system/child_process.hpp>
#include <parmap/detail/system/event_counter.hpp>
#include <parmap/detail/system/file_descriptor.hpp>
#include <parmap/detail/system/fork_generation.hpp>
#include <parmap/detail/system/language_runtime.hpp>
#include <parmap/detail/system/memory_limit.hpp>
#include <parmap/detail/system/signal_mask.hpp>
#include <parmap/detail/system/valgrind.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <limits>
#include <new>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void stream_outlet::leave_damaged() noexcept { leave_process(farewell::damaged, EXIT_FAILURE); }
PARMAP_INLINE void stream_outlet::leave_mute() noexcept { leave_process(farewell::worn, EXIT_SUCCESS); }

// Call inside a catch block.
PARMAP_INLINE failure not_decoded(std::uint64_t task, unsigned attempts) {
  thrown what = describe_current_exception();
  if (what.kind == failure_kind::threw) what.kind = failure_kind::unencodable;
  if (!what.verbatim) what.message.insert(0, "decoding its result: ");
  return {task, what.kind, std::move(what.message), attempts, nullptr};
}

PARMAP_INLINE failure bytes_written_over(std::uint64_t task, unsigned attempts) {
  return {
      task, failure_kind::unencodable,
      "decoding its result: parmap: its encoded bytes were written over by a task of this stream that wrote to memory "
      "it does not own; run the stream under parmap::serial with valgrind or -fsanitize=address to find that task",
      attempts, nullptr};
}

// The memory of a stream; as much address space for each heap as the system permits, up to 16 GiB.
struct stream_memory {
  stream_layout layout;
  std::unique_ptr<shared_layout> shared;

  static stream_memory make(const worker_assignment& told, bool for_programs, const stream_annex* annex) {
    const std::size_t largest = under_valgrind() ? std::size_t{64} << 20 : std::size_t{16} << 30;
    constexpr std::size_t smallest = 1 << 20;
    const auto of_size = [&](std::size_t heap) {
      const stream_layout layout(told.workers, told.stream.window, heap, annex);
      auto shared = std::make_unique<shared_layout>(told, slot_shape{slot_kind::rings, layout.bytes()}, for_programs);
      layout.prepare(shared->slots());
      return stream_memory{layout, std::move(shared)};
    };
    for (std::size_t heap = largest;; heap /= 2) {
      try {
        stream_memory made = of_size(heap);
        if (heap == largest || heap == smallest) return made;
        // Address space is limited (RLIMIT_AS), and the tasks need some of it.
        made.shared.reset();
        return of_size(std::max(heap / 4, smallest));
      } catch (const std::system_error&) {
        if (heap <= smallest) throw;
      }
    }
  }
};

// Becomes readable when this process has died; none if the system has no such descriptors.
PARMAP_INLINE file_descriptor open_own_pidfd() {
  if (!pidfds_work()) return {};
  file_descriptor own(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (own.get() < 0)
    throw std::system_error(errno, std::generic_category(),
                            "parmap: pidfd_open failed (too many open files? see ulimit -n)");
  return own;
}

class stream_processes::run {
 public:
  run(const process_tasks& tasks, const options& chosen, std::optional<std::uint64_t> size, stream_annex* annex,
      bool measures, const pool_rules& pool)
      : programs_(language_runtime::current().starts_programs()),
        told_(assignment_of(tasks, chosen, size, measures, pool)),
        memory_(stream_memory::make(told_, programs_, annex)),
        book_(memory_.shared->book()),
        words_(stream_layout::words(memory_.shared->slots())),
        of_pool_(pool.orders != nullptr) {
    if (chosen.memory_limit && !private_memory())
      throw std::runtime_error(
          "parmap: options.memory_limit needs /proc, to know how much memory a worker begins with");
    told_.news = news_.descriptor();
    told_.stream.arrivals = arrivals_.descriptor();
    told_.stream.rings = memory_.shared->rings_file();
    told_.stream.heap = memory_.layout.heap_bytes();
    told_.stream.memory = reinterpret_cast<std::uintptr_t>(memory_.shared->slots());
    for (unsigned w = 0; w <= told_.workers; ++w) rings_.emplace_back(memory_.layout.ring(memory_.shared->slots(), w));
    if (annex != nullptr)
      annex->take(memory_.shared->slots(), memory_.layout.annex_begin(), memory_.layout.annex_end());
    start(tasks, chosen, size, pool.orders);
    on_stop_.emplace(chosen.stop, [this] { halt(); });
  }
  run(const run&) = delete;
  run& operator=(const run&) = delete;
  ~run() {
    if (generation_ != fork_generation()) return;  // a copy, in a process that the caller has forked
    on_stop_.reset();
    close();
  }

  bool allow(std::uint64_t limit) {
    if (book_.halted()) return false;
    book_.allow(limit);
    return true;
  }
  void end_at(std::uint64_t tasks) {
    words_.bound.set(tasks);
    event_counter::wake(news_.descriptor());
  }
  void halt() noexcept {
    book_.halt(halt_reason::stop_requested);
    event_counter::wake(news_.descriptor());
  }
  // Ends the workers by their supervisor, which also ends what their tasks have started.
  void close() noexcept {
    if (!boss_) return;
    words_.closing.set(1);
    book_.halt(halt_reason::stop_requested);
    event_counter::wake(news_.descriptor());
    constexpr std::chrono::seconds patience(30);
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!boss_->was_missed() && boss_->life() == child_process::life_of::running &&
           std::chrono::steady_clock::now() < until) {
      pollfd end{boss_->wakes(), POLLIN, 0};
      static_cast<void>(::poll(&end, 1, boss_->has_to_be_asked() ? 10 : 1000));
    }
    boss_.reset();  // kills it, if it still lives
  }
  [[nodiscard]] unsigned workers() const noexcept { return told_.workers; }
  found find(std::chrono::nanoseconds patience) {
    if (generation_ != fork_generation())
      throw std::logic_error("parmap: a stream cannot be read in a process that was forked from the one that made it");
    if (auto it = look(); it.how == arrival::outcome) return it;
    tell_what_is_taken();
    const auto begun = std::chrono::steady_clock::now();
    for (std::chrono::nanoseconds nap = first_nap;; nap = longest_nap) {
      // In this order: what was sent before the supervisor ended is seen after that.
      const auto state = static_cast<stream_end>(words_.state.get());
      const bool died = state == stream_end::not_yet && boss_->has_died();
      if (auto it = look(); it.how == arrival::outcome) return it;
      if (state == stream_end::complete) return {arrival::end};
      if (state != stream_end::not_yet) throw_error(state);
      if (died) {
        if (static_cast<stream_end>(words_.state.get()) != stream_end::not_yet) continue;
        throw std::runtime_error(
            "parmap: the process that watches the workers of this stream was killed, and they with it");
      }
      const auto spent = std::chrono::steady_clock::now() - begun;
      if (patience <= spent) return {arrival::nothing_yet};
      sleep(std::min<std::chrono::nanoseconds>(nap, patience - spent));
    }
  }
  void ring() noexcept { book_.ring(); }
  void wake_supervisor() noexcept { event_counter::wake(news_.descriptor()); }
  [[nodiscard]] std::optional<std::uint64_t> runs(unsigned w) const noexcept {
    const position at = unpack_position(book_.of(w).cur.get());
    return at.running ? std::optional<std::uint64_t>(at.task) : std::nullopt;
  }
  void wake_workers() noexcept {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // `taken` before the look at `waiting`
    for (unsigned w = 0; w < told_.workers; ++w)
      if (book_.of(w).waiting.get() == waits_for_room) return book_.ring();
  }

 private:
  static constexpr std::chrono::nanoseconds first_nap = std::chrono::milliseconds(1);  // see wake_caller
  static constexpr std::chrono::nanoseconds longest_nap = std::chrono::seconds(1);

  static worker_assignment assignment_of(const process_tasks& tasks, const options& chosen,
                                         std::optional<std::uint64_t> size, bool measures, const pool_rules& pool) {
    if (language_runtime::current().starts_programs() && pool.orders == nullptr)
      throw std::invalid_argument("parmap: workers that are programs of their own have no streams");
    if (chosen.window > stream_layout::largest_window)
      throw std::invalid_argument("parmap: options.window is at most " + std::to_string(stream_layout::largest_window) +
                                  " under multi");
    const std::uint64_t most = chosen.workers != 0 ? chosen.workers : usable_cores();
    static_cast<void>(ticks_per_us());                      // measured once, before the forks
    static_cast<void>(bound_early::uncaught_exceptions());  // binds what it calls in its turn
    return {.tasks = tasks.size(),
            .seed = *chosen.seed,
            .max_failures = chosen.max_failures.value_or(std::numeric_limits<std::uint64_t>::max()),
            .memory_limit = chosen.memory_limit,
            .most_tasks = pool.most_tasks,
            .workers = static_cast<unsigned>(std::clamp<std::uint64_t>(size.value_or(most), 1, most)),
            .retries = chosen.retries,
            .timed = chosen.timeout.has_value() || measures,
            .postpones = postpones_retries(chosen),
            .streams = true,
            .stream = {.window = chosen.window, .origin = ::getpid(), .measures = measures}};
  }

  void start(const process_tasks& tasks, const options& chosen, std::optional<std::uint64_t> size,
             const task_orders* orders) {
    const file_descriptor caller = open_own_pidfd();
    file_descriptor held;
    if (int ends[2]; ::pipe2(ends, O_CLOEXEC) == 0) {
      held = file_descriptor(ends[0]);
      held_by_caller_ = file_descriptor(ends[1]);
    } else {
      throw std::system_error(errno, std::generic_category(), "parmap: cannot make a pipe to a stream's supervisor");
    }
    const signals_blocked here;  // the supervisor has none; workers have the caller's mask
    boss_.emplace(
        [&] {
          held_by_caller_ = file_descriptor();
          stream_supervision({.tasks = tasks,
                              .chosen = chosen,
                              .shared = *memory_.shared,
                              .layout = memory_.layout,
                              .news = news_,
                              .arrivals = arrivals_,
                              .caller = caller,
                              .held = held,
                              .mask = here.before(),
                              .told = told_,
                              .programs = programs_,
                              .size = size,
                              .orders = orders})
              .run();
        },
        &memory_.shared->running());
  }

  // Nothing is left to take: a worker that waits for room must not wait for what the caller has kept to itself.
  void tell_what_is_taken() noexcept {
    bool told = false;
    for (ring_reader& each : rings_) told = each.tell_all() || told;
    if (told) wake_workers();
  }
  found look() {
    if (stopped_left_ > 0) return next_stopped();
    for (std::size_t k = 0; k < rings_.size(); ++k) {
      turn_ = turn_ + 1 < rings_.size() ? turn_ + 1 : 0;
      if (!rings_[turn_].look()) continue;
      if (turn_ == told_.workers) return failure_in(rings_[turn_]);
      const std::uint64_t kind = rings_[turn_].cell().kind();
      if (kind != ring_cell::value && (!of_pool_ || kind != ring_cell::stopped))
        throw_overwritten("an outcome is of no kind");
      return {arrival::outcome, &rings_[turn_], static_cast<unsigned>(turn_)};
    }
    return {arrival::nothing_yet};
  }
  found failure_in(ring_reader& ring) {
    const ring_cell& it = ring.cell();
    const auto bytes = ring.bytes();
    if (it.kind() == ring_cell::value || it.kind() > static_cast<std::uint64_t>(failure_kind::stopped) + 1 || !bytes)
      throw_overwritten("the record of a failure is lost");
    failure why{it.task, static_cast<failure_kind>(it.kind() - 1)};
    failure_record record;
    record.read(*bytes, why);
    if (it.extent > 1) {
      stopped_ = why;
      stopped_left_ = it.extent - 1;
    }
    ring.take();
    const auto spent = static_cast<ticks>(static_cast<double>(record.took) * ticks_per_us() / 1e3);
    return {arrival::outcome, nullptr, record.worker, std::move(why), spent};
  }
  // One of many tasks that have been stopped together.
  found next_stopped() {
    found next{arrival::outcome, nullptr, never_ran, stopped_, 0};
    --stopped_left_;
    next.why.index = ++stopped_.index;
    return next;
  }

  void sleep(std::chrono::nanoseconds limit) {
    words_.asleep.set(1);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const bool anything = std::ranges::any_of(rings_, [](ring_reader& each) { return each.look(); });
    if (!anything && words_.state.get() == 0) {
      std::array<pollfd, 2> fds{{{arrivals_.descriptor(), POLLIN, 0}, {boss_->wakes(), POLLIN, 0}}};
      if (boss_->has_to_be_asked()) limit = std::min<std::chrono::nanoseconds>(limit, std::chrono::milliseconds(10));
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit);
      const timespec span{seconds.count(), (limit - seconds).count()};
      language_runtime::current().before_sleep();
      static_cast<void>(::ppoll(fds.data(), fds.size(), &span, nullptr));
      language_runtime::current().after_sleep();
      arrivals_.clear();
    }
    words_.asleep.set(0);
  }

  [[noreturn]] void throw_error(stream_end how) const {
    std::string text(words_.error_text.data(), std::min<std::size_t>(words_.error_size, words_.error_text.size()));
    if (how == stream_end::no_memory) throw supervisor_without_memory();
    if (how != stream_end::system_error) throw std::runtime_error(text);
    const std::error_code code(static_cast<int>(words_.error_code), std::generic_category());
    const std::string suffix = ": " + code.message();
    if (text.ends_with(suffix)) text.resize(text.size() - suffix.size());
    throw std::system_error(code, text);
  }

  std::uint64_t generation_{fork_generation()};
  event_counter news_;
  event_counter arrivals_;
  bool programs_;
  worker_assignment told_;
  stream_memory memory_;
  claim_ledger& book_;
  stream_words& words_;
  bool of_pool_;
  std::vector<ring_reader> rings_;  // the workers', and the supervisor's at the end
  file_descriptor held_by_caller_;
  std::optional<child_process> boss_;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
  std::size_t turn_{};
  failure stopped_;
  std::uint64_t stopped_left_{};
};

PARMAP_INLINE void serve_stream_as_program(const process_tasks& tasks, const worker_assignment& mine, int memory,
                                           stream_annex& annex, const std::function<void(std::ptrdiff_t)>& at_go) {
  const stream_layout layout(mine.workers, mine.stream.window, static_cast<std::size_t>(mine.stream.heap), &annex);
  shared_layout shared(mine, {slot_kind::rings, layout.bytes()}, file_descriptor(memory),
                       file_descriptor(mine.stream.rings));
  layout.protect(shared.slots());
  annex.take(shared.slots(), layout.annex_begin(), layout.annex_end());
  const auto here = reinterpret_cast<std::uintptr_t>(shared.slots());
  live_as_worker_of_stream(tasks, shared, layout, mine,
                           [&] { at_go(static_cast<std::ptrdiff_t>(here - mine.stream.memory)); });
}

PARMAP_INLINE stream_processes::stream_processes(const process_tasks& tasks, const options& chosen,
                                                 std::optional<std::uint64_t> size, stream_annex* annex, bool measures,
                                                 const pool_rules& pool)
    : run_(std::make_unique<run>(tasks, chosen, size, annex, measures, pool)) {}
PARMAP_INLINE stream_processes::~stream_processes() = default;

PARMAP_INLINE bool stream_processes::allow(std::uint64_t limit) { return run_->allow(limit); }
PARMAP_INLINE void stream_processes::end_at(std::uint64_t tasks) { run_->end_at(tasks); }
PARMAP_INLINE void stream_processes::halt() noexcept { run_->halt(); }
PARMAP_INLINE void stream_processes::close() noexcept { run_->close(); }
PARMAP_INLINE unsigned stream_processes::workers() const noexcept { return run_->workers(); }
PARMAP_INLINE stream_processes::found stream_processes::find(std::chrono::nanoseconds patience) {
  return run_->find(patience);
}
PARMAP_INLINE void stream_processes::wake_workers() noexcept { run_->wake_workers(); }
PARMAP_INLINE void stream_processes::ring() noexcept { run_->ring(); }
PARMAP_INLINE void stream_processes::wake_supervisor() noexcept { run_->wake_supervisor(); }
PARMAP_INLINE std::optional<std::uint64_t> stream_processes::runs(unsigned w) const noexcept { return run_->runs(w); }

}  // namespace parmap::inline PARMAP_ABI::detail
