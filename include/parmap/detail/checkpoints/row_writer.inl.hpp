// SPDX-License-Identifier: MIT
// The bodies of row_writer.hpp.
#pragma once

#include <parmap/detail/checkpoints/row_writer.hpp>
#include <parmap/detail/system/signal_mask.hpp>
#include <parmap/store.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// How a kind of failure stands in a file; 0: a value.
inline std::int64_t stored_kind(const std::optional<failure_kind>& kind) noexcept {
  return kind ? static_cast<std::int64_t>(*kind) + 1 : 0;
}

inline row_writer::row_writer(database& to, std::string insert, std::string beat)
    : to_(to),
      insert_(std::move(insert)),
      beat_(std::move(beat)) {
  const signals_blocked here;  // the thread takes no signal of the program
  thread_ = std::thread([this] { serve(); });
}

inline row_writer::~row_writer() { end(); }

inline void row_writer::put(stored_outcome&& it) noexcept {
  const std::size_t size = sizeof it + it.value.bytes.size() + it.message.size();
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return bytes_ == 0 || bytes_ + size <= most_waiting || !failed_.empty(); });
  if (!failed_.empty()) return;
  try {
    waiting_.push_back(std::move(it));
    bytes_ += size;
  } catch (const std::exception& error) {
    lock.unlock();
    return give_up(error.what());
  }
  news_.notify_one();
}

inline void row_writer::give_up(const char* why) noexcept {
  {
    const std::scoped_lock lock(mutex_);
    try {
      if (failed_.empty()) failed_ = why;
    } catch (const std::exception&) {
      failed_ = "memory";  // short enough to need none
    }
  }
  room_.notify_all();
  stop_.request_stop();
}

inline void row_writer::serve() noexcept {
  std::vector<stored_outcome> rows;
  std::unique_lock lock(mutex_);
  for (;;) {
    news_.wait_for(lock, std::chrono::seconds(1), [this] { return over_ || !waiting_.empty(); });
    if (!over_ && !waiting_.empty()) news_.wait_for(lock, pace, [this] { return over_ || bytes_ > most_waiting / 2; });
    const bool last = over_;
    rows.swap(waiting_);
    bytes_ = 0;
    lock.unlock();
    room_.notify_all();
    try {
      write(rows);
    } catch (const std::exception& error) {
      give_up(error.what());
    }
    rows.clear();
    lock.lock();
    if (!failed_.empty() || (last && waiting_.empty())) return;
  }
}

inline void row_writer::write(const std::vector<stored_outcome>& rows) {
  transaction all(to_);
  statement insert = to_.prepare(insert_);
  for (const stored_outcome& row : rows) {
    insert.bind(1, static_cast<std::int64_t>(row.number));
    insert.bind(2, stored_kind(row.kind));
    insert.bind(3, std::int64_t{row.attempts});
    insert.bind(4, std::chrono::duration<double>(row.took).count());
    insert.bind(5, std::int64_t{row.worker});
    insert.bind(6, static_cast<std::int64_t>(row.value.format));
    if (row.kind) insert.bind_text(7, row.message);
    else insert.bind(7, row.value);
    insert.run();
  }
  to_.execute(beat_);
  all.commit();
}

inline void row_writer::end() noexcept {
  if (!thread_.joinable()) return;
  {
    const std::scoped_lock lock(mutex_);
    over_ = true;
  }
  news_.notify_all();
  thread_.join();
}

inline void row_writer::finish() {
  end();
  if (!failed_.empty()) throw store_failed(failed_);
}

}  // namespace parmap::inline PARMAP_ABI::detail
