// SPDX-License-Identifier: MIT
// The bodies of run_entry.hpp.
#pragma once

#include <parmap/detail/checkpoints/checkpoint_schema.hpp>
#include <parmap/detail/checkpoints/git_commit.hpp>
#include <parmap/detail/checkpoints/run_entry.hpp>
#include <parmap/detail/system/process_start.hpp>
#include <parmap/detail/system/this_process.hpp>
#include <parmap/store.hpp>
#include <parmap/version.hpp>

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

inline void run_entry::take_over(database& file) {
  statement open =
      file.prepare("SELECT number, host, pid, started, strftime('%s', 'now') - seen FROM run WHERE ended IS NULL");
  std::vector<std::int64_t> stale;
  while (open.step()) {
    const std::string host(open.bytes(1));
    const auto pid = static_cast<pid_t>(open.integer(2));
    const std::int64_t silent = open.integer(4);  // seconds
    constexpr std::int64_t longest_silence = 30;
    const bool lives = host == host_name() ? process_start(pid) == static_cast<std::uint64_t>(open.integer(3))
                                           : silent < longest_silence;
    if (lives)
      throw store_failed("parmap: " + file.path() + ": process " + std::to_string(pid) + " on " + host +
                         " is using it; it last wrote " + std::to_string(silent) + " s ago");
    stale.push_back(open.integer(0));
  }
  for (const std::int64_t each : stale)
    file.execute("UPDATE run SET ended = seen WHERE number = " + std::to_string(each));
}

inline run_entry::run_entry(database& file, std::int64_t version, std::uint64_t tasks)
    : file_(&file),
      began_(clock::now()) {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  statement add =
      file.prepare(sql("INSERT INTO run(version, began, seen, host, pid, started, parmap, language, command, git, "
                       "tasks, stored, done, failed) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, 'C++', ?8, ?9, ?10, "
                       "(SELECT count(*) FROM ",
                       checkpoint_schema::results(version), "), 0, 0)"));
  const std::string host = host_name();
  const std::string command = command_line();
  const std::string parmap = PARMAP_QUOTED(PARMAP_VERSION_MAJOR) "." PARMAP_QUOTED(
      PARMAP_VERSION_MINOR) "." PARMAP_QUOTED(PARMAP_VERSION_PATCH);
  const std::string git = git_commit().value_or(std::string());
  add.bind(1, version);
  add.bind(2, now.count());
  add.bind(3, static_cast<std::int64_t>(now.count()));
  add.bind_text(4, host);
  add.bind(5, std::int64_t{::getpid()});
  add.bind(6, static_cast<std::int64_t>(process_start(::getpid()).value_or(0)));
  add.bind_text(7, parmap);
  add.bind_text(8, command);
  if (git.empty()) add.bind_null(9);
  else add.bind_text(9, git);
  add.bind(10, static_cast<std::int64_t>(tasks));
  add.run();
  number_ = file.number("SELECT last_insert_rowid()");
}

inline void run_entry::note(std::uint64_t done, std::uint64_t failed) {
  file_->execute(sql("UPDATE run SET seen = strftime('%s', 'now'), done = ", std::to_string(done),
                     ", failed = ", std::to_string(failed), " WHERE number = ", std::to_string(number_)));
}

inline void run_entry::close() {
  file_->execute(sql("UPDATE run SET ended = strftime('%s', 'now') WHERE number = ", std::to_string(number_)));
}

}  // namespace parmap::inline PARMAP_ABI::detail
