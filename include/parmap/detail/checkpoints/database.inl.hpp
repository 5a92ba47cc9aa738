// SPDX-License-Identifier: MIT
// The bodies of database.hpp.
#pragma once

#include <parmap/detail/checkpoints/database.hpp>

#include <sys/stat.h>
#include <sys/statfs.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

inline database::database(const std::string& path) : path_(path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) == 0 && !S_ISREG(found.st_mode))
    throw store_failed("parmap: " + path_ + ": it is a folder or a device, and not a file");
  // Some builds of SQLite take a name that begins with "file:" for a URI.
  const std::string name = path.starts_with('/') ? path : "./" + path;
  sqlite3* opened = nullptr;
  const int code =
      sqlite3_open_v2(name.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  it_.reset(opened);
  if (code != SQLITE_OK) fail(code);
  sqlite3_extended_result_codes(opened, 1);
  sqlite3_busy_timeout(opened, 10'000);  // ms: another program may read it, or write a little
}

inline bool database::is_on_network(const std::string& path) noexcept {
  constexpr std::array<std::uint32_t, 7> types{0x6969, 0x0bd0'0bd0, 0xff53'4d42, 0xfe53'4d42,
                                               0x517b, 0x4750'4653, 0x1983'0326};  // NFS, Lustre, CIFS, SMB2, ...
  struct statfs where{};
  if (::statfs(path.c_str(), &where) != 0) {  // not there yet
    const std::size_t end = path.rfind('/');
    if (end == std::string::npos ? ::statfs(".", &where) != 0 : ::statfs(path.substr(0, end + 1).c_str(), &where) != 0)
      return false;
  }
  return std::ranges::find(types, static_cast<std::uint32_t>(where.f_type)) != types.end();
}

inline void database::fail(int code) const {
  std::string why = it_ != nullptr ? sqlite3_errmsg(it_.get()) : sqlite3_errstr(code);
  switch (code & 0xff) {
    case SQLITE_NOTADB: why = "it is not a SQLite database: another program's file, or damaged"; break;
    case SQLITE_CORRUPT: why = "it is damaged (" + why + "); sqlite3's .recover may save what it holds"; break;
    case SQLITE_FULL: why = "the disk is full"; break;
    case SQLITE_BUSY: why = "another program holds a lock on it"; break;
    case SQLITE_READONLY: why = "it cannot be written"; break;
    case SQLITE_CANTOPEN: why = "it cannot be opened; does its folder exist?"; break;
    default: break;
  }
  throw store_failed("parmap: " + path_ + ": " + why);
}

inline void database::execute(const std::string& sql) {
  const int code = sqlite3_exec(it_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

inline statement database::prepare(const std::string& sql) {
  sqlite3_stmt* made = nullptr;
  const int code = sqlite3_prepare_v2(it_.get(), sql.c_str(), static_cast<int>(sql.size()), &made, nullptr);
  if (code != SQLITE_OK) fail(code);
  return {*this, made};
}

inline std::int64_t database::number(const std::string& sql) {
  statement asked = prepare(sql);
  return asked.step() ? asked.integer(0) : 0;
}

inline bool database::has_moved() const noexcept {
  int moved = 0;
  return sqlite3_file_control(it_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0;
}

inline void statement::bind_text(int place, std::string_view x) {
  check(
      sqlite3_bind_text64(it_.get(), place, x.data() != nullptr ? x.data() : "", x.size(), SQLITE_STATIC, SQLITE_UTF8));
}
inline void statement::bind_bytes(int place, std::string_view x) {
  check(sqlite3_bind_blob64(it_.get(), place, x.data() != nullptr ? x.data() : "", x.size(), SQLITE_STATIC));
}

inline void statement::bind(int place, const stored_value& x) {
  switch (x.format) {
    case value_format::nothing:
    case value_format::none: return bind_null(place);
    case value_format::integer:
    case value_format::boolean: return bind(place, x.integer);
    case value_format::real: {
      if (!std::isnan(x.real)) return bind(place, x.real);
      // SQLite would make NULL of it; its bits are kept as bytes. They must outlive the step, so SQLite copies them.
      const auto bits = std::bit_cast<std::uint64_t>(x.real);
      return check(sqlite3_bind_blob64(it_.get(), place, &bits, sizeof bits, SQLITE_TRANSIENT));
    }
    case value_format::text:
    case value_format::json:
    case value_format::dataclass: return bind_text(place, x.bytes);
    default: return bind_bytes(place, x.bytes);
  }
}

inline bool statement::step() {
  const int code = sqlite3_step(it_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  of_->fail(code);
}

inline void statement::run() {
  step();
  reset();
}

inline std::string_view statement::bytes(int column) const {
  const auto* const from = static_cast<const char*>(sqlite3_column_blob(it_.get(), column));
  return {from, static_cast<std::size_t>(sqlite3_column_bytes(it_.get(), column))};
}

// What a scalar of NumPy holds; SQLite's type tells an integer from one above 2^63.
inline value_format format_of_numpy(unsigned place, int type) {
  constexpr unsigned floats = 9;  // bool, eight of integers, three of floats
  if (place == 0) return value_format::boolean;
  if (place >= floats) return value_format::real;
  return type == SQLITE_BLOB ? value_format::natural : value_format::integer;
}

inline stored_value statement::value(value_format format, int column) const {
  constexpr unsigned numpy = first_numpy_format;
  if (const auto number = static_cast<unsigned>(format); number >= numpy && number < numpy + 12)
    format = format_of_numpy(number - numpy, sqlite3_column_type(it_.get(), column));
  stored_value found{.format = format};
  switch (format) {
    case value_format::nothing:
    case value_format::none: break;
    case value_format::integer:
    case value_format::boolean: found.integer = integer(column); break;
    case value_format::real:
      if (sqlite3_column_type(it_.get(), column) != SQLITE_BLOB) {
        found.real = real(column);
      } else {
        std::uint64_t bits = 0;
        if (bytes(column).size() != sizeof bits) throw other_format("a number of another size");
        std::memcpy(&bits, bytes(column).data(), sizeof bits);
        found.real = std::bit_cast<double>(bits);
      }
      break;
    default: found.bytes = bytes(column); break;
  }
  return found;
}

inline transaction::~transaction() {
  if (done_) return;
  try {
    of_.execute("ROLLBACK");
    // NOLINTNEXTLINE(bugprone-empty-catch)
  } catch (const store_failed&) {  // SQLite has rolled back by itself
  }
}
inline void transaction::commit() {
  of_.execute("COMMIT");
  done_ = true;
}

}  // namespace parmap::inline PARMAP_ABI::detail
