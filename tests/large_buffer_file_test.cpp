// SPDX-License-Identifier: MIT
// The file of large buffers of the Python package (python/src): where data lies, who owns it, when its memory is
// released.
#include "../python/src/large_buffer_file.hpp"

#include "leftovers.hpp"

#include <parmap/detail/system/page_size.hpp>
#include <parmap/encoding.hpp>

#include <gtest/gtest.h>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace {

using parmap::python::fork_counter;
using parmap::python::large_buffer_file;
using parmap::python::slice;

const std::size_t page = parmap::detail::page_size();
constexpr std::size_t large = large_buffer_file::smallest + 100;

std::vector<unsigned char> filled(unsigned char with) { return std::vector<unsigned char>(large, with); }

large_buffer_file::place append(large_buffer_file& file, unsigned char with) {
  const auto bytes = filled(with);
  const auto where = file.append(bytes.data(), bytes.size());
  EXPECT_TRUE(where);
  return where.value_or(large_buffer_file::place{});
}

bool holds(const slice& bytes, unsigned char expected) {
  for (std::size_t i = 0; i < bytes.size; ++i)
    if (std::to_integer<unsigned char>(bytes.data()[i]) != expected) return false;
  return true;
}

// Appends buffers that hold 1, 2, .. `count`.
std::vector<large_buffer_file::place> append_each(large_buffer_file& file, unsigned char count) {
  std::vector<large_buffer_file::place> places;
  for (unsigned char k = 1; k <= count; ++k) places.push_back(append(file, k));
  return places;
}

// Returns whether the memory behind a slice is in use.
bool is_held(const slice& bytes) {
  unsigned char there = 0;
  EXPECT_EQ(::mincore(bytes.data(), 1, &there), 0);
  return (there & 1) != 0;
}

class large_buffer_file_test : public leftovers::none {
 protected:
  large_buffer_file_test() { fork_counter::begin(); }
};

TEST_F(large_buffer_file_test, buffers_come_back_as_they_were_written) {
  std::vector<slice> kept;
  {
    large_buffer_file file;
    std::vector<large_buffer_file::place> places;
    for (unsigned char k = 1; k <= 6; ++k) {
      if (k % 2 == 1) file.next_worker();
      places.push_back(append(file, k));
    }
    for (const auto& each : places) kept.push_back(file.map(each).value());
  }
  for (unsigned char k = 0; k < 6; ++k) EXPECT_TRUE(holds(kept[k], static_cast<unsigned char>(k + 1)));
  EXPECT_EQ(kept[0].region, kept[1].region);
  EXPECT_NE(kept[0].region, kept[2].region);
}

TEST_F(large_buffer_file_test, small_buffers_are_refused) {
  large_buffer_file file;
  const std::vector<char> bytes(large_buffer_file::smallest);
  EXPECT_FALSE(file.append(bytes.data(), bytes.size() - 1));
  EXPECT_TRUE(file.append(bytes.data(), bytes.size()));
}

TEST_F(large_buffer_file_test, what_is_taken_back_is_written_over) {
  large_buffer_file file;
  const auto before = file.used();
  const auto first = append(file, 1);
  file.rewind(before);
  const auto second = append(file, 2);
  EXPECT_EQ(first.offset, second.offset);
  EXPECT_TRUE(holds(file.map(second).value(), 2));
}

// A place that a result names is not trusted, because a task may have overwritten it.
TEST_F(large_buffer_file_test, places_where_nothing_was_written) {
  large_buffer_file file;
  file.next_worker();
  const auto first = append(file, 1);
  const auto second = append(file, 2);
  const std::uint64_t region = first.offset;
  const std::vector<large_buffer_file::place> forged{
      {first.offset + 1, first.size},  // not aligned to a page
      {first.offset, large_buffer_file::smallest - 1},
      {second.offset, second.size + 2 * page},  // beyond the end
      {second.offset + 100 * page, second.size},
      {first.offset, ~std::uint64_t{0}},
      {2 * region, large},  // of a worker that wrote nothing
      {0, large},           // before the first worker's
      {~std::uint64_t{0} / page * page, large},
      {std::uint64_t{1} << 62, large},
      {std::uint64_t{1} << 63, large},
  };
  for (const auto& each : forged) EXPECT_THROW(static_cast<void>(file.map(each)), parmap::bad_encoding) << each.offset;

  const slice kept = file.map(first).value();
  EXPECT_THROW(static_cast<void>(file.map(first)), parmap::bad_encoding) << "it is somebody's already";
  EXPECT_THROW(static_cast<void>(file.map({first.offset + page, first.size})), parmap::bad_encoding);
  EXPECT_TRUE(holds(file.map(second).value(), 2));
  EXPECT_TRUE(holds(kept, 1));
}

TEST_F(large_buffer_file_test, the_end_of_the_map_gives_back_what_nobody_holds) {
  slice first;
  slice last;
  std::size_t size = 0;
  {
    large_buffer_file file;
    const auto places = append_each(file, 9);
    first = file.map(places.front()).value();
    last = file.map(places[7]).value();
    size = last.region->size();
  }
  EXPECT_TRUE(holds(first, 1) && holds(last, 8));
  std::vector<unsigned char> there(size / page);
  ASSERT_EQ(::mincore(first.region->data(), size, there.data()), 0);
  std::size_t pages = 0;
  for (const unsigned char each : there) pages += each & 1;
  EXPECT_EQ(pages, 2 * ((large + page - 1) / page));
}

TEST_F(large_buffer_file_test, a_slice_given_back_is_gone_once_no_worker_can_read_it) {
  slice one;
  slice two;
  slice three;
  {
    large_buffer_file file;
    const auto places = append_each(file, 3);
    one = file.map(places[0]).value();
    two = file.map(places[1]).value();
    three = file.map(places[2]).value();
    one.region->discard(one.at, one.size);
    EXPECT_TRUE(is_held(one)) << "the map has not ended";
  }
  EXPECT_FALSE(is_held(one));
  {
    const fork_counter::map another;
    two.region->discard(two.at, two.size);
    EXPECT_TRUE(is_held(two)) << "workers of another map may read it";
  }
  three.region->discard(three.at, three.size);
  EXPECT_FALSE(is_held(two) || is_held(three)) << "with the next one";
}

TEST_F(large_buffer_file_test, what_somebody_else_has_inherited_stays) {
  slice one;
  slice two;
  {
    large_buffer_file file;
    const auto places = append_each(file, 2);
    one = file.map(places[0]).value();
    two = file.map(places[1]).value();
  }
  int go[2];
  ASSERT_EQ(::pipe(go), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    two.region->discard(two.at, two.size);  // the child's reference
    char byte = 0;
    ::_exit(::read(go[0], &byte, 1) == 1 && holds(one, 1) ? 0 : 1);
  }
  one.region->discard(one.at, one.size);
  EXPECT_TRUE(is_held(one));
  ASSERT_EQ(::write(go[1], "", 1), 1);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(holds(two, 2)) << "the child has given back its own only";
  ::close(go[0]);
  ::close(go[1]);
}

TEST_F(large_buffer_file_test, the_fork_of_a_worker_is_no_reason_to_keep_anything) {
  slice one;
  {
    large_buffer_file file;
    one = file.map(append(file, 1)).value();
    fork_counter::begin_worker_fork();
    const pid_t worker = ::fork();
    if (worker == 0) ::_exit(0);
    fork_counter::end_worker_fork();
    ASSERT_EQ(::waitpid(worker, nullptr, 0), worker);
  }
  one.region->discard(one.at, one.size);
  EXPECT_FALSE(is_held(one));
}

TEST_F(large_buffer_file_test, stores_are_seen_by_nobody_else) {
  slice one;
  {
    large_buffer_file file;
    one = file.map(append(file, 1)).value();
  }
  const pid_t child = ::fork();
  if (child == 0) {
    one.data()[0] = std::byte{7};
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(holds(one, 1));
}

}  // namespace
