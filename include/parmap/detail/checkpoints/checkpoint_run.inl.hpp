// SPDX-License-Identifier: MIT
// The bodies of checkpoint_run.hpp.
#pragma once

#include <parmap/detail/checkpoints/checkpoint_run.hpp>
#include <parmap/detail/checkpoints/checkpoint_schema.hpp>
#include <parmap/detail/system/fresh_seed.hpp>
#include <parmap/detail/system/process_start.hpp>
#include <parmap/store.hpp>

#include <parmap/detail/encoding/checksum.hpp>

#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

inline constexpr std::uint64_t absent = std::numeric_limits<std::uint64_t>::max();

// ---- Texts

inline std::string in_words(const stored_value& it) {
  switch (it.format) {
    case value_format::nothing: return "none";
    case value_format::integer: return std::to_string(it.integer);
    case value_format::boolean: return it.integer != 0 ? "true" : "false";
    case value_format::real: {
      std::array<char, 64> digits{};
      return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), it.real).ptr};
    }
    case value_format::text: return it.bytes;
    default:
      return "bytes with the checksum " +
             std::to_string(checksum(reinterpret_cast<const std::byte*>(it.bytes.data()), it.bytes.size(), 0));
  }
}

// Equal keys are equal elements, bit for bit.
inline std::string key_of(const std::vector<stored_value>& cells, std::size_t from, std::size_t count) {
  std::string key;
  for (std::size_t c = from; c < from + count; ++c) {
    const stored_value& it = cells[c];
    const auto add = [&key](const auto& x) { key.append(reinterpret_cast<const char*>(&x), sizeof x); };
    key += static_cast<char>(it.format);
    add(it.integer);
    add(it.real);
    add(it.bytes.size());
    key += it.bytes;
  }
  return key;
}

// ---- Opening

inline checkpoint_run::checkpoint_run(const checkpoint_request& asked, const sweep& what)
    : asked_(asked),
      file_(asked.path) {
  if (what.axes.size() > most_axes)
    throw std::invalid_argument("parmap: a checkpoint has at most 16 axes; take some together by parmap::zip");
  choose_modes();
  transaction all(file_);
  checkpoint_schema::prepare(file_);
  take_over();
  version_ = checkpoint_schema::version(file_, asked_.version, what);
  compare(what);
  for (std::size_t k = 0; k < what.axes.size(); ++k) place_axis(k, what.axes[k]);
  read_extents();
  add_extents();
  begin_run(what);
  all.commit();
}

inline checkpoint_run::~checkpoint_run() {
  writer_.reset();  // writes what waits
  try {
    file_.execute("UPDATE run SET ended = strftime('%s', 'now') WHERE number = " + std::to_string(run_));
    // NOLINTNEXTLINE(bugprone-empty-catch)
  } catch (const std::exception&) {  // the next run finds that this process has ended
  }
}

// WAL with a commit that is on the disk when it returns. It needs memory that processes share, which network file
// systems have not: there one process has the file to itself.
inline void checkpoint_run::choose_modes() {
  struct statfs where{};
  if (::statfs(asked_.path.c_str(), &where) == 0) {
    constexpr std::array<std::uint64_t, 7> shared{0x6969, 0x0bd0'0bd0, 0xff53'4d42, 0xfe53'4d42,
                                                  0x517b, 0x4750'4653, 0x1983'0326};
    if (std::ranges::find(shared, static_cast<std::uint32_t>(where.f_type)) != shared.end()) {
      file_.execute("PRAGMA locking_mode = EXCLUSIVE");
      notes_.push_back("parmap: " + asked_.path +
                       " lies on a network file system: no other program can read it while this one runs");
    }
  }
  file_.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA "
                "wal_autocheckpoint = 16384");
}

inline std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

// Refuses a file that another program is writing. Who ended without saying so is no hindrance.
inline void checkpoint_run::take_over() {
  statement open =
      file_.prepare("SELECT number, host, pid, started, strftime('%s', 'now') - seen FROM run WHERE ended IS NULL");
  std::vector<std::int64_t> stale;
  while (open.step()) {
    const std::string host(open.bytes(1));
    const auto pid = static_cast<pid_t>(open.integer(2));
    const std::int64_t silent = open.integer(4);  // seconds
    constexpr std::int64_t longest_silence = 30;
    const bool lives = host == host_name() ? process_start(pid) == static_cast<std::uint64_t>(open.integer(3))
                                           : silent < longest_silence;
    if (lives)
      throw store_failed("parmap: " + asked_.path + ": process " + std::to_string(pid) + " on " + host +
                         " is using it; it last wrote " + std::to_string(silent) + " s ago");
    stale.push_back(open.integer(0));
  }
  for (const std::int64_t each : stale)
    file_.execute("UPDATE run SET ended = seen WHERE number = " + std::to_string(each));
}

// ---- Comparing

inline void checkpoint_run::compare_field(const char* name, const char* words, const stored_value& here) {
  statement find = file_.prepare("SELECT format, value FROM field WHERE version = ?1 AND name = ?2");
  find.bind(1, version_);
  find.bind_text(2, name);
  if (!find.step()) {
    statement add = file_.prepare("INSERT INTO field VALUES(?1, ?2, ?3, ?4)");
    add.bind(1, version_);
    add.bind_text(2, name);
    add.bind(3, static_cast<std::int64_t>(here.format));
    add.bind(4, here);
    return add.run();
  }
  const stored_value there = find.value(static_cast<value_format>(find.integer(0)), 1);
  if (there == here) return;
  throw std::invalid_argument(
      "parmap: " + asked_.path + " has the results of another sweep: " + words + " there is " + in_words(there) +
      ", and here it is " + in_words(here) +
      "; take another file, or begin anew in this one by the option version of parmap::checkpoint");
}

inline void checkpoint_run::compare(const sweep& what) {
  const std::string function = asked_.name.empty() ? what.function : asked_.name;
  if (function.empty())
    throw std::invalid_argument("parmap: " + asked_.path +
                                " needs a name for f, as a function or lambda has none that stays: "
                                "parmap::checkpoint(path, {.name = \"simulate\"})");
  statement any = file_.prepare("SELECT 1 FROM field WHERE version = ?1");
  any.bind(1, version_);
  const bool is_new = !any.step();
  compare_field("function", "the function", stored_text_of(function));
  compare_field("result", "the type of a value", stored_text_of(what.result));
  std::set<std::string> all_names;
  for (const sweep_axis& each : what.axes)
    for (const std::string& name : each.names)
      if (!all_names.insert(name).second)
        throw std::invalid_argument("parmap: " + asked_.path + " needs names that differ, but two axes are named " +
                                    name);
  std::string names;
  for (const sweep_axis& each : what.axes) {
    if (!names.empty()) names += " x ";
    for (std::size_t c = 0; c < each.names.size(); ++c) names += (c > 0 ? "," : "") + each.names[c];
  }
  compare_field("axes", "the axes", stored_text_of(names));
  for (std::size_t k = 0; k < what.fixed.size(); ++k)
    compare_field(("fixed " + std::to_string(k + 1)).c_str(), ("fixed argument " + std::to_string(k + 1)).c_str(),
                  what.fixed[k]);
  const auto as_text = [](std::uint64_t x) {
    return stored_text_of(std::to_string(x));
  };  // SQLite's numbers end at 2^63
  if (what.seed) {
    seed_ = *what.seed;
  } else {
    statement find = file_.prepare("SELECT value FROM field WHERE version = ?1 AND name = 'seed'");
    find.bind(1, version_);
    if (find.step()) {
      const std::string text(find.bytes(0));
      std::from_chars(text.data(), text.data() + text.size(), seed_);
    } else {
      seed_ = fresh_seed();
    }
  }
  compare_field("seed", "the seed", as_text(seed_));
  if (is_new)
    for (const std::string& each : what.unknown)
      notes_.push_back("parmap: " + asked_.path + " does not cover " + each + ": if that changes, old values stay");
}

// ---- Positions

// Elements that are equal are told apart by their order: the second one here is the second one there.
inline void checkpoint_run::place_axis(std::size_t k, const sweep_axis& axis) {
  const std::size_t columns = axis.names.size();
  const std::string table = checkpoint_schema::axis(version_, k);
  std::unordered_map<std::string, std::vector<std::uint64_t>> known;  // positions, the last one first
  std::uint64_t stored = 0;
  {
    statement all = file_.prepare("SELECT * FROM " + table + " ORDER BY position DESC");
    std::vector<stored_value> cells(columns);
    while (all.step()) {
      for (std::size_t c = 0; c < columns; ++c)
        cells[c] =
            all.value(static_cast<value_format>(all.integer(static_cast<int>(2 * c + 1))), static_cast<int>(2 * c + 2));
      const auto position = static_cast<std::uint64_t>(all.integer(0));
      known[key_of(cells, 0, columns)].push_back(position);
      stored = std::max(stored, position + 1);
    }
  }
  std::string places = "?1";
  for (std::size_t c = 0; c < 2 * columns; ++c) places += ", ?" + std::to_string(c + 2);
  statement add = file_.prepare("INSERT INTO " + table + " VALUES(" + places + ")");
  std::vector<std::uint64_t>& positions = positions_.emplace_back();
  positions.reserve(axis.size);
  cell_list own;
  for (std::uint64_t i = 0; i < axis.size; ++i) {
    own.clear();
    axis.add_cells(axis.space, i, own);
    const std::vector<stored_value>& cells = own.all();
    if (const auto found = known.find(key_of(cells, 0, columns)); found != known.end() && !found->second.empty()) {
      positions.push_back(found->second.back());
      found->second.pop_back();
      continue;
    }
    add.bind(1, static_cast<std::int64_t>(stored));
    for (std::size_t c = 0; c < columns; ++c) {
      add.bind(static_cast<int>(2 * c + 2), static_cast<std::int64_t>(cells[c].format));
      add.bind(static_cast<int>(2 * c + 3), cells[c]);
    }
    add.run();
    positions.push_back(stored++);
  }
  std::vector<std::uint64_t>& indices = indices_.emplace_back(stored, absent);
  for (std::uint64_t i = 0; i < axis.size; ++i) indices[positions[i]] = i;
}

inline void checkpoint_run::read_extents() {
  statement all = file_.prepare("SELECT * FROM " + checkpoint_schema::extents(version_) + " ORDER BY first");
  std::vector<extent> known;
  while (all.step()) {
    extent& it = known.emplace_back();
    it.first = static_cast<std::uint64_t>(all.integer(0));
    for (std::size_t k = 0; k < positions_.size(); ++k)
      it.axes.push_back({static_cast<std::uint64_t>(all.integer(static_cast<int>(2 * k + 2))),
                         static_cast<std::uint64_t>(all.integer(static_cast<int>(2 * k + 3)))});
  }
  numbers_ = task_numbers(std::move(known));
}

inline void checkpoint_run::add_extents() {
  for (const extent& each : numbers_.add(positions_)) {
    std::string values = std::to_string(each.first) + ", " + std::to_string(each.size());
    for (const position_range& range : each.axes)
      values += ", " + std::to_string(range.first) + ", " + std::to_string(range.size);
    file_.execute("INSERT INTO " + checkpoint_schema::extents(version_) + " VALUES(" + values + ")");
  }
}

inline void checkpoint_run::begin_run(const sweep& what) {
  std::uint64_t tasks = 1;
  for (const sweep_axis& each : what.axes) tasks *= each.size;
  statement add =
      file_.prepare("INSERT INTO run(version, began, seen, host, pid, started, parmap, command, tasks, stored) "
                    "VALUES(?1, strftime('%s', 'now'), strftime('%s', 'now'), ?2, ?3, ?4, ?5, ?6, ?7, "
                    "(SELECT count(*) FROM " +
                    checkpoint_schema::results(version_) + "))");
  const std::string host = host_name();
  const std::string command = command_line();
  const std::string version = PARMAP_QUOTED(PARMAP_VERSION_MAJOR) "." PARMAP_QUOTED(
      PARMAP_VERSION_MINOR) "." PARMAP_QUOTED(PARMAP_VERSION_PATCH);
  add.bind(1, version_);
  add.bind_text(2, host);
  add.bind(3, std::int64_t{::getpid()});
  add.bind(4, static_cast<std::int64_t>(process_start(::getpid()).value_or(0)));
  add.bind_text(5, version);
  add.bind_text(6, command);
  add.bind(7, static_cast<std::int64_t>(tasks));
  add.run();
  run_ = file_.number("SELECT last_insert_rowid()");
}

// ---- Using it

inline std::uint64_t checkpoint_run::number(std::uint64_t index) const noexcept {
  std::array<std::uint64_t, most_axes> at{};
  for (std::size_t k = positions_.size(); k-- > 0;) {
    at[k] = positions_[k][index % positions_[k].size()];
    index /= positions_[k].size();
  }
  return numbers_.number(std::span(at.data(), positions_.size())).value_or(absent);  // each task has one
}

inline void checkpoint_run::read(const std::function<void(std::uint64_t index, stored_outcome&& it)>& visit) {
  const auto runs_again = [this](failure_kind kind) {
    return kind == failure_kind::stopped || !asked_.rerun ||
           std::ranges::find(*asked_.rerun, kind) != asked_.rerun->end();
  };
  statement all = file_.prepare("SELECT * FROM " + checkpoint_schema::results(version_) + " ORDER BY task");
  std::array<std::uint64_t, most_axes> at{};
  const std::span here(at.data(), positions_.size());
  std::uint64_t failed = 0;
  std::uint64_t kept = 0;
  while (all.step()) {
    stored_outcome it{.number = static_cast<std::uint64_t>(all.integer(0))};
    if (!numbers_.positions(it.number, here))
      throw store_failed("parmap: " + asked_.path + ": it is damaged: a result without its task");
    std::uint64_t index = 0;
    for (std::size_t k = 0; k < here.size() && index != absent; ++k) {
      const std::uint64_t own = here[k] < indices_[k].size() ? indices_[k][here[k]] : absent;
      index = own == absent ? absent : index * positions_[k].size() + own;
    }
    if (index == absent) continue;  // of another part of the sweep
    if (const std::int64_t kind = all.integer(1); kind != 0) it.kind = static_cast<failure_kind>(kind - 1);
    if (it.kind && runs_again(*it.kind)) {
      ++failed;
      continue;
    }
    it.attempts = static_cast<unsigned>(all.integer(2));
    it.took = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(all.real(3)));
    it.worker = static_cast<unsigned>(all.integer(4));
    if (it.kind) it.message = all.bytes(6);
    else it.value = all.value(static_cast<value_format>(all.integer(5)), 6);
    ++kept;
    visit(index, std::move(it));
  }
  if (kept + failed > 0) {
    std::uint64_t tasks = 1;
    for (const auto& each : positions_) tasks *= each.size();
    notes_.push_back("parmap: " + asked_.path + ": resumed: " + std::to_string(kept) + " of " + std::to_string(tasks) +
                     " stored" + (failed > 0 ? ", " + std::to_string(failed) + " failed again to try" : std::string()));
  }
  writer_ = std::make_unique<row_writer>(
      file_, "INSERT OR REPLACE INTO " + checkpoint_schema::results(version_) + " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
      "UPDATE run SET seen = strftime('%s', 'now') WHERE number = " + std::to_string(run_));
}

inline void checkpoint_run::finish() { writer_->finish(); }

}  // namespace parmap::inline PARMAP_ABI::detail
