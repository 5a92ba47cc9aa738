// SPDX-License-Identifier: MIT
// The bodies of row_writer.hpp.
#pragma once

#include <parmap/detail/checkpoints/row_writer.hpp>
#include <parmap/detail/system/service_thread.hpp>
#include <parmap/store.hpp>

#include <algorithm>
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

inline row_writer::row_writer(database& to, run_entry& entry, const std::string& table, std::uint64_t done,
                              std::uint64_t failed)
    : to_(to),
      entry_(entry),
      insert_("INSERT OR REPLACE INTO " + table +
              "(task, kind, attempts, run, began, seconds, worker, format, value) "
              "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"),
      erase_("UPDATE " + table + " SET format = 0, value = NULL WHERE task = ?1"),
      done_(done),
      failed_(failed) {
  thread_ = service_thread([this] { serve(); });
}

inline row_writer::~row_writer() { end(); }

inline void row_writer::put(stored_outcome&& it) noexcept {
  const std::size_t size = sizeof it + it.value.bytes.size() + it.message.size();
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return bytes_ == 0 || bytes_ + size <= most_waiting || !why_failed_.empty(); });
  if (!why_failed_.empty()) return;
  const bool first = waiting_.empty();
  try {
    waiting_.push_back(std::move(it));
    bytes_ += size;
  } catch (const std::exception& error) {
    lock.unlock();
    return give_up(error.what());
  }
  // The thread is woken twice for a commit, and not for each row.
  const bool hurries = !hurried_ && bytes_ > most_waiting / 2;
  hurried_ = hurried_ || hurries;
  lock.unlock();
  if (first || hurries) news_.notify_one();
}

inline void row_writer::give_up(const char* why) noexcept {
  {
    const std::scoped_lock lock(mutex_);
    try {
      if (why_failed_.empty()) why_failed_ = why;
    } catch (const std::exception&) {
      why_failed_ = "memory";  // short enough to need none
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
    if (!over_ && !waiting_.empty()) news_.wait_for(lock, pace, [this] { return over_ || hurried_; });
    const bool last = over_;
    rows.swap(waiting_);
    bytes_ = 0;
    hurried_ = false;
    lock.unlock();
    room_.notify_all();
    try {
      write(rows);
    } catch (const std::exception& error) {
      give_up(error.what());
    }
    rows.clear();
    lock.lock();
    if (!why_failed_.empty() || (last && waiting_.empty())) return;
  }
}

inline void row_writer::write(std::vector<stored_outcome>& rows) {
  // In the order of the table, so that neighbours go to the same page; and what a row erases comes before it.
  if (!std::ranges::is_sorted(rows, {}, &stored_outcome::number)) std::ranges::sort(rows, {}, &stored_outcome::number);
  if (to_.has_moved()) throw store_failed("parmap: " + to_.path() + ": it was moved or deleted while the map ran");
  transaction all(to_);
  statement insert = to_.prepare(insert_);
  std::optional<statement> erase;
  insert.bind(4, entry_.number());
  std::uint64_t done = done_;
  std::uint64_t failed = failed_;
  for (const stored_outcome& row : rows) {
    ++(row.kind ? failed : done);
    insert.bind(1, static_cast<std::int64_t>(row.number));
    insert.bind(2, stored_kind(row.kind));
    insert.bind(3, std::int64_t{row.attempts});
    if (row.began == stored_outcome::unknown) insert.bind_null(5);
    else
      insert.bind(
          5, std::int64_t{std::chrono::duration_cast<std::chrono::microseconds>(row.began - entry_.began()).count()});
    if (row.took) insert.bind(6, std::chrono::duration<double>(*row.took).count());
    else insert.bind_null(6);
    if (row.worker) insert.bind(7, std::int64_t{*row.worker});
    else insert.bind_null(7);
    insert.bind(8, static_cast<std::int64_t>(row.value.format));
    if (row.kind) insert.bind_text(9, row.message);
    else insert.bind(9, row.value);
    insert.run();
    if (!row.erases) continue;
    if (!erase) erase.emplace(to_.prepare(erase_));
    erase->bind(1, static_cast<std::int64_t>(*row.erases));
    erase->run();
  }
  entry_.note(done, failed);
  all.commit();
  done_ = done;
  failed_ = failed;
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
  if (!why_failed_.empty()) throw store_failed(why_failed_);
}

}  // namespace parmap::inline PARMAP_ABI::detail
