// SPDX-License-Identifier: MIT
// Feeds arbitrary bytes to everything that reads what workers wrote: codecs, the archives for cereal, slots and failure
// records. libFuzzer drives it (fuzz.sh); fuzz_replay_test.cpp runs it over the corpus.
#include "../../encoded.hpp"
#include "../../encoded_memory.hpp"

#include <parmap/cereal.hpp>
#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/detail/processes/result_collector.hpp>
#include <parmap/detail/results/value_places.hpp>
#include <parmap/parmap.hpp>

#include <cereal/types/map.hpp>
#include <cereal/types/memory.hpp>
#include <cereal/types/polymorphic.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/variant.hpp>
#include <cereal/types/vector.hpp>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <iterator>
#include <limits>
#include <list>
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

namespace fuzz {

struct tree {
  std::vector<tree> children{};
};
struct chain {
  std::uint8_t number{};
  std::unique_ptr<chain> next{};
};
struct silent {
  std::string unsaid{};
  auto operator<=>(const silent&) const = default;
};

struct shape {
  shape() = default;
  shape(const shape&) = delete;
  shape& operator=(const shape&) = delete;
  virtual ~shape() = default;
  [[nodiscard]] virtual int corners() const = 0;
};
struct square : shape {
  std::string name{};
  [[nodiscard]] int corners() const override { return 4; }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(name);
  }
};
struct nothing {};
struct drawing {
  std::vector<bool> shown{};
  std::vector<double> sizes{};
  std::map<std::string, std::vector<std::string>> words{};
  std::variant<int, std::string> number{};
  std::vector<nothing> nothings{};
  std::shared_ptr<std::string> title{};
  std::shared_ptr<std::string> same_title{};
  std::vector<std::unique_ptr<shape>> shapes{};
  std::unique_ptr<drawing> inner{};

  template <class Archive>
  void serialize(Archive& archive) {
    archive(shown, sizes, words, number, nothings, title, same_title, shapes, inner);
  }
};

}  // namespace fuzz

CEREAL_REGISTER_TYPE(fuzz::square)
CEREAL_REGISTER_POLYMORPHIC_RELATION(fuzz::shape, fuzz::square)

template <>
struct parmap::codec<fuzz::tree> {
  static void encode(encoder& out, const fuzz::tree& it) { out.put(it.children); }
  static fuzz::tree decode(decoder& in) { return {in.get<std::vector<fuzz::tree>>()}; }
};
template <>
struct parmap::codec<fuzz::chain> {
  static void encode(encoder& out, const fuzz::chain& it) {
    out.put(it.number);
    out.put(it.next);
  }
  static fuzz::chain decode(decoder& in) {
    const auto number = in.get<std::uint8_t>();
    return {number, in.get<std::unique_ptr<fuzz::chain>>()};
  }
};
template <>
struct parmap::codec<fuzz::silent> {
  static void encode(encoder&, const fuzz::silent&) {}
  static fuzz::silent decode(decoder&) { return {}; }
};

namespace fuzz {

[[noreturn]] inline void complain(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

// Ignores bytes that are left over, so that the fuzzer gets as far as it can.
template <class T>
T decoded(const std::byte* from, std::size_t size) {
  parmap::detail::byte_reader bytes(from, size);
  return parmap::decoder(bytes).get<T>();
}

// The bytes must be refused, or give a value that survives encoding and decoding again. Anything else that is thrown,
// std::bad_alloc above all, is a finding. Unordered: the bytes of equal values may differ, so only their size is
// compared.
template <class T, bool Unordered = false>
void decode_as(const std::byte* from, std::size_t size) {
  try {
    const auto first = encoded(decoded<T>(from, size), size + 64);
    try {
      const auto second = encoded(decoded<T>(first.data(), first.size()), first.size());
      if (Unordered ? first.size() != second.size() : first != second) complain("a value changed on its way");
    } catch (...) {
      complain("what was encoded could not be decoded");
    }
  } catch (const parmap::bad_encoding&) {  // NOLINT(bugprone-empty-catch): as it should be
  } catch (const cereal::Exception&) {     // NOLINT(bugprone-empty-catch)
  }
}

// Collects what two workers have written, after the input has overwritten parts of it.
inline void gather_damaged(const std::byte* from, std::size_t size) {
  using namespace parmap::detail;
  using value = std::vector<std::string>;
  constexpr unsigned workers = 2;
  constexpr std::uint64_t tasks = 6;
  encoded_memory shared(workers, tasks, 4096);
  const shared_memory& memory = shared.memory();
  const claim_ledger& book = shared.book();
  const worker_arenas& arenas = shared.arenas();
  for (std::uint64_t i = 0; i < 4; ++i)
    shared.put(static_cast<unsigned>(i % 2), i, value{"value", std::string(i * 10, 'x')});
  arenas.publish(0, 4, parmap::failure_kind::threw, 1, "thrown");
  arenas.publish(1, 5, parmap::failure_kind::unencodable, 2, "");
  arenas.publish(0, 3, parmap::failure_kind::threw, 1, "thrown again");

  const std::size_t fixed = claim_ledger::bytes(workers);
  for (; size >= 11; from += 11, size -= 11) {
    std::uint16_t at = 0;
    std::uint64_t word = 0;
    std::memcpy(&at, from + 1, sizeof at);
    std::memcpy(&word, from + 3, sizeof word);
    const auto what = std::to_integer<unsigned>(*from);
    if (what < 64) book.of(what % workers).top.set(word);
    else if (what < 128) book.of(what % workers).head.set(word);
    else std::memcpy(memory.bytes() + fixed + at % (memory.size() - fixed - 8), &word, 1 + what % 8);
  }
  failure_runs failures;
  try {
    for (unsigned w = 0; w < workers; ++w) {
      static_cast<void>(arenas.newest_is(w, 4, 1));
      arenas.for_each_failure(w, [&](parmap::failure&& why) { failures.emplace_back(std::move(why), 1); });
    }
  } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): as it should be
  }
  own_places<value> places(tasks);
  value_reader_of<value, own_places<value>> reader(places);
  result_collector reading(shared.slots(), arenas, tasks, reader);
  while (reading.read_early(2, 5)) {
  }
  const auto all = places.finish(reading.finish(std::move(failures)), 0);
  for (std::uint64_t i = 0; i < tasks; ++i)
    if (const value* it = all.get_if(i)) static_cast<void>(encoded(*it, memory.size()));
}

using reader = void (*)(const std::byte*, std::size_t);
inline constexpr reader readers[] = {
    gather_damaged,
    decode_as<drawing>,
    decode_as<std::map<std::string, drawing>>,
    decode_as<std::shared_ptr<std::string>>,
    decode_as<std::string>,
    decode_as<std::u16string>,
    decode_as<std::filesystem::path>,
    decode_as<std::vector<int>>,
    decode_as<std::vector<bool>>,
    decode_as<std::vector<std::string>>,
    decode_as<std::deque<double>>,
    decode_as<std::list<std::vector<std::uint8_t>>>,
    decode_as<std::forward_list<std::string>>,
    decode_as<std::set<std::string>>,
    decode_as<std::multiset<std::vector<std::uint8_t>>>,
    decode_as<std::map<std::string, std::vector<int>>>,
    decode_as<std::multimap<std::uint8_t, std::string>>,
    decode_as<std::unordered_map<std::uint8_t, std::string>, true>,
    decode_as<std::optional<std::optional<std::string>>>,
    decode_as<std::variant<std::uint8_t, std::string, std::vector<int>>>,
    decode_as<std::tuple<std::string, bool, std::vector<std::pair<int, std::string>>>>,
    decode_as<std::array<std::string, 3>>,
    decode_as<std::unique_ptr<std::vector<std::unique_ptr<std::string>>>>,
    decode_as<tree>,
    decode_as<chain>,
    decode_as<std::vector<silent>>,
    decode_as<std::map<silent, silent>>,
};

}  // namespace fuzz

// The first byte chooses the reader.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  fuzz::readers[*data % std::size(fuzz::readers)](bytes + 1, size - 1);
  return 0;
}
