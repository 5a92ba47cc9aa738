// SPDX-License-Identifier: MIT
// Results through cereal: each kind of type it serialises comes back unchanged, and damaged bytes never do harm.
#include "encoded.hpp"

#include <parmap/cereal.hpp>
#include <parmap/parmap.hpp>

#include <cereal/types/array.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/memory.hpp>
#include <cereal/types/polymorphic.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/unordered_map.hpp>
#include <cereal/types/variant.hpp>
#include <cereal/types/vector.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace {

struct person {
  std::string name{};
  int age{};
  bool awake{};
  bool operator==(const person&) const = default;
  auto operator<=>(const person&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(CEREAL_NVP(name), CEREAL_NVP(age), awake);
  }
};

enum class colour : std::uint8_t { red, green };

struct house {
  std::vector<person> people{};
  std::map<std::string, std::unordered_map<int, double>> rooms{};
  std::vector<double> heights{};
  std::variant<int, std::string> number{};
  std::vector<bool> lit{};
  std::array<colour, 2> walls{};
  bool operator==(const house&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(people, rooms, heights, number, lit, walls);
  }
};

// Serialised by separate save and load functions, with private members and a version number.
class sealed {
 public:
  sealed() = default;
  explicit sealed(std::string text) : text_(std::move(text)) {}
  bool operator==(const sealed&) const = default;

 private:
  friend class cereal::access;
  template <class Archive>
  void save(Archive& archive, std::uint32_t version) const {
    archive(text_, version);
  }
  template <class Archive>
  void load(Archive& archive, std::uint32_t version) {
    std::uint32_t written = 0;
    archive(text_, written);
    if (written != version) throw std::runtime_error("another version");
  }

  std::string text_;
};

// Serialised as another, smaller type.
struct shorthand {
  std::string text{};
  bool operator==(const shorthand&) const = default;

  template <class Archive>
  std::string save_minimal(const Archive&) const {
    return text;
  }
  template <class Archive>
  void load_minimal(const Archive&, const std::string& from) {
    text = from;
  }
};

struct nothing {
  bool operator==(const nothing&) const = default;
};
struct nothings {
  std::vector<nothing> all{};
  std::string behind{};
  bool operator==(const nothings&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(all, behind);
  }
};

struct link {
  int number{};
  std::unique_ptr<link> next{};

  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, next);
  }
};

struct shape {
  shape() = default;
  shape(const shape&) = delete;
  shape& operator=(const shape&) = delete;
  virtual ~shape() = default;
  [[nodiscard]] virtual std::string name() const = 0;
};
struct circle : shape {
  double radius{};
  [[nodiscard]] std::string name() const override { return "circle of " + std::to_string(radius); }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(radius);
  }
};
struct square : shape {
  int side{};
  [[nodiscard]] std::string name() const override { return "square of " + std::to_string(side); }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(side);
  }
};
struct unregistered : shape {
  [[nodiscard]] std::string name() const override { return "?"; }
};

struct drawing {
  std::shared_ptr<std::string> title{};
  std::shared_ptr<std::string> same_title{};
  std::vector<std::unique_ptr<shape>> shapes{};

  template <class Archive>
  void serialize(Archive& archive) {
    archive(title, same_title, shapes);
  }
};

// A container with a field beside its elements.
struct labelled : std::vector<std::string> {
  std::string label{};

  template <class Archive>
  void serialize(Archive& archive) {
    archive(cereal::base_class<std::vector<std::string>>(this), label);
  }
};

// Has both a codec and a serialize function: the codec takes precedence.
struct both_ways {
  std::string text{};
  template <class Archive>
  void serialize(Archive&) {
    throw std::logic_error("cereal was asked");
  }
};

// Trivially copyable: its bytes are copied, although cereal could serialise it.
struct point {
  int x;
  int y;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(x, y);
  }
};

}  // namespace

CEREAL_CLASS_VERSION(sealed, 7)
CEREAL_SPECIALIZE_FOR_ALL_ARCHIVES(labelled, cereal::specialization::member_serialize)
CEREAL_REGISTER_TYPE(circle)
CEREAL_REGISTER_TYPE(square)
CEREAL_REGISTER_POLYMORPHIC_RELATION(shape, circle)
CEREAL_REGISTER_POLYMORPHIC_RELATION(shape, square)

template <>
struct parmap::codec<both_ways> {
  static void encode(encoder& out, const both_ways& it) { out.put(it.text); }
  static both_ways decode(decoder& in) { return {in.get<std::string>()}; }
};

namespace {

using parmap::bad_encoding;
using parmap::can_leave_worker;

// cereal would serialise only the vector.
struct named_numbers : std::vector<int> {
  std::string name;
};
static_assert(!can_leave_worker<named_numbers>);

static_assert(can_leave_worker<person> && can_leave_worker<std::map<std::string, std::optional<person>>>);
static_assert(can_leave_worker<std::shared_ptr<person>> && can_leave_worker<std::unique_ptr<shape>>);
static_assert(!can_leave_worker<std::function<int()>> && !can_leave_worker<std::vector<std::function<int()>>>);
static_assert(!can_leave_worker<person*> && !can_leave_worker<std::vector<person*>>);
static_assert(parmap::detail::in_slot<int> && parmap::detail::in_slot<point>);
template <class T>
T there_and_back(const T& value) {
  const auto bytes = encoded(value);
  // Bytes cut short at any point are refused, and not one byte beyond is read (each part has its own allocation for
  // ASan).
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto part = std::make_unique<std::byte[]>(size);
    if (size > 0) std::memcpy(part.get(), bytes.data(), size);
    EXPECT_THROW(static_cast<void>(decoded<T>(part.get(), size)), std::runtime_error) << size << " of " << bytes.size();
  }
  return decoded<T>(bytes.data(), bytes.size());
}

const person somebody{"somebody", 30, true};

TEST(cereal, values) {
  EXPECT_EQ(there_and_back(somebody), somebody);
  EXPECT_EQ(there_and_back(sealed("text")), sealed("text"));
  EXPECT_EQ(there_and_back(shorthand{"short"}), shorthand{"short"});
  const house full{{somebody, {}}, {{"kitchen", {{1, 2.5}}}}, {1, 2, 3},
                   "4b",           {true, false, true},       {colour::green, colour::red}};
  EXPECT_EQ(there_and_back(full), full);
  EXPECT_EQ(there_and_back(house()), house());
}

TEST(cereal, inside_standard_containers) {
  EXPECT_EQ(there_and_back(std::vector{somebody, person{}}), (std::vector{somebody, person{}}));
  EXPECT_EQ(there_and_back(std::set{somebody}), std::set{somebody});
  using by_name = std::map<std::string, std::vector<std::optional<person>>>;
  const by_name people{{"all", {somebody, std::nullopt}}};
  EXPECT_EQ(there_and_back(people), people);
  const std::tuple<int, std::variant<std::string, person>> mixed{1, somebody};
  EXPECT_EQ(there_and_back(mixed), mixed);
  const std::vector<nothings> several(3, nothings{std::vector<nothing>(5), "x"});
  EXPECT_EQ(there_and_back(several), several);
}

TEST(cereal, elements_that_write_nothing_are_counted) {
  for (const std::size_t count : {5U, 8U, 9U, 100U})
    for (const char* behind : {"", "behind"}) {
      const nothings all{std::vector<nothing>(count), behind};
      EXPECT_EQ(there_and_back(all), all);
    }
}

TEST(cereal, containers_derived_from) {
  labelled it;
  it.emplace_back("element");
  it.label = "label";
  const labelled back = there_and_back(it);
  EXPECT_EQ(back, it);
  EXPECT_EQ(back.label, "label");
}

TEST(cereal, pointers) {
  EXPECT_EQ(*there_and_back(std::make_shared<person>(somebody)), somebody);
  EXPECT_EQ(there_and_back(std::shared_ptr<person>()), nullptr);
  drawing it;
  it.title = it.same_title = std::make_shared<std::string>("shared");
  auto round = std::make_unique<circle>();
  round->radius = 2;
  it.shapes.push_back(std::move(round));
  it.shapes.push_back(std::make_unique<square>());
  it.shapes.push_back(nullptr);
  const drawing back = there_and_back(it);
  EXPECT_EQ(back.title, back.same_title);
  EXPECT_EQ(*back.title, "shared");
  ASSERT_EQ(back.shapes.size(), 3U);
  EXPECT_EQ(back.shapes[0]->name(), "circle of 2.000000");
  EXPECT_EQ(back.shapes[1]->name(), "square of 0");
  EXPECT_EQ(back.shapes[2], nullptr);
}

TEST(cereal, a_codec_of_ones_own_counts) { EXPECT_EQ(there_and_back(both_ways{"by codec"}).text, "by codec"); }

TEST(cereal, a_broken_size_allocates_nothing) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  for (const std::uint64_t size : {most, most / 8, most / 8 + 1, std::uint64_t{1} << 40, std::uint64_t{65}}) {
    std::vector<std::byte> bytes(8 + 64, std::byte{0});
    std::memcpy(bytes.data(), &size, sizeof size);
    // std::bad_alloc or std::length_error would mean that the size was trusted.
    EXPECT_THROW(static_cast<void>(decoded<person>(bytes.data(), bytes.size())), bad_encoding) << size;
    EXPECT_THROW(static_cast<void>(decoded<house>(bytes.data(), bytes.size())), bad_encoding) << size;
    EXPECT_THROW(static_cast<void>(decoded<nothings>(bytes.data(), bytes.size())), bad_encoding) << size;
  }
}

TEST(cereal, a_bool_is_zero_or_one) {
  auto bytes = encoded(person{"", 1, true});
  bytes.back() = std::byte{2};
  EXPECT_THROW(static_cast<void>(decoded<person>(bytes.data(), bytes.size())), bad_encoding);
}

TEST(cereal, nesting_has_a_limit_on_either_side) {
  const auto chain_of = [](int links) {
    link all;
    for (; links > 1; --links) all = link{links, std::make_unique<link>(std::move(all))};
    return all;
  };
  EXPECT_NE(there_and_back(chain_of(100)).next, nullptr);
  EXPECT_THROW(encoded(chain_of(5000)), bad_encoding);
  const std::vector<std::byte> endless(1 << 20, std::byte{1});
  EXPECT_THROW(static_cast<void>(decoded<link>(endless.data(), endless.size())), bad_encoding);
}

TEST(cereal, brings_results_out_of_workers) {
  const std::vector<int> ages{20, 30, 40};
  const auto people = parmap::map([](int age) { return person{"somebody", age, true}; }, ages);
  ASSERT_TRUE(people.ok()) << people.failures()[0];
  EXPECT_EQ(people[1], somebody);
}

TEST(cereal, what_it_cannot_write_costs_its_task_alone) {
  const std::vector<int> kinds{0, 1, 2};
  const auto shapes = parmap::map(
      [](int kind) -> std::unique_ptr<shape> {
        if (kind == 0) return std::make_unique<circle>();
        if (kind == 1) return std::make_unique<unregistered>();
        return std::make_unique<square>();
      },
      kinds);
  ASSERT_EQ(shapes.failures().size(), 1U);
  EXPECT_EQ(shapes.failures()[0].index, 1U);
  EXPECT_EQ(shapes.failures()[0].kind, parmap::failure_kind::unencodable);
  EXPECT_NE(shapes.failures()[0].message.find("cereal::Exception"), std::string::npos) << shapes.failures()[0];
  EXPECT_EQ(shapes[2]->name(), "square of 0");
}

}  // namespace
