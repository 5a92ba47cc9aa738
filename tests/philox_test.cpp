// SPDX-License-Identifier: MIT
// Philox yields the numbers of the C++ standard and of Random123 from any position of its stream.
#include <parmap/philox.hpp>

#include <gtest/gtest.h>

#include <Random123/philox.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

// Random123's C interface has function-like macros of these names.
#undef philox4x32
#undef philox4x64
#undef philox2x32
#undef philox2x64

namespace {

using parmap::philox4x32;
using parmap::philox4x64;

using philox2x64 = parmap::philox_engine<std::uint64_t, 64, 2, 10, 0xD2B74407B1CE6E93, 0x9E3779B97F4A7C15>;
using philox2x32 = parmap::philox_engine<std::uint32_t, 32, 2, 10, 0xD256D193, 0x9E3779B9>;
// philox4x32 with words of std::uint32_t instead of uint_fast32_t.
using narrow4x32 = parmap::philox_engine<std::uint32_t, 32, 4, 10, 0xCD9E8D57, 0x9E3779B9, 0xD2511F53, 0xBB67AE85>;

template <class Engine>
struct reference;
template <>
struct reference<philox4x64> : r123::Philox4x64 {};
template <>
struct reference<philox4x32> : r123::Philox4x32 {};
template <>
struct reference<narrow4x32> : r123::Philox4x32 {};
template <>
struct reference<philox2x64> : r123::Philox2x64 {};
template <>
struct reference<philox2x32> : r123::Philox2x32 {};

template <class Engine>
using counter_of = std::array<typename Engine::result_type, Engine::word_count>;

/// The first `length` numbers of Random123 from counter `start` (least significant word first).
template <class Engine>
std::vector<std::uint64_t> expected(const typename Engine::key_type& key, counter_of<Engine> start,
                                    std::size_t length) {
  typename reference<Engine>::key_type reference_key{};
  typename reference<Engine>::ctr_type counter{};
  for (std::size_t k = 0; k < key.size(); ++k)
    reference_key.v[k] = static_cast<typename reference<Engine>::key_type::value_type>(key[k]);
  for (std::size_t j = 0; j < start.size(); ++j)
    counter.v[j] = static_cast<typename reference<Engine>::ctr_type::value_type>(start[j]);
  std::vector<std::uint64_t> numbers;
  while (numbers.size() < length) {
    const auto block = reference<Engine>{}(counter, reference_key);
    for (std::size_t j = 0; j < start.size() && numbers.size() < length; ++j) numbers.push_back(block.v[j]);
    counter.incr();
  }
  return numbers;
}

template <class Engine>
std::vector<std::uint64_t> take(Engine& engine, std::size_t length) {
  std::vector<std::uint64_t> numbers;
  for (std::size_t i = 0; i < length; ++i) numbers.push_back(engine());
  return numbers;
}

/// set_counter takes the most significant word first; the tests use the opposite order.
template <class Engine>
void set_low_first(Engine& engine, const counter_of<Engine>& low_first) {
  counter_of<Engine> high_first{};
  for (std::size_t j = 0; j < low_first.size(); ++j) high_first[j] = low_first[low_first.size() - 1 - j];
  engine.set_counter(high_first);
}

template <class Engine>
class philox : public testing::Test {};
using engines = testing::Types<philox4x64, philox4x32, narrow4x32, philox2x64, philox2x32>;
TYPED_TEST_SUITE(philox, engines, );

TEST(philox_standard, ten_thousandth_number) {
  philox4x64 wide;
  philox4x32 narrow;
  wide.discard(9999);
  narrow.discard(9999);
  EXPECT_EQ(wide(), 3409172418970261260U);
  EXPECT_EQ(narrow(), 1955073260U);
}

TEST(philox_standard, ten_thousandth_number_by_steps) {
  philox4x64 wide;
  philox4x32 narrow;
  for (int i = 0; i < 9999; ++i) {
    wide();
    narrow();
  }
  EXPECT_EQ(wide(), 3409172418970261260U);
  EXPECT_EQ(narrow(), 1955073260U);
}

TEST(philox_standard, parameters) {
  static_assert(philox4x64::word_size == 64 && philox4x64::word_count == 4);
  static_assert(philox4x64::round_count == 10);
  static_assert(philox4x64::multipliers == std::array<std::uint64_t, 2>{0xCA5A826395121157, 0xD2E7470EE14C6C93});
  static_assert(philox4x64::round_consts == std::array<std::uint64_t, 2>{0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B});
  static_assert(philox4x64::default_seed == 20111115);
  static_assert(philox4x64::min() == 0 && philox4x64::max() == ~std::uint64_t{});
  static_assert(philox4x32::min() == 0 && philox4x32::max() == 0xFFFFFFFF);
  static_assert(std::is_same_v<philox4x64::result_type, std::uint64_t>);
}

TYPED_TEST(philox, is_an_engine) {
  static_assert(std::uniform_random_bit_generator<TypeParam>);
  static_assert(std::is_trivially_copyable_v<TypeParam>);
  static_assert(std::is_default_constructible_v<TypeParam>);
  using word = typename TypeParam::result_type;
  static_assert(!std::is_convertible_v<word, TypeParam>);
  static_assert(!std::is_convertible_v<typename TypeParam::key_type, TypeParam>);
  static_assert([] {  // usable in constant expressions
    TypeParam a(word{7}), b(word{7});
    a.discard(10);
    for (int i = 0; i < 10; ++i) b();
    return a == b && a() == b();
  }());
}

TYPED_TEST(philox, equals_random123_for_any_key) {
  std::mt19937_64 some(1);
  for (int round = 0; round < 200; ++round) {
    typename TypeParam::key_type key{};
    for (auto& word : key) word = static_cast<typename TypeParam::result_type>(some() & TypeParam::max());
    TypeParam engine(key);
    EXPECT_EQ(take(engine, 41), expected<TypeParam>(key, {}, 41));
  }
}

TYPED_TEST(philox, counter_carries_into_every_word) {
  using word = typename TypeParam::result_type;
  constexpr word top = TypeParam::max();
  typename TypeParam::key_type key{};
  key[0] = 42;
  for (std::size_t full = 0; full <= TypeParam::word_count; ++full) {
    counter_of<TypeParam> start{};
    for (std::size_t j = 0; j < full; ++j) start[j] = top;
    if (full > 0) start[0] = static_cast<word>(top - 1);
    TypeParam engine(key);
    engine();
    set_low_first(engine, start);
    EXPECT_EQ(take(engine, 16), expected<TypeParam>(key, start, 16)) << full << " full words";
  }
}

TYPED_TEST(philox, set_counter_drops_the_rest_of_the_block) {
  for (int used = 0; used < 6; ++used) {
    TypeParam moved(3), fresh(3);
    for (int i = 0; i < used; ++i) moved();
    moved.set_counter({});
    EXPECT_EQ(moved, fresh);
    EXPECT_EQ(moved(), fresh());
  }
}

TYPED_TEST(philox, discard_is_stepping) {
  for (unsigned before = 0; before < 6; ++before)
    for (unsigned skip = 0; skip < 40; ++skip) {
      TypeParam stepped(5), jumped(5);
      for (unsigned i = 0; i < before; ++i) EXPECT_EQ(stepped(), jumped());
      for (unsigned i = 0; i < skip; ++i) stepped();
      jumped.discard(skip);
      EXPECT_EQ(stepped, jumped) << before << " then " << skip;
      EXPECT_EQ(take(stepped, 9), take(jumped, 9)) << before << " then " << skip;
    }
}

TYPED_TEST(philox, discard_carries) {
  using word = typename TypeParam::result_type;
  counter_of<TypeParam> start{};
  for (std::size_t j = 0; j + 1 < start.size(); ++j) start[j] = TypeParam::max();
  start[0] = static_cast<word>(TypeParam::max() - 2);
  for (unsigned skip = 0; skip < 40; ++skip) {
    TypeParam stepped(5), jumped(5);
    set_low_first(stepped, start);
    set_low_first(jumped, start);
    for (unsigned i = 0; i < skip; ++i) stepped();
    jumped.discard(skip);
    EXPECT_EQ(take(stepped, 9), take(jumped, 9)) << skip;
  }
}

TYPED_TEST(philox, discards_of_any_length_add_up) {
  constexpr unsigned long long most = ~0ULL;
  TypeParam once(9), in_parts(9);
  for (int i = 0; i < 5; ++i) once.discard(most);
  for (int i = 0; i < 5; ++i) {
    in_parts.discard(most / 2);
    in_parts.discard(1);
    in_parts.discard(most / 2);
  }
  EXPECT_EQ(once, in_parts);
  EXPECT_EQ(take(once, 9), take(in_parts, 9));
  // 5 (2^64 - 1) numbers from the start: the counter is known, so Random123 gives the expected numbers.
  if constexpr (TypeParam::word_size == 64 && TypeParam::word_count == 4) {
    TypeParam far(9);
    for (int i = 0; i < 4; ++i) far.discard(most);
    far.discard(4);  // 4 * 2^64 numbers are 2^64 blocks
    EXPECT_EQ(take(far, 9), expected<TypeParam>({9}, {0, 1}, 9));
  }
}

TYPED_TEST(philox, equality_sees_key_counter_and_position) {
  TypeParam a(1), b(1), other(2);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, other);
  a();
  EXPECT_NE(a, b);
  b();
  EXPECT_EQ(a, b);
  a.discard(TypeParam::word_count);
  EXPECT_NE(a, b);
}

TYPED_TEST(philox, text_round_trip) {
  for (unsigned used = 0; used < 10; ++used) {
    TypeParam written(77), read;
    written.discard(used);
    std::stringstream text;
    text << std::hex << std::showbase << written;
    EXPECT_EQ(text.flags() & std::ios::basefield, std::ios::hex);
    text >> read;
    ASSERT_TRUE(text) << text.str();
    EXPECT_EQ(written, read);
    EXPECT_EQ(take(written, 9), take(read, 9)) << used;
  }
}

TYPED_TEST(philox, text_round_trip_after_the_counter_wrapped) {
  TypeParam written(77), read;
  counter_of<TypeParam> last;
  last.fill(TypeParam::max());
  written.set_counter(last);
  written();
  std::stringstream text;
  text << written;
  text >> read;
  EXPECT_EQ(take(written, 9), take(read, 9));
}

TEST(philox_standard, text_is_key_counter_position) {
  philox4x64 engine(std::array<std::uint64_t, 2>{7, 8});
  std::ostringstream text;
  text << engine;
  EXPECT_EQ(text.str(), "7 8 0 0 0 0 3");
  engine.set_counter({4, 3, 2, 1});
  engine();
  text.str("");
  text << engine;
  EXPECT_EQ(text.str(), "7 8 2 2 3 4 0");
  std::wstringstream wide;
  philox4x64 read;
  wide << engine;
  wide >> read;
  EXPECT_EQ(engine, read);
}

TEST(philox_standard, bad_text_sets_failbit_and_changes_nothing) {
  for (const char* text :
       {"", "1 2 3", "1 2 0 0 0 0 4", "1 x 0 0 0 0 3", "1 2 0 0 0 0", "18446744073709551616 2 0 0 0 0 3"}) {
    philox4x64 engine(123);
    std::istringstream in(text);
    in >> engine;
    EXPECT_TRUE(in.fail()) << text;
    EXPECT_EQ(engine, philox4x64(123)) << text;
  }
  philox4x32 engine(123);
  std::istringstream in("4294967296 0 0 0 0 0 3");  // fits result_type but not 32 bits
  in >> engine;
  EXPECT_TRUE(in.fail());
  EXPECT_EQ(engine, philox4x32(123));
}

TYPED_TEST(philox, seeding) {
  TypeParam fresh, used;
  used.discard(6);
  used.seed();
  EXPECT_EQ(fresh, used);
  EXPECT_EQ(fresh, TypeParam(TypeParam::default_seed));
  used.seed(12);
  EXPECT_EQ(used, TypeParam(12));
  typename TypeParam::key_type key{};
  key[0] = 12;
  EXPECT_EQ(used, TypeParam(key));
  EXPECT_NE(used, TypeParam(13));
}

TEST(philox_standard, seed_sequence_fills_the_whole_key) {
  std::seed_seq sequence{1, 2, 3};
  std::array<std::uint32_t, 4> words{};
  sequence.generate(words.begin(), words.end());
  const philox4x64 wide(sequence);
  EXPECT_EQ(wide,
            philox4x64(std::array{words[0] | std::uint64_t{words[1]} << 32, words[2] | std::uint64_t{words[3]} << 32}));
  std::array<std::uint32_t, 2> fewer{};
  sequence.generate(fewer.begin(), fewer.end());
  philox4x32 narrow;
  narrow();
  narrow.seed(sequence);
  EXPECT_EQ(narrow, philox4x32(philox4x32::key_type{fewer[0], fewer[1]}));
}

TEST(philox_standard, words_are_taken_modulo_their_width) {
  constexpr std::uint_fast32_t beyond = std::uint_fast32_t{1} << 32;
  EXPECT_EQ(philox4x32(beyond + 5), philox4x32(5));
  EXPECT_EQ(philox4x32(philox4x32::key_type{1, beyond + 2}), philox4x32(philox4x32::key_type{1, 2}));
  philox4x32 a, b;
  a.set_counter({beyond + 1, 2, 3, beyond + 4});
  b.set_counter({1, 2, 3, 4});
  EXPECT_EQ(a, b);
}

TEST(philox_standard, drives_distributions) {
  philox4x64 rng({42, 7});  // as in the header's example
  std::uniform_real_distribution<> uniform;
  double sum = 0, squares = 0;
  constexpr int count = 100000;
  for (int i = 0; i < count; ++i) {
    const double x = uniform(rng);
    ASSERT_GE(x, 0);
    ASSERT_LT(x, 1);
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / count, 0.5, 0.005);
  EXPECT_NEAR(squares / count, 1. / 3, 0.005);
  philox4x32 narrow(1);
  std::uniform_int_distribution<int> die(1, 6);
  std::array<int, 7> seen{};
  for (int i = 0; i < 6000; ++i) ++seen[static_cast<std::size_t>(die(narrow))];
  for (std::size_t face = 1; face <= 6; ++face) EXPECT_NEAR(seen[face], 1000, 150);
}

TEST(philox_standard, an_odd_width) {  // words of 24 bits: no type has this width
  using philox4x24 = parmap::philox_engine<std::uint32_t, 24, 4, 7, 0x9E8D57, 0x3779B9, 0x511F53, 0x67AE85>;
  philox4x24 stepped(1), jumped(1);
  stepped.set_counter({0, 0, 0xFFFFFF, 0xFFFFFE});
  jumped.set_counter({0, 0, 0xFFFFFF, 0xFFFFFE});
  for (int i = 0; i < 30; ++i) EXPECT_LE(stepped(), philox4x24::max());
  jumped.discard(30);
  EXPECT_EQ(stepped, jumped);
  EXPECT_EQ(stepped(), jumped());
}

}  // namespace
