// SPDX-License-Identifier: MIT
// pool_function_of: f and the type of its inputs, as a worker of a pool runs them; how they are sent there.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/pools/pool_function.hpp>
#include <parmap/detail/pools/sent_function.hpp>
#include <parmap/detail/pools/sent_inputs.hpp>
#include <parmap/detail/pools/sent_numbers.hpp>
#include <parmap/detail/processes/streamed_tasks.hpp>
#include <parmap/detail/space/numbered_tasks.hpp>
#include <parmap/encoding.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// In a worker. Space is that of the caller.
template <class F, class Space>
class pool_function_of final : public pool_function {
 public:
  using value = result_of<F, Space>;

  explicit pool_function_of(F f) : f_(std::move(f)) {}

  static std::unique_ptr<pool_function> read_function(byte_reader bytes) {
    decoder in(bytes);
    auto made = std::make_unique<pool_function_of>(decode_function<F>(in));
    bytes.expect_end();
    return made;
  }
  [[nodiscard]] std::unique_ptr<pool_inputs> read(byte_reader bytes) const override {
    decoder in(bytes);
    const auto first = in.get<std::uint64_t>();
    auto made = std::make_unique<inputs>(first, sent_inputs<Space>::decode(in));
    made->numbers = sent_numbers::read(bytes, made->space.size());
    return made;
  }
  void run(const pool_inputs& given, batch_run& tasks, context& self) const override {
    const auto& [first, space, numbers] = static_cast<const inputs&>(given);
    numbered_tasks<F, received> numbered(f_, space);
    if (numbers != nullptr) numbered = numbered.renumbered_by(*numbers);
    if (tasks.next() < first || tasks.end() - first > numbered.size())
      throw bad_encoding("a pool's batch has tasks without inputs");
    numbered.for_each(tasks.next() - first, tasks.end() - first, self, [&](std::uint64_t, const auto& call) {
      if (!tasks.begin_task()) return false;
      send_value<value>(tasks.outlet(), tasks.number(), 1, call);
      tasks.end_task();
      return true;
    });
  }

 private:
  using received = typename sent_inputs<Space>::received;

  struct inputs final : pool_inputs {
    inputs(std::uint64_t task, received&& read) : first(task), space(std::move(read)) {}
    std::uint64_t first;  // the task of the first combination
    received space;
    std::unique_ptr<const sent_numbers> numbers{};  // null: all tasks of the space
  };

  mutable F f_;
};

// Writes bytes of unknown number to memory of its own.
template <class Write>
std::vector<std::byte> bytes_of(const Write& write) {
  for (std::vector<std::byte> bytes(256);; bytes.resize(4 * bytes.size())) {
    try {
      byte_writer to(bytes.data(), bytes.data() + bytes.size());
      write(to);
      bytes.resize(to.written());
      return bytes;
    } catch (const arena_full&) {  // NOLINT(bugprone-empty-catch): once more, with more room
    }
  }
}

// The bytes of f, which begin with what reads them.
template <class F, class Space>
std::vector<std::byte> bytes_of_function(const F& f) {
  return bytes_of([&f](byte_writer& to) {
    const auto reader = reinterpret_cast<std::uintptr_t>(&pool_function_of<F, Space>::read_function);
    to.write(&reader, sizeof reader);
    encoder out(to);
    encode_function(out, f);
  });
}

}  // namespace parmap::inline PARMAP_ABI::detail
