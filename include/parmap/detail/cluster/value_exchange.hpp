// SPDX-License-Identifier: MIT
// value_exchange: sends the values of a map to rank 0, or from there to all ranks, piece by piece.
#pragma once

#include <parmap/detail/cluster/agent_work.hpp>
#include <parmap/detail/cluster/call_mailbox.hpp>
#include <parmap/detail/cluster/call_messages.hpp>
#include <parmap/detail/cluster/nap_pacer.hpp>
#include <parmap/detail/cluster/rank_link.hpp>
#include <parmap/detail/config.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

class value_exchange {
 public:
  // `pieces`: those that have come before.
  value_exchange(call_mailbox& mail, rank_link& link, std::uint64_t map, bool to_all, std::deque<message_bytes>& pieces)
      : mail_(mail),
        link_(link),
        map_(map),
        to_all_(to_all),
        pieces_(pieces) {}

  // `wanted`: the number of values in all. `here`: how many of them need not come. pull() adds at most one piece to
  // `pieces`.
  void run(agent_work& work, std::uint64_t wanted, std::uint64_t here, const std::function<void()>& pull) {
    const bool receives = to_all_ || link_.rank() == 0;
    std::uint64_t got = here;
    bool sent_own = false;
    std::exception_ptr thrown;
    // A large message moves only while MPI is called at both ends.
    nap_pacer pace(std::chrono::milliseconds(10), time_of_a_piece);
    for (;;) {
      bool any = false;
      // Whoever takes a piece passes it on, so it takes one only if those below keep up. At the bottom of this tree
      // nobody passes anything on, so no circle of ranks waits for each other.
      while (can_pass_on()) {
        if (pieces_.empty()) pull();
        if (pieces_.empty()) break;
        const message_bytes piece = std::move(pieces_.front());
        pieces_.pop_front();
        if (to_all_) pass_on(piece);
        any = true;
        message_reader in = message_reader(piece).body();
        got += in.number();
        if (!thrown) try {
            work.take_piece(in);
          } catch (...) {
            thrown = std::current_exception();  // those that send still wait for this rank
          }
      }
      if (!sent_own && unsent_up() < most_unsent) {
        any = true;
        message_writer piece = new_message(map_, message_kind::piece);
        if (work.next_piece(piece)) mail_.send(0, piece.take());
        else sent_own = true;
      }
      if (sent_own && (!receives || got >= wanted) && pieces_.empty() && link_.unsent() == 0) break;
      if (any) pace.reset();
      else pace.nap();
    }
    if (thrown) std::rethrow_exception(thrown);
    if (receives && got != wanted)
      throw std::runtime_error("parmap: " + std::to_string(got) + " values have come from the ranks, but " +
                               std::to_string(wanted) + " tasks have one; do all ranks run one program?");
  }

 private:
  static constexpr std::size_t most_unsent = 4;
  static constexpr std::chrono::milliseconds time_of_a_piece{2};

  // A tree: rank r passes pieces on to ranks 2r + 1 and 2r + 2.
  template <class Fn>
  void for_each_child(const Fn& fn) const {
    for (const int child : {2 * link_.rank() + 1, 2 * link_.rank() + 2})
      if (child < link_.size()) fn(child);
  }
  [[nodiscard]] bool can_pass_on() {
    bool can = true;
    if (to_all_) for_each_child([&](int child) { can = can && link_.unsent(child) < most_unsent; });
    return can;
  }
  void pass_on(const message_bytes& piece) {
    for_each_child([&](int child) { mail_.send(child, piece); });
  }
  [[nodiscard]] std::size_t unsent_up() { return link_.rank() == 0 ? mail_.own() + pieces_.size() : link_.unsent(0); }

  call_mailbox& mail_;
  rank_link& link_;
  std::uint64_t map_;
  bool to_all_;
  std::deque<message_bytes>& pieces_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
