// SPDX-License-Identifier: MIT
// Where results lie in shared memory, and how a worker puts them there: one way for each class of types. gathering.hpp
// is how the caller gets them.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/detail/processes/worker_arenas.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/results/result_memory.hpp>
#include <parmap/detail/results/result_places.hpp>
#include <parmap/detail/system/prefault.hpp>
#include <parmap/detail/system/protocol_step.hpp>
#include <parmap/detail/system/shared_memory.hpp>
#include <parmap/results.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace parmap::detail {

inline std::size_t checked_bytes(std::uint64_t n, std::size_t each) {
  if (n > std::numeric_limits<std::ptrdiff_t>::max() / each) throw std::bad_alloc();
  return n * each;
}

// ---- The memory, laid out before the first fork.

// memory(): the mapping they have for themselves, if any.

// In-slot types: a mapping of their own, which the results take over.
template <class T>
class shared_slots {
 public:
  static_assert(in_slot<T>);

  shared_slots(std::size_t fixed, std::uint64_t n) : fixed_(fixed), size_(n), memory_(checked_bytes(n, sizeof(T))) {}
  [[nodiscard]] std::size_t arenas_begin() const noexcept { return fixed_; }
  [[nodiscard]] T* data() const noexcept { return static_cast<T*>(memory_.data()); }
  [[nodiscard]] const shared_memory* memory() const noexcept { return &memory_; }

  // Hands the memory over.
  [[nodiscard]] detail::result_memory<T> take() {
    memory_.seal();
    return {std::move(memory_), size_};
  }

 private:
  std::size_t fixed_;
  std::uint64_t size_;
  shared_memory memory_;
};

template <>
class shared_slots<void> {
 public:
  shared_slots(std::size_t fixed, std::uint64_t) : fixed_(fixed) {}
  [[nodiscard]] std::size_t arenas_begin() const noexcept { return fixed_; }
  [[nodiscard]] const shared_memory* memory() const noexcept { return nullptr; }

 private:
  std::size_t fixed_;
};

// Encoded types: behind the ledger, where each slot says which bytes of which arena hold the value.
template <class T>
  requires(!in_slot<T>) && (!std::is_void_v<T>)
class shared_slots<T> {
 public:
  shared_slots(std::size_t fixed, std::uint64_t n)
      : begin_(fixed),
        end_(fixed + checked_bytes(n, sizeof(encoded_slot))) {}
  [[nodiscard]] std::size_t arenas_begin() const noexcept { return end_; }
  [[nodiscard]] std::size_t slots_begin() const noexcept { return begin_; }
  [[nodiscard]] encoded_slot* slots_in(const shared_memory& memory) const noexcept {
    return reinterpret_cast<encoded_slot*>(memory.bytes() + begin_);
  }
  [[nodiscard]] const shared_memory* memory() const noexcept { return nullptr; }

 private:
  std::size_t begin_;
  std::size_t end_;
};

// ---- The worker's side, an object in its process: prepare() hears of a claim, put() runs the task and stores its
// value; describe() says, in a catch block, what it threw.

template <class T>
class slot_writer {
 public:
  slot_writer(const shared_slots<T>& slots, const shared_memory&, const worker_arenas&)
      : first_(slots.data()),
        ahead_(slots.memory()->bytes(), slots.memory()->size()) {}

  void prepare(unsigned w, std::uint64_t b, std::uint64_t e) noexcept {
    ahead_.prepare(w % 2 == 0, b * sizeof(T), e * sizeof(T));
  }

  template <class Call>
  void put(unsigned, std::uint64_t i, const Call& call) const {
    ::new (static_cast<void*>(first_ + i)) T(call());
  }
  [[nodiscard]] thrown describe() const { return describe_current_exception(); }

 private:
  T* first_;
  prefault ahead_;
};

template <>
class slot_writer<void> {
 public:
  slot_writer(const shared_slots<void>&, const shared_memory&, const worker_arenas&) {}

  void prepare(unsigned, std::uint64_t, std::uint64_t) const noexcept {}

  template <class Call>
  void put(unsigned, std::uint64_t, const Call& call) const {
    call();
  }
  [[nodiscard]] thrown describe() const { return describe_current_exception(); }
};

template <class T>
  requires(!in_slot<T>) && (!std::is_void_v<T>)
class slot_writer<T> {
 public:
  slot_writer(const shared_slots<T>& slots, const shared_memory& memory, const worker_arenas& records)
      : first_(slots.slots_in(memory)),
        ahead_(reinterpret_cast<std::byte*>(first_), slots.arenas_begin() - slots.slots_begin()),
        records_(records) {}

  void prepare(unsigned w, std::uint64_t b, std::uint64_t e) noexcept {
    ahead_.prepare(w % 2 == 0, b * sizeof(encoded_slot), e * sizeof(encoded_slot));
  }

  template <class Call>
  void put(unsigned w, std::uint64_t i, const Call& call) const {
    const T& value = call();
    byte_writer bytes = records_.append(w);
    try {
      encoder(bytes).put(value);
    } catch (...) {
      thrown what = describe_current_exception();
      if (what.kind == failure_kind::threw) what.kind = failure_kind::unencodable;
      if (!what.verbatim) what.message.insert(0, "encoding its result: ");
      throw not_encoded{std::move(what)};
    }
    const encoded_slot at = records_.commit(w, bytes, i);
    step("slot", moment::before);
    first_[i] = at;
  }
  [[nodiscard]] thrown describe() const {
    try {
      throw;
    } catch (const not_encoded& it) {
      return it.what;
    } catch (...) {
      return describe_current_exception();
    }
  }

 private:
  struct not_encoded {
    thrown what;
  };

  encoded_slot* first_;
  prefault ahead_;
  const worker_arenas& records_;
};

}  // namespace parmap::detail
