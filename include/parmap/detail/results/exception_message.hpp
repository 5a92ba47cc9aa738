// SPDX-License-Identifier: MIT
// What the exception being handled is, in words: its type and what it says.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/failure.hpp>

#include <string>
#include <typeinfo>

namespace parmap::inline PARMAP_ABI::detail {

// An exception of the language that a language_runtime serves: what its failure is to say, word for word.
struct foreign_exception {
  failure_kind kind{failure_kind::threw};
  std::string message{};
};

// As it is written in C++.
[[nodiscard]] std::string type_name(const std::type_info& type);

struct thrown {
  failure_kind kind{failure_kind::threw};
  std::string message{};
  bool verbatim{};  // nothing is to be put before the message
};

// Only inside a catch block. What a what() throws is swallowed here, and said so in the message: there is nobody else
// to tell.
[[nodiscard]] thrown describe_current_exception();

// The same where memory may have run out: then not even the message can be made.
[[nodiscard]] PARMAP_API thrown describe_or_give_up() noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/results/exception_message.inl.hpp>
#endif
