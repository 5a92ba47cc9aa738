// SPDX-License-Identifier: MIT
// row_writer: the thread that writes outcomes into a database, so that neither a task nor a supervisor waits for a
// disk.
#pragma once

#include <parmap/detail/checkpoints/database.hpp>
#include <parmap/detail/checkpoints/run_entry.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/stores/store_run.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// From its construction on only its thread touches the database.
class row_writer {
 public:
  static constexpr std::chrono::milliseconds pace{100};               // between two commits
  static constexpr std::size_t most_waiting = std::size_t{64} << 20;  // bytes; whoever adds more waits

  // `table`: of results. `done`, `failed`: tasks of the run that have ended before it.
  row_writer(database& to, run_entry& entry, const std::string& table, std::uint64_t done, std::uint64_t failed);
  // Writes what waits.
  ~row_writer();

  void put(stored_outcome&& it) noexcept;
  void give_up(const char* why) noexcept;
  [[nodiscard]] std::stop_token stop() const noexcept { return stop_.get_token(); }
  // Waits until everything is written, and ends the thread. Throws store_failed if something could not be written.
  void finish();

 private:
  void serve() noexcept;
  void write(std::vector<stored_outcome>& rows);
  void end() noexcept;

  database& to_;
  run_entry& entry_;
  std::string insert_;
  std::string erase_;
  std::uint64_t done_;  // of the thread
  std::uint64_t failed_;
  std::mutex mutex_;
  std::condition_variable news_;  // rows wait, or the end
  std::condition_variable room_;
  std::vector<stored_outcome> waiting_;
  std::size_t bytes_{};  // of those that wait
  bool hurried_{};       // half of the bytes that may wait are there
  bool over_{};
  std::string why_failed_;  // why nothing more is written
  std::stop_source stop_;
  std::thread thread_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#include <parmap/detail/checkpoints/row_writer.inl.hpp>
