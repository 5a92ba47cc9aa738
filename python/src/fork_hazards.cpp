// SPDX-License-Identifier: MIT
#include "fork_hazards.hpp"

#include <parmap/detail/system/proc_file.hpp>

#include <dlfcn.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <system_error>
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

// Whether a thread sleeps in the library's own code, as its idle threads do, or runs, as they do for some milliseconds
// after their last use.
bool may_have_threads(const library& one, const std::vector<int>& threads_of_python) {
  bool found = false;
  std::vector<std::string> known{std::to_string(::gettid())};  // names of folders in /proc
  for (const int each : threads_of_python) known.push_back(std::to_string(each));
  for_each_entry("/proc/self/task", [&](const std::filesystem::path& thread) {
    std::array<char, 256> text{};
    if (std::ranges::find(known, thread.filename().native()) != known.end()) return;
    if (!detail::read_file((thread / "syscall").c_str(), text)) return;
    const std::string_view words(text.data());
    if (words.starts_with("running")) found = true;
    const std::size_t last = words.rfind("0x");  // the program counter
    std::uintptr_t at = 0;
    if (last == std::string_view::npos) return;
    std::from_chars(words.data() + last + 2, words.data() + words.size(), at, 16);
    if (std::ranges::any_of(one.code, [at](const auto& each) { return each.first <= at && at < each.second; }))
      found = true;
  });
  return found;
}

// Ends the idle OpenMP threads of the calling thread, if this libgomp can (since gcc 9): it starts others when they are
// needed next, in this process and in a worker. False if threads may be left.
bool ends_its_threads(const library& one) {
  void* const handle = ::dlopen(one.path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return false;
  constexpr int soft = 1;  // OpenMP 5.0, section 3.2.45
  const auto pause = reinterpret_cast<int (*)(int)>(::dlsym(handle, "omp_pause_resource_all"));
  const bool done = pause != nullptr && pause(soft) == 0;
  ::dlclose(handle);
  return done;
}

bool nvidia_is_open() {
  bool open = false;
  for_each_entry("/proc/self/fd", [&](const std::filesystem::path& each) {
    std::error_code why;
    open = open || std::filesystem::read_symlink(each, why).native().starts_with("/dev/nvidia");
  });
  return open;
}

// Calls use(handle) for each library of this name.
template <class Use>
void open_each(std::string_view name, const Use& use) {
  for (const library& one : loaded(name))
    if (void* const handle = ::dlopen(one.path.c_str(), RTLD_LAZY | RTLD_NOLOAD)) {
      use(handle);
      ::dlclose(handle);
    }
}

}  // namespace

void limit_libgomp(int threads) {
  open_each("libgomp", [threads](void* handle) {
    if (const auto set = reinterpret_cast<void (*)(int)>(::dlsym(handle, "omp_set_num_threads"))) set(threads);
  });
}

std::vector<fork_hazard> fork_hazards(const std::vector<int>& threads_of_python) {
  std::vector<fork_hazard> all;
  for (const library& one : loaded("libgomp"))
    if (!ends_its_threads(one) && may_have_threads(one, threads_of_python))
      all.push_back(
          {one.path,
           "gcc's OpenMP, whose threads do not survive a fork: a worker has one thread there, and a task that "
           "asks for more waits for ever"});
  if (const auto driver = loaded("libcuda.so"); !driver.empty() && nvidia_is_open())
    all.push_back({driver.front().path, "CUDA, whose context does not survive a fork: a task that uses it fails"});
  return all;
}

}  // namespace parmap::python
