// SPDX-License-Identifier: MIT
// checkpoint_schema: the tables of a checkpoint, as docs/internals/checkpoint-format.md describes them.
#pragma once

#include <parmap/detail/checkpoints/database.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/stores/store_run.hpp>
#include <parmap/store.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// The parts in a row, as one text.
template <class... Part>
std::string sql(const Part&... part) {
  std::string all;
  ((all += part), ...);
  return all;
}

// One axis of a version, a row of the table `axis`.
struct axis_entry {
  std::int64_t number{};  // from 1
  std::size_t place{};    // in the call
  std::vector<std::string> names{};
  bool hashed{};  // in blocks, as it has many elements
};

struct checkpoint_schema {
  static constexpr std::int64_t application = 0x7061'726d;  // "parm": SQLite's application_id
  static constexpr std::int64_t format = 1;                 // user_version
  static constexpr std::uint64_t most_listed = 100'000;     // elements; an axis of more is hashed

  // Makes the tables that every file has, if it has none; says whether it did. Throws store_failed if it is another
  // program's file, or one of a later parmap.
  static bool prepare(database& in);
  // The number of the version of this name; makes its tables if there is none, for these axes in this order.
  static std::int64_t version(database& in, const std::string& name, const sweep& what);
  // Those of a version, by number.
  static std::vector<axis_entry> axes(database& in, std::int64_t version);
  // Makes the tables of a further axis. Combinations that are there already have its first element.
  static axis_entry add_axis(database& in, std::int64_t version, std::size_t place, const sweep_axis& what);
  // The places of the axes in this call.
  static void set_places(database& in, std::int64_t version, const std::vector<axis_entry>& axes);
  // Makes the view `results`, if the version is the one that was made last.
  static void make_view(database& in, std::int64_t version);

  // Names of tables and columns of a version.
  static std::string axis(std::int64_t version, std::int64_t number) {
    return sql(named("axis", version), "_", std::to_string(number));
  }
  static std::string extents(std::int64_t version) { return named("extent", version); }
  static std::string results(std::int64_t version) { return named("result", version); }
  // In double quotes, as SQL takes any name.
  static std::string quoted(const std::string& name);
  // As a JSON list.
  static std::string json(const std::vector<std::string>& names);

 private:
  static std::string named(const char* what, std::int64_t version) { return sql(what, "_", std::to_string(version)); }
  static std::string view(database& in, std::int64_t version);
};

}  // namespace parmap::inline PARMAP_ABI::detail

#include <parmap/detail/checkpoints/checkpoint_schema.inl.hpp>
