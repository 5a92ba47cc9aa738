// SPDX-License-Identifier: MIT
// rank_link: how the ranks of a cluster send messages to each other. What carries them is behind it.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

using message_bytes = std::vector<std::byte>;

struct rank_message {
  int from{};
  message_bytes bytes{};
};

// Used by one thread at a time. No function waits: a carrier makes progress only in these calls, so whoever waits has
// to call receive() now and then. Every function throws std::runtime_error if the carrier fails.
class rank_link {
 public:
  rank_link() = default;
  rank_link(const rank_link&) = delete;
  rank_link& operator=(const rank_link&) = delete;
  virtual ~rank_link() = default;

  [[nodiscard]] virtual int rank() const noexcept = 0;
  [[nodiscard]] virtual int size() const noexcept = 0;
  // Messages of one rank to another arrive in order; of any size. `to` is another rank.
  virtual void send(int to, message_bytes bytes) = 0;
  // The next message that has arrived.
  [[nodiscard]] virtual std::optional<rank_message> receive() = 0;
  // The number of messages to that rank that still need the memory of this one.
  [[nodiscard]] virtual std::size_t unsent(int to) = 0;
  [[nodiscard]] virtual std::size_t unsent() = 0;  // to all ranks
};

}  // namespace parmap::inline PARMAP_ABI::detail
