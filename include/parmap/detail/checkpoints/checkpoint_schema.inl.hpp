// SPDX-License-Identifier: MIT
// The bodies of checkpoint_schema.hpp.
#pragma once

#include <parmap/detail/checkpoints/checkpoint_schema.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

inline std::string checkpoint_schema::quoted(const std::string& name) {
  std::string text = "\"";
  for (const char c : name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + '"';
}

inline std::string checkpoint_schema::json(const std::vector<std::string>& names) {
  std::string text = "[";
  for (const std::string& name : names) {
    text += text.size() > 1 ? ", \"" : "\"";
    for (const char c : name) {
      if (c == '"' || c == '\\') text += sql("\\", std::string(1, c));
      else if (static_cast<unsigned char>(c) >= 0x20) text += c;
      else {
        std::array<char, 8> escaped{};
        static_cast<void>(std::snprintf(escaped.data(), escaped.size(), "\\u%04x", static_cast<unsigned>(c)));
        text += escaped.data();
      }
    }
    text += '"';
  }
  return text + ']';
}

inline bool checkpoint_schema::prepare(database& in) {
  const std::int64_t owner = in.number("PRAGMA application_id");
  if (owner == 0 && in.number("SELECT count(*) FROM sqlite_master") == 0) {
    in.execute("PRAGMA application_id = " + std::to_string(application) +
               "; PRAGMA user_version = " + std::to_string(format));
    in.execute("CREATE TABLE version(number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);"
               "CREATE TABLE field(version INTEGER NOT NULL, name TEXT NOT NULL, format INTEGER NOT NULL, value, "
               "PRIMARY KEY(version, name));"
               "CREATE TABLE axis(version INTEGER NOT NULL, number INTEGER NOT NULL, place INTEGER NOT NULL, names "
               "TEXT NOT NULL, hashed INTEGER NOT NULL, PRIMARY KEY(version, number));"
               "CREATE TABLE run(number INTEGER PRIMARY KEY, version INTEGER NOT NULL, began REAL NOT NULL, seen "
               "INTEGER NOT NULL, ended INTEGER, host TEXT NOT NULL, pid INTEGER NOT NULL, started INTEGER NOT NULL, "
               "parmap TEXT NOT NULL, language TEXT NOT NULL, command TEXT NOT NULL, git TEXT, code TEXT, tasks "
               "INTEGER NOT NULL, stored INTEGER NOT NULL, done INTEGER NOT NULL, failed INTEGER NOT NULL);"
               "CREATE TABLE code(digest TEXT PRIMARY KEY, source TEXT);"
               "CREATE TABLE spread(version INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY(version, name))");
    return true;
  }
  if (owner != application)
    throw store_failed("parmap: " + in.path() + ": it is a database, but not a checkpoint of parmap");
  if (const std::int64_t found = in.number("PRAGMA user_version"); found != format)
    throw store_failed("parmap: " + in.path() + ": it has format " + std::to_string(found) +
                       ", and this parmap knows format " + std::to_string(format));
  return false;
}

inline std::int64_t checkpoint_schema::version(database& in, const std::string& name, const sweep& what) {
  statement find = in.prepare("SELECT number FROM version WHERE name = ?1");
  find.bind_text(1, name);
  if (find.step()) return find.integer(0);
  const std::int64_t number = 1 + in.number("SELECT max(number) FROM version");
  statement add = in.prepare("INSERT INTO version VALUES(?1, ?2)");
  add.bind(1, number);
  add.bind_text(2, name);
  add.run();
  in.execute(sql("CREATE TABLE ", extents(number), "(first INTEGER PRIMARY KEY, tasks INTEGER NOT NULL)"));
  // No type for the value: SQLite then keeps what it is given.
  in.execute(sql("CREATE TABLE ", results(number),
                 "(task INTEGER PRIMARY KEY, kind INTEGER NOT NULL, attempts INTEGER, run INTEGER, began INTEGER,"
                 " seconds REAL, worker INTEGER, format INTEGER, value)"));
  for (std::size_t k = 0; k < what.axes.size(); ++k) add_axis(in, number, k, what.axes[k]);
  make_view(in, number);
  return number;
}

inline std::vector<axis_entry> checkpoint_schema::axes(database& in, std::int64_t version) {
  std::vector<axis_entry> all;
  statement rows = in.prepare("SELECT number, place, hashed, value FROM axis, json_each(names) WHERE version = ?1 "
                              "ORDER BY number, key");
  rows.bind(1, version);
  while (rows.step()) {
    if (all.empty() || all.back().number != rows.integer(0))
      all.push_back({.number = rows.integer(0),
                     .place = static_cast<std::size_t>(rows.integer(1)),
                     .hashed = rows.integer(2) != 0});
    all.back().names.emplace_back(rows.bytes(3));
  }
  return all;
}

inline axis_entry checkpoint_schema::add_axis(database& in, std::int64_t version, std::size_t place,
                                              const sweep_axis& what) {
  axis_entry made{.number = 1 + in.number("SELECT max(number) FROM axis WHERE version = " + std::to_string(version)),
                  .place = place,
                  .names = what.names,
                  .hashed = what.size > most_listed};
  statement add = in.prepare("INSERT INTO axis VALUES(?1, ?2, ?3, ?4, ?5)");
  const std::string names = json(made.names);
  add.bind(1, version);
  add.bind(2, made.number);
  add.bind(3, static_cast<std::int64_t>(place));
  add.bind_text(4, names);
  add.bind(5, std::int64_t{made.hashed});
  add.run();
  std::string columns = "(position INTEGER PRIMARY KEY";
  if (made.hashed) columns = "(first INTEGER PRIMARY KEY, size INTEGER NOT NULL, hash INTEGER NOT NULL";
  else
    for (std::size_t c = 1; c <= made.names.size(); ++c)
      columns += sql(", format_", std::to_string(c), " INTEGER NOT NULL, value_", std::to_string(c));
  in.execute(sql("CREATE TABLE ", axis(version, made.number), columns, ")"));
  for (const auto& [column, old] : {std::pair("start_", "0"), std::pair("size_", "1")})
    in.execute(sql("ALTER TABLE ", extents(version), " ADD COLUMN ", column, std::to_string(made.number),
                   " INTEGER NOT NULL DEFAULT ", old));
  return made;
}

inline void checkpoint_schema::set_places(database& in, std::int64_t version, const std::vector<axis_entry>& axes) {
  statement set = in.prepare("UPDATE axis SET place = ?3 WHERE version = ?1 AND number = ?2 AND place <> ?3");
  for (const axis_entry& each : axes) {
    set.bind(1, version);
    set.bind(2, each.number);
    set.bind(3, static_cast<std::int64_t>(each.place));
    set.run();
  }
}

inline void checkpoint_schema::make_view(database& in, std::int64_t version) {
  if (in.number("SELECT max(number) FROM version") != version) return;
  in.execute(sql("DROP VIEW IF EXISTS results; ", view(in, version)));
}

// A row for each outcome, with the inputs by name, in the order of the call.
inline std::string checkpoint_schema::view(database& in, std::int64_t version) {
  std::vector<axis_entry> all = axes(in, version);
  std::string joined;
  std::string stride = "1";
  std::vector<std::string> columns(all.size());
  for (std::size_t k = all.size(); k-- > 0;) {
    const std::string number = std::to_string(all[k].number);
    const std::string own = sql("axis", number);
    const std::string position = sql("e.start_", number, " + (r.task - e.first) / (", stride, ") % e.size_", number);
    for (std::size_t c = 0; c < all[k].names.size(); ++c) {
      const std::string element = all[k].hashed ? position : sql(own, ".value_", std::to_string(c + 1));
      columns[k] += sql(element, " AS ", quoted(all[k].names[c]), ", ");
    }
    if (!all[k].hashed)
      joined += sql(" JOIN ", axis(version, all[k].number), " AS ", own, " ON ", own, ".position = ", position);
    stride += sql(" * e.size_", number);
  }
  std::vector<std::size_t> order(all.size());
  for (std::size_t k = 0; k < order.size(); ++k) order[k] = k;
  std::ranges::sort(order, {}, [&](std::size_t k) { return all[k].place; });
  std::string names;
  for (const std::size_t k : order) names += columns[k];
  // The fields of values that are JSON objects; Python writes these.
  std::string fields;
  statement spread = in.prepare("SELECT name FROM spread WHERE version = ?1 ORDER BY rowid");
  spread.bind(1, version);
  while (spread.step()) {
    const std::string name(spread.bytes(0));
    std::string path;
    for (const char c : sql("$.", quoted(name))) path += c == '\'' ? std::string("''") : std::string(1, c);
    fields += sql("CASE WHEN r.kind = 0 AND r.format IN (10, 11) THEN json_extract(r.value, '", path, "') END AS ",
                  quoted(name), ", ");
  }
  std::string kinds = "CASE r.kind WHEN 0 THEN 'ok'";
  for (int kind = 0; kind <= static_cast<int>(failure_kind::stopped); ++kind)
    kinds += sql(" WHEN ", std::to_string(kind + 1), " THEN '", to_string(static_cast<failure_kind>(kind)), "'");
  return sql("CREATE VIEW results AS SELECT ", names, "CASE WHEN r.kind = 0 THEN r.value END AS value, ", fields, kinds,
             " END AS _kind, CASE WHEN r.kind <> 0 THEN r.value END AS _message, r.attempts AS _attempts,"
             " r.seconds AS _seconds, r.worker AS _worker, r.task AS _task, r.run AS _run FROM ",
             results(version), " AS r JOIN ", extents(version), " AS e ON e.first = (SELECT max(first) FROM ",
             extents(version), " WHERE first <= r.task)", joined);
}

}  // namespace parmap::inline PARMAP_ABI::detail
