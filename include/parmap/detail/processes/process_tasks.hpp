// SPDX-License-Identifier: MIT
// process_tasks: numbered tasks for the engine multi; how a worker runs them and stores their values, and how the
// caller reads encoded values.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/encoded_slot.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/processes/worker_chunk.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/results/value_places.hpp>
#include <parmap/detail/schedule/claim_blocks.hpp>
#include <parmap/detail/system/protocol_step.hpp>
#include <parmap/detail/system/standard_streams.hpp>
#include <parmap/encoding.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

namespace parmap::inline PARMAP_ABI::detail {

// What a slot in shared memory holds.
enum class slot_kind {
  none,     // tasks return void
  value,    // the value itself
  encoded,  // an encoded_slot, which refers to its bytes or contains them
  rings,    // there are no slots: values leave by rings
};

struct slot_shape {
  slot_kind kind;
  std::size_t bytes;  // of one slot; of all rings
};

template <class T>
inline constexpr slot_shape slot_shape_of = {in_slot<T> ? slot_kind::value : slot_kind::encoded,
                                             in_slot<T> ? sizeof(T) : sizeof(encoded_slot)};
template <>
inline constexpr slot_shape slot_shape_of<void> = {slot_kind::none, 0};

class process_tasks {
 public:
  process_tasks(const process_tasks&) = delete;
  process_tasks& operator=(const process_tasks&) = delete;

  // In a worker: runs the tasks of the chunk from chunk.next() on and stores their values. Throws what a task throws,
  // or not_encoded if its codec throws.
  virtual void run(worker_chunk& chunk, context& self) const = 0;
  // In a worker, before it waits because nothing is to be claimed.
  virtual void before_wait() const noexcept {}
  // In the caller, of a task whose worker has died: whether its value counts, although the worker did not say so.
  [[nodiscard]] virtual bool has_value(std::uint64_t /*task*/) const noexcept { return false; }

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] slot_shape slots() const noexcept { return slots_; }
  // The claims' boundaries.
  [[nodiscard]] claim_blocks blocks() const noexcept { return blocks_; }
  // Of a pool: the batches that claims keep to; else null.
  [[nodiscard]] virtual const claim_batches* batches() const noexcept { return nullptr; }
  [[nodiscard]] const task_output& output() const noexcept { return output_; }
  // Who hears in the caller of their attempts; null: nobody.
  [[nodiscard]] attempt_observer* observer() const noexcept { return observer_; }

 protected:
  process_tasks(std::uint64_t size, slot_shape slots, claim_blocks blocks = {},
                attempt_observer* observer = nullptr) noexcept
      : size_(size),
        slots_(slots),
        blocks_(blocks),
        observer_(observer) {}
  ~process_tasks() = default;

 private:
  std::uint64_t size_;
  slot_shape slots_;
  claim_blocks blocks_;
  attempt_observer* observer_;
  task_output output_;
};

// Thrown when a codec throws in a worker; describes that exception.
struct not_encoded {
  thrown what;
};
// Call in the catch block.
[[noreturn]] PARMAP_API void throw_not_encoded();

template <class Tasks>
class process_tasks_of final : public process_tasks {
 public:
  using value = typename Tasks::result;

  explicit process_tasks_of(const Tasks& tasks)
      : process_tasks(tasks.size(), slot_shape_of<value>, {}, observer_of(tasks)),
        tasks_(tasks) {}

  void run(worker_chunk& chunk, context& self) const override {
    tasks_.for_each(chunk.next(), chunk.end(), self, [&](std::uint64_t i, const auto& call) {
      if constexpr (Tasks::takes_context) chunk.begin_task(self);
      else chunk.begin_task();
      put(chunk, i, call);
      chunk.end_task();
      return true;
    });
  }

 private:
  template <class Call>
  static void put(worker_chunk& chunk, [[maybe_unused]] std::uint64_t i, const Call& call) {
    if constexpr (std::is_void_v<value>) {
      call();
    } else if constexpr (in_slot<value>) {
      ::new (static_cast<void*>(static_cast<value*>(chunk.slots()) + i)) value(call());
    } else {
      const value& made = call();
      byte_writer bytes = chunk.arena().append();
      try {
        encoder(bytes).put(made);
        if (const std::uint32_t attempts = chunk.attempt(); attempts > 1) bytes.write(&attempts, sizeof attempts);
      } catch (...) {
        throw_not_encoded();
      }
      const encoded_slot slot = chunk.arena().commit(bytes, i, chunk.attempt() > 1);
      step("slot", moment::before);
      static_cast<encoded_slot*>(chunk.slots())[i] = slot;
    }
  }

  const Tasks& tasks_;
};

// Whether a value may be read while workers run. Specialise it for a type whose decoding may take long or run any code.
template <class T>
struct early_reading {
  static bool of(const byte_reader&) noexcept { return true; }
};

// In the caller: decodes values.
class value_reader {
 public:
  value_reader(const value_reader&) = delete;
  value_reader& operator=(const value_reader&) = delete;

  [[nodiscard]] virtual bool may_read_early(const byte_reader& bytes) const = 0;
  // Puts the value of task i into its place. If it throws, there is no value.
  virtual void read(std::uint64_t i, byte_reader bytes) = 0;

  [[nodiscard]] value_places& places() const noexcept { return places_; }

 protected:
  explicit value_reader(value_places& places) noexcept : places_(places) {}
  ~value_reader() = default;

 private:
  value_places& places_;
};

template <class T, class Places>
class value_reader_of final : public value_reader {
 public:
  explicit value_reader_of(Places& places) noexcept : value_reader(places), values_(places) {}

  [[nodiscard]] bool may_read_early(const byte_reader& bytes) const override { return early_reading<T>::of(bytes); }
  void read(std::uint64_t i, byte_reader bytes) override {
    decoder in(bytes);
    values_.put(i, [&in] { return in.get<T>(); });
    if (in.left() == 0) return;
    values_.discard(i);
    bytes.expect_end();
  }

 private:
  Places& values_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/processes/process_tasks.inl.hpp>
#endif
