// SPDX-License-Identifier: MIT
// Makes types that cereal serialises results of the engine multi. Needs cereal 1.3 on the include path, nothing to
// link.
#pragma once

#include <parmap/detail/config.hpp>

#ifndef PARMAP_SINGLE_HEADER_INCLUDED
#include <parmap/codec.hpp>
#include <parmap/encoding.hpp>
#endif

#include <cereal/cereal.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

/// @file
/// Lets any type that cereal can write and read, and that has no codec in parmap, be a result of the engine multi,
/// alone or inside standard containers. It is enough to include this header:
///
///     #include <parmap/cereal.hpp>
///     #include <parmap/parmap.hpp>
///
///     #include <cereal/types/string.hpp>
///
///     struct person {
///       std::string name;
///       int age;
///       template <class Archive>
///       void serialize(Archive& archive) { archive(name, age); }
///     };
///
///     const auto people = parmap::map([](int age) { return person{"somebody", age}; }, std::vector{20, 30});
///
/// The type must have a default constructor. Trivially copyable types and standard containers use parmap's codecs.
/// Shared pointers (<cereal/types/memory.hpp>) keep their sharing within one value. Each element of a standard
/// container of shared pointers is a value of its own, and so is each field of a struct that cereal cannot serialise.
/// Pointers to polymorphic classes (<cereal/types/polymorphic.hpp>) need CEREAL_REGISTER_TYPE as usual, after this
/// header.
///
/// If serialize throws, in the worker or in the caller, the task fails as `unencodable`. A checksum protects the bytes.
/// If a hostile task forges it, reading still stops at the end of the bytes, which bounds sizes; nesting is bounded
/// too. But cereal itself does not check the numbers of shared pointers.

namespace parmap::inline PARMAP_ABI::detail {

// The nesting depth and the announced sizes of an archive. The bytes that follow a size bound it; where elements take
// no bytes, the writer appends filler bytes.
class cereal_account {
 public:
  void enter() {
    if (depth_ == deepest) throw bad_encoding("the result is nested too deeply for cereal");
    ++depth_;
  }
  void leave() noexcept { --depth_; }
  void announce(std::size_t at, std::uint64_t elements) { end_ = std::max(end_, at + elements); }
  // The number of bytes that are missing to the end that the sizes announced.
  [[nodiscard]] std::size_t gap(std::size_t at) const noexcept { return end_ > at ? end_ - at : 0; }

 private:
  static constexpr unsigned deepest = 5 * nesting::deepest;  // cereal nests a pointer about five levels deep

  unsigned depth_{};
  std::size_t end_{};
};

class cereal_writer : public cereal::OutputArchive<cereal_writer, cereal::AllowEmptyClassElision> {
 public:
  explicit cereal_writer(encoder& out) : OutputArchive(this), out_(out) {}

  void write(const void* from, std::size_t size) { out_.write(from, size); }
  void write_size(std::uint64_t size) {
    out_.put(size);
    account_.announce(out_.written(), size);
  }
  void finish() {
    for (std::size_t k = account_.gap(out_.written()); k > 0; --k) out_.put('\0');
  }
  [[nodiscard]] cereal_account& account() noexcept { return account_; }

 private:
  encoder& out_;
  cereal_account account_;
};

class cereal_reader : public cereal::InputArchive<cereal_reader, cereal::AllowEmptyClassElision> {
 public:
  explicit cereal_reader(decoder& in) : InputArchive(this), in_(in), size_(in.left()) {}

  void read(void* to, std::size_t size) {
    const std::byte* from = in_.read(size);
    if (size > 0) std::memcpy(to, from, size);
  }
  void read_bool(bool& to) { to = in_.get<bool>(); }
  [[nodiscard]] std::uint64_t read_size() {
    const std::size_t size = in_.get_count(1);
    account_.announce(size_ - in_.left(), size);
    return size;
  }
  void finish() { static_cast<void>(in_.read(account_.gap(size_ - in_.left()))); }
  [[nodiscard]] cereal_account& account() noexcept { return account_; }

 private:
  decoder& in_;
  std::size_t size_;
  cereal_account account_;
};

template <class Archive>
concept cereal_archive = std::same_as<Archive, cereal_writer> || std::same_as<Archive, cereal_reader>;

// ---- The functions that cereal requires of an archive, by these names.

template <cereal_archive Archive, class T>
void prologue(Archive& archive, const T&) {
  archive.account().enter();
}
template <cereal_archive Archive, class T>
void epilogue(Archive& archive, const T&) {
  archive.account().leave();
}

template <class T>
  requires std::is_arithmetic_v<T>
void CEREAL_SAVE_FUNCTION_NAME(cereal_writer& archive, const T& value) {
  archive.write(&value, sizeof value);
}
template <class T>
  requires std::is_arithmetic_v<T>
void CEREAL_LOAD_FUNCTION_NAME(cereal_reader& archive, T& value) {
  if constexpr (std::same_as<T, bool>) archive.read_bool(value);
  else archive.read(&value, sizeof value);
}

template <class T>
void CEREAL_SAVE_FUNCTION_NAME(cereal_writer& archive, const cereal::BinaryData<T>& data) {
  archive.write(data.data, data.size);
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(cereal_reader& archive, cereal::BinaryData<T>& data) {
  archive.read(data.data, data.size);
}

template <cereal_archive Archive, class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(Archive& archive, cereal::NameValuePair<T>& named) {
  archive(named.value);
}
template <cereal_archive Archive, class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(Archive& archive, cereal::SizeTag<T>& tag) {
  if constexpr (std::same_as<Archive, cereal_writer>) archive.write_size(tag.size);
  else tag.size = archive.read_size();
}

// cereal serialises only the container of a class that derives from one, unless the class has members for cereal.
template <class T>
concept inherits_container = !container<T> && requires { typename T::allocator_type; } &&
                             !cereal::traits::has_member_serialize<T, cereal_writer>::value &&
                             !cereal::traits::has_member_save<T, cereal_writer>::value;
template <class T>
concept cereal_serialises = !inherits_container<T> && std::default_initializable<T> &&
                            cereal::traits::is_output_serializable<T, cereal_writer>::value &&
                            cereal::traits::is_input_serializable<T, cereal_reader>::value;
// Types for which parmap's own codecs are used.
template <class T>
concept known_to_parmap = std::is_trivially_copyable_v<T> || container<T> || path_like<T>;

}  // namespace parmap::inline PARMAP_ABI::detail

CEREAL_REGISTER_ARCHIVE(parmap::detail::cereal_writer)
CEREAL_REGISTER_ARCHIVE(parmap::detail::cereal_reader)
CEREAL_SETUP_ARCHIVE_TRAITS(parmap::detail::cereal_reader, parmap::detail::cereal_writer)

namespace parmap::inline PARMAP_ABI {

/// Types that cereal serialises.
template <class T>
  requires(!detail::known_to_parmap<T>) && detail::cereal_serialises<T>
struct codec<T> {
  static void encode(encoder& out, const T& value) {
    detail::cereal_writer archive(out);
    archive(value);
    archive.serializeDeferments();
    archive.finish();
  }
  static T decode(decoder& in) {
    detail::cereal_reader archive(in);
    T value{};
    archive(value);
    archive.serializeDeferments();
    archive.finish();
    return value;
  }
};

}  // namespace parmap::inline PARMAP_ABI
