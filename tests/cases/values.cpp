// SPDX-License-Identifier: MIT
// Values and options that were once wrong, lost or refused.
#include "cases.hpp"

#include <cfenv>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <iterator>
#include <map>
#include <optional>
#include <ranges>
#include <regex>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace cases {

struct one_number {
  int value;
};

}  // namespace cases

template <>
struct parmap::codec<cases::one_number> {
  static void encode(encoder& out, const cases::one_number& from) { out.put(from.value); }
  static cases::one_number decode(decoder& in) {
    const cases::one_number read{in.get<int>()};
    if (read.value == 2) throw std::runtime_error("no twos");
    return read;
  }
};

namespace cases {
namespace {

using namespace std::chrono_literals;

struct alignas(8192) wide {
  int value;
};
struct with_a_view {
  std::string_view name;
  int number;
};
using ints = std::vector<int>;

template <class... Types>
constexpr int accepted = (0 + ... + (parmap::can_leave_worker<Types> ? 1 : 0));

bool types_that_refer() {
  constexpr int count =
      accepted<int*, std::string_view, std::span<int>, std::reference_wrapper<int>, std::initializer_list<int>,
               ints::iterator, std::string::const_iterator, std::vector<bool>::reference, std::bitset<8>::reference,
               std::ranges::subrange<ints::iterator>, std::ranges::ref_view<ints>,
               std::ranges::take_view<std::ranges::ref_view<ints>>, std::coroutine_handle<>,
               std::sub_match<const char*>, std::thread::id, std::pair<int*, int>, std::optional<std::string_view>,
               std::vector<std::string_view>, std::map<int, const char*>, std::tuple<int&, int>, with_a_view,
               void (*)(int), int(*)[3]>;
  print("%d of 23 accepted", count);
  return count == 0;
}

bool rounding_mode() {
  const auto third = [](int i) {
    const auto until = std::chrono::steady_clock::now() + 1ms;
    while (std::chrono::steady_clock::now() < until) {
    }
    volatile double of = 3.0;
    return i == 0 ? 0.0 : 1.0 / of;
  };
  const std::vector<int> x(100, 1);
  static_cast<void>(parmap::map(parmap::threads, third, x, {.workers = 4}));  // its threads exist from here on
  std::fesetround(FE_UPWARD);
  std::set<double> seen;
  const auto add = [&](const auto& results) { seen.insert(results.values().begin(), results.values().end()); };
  add(parmap::map(parmap::serial, third, x));
  add(parmap::map(parmap::threads, third, x, {.workers = 4}));
  add(parmap::map(parmap::multi, third, x, {.workers = 4}));
  print("values of 1/3 under three engines: %zu", seen.size());
  return seen.size() == 1 && *seen.begin() > 1 / 3.0L;
}

// Its assignment throws for one value.
struct choosy {
  std::string value;
  choosy& operator=(int from) { return *this = std::to_string(from); }
  choosy& operator=(const std::string& from) {
    if (from == "3") throw std::runtime_error("no threes");
    value = from;
    return *this;
  }
};

bool throwing_assignment() {
  const std::vector<int> x{0, 1, 2, 3, 4, 5};
  const auto number = [](int i) { return i; };
  const auto text = [](int i) { return std::to_string(i); };
  const auto right = [&](const auto& engine, const auto& f) {
    std::vector<choosy> out(x.size());
    const auto all = parmap::map_into(engine, out, f, x);
    return all.failures().size() == 1 && all.failures()[0].index == 3 && out[5].value == "5";
  };
  const int good = right(parmap::threads, number) + right(parmap::multi, number) + right(parmap::multi, text);
  print("%d of 3 maps are right", good);
  return good == 3;
}

bool moved_from() {
  auto all = parmap::map([](int i) { return i; }, std::vector<int>{1, 2, 3});
  auto taken = std::move(all);
  std::string said = "NOTHING";
  try {
    static_cast<void>(all[0]);  // NOLINT(bugprone-use-after-move): that is the question
  } catch (const std::exception& error) {
    said = error.what();
  }
  auto& same = taken;
  taken = std::move(same);
  print("[0] of what was moved from throws: %s; moved to itself: %zu values", said.c_str(), std::size_t{taken.size()});
  return said != "NOTHING" && taken.size() == 3 && taken[1] == 2;
}

bool wide_alignment() {
  const auto all = parmap::map([](int i) { return wide{i}; }, std::vector<int>{0, 1, 2}, {.workers = 2});
  const auto rest = reinterpret_cast<std::uintptr_t>(all.get_if(0)) % alignof(wide);
  print("address %% 8192 = %zu", std::size_t{rest});
  return rest == 0;
}

bool attempts_of_a_decoder() {
  const auto f = [](parmap::context& self, int i) {
    if (self.attempt() < 3) throw 1;
    return one_number{i};
  };
  const auto all = parmap::map(f, std::vector<int>{0, 1, 2, 3}, {.retries = 2, .workers = 2});
  print("%s", first_of(all.failures()).c_str());
  return all.failures().size() == 1 && all.failures()[0].attempts == 3;
}

bool options_for_every_engine() {
  int good = 0;
  std::string said;
  for (const char* const name : {"serial", "threads", "multi"})
    for (const parmap::options& chosen : {parmap::options{.workers = 4}, {.timeout = 5s}, {.retries = 1}}) try {
        const auto all =
            parmap::map(parmap::engine_named(name), [](int i) { return i; }, std::vector<int>{1, 2, 3}, chosen);
        good += all.ok() && all[2] == 3 ? 1 : 0;
      } catch (const std::exception& error) {
        said = std::string(name) + ": " + error.what();
      }
  print("%d of 9 maps are right; %s", good, said.c_str());
  return good == 8 && said.starts_with("threads: ") && said.find("let f take parmap::context&") != std::string::npos;
}

}  // namespace

std::vector<input> values() {
  return {{"types_that_refer_to_memory", "none of them can leave a worker", types_that_refer},
          {"rounding_mode", "the caller's holds in its tasks under every engine", rounding_mode},
          {"map_into_throwing_assignment", "it is that task's failure", throwing_assignment},
          {"moved_from_results", "they say so", moved_from},
          {"results_aligned_to_8192", "they are", wide_alignment},
          {"attempts_of_a_value_that_cannot_be_decoded", "all three are counted", attempts_of_a_decoder},
          {"engine_named_with_options", "options fit every engine, or the exception says how to write them for all",
           options_for_every_engine}};
}

}  // namespace cases
