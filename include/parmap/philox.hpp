// SPDX-License-Identifier: MIT
// Philox random number engines with the interface of C++26's std::philox_engine.
#pragma once

#include <parmap/detail/config.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ios>
#include <istream>
#include <limits>
#include <ostream>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI {

namespace detail {

__extension__ typedef unsigned __int128 philox_wide;  // NOLINT(modernize-use-using): no __extension__ there

template <class Q, class Engine>
concept philox_seed_sequence =
    !std::convertible_to<Q, typename Engine::result_type> && !std::same_as<std::remove_cv_t<Q>, Engine> &&
    requires(Q& q, std::uint_least32_t* words) { q.generate(words, words); };

}  // namespace detail

/// C++26's std::philox_engine (P2075, [rand.eng.philox]) for C++20: a counter-based random number generator.
///
///     parmap::philox4x64 rng({seed, index});  // the stream of context::rng()
///     double x = std::uniform_real_distribution<>{}(rng);
///
/// A stream is made of blocks. Block number c of the stream with key k is a pure function of (k, c). So a new stream
/// costs only its first block, discard is O(1), and streams with different keys are independent.
///
/// The template parameters (w bits per word, n words per block, r rounds, then multiplier and round constant in turn),
/// the members, the numbers and the text on a stream are those of C++26. Added: you can give the whole key. Random123's
/// Philox with the same key gives the same numbers from counter 0 on. Different threads may use different objects at
/// once, but not the same object. No member throws, except what a seed sequence or a stream throws.
// NOLINTBEGIN(readability-identifier-naming): the standard's names
template <class UIntType, std::size_t w, std::size_t n, std::size_t r, UIntType... consts>
class philox_engine {
  // NOLINTEND(readability-identifier-naming)
  static_assert(std::unsigned_integral<UIntType>, "philox_engine: UIntType must be unsigned");
  static_assert(n == 2 || n == 4, "philox_engine: a block has 2 or 4 words");
  static_assert(sizeof...(consts) == n, "philox_engine: give n constants");
  static_assert(r > 0, "philox_engine: at least one round");
  static_assert(w > 0 && w <= std::numeric_limits<UIntType>::digits && w <= 64,
                "philox_engine: a word of w bits must fit into UIntType and 64 bits");
  static_assert(((consts <= UIntType(UIntType(~UIntType{}) >> (std::numeric_limits<UIntType>::digits - w))) && ...),
                "philox_engine: constants must be below 2^w");

 public:
  using result_type = UIntType;
  /// A key: n / 2 words, least significant word first.
  using key_type = std::array<result_type, n / 2>;
  /// A block, or the number of a block: n words.
  using block_type = std::array<result_type, n>;

 private:
  static constexpr std::array<result_type, n / 2> every_other(std::size_t first) {
    constexpr std::array<result_type, n> all{consts...};
    std::array<result_type, n / 2> some{};
    for (std::size_t k = 0; k < n / 2; ++k) some[k] = all[2 * k + first];
    return some;
  }

 public:
  static constexpr std::size_t word_size = w;                                     ///< bits per word
  static constexpr std::size_t word_count = n;                                    ///< words per block
  static constexpr std::size_t round_count = r;                                   ///< rounds per block
  static constexpr std::array<result_type, n / 2> multipliers = every_other(0);   ///< the factors of a round
  static constexpr std::array<result_type, n / 2> round_consts = every_other(1);  ///< the steps of the key
  static constexpr result_type default_seed = 20111115U;                          ///< the seed where none is given

  /// 0.
  [[nodiscard]] static constexpr result_type min() noexcept { return 0; }
  /// 2^w - 1.
  [[nodiscard]] static constexpr result_type max() noexcept {
    return static_cast<result_type>(static_cast<result_type>(~result_type{}) >>
                                    (std::numeric_limits<result_type>::digits - w));
  }

  /// As philox_engine(default_seed).
  constexpr philox_engine() noexcept : philox_engine(default_seed) {}
  /// The stream of key {value, 0...}, from counter 0.
  constexpr explicit philox_engine(result_type value) noexcept { seed(value); }
  /// The stream of a key drawn from a seed sequence such as std::seed_seq.
  template <class Sseq>
    requires detail::philox_seed_sequence<Sseq, philox_engine>
  explicit philox_engine(Sseq& sequence) {
    seed(sequence);
  }
  /// The stream of this key, from counter 0; words are taken mod 2^w. (Not in C++26.)
  constexpr explicit philox_engine(const key_type& key) noexcept { seed(key); }

  /// As if constructed again with the same argument.
  constexpr void seed(result_type value = default_seed) noexcept { seed(key_type{value}); }
  template <class Sseq>
    requires detail::philox_seed_sequence<Sseq, philox_engine>
  void seed(Sseq& sequence) {
    constexpr std::size_t parts = (w + 31) / 32;
    std::array<std::uint_least32_t, n / 2 * parts> drawn{};
    sequence.generate(drawn.data(), drawn.data() + drawn.size());
    key_type key{};
    for (std::size_t k = 0; k < n / 2; ++k) {
      std::uint64_t word{};
      for (std::size_t j = 0; j < parts; ++j) word |= std::uint64_t{drawn[k * parts + j]} << (32 * j);
      key[k] = static_cast<result_type>(word & max());
    }
    seed(key);
  }
  constexpr void seed(const key_type& key) noexcept {
    for (std::size_t k = 0; k < n / 2; ++k) key_[k] = static_cast<result_type>(key[k] & max());
    counter_ = {};
    position_ = n - 1;
  }

  /// Makes the first number of block `counter` the next one. `counter` has its most significant word first (as in
  /// C++26); words are taken mod 2^w. The key does not change.
  constexpr void set_counter(const block_type& counter) noexcept {
    for (std::size_t j = 0; j < n; ++j) counter_[j] = static_cast<result_type>(counter[n - 1 - j] & max());
    position_ = n - 1;
  }

  /// The next number, uniform in [min(), max()].
  constexpr result_type operator()() noexcept {
    if (++position_ == n) {
      block_ = block(counter_);
      advance(1);
      position_ = 0;
    }
    return block_[position_];
  }

  /// Skips the next z numbers. O(1).
  constexpr void discard(unsigned long long z) noexcept {
    const unsigned long long left = n - 1 - position_;
    if (z <= left) {
      position_ += static_cast<std::size_t>(z);
      return;
    }
    z -= left + 1;
    advance(z / n);
    block_ = block(counter_);
    advance(1);
    position_ = static_cast<std::size_t>(z % n);
  }

  /// Whether both engines give the same numbers from now on. The rest of the current block follows from key and
  /// counter, so it is not compared.
  [[nodiscard]] friend constexpr bool operator==(const philox_engine& a, const philox_engine& b) noexcept {
    return a.key_ == b.key_ && a.counter_ == b.counter_ && a.position_ == b.position_;
  }

  /// Writes key, counter (both least significant word first) and position in the block, in decimal with single spaces.
  /// Restores the stream's own format.
  template <class Char, class Traits>
  friend std::basic_ostream<Char, Traits>& operator<<(std::basic_ostream<Char, Traits>& out,
                                                      const philox_engine& engine) {
    using ios = std::ios_base;
    const Char space = out.widen(' ');
    const auto flags = out.flags(ios::dec | ios::left);
    const Char fill = out.fill(space);
    for (const result_type word : engine.key_) out << word << space;
    for (const result_type word : engine.counter_) out << word << space;
    out << engine.position_;
    out.fill(fill);
    out.flags(flags);
    return out;
  }

  /// Reads what operator<< wrote. Any other text sets failbit and leaves the engine unchanged.
  template <class Char, class Traits>
  friend std::basic_istream<Char, Traits>& operator>>(std::basic_istream<Char, Traits>& in, philox_engine& engine) {
    using ios = std::ios_base;
    const auto flags = in.flags(ios::dec | ios::skipws);
    philox_engine read{};
    bool fits = true;
    for (result_type& word : read.key_) fits &= bool(in >> word) && word <= max();
    for (result_type& word : read.counter_) fits &= bool(in >> word) && word <= max();
    fits &= bool(in >> read.position_) && read.position_ < n;
    in.flags(flags);
    if (!fits) {
      in.setstate(ios::failbit);
      return in;
    }
    if (read.position_ != n - 1) read.block_ = read.block(one_less(read.counter_));
    engine = read;
    return in;
  }

 private:
  /// Philox of key_ and a counter: r rounds of multiplication and exclusive or.
  [[nodiscard]] constexpr block_type block(const block_type& counter) const noexcept {
    block_type x = counter;
    key_type key = key_;
#ifndef __clang__  // saves a third of the time with g++ -O2; clang++ unrolls later, after inlining
#pragma GCC unroll 16
#endif
    for (std::size_t round = 0; round < r; ++round) one_round(x, key);
    return x;
  }

  static constexpr void one_round(block_type& x, key_type& key) noexcept {
    if constexpr (n == 4) {
      const auto [high0, low0] = product(x[2], multipliers[0]);
      const auto [high1, low1] = product(x[0], multipliers[1]);
      x = {static_cast<result_type>(high0 ^ key[0] ^ x[1]), low0, static_cast<result_type>(high1 ^ key[1] ^ x[3]),
           low1};
    } else {
      const auto [high, low] = product(x[0], multipliers[0]);
      x = {static_cast<result_type>(high ^ key[0] ^ x[1]), low};
    }
    for (std::size_t k = 0; k < n / 2; ++k) key[k] = static_cast<result_type>((key[k] + round_consts[k]) & max());
  }

  struct halves {
    result_type high, low;
  };
  [[nodiscard]] static constexpr halves product(result_type a, result_type b) noexcept {
    using wide = std::conditional_t<(w > 32), detail::philox_wide, std::uint64_t>;
    const wide both = static_cast<wide>(a) * static_cast<wide>(b);
    return {static_cast<result_type>(both >> w), static_cast<result_type>(both & max())};
  }

  /// counter + blocks, mod 2^(n w).
  constexpr void advance(unsigned long long blocks) noexcept {
    detail::philox_wide carry = blocks;
    for (std::size_t j = 0; j < n && carry != 0; ++j) {
      carry += counter_[j];
      counter_[j] = static_cast<result_type>(carry & max());
      carry >>= w;
    }
  }

  /// counter - 1, mod 2^(n w).
  [[nodiscard]] static constexpr block_type one_less(block_type counter) noexcept {
    for (result_type& word : counter) {
      const bool borrow = word == 0;
      word = static_cast<result_type>((word - 1) & max());
      if (!borrow) break;
    }
    return counter;
  }

  key_type key_{};
  block_type counter_{};         // number of the next block, least significant word first
  block_type block_{};           // the current block
  std::size_t position_{n - 1};  // index in block_ of the last number given
};

/// 4 words of 32 bits, 10 rounds: std::philox4x32.
using philox4x32 = philox_engine<std::uint_fast32_t, 32, 4, 10, 0xCD9E8D57, 0x9E3779B9, 0xD2511F53, 0xBB67AE85>;

/// 4 words of 64 bits, 10 rounds: std::philox4x64, the generator of context::rng().
using philox4x64 = philox_engine<std::uint_fast64_t, 64, 4, 10, 0xCA5A826395121157, 0x9E3779B97F4A7C15,
                                 0xD2E7470EE14C6C93, 0xBB67AE8584CAA73B>;

}  // namespace parmap::inline PARMAP_ABI
