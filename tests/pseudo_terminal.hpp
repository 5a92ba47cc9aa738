// SPDX-License-Identifier: MIT
// Helpers for tests of what is drawn on stderr: a pseudo-terminal, a pipe, environment variables, a screen.
#pragma once

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace parmap_test {

inline void check(bool fine, const char* call) {
  if (!fine) throw std::system_error(errno, std::generic_category(), call);
}

/// Sets an environment variable for its lifetime; nullptr: unset.
class variable {
 public:
  variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    set(value);
  }
  variable(const variable&) = delete;
  variable& operator=(const variable&) = delete;
  ~variable() { set(before_ ? before_->c_str() : nullptr); }

 private:
  void set(const char* value) {
    if (value) ::setenv(name_, value, 1);
    else ::unsetenv(name_);
  }
  const char* name_;
  std::optional<std::string> before_;
};

/// Redirects stderr to `fd` for its lifetime.
class stderr_to {
 public:
  explicit stderr_to(int fd) : before_(::dup(STDERR_FILENO)) {
    check(before_ >= 0, "dup");
    check(::dup2(fd, STDERR_FILENO) >= 0, "dup2");
  }
  stderr_to(const stderr_to&) = delete;
  stderr_to& operator=(const stderr_to&) = delete;
  ~stderr_to() {
    ::dup2(before_, STDERR_FILENO);
    ::close(before_);
  }

 private:
  int before_;
};

/// Two connected fds. written() returns what has been written to `in` so far.
class channel {
 public:
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;
  ~channel() {
    ::close(in);
    ::close(out);
  }
  std::string written() {
    // A terminal delivers bytes with a delay, so this reads up to a mark instead of only what is there now.
    const std::string mark = "\x1dmark";
    check(::write(in, mark.data(), mark.size()) == static_cast<ssize_t>(mark.size()), "write");
    while (!text_.ends_with(mark)) {
      char bytes[256];
      const ssize_t n = ::read(out, bytes, sizeof bytes);
      check(n > 0, "read");
      text_.append(bytes, static_cast<std::size_t>(n));
    }
    text_.resize(text_.size() - mark.size());
    return text_;
  }

  int out = -1;
  int in = -1;

 protected:
  channel() = default;

 private:
  std::string text_;
};

class pipe_channel : public channel {
 public:
  pipe_channel() {
    int fds[2];
    check(::pipe(fds) == 0, "pipe");
    out = fds[0];
    in = fds[1];
  }
};

class terminal : public channel {
 public:
  explicit terminal(unsigned short columns) {
    out = ::posix_openpt(O_RDWR | O_NOCTTY);
    check(out >= 0, "posix_openpt");
    check(::grantpt(out) == 0 && ::unlockpt(out) == 0, "unlockpt");
    in = ::open(::ptsname(out), O_RDWR | O_NOCTTY);
    check(in >= 0, "open");
    resize(columns);
  }
  void resize(unsigned short columns) {
    winsize size{};
    size.ws_col = columns;
    check(::ioctl(out, TIOCSWINSZ, &size) == 0, "TIOCSWINSZ");
  }
};

/// The lines that a screen shows after these bytes: \r goes back, escapes are invisible, the bytes of one UTF-8
/// character share a column.
inline std::vector<std::string> screen(std::string_view bytes) {
  std::vector<std::vector<std::string>> lines(1);
  std::size_t column = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == '\r') {
      column = 0;
    } else if (bytes[i] == '\n') {
      lines.emplace_back();
      column = 0;
    } else if (bytes[i] == '\x1b') {
      i = bytes.find('m', i);
    } else {
      std::size_t end = i + 1;
      while (end < bytes.size() && (static_cast<unsigned char>(bytes[end]) & 0xC0) == 0x80) ++end;
      if (column == lines.back().size()) lines.back().emplace_back();
      lines.back()[column++] = bytes.substr(i, end - i);
      i = end - 1;
    }
  }
  std::vector<std::string> shown;
  for (const auto& line : lines) {
    std::string text;
    for (const auto& cell : line) text += cell;
    text.erase(text.find_last_not_of(' ') + 1);
    shown.push_back(text);
  }
  return shown;
}

}  // namespace parmap_test
