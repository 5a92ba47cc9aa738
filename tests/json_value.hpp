// SPDX-License-Identifier: MIT
// Reads JSON as strictly as its standard, for tests of files that parmap writes.
#pragma once

#include <charconv>
#include <cstddef>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace json {

struct value;
using array = std::vector<value>;
using object = std::map<std::string, value>;

struct value {
  std::variant<std::monostate, bool, double, std::string, array, object> is;

  [[nodiscard]] const value& operator[](const std::string& name) const { return std::get<object>(is).at(name); }
  [[nodiscard]] bool has(const std::string& name) const { return std::get<object>(is).contains(name); }
  [[nodiscard]] const array& items() const { return std::get<array>(is); }
  [[nodiscard]] double number() const { return std::get<double>(is); }
  [[nodiscard]] const std::string& text() const { return std::get<std::string>(is); }
  [[nodiscard]] bool truth() const { return std::get<bool>(is); }
  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::monostate>(is); }
};

// Throws std::runtime_error with the place of the first mistake.
class reader {
 public:
  explicit reader(std::string_view text) : text_(text) {}

  value whole() {
    value made = next();
    skip_space();
    if (at_ != text_.size()) fail("more than one value");
    return made;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw std::runtime_error(why + " at byte " + std::to_string(at_) + ": " + std::string(text_.substr(at_, 40)));
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail(std::string("no ") + c);
  }
  value next() {
    skip_space();
    if (at_ >= text_.size()) fail("the end");
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with("null")) return at_ += 4, value{};
    if (rest.starts_with("true")) return at_ += 4, value{true};
    if (rest.starts_with("false")) return at_ += 5, value{false};
    if (rest.front() == '"') return {string()};
    if (take('[')) {
      array all;
      if (take(']')) return {all};
      do all.push_back(next());
      while (take(','));
      expect(']');
      return {all};
    }
    if (take('{')) {
      object all;
      if (take('}')) return {all};
      do {
        skip_space();
        const std::string name = string();
        expect(':');
        if (!all.emplace(name, next()).second) fail("a name twice");
      } while (take(','));
      expect('}');
      return {all};
    }
    double number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error != std::errc{}) fail("no value");
    at_ += static_cast<std::size_t>(end - rest.data());
    return {number};
  }
  std::string string() {
    if (at_ >= text_.size() || text_[at_] != '"') fail("no string");
    std::string made;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (static_cast<unsigned char>(text_[at_]) < 0x20) fail("a control character");
      if (text_[at_] != '\\') {
        made += text_[at_];
        continue;
      }
      const char c = ++at_ < text_.size() ? text_[at_] : '?';
      if (c == 'n') made += '\n';
      else if (c == 'u')
        made += static_cast<char>(std::stoi(std::string(text_.substr(at_ + 1, 4)), nullptr, 16)), at_ += 4;
      else if (c == '"' || c == '\\') made += c;
      else fail("an escape that parmap does not write");
    }
    if (at_ >= text_.size()) fail("no end of a string");
    ++at_;
    return made;
  }

  std::string_view text_;
  std::size_t at_{};
};

inline value parse(std::string_view text) { return reader(text).whole(); }

}  // namespace json
