// SPDX-License-Identifier: MIT
// library_handlers: the handlers that an MPI library has set for the signals of crashes.
#pragma once

#include <parmap/detail/config.hpp>

#include <dlfcn.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

// They write a trace for each crash; a crashed task is an ordinary event. So processes that are forked while such an
// object lives have the default actions. A handler of the user stays.
class library_handlers_set_aside {
 public:
  library_handlers_set_aside() noexcept {
    for (std::size_t k = 0; k < signals.size(); ++k) {
      if (::sigaction(signals[k], nullptr, &before_[k]) != 0) continue;
      if (!is_of_library(before_[k])) continue;
      struct sigaction plain{};
      plain.sa_handler = SIG_DFL;
      set_aside_[k] = ::sigaction(signals[k], &plain, nullptr) == 0;
    }
  }
  library_handlers_set_aside(const library_handlers_set_aside&) = delete;
  library_handlers_set_aside& operator=(const library_handlers_set_aside&) = delete;
  ~library_handlers_set_aside() {
    for (std::size_t k = 0; k < signals.size(); ++k)
      if (set_aside_[k]) static_cast<void>(::sigaction(signals[k], &before_[k], nullptr));
  }

 private:
  static constexpr std::array signals{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

  static bool is_of_library(const struct sigaction& it) noexcept {
    if (it.sa_handler == SIG_DFL || it.sa_handler == SIG_IGN) return false;
    Dl_info found{};
    const void* const code = (it.sa_flags & SA_SIGINFO) != 0 ? reinterpret_cast<const void*>(it.sa_sigaction)
                                                             : reinterpret_cast<const void*>(it.sa_handler);
    if (::dladdr(code, &found) == 0 || found.dli_fname == nullptr) return false;
    const std::string_view file = found.dli_fname;
    for (const char* const name : {"libopen-pal", "libopen-rte", "libmpi", "libucs"})
      if (file.find(name) != file.npos) return true;
    return false;
  }

  std::array<struct sigaction, signals.size()> before_{};
  std::array<bool, signals.size()> set_aside_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
