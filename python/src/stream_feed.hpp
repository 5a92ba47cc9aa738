// SPDX-License-Identifier: MIT
// stream_feed: the first input of a stream, if it is an iterator: it is read as the stream goes.
#pragma once

#include "python_tasks.hpp"
#include "value_transport.hpp"

#include <nanobind/nanobind.h>

#include <parmap/detail/streams/element_feed.hpp>

#include <cstdint>
#include <deque>
#include <optional>

namespace parmap::python {

/// Its objects stay here until their outcomes have been taken. Worker processes get them as bytes, in shared memory;
/// threads of this process get the objects. Use it with the GIL held.
class stream_feed final : public detail::element_feed, public lazy_items {
 public:
  /// `pickler`: a parmap._element_pickler.ElementPickler, which must outlive this; None if elements stay in this
  /// process. `scalar_types`: see value_transport.
  stream_feed(nanobind::object iterator, nanobind::handle pickler, nanobind::handle scalar_types);
  stream_feed(const stream_feed&) = delete;
  stream_feed& operator=(const stream_feed&) = delete;
  ~stream_feed() override;

  // ---- as an element_feed, in the caller

  bool read_one() override;
  void one_is_taken(std::uint64_t e) override;
  [[nodiscard]] bool has_room() const noexcept override;
  [[nodiscard]] std::uint64_t bytes() const noexcept override;
  void share(detail::shared_elements& to) override { shared_ = &to; }

  /// What a signal handler has raised while the iterator was read, once.
  [[nodiscard]] nanobind::object take_interrupt() noexcept { return std::move(interrupt_); }
  int traverse(visitproc visit, void* arg) const;

  // ---- as lazy_items, in any process

  PyObject* item(std::uint64_t e) override;

 private:
  struct element {
    PyObject* object;
    std::uint64_t left;  // outcomes that have not been taken
  };

  void share_element(PyObject* object);
  [[nodiscard]] PyObject* decoded(std::uint64_t e);
  [[noreturn]] void throw_raised(const nanobind::object& error);

  nanobind::object iterator_;
  nanobind::handle pickler_;
  large_buffer_file no_buffers_{large_buffer_file::owner::nobody};
  std::optional<value_transport> transport_;
  detail::shared_elements* shared_{};
  std::uint64_t generation_{detail::fork_generation()};
  mutable nanobind::ft_mutex
      mutex_;                     // the GIL, where there is one; guards the following against threads that run tasks
  std::deque<element> elements_;  // from first_ on
  std::uint64_t first_{};
  std::uint64_t last_taken_{~std::uint64_t{0}};
  nanobind::object last_;    // that element, which may have been dropped
  nanobind::object raised_;  // by unpickling
  nanobind::object interrupt_;
};

}  // namespace parmap::python
