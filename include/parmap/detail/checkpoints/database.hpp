// SPDX-License-Identifier: MIT
// database: a SQLite database and its statements, with C++'s lifetimes and errors.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/stores/stored_value.hpp>
#include <parmap/store.hpp>

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

class statement;

// One thread at a time.
class database {
 public:
  // Makes the file if there is none. Throws store_failed, as do all functions here.
  explicit database(const std::string& path);
  // Whether the file lies, or will lie, on a file system that has no memory which processes on several hosts share.
  [[nodiscard]] static bool is_on_network(const std::string& path) noexcept;

  // Runs statements that return nothing.
  void execute(const std::string& sql);
  [[nodiscard]] statement prepare(const std::string& sql);
  // The first column of the first row as a number; 0 without a row.
  [[nodiscard]] std::int64_t number(const std::string& sql);
  // Whether the file has another name now, or none.
  [[nodiscard]] bool has_moved() const noexcept;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[noreturn]] void fail(int code) const;

 private:
  struct close {
    void operator()(sqlite3* it) const noexcept { sqlite3_close_v2(it); }
  };

  std::string path_;
  std::unique_ptr<sqlite3, close> it_;
};

class statement {
 public:
  statement(const database& of, sqlite3_stmt* it) noexcept : of_(&of), it_(it) {}

  // Values for the places ?1, ?2, ... Texts and bytes must outlive the next step.
  void bind(int place, std::int64_t x) { check(sqlite3_bind_int64(it_.get(), place, x)); }
  void bind(int place, double x) { check(sqlite3_bind_double(it_.get(), place, x)); }
  void bind_text(int place, std::string_view x);
  void bind_bytes(int place, std::string_view x);
  void bind_null(int place) { check(sqlite3_bind_null(it_.get(), place)); }
  // In SQLite's own type where there is one.
  void bind(int place, const stored_value& x);

  // True if there is a row.
  bool step();
  // Makes it ready to be run again; what is bound stays.
  void reset() { check(sqlite3_reset(it_.get())); }
  // Runs it, and makes it ready to be run again.
  void run();

  // Of the row, by column from 0.
  [[nodiscard]] std::int64_t integer(int column) const { return sqlite3_column_int64(it_.get(), column); }
  [[nodiscard]] double real(int column) const { return sqlite3_column_double(it_.get(), column); }
  [[nodiscard]] std::string_view bytes(int column) const;
  [[nodiscard]] bool is_null(int column) const { return sqlite3_column_type(it_.get(), column) == SQLITE_NULL; }
  // What bind has written. A scalar of NumPy is the number that it holds.
  [[nodiscard]] stored_value value(value_format format, int column) const;

 private:
  struct finalise {
    void operator()(sqlite3_stmt* it) const noexcept { sqlite3_finalize(it); }
  };

  void check(int code) const {
    if (code != SQLITE_OK) of_->fail(code);
  }

  const database* of_;
  std::unique_ptr<sqlite3_stmt, finalise> it_;
};

// Statements that are done or undone together. Undone unless commit() was called.
class transaction {
 public:
  explicit transaction(database& of) : of_(of) { of_.execute("BEGIN IMMEDIATE"); }
  transaction(const transaction&) = delete;
  transaction& operator=(const transaction&) = delete;
  ~transaction();
  void commit();

 private:
  database& of_;
  bool done_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail

#include <parmap/detail/checkpoints/database.inl.hpp>
