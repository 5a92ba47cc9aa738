// SPDX-License-Identifier: MIT
#include "fork_hazards.hpp"

#include <parmap/detail/system/proc_file.hpp>

#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace parmap::python {

namespace {

struct library {
  std::string path;
  std::vector<std::pair<std::uintptr_t, std::uintptr_t>> code;
};

// Returns the loaded libraries whose file name starts with `name`: libgomp is gcc's OpenMP, which wheels contain under
// names such as libgomp-a34b3233.so.1.0.0; libcuda.so is NVIDIA's driver.
std::vector<library> loaded(std::string_view name) {
  struct search {
    std::string_view name;
    std::vector<library> found;
  } all{name, {}};
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* to) {
        auto& [wanted, found] = *static_cast<search*>(to);
        const std::string_view path = info->dlpi_name;
        if (!path.substr(path.rfind('/') + 1).starts_with(wanted)) return 0;
        library one{std::string(path), {}};
        for (int k = 0; k < info->dlpi_phnum; ++k) {
          const auto& segment = info->dlpi_phdr[k];
          const std::uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
          if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0)
            one.code.emplace_back(begin, begin + segment.p_memsz);
        }
        found.push_back(std::move(one));
        return 0;
      },
      &all);
  return std::move(all.found);
}

template <class Act>
void for_each_entry(const char* directory, const Act& act) {
  std::error_code why;
  for (std::filesystem::directory_iterator it(directory, why), end; !why && it != end; it.increment(why))
    act(it->path());
}

// Counts the threads that sleep in the library's own code, as its idle threads do. `busy` counts the running threads,
// which may be about to sleep there.
std::size_t threads_in(const library& one, std::size_t& busy) {
  std::size_t count = 0;
  busy = 0;
  for_each_entry("/proc/self/task", [&](const std::filesystem::path& thread) {
    std::array<char, 256> text{};
    if (thread.filename() == std::to_string(::gettid())) return;
    if (!detail::read_file((thread / "syscall").c_str(), text)) return;
    const std::string_view words(text.data());
    if (words.starts_with("running")) ++busy;
    const std::size_t last = words.rfind("0x");  // the program counter
    std::uintptr_t at = 0;
    if (last == std::string_view::npos) return;
    std::from_chars(words.data() + last + 2, words.data() + words.size(), at, 16);
    count += std::ranges::any_of(one.code, [at](const auto& each) { return each.first <= at && at < each.second; });
  });
  return count;
}

bool nvidia_is_open() {
  bool open = false;
  for_each_entry("/proc/self/fd", [&](const std::filesystem::path& each) {
    std::error_code why;
    open = open || std::filesystem::read_symlink(each, why).native().starts_with("/dev/nvidia");
  });
  return open;
}

}  // namespace

std::vector<fork_hazard> fork_hazards() {
  std::vector<fork_hazard> all;
  for (const library& one : loaded("libgomp")) {
    // An idle thread spins for some milliseconds after its last use before it sleeps.
    std::size_t busy = 0;
    std::size_t count = threads_in(one, busy);
    for (int k = 0; k < 10 && count == 0 && busy > 0; ++k) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      count = threads_in(one, busy);
    }
    if (count > 0)
      all.push_back({one.path, "gcc's OpenMP, which waits for ever there if a task uses it: it has " +
                                   std::to_string(count) + " idle threads here, and they do not survive a fork"});
  }
  if (const auto driver = loaded("libcuda.so"); !driver.empty() && nvidia_is_open())
    all.push_back({driver.front().path, "CUDA, whose context does not survive a fork: a task that uses it fails"});
  return all;
}

}  // namespace parmap::python
