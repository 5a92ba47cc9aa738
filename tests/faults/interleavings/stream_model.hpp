// SPDX-License-Identifier: MIT
// A small stream on the library's own ledger, rings, outlet and records: its memory, its caller, and what its
// supervisor does for it.
#pragma once

#include "model.hpp"

#include <parmap/codec.hpp>
#include <parmap/detail/encoding/checksum.hpp>
#include <parmap/detail/processes/outcome_ring.hpp>
#include <parmap/detail/processes/stream_layout.hpp>
#include <parmap/detail/processes/stream_outlet.hpp>
#include <parmap/detail/processes/streamed_tasks.hpp>
#include <parmap/detail/processes/worker_exit.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// As multi_stream.inl.hpp, which would bring all of the library.
namespace parmap::inline PARMAP_ABI::detail {
inline void stream_outlet::leave_damaged() noexcept { leave_process(farewell::damaged, EXIT_FAILURE); }
inline void stream_outlet::leave_mute() noexcept { leave_process(farewell::worn, EXIT_SUCCESS); }
}  // namespace parmap::inline PARMAP_ABI::detail

namespace interleavings {

template <class T>
class stream_of final : public any_map {
 public:
  explicit stream_of(const plan& chosen)
      : any_map(chosen, claim_ledger::bytes(chosen.workers)),
        layout_(chosen.workers, chosen.window, heap, nullptr),
        rings_(layout_.bytes()) {
    layout_.prepare(rings_.bytes());
  }

  // As stream_supervision::live.
  void work(unsigned w) override {
    const body_calls<T> calls{&book()};
    const streamed_tasks_of<body_calls<T>> tasks(calls);
    stream_outlet outlet(ring(w), common(), book().of(w), book().bell(), book().halt_word(), 0, -1, false);
    worker_process(tasks, nullptr, book(), arenas(),
                   {.tasks = now_planned.tasks, .retries = now_planned.retries, .streams = true, .number = w}, &outlet)
        .run();
  }

  [[nodiscard]] bool has_sent(unsigned w, unsigned i) const override { return newest_outcome_is(ring(w), i); }
  [[nodiscard]] bool right(unsigned w, unsigned i) override {
    const ring_place at = ring(w);
    return is_right(at, at.cell(at.shared().tail.get() - 1), i);
  }
  void look_at_stream(words& seen) const override {
    seen.asleep = common().asleep.get();
    seen.state = common().state.get();
    seen.own_tail = ring(now_planned.workers).shared().tail.get();
    for (unsigned w = 0; w < now_planned.workers; ++w) {
      seen.of[w].tail = ring(w).shared().tail.get();
      seen.taken[w] = ring(w).shared().taken.get();
    }
  }
  [[nodiscard]] unsigned unread(bool& twice) const override {
    unsigned all = 0;
    for (unsigned r = 0; r <= now_planned.workers; ++r) {
      const ring_place at = ring(r);
      const std::uint64_t taken = at.shared().taken.get();
      for (std::uint64_t k = at.shared().tail.get(); k-- != taken;) {
        const ring_cell it = at.cell(k);
        require(it.check == it.expected_check(k), "a cell that can be taken is not written");
        const unsigned tasks = tasks_of(it);
        twice |= (all & tasks) != 0;
        all |= tasks;
      }
    }
    return all;
  }
  [[nodiscard]] std::vector<area> shared() const override {
    auto all = any_map::shared();
    all.push_back({&common(), offsetof(stream_words, error_code)});
    for (unsigned r = 0; r <= now_planned.workers; ++r) {
      const ring_place at = ring(r);
      all.push_back({&at.shared().tail, sizeof at.shared().tail});
      all.push_back({&at.shared().taken, sizeof at.shared().taken});
      all.push_back({&at.cell(0), at.capacity * sizeof(ring_cell)});
      if (now_planned.encoded != 0 || r == now_planned.workers)
        all.push_back({at.memory + at.heap, (now_planned.window + 2) * smallest_block});
    }
    return all;
  }

  // ---- the caller: repeats the order of calls of stream_processes::find and sleep, and of stream_state

  void read() override {
    std::array<std::optional<ring_reader>, most_workers + 1> rings;
    for (unsigned r = 0; r <= now_planned.workers; ++r) rings[r].emplace(ring(r));
    const auto look = [&] {
      looks_on = false;
      for (unsigned r = 0; r <= now_planned.workers; ++r)
        if (rings[r]->look()) return r;
      return nobody;
    };
    bool told_end = now_planned.endless == 0;
    permit();
    for (;;) {
      looks_on = false;
      const std::uint64_t state = common().state.get();
      if (const unsigned r = look(); r != nobody) {
        take(*rings[r], r);
        continue;
      }
      if (state != 0) return;
      // It wants to read an element behind the last one.
      if (!told_end && given() + now_planned.window > now_planned.tasks) {
        told_end = true;
        common().bound.set(now_planned.tasks);
        give_way("news");
        now.news = 1;
        continue;
      }
      common().asleep.set(1);
      if (look() == nobody && common().state.get() == 0) {
        give_way("sleep");
        now.event = 0;
        sighted |= slept;
      }
      common().asleep.set(0);
    }
  }

  // ---- the supervisor

  void look_at_bound() override {
    if (now_planned.endless == 0 || now.bound_seen != 0) return;
    const std::uint64_t end = common().bound.get();
    if (end == stream_words::unknown_size) return;
    now.bound_seen = 1;
    book().cut_round(static_cast<round_index>(end));
  }
  // As stream_supervision::has_sent.
  [[nodiscard]] bool is_sent(unsigned w, unsigned task, unsigned attempt) override {
    if (arenas().newest_is(w, task, attempt)) return true;
    const bool sent = newest_outcome_is(ring(w), task);
    if (sent) event_counter::wake(0);
    return sent;
  }
  void add_failure(unsigned task, unsigned attempts, parmap::failure_kind kind) override {
    send(task, attempts, kind, 1);
  }
  // As stream_supervision::supervise and end.
  void finish() override {
    if (now.thrown == 0) {
      const bool halted = book().halted();
      now.drained = 1;
      for (const auto& [all, attempts] : book().drain()) {
        const auto known =
            static_cast<unsigned>(now_planned.endless == 0 || now.bound_seen != 0 ? now_planned.tasks : book().limit());
        const interval rest{all.b, std::min(all.e, known)};
        require(halted || rest.b >= rest.e, "unclaimed at the end, though nobody halted");
        if (rest.b >= rest.e) continue;
        now.stopped |= set_of(rest);
        send(rest.b, attempts, parmap::failure_kind::stopped, rest.size());
      }
    }
    common().state.set(static_cast<std::uint64_t>(now.thrown == 0 ? stream_end::complete : stream_end::system_error));
    common().asleep.set(0);
    event_counter::wake(0);
  }

 private:
  static constexpr std::size_t heap = 4096;
  static constexpr std::size_t smallest_block = 64;

  [[nodiscard]] stream_words& common() const noexcept { return stream_layout::words(rings_.data()); }
  [[nodiscard]] ring_place ring(unsigned r) const noexcept {
    ring_place at = layout_.ring(rings_.bytes(), r);
    at.pace = {.untold = 1, .untold_bytes = 1, .much = 2 << 20, .few = 1};
    if (now_planned.room != 0) at.pace.much = now_planned.room * smallest_block - 1;
    // The supervisor's needs one more, for the tasks that were never claimed.
    at.capacity = std::bit_ceil(std::uint64_t{now_planned.window} + (r == now_planned.workers ? 1 : 0));
    return at;
  }
  static unsigned tasks_of(const ring_cell& it) noexcept {
    const auto first = static_cast<round_index>(it.task);
    const bool one = it.kind() == ring_cell::value;
    return set_of({first, first + (one ? 1 : static_cast<round_index>(it.extent))});
  }
  static bool is_right(const ring_place& at, const ring_cell& it, unsigned i) {
    const std::size_t size = it.is_in_heap() ? it.size() : it.length();
    const auto* const from =
        it.is_in_heap() ? at.memory + it.offset() : reinterpret_cast<const std::byte*>(it.bytes.data());
    if (it.is_in_heap() && checksum(from, size, it.task) != it.bytes_check) return false;
    if (it.task != i || it.attempts() != now.begun[i]) return false;
    try {
      return read_value(byte_reader(from, size)) == value_of<T>(i, now.begun[i]);
    } catch (const parmap::bad_encoding&) {
      return false;
    }
  }
  static T read_value(byte_reader bytes) { return parmap::decoder(bytes).get<T>(); }

  static unsigned given() noexcept {
    return static_cast<unsigned>(now_planned.ordered != 0 ? std::countr_one(now.arrived) : std::popcount(now.arrived));
  }
  // As stream_state::let_begin, but at each outcome.
  void permit() {
    std::uint64_t limit = given() + now_planned.window;
    if (now_planned.endless != 0) limit = std::min<std::uint64_t>(limit, now_planned.tasks);
    if (limit != book().limit() && !book().halted()) book().allow(limit);
  }
  void take(ring_reader& from, unsigned r) {
    const ring_cell& it = from.cell();
    const unsigned tasks = tasks_of(it);
    require((tasks & now.arrived) == 0, "an outcome comes twice");
    const auto first = static_cast<unsigned>(it.task);
    if (r == now_planned.workers) {
      require(it.kind() != ring_cell::value, "a value of the supervisor");
      const auto kind = static_cast<parmap::failure_kind>(it.kind() - 1);
      const unsigned as = kind == parmap::failure_kind::stopped   ? now.stopped
                          : kind == parmap::failure_kind::crashed ? now.blamed
                                                                  : now.failed;
      require((tasks & ~as) == 0 && it.attempts() == now.begun[first], "a failure that was not");
      const auto bytes = from.bytes();
      require(bytes && text_of(*bytes) == text_of(first), "the text of a failure is lost");
    } else {
      require(it.kind() == ring_cell::value, "a failure of a worker");
      require(is_right(ring(r), it, first), "a value is not what the task returned");
    }
    from.take();
    now.arrived |= tasks;
    permit();
    if (now_planned.room == 0) return;
    for (unsigned w = 0; w < now_planned.workers; ++w)
      if (book().of(w).waiting.get() == waits_for_room) return book().ring();
  }

  static std::string text_of(byte_reader bytes) {
    const std::size_t size = bytes.left();
    return std::string(reinterpret_cast<const char*>(bytes.read(size)), size);
  }
  static std::string text_of(unsigned task) { return "a failure, of task " + std::to_string(task); }
  // As stream_supervision::send. Its writer begins anew each time: nobody remembers it between two steps of the search.
  void send(unsigned task, unsigned attempts, parmap::failure_kind kind, unsigned tasks) {
    ring_writer ring(this->ring(now_planned.workers));
    const std::uint64_t about = ring_cell::describe(static_cast<std::uint64_t>(kind) + 1, attempts);
    require(ring.send(task, about, tasks,
                      [task](byte_writer& bytes) {
                        const std::string text = text_of(task);
                        bytes.write(text.data(), text.size());
                      }),
            "the supervisor's ring is without a cell");
    wake_caller_of();
  }
  void wake_caller_of() noexcept { static_cast<void>(parmap::detail::wake_caller(common(), event_sender(0))); }

  stream_layout layout_;
  shared_memory rings_;
};

}  // namespace interleavings
