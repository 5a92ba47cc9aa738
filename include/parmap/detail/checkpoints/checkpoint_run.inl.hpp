// SPDX-License-Identifier: MIT
// The bodies of checkpoint_run.hpp: opening, comparing, reading.
#pragma once

#include <parmap/detail/checkpoints/checkpoint_run.hpp>
#include <parmap/detail/checkpoints/part_path.hpp>
#include <parmap/detail/system/fresh_seed.hpp>
#include <parmap/store.hpp>

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// ---- Opening

inline checkpoint_request checkpoint_run::of_part(checkpoint_request asked, const part& which) {
  asked.path = part_path(asked.path, which);
  return asked;
}

inline checkpoint_run::checkpoint_run(const checkpoint_request& asked, const sweep& what)
    : asked_(of_part(asked, what.part)),
      part_(what.part),
      was_there_(::access(asked_.path.c_str(), F_OK) == 0),
      exclusive_(database::is_on_network(asked_.path)),
      file_(asked_.path) {
  try {
    open(what);
  } catch (...) {
    std::error_code unknown;  // one that has tables may be another process's, which has made it meanwhile
    if (!was_there_ && (made_ || std::filesystem::file_size(asked_.path, unknown) == 0))
      for (const char* const end : {"", "-wal", "-shm"}) static_cast<void>(::unlink((asked_.path + end).c_str()));
    throw;
  }
}

inline void checkpoint_run::open(const sweep& what) {
  if (what.axes.size() > most_axes)
    throw std::invalid_argument("parmap: a checkpoint has at most 16 axes; take some together by parmap::zip");
  std::set<std::string> names;
  for (const sweep_axis& each : what.axes)
    for (const std::string& name : each.names)
      if (!names.insert(name).second)
        throw std::invalid_argument("parmap: " + asked_.path + " needs names that differ, but two axes are named " +
                                    name);
  choose_modes();
  transaction all(file_);
  made_ = checkpoint_schema::prepare(file_);
  run_entry::take_over(file_);
  version_ = checkpoint_schema::version(file_, asked_.version, what);
  compare(what);
  place_axes(what);
  read_extents();
  const std::uint64_t known = numbers_.end();
  add_extents();
  count_tasks();
  if (what.block > 1) keep_whole_blocks(what, is_new_ ? tasks_ : known);
  entry_.emplace(file_, version_, tasks_);
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
  // Python does not know the type before the first value; there each value says its own, when it is read.
  if (is_new_ || ask("name = 'result'") != "Python")
    compare_field("result", "the type of a value", stored_text_of(what.result));
  compare_fold(what);
  for (std::size_t k = 0; k < what.fixed.size(); ++k) {
    const std::string number = std::to_string(k + 1);
    compare_field(sql("fixed ", number).c_str(), sql("fixed argument ", number).c_str(), what.fixed[k]);
  }
  if (!is_new_) refuse_further_fields(what);
  compare_part();
  compare_seed(what.seed);
  if (is_new_)
    for (const std::string& each : what.unknown)
      notes_.push_back("parmap: " + asked_.path + " does not cover " + each + ": if that changes, old values stay");
  else if (file_.number(sql("SELECT count(*) FROM run WHERE done > 0 AND language <> 'C++' AND version = ",
                            std::to_string(version_))) > 0)
    notes_.push_back("parmap: " + asked_.path + " has values of a program in Python: whether " + function +
                     " computes the same in both languages cannot be seen");
}

inline void checkpoint_run::compare_fold(const sweep& what) {
  compare_field("kind", "the kind of call", stored_text_of(what.block > 0 ? "fold" : "map"));
  if (what.block == 0) return;
  compare_field("tasks in a block of the fold", "the number of tasks in a block of the fold",
                stored_integer_of(static_cast<std::int64_t>(what.block)));
  compare_field("identity", "the identity of the fold", what.identity);
}

// What this call has not: further fixed arguments; of Python what a function has captured, and more.
inline void checkpoint_run::refuse_further_fields(const sweep& what) {
  std::set<std::string, std::less<>> known{"function", "result", "kind", "seed", "part"};
  if (what.block > 0) known.insert({"tasks in a block of the fold", "identity"});
  for (std::size_t k = 0; k < what.fixed.size(); ++k) known.insert("fixed " + std::to_string(k + 1));
  statement further = file_.prepare(
      "SELECT name, format, value FROM field WHERE version = ?1 AND name NOT LIKE 'accepted %' ORDER BY name");
  further.bind(1, version_);
  while (further.step()) {
    const std::string name(further.bytes(0));
    if (known.contains(name)) continue;
    const bool is_fixed = name.starts_with("fixed ");
    refuse(is_fixed ? "fixed argument " + name.substr(6) : name,
           in_words(further.value(static_cast<value_format>(further.integer(1)), 2)), "none");
  }
}

// As text, since SQLite's numbers end at 2^63.
inline void checkpoint_run::compare_seed(const std::optional<std::uint64_t>& given) {
  if (given) {
    seed_ = *given;
  } else if (is_new_) {
    seed_ = part_.is_whole() ? fresh_seed() : 0;  // all parts have the same
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

inline void checkpoint_run::compare_part() {
  if (!part_.is_whole())
    return compare_field("part", "the part",
                         stored_text_of(sql(std::to_string(part_.index()), " of ", std::to_string(part_.count()))));
  statement find = file_.prepare("SELECT value FROM field WHERE version = ?1 AND name = 'part'");
  find.bind(1, version_);
  if (find.step()) refuse("the part", std::string(find.bytes(0)), "none, but all tasks");
}

// ---- Reading

inline bool checkpoint_run::runs_again(failure_kind kind) const {
  return kind == failure_kind::stopped || !asked_.rerun ||
         std::ranges::find(*asked_.rerun, kind) != asked_.rerun->end();
}

// Of a fold whose tasks share accumulators. What lies behind a task that has to run depends on it, and is taken out of
// the file; so is all of a block whose last accumulator is behind such a task, as earlier ones were erased. `there`:
// how many tasks the file has known.
inline void checkpoint_run::keep_whole_blocks(const sweep& what, std::uint64_t there) {
  std::uint64_t tasks = 1;
  for (const axis_places& each : places_) tasks *= each.size();
  bool same = there == tasks;
  for (std::uint64_t i = 0; i < tasks && same; ++i) same = number(i) == i;
  if (!same)
    refuse("the number of tasks of the fold, or the order of its axes,", std::to_string(there), std::to_string(tasks));
  struct row {
    std::int64_t task;
    bool again;
  };
  std::vector<std::int64_t> gone;
  std::vector<row> rows;  // of one block
  bool ends_erased = false;
  bool broken = false;  // a task before has to run
  std::size_t prefix = 0;
  const auto end_block = [&] {
    for (std::size_t k = ends_erased ? 0 : prefix; k < rows.size(); ++k)
      if (!rows[k].again) gone.push_back(rows[k].task);
    rows.clear();
    ends_erased = broken = false;
    prefix = 0;
  };
  statement all =
      file_.prepare(sql("SELECT task, kind, format FROM ", checkpoint_schema::results(version_), " ORDER BY task"));
  std::uint64_t block = 0;
  while (all.step()) {
    const auto task = static_cast<std::uint64_t>(all.integer(0));
    if (task / what.block != block) end_block();
    block = task / what.block;
    const std::int64_t kind = all.integer(1);
    const bool again = kind != 0 && runs_again(static_cast<failure_kind>(kind - 1));
    broken = broken || again || task != block * what.block + rows.size();
    rows.push_back({all.integer(0), again});
    if (broken) continue;
    prefix = rows.size();
    if (kind == 0) ends_erased = all.integer(2) == 0;
  }
  end_block();
  statement remove = file_.prepare(sql("DELETE FROM ", checkpoint_schema::results(version_), " WHERE task = ?1"));
  for (const std::int64_t each : gone) {
    remove.bind(1, each);
    remove.run();
  }
}

inline void checkpoint_run::count_tasks() {
  tasks_ = 1;
  for (const axis_places& each : places_) tasks_ *= each.size();
  if (part_.is_whole()) return;
  const std::uint64_t all = std::exchange(tasks_, 0);
  for (std::uint64_t i = 0; i < all; ++i) tasks_ += number(i) % part_.count() == part_.index() ? 1 : 0;
}

inline stored_outcome checkpoint_run::outcome_of(const statement& row, bool values) const {
  stored_outcome it{.number = static_cast<std::uint64_t>(row.integer(0))};
  if (const std::int64_t kind = row.integer(1); kind != 0) it.kind = static_cast<failure_kind>(kind - 1);
  it.attempts = static_cast<unsigned>(row.integer(2));
  if (!row.is_null(3))
    it.took = std::chrono::round<std::chrono::nanoseconds>(std::chrono::duration<double>(row.real(3)));
  if (!row.is_null(4)) it.worker = static_cast<unsigned>(row.integer(4));
  if (it.kind) it.message = row.bytes(6);
  else if (values) it.value = row.value(static_cast<value_format>(row.integer(5)), 6);
  return it;
}

inline void checkpoint_run::read(bool values,
                                 const std::function<void(std::uint64_t index, stored_outcome&& it)>& visit) {
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
  if (done + failed + again > 0)
    notes_.push_back("parmap: " + asked_.path + ": resumed: " + std::to_string(done + failed) + " of " +
                     std::to_string(tasks_) + " stored" +
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
