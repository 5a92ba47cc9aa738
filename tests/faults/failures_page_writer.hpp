// SPDX-License-Identifier: MIT
// Writes docs/failures.md: runs each example in a child process and prints the message that results.
#pragma once

#include "refuse_system_calls.hpp"

#include <parmap/detail/results/exception_message.hpp>
#include <parmap/parmap.hpp>

#include <fcntl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iostream>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

// The page shows exactly the code that is compiled.
#define TASK(...)                                                                                                      \
  #__VA_ARGS__ ";", [](int i) {                                                                                        \
    __VA_ARGS__;                                                                                                       \
    return i;                                                                                                          \
  }
#define CALL(...) #__VA_ARGS__ ";", [] { static_cast<void>(__VA_ARGS__); }

namespace failures_page {

// One part of the page.
struct exhibit {
  const char* title;
  std::string code;
  std::function<std::string()> provoke;  // the message; runs in a child
  const char* text;                      // what it means and what to try
};

// Returns what body returns, or what went wrong. Runs body in a child, because its effects on the process cannot be
// undone.
inline std::string in_child(const std::function<std::string()>& body) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return "UNEXPECTED: no pipe";
  std::cout.flush();
  const pid_t child = ::fork();
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(nowhere, STDERR_FILENO);  // hides what the C++ runtime prints at std::terminate
    std::string said;
    try {
      said = body();
    } catch (const std::exception& error) {
      said = std::string("UNEXPECTED: ") + error.what();
    }
    const bool sent = ::write(fds[1], said.data(), said.size()) == static_cast<ssize_t>(said.size());
    ::_exit(sent ? 0 : 1);
  }
  ::close(fds[1]);
  std::string said;
  char part[1000];
  for (ssize_t got = 0; (got = ::read(fds[0], part, sizeof part)) > 0;)
    said.append(part, static_cast<std::size_t>(got));
  ::close(fds[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return status == 0 ? said : "UNEXPECTED: the child's status is " + std::to_string(status);
}

inline void require(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

inline std::string shown(const parmap::failure& why) {
  std::ostringstream out;
  out << why;
  return out.str();
}

// The only failure of a map. Every other task must have a value.
template <class T>
std::string only_failure(const parmap::results<T>& all, std::uint64_t index, parmap::failure_kind kind) {
  require(all.failures().size() == 1, "not one failure");
  const parmap::failure why = all.failures()[0];
  require(why.index == index, "another task is blamed");
  require(why.kind == kind, "another kind");
  return shown(why);
}

// An example in which task 3 of five runs body.
inline exhibit task(const char* title, parmap::failure_kind kind, const char* code, int (*body)(int), const char* text,
                    parmap::options chosen = {}) {
  chosen.workers = 2;
  return {title, code,
          [=] {
            const auto f = [body](int i) { return i == 3 ? body(i) : i; };
            return only_failure(parmap::map(f, std::views::iota(0, 5), chosen), 3, kind);
          },
          text};
}

// An example of a call that throws. `before` prepares the child process.
template <class Exception>
exhibit call(const char* title, const char* code, void (*body)(), const char* text, void (*before)() = nullptr) {
  return {title, code,
          [=]() -> std::string {
            if (before != nullptr) before();
            try {
              body();
            } catch (const Exception& error) {
              require(typeid(error) == typeid(Exception), "another exception");
              return parmap::detail::type_name(typeid(error)) + ": " + error.what();
            }
            throw std::logic_error("no exception");
          },
          text};
}

inline void write_wrapped(std::string_view text) {
  constexpr std::size_t width = 110;
  std::size_t column = 0;
  for (const auto word : std::views::split(text, ' ')) {
    const std::string_view next(word.begin(), word.end());
    if (column > 0) std::cout << (column + 1 + next.size() > width ? (column = 0, '\n') : (++column, ' '));
    std::cout << next;
    column += next.size();
  }
  std::cout << "\n\n";
}

// Returns false if the example did not behave as expected.
inline bool write(const exhibit& it) {
  const std::string message = in_child(it.provoke);
  std::cout << "### " << it.title << "\n\n```cpp\n" << it.code << "\n```\n\n";
  std::cout << "```text\n" << message << "\n```\n\n";
  write_wrapped(it.text);
  return !message.starts_with("UNEXPECTED");
}

}  // namespace failures_page
