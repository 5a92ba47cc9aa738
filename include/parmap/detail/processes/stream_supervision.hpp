// SPDX-License-Identifier: MIT
// stream_supervision: the supervisor of a stream, in a process of its own, which the caller forks while it is quiet. It
// forks the workers, so that a replacement costs the same and is as safe however the caller has changed meanwhile.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/core_placement.hpp>
#include <parmap/detail/processes/outcome_ring.hpp>
#include <parmap/detail/processes/overwritten_memory.hpp>
#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/detail/processes/shared_layout.hpp>
#include <parmap/detail/processes/stop_reason.hpp>
#include <parmap/detail/processes/stream_layout.hpp>
#include <parmap/detail/processes/stream_outlet.hpp>
#include <parmap/detail/processes/supervisor.hpp>
#include <parmap/detail/processes/supervisor_client.hpp>
#include <parmap/detail/processes/worker_exit.hpp>
#include <parmap/detail/processes/worker_process.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/schedule/interval.hpp>
#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/detail/system/cancellation.hpp>
#include <parmap/detail/system/event_counter.hpp>
#include <parmap/detail/system/file_descriptor.hpp>
#include <parmap/detail/system/language_runtime.hpp>
#include <parmap/detail/system/protocol_step.hpp>
#include <parmap/detail/system/standard_streams.hpp>
#include <parmap/detail/system/worker_assignment.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// What the caller has made before the fork, and the supervisor inherits.
struct stream_parts {
  const process_tasks& tasks;
  const options& chosen;
  shared_layout& shared;
  const stream_layout& layout;
  const event_counter& news;      // wakes the supervisor
  const event_counter& arrivals;  // wakes the caller
  const file_descriptor& caller;  // readable once the caller has died: a pidfd; none if it cannot be had
  const file_descriptor& held;    // at its end once the caller has died, or has become another program: a pipe
  sigset_t mask;                  // the caller's
  worker_assignment told;
  bool programs;                      // workers are programs of their own
  std::optional<std::uint64_t> size;  // none: the number of tasks is not known yet
  const task_orders* orders;          // of a pool; else null
};

// How a failure lies in a ring: the status, the attempts, the worker and the ns of the last one, and the message behind
// them.
struct failure_record {
  std::int32_t status{};
  std::uint32_t attempts{};
  std::uint32_t worker{never_ran};
  std::uint32_t unused{};
  std::uint64_t took{};

  void write(byte_writer& to, const std::string& message) const {
    to.write(this, sizeof *this);
    to.write(message.data(), message.size());
  }
  // Sets status, attempts and message. Throws bad_encoding.
  void read(byte_reader from, failure& why) {
    std::memcpy(this, from.read(sizeof *this), sizeof *this);
    why.status = status;
    why.attempts = attempts;
    const std::size_t size = from.left();
    why.message.assign(reinterpret_cast<const char*>(from.read(size)), size);
  }
};

// Runs a worker of a stream from its fork, or the start of its program, to its end. Calls at_go() just before its first
// task.
template <class AtGo>
[[noreturn]] void live_as_worker_of_stream(const process_tasks& tasks, shared_layout& shared,
                                           const stream_layout& layout, const worker_assignment& mine,
                                           const AtGo& at_go) {
  claim_ledger& book = shared.book();
  worker_words& words = book.of(mine.number);
  become_worker(mine.parent, words, mine.memory_limit, [&shared] { return shared.keep_from_children(); });
  worker_identity::origin = mine.stream.origin;
  language_runtime::current().begin_worker(mine.number);
  await_go(words.go);
  at_go();
  stream_outlet outlet(layout.ring(shared.slots(), mine.number), stream_layout::words(shared.slots()), words,
                       book.bell(), book.halt_word(), mine.stream.arrivals, mine.news, mine.stream.measures);
  worker_process(tasks, nullptr, book, shared.arenas(), mine, &outlet).run();
}

class stream_supervision final : public supervisor_client {
 public:
  explicit stream_supervision(const stream_parts& parts)
      : parts_(parts),
        book_(parts.shared.book()),
        memory_(parts.shared.slots()),
        words_(stream_layout::words(memory_)),
        ring_(parts.layout.ring(memory_, parts.layout.workers())),
        wakes_caller_(parts.arrivals.descriptor()),
        size_(parts.size) {
    parts_.told.parent = ::getpid();
  }

  // The life of the supervisor's process.
  [[noreturn]] void run() noexcept {
    step("supervise", moment::after);
    language_runtime::current().begin_supervisor();
    try {
      supervise();
      end(stream_end::complete);
    } catch (const caller_is_gone&) {  // NOLINT(bugprone-empty-catch): nobody is to be told
    } catch (const std::system_error& why) {
      end_with(stream_end::system_error, why.what(), static_cast<std::uint64_t>(why.code().value()));
    } catch (const std::bad_alloc&) {
      end_with(stream_end::no_memory, "", 0);
    } catch (const std::exception& why) {
      end_with(stream_end::runtime_error, why.what(), 0);
    } catch (...) {
      end_with(stream_end::runtime_error, "parmap: options.retry_if has thrown what is no std::exception", 0);
    }
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    flush_standard_streams();  // retry_if may have printed something
    language_runtime::current().end_supervisor();
    ::_exit(EXIT_SUCCESS);
  }

 private:
  struct caller_is_gone {};

  void supervise() {
    // What tasks leave behind comes here when their worker dies, so that it is reaped.
    static_cast<void>(::prctl(PR_SET_CHILD_SUBREAPER, 1UL));
    const cancellation_held_back held_back;
    const reporter silent(report::silent);
    lazy_meter meter(silent, 0);
    const core_placement place(parts_.told.workers);
    std::uint64_t from = 0;
    const unsigned most_idle_deaths = parts_.programs ? 16 : 256;  // see multi_run
    supervisor boss(
        parts_.shared, parts_.chosen, meter, place, held_back, &parts_.news, parts_.told.tasks, most_idle_deaths,
        [&](unsigned w) { live(held_back, place, w, from); }, this);
    boss.ask_of_values([this](unsigned w, std::uint64_t task) { return has_sent(w, task); });
    while (from < size_.value_or(stream_words::unknown_size) && !book_.halted()) {
      const std::uint64_t tasks = std::min(size_.value_or(stream_words::unknown_size) - from, max_round);
      from_ = from;
      round_ = static_cast<round_index>(tasks);
      boss.run_round(from, round_, static_cast<unsigned>(std::min<std::uint64_t>(parts_.told.workers, tasks)));
      missing_ += stop_the_rest(boss, from);
      from += round_;
      check_sum(boss, from);
    }
    if (book_.halted()) stop_tasks(from, end_of_tasks(), 0, why_stopped(boss));
  }
  // Of a halted stream: sends the tasks of this round that have not been begun. Returns how many there are.
  std::uint64_t stop_the_rest(supervisor& boss, std::uint64_t from) {
    std::uint64_t missing = 0;
    auto rest = book_.drain();
    std::ranges::sort(rest, {}, [](const claim_ledger::unclaimed& it) { return it.all.b; });
    for (const auto& [all, attempts] : rest) {
      stop_tasks(from + all.b, std::min(from + all.e, end_of_tasks()), attempts, why_stopped(boss));
      missing += all.size();
    }
    for (const auto& [due, task, attempts] : boss.retries().take()) {
      stop_tasks(from + task, from + task + 1, attempts, why_stopped(boss));
      ++missing;
    }
    return missing;
  }
  void check_sum(supervisor& boss, std::uint64_t tasks) const {
    const std::uint64_t finished = book_.finished() - boss.retries().voided().count();
    if (finished + boss.blamed_tasks() + missing_ != tasks)
      throw_overwritten(std::to_string(finished) + " + " + std::to_string(boss.blamed_tasks()) + " + " +
                        std::to_string(missing_) + " tasks are accounted for, but " + std::to_string(tasks) +
                        " were begun or stopped");
  }
  [[nodiscard]] std::string why_stopped(const supervisor& boss) const {
    return detail::why_stopped(book_.why_halted(), boss.why_gave_up());
  }
  // Where the tasks end that anybody knows of.
  [[nodiscard]] std::uint64_t end_of_tasks() const noexcept { return size_.value_or(book_.limit()); }

  // Runs in the worker's process.
  [[noreturn]] void live(const cancellation_held_back& held_back, const core_placement& place, unsigned w,
                         std::uint64_t from) noexcept {
    held_back.end();
    // The caller's handlers are not to run in a process that becomes a program: Ctrl-C reaches that, too.
    if (parts_.programs) static_cast<void>(::signal(SIGINT, SIG_IGN));
    ::pthread_sigmask(SIG_SETMASK, &parts_.mask, nullptr);
    worker_assignment mine = parts_.told;
    mine.number = w;
    mine.from = from;
    mine.round = book_.round();
    if (parts_.programs) {
      language_runtime::current().start_program(mine, parts_.shared.file());
      ::_exit(127);  // a shell's status for a program that cannot be started
    }
    live_as_worker_of_stream(parts_.tasks, parts_.shared, parts_.layout, mine, [&place] { place.release(); });
  }

  // Whether the newest value that worker w has sent is that of this task. It has died.
  [[nodiscard]] bool has_sent(unsigned w, std::uint64_t task) const noexcept {
    return newest_outcome_is(parts_.layout.ring(memory_, w), task);
  }

  // ---- as the supervisor's client

  void add_failure(const failure& why, unsigned w, attempt_span when) override { send(why, 1, w, when.took); }
  [[nodiscard]] bool doze() noexcept override {
    words_.dozing.set(1);
    std::atomic_thread_fence(std::memory_order_seq_cst);  // see stream_outlet::tell_of_limit
    for (unsigned w = 0; w < book_.workers(); ++w) {
      const worker_words& one = book_.of(w);
      if (unpack(one.claim.get()).empty() || one.allowed.get() == 0 || one.waiting.get() == waits_for_room) continue;
      words_.dozing.set(0);
      return false;
    }
    return true;
  }
  void worker_has_died() noexcept override {
    // It may have taken back the caller's note, and have died before it woke the caller; or it could not.
    event_counter::wake(parts_.arrivals.descriptor());
  }
  void watch(std::vector<pollfd>& fds) const override {
    for (const file_descriptor* const each : {&parts_.caller, &parts_.held})
      if (each->get() >= 0) fds.push_back({each->get(), POLLIN, 0});
  }
  [[nodiscard]] const task_orders* orders() const noexcept override { return parts_.orders; }
  [[nodiscard]] bool look() override {
    std::vector<pollfd> fds;
    watch(fds);
    if (!fds.empty() && ::poll(fds.data(), fds.size(), 0) > 0) throw caller_is_gone();
    if (::getppid() != parts_.told.stream.origin) throw caller_is_gone();
    if (const std::uint64_t end = words_.bound.get(); !size_ && end != stream_words::unknown_size) {
      size_ = end;
      if (end < from_ + round_) {
        round_ = static_cast<round_index>(std::max(end, from_) - from_);
        book_.cut_round(round_);
      }
    }
    return words_.closing.get() == 0;
  }

  // ---- to the caller

  void send(const failure& why, std::uint64_t tasks, unsigned worker = never_ran, std::uint64_t took = 0) {
    const failure_record record{.status = why.status, .attempts = why.attempts, .worker = worker, .took = took};
    const std::uint64_t about = ring_cell::describe(static_cast<std::uint64_t>(why.kind) + 1, why.attempts);
    if (!ring_.send(why.index, about, tasks, [&](byte_writer& bytes) { record.write(bytes, why.message); }))
      throw_overwritten("more tasks have ended than were begun");
    static_cast<void>(wake_caller(words_, wakes_caller_));
  }
  // Tasks [b, e), the first of which may have had attempts that failed.
  void stop_tasks(std::uint64_t b, std::uint64_t e, unsigned attempts_of_first, const std::string& why) {
    failure_runs runs;
    add_stopped(runs, b, e, why, attempts_of_first);
    for (const auto& [each, tasks] : runs) send(each, tasks);
  }
  void end(stream_end how) noexcept {
    words_.state.set(static_cast<std::uint64_t>(how));
    words_.asleep.set(0);
    event_counter::wake(parts_.arrivals.descriptor());
  }
  void end_with(stream_end how, std::string_view text, std::uint64_t code) noexcept {
    words_.error_code = code;
    words_.error_size = std::min(text.size(), words_.error_text.size());
    std::ranges::copy(text.substr(0, words_.error_size), words_.error_text.begin());
    end(how);
  }

  stream_parts parts_;
  claim_ledger& book_;
  std::byte* memory_;
  stream_words& words_;
  ring_writer ring_;
  event_sender wakes_caller_;
  std::optional<std::uint64_t> size_;
  std::uint64_t from_{};
  round_index round_{};
  std::uint64_t missing_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
