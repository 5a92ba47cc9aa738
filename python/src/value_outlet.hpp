// SPDX-License-Identifier: MIT
// How a worker of a stream or a pool sends the value of a task.
#pragma once

#include "large_buffer_file.hpp"
#include "value_transport.hpp"

#include <parmap/detail/processes/stream_outlet.hpp>
#include <parmap/parmap.hpp>

#include <cstdint>

namespace parmap::python {

/// Sends it as the value of this task of the stream.
inline void send_value(detail::stream_outlet& outlet, std::uint64_t task, unsigned attempt, const value& made,
                       const large_buffer_file& buffers) {
  const std::uint64_t before = buffers.used();
  outlet.send(task, attempt, [&made](detail::byte_writer& bytes) {
    try {
      encoder(bytes).put(made);
    } catch (const detail::arena_full&) {
      throw;  // the ring has more room elsewhere
    } catch (...) {
      detail::throw_not_encoded();
    }
  });
  if (const std::uint64_t written = buffers.used() - before; written != 0) outlet.note_bytes_elsewhere(written);
}

}  // namespace parmap::python
