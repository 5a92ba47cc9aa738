// SPDX-License-Identifier: MIT
// Fast allocation of many results, none of which is garbage. Otherwise the collector would scan them again and again,
// and each page of their memory would cost a page fault.
#pragma once

#include "free_threading.hpp"

#include <nanobind/nanobind.h>

#include <dlfcn.h>
#include <sys/mman.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace parmap::python {

/// While one of these is active, the garbage collector is off, and Python's allocator takes its arenas from huge pages
/// if the kernel has them. They are released as all arenas are, with munmap. The caller holds the GIL; several threads
/// may have one at a time. A Python without a GIL has an allocator without arenas.
class bulk_allocation {
 public:
  bulk_allocation() noexcept {
    {
      const nanobind::ft_lock_guard lock(mutex_);
      ++alive_;
    }
    go_on();
  }
  bulk_allocation(const bulk_allocation&) = delete;
  bulk_allocation& operator=(const bulk_allocation&) = delete;
  ~bulk_allocation() {
    pause();
    const nanobind::ft_lock_guard lock(mutex_);
    if (--alive_ == 0) give_rest_back();
  }

  [[nodiscard]] bool active() const noexcept { return active_; }
  /// Call this before other Python code may run.
  void pause() noexcept {
    if (!std::exchange(active_, false)) return;
    const nanobind::ft_lock_guard lock(mutex_);
    if (--all_active_ > 0) return;
    if (replaced_) PyObject_SetArenaAllocator(&usual_);
    if (collector_ran_) PyGC_Enable();
  }
  void go_on() noexcept {
    if (std::exchange(active_, true)) return;
    const nanobind::ft_lock_guard lock(mutex_);
    if (all_active_++ > 0) return;
    collector_ran_ = PyGC_Disable() != 0;
    if constexpr (free_threaded) return;
    slow_ = false;
    PyObject_GetArenaAllocator(&usual_);
    replaced_ = is_pythons_own(reinterpret_cast<void*>(usual_.free));
    if (!replaced_) return;
    PyObjectArenaAllocator large = usual_;
    large.alloc = [](void* context, std::size_t size) {
      const bool fits = size <= huge / 2 && huge % size == 0;
      void* const arena = fits && (left_ >= size || !slow_) ? part_of_huge_page(size) : nullptr;
      return arena != nullptr ? arena : usual_.alloc(context, size);
    };
    PyObject_SetArenaAllocator(&large);
  }

 private:
  static constexpr std::size_t huge = std::size_t{2} << 20;

  // The built-in allocator unmaps arenas one by one, wherever they lie. An allocator that other code has set may not.
  static bool is_pythons_own(void* function) noexcept {
    static void* known = nullptr;
    if (function == known) return true;
    Dl_info one{};
    Dl_info other{};
    const bool it_is = ::dladdr(function, &one) != 0 &&
                       ::dladdr(reinterpret_cast<void*>(&PyObject_GetArenaAllocator), &other) != 0 &&
                       one.dli_fbase == other.dli_fbase;
    if (it_is) known = function;
    return it_is;
  }
  static void* part_of_huge_page(std::size_t size) noexcept {
    if (left_ < size) {
      give_rest_back();
      void* const twice = ::mmap(nullptr, 2 * huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (twice == MAP_FAILED) return nullptr;
      auto* const begin = static_cast<std::byte*>(twice);
      const std::size_t before = -reinterpret_cast<std::uintptr_t>(begin) % huge;
      if (before > 0) ::munmap(begin, before);
      ::munmap(begin + before + huge, huge - before);
      next_ = begin + before;
      left_ = huge;
      // If memory is fragmented, the kernel may need milliseconds to make a huge page. Then this one was the last.
      const auto before_it = std::chrono::steady_clock::now();
      if (::madvise(next_, huge, MADV_HUGEPAGE) == 0) *static_cast<volatile std::byte*>(next_) = std::byte{};
      slow_ = std::chrono::steady_clock::now() - before_it > std::chrono::microseconds(500);
    }
    left_ -= size;
    return std::exchange(next_, next_ + size);
  }
  static void give_rest_back() noexcept {
    if (left_ > 0) ::munmap(next_, std::exchange(left_, 0));
  }

  bool active_{};

  static inline nanobind::ft_mutex mutex_;  // the GIL, where there is one; guards the following
  static inline unsigned alive_{};
  static inline unsigned all_active_{};
  static inline bool collector_ran_{};
  static inline bool replaced_{};
  static inline PyObjectArenaAllocator usual_{};
  static inline std::byte* next_{};
  static inline std::size_t left_{};
  static inline bool slow_{};
};

}  // namespace parmap::python
