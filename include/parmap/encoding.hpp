// SPDX-License-Identifier: MIT
// codec, encoder and decoder: how a worker writes a result as bytes, and how the caller reads it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/aggregate_fields.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/encoding/has_codec.hpp>
#include <parmap/detail/encoding/obstacle.hpp>

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

namespace parmap::inline PARMAP_ABI {

/// How a worker of multi encodes a result of type T, and how the caller decodes it. Specialise it for a class of yours:
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
/// encode runs in the worker. decode runs in the thread that called map, possibly while other tasks still run. decode
/// must read exactly what encode wrote. If it does not, or if encode or decode throws, the task fails as `unencodable`,
/// and for a std::bad_alloc as `out_of_memory`. A checksum protects the bytes, but a hostile task could forge it, so
/// decode must not trust them blindly. Codecs may call each other 1000 levels deep.
///
/// These types have a codec: std::string, the standard containers (also nested), pair, tuple, array, optional and
/// variant of types that can leave a worker, filesystem::path, and unique_ptr to a class that is final or not
/// polymorphic. shared_ptr has none, as sharing would be lost (<parmap/cereal.hpp> keeps it). Container adaptors and
/// classes derived from a container have none.
///
/// An aggregate needs no codec: parmap encodes `struct row { double mu; std::string note; };` field by field. It may
/// have up to 16 fields, which may be aggregates themselves, or containers of the aggregate. A struct that its fields
/// cannot restore is a compile error: one with a base class, an array (std::array is fine), a union, a pointer,
/// reference or view as a field, or with its own destructor, copy or move. If you specialise codec for an aggregate, or
/// for a type inside it, parmap uses your codec.
template <class T>
struct codec;

namespace detail {

// One level of nested codec calls. The limit keeps a value that contains itself, or damaged bytes, from exhausting the
// stack.
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

/// Where codec<T>::encode writes the bytes of one result. It belongs to one task; only the thread that called encode
/// may use it.
///
///     out.put(it.name());                                      // any type that can leave a worker
///     out.put(std::uint64_t{it.size()});
///     out.write(it.data(), it.size() * sizeof(float));         // raw bytes
class encoder {
 public:
  /// For engines.
  explicit encoder(detail::byte_writer& out) : out_(out) {}

  /// Appends `size` bytes, uninterpreted. Throws std::bad_alloc when the worker's arena (up to 64 GiB) is full.
  /// O(size).
  void write(const void* from, std::size_t size) { out_.write(from, size); }
  /// Appends a value of any type that can leave a worker. Throws what write and the codec of T throw, and bad_encoding
  /// if codecs are nested more than 1000 levels deep.
  template <class T>
  void put(const T& value) {
    static_assert(
        detail::leaves<T>,
        "parmap: this type, or a field of it, cannot leave a worker process; specialise parmap::codec for it");
    if constexpr (!detail::leaves<T>) {  // so that this is the only error
    } else if constexpr (detail::has_codec<T>) {
      const detail::nesting level(depth_);
      codec<T>::encode(*this, value);
    } else if constexpr (detail::by_fields<T>) {
      const detail::nesting level(depth_);
      detail::with_fields<detail::division_of<T>.count>(
          value, [this]<class... Field>(detail::types<Field...>, const std::remove_cv_t<Field>&... field) {
            (this->put<std::remove_cv_t<Field>>(field), ...);
          });
    } else {
      write(&value, sizeof value);
    }
  }
  /// The number of bytes written for this result so far. O(1).
  [[nodiscard]] std::size_t written() const noexcept { return out_.written(); }

 private:
  detail::byte_writer& out_;
  unsigned depth_{};
};

/// Where codec<T>::decode reads the bytes of one result, in the order in which encode wrote them. Every member throws
/// parmap::bad_encoding (a std::runtime_error) instead of reading past the end.
///
///     auto name = in.get<std::string>();
///     std::vector<float> all(in.get_count(sizeof(float)));     // throws before it could allocate too much
///     const std::size_t bytes = all.size() * sizeof(float);
///     std::copy_n(in.read(bytes), bytes, reinterpret_cast<std::byte*>(all.data()));
class decoder {
 public:
  /// For engines.
  explicit decoder(detail::byte_reader& in) : in_(in) {}

  /// The next `size` bytes, not aligned; the pointer is valid until decode returns. O(1).
  [[nodiscard]] const std::byte* read(std::size_t size) { return in_.read(size); }
  /// The value that put<T> wrote. Throws bad_encoding if the bytes are no such value, and what the codec of T throws.
  template <class T>
  [[nodiscard]] T get() {
    static_assert(
        detail::leaves<T>,
        "parmap: this type, or a field of it, cannot leave a worker process; specialise parmap::codec for it");
    if constexpr (!detail::leaves<T>) {  // so that this is the only error
      throw bad_encoding("a type that cannot leave a worker");
    } else if constexpr (detail::has_codec<T>) {
      const detail::nesting level(depth_);
      return codec<T>::decode(*this);
    } else if constexpr (detail::by_fields<T>) {
      const detail::nesting level(depth_);
      return get_fields<T>(detail::field_types<T>());
    } else {
      std::array<std::byte, sizeof(T)> bytes;
      std::memcpy(bytes.data(), read(sizeof(T)), sizeof(T));
      if constexpr (std::same_as<T, bool>)
        if (std::to_integer<unsigned>(bytes[0]) > 1) throw bad_encoding("a bool is neither 0 nor 1");
      return std::bit_cast<T>(bytes);
    }
  }
  /// Reads a number of elements, which encode wrote as a std::uint64_t. Throws bad_encoding unless the unread bytes can
  /// hold that many elements of `bytes_each` bytes each (0 counts as 1). So a damaged number cannot make the caller
  /// allocate or loop without bound. O(1).
  [[nodiscard]] std::size_t get_count(std::size_t bytes_each) {
    const auto count = get<std::uint64_t>();
    if (count > left() / (bytes_each > 0 ? bytes_each : 1))
      throw bad_encoding("decode reads more elements than the remaining bytes can hold");
    return static_cast<std::size_t>(count);
  }
  /// The number of bytes of this result that have not been read. O(1).
  [[nodiscard]] std::size_t left() const noexcept { return in_.left(); }

 private:
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"  // for a bit-field: its type is known, its width is not
  template <class T, class... Field>
  T get_fields(detail::types<Field...>) {
    return T{get<std::remove_cv_t<Field>>()...};  // braces: in order
  }
#pragma GCC diagnostic pop

  detail::byte_reader& in_;
  unsigned depth_{};
};

}  // namespace parmap::inline PARMAP_ABI
