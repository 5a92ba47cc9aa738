// SPDX-License-Identifier: MIT
// The bodies of checkpoint_schema.hpp.
#pragma once

#include <parmap/detail/checkpoints/checkpoint_schema.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

inline std::string checkpoint_schema::quoted(const std::string& name) {
  std::string text = "\"";
  for (const char c : name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + '"';
}

inline void checkpoint_schema::prepare(database& in) {
  const std::int64_t owner = in.number("PRAGMA application_id");
  if (owner == 0 && in.number("SELECT count(*) FROM sqlite_master") == 0) {
    in.execute("PRAGMA application_id = " + std::to_string(application) +
               "; PRAGMA user_version = " + std::to_string(format));
    in.execute("CREATE TABLE version(number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);"
               "CREATE TABLE field(version INTEGER NOT NULL, name TEXT NOT NULL, format INTEGER NOT NULL, value, "
               "PRIMARY KEY(version, name));"
               "CREATE TABLE run(number INTEGER PRIMARY KEY, version INTEGER NOT NULL, began INTEGER NOT NULL, seen "
               "INTEGER NOT NULL,"
               " ended INTEGER, host TEXT NOT NULL, pid INTEGER NOT NULL, started INTEGER NOT NULL, parmap TEXT NOT "
               "NULL, command TEXT NOT NULL,"
               " tasks INTEGER NOT NULL, stored INTEGER NOT NULL)");
    return;
  }
  if (owner != application)
    throw store_failed("parmap: " + in.path() + ": it is a database, but not a checkpoint of parmap");
  if (const std::int64_t found = in.number("PRAGMA user_version"); found != format)
    throw store_failed("parmap: " + in.path() + ": it has format " + std::to_string(found) +
                       ", and this parmap knows format " + std::to_string(format));
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
  make_tables(in, number, what);
  return number;
}

inline void checkpoint_schema::make_tables(database& in, std::int64_t version, const sweep& what) {
  std::string ranges;
  for (std::size_t k = 0; k < what.axes.size(); ++k) {
    const std::string number = std::to_string(k + 1);
    ranges += sql(", start_", number, " INTEGER NOT NULL, size_", number, " INTEGER NOT NULL");
    std::string columns;
    for (std::size_t c = 1; c <= what.axes[k].names.size(); ++c)
      columns += sql(", format_", std::to_string(c), " INTEGER NOT NULL, value_", std::to_string(c));
    in.execute(sql("CREATE TABLE ", axis(version, k), "(position INTEGER PRIMARY KEY", columns, ")"));
  }
  in.execute(sql("CREATE TABLE ", extents(version), "(first INTEGER PRIMARY KEY, tasks INTEGER NOT NULL", ranges, ")"));
  // No type for the value: SQLite then keeps what it is given.
  in.execute(sql("CREATE TABLE ", results(version),
                 "(task INTEGER PRIMARY KEY, kind INTEGER NOT NULL, attempts INTEGER, seconds REAL, worker INTEGER,"
                 " format INTEGER, value)"));
  in.execute(sql("DROP VIEW IF EXISTS results; ", view(version, what)));
}

// A row for each outcome, with the inputs by name.
inline std::string checkpoint_schema::view(std::int64_t version, const sweep& what) {
  std::string names;
  std::string joined;
  std::string stride = "1";
  for (std::size_t k = what.axes.size(); k-- > 0;) {
    const std::string number = std::to_string(k + 1);
    const std::string own = sql("axis", number);
    std::string columns;
    for (std::size_t c = 0; c < what.axes[k].names.size(); ++c)
      columns += sql(own, ".value_", std::to_string(c + 1), " AS ", quoted(what.axes[k].names[c]), ", ");
    names.insert(0, columns);
    joined += sql(" JOIN ", axis(version, k), " AS ", own, " ON ", own, ".position = e.start_", number,
                  " + (r.task - e.first) / (", stride, ") % e.size_", number);
    stride += sql(" * e.size_", number);
  }
  std::string kinds = "CASE r.kind WHEN 0 THEN 'ok'";
  for (int kind = 0; kind <= static_cast<int>(failure_kind::stopped); ++kind)
    kinds += sql(" WHEN ", std::to_string(kind + 1), " THEN '", to_string(static_cast<failure_kind>(kind)), "'");
  return sql("CREATE VIEW results AS SELECT ", names, "CASE WHEN r.kind = 0 THEN r.value END AS value, ", kinds,
             " END AS _kind, CASE WHEN r.kind <> 0 THEN r.value END AS _message, r.attempts AS _attempts,"
             " r.seconds AS _seconds, r.worker AS _worker, r.task AS _task FROM ",
             results(version), " AS r JOIN ", extents(version),
             " AS e ON r.task >= e.first AND r.task < e.first + e.tasks", joined);
}

}  // namespace parmap::inline PARMAP_ABI::detail
