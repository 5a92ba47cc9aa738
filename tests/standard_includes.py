#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check that every header of parmap includes the standard headers whose names it uses: standard_includes.py PROJECT

Beside headers_alone (checks.cmake): that compiles each header with the standard library precompiled, which takes a fourth of the time but cannot
see a standard header that is missing. A name that HEADERS does not have is an error, too: add it there.
"""

import re
import sys
from pathlib import Path

#: The names of namespace std that parmap uses, by header. One that several headers have needs any of them.
HEADERS = {
    "algorithm": "clamp copy_n max min partition_point sort sort_heap stable_sort make_heap is_sorted transform count_if any_of "
                 "ranges::all_of ranges::any_of ranges::copy ranges::count_if ranges::find ranges::find_if ranges::is_sorted ranges::lower_bound ranges::move "
                 "ranges::none_of ranges::pop_heap ranges::push_heap ranges::replace ranges::sort ranges::unique ranges::upper_bound",
    "array": "array to_array get tuple_element tuple_element_t tuple_size tuple_size_v",
    "atomic": "atomic atomic_thread_fence memory_order_acq_rel memory_order_acquire memory_order_relaxed memory_order_release memory_order_seq_cst",
    "bit": "bit_cast bit_ceil bit_width countl_zero countr_zero popcount",
    "cfenv": "fegetenv fenv_t fesetenv",
    "charconv": "chars_format from_chars to_chars",
    "chrono": "chrono micro",
    "cmath": "ceil isfinite isnan log10 lround signbit",
    "complex": "complex",
    "concepts": "constructible_from convertible_to copy_constructible copyable default_initializable invocable move_constructible predicate same_as "
                "unsigned_integral integral floating_point",
    "condition_variable": "condition_variable condition_variable_any",
    "coroutine": "coroutine_traits",
    "cstddef": "byte ptrdiff_t size_t to_integer",
    "cstdint": "int32_t int64_t uint32_t uint64_t uint8_t uint_fast32_t uint_fast64_t uint_least32_t uintptr_t",
    "cstdio": "fflush fprintf fputs rename snprintf size_t",
    "cstdlib": "abort atexit atoi atol calloc exit free getenv strtod strtol strtoll strtoul strtoull size_t",
    "cstring": "memcpy strcmp strcspn strlen strrchr strstr size_t",
    "csignal": "signal",
    "ctime": "size_t",
    "deque": "deque erase_if",
    "exception": "current_exception exception exception_ptr make_exception_ptr nested_exception rethrow_exception terminate throw_with_nested "
                 "uncaught_exceptions",
    "expected": "expected unexpected",
    "filesystem": "filesystem",
    "forward_list": "forward_list",
    "fstream": "ofstream",
    "functional": "bind cref function hash invoke is_bind_expression_v less plus ref reference_wrapper unwrap_reference_t",
    "initializer_list": "initializer_list",
    "ios": "ios_base streamsize",
    "iosfwd": "basic_istream basic_ostream ostream streambuf",
    "iostream": "cerr clog cout",
    "istream": "basic_istream",
    "iterator": "back_inserter contiguous_iterator default_sentinel_t distance forward_iterator_tag input_iterator_tag input_or_output_iterator weakly_incrementable "
                "iter_difference_t iter_reference_t iter_value_t make_move_iterator next prev random_access_iterator_tag size unreachable_sentinel_t "
                "ranges::begin ranges::data ranges::end ranges::size",
    "limits": "numeric_limits",
    "list": "list erase_if",
    "map": "map erase_if",
    "memory": "addressof allocator construct_at destroy destroy_at enable_shared_from_this hash make_shared make_unique shared_ptr "
              "uninitialized_default_construct_n unique_ptr weak_ptr",
    "mutex": "lock_guard mutex scoped_lock unique_lock",
    "new": "bad_alloc launder new_handler nothrow set_new_handler",
    "numbers": "",
    "optional": "nullopt optional hash",
    "ostream": "basic_ostream ostream",
    "random": "seed_seq uniform_real_distribution",
    "random": "random_device random_device::max random_device::min",
    "ranges": "ranges views default_sentinel_t",
    "set": "set erase_if",
    "source_location": "source_location",
    "span": "as_bytes span",
    "sstream": "ostringstream",
    "stdexcept": "invalid_argument length_error logic_error out_of_range runtime_error",
    "stop_token": "nostopstate stop_callback stop_source stop_token",
    "streambuf": "streambuf",
    "string": "basic_string erase erase_if getline hash string to_string",
    "string_view": "basic_string_view hash string_view",
    "system_error": "errc error_code generic_category make_error_code system_error",
    "thread": "jthread this_thread thread",
    "tuple": "apply get make_from_tuple tie tuple tuple_element tuple_element_t tuple_size tuple_size_v",
    "type_traits": "bool_constant conditional_t decay_t disjunction_v enable_if_t has_unique_object_representations_v integral_constant invoke_result "
                   "invoke_result_t is_aggregate_v is_arithmetic_v is_array_v is_assignable_v is_base_of_v is_class_v is_constructible_v is_convertible_v "
                   "is_copy_constructible_v is_default_constructible_v is_empty_v is_enum_v is_final_v is_floating_point_v is_function_v is_integral_v "
                   "is_lvalue_reference_v is_member_pointer_v is_move_constructible_v is_nothrow_invocable_v is_nothrow_move_constructible_v "
                   "is_null_pointer_v is_pointer_v is_polymorphic_v is_reference_v is_same_v is_signed_v is_trivially_copyable_v "
                   "is_trivially_destructible_v is_union_v is_void_v is_volatile_v make_signed make_unsigned remove_all_extents_t remove_const_t "
                   "remove_cv_t remove_cvref_t remove_pointer_t remove_reference_t type_identity underlying_type_t",
    "typeinfo": "type_info",
    "unordered_map": "unordered_map unordered_multimap erase_if",
    "unordered_set": "unordered_set erase_if",
    "utility": "as_const declval exchange forward get in_place in_place_index in_place_index_t in_place_t in_range index_sequence index_sequence_for "
               "make_index_sequence move pair swap tuple_element tuple_element_t tuple_size tuple_size_v",
    "variant": "bad_variant_access get get_if monostate variant variant_alternative_t visit in_place_index",
    "vector": "erase erase_if vector",
}  # fmt: skip

#: No names.
UNKNOWN = {"_"}

INCLUDE = re.compile(r"^\s*#\s*include\s*<([^>]+)>", re.MULTILINE)
NAME = re.compile(r"\bstd::(\w+(?:::\w+)?)")
NOT_CODE = re.compile(r"//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|/\*.*?\*/", re.DOTALL)


def headers_of(name: str) -> set:
    """Return the headers that have a name: `ranges::sort` by itself, else by its first part."""
    whole = {header for header, names in HEADERS.items() if name in names.split()}
    first = name.split("::")[0]
    return whole or {header for header, names in HEADERS.items() if first in names.split()}


def closure(name: str, included: dict, seen: set) -> set:
    """Return what a header includes, also by other headers of parmap."""
    for each in included.get(name, ()):
        if each not in seen:
            seen.add(each)
            closure(each, included, seen)
    return seen


def main() -> int:
    include = Path(sys.argv[1]) / "include"
    texts = {str(path.relative_to(include)): path.read_text(encoding="utf-8") for path in sorted(include.rglob("*.hpp"))}
    included = {name: [each for each in INCLUDE.findall(text) if not each.endswith(".inl.hpp")] for name, text in texts.items()}
    wrong = []
    for name, text in texts.items():
        has = closure(name, included, set())
        for used in sorted(set(NAME.findall(NOT_CODE.sub("", text)))):
            needs = headers_of(used)
            if used in UNKNOWN or needs & has:
                continue
            wrong.append(f"{name}: std::{used} " + (f"needs <{'> or <'.join(sorted(needs))}>" if needs else "is not in tests/standard_includes.py"))
    print("\n".join(wrong) or "Every standard header that is used is included")
    return 1 if wrong else 0


sys.exit(main())
