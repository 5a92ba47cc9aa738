// SPDX-License-Identifier: MIT
// Makes the dense types of Eigen results of the engine multi. Needs Eigen 3.3 or newer on the include path, nothing to
// link.
#pragma once

#include <parmap/detail/config.hpp>

#ifndef PARMAP_SINGLE_HEADER_INCLUDED
#include <parmap/codec.hpp>
#include <parmap/encoding.hpp>
#endif

#include <Eigen/Core>

#include <complex>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

/// @file
/// Lets Eigen's matrices, vectors and arrays, of fixed or dynamic size, be results of the engine multi, alone, in
/// standard containers and as fields of a struct. Also the types of <Eigen/Geometry>: quaternions, rotations,
/// translations, transforms, boxes, planes and lines. It is enough to include this header:
///
///     #include <parmap/eigen.hpp>
///     #include <parmap/parmap.hpp>
///
///     const auto invert = [](const Eigen::Matrix3d& m) -> Eigen::Matrix3d { return m.inverse(); };
///     const auto inverses = parmap::map(invert, matrices);
///
/// Write the return type of a lambda, or .eval(). Without it the lambda returns an expression, which refers to its
/// operands: a Map, a Ref, a Block and every other expression is a compile error.

namespace parmap::inline PARMAP_ABI::detail {

template <class Scalar>
inline constexpr bool eigen_copies_bytes = std::is_arithmetic_v<Scalar>;
template <class Scalar>
inline constexpr bool eigen_copies_bytes<std::complex<Scalar>> = std::is_arithmetic_v<Scalar>;

// A matrix or array: its sizes where they are dynamic, and its elements as they lie in memory.
template <class Plain>
struct eigen_plain_codec {
  using scalar = typename Plain::Scalar;

  static void encode(encoder& out, const Plain& value) {
    if constexpr (Plain::RowsAtCompileTime == Eigen::Dynamic) out.put(static_cast<std::uint64_t>(value.rows()));
    if constexpr (Plain::ColsAtCompileTime == Eigen::Dynamic) out.put(static_cast<std::uint64_t>(value.cols()));
    const auto count = static_cast<std::size_t>(value.size());
    if constexpr (eigen_copies_bytes<scalar>) {
      out.write(value.data(), count * sizeof(scalar));
    } else {
      for (std::size_t k = 0; k < count; ++k) out.put(value.data()[k]);
    }
  }
  static Plain decode(decoder& in) {
    const std::uint64_t rows = size(in, Plain::RowsAtCompileTime, Plain::MaxRowsAtCompileTime);
    const std::uint64_t columns = size(in, Plain::ColsAtCompileTime, Plain::MaxColsAtCompileTime);
    constexpr std::size_t each = eigen_copies_bytes<scalar> ? sizeof(scalar) : 1;
    if (rows != 0 && columns > in.left() / each / rows)
      throw bad_encoding("decode reads a matrix that is larger than the remaining bytes can hold");
    Plain value;
    value.resize(static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(columns));
    const auto count = static_cast<std::size_t>(value.size());
    if constexpr (eigen_copies_bytes<scalar>) {
      const std::byte* const from = in.read(count * sizeof(scalar));
      if (count > 0) std::memcpy(value.data(), from, count * sizeof(scalar));
    } else {
      for (std::size_t k = 0; k < count; ++k) value.data()[k] = in.get<scalar>();
    }
    return value;
  }

 private:
  static std::uint64_t size(decoder& in, int fixed, int most) {
    if (fixed != Eigen::Dynamic) return static_cast<std::uint64_t>(fixed);
    const auto read = in.get<std::uint64_t>();
    const auto limit = most == Eigen::Dynamic ? std::numeric_limits<Eigen::Index>::max() : Eigen::Index{most};
    if (read > static_cast<std::uint64_t>(limit))
      throw bad_encoding("decode reads a matrix that is too large for its type");
    return read;
  }
};

}  // namespace parmap::inline PARMAP_ABI::detail

namespace parmap::inline PARMAP_ABI {

/// Matrices and vectors.
template <class Scalar, int Rows, int Columns, int Options, int MostRows, int MostColumns>
  requires detail::leaves<Scalar>
struct codec<Eigen::Matrix<Scalar, Rows, Columns, Options, MostRows, MostColumns>>
    : detail::eigen_plain_codec<Eigen::Matrix<Scalar, Rows, Columns, Options, MostRows, MostColumns>> {};

/// Arrays.
template <class Scalar, int Rows, int Columns, int Options, int MostRows, int MostColumns>
  requires detail::leaves<Scalar>
struct codec<Eigen::Array<Scalar, Rows, Columns, Options, MostRows, MostColumns>>
    : detail::eigen_plain_codec<Eigen::Array<Scalar, Rows, Columns, Options, MostRows, MostColumns>> {};

// ---- <Eigen/Geometry>, which this header does not include.

template <class Scalar, int Options>
  requires detail::leaves<Scalar>
struct codec<Eigen::Quaternion<Scalar, Options>> {
  using value = Eigen::Quaternion<Scalar, Options>;
  static void encode(encoder& out, const value& it) { out.put(typename value::Coefficients(it.coeffs())); }
  static value decode(decoder& in) { return value(in.get<typename value::Coefficients>()); }
};

template <class Scalar>
  requires detail::leaves<Scalar>
struct codec<Eigen::AngleAxis<Scalar>> {
  using value = Eigen::AngleAxis<Scalar>;
  static void encode(encoder& out, const value& it) {
    out.put(it.angle());
    out.put(typename value::Vector3(it.axis()));
  }
  static value decode(decoder& in) {
    const auto angle = in.get<Scalar>();
    return value(angle, in.get<typename value::Vector3>());
  }
};

template <class Scalar>
  requires detail::leaves<Scalar>
struct codec<Eigen::Rotation2D<Scalar>> {
  using value = Eigen::Rotation2D<Scalar>;
  static void encode(encoder& out, const value& it) { out.put(it.angle()); }
  static value decode(decoder& in) { return value(in.get<Scalar>()); }
};

template <class Scalar, int Dimensions>
  requires detail::leaves<Scalar>
struct codec<Eigen::Translation<Scalar, Dimensions>> {
  using value = Eigen::Translation<Scalar, Dimensions>;
  static void encode(encoder& out, const value& it) { out.put(typename value::VectorType(it.vector())); }
  static value decode(decoder& in) { return value(in.get<typename value::VectorType>()); }
};

template <class Scalar>
  requires detail::leaves<Scalar>
struct codec<Eigen::UniformScaling<Scalar>> {
  using value = Eigen::UniformScaling<Scalar>;
  static void encode(encoder& out, const value& it) { out.put(it.factor()); }
  static value decode(decoder& in) { return value(in.get<Scalar>()); }
};

template <class Scalar, int Dimensions, int Mode, int Options>
  requires detail::leaves<Scalar>
struct codec<Eigen::Transform<Scalar, Dimensions, Mode, Options>> {
  using value = Eigen::Transform<Scalar, Dimensions, Mode, Options>;
  static void encode(encoder& out, const value& it) { out.put(typename value::MatrixType(it.matrix())); }
  static value decode(decoder& in) {
    value made;
    made.matrix() = in.get<typename value::MatrixType>();
    return made;
  }
};

template <class Scalar, int Dimensions>
  requires detail::leaves<Scalar>
struct codec<Eigen::AlignedBox<Scalar, Dimensions>> {
  using value = Eigen::AlignedBox<Scalar, Dimensions>;
  static void encode(encoder& out, const value& it) {
    out.put(typename value::VectorType((it.min)()));
    out.put(typename value::VectorType((it.max)()));
  }
  static value decode(decoder& in) {
    value made;
    (made.min)() = in.get<typename value::VectorType>();
    (made.max)() = in.get<typename value::VectorType>();
    return made;
  }
};

template <class Scalar, int Dimensions, int Options>
  requires detail::leaves<Scalar>
struct codec<Eigen::Hyperplane<Scalar, Dimensions, Options>> {
  using value = Eigen::Hyperplane<Scalar, Dimensions, Options>;
  static void encode(encoder& out, const value& it) { out.put(typename value::Coefficients(it.coeffs())); }
  static value decode(decoder& in) {
    const auto coefficients = in.get<typename value::Coefficients>();
    value made(coefficients.size() - 1);
    made.coeffs() = coefficients;
    return made;
  }
};

template <class Scalar, int Dimensions, int Options>
  requires detail::leaves<Scalar>
struct codec<Eigen::ParametrizedLine<Scalar, Dimensions, Options>> {
  using value = Eigen::ParametrizedLine<Scalar, Dimensions, Options>;
  static void encode(encoder& out, const value& it) {
    out.put(typename value::VectorType(it.origin()));
    out.put(typename value::VectorType(it.direction()));
  }
  static value decode(decoder& in) {
    const auto origin = in.get<typename value::VectorType>();
    return value(origin, in.get<typename value::VectorType>());
  }
};

}  // namespace parmap::inline PARMAP_ABI
