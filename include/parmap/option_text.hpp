// SPDX-License-Identifier: MIT
// option_text: a text among the options of a map.
#pragma once

#include <parmap/detail/config.hpp>

#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI {

/// The type of options::label and options::trace: a text, written as any string. Copies share it.
class option_text {
 public:
  /// Empty.
  option_text() noexcept = default;
  /// This text.
  template <class Text>
    requires(!std::same_as<std::remove_cvref_t<Text>, option_text> && std::constructible_from<std::string, Text &&>)
  // NOLINTNEXTLINE(google-explicit-constructor): options are written {.label = "sweep"}
  option_text(Text&& text) {
    std::string own(std::forward<Text>(text));
    if (!own.empty()) text_ = std::make_shared<const std::string>(std::move(own));
  }

  /// Whether it is empty.
  [[nodiscard]] bool empty() const noexcept { return text_ == nullptr; }
  /// The text.
  [[nodiscard]] std::string str() const { return text_ == nullptr ? std::string() : *text_; }

 private:
  // A pointer: gcc 12 copies the temporaries of a co_await byte by byte, and a std::string, which may refer to itself,
  // does not survive that. And most maps have none.
  std::shared_ptr<const std::string> text_;
};

}  // namespace parmap::inline PARMAP_ABI
