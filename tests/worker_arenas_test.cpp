// SPDX-License-Identifier: MIT
// The failure records of a stream's worker, in the two halves of its arena.
#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/worker_arenas.hpp>
#include <parmap/detail/system/page_size.hpp>
#include <parmap/detail/system/shared_memory.hpp>
#include <parmap/failure.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace {

using namespace parmap::detail;

// Records so long that those of one half, if nobody reads them, reach just to the place of the newest that was read.
TEST(worker_arenas_test, a_record_never_lies_where_the_supervisor_has_read_one) {
  const std::size_t page = page_size();
  const shared_memory memory(2 * page);
  claim_ledger book(memory.data(), {.workers = 1, .streams = true});
  const worker_arenas arenas(memory, book, page, 2 * page, 100);
  constexpr std::size_t record = 64;
  const std::string message(page / 8 - record, 'x');
  std::uint64_t seen = worker_arenas::nothing_seen;
  std::vector<std::uint64_t> read;
  const auto look = [&] {
    arenas.for_each_new_failure(0, seen, [&](const parmap::failure& why) { read.push_back(why.index); });
  };
  std::uint64_t next = 0;
  const auto publish = [&] { EXPECT_TRUE(arenas.publish(0, next++, parmap::failure_kind::threw, 1, message)); };
  publish();  // at the beginning
  look();
  publish();  // in the middle
  look();
  for (int k = 0; k < 5; ++k) publish();  // from the beginning to the middle
  look();
  EXPECT_EQ(read, (std::vector<std::uint64_t>{0, 1, 6, 5, 4, 3, 2}));
}

}  // namespace
