// SPDX-License-Identifier: MIT
// What a codec is: where it writes in the worker and what it reads from in the caller.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/encoding/pointer_like.hpp>

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

namespace parmap::inline PARMAP_ABI {

/// How a T is written in a worker and read by the caller. There are codecs for std::string, the standard containers
/// (also nested), pair, tuple, array, optional and variant of what can leave a worker, filesystem::path, and unique_ptr
/// where it cannot hide a derived class; not for shared_ptr, as sharing would be lost (<parmap/cereal.hpp> keeps it),
/// and not for what derives from a container or is an adaptor of one. Specialise it for a type of your own:
///
///     template <>
///     struct parmap::codec<image> {
///       static void encode(parmap::encoder& out, const image& it) { out.put(it.width); out.put(it.pixels); }
///       static image decode(parmap::decoder& in) {
///         const auto width = in.get<int>();
///         return image(width, in.get<std::vector<float>>());
///       }
///     };
///
/// decode reads exactly what encode wrote, or the task fails as `unencodable`; so it does when either throws. Bytes
/// that were altered on their way do not reach decode, unless somebody forged their check: do not trust them blindly.
/// Codecs may call each other 1000 levels deep.
template <class T>
struct codec;

class encoder;
class decoder;

namespace detail {

template <class T>
concept has_codec = requires(const T& value, encoder& out, decoder& in) {
  codec<T>::encode(out, value);
  { codec<T>::decode(in) } -> std::same_as<T>;
};
// Its bytes are its value.
template <class T>
concept plain = std::is_trivially_copyable_v<T> && !pointer_like<T> && !has_codec<T>;
template <class T>
concept transferable = !std::is_void_v<T> && (plain<T> || has_codec<T>);

// A level of codecs that call each other: what refers to itself, or bytes that say so, must not exhaust the stack.
class nesting {
 public:
  static constexpr unsigned deepest = 1000;

  explicit nesting(unsigned& depth) : depth_(depth) {
    if (depth == deepest)
      throw bad_encoding("the result is nested more than " + std::to_string(deepest) + " levels deep");
    ++depth;
  }
  nesting(const nesting&) = delete;
  nesting& operator=(const nesting&) = delete;
  ~nesting() { --depth_; }

 private:
  unsigned& depth_;
};

}  // namespace detail

/// Where codec<T>::encode writes. Belongs to one task.
class encoder {
 public:
  explicit encoder(detail::byte_writer& out) : out_(out) {}

  /// Appends `size` bytes. Throws std::bad_alloc when the worker's arena is full.
  void write(const void* from, std::size_t size) { out_.write(from, size); }
  /// Appends a value of any type that can leave a worker.
  template <class T>
  void put(const T& value) {
    static_assert(detail::transferable<T>, "parmap: this type has no codec; specialise parmap::codec for it");
    if constexpr (detail::has_codec<T>) {
      const detail::nesting level(depth_);
      codec<T>::encode(*this, value);
    } else {
      write(&value, sizeof value);
    }
  }
  /// How many bytes of this result there are so far.
  [[nodiscard]] std::size_t written() const noexcept { return out_.written(); }

 private:
  detail::byte_writer& out_;
  unsigned depth_{};
};

/// Where codec<T>::decode reads. Every member throws parmap::bad_encoding rather than read past the end.
class decoder {
 public:
  explicit decoder(detail::byte_reader& in) : in_(in) {}

  /// The next `size` bytes; valid until decode returns. Not aligned.
  [[nodiscard]] const std::byte* read(std::size_t size) { return in_.read(size); }
  /// A value written by put<T>.
  template <class T>
  [[nodiscard]] T get() {
    static_assert(detail::transferable<T>, "parmap: this type has no codec; specialise parmap::codec for it");
    if constexpr (detail::has_codec<T>) {
      const detail::nesting level(depth_);
      return codec<T>::decode(*this);
    } else {
      std::array<std::byte, sizeof(T)> bytes;
      std::memcpy(bytes.data(), read(sizeof(T)), sizeof(T));
      if constexpr (std::same_as<T, bool>)
        if (std::to_integer<unsigned>(bytes[0]) > 1) throw bad_encoding("a bool is neither 0 nor 1");
      return std::bit_cast<T>(bytes);
    }
  }
  /// A number of elements, each of which takes at least `bytes_each` (0 counts as 1) bytes that must still be there: so
  /// that a broken number cannot make the caller allocate or loop without end.
  [[nodiscard]] std::size_t get_count(std::size_t bytes_each) {
    const auto count = get<std::uint64_t>();
    if (count > left() / (bytes_each > 0 ? bytes_each : 1))
      throw bad_encoding("decode reads a number of elements that the bytes left cannot hold");
    return static_cast<std::size_t>(count);
  }
  /// How many bytes of this result have not been read.
  [[nodiscard]] std::size_t left() const noexcept { return in_.left(); }

 private:
  detail::byte_reader& in_;
  unsigned depth_{};
};

}  // namespace parmap::inline PARMAP_ABI
