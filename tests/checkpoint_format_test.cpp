// SPDX-License-Identifier: MIT
// The file of a checkpoint: its tables are those of docs/internals/checkpoint-format.md, its runs say what they did,
// and what other programs write is read.
#include "engines.hpp"
#include "scratch_folder.hpp"
#include "stored_maps.hpp"

#include <parmap/checkpoint.hpp>
#include <parmap/detail/checkpoints/database.hpp>
#include <parmap/detail/checkpoints/git_commit.hpp>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace {

using parmap::detail::database;
using scratch::folder;
using stored_maps::has;
using stored_maps::kept_in;
using stored_maps::message_of;

std::string text(database& of, const std::string& query) {
  auto asked = of.prepare(query);
  return asked.step() ? std::string(asked.bytes(0)) : std::string("no row");
}
std::string columns(database& of, const std::string& table) {
  return text(of, "SELECT group_concat(name, ' ') FROM pragma_table_info('" + table + "')");
}

TEST(checkpoint_format, has_the_documented_tables) {
  const folder here;
  std::ignore = parmap::map(
      parmap::threads, [](int a, int b, double) { return a + b; },
      parmap::zip(parmap::axis("a", {1, 2}), parmap::axis("b \"2\"", {3, 4})), parmap::axis("c", {0.5}),
      kept_in(here.file()));
  database file(here.file());
  EXPECT_EQ(columns(file, "version"), "number name");
  EXPECT_EQ(columns(file, "field"), "version name format value");
  EXPECT_EQ(columns(file, "axis"), "version number place names hashed");
  EXPECT_EQ(columns(file, "run"), "number version began seen ended host pid started parmap language command git code "
                                  "tasks stored done failed");
  EXPECT_EQ(columns(file, "code"), "digest source");
  EXPECT_EQ(columns(file, "spread"), "version name");
  EXPECT_EQ(columns(file, "axis_1_1"), "position format_1 value_1 format_2 value_2");
  EXPECT_EQ(columns(file, "extent_1"), "first tasks start_1 size_1 start_2 size_2");
  EXPECT_EQ(columns(file, "result_1"), "task kind attempts run began seconds worker format value");
  EXPECT_EQ(text(file, "SELECT group_concat(names, ';') FROM axis ORDER BY number"), R"(["a", "b \"2\""];["c"])");
}

TEST(checkpoint_format, runs_say_what_they_did) {
  const folder here;
  bool mended = false;
  const auto f = [&mended](int i) {
    if (i == 2 && !mended) throw std::runtime_error("no");
    return i;
  };
  const auto sweep = [&](int n) {
    return parmap::map(parmap::threads, f, std::views::iota(0, n), kept_in(here.file()));
  };
  std::ignore = sweep(4);
  mended = true;
  std::ignore = sweep(6);
  database file(here.file());
  const auto run = [&](const char* what, int number) {
    return text(file, std::string("SELECT ") + what + " FROM run WHERE number = " + std::to_string(number));
  };
  EXPECT_EQ(run("tasks || ' ' || stored || ' ' || done || ' ' || failed", 1), "4 0 3 1");
  EXPECT_EQ(run("tasks || ' ' || stored || ' ' || done || ' ' || failed", 2), "6 4 6 0");
  EXPECT_EQ(run("language", 2), "C++");
  EXPECT_EQ(run("ended IS NOT NULL AND seen <= ended AND began < seen + 1", 2), "1");
  EXPECT_EQ(text(file, "SELECT group_concat(run, '') FROM result_1"), "112122");
  EXPECT_EQ(text(file, "SELECT count(*) FROM result_1 WHERE began >= 0 AND seconds > 0"), "6");
}

TEST(checkpoint_format, the_commit_of_git_is_read_from_files) {
  const folder here;
  const auto root = std::filesystem::path(here.file("")).parent_path();
  const auto write = [&](const char* name, const std::string& what) {
    std::filesystem::create_directories((root / name).parent_path());
    std::ofstream(root / name) << what;
  };
  const auto read = [&](const char* in) { return parmap::detail::git_commit(root / in); };
  const std::string commit(40, 'a');
  const std::string other(40, 'b');
  write("plain/.git/HEAD", commit + "\n");
  EXPECT_EQ(read("plain/sub/folder"), commit);
  write("branch/.git/HEAD", "ref: refs/heads/main\n");
  EXPECT_EQ(read("branch"), std::nullopt) << "no commit yet";
  write("branch/.git/packed-refs", "# pack-refs\n" + other + " refs/heads/main\n");
  EXPECT_EQ(read("branch"), other);
  write("branch/.git/refs/heads/main", commit + "\n");
  EXPECT_EQ(read("branch"), commit);
  write("branch/.git/worktrees/w/HEAD", "ref: refs/heads/main\n");
  write("branch/.git/worktrees/w/commondir", "../..\n");
  write("tree/.git", "gitdir: " + (root / "branch/.git/worktrees/w").string() + "\n");
  EXPECT_EQ(read("tree"), commit);
  write("odd/.git/HEAD", "what is this");
  EXPECT_EQ(read("odd"), std::nullopt);
}

TEST(checkpoint_format, what_another_language_has_written_is_read) {
  const folder here;
  const auto f = [](double x) { return 10 * x; };
  const auto sweep = [&] {
    return parmap::map(parmap::threads, f, parmap::axis("x", {1.0, 2.0, 3.0}), kept_in(here.file()));
  };
  std::ignore = sweep();
  // numpy.float64 on the axis, and as a value; the type of a value is not known before there is one.
  database(here.file())
      .execute("UPDATE field SET value = 'Python' WHERE name = 'result'; UPDATE axis_1_1 SET format_1 = 32 + 11;"
               "UPDATE result_1 SET format = 32 + 11, value = 7.5 WHERE task = 1");
  EXPECT_EQ(sweep().value(), (std::vector{10.0, 7.5, 30.0}));
  EXPECT_EQ(sweep().stored(), 3U);
  database(here.file()).execute("UPDATE result_1 SET format = 12, value = NULL WHERE task = 2");
  EXPECT_TRUE(has(message_of([&] { std::ignore = sweep(); }),
                  "the stored value of task 2 cannot be read: it is None of Python"));
}

}  // namespace
