// SPDX-License-Identifier: MIT
// mpi_link: messages between the ranks of an MPI communicator.
#pragma once

#include <parmap/detail/cluster/rank_link.hpp>
#include <parmap/detail/config.hpp>

// Only the C functions are used.
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#ifndef MPICH_SKIP_MPICXX
#define MPICH_SKIP_MPICXX 1
#endif
#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <list>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Throws std::runtime_error if an MPI function has failed. (Where the communicator's errors are fatal, as is MPI's
// default, the job has ended before.)
inline void check_mpi(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING + 1> text{};
  int size = 0;
  MPI_Error_string(code, text.data(), &size);
  throw std::runtime_error("parmap: " + std::string(what) + " failed: " + text.data());
}

// The communicator is parmap's own, so that its messages never meet those of the program. A message of more than
// part_bytes is sent in parts, as counts are of type int: first its size, then its parts.
class mpi_link final : public rank_link {
 public:
  explicit mpi_link(MPI_Comm comm) : comm_(comm) {
    check_mpi(MPI_Comm_rank(comm, &rank_), "MPI_Comm_rank");
    check_mpi(MPI_Comm_size(comm, &size_), "MPI_Comm_size");
    if (const char* const text = std::getenv("PARMAP_MPI_PART_FOR_TESTS"); text != nullptr)
      part_bytes_ = std::max<std::size_t>(std::strtoul(text, nullptr, 10), sizeof(std::uint64_t));
  }

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return size_; }

  void send(int to, message_bytes bytes) override {
    sending& it = sending_.emplace_back(to, std::move(bytes));
    if (it.bytes.size() <= part_bytes_) return start(it, 0, it.bytes.size(), whole);
    it.size = it.bytes.size();
    it.requests.emplace_back();
    check_mpi(MPI_Isend(&it.size, sizeof it.size, MPI_BYTE, to, size_first, comm_, &it.requests.back()), "MPI_Isend");
    for (std::size_t from = 0; from < it.bytes.size(); from += part_bytes_)
      start(it, from, std::min(part_bytes_, it.bytes.size() - from), part);
  }

  [[nodiscard]] std::optional<rank_message> receive() override {
    if (!sending_.empty()) advance();
    for (;;) {
      int found = 0;
      MPI_Message handle = MPI_MESSAGE_NULL;
      MPI_Status status;
      check_mpi(MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm_, &found, &handle, &status), "MPI_Improbe");
      if (found == 0) return std::nullopt;
      int count = 0;
      check_mpi(MPI_Get_count(&status, MPI_BYTE, &count), "MPI_Get_count");
      const auto bytes = static_cast<std::size_t>(count);
      if (status.MPI_TAG == size_first) {
        std::uint64_t size = 0;
        check_mpi(MPI_Mrecv(&size, count, MPI_BYTE, &handle, MPI_STATUS_IGNORE), "MPI_Mrecv");
        arriving& it = arriving_[status.MPI_SOURCE];
        it.bytes.resize(size);
        it.got = 0;
      } else if (status.MPI_TAG == part) {
        arriving& it = arriving_.at(status.MPI_SOURCE);
        check_mpi(MPI_Mrecv(it.bytes.data() + it.got, count, MPI_BYTE, &handle, MPI_STATUS_IGNORE), "MPI_Mrecv");
        it.got += bytes;
        if (it.got < it.bytes.size()) continue;
        rank_message whole_one{status.MPI_SOURCE, std::move(it.bytes)};
        arriving_.erase(status.MPI_SOURCE);
        return whole_one;
      } else {
        rank_message one{status.MPI_SOURCE, message_bytes(bytes)};
        check_mpi(MPI_Mrecv(one.bytes.data(), count, MPI_BYTE, &handle, MPI_STATUS_IGNORE), "MPI_Mrecv");
        return one;
      }
    }
  }

  [[nodiscard]] std::size_t unsent(int to) override {
    advance();
    return static_cast<std::size_t>(
        std::count_if(sending_.begin(), sending_.end(), [to](const sending& it) { return it.to == to; }));
  }
  [[nodiscard]] std::size_t unsent() override {
    advance();
    return sending_.size();
  }

 private:
  enum tag : int { whole, size_first, part };

  struct sending {
    sending(int receiver, message_bytes what) : to(receiver), bytes(std::move(what)) {}

    int to;
    message_bytes bytes;
    std::uint64_t size{};
    std::list<MPI_Request> requests;
  };
  struct arriving {
    message_bytes bytes;
    std::size_t got{};
  };

  void start(sending& it, std::size_t from, std::size_t count, tag as) {
    it.requests.emplace_back();
    check_mpi(
        MPI_Isend(it.bytes.data() + from, static_cast<int>(count), MPI_BYTE, it.to, as, comm_, &it.requests.back()),
        "MPI_Isend");
  }
  // Drops what has been handed over.
  void advance() {
    for (auto it = sending_.begin(); it != sending_.end();) {
      while (!it->requests.empty()) {
        int done = 0;
        check_mpi(MPI_Test(&it->requests.front(), &done, MPI_STATUS_IGNORE), "MPI_Test");
        if (done == 0) break;
        it->requests.pop_front();
      }
      if (it->requests.empty()) it = sending_.erase(it);
      else ++it;
    }
  }

  MPI_Comm comm_;
  int rank_{};
  int size_{};
  std::size_t part_bytes_{std::size_t{1} << 30};
  std::list<sending> sending_;
  std::map<int, arriving> arriving_;  // by rank
};

}  // namespace parmap::inline PARMAP_ABI::detail
