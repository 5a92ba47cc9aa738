// SPDX-License-Identifier: MIT
// Types with and without codecs, correct and faulty, for tests that encode and decode without a map.
#pragma once

#include "encoded.hpp"

#include <parmap/parmap.hpp>

#include <compare>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace coded {

struct pod {
  int a;
  double b;
  bool operator==(const pod&) const = default;
};

// Trivially copyable but not assignable: elements are copied one by one.
struct constant {
  const double x;
  bool operator==(const constant&) const = default;
};

// Neither trivially copyable nor default-constructible. It has its own codec.
class image {
 public:
  image(int width, std::vector<float> pixels) : width_(width), pixels_(std::move(pixels)) {
    if (width <= 0 || pixels_.size() % static_cast<std::size_t>(width) != 0) throw std::invalid_argument("no image");
  }
  [[nodiscard]] int width() const { return width_; }
  [[nodiscard]] const std::vector<float>& pixels() const { return pixels_; }
  bool operator==(const image&) const = default;

 private:
  int width_;
  std::vector<float> pixels_;
};

// A container of itself, like the values of JSON libraries.
struct tree {
  using value_type = tree;
  using allocator_type = std::allocator<tree>;
  std::vector<tree> children{};
  [[nodiscard]] auto begin() const { return children.begin(); }
  [[nodiscard]] auto end() const { return children.end(); }
  bool operator==(const tree&) const = default;
};

// Trivially copyable, but its codec writes text. A user's codec takes precedence inside containers.
struct letter {
  char c;
  bool operator==(const letter&) const = default;
};

// Its codec writes nothing.
struct silent {
  std::string unsaid{};
  auto operator<=>(const silent&) const = default;
};

// Like the values of JSON libraries, and without a codec.
struct json {
  using value_type = json;
  using allocator_type = std::allocator<json>;
  std::vector<json> all{};
  void push_back(json it) { all.push_back(std::move(it)); }
  [[nodiscard]] auto begin() const { return all.begin(); }
  [[nodiscard]] auto end() const { return all.end(); }
};

// Derived from a container or path, with a field that its codec would lose.
struct labelled : std::vector<std::string> {
  std::string label{};
};
struct labelled_path : std::filesystem::path {
  using path::path;
  std::string label{};
};

// Other types may derive from it, so that it could be sliced.
struct base {
  base() = default;
  base(const base&) = default;
  base& operator=(const base&) = default;
  virtual ~base() = default;
};

// May be nested to any depth.
struct chain {
  int number{};
  std::unique_ptr<chain> next{};
};
inline chain chain_of(int links) {
  chain all;
  for (; links > 1; --links) all = chain{links, std::make_unique<chain>(std::move(all))};
  return all;
}

// decode reads one byte more than encode wrote (greedy), or one less (modest).
struct greedy {
  std::string text{"x"};
};
struct modest {
  std::string text{"x"};
};

// encode throws (unsayable), or decode does (unreadable).
struct unsayable {
  std::string text{"x"};
};
struct unreadable {
  std::string text{"x"};
};

}  // namespace coded

template <>
struct parmap::codec<coded::image> {
  static void encode(encoder& out, const coded::image& it) {
    out.put(it.width());
    out.put(it.pixels());
  }
  static coded::image decode(decoder& in) {
    const auto width = in.get<int>();
    return {width, in.get<std::vector<float>>()};
  }
};
template <>
struct parmap::codec<coded::tree> {
  static void encode(encoder& out, const coded::tree& it) { out.put(it.children); }
  static coded::tree decode(decoder& in) { return {in.get<std::vector<coded::tree>>()}; }
};
template <>
struct parmap::codec<coded::letter> {
  static void encode(encoder& out, const coded::letter& it) { out.put(std::string("letter ") + it.c); }
  static coded::letter decode(decoder& in) { return {in.get<std::string>().at(7)}; }
};
template <>
struct parmap::codec<coded::silent> {
  static void encode(encoder&, const coded::silent&) {}
  static coded::silent decode(decoder&) { return {}; }
};
template <>
struct parmap::codec<coded::base> {
  static void encode(encoder&, const coded::base&) {}
  static coded::base decode(decoder&) { return {}; }
};
template <>
struct parmap::codec<coded::chain> {
  static void encode(encoder& out, const coded::chain& it) {
    out.put(it.number);
    out.put(it.next);
  }
  static coded::chain decode(decoder& in) {
    const int number = in.get<int>();
    return {number, in.get<std::unique_ptr<coded::chain>>()};
  }
};
template <>
struct parmap::codec<coded::greedy> {
  static void encode(encoder& out, const coded::greedy& it) { out.put(it.text); }
  static coded::greedy decode(decoder& in) {
    auto text = in.get<std::string>();
    static_cast<void>(in.get<char>());
    return {text};
  }
};
template <>
struct parmap::codec<coded::modest> {
  static void encode(encoder& out, const coded::modest& it) {
    out.put(it.text);
    out.put('y');
  }
  static coded::modest decode(decoder& in) { return {in.get<std::string>()}; }
};
template <>
struct parmap::codec<coded::unsayable> {
  static void encode(encoder&, const coded::unsayable&) { throw std::runtime_error("no words"); }
  static coded::unsayable decode(decoder&) { return {}; }
};
template <>
struct parmap::codec<coded::unreadable> {
  static void encode(encoder& out, const coded::unreadable& it) { out.put(it.text); }
  static coded::unreadable decode(decoder& in) { return {in.get<std::vector<std::string>>().at(0)}; }
};
