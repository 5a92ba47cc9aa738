// SPDX-License-Identifier: MIT
// outcome_courier: outcomes of an agent's tasks on their way to rank 0 while the map runs, for its store and its trace.
#pragma once

#include <parmap/detail/cluster/agent_work.hpp>
#include <parmap/detail/cluster/call_mailbox.hpp>
#include <parmap/detail/cluster/call_messages.hpp>
#include <parmap/detail/cluster/rank_link.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/stores/store_run.hpp>

#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Times differ from machine to machine, so a piece says when it was sent, and rank 0 knows how long ago each task
// began.
inline std::uint64_t steady_ns(std::chrono::steady_clock::time_point at) noexcept {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count());
}

inline void put_outcome(message_writer& to, const stored_outcome& it) {
  to.put(it.number);
  to.put(it.kind ? static_cast<std::uint64_t>(*it.kind) + 1 : std::uint64_t{0});
  to.put(std::uint64_t{it.attempts});
  to.put(it.worker ? std::uint64_t{*it.worker} + 1 : std::uint64_t{0});
  to.put(steady_ns(it.began));
  to.put(static_cast<std::uint64_t>(it.took.value_or(std::chrono::nanoseconds(0)).count()));
  to.put(static_cast<std::uint64_t>(it.value.format));
  to.put(static_cast<std::uint64_t>(it.value.integer));
  to.put(std::bit_cast<std::uint64_t>(it.value.real));
  to.put(it.kind ? it.message : it.value.bytes);
}
// `ahead`: by how much this machine's clock is ahead of the sender's, modulo 2^64.
inline stored_outcome get_outcome(message_reader& from, std::uint64_t ahead) {
  stored_outcome it;
  it.number = from.number();
  if (const std::uint64_t kind = from.number(); kind != 0) it.kind = static_cast<failure_kind>(kind - 1);
  it.attempts = static_cast<unsigned>(from.number());
  if (const std::uint64_t worker = from.number(); worker != 0) it.worker = static_cast<unsigned>(worker - 1);
  it.began = stored_outcome::time_point(std::chrono::nanoseconds(static_cast<std::int64_t>(from.number() + ahead)));
  it.took = std::chrono::nanoseconds(static_cast<std::int64_t>(from.number()));
  it.value.format = static_cast<value_format>(from.number());
  it.value.integer = static_cast<std::int64_t>(from.number());
  it.value.real = std::bit_cast<double>(from.number());
  (it.kind ? it.message : it.value.bytes) = from.text();
  return it;
}

// A piece leaves when it is full or 0.1 s old. At most four are on their way: then rank 0 does not keep up, and the
// agent is to take no further outcomes, so that its workers wait, too. So memory is bounded on both sides.
class outcome_courier final : public outcome_sink {
 public:
  using clock = std::chrono::steady_clock;

  outcome_courier(call_mailbox& mail, rank_link& link, std::uint64_t map) : mail_(mail), link_(link), map_(map) {}

  void put(stored_outcome&& it) override {
    if (open_.size() == 0) {
      open_ = new_message(map_, message_kind::outcomes);
      open_.put(std::uint64_t{0});  // when it was sent
      begun_ = clock::now();
    }
    put_outcome(open_, it);
    if (open_.size() >= piece_bytes) close();
  }
  // Sends what is due. False if further outcomes must not be taken now.
  bool advance(clock::time_point now) {
    if (open_.size() > 0 && now - begun_ >= pace) close();
    while (!closed_.empty() && link_.unsent(0) < most_unsent) send();
    return closed_.empty();
  }
  // Sends all, at the end.
  void flush() {
    close();
    while (!closed_.empty()) send();
  }

 private:
  static constexpr std::size_t piece_bytes = std::size_t{256} << 10;
  static constexpr std::chrono::milliseconds pace{100};
  static constexpr std::size_t most_unsent = 4;

  void close() {
    if (open_.size() > 0) closed_.push_back(open_.take());
  }
  void send() {
    message_bytes piece = std::move(closed_.front());
    closed_.pop_front();
    const std::uint64_t now = steady_ns(clock::now());
    std::memcpy(piece.data() + 2 * sizeof now, &now, sizeof now);
    mail_.send(0, std::move(piece));
  }

  call_mailbox& mail_;
  rank_link& link_;
  std::uint64_t map_;
  message_writer open_;
  clock::time_point begun_;
  std::deque<message_bytes> closed_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
