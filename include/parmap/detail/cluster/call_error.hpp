// SPDX-License-Identifier: MIT
// call_error: why a map cannot begin, as text and type, so that every rank throws the same.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/store.hpp>

#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

struct call_error {
  enum class kind_type : std::uint64_t { other, invalid_argument, store_failed };

  std::string text{};  // empty: there is none
  kind_type kind{};

  // Of the exception that is handled now.
  static call_error of_current() {
    try {
      throw;
    } catch (const std::invalid_argument& why) {
      return {why.what(), kind_type::invalid_argument};
    } catch (const store_failed& why) {
      return {why.what(), kind_type::store_failed};
    } catch (const std::exception& why) {
      return {why.what(), kind_type::other};
    } catch (...) {
      return {describe_or_give_up().message, kind_type::other};
    }
  }
  [[noreturn]] void raise() const {
    switch (kind) {
      case kind_type::invalid_argument: throw std::invalid_argument(text);
      case kind_type::store_failed: throw store_failed(text);
      case kind_type::other: break;
    }
    throw std::runtime_error(text);
  }
};

}  // namespace parmap::inline PARMAP_ABI::detail
