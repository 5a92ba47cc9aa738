// SPDX-License-Identifier: MIT
// node_plan: which ranks share a machine, which of them run tasks there, on how many cores.
#pragma once

#include <parmap/detail/config.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Text for the user, in one piece, so that lines of several processes do not mix.
PARMAP_API void say_on_stderr(const std::string& text) noexcept;
// How long a rank waits for others before it says so.
[[nodiscard]] PARMAP_API std::chrono::milliseconds patience_with_ranks();

// What a rank knows of the machine on which it runs.
struct host_facts {
  std::string host{};                 // its name, for messages
  std::string key{};                  // the same for all ranks of a machine
  std::vector<unsigned long> mask{};  // the cores on which the rank may run, a bit for each; empty: unknown
  double quota{};                     // of its cgroup, in cores; 0: none
  unsigned allocated{};  // the cores of the machine that belong to the job, as far as one can know; 0: unknown
};

// Of this process. Under PARMAP_MPI_NODES_FOR_TESTS=n the ranks count as those of n machines.
[[nodiscard]] host_facts host_of_this_rank(int rank, int size);

// "rank 3 on n2"; empty if there is one rank.
[[nodiscard]] PARMAP_API std::string place_of_rank(int rank, int size);

// One machine and its agent, the rank that runs tasks.
struct job_node {
  std::vector<int> ranks{};  // in order; the first one is the agent
  std::string host{};
  std::vector<unsigned long> mask{};  // the union of its ranks'
  unsigned workers{};
  unsigned allocated{};
};

struct node_plan {
  std::vector<job_node> nodes{};

  [[nodiscard]] unsigned workers() const noexcept;
};

// `each_rank`: every rank is an agent, with one worker. `most`: options::workers; 0: as many as there are cores.
[[nodiscard]] node_plan plan_nodes(const std::vector<host_facts>& ranks, bool each_rank, unsigned most);

// "2 nodes, 128 workers", and a line for the first machine whose ranks may use less of it than they were given.
[[nodiscard]] std::string describe_nodes(const node_plan& plan, std::size_t ranks, bool warns);
// "1, 3-7".
[[nodiscard]] std::string describe_ranks(const std::vector<int>& sorted);

// Lets the calling thread, and what it starts, run on these cores, until it is destroyed.
class wider_affinity {
 public:
  explicit wider_affinity(const std::vector<unsigned long>& mask);
  wider_affinity(const wider_affinity&) = delete;
  wider_affinity& operator=(const wider_affinity&) = delete;
  ~wider_affinity();

 private:
  std::vector<unsigned long> before_;
};

// Why a single rank was started where several were wanted; empty if nothing says so.
[[nodiscard]] PARMAP_API std::string wrong_launcher();

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/cluster/node_plan.inl.hpp>
#endif
