// SPDX-License-Identifier: MIT
// mpi_crew: what parmap keeps for each communicator that it is used with: a communicator of its own, and what its ranks
// remember.
#pragma once

#include <parmap/detail/cluster/cluster_call.hpp>
#include <parmap/detail/cluster/mpi_link.hpp>
#include <parmap/detail/cluster/nap_pacer.hpp>
#include <parmap/detail/cluster/node_plan.hpp>
#include <parmap/detail/config.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

class mpi_crew {
 public:
  mpi_crew(const mpi_crew&) = delete;
  mpi_crew& operator=(const mpi_crew&) = delete;
  ~mpi_crew() {
    if (comm_ != MPI_COMM_NULL) MPI_Comm_free(&comm_);
  }

  // That of this communicator. Made at the first call, together by all its ranks; freed with the communicator.
  static mpi_crew& of(MPI_Comm users, const std::string& site) {
    void* found = nullptr;
    int has = 0;
    check_mpi(MPI_Comm_get_attr(users, key(), static_cast<void*>(&found), &has), "MPI_Comm_get_attr");
    if (has != 0) return *static_cast<mpi_crew*>(found);
    std::unique_ptr<mpi_crew> made(new mpi_crew(users, site));
    check_mpi(MPI_Comm_set_attr(users, key(), made.get()), "MPI_Comm_set_attr");
    return *made.release();
  }

  // Of the map that failed last on this thread: whoever catches its exception may not come to show it.
  static std::string& last_error() noexcept {
    thread_local std::string text;
    return text;
  }

  [[nodiscard]] rank_link& link() noexcept { return *link_; }
  [[nodiscard]] crew_memory& memory() noexcept { return memory_; }

 private:
  mpi_crew(MPI_Comm users, const std::string& site) {
    // MPI_Comm_dup would spin until all ranks have come, and would not say for whom it waits.
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Comm_idup(users, &comm_, &request), "MPI_Comm_idup");
    const auto begun = std::chrono::steady_clock::now();
    const auto patience = patience_with_ranks();
    nap_pacer pace(std::chrono::milliseconds(10));
    int rank = 0;
    check_mpi(MPI_Comm_rank(users, &rank), "MPI_Comm_rank");
    for (bool told = rank != 0;;) {
      int done = 0;
      check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
      if (done != 0) break;
      if (!told && std::chrono::steady_clock::now() - begun > patience) {
        told = true;
        say_on_stderr("parmap: rank 0 waits in map #1 (" + site +
                      ") for a rank of its communicator that has not called this map\n");
      }
      pace.nap();
    }
    link_.emplace(comm_);
  }

  static int key() {
    static const int made = [] {
      int fresh = MPI_KEYVAL_INVALID;
      check_mpi(MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, drop, &fresh, nullptr), "MPI_Comm_create_keyval");
      return fresh;
    }();
    return made;
  }
  static int drop(MPI_Comm /*users*/, int /*key*/, void* crew, void* /*extra*/) {
    delete static_cast<mpi_crew*>(crew);
    return MPI_SUCCESS;
  }

  MPI_Comm comm_{MPI_COMM_NULL};
  std::optional<mpi_link> link_;
  crew_memory memory_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
