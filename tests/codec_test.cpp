// SPDX-License-Identifier: MIT
// Which types can leave a worker process and how: each comes back unchanged, and damaged bytes never do harm.
#include <parmap/parmap.hpp>

#include "coded_types.hpp"
#include "property.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <bitset>
#include <chrono>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <filesystem>
#include <forward_list>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace coded;
using parmap::bad_encoding;
using parmap::can_leave_worker;
using parmap::decoder;
using parmap::encoder;
using parmap::detail::byte_reader;
using parmap::detail::byte_writer;
using parmap::detail::in_slot;
using namespace std::string_literals;

// An order that is not part of the type would be lost.
static_assert(!parmap::can_leave_worker<std::set<int, bool (*)(int, int)>>);
static_assert(parmap::can_leave_worker<std::set<int, std::greater<>>>);
static_assert(in_slot<int> && in_slot<bool> && in_slot<pod> && in_slot<std::complex<double>> && in_slot<std::byte>);
static_assert(in_slot<std::pair<int, double>> && in_slot<std::tuple<int, std::array<std::pair<int, int>, 2>>>);
static_assert(in_slot<std::tuple<>> && in_slot<std::monostate> && in_slot<std::chrono::nanoseconds>);
static_assert(in_slot<std::optional<int>> && in_slot<std::variant<int, double>>);
static_assert(!in_slot<std::string> && !in_slot<std::pair<int, std::string>> && !in_slot<std::vector<int>>);
static_assert(!in_slot<std::tuple<std::string>> && !in_slot<std::array<std::string, 2>>);
static_assert(!in_slot<int*> && !in_slot<std::pair<int, int*>> && !in_slot<std::array<std::string_view, 1>>);

static_assert(can_leave_worker<void> && can_leave_worker<int> && can_leave_worker<std::string>);
static_assert(can_leave_worker<image> && can_leave_worker<std::vector<image>> && can_leave_worker<tree>);
static_assert(can_leave_worker<std::map<std::string, std::vector<std::optional<image>>>>);
// These refer to memory of the worker.
static_assert(!can_leave_worker<int*> && !can_leave_worker<const char*> && !can_leave_worker<void (*)()>);
static_assert(!can_leave_worker<std::string_view> && !can_leave_worker<std::span<int>>);
static_assert(!can_leave_worker<std::span<int, 3>> && !can_leave_worker<std::reference_wrapper<int>>);
static_assert(!can_leave_worker<std::vector<int*>> && !can_leave_worker<std::optional<std::string_view>>);
static_assert(!can_leave_worker<std::variant<int, char*>> && !can_leave_worker<std::tuple<int, std::span<int>>>);
static_assert(!can_leave_worker<std::pair<int, int*>> && !can_leave_worker<std::array<int*, 2>>);
static_assert(!can_leave_worker<std::pair<const std::string_view, int>>);
static_assert(!can_leave_worker<std::map<int, std::string_view>>);
static_assert(!can_leave_worker<std::map<std::string_view, int>>);
static_assert(!can_leave_worker<std::vector<std::vector<const char*>>>);
// These have no codec.
static_assert(!can_leave_worker<std::shared_ptr<int>> && !can_leave_worker<std::vector<std::shared_ptr<int>>>);
static_assert(!can_leave_worker<std::unique_ptr<int[]>> && !can_leave_worker<std::unique_ptr<void, void (*)(void*)>>);
static_assert(!can_leave_worker<std::unique_ptr<int*>> && !can_leave_worker<std::unique_ptr<std::thread>>);
static_assert(!can_leave_worker<std::function<int()>> && !can_leave_worker<std::thread>);
static_assert(!can_leave_worker<std::exception_ptr>);
// These would be sliced.
static_assert(!can_leave_worker<labelled> && !can_leave_worker<labelled_path>);
static_assert(!can_leave_worker<std::unique_ptr<base>> && !can_leave_worker<std::unique_ptr<std::exception>>);
// These are trivially copyable, so their bytes are copied.
static_assert(in_slot<std::bitset<100>> && in_slot<std::chrono::sys_seconds> && in_slot<std::nullptr_t>);

template <class T>
void expect_round_trip(const T& value) {
  static_assert(can_leave_worker<T>);
  const auto bytes = encoded(value);
  EXPECT_TRUE(decoded<T>(bytes.data(), bytes.size()) == value);
  // The bytes can be decoded at any alignment.
  for (std::size_t shift = 1; shift < 16; ++shift) {
    std::vector<std::byte> shifted(shift);
    shifted.insert(shifted.end(), bytes.begin(), bytes.end());
    EXPECT_TRUE(decoded<T>(shifted.data() + shift, bytes.size()) == value) << shift;
  }
  // Bytes cut short at any point are refused, and not one byte beyond is read (each part has its own allocation for
  // ASan).
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto part = std::make_unique<std::byte[]>(size);
    if (size > 0) std::memcpy(part.get(), bytes.data(), size);
    EXPECT_THROW(static_cast<void>(decoded<T>(part.get(), size)), bad_encoding) << size << " of " << bytes.size();
  }
  // Other bytes are decoded or refused.
  check_property([] {
    const auto noise = *rc::gen::container<std::vector<std::uint8_t>>(rc::gen::weightedOneOf<std::uint8_t>(
        {{3, rc::gen::inRange<std::uint8_t>(0, 4)}, {1, rc::gen::arbitrary<std::uint8_t>()}}));
    byte_reader in(reinterpret_cast<const std::byte*>(noise.data()), noise.size());
    try {
      decoder from(in);
      const T any = from.get<T>();
      static_cast<void>(encoded(any));
    } catch (const bad_encoding&) {
    } catch (const std::invalid_argument&) {  // image
    } catch (const std::out_of_range&) {      // letter
    }
  });
}

TEST(codec, strings) {
  expect_round_trip(""s);
  expect_round_trip("with a \0 inside"s);
  expect_round_trip(u"wide"s);
  expect_round_trip(L"wider"s);
  expect_round_trip(u8"utf"s);
  expect_round_trip(std::filesystem::path("/tmp/a b"));
  expect_round_trip(std::vector<std::filesystem::path>{"", "x/y"});
}

TEST(codec, sequences) {
  expect_round_trip(std::vector<double>{1, 2, 3});
  expect_round_trip(std::vector<int>{});
  expect_round_trip(std::vector<pod>{{1, 2}, {3, 4}});
  expect_round_trip(std::vector<constant>{{1}, {2}, {3}});
  expect_round_trip(std::vector<bool>{true, false, true});
  expect_round_trip(std::vector<std::string>{"a", "", "ccc"});
  expect_round_trip(std::vector<std::pair<int, double>>{{1, 2.}, {3, 4.}});
  expect_round_trip(std::vector<std::vector<std::vector<int>>>{{{1}, {}}, {{2, 3}}});
  expect_round_trip(std::deque<int>{1, 2, 3});
  expect_round_trip(std::list<pod>{{1, 2}});
  expect_round_trip(std::list<std::string>{"x", "y"});
  expect_round_trip(std::forward_list<int>{1, 2, 3});
  expect_round_trip(std::forward_list<std::string>{});
  expect_round_trip(std::vector<std::byte>{std::byte{0}, std::byte{255}});
  expect_round_trip(std::vector<long double>{1, -2});
  expect_round_trip(std::deque<bool>{true, false});
  expect_round_trip(std::vector<std::vector<bool>>{{}, {true}});
  expect_round_trip(std::vector<std::complex<float>>{{1, 2}});
  expect_round_trip(std::pmr::vector<std::pmr::string>{"a", "b"});
}

TEST(codec, sets_and_maps) {
  expect_round_trip(std::set<int>{3, 1, 2});
  expect_round_trip(std::multiset<std::string>{"x", "x", "a"});
  expect_round_trip(std::map<std::string, std::vector<int>>{{"a", {1, 2}}, {"b", {}}});
  expect_round_trip(std::map<int, std::map<int, std::string>>{{1, {{2, "c"}}}});
  expect_round_trip(std::multimap<int, int>{{1, 2}, {1, 1}, {0, 3}});
  expect_round_trip(std::unordered_map<int, std::string>{{1, "q"}, {2, "r"}});
  expect_round_trip(std::unordered_set<std::string>{"x", "y"});
  expect_round_trip(std::unordered_multimap<int, int>{{1, 1}, {1, 2}});
}

TEST(codec, sums_and_products) {
  expect_round_trip(std::optional<std::string>("z"));
  expect_round_trip(std::optional<std::string>());
  expect_round_trip(std::optional<std::optional<std::string>>(std::optional<std::string>()));
  expect_round_trip(std::variant<int, std::string>("s"));
  expect_round_trip(std::variant<int, std::string>(7));
  expect_round_trip(std::variant<int, double>(2.0));
  expect_round_trip(std::variant<std::monostate, std::vector<int>, std::string>());
  expect_round_trip(std::pair<int, std::string>{1, "t"});
  expect_round_trip(std::tuple<int, std::string, double>{1, "t", 2.});
  expect_round_trip(std::tuple<std::string>{"alone"});
  expect_round_trip(std::array<std::string, 2>{"a", "b"});
  expect_round_trip(std::vector<std::optional<std::string>>{"a", std::nullopt});
  expect_round_trip(std::vector<std::array<std::pair<int, int>, 2>>{{{{1, 2}, {3, 4}}}});
  expect_round_trip(std::tuple<std::optional<std::variant<std::monostate, std::array<std::string, 1>>>, bool>{
      std::variant<std::monostate, std::array<std::string, 1>>{std::array<std::string, 1>{"deep"}}, true});
  expect_round_trip(std::array<std::string, 0>{});
}

TEST(codec, unique_pointers) {
  expect_round_trip(std::unique_ptr<int>());  // null is equal only to null
  const auto bytes = encoded(std::make_unique<std::string>("owned"));
  EXPECT_EQ(*decoded<std::unique_ptr<std::string>>(bytes.data(), bytes.size()), "owned");
  const auto constant = encoded(std::make_unique<const int>(7));
  EXPECT_EQ(*decoded<std::unique_ptr<const int>>(constant.data(), constant.size()), 7);
  std::map<int, std::unique_ptr<int>> all;
  all[3] = std::make_unique<int>(4);
  const auto inside = encoded(all);
  EXPECT_EQ(*decoded<decltype(all)>(inside.data(), inside.size()).at(3), 4);
}

TEST(codec, elements_that_write_nothing_are_counted) {
  expect_round_trip(std::vector<silent>(3));
  expect_round_trip(std::list<silent>(1));
  expect_round_trip(std::forward_list<silent>(2));
  expect_round_trip(std::set<silent>{silent{}});
  expect_round_trip(std::map<silent, silent>{{silent{}, silent{}}});
  expect_round_trip(std::vector<std::vector<silent>>(2, std::vector<silent>(2)));
}

TEST(codec, nesting_has_a_limit_on_either_side) {
  constexpr int deepest = static_cast<int>(parmap::detail::nesting::deepest) / 2;  // chain and unique_ptr alternate
  const auto bytes = encoded(chain_of(deepest));
  const chain back = decoded<chain>(bytes.data(), bytes.size());
  int links = 1;
  for (const chain* at = &back; at->next != nullptr; at = at->next.get()) ++links;
  EXPECT_EQ(links, deepest);
  EXPECT_THROW(encoded(chain_of(deepest + 1)), bad_encoding);
  // Bytes that decode would follow until the stack overflows.
  const std::vector<std::byte> endless(1 << 20, std::byte{1});
  EXPECT_THROW(static_cast<void>(decoded<chain>(endless.data(), endless.size())), bad_encoding);
  std::vector<std::byte> trees;
  for (int k = 0; k < 5000; ++k) {
    trees.push_back(std::byte{1});
    trees.resize(trees.size() + 7);
  }
  EXPECT_THROW(static_cast<void>(decoded<tree>(trees.data(), trees.size())), bad_encoding);
}

TEST(codec, plain_types) {
  expect_round_trip(true);
  expect_round_trip(-1.5);
  expect_round_trip(pod{1, 2});
  expect_round_trip(std::complex<double>(1, 2));
  expect_round_trip(std::pair<int, int>(1, 2));
  expect_round_trip(std::monostate{});
}

TEST(codec, of_the_user) {
  expect_round_trip(image(2, {1, 2, 3, 4}));
  expect_round_trip(std::vector<image>{image(1, {}), image(1, {5})});
  expect_round_trip(tree{{tree{}, tree{{tree{}}}}});
  expect_round_trip(letter{'q'});
  expect_round_trip(std::vector<letter>{{'a'}, {'b'}});
}

template <class T>
void expect_broken_count_refused() {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  std::vector<std::uint64_t> counts{most, most / 2, std::uint64_t{1} << 40, 65};
  for (int bit = 60; bit < 64; ++bit)  // times the size of an element this overflows to 0 or 1 element
    for (const std::uint64_t more : {0U, 1U}) counts.push_back((std::uint64_t{1} << bit) + more);
  for (const std::uint64_t count : counts) {
    std::vector<std::byte> bytes(8 + 64, std::byte{0});
    std::memcpy(bytes.data(), &count, sizeof count);
    // std::bad_alloc or std::length_error would mean that the count was trusted.
    EXPECT_THROW(static_cast<void>(decoded<T>(bytes.data(), bytes.size())), bad_encoding) << count;
  }
}

TEST(codec, a_broken_count_allocates_nothing) {
  expect_broken_count_refused<std::string>();
  expect_broken_count_refused<std::vector<int>>();
  expect_broken_count_refused<std::vector<bool>>();
  expect_broken_count_refused<std::vector<std::string>>();
  expect_broken_count_refused<std::deque<double>>();
  expect_broken_count_refused<std::map<int, std::string>>();
  expect_broken_count_refused<std::unordered_set<std::string>>();
}

TEST(codec, an_unknown_alternative_is_refused) {
  for (const std::uint64_t index : {std::uint64_t{2}, std::numeric_limits<std::uint64_t>::max()}) {
    std::vector<std::byte> bytes(32, std::byte{0});
    std::memcpy(bytes.data(), &index, sizeof index);
    EXPECT_THROW(static_cast<void>(decoded<std::variant<int, std::string>>(bytes.data(), bytes.size())), bad_encoding);
  }
}

TEST(codec, a_bool_is_zero_or_one) {
  const std::array<std::byte, 9> two{std::byte{2}};
  EXPECT_THROW(static_cast<void>(decoded<bool>(two.data(), 1)), bad_encoding);
  EXPECT_THROW(static_cast<void>(decoded<std::optional<std::string>>(two.data(), two.size())), bad_encoding);
  EXPECT_THROW(static_cast<void>(decoded<std::unique_ptr<int>>(two.data(), 5)), bad_encoding);
  std::array<std::byte, 9> bools{std::byte{1}};
  bools[8] = std::byte{2};
  EXPECT_THROW(static_cast<void>(decoded<std::vector<bool>>(bools.data(), bools.size())), bad_encoding);
}

TEST(codec, elements_twice_in_a_set_are_one) {
  const auto twice = encoded(std::vector<int>{1, 1, 2});
  EXPECT_EQ(decoded<std::set<int>>(twice.data(), twice.size()), (std::set<int>{1, 2}));
  const auto pairs = encoded(std::vector<std::pair<int, std::string>>{{1, "a"}, {1, "b"}});
  EXPECT_EQ((decoded<std::map<int, std::string>>(pairs.data(), pairs.size())), (std::map<int, std::string>{{1, "a"}}));
}

TEST(codec, a_full_arena_is_told) {
  const std::string text(100, 'x');
  const std::size_t needed = encoded(text).size();
  for (std::size_t room = 0; room <= needed; ++room) {
    const auto arena = std::make_unique<std::byte[]>(room);
    byte_writer bytes(arena.get(), arena.get() + room);
    encoder out(bytes);
    if (room < needed) {
      EXPECT_THROW(out.put(text), parmap::detail::arena_full) << room;
    } else {
      EXPECT_NO_THROW(out.put(text));
      EXPECT_EQ(bytes.written(), needed);
    }
  }
  static_assert(std::derived_from<parmap::detail::arena_full, std::bad_alloc>);
}

TEST(codec, brings_results_out_of_workers) {
  const std::vector<int> widths{1, 2, 3};
  const auto make = [](int w) { return image(w, std::vector<float>(static_cast<std::size_t>(2 * w), 0.5F)); };
  const auto images = parmap::map(make, widths);
  ASSERT_TRUE(images.ok()) << images.failures()[0];
  for (const int w : widths) EXPECT_EQ(images[static_cast<std::size_t>(w - 1)], make(w));
}

TEST(codec, what_cannot_be_said_is_unencodable) {
  const std::vector<int> xs{1, 2};
  const auto all = parmap::map([](int) { return unsayable(); }, xs);
  ASSERT_EQ(all.failures().size(), 2U);
  EXPECT_EQ(all.failures()[0].kind, parmap::failure_kind::unencodable);
  EXPECT_EQ(all.failures()[0].message, "encoding its result: std::runtime_error: no words");
  const auto read = parmap::map([](int) { return unreadable(); }, xs);
  ASSERT_EQ(read.failures().size(), 2U);
  EXPECT_EQ(read.failures()[1].kind, parmap::failure_kind::unencodable);
  EXPECT_EQ(read.failures()[1].message,
            "decoding its result: parmap::bad_encoding: parmap: decode asks for more bytes than encode wrote");
}

TEST(codec, decode_reads_exactly_what_encode_wrote) {
  const std::vector<int> xs{1, 2};
  const auto more = parmap::map([](int) { return greedy(); }, xs);
  ASSERT_EQ(more.failures().size(), 2U);
  EXPECT_EQ(more.failures()[0].kind, parmap::failure_kind::unencodable);
  EXPECT_EQ(more.failures()[0].message,
            "decoding its result: parmap::bad_encoding: parmap: decode asks for more bytes than encode wrote");
  const auto less = parmap::map([](int) { return modest(); }, xs);
  ASSERT_EQ(less.failures().size(), 2U);
  EXPECT_EQ(less.failures()[1].kind, parmap::failure_kind::unencodable);
  EXPECT_EQ(less.failures()[1].message,
            "decoding its result: parmap::bad_encoding: parmap: decode left 1 of encode's bytes unread");
}

TEST(codec, too_deep_a_result_costs_its_task_alone) {
  const std::vector<int> links{1, 100'000, 3};
  const auto all =
      parmap::map([](int n) { return std::make_unique<chain>(chain_of(n % 1000 + n / 1000 * 10)); }, links);
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 1U);
  EXPECT_EQ(all.failures()[0].message,
            "encoding its result: parmap::bad_encoding: parmap: the result is nested more than 1000 levels deep");
  EXPECT_EQ(all[2]->next->next->number, 0);
}

}  // namespace
