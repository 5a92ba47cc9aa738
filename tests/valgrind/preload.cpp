// SPDX-License-Identifier: MIT
// Preloaded under valgrind. Forwards the pidfd system calls, which older valgrinds refuse, to a process outside;
// refuses huge sparse mappings, because a leak search reads every page of them; searches for leaks when the program
// ends.
#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include <valgrind/memcheck.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

// The server (run.py) executes the call that the words describe. It answers with an errno and, for pidfd_open, the
// descriptor.
struct answer {
  int error{EIO};
  int fd{-1};
};

answer ask(const std::string& words, int passed_on) {
  const char* name = std::getenv("PARMAP_PIDFD_SERVER");
  const int to = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (name == nullptr || to < 0) return {};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;  // an abstract name: it begins with a zero byte
  std::memcpy(address.sun_path + 1, name, std::min(std::strlen(name), sizeof address.sun_path - 1));
  const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + std::strlen(name));

  answer got;
  std::string text = words;
  iovec part{text.data(), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (passed_on >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(head), &passed_on, sizeof(int));
  }
  if (::connect(to, reinterpret_cast<const sockaddr*>(&address), bytes) == 0 && ::sendmsg(to, &message, 0) > 0) {
    part = {&got.error, sizeof got.error};
    message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(to, &message, MSG_CMSG_CLOEXEC) == sizeof got.error)
      if (const cmsghdr* head = CMSG_FIRSTHDR(&message)) std::memcpy(&got.fd, CMSG_DATA(head), sizeof(int));
  }
  ::close(to);
  return got;
}

// Does not run in a worker: a worker ends by _exit or a signal, with whatever its tasks hold.
[[gnu::destructor]] void search_for_leaks() { VALGRIND_DO_LEAK_CHECK; }

}  // namespace

// Replaces glibc's syscall(), which the C library itself does not use.
extern "C" long syscall(long number, ...) noexcept {
  va_list rest;
  va_start(rest, number);
  std::array<long, 6> with{};
  for (long& each : with) each = va_arg(rest, long);
  va_end(rest);

  if (number != SYS_pidfd_open && number != SYS_pidfd_send_signal) {
    static const auto real = reinterpret_cast<long (*)(long, ...)>(::dlsym(RTLD_NEXT, "syscall"));
    return real(number, with[0], with[1], with[2], with[3], with[4], with[5]);
  }
  const bool opens = number == SYS_pidfd_open;
  const answer got = ask((opens ? "open " : "signal ") + std::to_string(static_cast<int>(with[opens ? 0 : 1])),
                         opens ? -1 : static_cast<int>(with[0]));
  errno = got.error;
  return got.error != 0 ? -1 : opens ? got.fd : 0;
}

extern "C" void* mmap(void* at, std::size_t bytes, int protection, int flags, int fd, off_t from) noexcept {
  constexpr std::size_t most = std::size_t{64} << 20;
  if (bytes > most && (flags & MAP_NORESERVE) != 0) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  static const auto real = reinterpret_cast<decltype(&::mmap)>(::dlsym(RTLD_NEXT, "mmap"));
  return real(at, bytes, protection, flags, fd, from);
}
