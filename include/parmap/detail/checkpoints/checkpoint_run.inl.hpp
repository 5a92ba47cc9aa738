// SPDX-License-Identifier: MIT
// The bodies of checkpoint_run.hpp: opening, comparing, reading.
#pragma once

#include <parmap/detail/checkpoints/checkpoint_run.hpp>
#include <parmap/detail/system/fresh_seed.hpp>
#include <parmap/store.hpp>

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// ---- Opening

inline checkpoint_run::checkpoint_run(const checkpoint_request& asked, const sweep& what)
    : asked_(asked),
      was_there_(::access(asked.path.c_str(), F_OK) == 0),
      exclusive_(database::is_on_network(asked.path)),
      file_(asked.path) {
  try {
    open(what);
  } catch (...) {
    if (!was_there_)
      for (const char* const end : {"", "-wal", "-shm"}) static_cast<void>(::unlink((asked_.path + end).c_str()));
    throw;
  }
}

inline void checkpoint_run::open(const sweep& what) {
  if (what.axes.size() > most_axes)
    throw std::invalid_argument("parmap: a checkpoint has at most 16 axes; take some together by parmap::zip");
  std::set<std::string> names;
  std::uint64_t tasks = 1;
  for (const sweep_axis& each : what.axes) {
    tasks *= each.size;
    for (const std::string& name : each.names)
      if (!names.insert(name).second)
        throw std::invalid_argument("parmap: " + asked_.path + " needs names that differ, but two axes are named " +
                                    name);
  }
  choose_modes();
  transaction all(file_);
  checkpoint_schema::prepare(file_);
  run_entry::take_over(file_);
  version_ = checkpoint_schema::version(file_, asked_.version, what);
  compare(what);
  place_axes(what);
  read_extents();
  add_extents();
  entry_.emplace(file_, version_, tasks);
  all.commit();
}

inline checkpoint_run::~checkpoint_run() {
  find_.reset();
  reader_.reset();
  writer_.reset();  // writes what waits
  try {
    entry_->close();
    // NOLINTNEXTLINE(bugprone-empty-catch)
  } catch (const std::exception&) {  // the next run finds that this process has ended
  }
}

// WAL with a commit that is on the disk when it returns. It needs memory that processes share, which network file
// systems have not: there one process has the file to itself.
inline void checkpoint_run::choose_modes() {
  if (exclusive_) {
    file_.execute("PRAGMA locking_mode = EXCLUSIVE");
    notes_.push_back("parmap: " + asked_.path +
                     " lies on a network file system: no other program can read it while this one runs");
  }
  file_.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA "
                "wal_autocheckpoint = 16384");
}

// ---- Comparing

inline void checkpoint_run::refuse(const std::string& words, const std::string& there, const std::string& here) const {
  throw std::invalid_argument(
      "parmap: " + asked_.path + " has the results of another sweep: " + words + " there is " + there +
      ", and here it is " + here +
      "; take another file, or begin anew in this one by the option version of parmap::checkpoint");
}

inline void checkpoint_run::compare_field(const char* name, const char* words, const stored_value& here) {
  statement find = file_.prepare("SELECT format, value FROM field WHERE version = ?1 AND name = ?2");
  find.bind(1, version_);
  find.bind_text(2, name);
  if (!find.step()) {
    if (!is_new_) refuse(words, "none", in_words(here));
    statement add = file_.prepare("INSERT INTO field VALUES(?1, ?2, ?3, ?4)");
    add.bind(1, version_);
    add.bind_text(2, name);
    add.bind(3, static_cast<std::int64_t>(here.format));
    add.bind(4, here);
    return add.run();
  }
  const stored_value there = find.value(static_cast<value_format>(find.integer(0)), 1);
  if (!(there == here)) refuse(words, in_words(there), in_words(here));
}

inline void checkpoint_run::compare(const sweep& what) {
  const std::string function = asked_.name.empty() ? what.function : asked_.name;
  if (function.empty())
    throw std::invalid_argument("parmap: " + asked_.path +
                                " needs a name for f, as a function or lambda has none that stays: "
                                "parmap::checkpoint(path, {.name = \"simulate\"})");
  const auto ask = [this](const char* condition) {
    statement row = file_.prepare(sql("SELECT value FROM field WHERE version = ?1 AND ", condition));
    row.bind(1, version_);
    return row.step() ? std::optional(std::string(row.bytes(0))) : std::nullopt;
  };
  is_new_ = !ask("name = 'function'");
  compare_field("function", "the function", stored_text_of(function));
  // Python, which does not know the type before the first value, says that it may be any.
  if (is_new_ || ask("name = 'result'") != "any")
    compare_field("result", "the type of a value", stored_text_of(what.result));
  for (std::size_t k = 0; k < what.fixed.size(); ++k) {
    const std::string number = std::to_string(k + 1);
    compare_field(sql("fixed ", number).c_str(), sql("fixed argument ", number).c_str(), what.fixed[k]);
  }
  const std::string next = std::to_string(what.fixed.size() + 1);
  statement further = file_.prepare("SELECT format, value FROM field WHERE version = ?1 AND name = ?2");
  const std::string name = "fixed " + next;
  further.bind(1, version_);
  further.bind_text(2, name);
  if (further.step())
    refuse("fixed argument " + next, in_words(further.value(static_cast<value_format>(further.integer(0)), 1)), "none");
  compare_seed(what.seed);
  if (is_new_)
    for (const std::string& each : what.unknown)
      notes_.push_back("parmap: " + asked_.path + " does not cover " + each + ": if that changes, old values stay");
}

// As text, since SQLite's numbers end at 2^63.
inline void checkpoint_run::compare_seed(const std::optional<std::uint64_t>& given) {
  if (given) {
    seed_ = *given;
  } else if (is_new_) {
    seed_ = fresh_seed();
  } else {
    statement find = file_.prepare("SELECT value FROM field WHERE version = ?1 AND name = 'seed'");
    find.bind(1, version_);
    if (!find.step()) throw store_failed("parmap: " + asked_.path + ": it is damaged: the seed is missing");
    const std::string text(find.bytes(0));
    std::from_chars(text.data(), text.data() + text.size(), seed_);
    return;
  }
  compare_field("seed", "the seed", stored_text_of(std::to_string(seed_)));
}

// ---- Reading

inline stored_outcome checkpoint_run::outcome_of(const statement& row, bool values) const {
  stored_outcome it{.number = static_cast<std::uint64_t>(row.integer(0))};
  if (const std::int64_t kind = row.integer(1); kind != 0) it.kind = static_cast<failure_kind>(kind - 1);
  it.attempts = static_cast<unsigned>(row.integer(2));
  it.took = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(row.real(3)));
  it.worker = static_cast<unsigned>(row.integer(4));
  if (it.kind) it.message = row.bytes(6);
  else if (values) it.value = row.value(static_cast<value_format>(row.integer(5)), 6);
  return it;
}

inline void checkpoint_run::read(bool values,
                                 const std::function<void(std::uint64_t index, stored_outcome&& it)>& visit) {
  const auto runs_again = [this](failure_kind kind) {
    return kind == failure_kind::stopped || !asked_.rerun ||
           std::ranges::find(*asked_.rerun, kind) != asked_.rerun->end();
  };
  const std::string select =
      sql("SELECT task, kind, attempts, seconds, worker, format, value FROM ", checkpoint_schema::results(version_));
  statement all = file_.prepare(select + " ORDER BY task");
  std::uint64_t again = 0;
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  while (all.step()) {
    const std::uint64_t index = index_of(static_cast<std::uint64_t>(all.integer(0)));
    if (index == nowhere) continue;
    stored_outcome it = outcome_of(all, values || exclusive_);
    if (it.kind && runs_again(*it.kind)) {
      ++again;
      continue;
    }
    ++(it.kind ? failed : done);
    if (exclusive_ && !values) read_.emplace(index, it);
    visit(index, std::move(it));
  }
  std::uint64_t tasks = 1;
  for (const axis_places& each : places_) tasks *= each.size();
  if (done + failed + again > 0)
    notes_.push_back("parmap: " + asked_.path + ": resumed: " + std::to_string(done + failed) + " of " +
                     std::to_string(tasks) + " stored" +
                     (again > 0 ? ", " + std::to_string(again) + " failed again to try" : std::string()));
  if (!values && !exclusive_ && done + failed > 0) {
    reader_ = std::make_unique<database>(asked_.path);
    find_.emplace(reader_->prepare(select + " WHERE task = ?1"));
  }
  writer_ = std::make_unique<row_writer>(file_, *entry_, checkpoint_schema::results(version_), done, failed);
}

inline stored_outcome checkpoint_run::find(std::uint64_t index) {
  if (exclusive_) return std::move(read_.extract(index).mapped());
  find_->bind(1, static_cast<std::int64_t>(number(index)));
  if (!find_->step())
    throw store_failed("parmap: " + asked_.path + ": it is damaged, or was changed: the result of task " +
                       std::to_string(index) + " is gone");
  stored_outcome found = outcome_of(*find_, true);
  find_->reset();
  return found;
}

}  // namespace parmap::inline PARMAP_ABI::detail
