// SPDX-License-Identifier: MIT
// The bodies of exception_message.hpp.
#pragma once

#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/results/exception_message.hpp>

#include <cxxabi.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <string_view>
#include <typeinfo>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::string type_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(type.name(), nullptr, nullptr, &status),
                                                    &std::free);
  std::string name = status == 0 ? text.get() : type.name();
  // Users do not write the inline namespace.
  constexpr std::string_view version = "::" PARMAP_ABI_TEXT;
  for (auto at = name.find(version); at != std::string::npos; at = name.find(version, at))
    name.erase(at, version.size());
  // Nor the type that std::throw_with_nested derives from theirs.
  constexpr std::string_view nested = "std::_Nested_exception<";
  if (name.starts_with(nested) && name.ends_with('>'))
    name = name.substr(nested.size(), name.size() - nested.size() - 1);
  return name;
}

PARMAP_INLINE thrown describe_at(unsigned depth);

PARMAP_INLINE std::string text_or_null(const char* text) { return text != nullptr ? text : "(null)"; }

// What std::throw_with_nested has put into an exception, and what that contains in its turn.
PARMAP_INLINE std::string cause_of(const std::nested_exception* error, unsigned depth) {
  constexpr unsigned deepest = 20;
  if (error == nullptr || error->nested_ptr() == nullptr) return {};
  if (depth == deepest) return "; and so on";
  try {
    error->rethrow_nested();
  } catch (...) {
    return "; caused by " + describe_at(depth + 1).message;
  }
}

PARMAP_INLINE thrown describe_current_exception() { return describe_at(0); }

PARMAP_INLINE thrown describe_at(unsigned depth) {
  const std::type_info* type = abi::__cxa_current_exception_type();
  const std::string name = type != nullptr ? type_name(*type) : "an exception of unknown type";
  try {
    throw;
  } catch (const foreign_exception& it) {
    return {it.kind, it.message, true};
  } catch (const arena_full&) {
    return {failure_kind::out_of_memory,
            "its worker's memory for results is full; return less, write large results to files, or raise the limit of "
            "address space (ulimit -v)"};
  } catch (const std::bad_alloc& error) {
    return {failure_kind::out_of_memory,
            name + ": " + text_or_null(error.what()) +
                "; an allocation was refused: its size is wrong or too large, or a limit was reached (ulimit "
                "-v)"};
  } catch (const std::exception& error) {
    try {
      return {failure_kind::threw, name + ": " + text_or_null(error.what()) +
                                       cause_of(dynamic_cast<const std::nested_exception*>(&error), depth)};
    } catch (...) {
      return {failure_kind::threw, name + " (and its what() threw)"};
    }
  } catch (const std::string& text) {
    return {failure_kind::threw, "std::string: " + text};
  } catch (const char* text) {
    return {failure_kind::threw, "const char*: " + text_or_null(text)};
  } catch (const int value) {
    return {failure_kind::threw, "int: " + std::to_string(value)};
  } catch (const std::nested_exception& error) {
    return {failure_kind::threw, name + cause_of(&error, depth)};
  } catch (...) {
    return {failure_kind::threw,
            name + ", which is not a std::exception, so only its type is known; derive it from std::exception"};
  }
}

PARMAP_INLINE thrown describe_or_give_up() noexcept {
  try {
    return describe_current_exception();
  } catch (...) {
    return {failure_kind::out_of_memory, {}};  // to_string says "out of memory"
  }
}

}  // namespace parmap::inline PARMAP_ABI::detail
