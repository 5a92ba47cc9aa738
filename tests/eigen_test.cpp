// SPDX-License-Identifier: MIT
// <parmap/eigen.hpp>: dense types of Eigen leave workers; what refers to memory does not.
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <parmap/eigen.hpp>
#include <parmap/parmap.hpp>

#include <array>
#include <complex>
#include <cstddef>
#include <ranges>
#include <string>
#include <vector>

namespace {

using parmap::can_leave_worker;

static_assert(!can_leave_worker<Eigen::Map<Eigen::VectorXd>>);
static_assert(!can_leave_worker<Eigen::Ref<Eigen::VectorXd>>);
static_assert(!can_leave_worker<Eigen::Block<Eigen::MatrixXd>>);
static_assert(!can_leave_worker<decltype(Eigen::Vector3d() + Eigen::Vector3d())>);
static_assert(!can_leave_worker<decltype(2.0 * std::declval<Eigen::VectorXd&>())>);
static_assert(!can_leave_worker<Eigen::Matrix<const char*, 2, 1>>);
static_assert(!can_leave_worker<std::vector<Eigen::Map<Eigen::Vector3d>>>);

// Maps make() over three tasks under multi, and expects what serial gives.
template <class Make, class Same>
void expect_same(const Make& make, const Same& same) {
  const auto x = std::views::iota(1, 4);
  const auto here = parmap::map(parmap::serial, make, x);
  const auto there = parmap::map(parmap::multi, make, x);
  ASSERT_TRUE(there.ok()) << there.failures()[0];
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_TRUE(same(here[i], there[i])) << i;
}
constexpr auto equal = [](const auto& a, const auto& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() && a == b;
};
constexpr auto approximately = [](const auto& a, const auto& b) { return a.isApprox(b, 0); };

TEST(eigen, fixed_sizes) {
  expect_same([](int i) -> Eigen::Vector3d { return {1.0 * i, 2.0, -1.0 * i}; }, equal);
  expect_same([](int i) -> Eigen::Matrix2f { return Eigen::Matrix2f::Identity() * static_cast<float>(i); }, equal);
  expect_same([](int i) { return Eigen::RowVector4i(i, 2, 3, 4); }, equal);
  expect_same([](int i) { return Eigen::Vector2cd(std::complex<double>(1, i), std::complex<double>(0, 2)); }, equal);
}

TEST(eigen, dynamic_sizes) {
  expect_same([](int i) -> Eigen::VectorXd { return Eigen::VectorXd::LinSpaced(i * 100, 0, 1); }, equal);
  expect_same([](int i) -> Eigen::MatrixXd { return Eigen::MatrixXd::Constant(i, 5, i); }, equal);
  expect_same([](int) { return Eigen::MatrixXd(0, 7); }, equal);
  expect_same([](int) { return Eigen::VectorXf(); }, equal);
  using rows = Eigen::Matrix<float, Eigen::Dynamic, 3, Eigen::RowMajor>;
  expect_same([](int i) -> rows { return rows::Constant(i, 3, 2); }, equal);
  using bounded = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, 0, 3, 3>;
  expect_same([](int i) -> bounded { return bounded::Constant(i, 3, 2); }, equal);
}

TEST(eigen, arrays) {
  expect_same([](int i) -> Eigen::ArrayXd { return Eigen::ArrayXd::Constant(i, 2); },
              [](const auto& a, const auto& b) { return a.size() == b.size() && (a == b).all(); });
}

TEST(eigen, elements_with_a_codec) {
  using texts = Eigen::Matrix<std::string, Eigen::Dynamic, 1>;
  const auto f = [](int i) {
    texts made(i);
    for (int k = 0; k < i; ++k) made[k] = std::to_string(k) + " of " + std::to_string(i);
    return made;
  };
  const auto all = parmap::map(f, std::views::iota(1, 4));
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  EXPECT_EQ(all[2][2], "2 of 3");
}

TEST(eigen, geometry) {
  const auto axis = [](int i) -> Eigen::Vector3d { return Eigen::Vector3d(1, i, 2).normalized(); };
  expect_same([&](int i) { return Eigen::AngleAxisd(0.1 * i, axis(i)); }, approximately);
  expect_same([&](int i) { return Eigen::Quaterniond(Eigen::AngleAxisd(0.1 * i, axis(i))); }, approximately);
  expect_same([](int i) { return Eigen::Rotation2Dd(0.1 * i); }, approximately);
  expect_same([](int i) { return Eigen::Translation3d(i, 2, 3); }, approximately);
  expect_same([](int i) { return Eigen::UniformScaling<double>(i); }, approximately);
  expect_same(
      [&](int i) -> Eigen::Affine3d { return Eigen::Translation3d(i, 2, 3) * Eigen::AngleAxisd(0.1 * i, axis(i)); },
      approximately);
  expect_same([](int i) { return Eigen::AlignedBox3d(Eigen::Vector3d(0, 0, 0), Eigen::Vector3d(i, 1, 2)); },
              approximately);
  expect_same([&](int i) { return Eigen::Hyperplane<double, 3>(axis(i), i); }, approximately);
  expect_same([&](int i) { return Eigen::ParametrizedLine<double, 3>(Eigen::Vector3d(i, 2, 3), axis(i)); },
              approximately);
}

struct pose {
  Eigen::Vector3d at;
  Eigen::Quaterniond turned;
  std::vector<Eigen::Vector2f> seen;
};

TEST(eigen, fields_and_containers) {
  const auto f = [](int i) {
    return pose{Eigen::Vector3d::Constant(i), Eigen::Quaterniond(1, 0, 0, 0), {Eigen::Vector2f(1, 2)}};
  };
  const auto all = parmap::map(f, std::views::iota(0, 5));
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  EXPECT_EQ(all[4].at, Eigen::Vector3d::Constant(4));
  EXPECT_EQ(all[4].turned.w(), 1);
  EXPECT_EQ(all[4].seen.at(0), Eigen::Vector2f(1, 2));
}

// Sizes that the bytes cannot hold, or the type, are noticed before anything is allocated.
TEST(eigen, damaged_sizes) {
  const auto decode = [](std::array<std::uint64_t, 3> words, auto type) {
    parmap::detail::byte_reader bytes(reinterpret_cast<const std::byte*>(words.data()), sizeof words);
    parmap::decoder in(bytes);
    return in.get<decltype(type)>();
  };
  EXPECT_EQ(decode({1, 1, 0}, Eigen::MatrixXd())(0, 0), 0);
  constexpr std::uint64_t large = std::uint64_t{1} << 62;
  EXPECT_THROW(decode({large, large, 0}, Eigen::MatrixXd()), parmap::bad_encoding);
  EXPECT_THROW(decode({2, 1, 0}, Eigen::MatrixXd()), parmap::bad_encoding);
  EXPECT_THROW(decode({~std::uint64_t{0}, 0, 0}, Eigen::MatrixXd()), parmap::bad_encoding);
  EXPECT_THROW(decode({4, 0, 0}, Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, 0, 3, 3>()),
               parmap::bad_encoding);
}

}  // namespace
