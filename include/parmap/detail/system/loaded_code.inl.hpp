// SPDX-License-Identifier: MIT
// The bodies of loaded_code.hpp.
#pragma once

#include <parmap/detail/system/loaded_code.hpp>

#include <elf.h>
#include <link.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <functional>
#include <iterator>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

using program_header = ElfW(Phdr);
using note_header = ElfW(Nhdr);

// Calls look(object) for each loaded object until it returns true. `look` throws nothing, as the C library calls it.
template <class Look>
void look_at_objects(Look& look) noexcept {
  ::dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* with) { return (*static_cast<Look*>(with))(*object) ? 1 : 0; },
      &look);
}

PARMAP_INLINE std::string_view name_of(const dl_phdr_info& object) noexcept {
  return object.dlpi_name == nullptr ? std::string_view() : std::string_view(object.dlpi_name);
}
PARMAP_INLINE std::span<const program_header> segments_of(const dl_phdr_info& object) noexcept {
  return {object.dlpi_phdr, object.dlpi_phnum};
}

PARMAP_INLINE bool is_code(const program_header& segment) noexcept {
  return segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0;
}

// The bytes of a segment, if they can be read.
PARMAP_INLINE std::string_view bytes_of(const dl_phdr_info& object, const program_header& segment) noexcept {
  const auto lies_in = [&segment](const program_header& other) {
    return other.p_type == PT_LOAD && (other.p_flags & PF_R) != 0 && other.p_vaddr <= segment.p_vaddr &&
           segment.p_filesz <= other.p_filesz && segment.p_vaddr - other.p_vaddr <= other.p_filesz - segment.p_filesz;
  };
  if (!std::ranges::any_of(segments_of(object), lies_in)) return {};
  const std::uintptr_t at = object.dlpi_addr + segment.p_vaddr;
  return {reinterpret_cast<const char*>(at), segment.p_filesz};  // NOLINT(performance-no-int-to-ptr)
}

// Whether the notes of an object have a build id, which names its content.
PARMAP_INLINE bool has_build_id(std::string_view notes) noexcept {
  constexpr std::array gnu{'G', 'N', 'U', '\0'};
  note_header head;
  const auto padded = [](std::size_t size) { return (size + 3) / 4 * 4; };
  while (notes.size() >= sizeof head) {
    std::memcpy(&head, notes.data(), sizeof head);
    notes.remove_prefix(sizeof head);
    const std::string_view owner = notes.substr(0, head.n_namesz);
    if (head.n_type == NT_GNU_BUILD_ID && owner == std::string_view(gnu.data(), gnu.size())) return true;
    notes.remove_prefix(std::min(notes.size(), padded(head.n_namesz) + padded(head.n_descsz)));
  }
  return false;
}

// Stands for the content of an object. Without a build id it comes from the beginning of the code: large libraries are
// not read whole.
PARMAP_INLINE std::size_t content_of(const dl_phdr_info& object) noexcept {
  constexpr std::size_t most = std::size_t{1} << 20;
  std::size_t all = 0;
  const auto add = [&all](std::string_view bytes) { all = all * 31 + std::hash<std::string_view>()(bytes); };
  add({reinterpret_cast<const char*>(object.dlpi_phdr), object.dlpi_phnum * sizeof(program_header)});
  bool has_id = false;
  for (const program_header& segment : segments_of(object)) {
    if (segment.p_type != PT_NOTE) continue;
    const std::string_view notes = bytes_of(object, segment);
    add(notes);
    has_id = has_id || has_build_id(notes);
  }
  if (has_id) return all;
  for (const program_header& segment : segments_of(object))
    if (is_code(segment)) add(bytes_of(object, segment).substr(0, most));
  return all;
}

struct loaded_code::object {
  explicit object(const dl_phdr_info& from)
      : name(name_of(from)),
        base(from.dlpi_addr),
        headers(from.dlpi_phdr),
        content(content_of(from)),
        same_at(from.dlpi_subs) {}

  [[nodiscard]] bool is(const dl_phdr_info& other) const noexcept {
    return other.dlpi_addr == base && other.dlpi_phdr == headers && name_of(other) == name &&
           content_of(other) == content;
  }

  std::string name;
  std::uintptr_t base;
  const program_header* headers;
  std::size_t content;
  // How many objects had ever been unloaded when this was last seen to be loaded.
  mutable std::atomic<std::uint64_t> same_at;
};

PARMAP_INLINE loaded_code::loaded_code() {
  bool no_memory = false;
  auto look = [&](const dl_phdr_info& each) {
    try {
      const object& it = *objects_.emplace_back(std::make_unique<object>(each));
      for (const program_header& part : segments_of(each))
        if (is_code(part)) segments_.push_back({it.base + part.p_vaddr, it.base + part.p_vaddr + part.p_memsz, &it});
    } catch (const std::bad_alloc&) {
      no_memory = true;
    }
    return no_memory;
  };
  look_at_objects(look);
  if (no_memory) throw std::bad_alloc();
  std::ranges::sort(segments_, {}, &segment::begin);
}

PARMAP_INLINE loaded_code::~loaded_code() = default;

PARMAP_INLINE bool loaded_code::contains(const void* address) const noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const auto above = std::ranges::upper_bound(segments_, at, {}, &segment::begin);
  if (above == segments_.begin()) return false;
  const segment& there = *std::prev(above);
  if (at >= there.end) return false;

  // What has not been unloaded is where it was.
  const object& it = *there.of;
  bool first = true;
  bool same = false;
  auto look = [&](const dl_phdr_info& each) {
    if (std::exchange(first, false) && it.same_at.load(std::memory_order_relaxed) == each.dlpi_subs) {
      same = true;
    } else if (it.is(each)) {
      same = true;
      it.same_at.store(each.dlpi_subs, std::memory_order_relaxed);
    }
    return same;
  };
  look_at_objects(look);
  return same;
}

}  // namespace parmap::inline PARMAP_ABI::detail
