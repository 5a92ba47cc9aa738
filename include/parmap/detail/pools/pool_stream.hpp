// SPDX-License-Identifier: MIT
// pool_stream: a stream on a pool.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/pools/pool_function_of.hpp>
#include <parmap/detail/pools/pool_outcomes.hpp>
#include <parmap/detail/pools/sent_inputs.hpp>
#include <parmap/detail/pools/sent_numbers.hpp>
#include <parmap/detail/processes/multi_stream.hpp>
#include <parmap/detail/streams/lazy_axis.hpp>
#include <parmap/encoding.hpp>
#include <parmap/options.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// The inputs of axes with a size are sent when the stream begins; others as the window permits.
template <class Tasks>
class pool_stream final : public pool_outcomes<typename Tasks::result> {
  using value = typename Tasks::result;
  using space = typename Tasks::space_type;

 public:
  pool_stream(pool_dispatcher& by, const Tasks& tasks, const options& chosen,
              std::optional<std::chrono::nanoseconds> limit, std::shared_ptr<kept_function> f,
              std::optional<std::uint64_t> size)
      : pool_outcomes<value>(by, chosen, limit, std::move(f)),
        tasks_(tasks) {
    if constexpr (!is_unbounded<space>)
      if (*size > 0) send(0, *size);
    if (size) by.close(this->job());
  }
  pool_stream(const pool_stream&) = delete;
  pool_stream& operator=(const pool_stream&) = delete;
  ~pool_stream() override { this->end(); }

 private:
  void send(std::uint64_t b, std::uint64_t e) {
    const sent_numbers numbers(tasks_.renumbered());
    kept_inputs inputs = this->dispatcher().keep_inputs(
        [&](byte_writer& to) {
          encoder out(to);
          sent_inputs<space>::encode(out, tasks_.space(), b, e);
          numbers.write(to);
        },
        encodes_by_foreign_code<space>);
    this->dispatcher().add(this->job(), b, e - b, std::move(inputs));
  }
  void send_up_to(std::uint64_t limit) override {
    if constexpr (is_unbounded<space>)
      if (limit > sent_) {
        send(sent_, limit);
        sent_ = limit;
      }
  }
  [[nodiscard]] outcome<value> decode(byte_reader bytes) override { return decode_outcome<value>(bytes); }

  const Tasks& tasks_;
  std::uint64_t sent_{};  // of an axis without a size: tasks
};

}  // namespace parmap::inline PARMAP_ABI::detail
