// SPDX-License-Identifier: MIT
// Ranks that are threads of the test: a link of queues in memory, so that the protocol between ranks runs without MPI.
#pragma once

#include <gtest/gtest.h>
#include <parmap/detail/cluster/cluster_map.hpp>
#include <parmap/map.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace cluster {

// The queues of all ranks.
class network {
 public:
  explicit network(int ranks) : inboxes_(static_cast<std::size_t>(ranks)) {}

  void put(int to, parmap::detail::rank_message what) {
    const std::lock_guard lock(mutex_);
    inboxes_[static_cast<std::size_t>(to)].push_back(std::move(what));
  }
  std::optional<parmap::detail::rank_message> take(int rank) {
    const std::lock_guard lock(mutex_);
    auto& mine = inboxes_[static_cast<std::size_t>(rank)];
    if (mine.empty()) return std::nullopt;
    std::optional<parmap::detail::rank_message> next(std::move(mine.front()));
    mine.pop_front();
    return next;
  }
  // Messages to `to` that it has not taken: as MPI's large messages, which stay with the sender until then.
  std::size_t waiting(int from, int to) {
    const std::lock_guard lock(mutex_);
    const auto& its = inboxes_[static_cast<std::size_t>(to)];
    return static_cast<std::size_t>(
        std::count_if(its.begin(), its.end(), [&](const auto& it) { return it.from == from; }));
  }
  [[nodiscard]] int size() const noexcept { return static_cast<int>(inboxes_.size()); }

 private:
  std::mutex mutex_;
  std::vector<std::deque<parmap::detail::rank_message>> inboxes_;
};

class thread_link final : public parmap::detail::rank_link {
 public:
  thread_link(network& all, int rank) : all_(all), rank_(rank) {}

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return all_.size(); }
  void send(int to, parmap::detail::message_bytes bytes) override { all_.put(to, {rank_, std::move(bytes)}); }
  std::optional<parmap::detail::rank_message> receive() override { return all_.take(rank_); }
  std::size_t unsent(int to) override { return all_.waiting(rank_, to); }
  std::size_t unsent() override {
    std::size_t count = 0;
    for (int to = 0; to < all_.size(); ++to) count += all_.waiting(rank_, to);
    return count;
  }

 private:
  network& all_;
  int rank_;
};

// The engine mpi, without MPI.
struct engine {
  static constexpr bool is_collective = true;
  static constexpr std::string_view name() noexcept { return "ranks in threads"; }

  template <class Tasks>
  auto run(const Tasks& tasks, const parmap::options& chosen) const -> parmap::results<typename Tasks::result> {
    return parmap::detail::map_on_ranks(*link, *memory, tasks, chosen, site, target, inner);
  }

  [[nodiscard]] engine gathering_on_all() const {
    engine other = *this;
    other.target = parmap::detail::value_target::every_rank;
    return other;
  }

  parmap::detail::rank_link* link{};
  parmap::detail::crew_memory* memory{};
  parmap::detail::value_target target{parmap::detail::value_target::rank_0};
  parmap::detail::inner_way inner{parmap::detail::inner_way::threads};
  std::string site{"test.cpp:1"};
};
static_assert(parmap::engine<engine>);

// Each rank is a machine of its own.
struct own_machines {
  explicit own_machines(int ranks) { ::setenv("PARMAP_MPI_NODES_FOR_TESTS", std::to_string(ranks).c_str(), 1); }
  own_machines(const own_machines&) = delete;
  own_machines& operator=(const own_machines&) = delete;
  ~own_machines() { ::unsetenv("PARMAP_MPI_NODES_FOR_TESTS"); }
};

// Calls body(engine of the rank) on each of so many ranks, and returns what each threw: empty if nothing.
template <class Body>
std::vector<std::string> on_ranks(int ranks, const Body& body) {
  const own_machines machines(ranks);
  network all(ranks);
  std::vector<std::string> errors(static_cast<std::size_t>(ranks));
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < ranks; ++rank)
      threads.emplace_back([&, rank] {
        thread_link link(all, rank);
        parmap::detail::crew_memory memory;
        memory.told_nodes = true;
        engine who;
        who.link = &link;
        who.memory = &memory;
        try {
          body(who);
        } catch (const std::exception& why) {
          errors[static_cast<std::size_t>(rank)] = why.what();
        }
      });
  }
  return errors;
}

inline std::vector<std::string> no_errors(int ranks) {
  return std::vector<std::string>(static_cast<std::size_t>(ranks));
}

// What body throws on every rank.
template <class Body>
std::string the_error(int ranks, const Body& body) {
  const auto errors = on_ranks(ranks, body);
  for (const auto& each : errors) EXPECT_EQ(each, errors[0]);
  return errors[0];
}

inline constexpr auto same = [](auto x) { return x; };

}  // namespace cluster
