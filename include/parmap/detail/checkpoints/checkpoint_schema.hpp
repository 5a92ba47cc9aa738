// SPDX-License-Identifier: MIT
// checkpoint_schema: the tables of a checkpoint, as docs/internals/checkpoint-format.md describes them.
#pragma once

#include <parmap/detail/checkpoints/database.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/store.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

// The parts in a row, as one text.
template <class... Part>
std::string sql(const Part&... part) {
  std::string all;
  ((all += part), ...);
  return all;
}

struct checkpoint_schema {
  static constexpr std::int64_t application = 0x7061'726d;  // "parm": SQLite's application_id
  static constexpr std::int64_t format = 1;                 // user_version

  // Makes the tables that every file has, if it has none. Throws store_failed if it is another program's file, or one
  // of a later parmap.
  static void prepare(database& in);
  // The number of the version of this name; makes its tables and the view `results` if there is none.
  static std::int64_t version(database& in, const std::string& name, const sweep& what);

  // Names of tables and columns of a version.
  static std::string axis(std::int64_t version, std::size_t k) {
    return sql(named("axis", version), "_", std::to_string(k + 1));
  }
  static std::string extents(std::int64_t version) { return named("extent", version); }
  static std::string results(std::int64_t version) { return named("result", version); }
  // In double quotes, as SQL takes any name.
  static std::string quoted(const std::string& name);

 private:
  static std::string named(const char* what, std::int64_t version) { return sql(what, "_", std::to_string(version)); }
  static void make_tables(database& in, std::int64_t version, const sweep& what);
  static std::string view(std::int64_t version, const sweep& what);
};

}  // namespace parmap::inline PARMAP_ABI::detail

#include <parmap/detail/checkpoints/checkpoint_schema.inl.hpp>
