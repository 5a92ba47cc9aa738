// SPDX-License-Identifier: MIT
// Structs leave a worker by their fields: which structs can, which cannot, and that each field comes back unchanged.
#include <parmap/parmap.hpp>

#include "coded_types.hpp"
#include "property.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <any>
#include <array>
#include <atomic>
#include <bitset>
#include <charconv>
#include <compare>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <deque>
#include <forward_list>
#include <functional>
#include <initializer_list>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <regex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <csignal>
#include <sys/resource.h>

namespace {

using parmap::bad_encoding;
using parmap::can_leave_worker;
using parmap::detail::by_fields;
using parmap::detail::in_slot;
using parmap::detail::obstacle;
using namespace std::string_literals;

template <class T>
constexpr obstacle in_the_way_of = decltype(parmap::detail::find_obstacle<T>())::what;

struct row {
  double mu{};
  std::string note{};
  auto operator<=>(const row&) const = default;
};
struct nested {
  row first{};
  std::vector<row> others{};
  std::optional<row> perhaps{};
  auto operator<=>(const nested&) const = default;
};
struct tree {
  int value{};
  std::vector<tree> children{};
  bool operator==(const tree&) const = default;
};
// Two structs that contain each other.
struct branch;
struct fork_of_branches {
  std::string name{};
  std::map<int, std::vector<branch>> branches{};
  bool operator==(const fork_of_branches&) const = default;
};
struct branch {
  std::optional<fork_of_branches> at_end{};
  std::uint8_t length{};
  bool operator==(const branch&) const = default;
};
struct linked {
  int number{};
  std::unique_ptr<linked> next{};
};

enum class colour : std::uint8_t { red, green };
struct nothing {
  auto operator<=>(const nothing&) const = default;
};
struct mixed {
  bool yes{};
  colour paint{colour::green};
  nothing none{};
  std::array<int, 3> numbers{1, 2, 3};
  std::array<std::string, 2> words{"a", "b"};
  std::variant<int, row> either{7};
  std::pair<int, row> both{};
  std::tuple<row, std::string> three{};
  std::map<std::string, row> by_name{};
  std::pair<int, double> plain_pair{1, 2.};
  std::forward_list<row> listed{};
  bool operator==(const mixed&) const = default;
};
struct sixteen {
  int a{1}, b{2}, c{3}, d{4}, e{5}, f{6}, g{7}, h{8}, i{9}, j{10}, k{11}, l{12}, m{13}, n{14}, o{15};
  std::string p{"16"};
  bool operator==(const sixteen&) const = default;
};
// The braces of an initialiser could be taken for those of the inner struct.
struct one_string {
  std::string text{};
  bool operator==(const one_string&) const = default;
};
struct one_aggregate {
  one_string inside{};
  bool operator==(const one_aggregate&) const = default;
};
struct one_array {
  std::array<std::string, 3> inside{};
  bool operator==(const one_array&) const = default;
};
struct array_of_aggregates {
  std::array<one_array, 2> inside{};
  bool operator==(const array_of_aggregates&) const = default;
};
struct one_vector_of_itself {
  std::vector<one_vector_of_itself> all{};
  bool operator==(const one_vector_of_itself&) const = default;
};
struct constants {
  const int number;
  const std::string text;
  const std::vector<row> rows;
  bool operator==(const constants&) const = default;
};
struct bits {
  unsigned low : 3;
  bool yes : 1;
  unsigned : 4;
  int high : 20;
  std::string text;
  bool operator==(const bits&) const = default;
};
// image has a codec and no default constructor.
struct with_a_codec {
  int number;
  coded::image picture;
  std::string text;
  bool operator==(const with_a_codec&) const = default;
};
struct by_default_only {
  coded::image picture = coded::image(1, {2});
  int number = 3;
  std::unique_ptr<int> none{};
  bool operator==(const by_default_only&) const = default;
};
struct explicit_default {
  explicit explicit_default() = default;
  int number{};
  bool operator==(const explicit_default&) const = default;
};
struct holds_explicit_default {
  std::string text{};
  explicit_default it = explicit_default();
  bool operator==(const holds_explicit_default&) const = default;
};
// Trivially copyable, but letter has a codec, which takes precedence.
struct letters {
  coded::letter first;
  std::array<coded::letter, 2> others;
  std::optional<coded::letter> last;
  bool operator==(const letters&) const = default;
};
struct all_silent {
  coded::silent a{};
  coded::silent b{};
  auto operator<=>(const all_silent&) const = default;
};
struct own_operators {
  std::string text{};
  [[maybe_unused]] static constexpr int no_field = 1;
  using value_type = int;
  [[nodiscard]] std::size_t size() const { return text.size(); }
  bool operator==(const own_operators&) const = default;
};
// Its codec is defined after parmap is included. It adds a prefix to the text.
struct coded_later {
  std::string text{};
  bool operator==(const coded_later&) const = default;
};
template <class T>
struct generic {
  T value{};
  std::vector<T> values{};
  bool operator==(const generic&) const = default;
};

}  // namespace

template <>
struct parmap::codec<coded_later> {
  static void encode(encoder& out, const coded_later& it) { out.put("by codec: " + it.text); }
  static coded_later decode(decoder& in) { return {in.get<std::string>().substr(10)}; }
};

namespace {

static_assert(by_fields<row> && can_leave_worker<row> && can_leave_worker<nested> && can_leave_worker<mixed>);
static_assert(can_leave_worker<tree> && can_leave_worker<branch> && can_leave_worker<fork_of_branches>);
static_assert(can_leave_worker<std::vector<tree>> && can_leave_worker<std::map<row, std::optional<tree>>>);
static_assert(can_leave_worker<std::unique_ptr<row>> && can_leave_worker<linked> && can_leave_worker<constants>);
static_assert(can_leave_worker<generic<row>> && can_leave_worker<generic<generic<std::string>>>);
static_assert(can_leave_worker<one_vector_of_itself> && can_leave_worker<sixteen> && can_leave_worker<bits>);
static_assert(can_leave_worker<coded::json>);  // a struct with one field, although it looks like a container
static_assert(!by_fields<coded_later> && can_leave_worker<coded_later>);

// ---- A trivially copyable struct is copied as bytes.

struct has_array {
  int numbers[3];
  char name[8];
};
struct has_unnamed_union {
  int tag;
  union {
    int number;
    double real;
  };
};
// An unnamed struct is an extension of the compilers.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
struct has_unnamed_struct {
  int tag;
  struct {
    int number;
    double real;
  };
};
#pragma GCC diagnostic pop
struct twenty {
  int a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t;
};
struct derived_number : coded::pod {
  int more;
};
static_assert(in_slot<nothing> && in_slot<has_array> && in_slot<has_unnamed_union> && in_slot<twenty>);
static_assert(in_slot<has_unnamed_struct> && in_slot<derived_number> && in_slot<coded::pod> &&
              in_slot<coded::constant> && in_slot<explicit_default>);
static_assert(in_slot<std::vector<int>::size_type> && in_slot<generic<int>> == false);
static_assert(in_slot<::rusage> && in_slot<::timespec> && in_slot<::siginfo_t> && in_slot<std::div_t>);
static_assert(!in_slot<letters> && can_leave_worker<letters>);
static_assert(can_leave_worker<std::array<coded::letter, 2>> && can_leave_worker<std::optional<coded::letter>>);

// ---- Pointers and views, also in trivially copyable structs.

struct pointer_field {
  int number;
  const char* text;
};
struct view_field {
  std::string_view name;
  int number;
};
struct owner_and_view {
  std::string text;
  std::string_view part;
};
struct reference_field {
  int& number;
  int other;
};
struct const_reference_field {
  const std::string& text;
  std::string other;
};
struct function_field {
  void (*function)(int);
};
struct pointers_field {
  const char* words[4];
};
struct iterator_field {
  std::vector<int>::iterator at;
};
struct deep_pointer {
  coded::pod numbers;
  std::array<std::optional<pointer_field>, 2> inside;
};
struct pointers_in_a_vector {
  std::vector<pointer_field> all;
};
static_assert(in_the_way_of<pointer_field> == obstacle::field_refers);
static_assert(in_the_way_of<view_field> == obstacle::field_refers);
static_assert(in_the_way_of<owner_and_view> == obstacle::field_refers);
static_assert(in_the_way_of<reference_field> == obstacle::field_refers);
static_assert(in_the_way_of<const_reference_field> == obstacle::field_refers);
static_assert(in_the_way_of<function_field> == obstacle::field_refers);
static_assert(in_the_way_of<pointers_field> == obstacle::field_refers);
static_assert(in_the_way_of<iterator_field> == obstacle::field_refers);
static_assert(in_the_way_of<deep_pointer> == obstacle::field_refers);
static_assert(in_the_way_of<pointers_in_a_vector> == obstacle::field_refers);
static_assert(in_the_way_of<std::vector<view_field>> == obstacle::field_refers);
static_assert(in_the_way_of<std::optional<view_field>> == obstacle::field_refers);
static_assert(in_the_way_of<std::tuple<int, view_field>> == obstacle::field_refers);
static_assert(in_the_way_of<std::variant<int, view_field>> == obstacle::field_refers);
static_assert(in_the_way_of<std::pair<int, view_field>> == obstacle::field_refers);
static_assert(in_the_way_of<std::array<view_field, 2>> == obstacle::field_refers);
static_assert(in_the_way_of<std::from_chars_result> == obstacle::field_refers);
static_assert(in_the_way_of<std::tm> == obstacle::field_refers);  // because of the name of its time zone
static_assert(!can_leave_worker<view_field> && !in_slot<view_field> && !in_slot<pointer_field>);

// ---- Types of the standard library that refer to memory.

static_assert(in_the_way_of<std::initializer_list<int>> == obstacle::refers);
static_assert(in_the_way_of<std::vector<int>::const_iterator> == obstacle::refers);
static_assert(in_the_way_of<std::string::iterator> == obstacle::refers);
static_assert(in_the_way_of<std::map<int, int>::iterator> == obstacle::refers);
static_assert(in_the_way_of<std::list<int>::iterator> == obstacle::refers);
static_assert(in_the_way_of<std::deque<int>::const_iterator> == obstacle::refers);
static_assert(in_the_way_of<std::reverse_iterator<int*>> == obstacle::refers);
static_assert(in_the_way_of<std::vector<bool>::reference> == obstacle::refers);
static_assert(in_the_way_of<std::bitset<8>::reference> == obstacle::refers);
static_assert(in_the_way_of<std::ranges::subrange<std::vector<int>::iterator>> == obstacle::refers);
static_assert(in_the_way_of<std::ranges::ref_view<std::vector<int>>> == obstacle::refers);
static_assert(in_the_way_of<std::coroutine_handle<>> == obstacle::refers);
static_assert(in_the_way_of<std::sub_match<const char*>> == obstacle::refers);
static_assert(in_the_way_of<std::cmatch> == obstacle::refers);
static_assert(in_the_way_of<std::atomic_ref<int>> == obstacle::refers);
static_assert(in_the_way_of<std::thread::id> == obstacle::refers);
static_assert(in_the_way_of<std::tuple<int&, int>> == obstacle::refers);
static_assert(in_the_way_of<std::pair<const int&, int>> == obstacle::refers);
static_assert(in_the_way_of<std::vector<std::list<int>::iterator>> == obstacle::refers);
static_assert(in_the_way_of<std::optional<std::initializer_list<int>>> == obstacle::refers);
static_assert(in_the_way_of<int (*)[3]> == obstacle::refers);
// These types hold their values.
static_assert(in_slot<std::ranges::iota_view<int, int>> && in_slot<std::ranges::single_view<int>>);
static_assert(in_slot<std::bitset<9>> && in_slot<std::ranges::empty_view<int>> && in_slot<std::strong_ordering>);
static_assert(in_the_way_of<std::ranges::single_view<int*>> == obstacle::refers);
// An iterator for which the user has defined a codec.
struct cursor {
  using difference_type = std::ptrdiff_t;
  int at{};
  int operator*() const { return at; }
  cursor& operator++() { return ++at, *this; }
  cursor operator++(int) { return {at++}; }
  bool operator==(const cursor&) const = default;
};

// ---- Other obstacles.

struct holder {
  std::shared_ptr<int> shared;
};
struct anything {
  std::any it;
  int number;
};
struct callable {
  std::function<int()> f;
};
struct joined {
  std::thread other;
};
class sealed {
 public:
  explicit sealed(std::string text) : text_(std::move(text)) {}

 private:
  std::string text_;
};
struct holds_sealed {
  int number;
  sealed it;
};
struct string_and_array {
  std::string text;
  int numbers[2];
};
struct array_and_image {
  int numbers[3];
  coded::image picture;
};
struct strings_in_an_array {
  std::string texts[2];
};
struct seventeen {
  int a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p;
  std::string q;
};
struct seventeen_images {
  coded::image a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q;
};
struct derived_row : row {
  int more;
};
struct derived_from_nothing : nothing {
  std::string text;
};
struct derived_from_vector : std::vector<int> {
  std::string name;
};
struct derived_from_any : std::any {
  std::string name;
};
struct derived_from_image : coded::image {
  std::string name;
};
struct closes_a_file {
  int descriptor{-1};
  ~closes_a_file() { std::fflush(stdout); }
};
struct closes_a_named_file {
  int descriptor{-1};
  std::string name{};
  ~closes_a_named_file() { std::fflush(stdout); }
};
struct counts_copies {
  int count{};
  counts_copies& operator=(const counts_copies& other) { return count = other.count + 1, *this; }
};
struct named_union {
  std::string text;
  union {
    int number;
    float real;
  } number;
};
struct unnamed_union {
  std::string text;
  union {
    int number;
    float real;
  };
};
union alone {
  int number;
  std::string text;
  alone() : number(0) {}
  ~alone() {}  // NOLINT
};
struct volatile_field {
  std::string text;
  volatile int number;
};

static_assert(in_the_way_of<holder> == obstacle::field_has_no_codec);
static_assert(in_the_way_of<std::vector<holder>> == obstacle::field_has_no_codec);
static_assert(in_the_way_of<generic<std::unique_ptr<holder>>> == obstacle::field_has_no_codec);
static_assert(in_the_way_of<anything> == obstacle::field_has_no_codec);
static_assert(in_the_way_of<callable> == obstacle::field_has_no_codec);
static_assert(in_the_way_of<joined> == obstacle::field_has_no_codec);
static_assert(in_the_way_of<holds_sealed> == obstacle::field_has_no_codec);
static_assert(in_the_way_of<volatile_field> == obstacle::field_has_no_codec);
static_assert(in_the_way_of<std::any> == obstacle::no_codec && in_the_way_of<sealed> == obstacle::no_codec);
static_assert(in_the_way_of<std::vector<std::any>> == obstacle::no_codec);
static_assert(in_the_way_of<alone> == obstacle::no_codec);
static_assert(in_the_way_of<string_and_array> == obstacle::field_is_array);
static_assert(in_the_way_of<strings_in_an_array> == obstacle::field_is_array);
static_assert(in_the_way_of<array_and_image> == obstacle::not_divisible);
static_assert(in_the_way_of<seventeen> == obstacle::too_many_fields);
static_assert(in_the_way_of<seventeen_images> == obstacle::too_many_fields);
static_assert(in_the_way_of<derived_row> == obstacle::base && in_the_way_of<derived_from_nothing> == obstacle::base);
static_assert(in_the_way_of<derived_from_vector> == obstacle::base &&
              in_the_way_of<derived_from_any> == obstacle::base);
static_assert(in_the_way_of<derived_from_image> == obstacle::base);
static_assert(in_the_way_of<closes_a_file> == obstacle::own_destructor);
static_assert(in_the_way_of<closes_a_named_file> == obstacle::own_destructor);
static_assert(in_the_way_of<counts_copies> == obstacle::own_destructor);
static_assert(in_the_way_of<std::vector<closes_a_file>> == obstacle::own_destructor);
static_assert(in_the_way_of<generic<closes_a_file>> == obstacle::own_destructor);
static_assert(in_the_way_of<named_union> == obstacle::not_divisible);
static_assert(in_the_way_of<unnamed_union> == obstacle::not_divisible);

// ---- Encoding and decoding.

template <class T>
void expect_round_trip(const T& value) {
  static_assert(can_leave_worker<T>);
  const auto bytes = encoded(value);
  EXPECT_TRUE(decoded<T>(bytes.data(), bytes.size()) == value);
  for (std::size_t shift = 1; shift < 16; ++shift) {  // at any alignment
    std::vector<std::byte> shifted(shift);
    shifted.insert(shifted.end(), bytes.begin(), bytes.end());
    EXPECT_TRUE(decoded<T>(shifted.data() + shift, bytes.size()) == value) << shift;
  }
  // Bytes cut short at any point are refused. Not one byte beyond them is read, and what was decoded before is
  // destroyed (ASan sees both).
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto part = std::make_unique<std::byte[]>(size);
    if (size > 0) std::memcpy(part.get(), bytes.data(), size);
    EXPECT_THROW(static_cast<void>(decoded<T>(part.get(), size)), bad_encoding) << size << " of " << bytes.size();
  }
  check_property([] {  // other bytes are decoded or refused
    const auto noise = *rc::gen::container<std::vector<std::uint8_t>>(rc::gen::weightedOneOf<std::uint8_t>(
        {{3, rc::gen::inRange<std::uint8_t>(0, 4)}, {1, rc::gen::arbitrary<std::uint8_t>()}}));
    try {
      parmap::detail::byte_reader in(reinterpret_cast<const std::byte*>(noise.data()), noise.size());
      parmap::decoder from(in);
      const T any = from.get<T>();
      static_cast<void>(encoded(any));
    } catch (const bad_encoding&) {
    } catch (const std::invalid_argument&) {  // image
    } catch (const std::out_of_range&) {      // letter, coded_later
    }
  });
}
template <class T>
T there_and_back(const T& value) {
  const auto bytes = encoded(value);
  return decoded<T>(bytes.data(), bytes.size());
}

const row some_row{1.5, "a note that is too long to be held inside of its string"};
const tree some_tree{1, {tree{2, {tree{3, {}}}}, tree{4, {}}}};

TEST(aggregate, fields) {
  expect_round_trip(row{});
  expect_round_trip(some_row);
  expect_round_trip(nested{some_row, {some_row, row{}}, some_row});
  expect_round_trip(mixed{});
  mixed full;
  full.either = some_row;
  full.by_name["x"] = some_row;
  full.listed.push_front(some_row);
  expect_round_trip(full);
  expect_round_trip(sixteen{});
  expect_round_trip(constants{1, "two", {some_row}});
  expect_round_trip(own_operators{"text"});
  expect_round_trip(generic<generic<row>>{{some_row, {}}, {{}, {row{}, {some_row}}}});
}

TEST(aggregate, inside_of_standard_types) {
  expect_round_trip(std::vector<row>{some_row, row{}});
  expect_round_trip(std::list<nested>{nested{}});
  expect_round_trip(std::optional<row>(some_row));
  expect_round_trip(std::variant<row, int>(some_row));
  expect_round_trip(std::variant<int, std::vector<row>>(std::vector<row>{some_row}));
  expect_round_trip(std::map<row, nested>{{some_row, nested{some_row, {}, {}}}});
  expect_round_trip(std::set<row>{some_row, row{}});
  expect_round_trip(std::unordered_map<int, row>{{1, some_row}});
  expect_round_trip(std::pair<int, row>{1, some_row});
  expect_round_trip(std::tuple<row, int, tree>{some_row, 1, some_tree});
  expect_round_trip(std::array<row, 2>{some_row, row{}});
  EXPECT_EQ(*there_and_back(std::make_unique<row>(some_row)), some_row);
}

TEST(aggregate, inside_of_itself) {
  expect_round_trip(some_tree);
  expect_round_trip(std::vector<tree>{some_tree, tree{}});
  expect_round_trip(one_vector_of_itself{{one_vector_of_itself{}, one_vector_of_itself{{one_vector_of_itself{}}}}});
  expect_round_trip(fork_of_branches{"a", {{1, {branch{fork_of_branches{"b", {}}, 2}, branch{}}}}});
}

TEST(aggregate, one_field) {
  expect_round_trip(one_string{"text"});
  expect_round_trip(one_aggregate{{"text"}});
  expect_round_trip(one_array{{"a", "b", "c"}});
  expect_round_trip(array_of_aggregates{{one_array{{"a", "b", "c"}}, one_array{{"", "e", ""}}}});
}

TEST(aggregate, bits_keep_their_values) { expect_round_trip(bits{5, true, -1234, "text"}); }

TEST(aggregate, fields_that_cannot_be_copied) {
  linked chain{1, std::make_unique<linked>(2, std::make_unique<linked>(3, nullptr))};
  const linked back = there_and_back(chain);
  EXPECT_EQ(back.next->next->number, 3);
  EXPECT_EQ(back.next->next->next, nullptr);
}

TEST(aggregate, fields_without_a_default) {
  expect_round_trip(with_a_codec{1, coded::image(1, {2, 3}), "text"});
  expect_round_trip(holds_explicit_default{"text", explicit_default()});
  const by_default_only back = there_and_back(by_default_only{coded::image(2, {1, 2}), 5, nullptr});
  EXPECT_EQ(back.picture, coded::image(2, {1, 2}));
  EXPECT_EQ(back.number, 5);
}

TEST(aggregate, a_codec_counts_inside_of_it_and_for_it) {
  const letters word{{'a'}, {{{'b'}, {'c'}}}, coded::letter{'d'}};
  expect_round_trip(word);
  const std::string_view text = "letter a";
  const auto bytes = encoded(word);
  EXPECT_EQ(std::memcmp(bytes.data() + 8, text.data(), text.size()), 0);
  expect_round_trip(coded_later{"text"});
  EXPECT_EQ(encoded(coded_later{"text"}), encoded("by codec: text"s));
  EXPECT_EQ(encoded(std::vector{coded_later{"text"}}), encoded(std::vector{"by codec: text"s}));
}

TEST(aggregate, elements_that_write_nothing_are_counted) {
  expect_round_trip(std::vector<all_silent>(3));
  expect_round_trip(std::set<all_silent>{all_silent{}});
  expect_round_trip(std::map<all_silent, all_silent>{{all_silent{}, all_silent{}}});
  std::vector<std::byte> bytes(8);
  bytes[6] = std::byte{1};
  EXPECT_THROW(static_cast<void>(decoded<std::vector<all_silent>>(bytes.data(), bytes.size())), bad_encoding);
}

TEST(aggregate, a_bool_is_zero_or_one) {
  auto bytes = encoded(mixed{});
  ASSERT_EQ(bytes[0], std::byte{0});
  bytes[0] = std::byte{2};
  EXPECT_THROW(static_cast<void>(decoded<mixed>(bytes.data(), bytes.size())), bad_encoding);
}

TEST(aggregate, nesting_has_a_limit_on_either_side) {
  const auto chain_of = [](int links) {
    linked all;
    for (; links > 1; --links) all = linked{links, std::make_unique<linked>(std::move(all))};
    return all;
  };
  constexpr int deepest = static_cast<int>(parmap::detail::nesting::deepest) / 2;  // linked and unique_ptr alternate
  const auto bytes = encoded(chain_of(deepest));
  const linked back = decoded<linked>(bytes.data(), bytes.size());
  int links = 1;
  for (const linked* at = &back; at->next != nullptr; at = at->next.get()) ++links;
  EXPECT_EQ(links, deepest);
  EXPECT_THROW(encoded(chain_of(deepest + 1)), bad_encoding);
  const std::vector<std::byte> endless(1 << 20, std::byte{1});
  EXPECT_THROW(static_cast<void>(decoded<linked>(endless.data(), endless.size())), bad_encoding);
  EXPECT_THROW(static_cast<void>(decoded<tree>(endless.data(), endless.size())), bad_encoding);
  std::vector<std::byte> trees;
  for (int k = 0; k < 5000; ++k) {
    trees.resize(trees.size() + sizeof(int));
    trees.push_back(std::byte{1});
    trees.resize(trees.size() + 7);
  }
  EXPECT_THROW(static_cast<void>(decoded<tree>(trees.data(), trees.size())), bad_encoding);
}

TEST(aggregate, leaves_workers) {
  const std::vector<int> xs{0, 1, 2, 3};
  const auto rows =
      parmap::map([](int x) { return row{x * 0.5, std::string(10U * static_cast<unsigned>(x), 'x')}; }, xs);
  ASSERT_TRUE(rows.ok()) << rows.failures()[0];
  EXPECT_EQ(rows[3], (row{1.5, std::string(30, 'x')}));
  const auto trees =
      parmap::map([](int x) { return tree{x, std::vector<tree>(static_cast<std::size_t>(x), some_tree)}; }, xs);
  ASSERT_TRUE(trees.ok()) << trees.failures()[0];
  EXPECT_EQ(trees[2], (tree{2, {some_tree, some_tree}}));
  const auto several = parmap::map([](int x) { return std::vector<nested>(static_cast<std::size_t>(x)); }, xs);
  ASSERT_TRUE(several.ok()) << several.failures()[0];
  EXPECT_EQ(several[3], std::vector<nested>(3));
  const auto owned = parmap::map([](int x) { return linked{x, std::make_unique<linked>(x + 1, nullptr)}; }, xs);
  ASSERT_TRUE(owned.ok()) << owned.failures()[0];
  EXPECT_EQ(owned[3].next->number, 4);
  const auto fixed = parmap::map([](int x) { return constants{x, std::to_string(x), {some_row}}; }, xs);
  ASSERT_TRUE(fixed.ok()) << fixed.failures()[0];
  EXPECT_EQ(fixed[2], (constants{2, "2", {some_row}}));
  const auto in_slots = parmap::map([](int x) { return has_array{{x, x, x}, "name"}; }, xs);
  ASSERT_TRUE(in_slots.ok()) << in_slots.failures()[0];
  EXPECT_EQ(in_slots[3].numbers[2], 3);
}

TEST(aggregate, too_deep_a_result_costs_its_task_alone) {
  const auto all = parmap::map(
      [](int depth) {
        tree it;
        for (; depth > 0; --depth) {
          tree above;
          above.children.push_back(std::move(it));
          it = std::move(above);
        }
        return it;
      },
      std::vector<int>{1, 2000, 3});
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].message,
            "encoding its result: parmap::bad_encoding: parmap: the result is nested more than 1000 levels deep");
}

TEST(aggregate, what_stays_is_told_at_run_time_where_the_engine_is_chosen_then) {
  const auto f = [](int x) { return holder{std::make_shared<int>(x)}; };
  EXPECT_EQ(*parmap::map(parmap::engine_named("threads"), f, std::vector{7})[0].shared, 7);
  EXPECT_THROW(static_cast<void>(parmap::map(parmap::engine_named("multi"), f, std::vector{7})), std::invalid_argument);
}

}  // namespace
