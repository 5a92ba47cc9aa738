// SPDX-License-Identifier: MIT
// dict_changes: tells whether a dict may have changed, without a look-up in it.
#pragma once

#include <Python.h>

#include <atomic>
#include <cstdint>
#include <utility>

namespace parmap::python {

/// Of one dict in this process, which lives until the process ends. With the GIL held.
class dict_changes {
 public:
  /// Call it before the others; also in a process that was forked from the one that has called it.
  void watch(PyObject* dict) noexcept {
    dict_ = dict;
#if PY_VERSION_HEX >= 0x030C0000
    if (watcher_ < 0) watcher_ = PyDict_AddWatcher(&note);  // there are few
    is_watched_ = watcher_ >= 0 && PyDict_Watch(watcher_, dict) == 0;
    if (!is_watched_) PyErr_Clear();
#endif
  }
  /// Whether it may have changed since the last call.
  [[nodiscard]] bool any() noexcept {
#if PY_VERSION_HEX >= 0x030C0000
    return !is_watched_ || (changed_.load(std::memory_order_relaxed) && changed_.exchange(false));
#else
    const std::uint64_t now = reinterpret_cast<PyDictObject*>(dict_)->ma_version_tag;
    return std::exchange(seen_, now) != now;
#endif
  }

 private:
  PyObject* dict_{};
#if PY_VERSION_HEX >= 0x030C0000
  static int note(PyDict_WatchEvent, PyObject*, PyObject*, PyObject*) noexcept {
    changed_.store(true, std::memory_order_relaxed);
    return 0;
  }

  bool is_watched_{};
  static inline int watcher_ = -1;
  static inline std::atomic<bool> changed_{true};
#else
  std::uint64_t seen_{};  // a version that no dict has
#endif
};

}  // namespace parmap::python
