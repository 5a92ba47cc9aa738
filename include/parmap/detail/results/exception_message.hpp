// SPDX-License-Identifier: MIT
// Describes the exception being handled in words: its type and its message.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/failure.hpp>

#include <string>
#include <typeinfo>

namespace parmap::inline PARMAP_ABI::detail {

// An exception of the language that a language_runtime serves. Its message becomes the failure's message unchanged.
struct foreign_exception {
  failure_kind kind{failure_kind::threw};
  std::string message{};
};

// The type's name as it is written in C++.
[[nodiscard]] std::string type_name(const std::type_info& type);

struct thrown {
  failure_kind kind{failure_kind::threw};
  std::string message{};
  bool verbatim{};  // put nothing in front of the message
};

// Call only inside a catch block. If what() throws, the message says so; that exception is dropped, as no one could
// receive it.
[[nodiscard]] thrown describe_current_exception();

// The same, also if memory has run out: then without a message.
[[nodiscard]] PARMAP_API thrown describe_or_give_up() noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/results/exception_message.inl.hpp>
#endif
