// SPDX-License-Identifier: MIT
// checkpoint_store: what parmap::checkpoint returns.
#pragma once

#include <parmap/detail/checkpoints/checkpoint_run.hpp>
#include <parmap/detail/checkpoints/part_path.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/part.hpp>
#include <parmap/store.hpp>

#include <memory>
#include <string>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

class checkpoint_store final : public result_store {
 public:
  explicit checkpoint_store(checkpoint_request asked) : asked_(std::move(asked)) {}

  [[nodiscard]] std::unique_ptr<store_run> open(const sweep& what) override {
    return std::make_unique<checkpoint_run>(asked_, what);
  }
  [[nodiscard]] std::string status_path(const part& of) const override {
    return part_path(asked_.path, of) + ".status";
  }

 private:
  checkpoint_request asked_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
