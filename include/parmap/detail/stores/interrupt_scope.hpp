// SPDX-License-Identifier: MIT
// interrupt_scope: a map during which SIGINT and SIGTERM end the map, and not the program.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/options.hpp>

#include <memory>

namespace parmap::inline PARMAP_ABI::detail {

// For the lifetime of the object, if the options say so. It gives them a stop token that it requests to stop, and what
// options::on_interrupt needs to tell engines.
class interrupt_scope {
 public:
  explicit interrupt_scope(options& of_map) {
    if (of_map.on_interrupt.keeps(of_map.store != nullptr)) begin(of_map);
  }
  interrupt_scope(const interrupt_scope&) = delete;
  interrupt_scope& operator=(const interrupt_scope&) = delete;
  ~interrupt_scope() {
    if (state_ != nullptr) end();
  }

 private:
  struct state;

  PARMAP_API void begin(options& of_map);
  PARMAP_API void end() noexcept;

  state* state_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/stores/interrupt_scope.inl.hpp>
#endif
