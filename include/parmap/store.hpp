// SPDX-License-Identifier: MIT
// result_store: where a map keeps its outcomes beyond the end of the program; see parmap::checkpoint.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/stores/store_run.hpp>
#include <parmap/part.hpp>

#include <memory>
#include <stdexcept>
#include <string>

namespace parmap::inline PARMAP_ABI {

/// Where a map keeps its outcomes: what parmap::checkpoint returns, for options::store. Abstract; for engines.
class result_store {
 public:
  result_store(const result_store&) = delete;
  result_store& operator=(const result_store&) = delete;
  virtual ~result_store() = default;

  /// What map calls. Throws store_failed if the store cannot be used, std::invalid_argument if it has the results of
  /// another sweep.
  [[nodiscard]] virtual std::unique_ptr<detail::store_run> open(const detail::sweep& what) = 0;

  /// The path of the status file of a map of this part with this store (see options::trace); empty: it has none.
  [[nodiscard]] virtual std::string status_path(const part& /*of*/) const { return {}; }

 protected:
  result_store() = default;
};

/// Thrown by a map with a store that cannot be opened, read or written; what() has the path and the reason. What was
/// stored before stays stored.
class PARMAP_API store_failed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace parmap::inline PARMAP_ABI
