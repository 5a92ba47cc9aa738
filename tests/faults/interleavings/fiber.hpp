// SPDX-License-Identifier: MIT
// Processes modelled as fibers. The stack of a fiber can be copied away and back, and with it everything the process
// remembers, including its allocations and the exceptions it is handling.
#pragma once

#include <cxxabi.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace interleavings {

inline constexpr unsigned most_workers = 3;
inline constexpr unsigned supervisor = most_workers;  // its number as a process
inline constexpr unsigned caller = most_workers + 1;  // of a stream
inline constexpr unsigned processes = most_workers + 2;
inline constexpr unsigned nobody = processes;

// Lies above the stack, so that a copy from the stack pointer to the end of the block includes it.
struct fiber_head {
  std::byte* sp;
  const char* at;  // the name of the next step
  bool alive;
  unsigned allocations;  // not yet released
  std::size_t heap_used;
  alignas(16) std::array<std::byte, 1536> heap;
  std::array<std::byte, 16> handled;  // __cxa_get_globals()
};

struct alignas(64) fiber_block {
  std::array<std::byte, 64 << 10> stack;
  fiber_head head;

  [[nodiscard]] std::byte* end() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
  [[nodiscard]] std::byte* idle() noexcept { return reinterpret_cast<std::byte*>(&head); }
};

inline std::array<fiber_block, processes> fibers;
inline unsigned running = nobody;
inline std::byte* main_sp = nullptr;
inline int out_of_block = 0;  // allocations of fibers that did not fit into their block

}  // namespace interleavings

// Pushes the callee-saved registers, switches to the other stack, and pops them from there.
extern "C" void switch_fiber(std::byte** save, std::byte* load) noexcept;
asm(R"(
.text
.type switch_fiber, @function
switch_fiber:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size switch_fiber, . - switch_fiber
)");

namespace interleavings {

// A call leaves bytes below the stack pointer, which would make equal states differ, so they are zeroed. If this is too
// small, the search is still correct but visits more states.
inline constexpr std::size_t scrubbed = 512;

// Runs p until it calls give_way().
inline void resume(unsigned p) noexcept {
  fiber_head& head = fibers[p].head;
  static auto* const handled = reinterpret_cast<std::byte*>(abi::__cxa_get_globals());
  std::memcpy(handled, head.handled.data(), head.handled.size());
  running = p;
  switch_fiber(&main_sp, head.sp);
  running = nobody;
  std::memset(head.sp - scrubbed, 0, scrubbed);
  std::memcpy(head.handled.data(), handled, head.handled.size());
  std::memset(handled, 0, head.handled.size());
}

inline void give_way(const char* at) noexcept {
  fiber_head& head = fibers[running].head;
  if (out_of_block != 0) {
    std::fputs("interleavings: a process remembers more than a copy of its fiber holds\n", stderr);
    std::abort();
  }
  head.at = at;
  switch_fiber(&head.sp, main_sp);
}

// Removes everything that p remembers.
inline void end(unsigned p) noexcept {
  fiber_block& block = fibers[p];
  std::memset(static_cast<void*>(&block.head), 0, sizeof block.head);
  block.head.sp = block.idle();
}

inline void start(unsigned p, void (*life)()) noexcept {
  constexpr std::size_t used = 16 << 10;  // zeroed, so that each start leaves the same bytes below the stack pointer
  fiber_block& block = fibers[p];
  end(p);
  std::memset(block.idle() - used, 0, used);
  block.head.sp = block.idle() - 8 * sizeof(void*);  // six registers, the entry point, an unused return address
  std::memcpy(block.head.sp + 6 * sizeof(void*), &life, sizeof life);
  block.head.alive = true;
}

}  // namespace interleavings

// Memory that a fiber allocates lies in its block: exceptions, and what operator new returns.
namespace interleavings {

inline void* allocate(std::size_t size) noexcept {
  if (running == nobody) return std::malloc(size);
  fiber_head& head = fibers[running].head;
  size = (size + 15) / 16 * 16;
  if (size > head.heap.size() - head.heap_used) {
    ++out_of_block;
    return std::malloc(size);
  }
  void* const at = head.heap.data() + head.heap_used;
  head.heap_used += size;
  ++head.allocations;
  return at;
}

inline void release(void* at) noexcept {
  for (auto& [stack, head] : fibers)
    if (at >= head.heap.data() && at < head.heap.data() + head.heap.size()) {
      if (--head.allocations == 0) std::memset(head.heap.data(), 0, std::exchange(head.heap_used, 0));
      return;
    }
  if (running != nobody && at != nullptr) --out_of_block;
  std::free(at);
}

}  // namespace interleavings

void* operator new(std::size_t size) {
  void* const at = interleavings::allocate(size == 0 ? 1 : size);
  if (at == nullptr) throw std::bad_alloc();
  return at;
}
void operator delete(void* at) noexcept { interleavings::release(at); }
void operator delete(void* at, std::size_t) noexcept { interleavings::release(at); }

namespace __cxxabiv1 {

inline constexpr std::size_t header = 128;  // libstdc++'s header in front of an exception, initially zero

extern "C" void* __cxa_allocate_exception(std::size_t size) noexcept {
  auto* const at = static_cast<std::byte*>(interleavings::allocate(header + size));
  if (at == nullptr) std::abort();
  std::memset(at, 0, header + size);
  return at + header;
}
extern "C" void __cxa_free_exception(void* thrown) noexcept {
  interleavings::release(static_cast<std::byte*>(thrown) - header);
}

}  // namespace __cxxabiv1
