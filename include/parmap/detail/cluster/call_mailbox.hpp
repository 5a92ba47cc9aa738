// SPDX-License-Identifier: MIT
// call_mailbox: the messages of one map to this rank, among those of maps before and after it.
#pragma once

#include <parmap/detail/cluster/call_settings.hpp>
#include <parmap/detail/cluster/message_text.hpp>
#include <parmap/detail/cluster/nap_pacer.hpp>
#include <parmap/detail/cluster/rank_link.hpp>
#include <parmap/detail/config.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

class call_mailbox {
 public:
  call_mailbox(rank_link& link, crew_memory& memory, std::uint64_t map) : link_(link), memory_(memory), map_(map) {}

  // To any rank, also to this one.
  void send(int to, message_bytes bytes) {
    if (to == link_.rank()) own_.push_back(std::move(bytes));
    else link_.send(to, std::move(bytes));
  }
  // The next message of this map; none if none has come.
  [[nodiscard]] std::optional<rank_message> next() {
    if (!own_.empty()) {
      rank_message mine{link_.rank(), std::move(own_.front())};
      own_.pop_front();
      return mine;
    }
    while (auto it = take_early()) {
      if (number_of(*it) == map_) return it;
    }
    while (auto it = link_.receive()) {
      const std::uint64_t number = number_of(*it);
      if (number == map_) return it;
      if (number > map_) memory_.early.push_back(std::move(*it));
      // One of an earlier map, such as a late request to stop, has nothing to say any more.
    }
    return std::nullopt;
  }
  // Messages to this rank itself that next() has not returned.
  [[nodiscard]] std::size_t own() const noexcept { return own_.size(); }
  // Waits until what was sent has left.
  void finish_sends() {
    nap_pacer pace(std::chrono::milliseconds(10));
    while (link_.unsent() > 0) pace.nap();
  }

 private:
  static std::uint64_t number_of(const rank_message& it) { return message_reader(it.bytes).number(); }
  // One that has come before its map, or is left of a map before.
  std::optional<rank_message> take_early() {
    for (auto at = memory_.early.begin(); at != memory_.early.end(); ++at) {
      if (number_of(*at) > map_) continue;
      rank_message found = std::move(*at);
      memory_.early.erase(at);
      return found;
    }
    return std::nullopt;
  }

  rank_link& link_;
  crew_memory& memory_;
  std::uint64_t map_;
  std::deque<message_bytes> own_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
