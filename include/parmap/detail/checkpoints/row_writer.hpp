// SPDX-License-Identifier: MIT
// row_writer: the thread that writes outcomes into a database, so that neither a task nor a supervisor waits for a
// disk.
#pragma once

#include <parmap/detail/checkpoints/database.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/stores/store_run.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
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

  // `insert`: its places are those of stored_outcome in order, see write(). `beat`: run in each transaction, and once a
  // second when nothing is to be written.
  row_writer(database& to, std::string insert, std::string beat);
  // Writes what waits.
  ~row_writer();

  void put(stored_outcome&& it) noexcept;
  void give_up(const char* why) noexcept;
  [[nodiscard]] std::stop_token stop() const noexcept { return stop_.get_token(); }
  // Waits until everything is written, and ends the thread. Throws store_failed if something could not be written.
  void finish();

 private:
  void serve() noexcept;
  void write(const std::vector<stored_outcome>& rows);
  void end() noexcept;

  database& to_;
  std::string insert_;
  std::string beat_;
  std::mutex mutex_;
  std::condition_variable news_;  // rows wait, or the end
  std::condition_variable room_;
  std::vector<stored_outcome> waiting_;
  std::size_t bytes_{};  // of those that wait
  bool over_{};
  std::string failed_;  // why nothing more is written
  std::stop_source stop_;
  std::thread thread_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#include <parmap/detail/checkpoints/row_writer.inl.hpp>
