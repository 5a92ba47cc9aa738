// SPDX-License-Identifier: MIT
// refused_calls: parameter types of overloads that are chosen only where no other fits; they are deleted, so that the
// compiler's error is one that names the remedy.
#pragma once

#include <parmap/detail/config.hpp>

#include <initializer_list>

namespace parmap::inline PARMAP_ABI::detail {

// int, as what a refused call returns: results<int_after_error<F>>. It depends on a parameter of the template, so that
// users' programs do not compile a results<int> which no call returns.
template <class... Any>
struct int_after_error_of {
  using type = int;
};
template <class... Any>
using int_after_error = typename int_after_error_of<Any...>::type;

// Converts from any argument.
struct any_argument {
  template <class T>
  any_argument(T&&);  // NOLINT(google-explicit-constructor, bugprone-forwarding-reference-overload): not defined
};
// As any_argument, and from the name of an overloaded function or a function template, which has no type.
struct overloaded_function {
  overloaded_function(...);  // NOLINT(google-explicit-constructor, cert-dcl50-cpp): not defined
};
// Converts from `{.name = value}` that is no `options`: no option has that name, or its type is another one.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 14
// Against the standard, these compilers take any `.name` for a constructor's argument.
struct unknown_option_or_value_of_another_type {
  template <class... T>
  unknown_option_or_value_of_another_type(T...);  // NOLINT(google-explicit-constructor): not defined
  template <class T>
  unknown_option_or_value_of_another_type(std::initializer_list<T>);  // NOLINT(google-explicit-constructor)
};
#else
// Only an aggregate that has the name will do: so it has those of all options, and those that are tried for them.
struct unknown_option_or_value_of_another_type {
  struct any_value {
    any_value();
    template <class T>
    any_value(T&&);  // NOLINT(google-explicit-constructor, bugprone-forwarding-reference-overload): not defined
    template <class T>
    any_value(std::initializer_list<T>);  // NOLINT(google-explicit-constructor)
  };
  any_value chunk{}, chunk_size{}, chunksize{}, cores{}, cpus{}, engine{}, jobs{}, max_failure{}, max_failures{},
      max_threads{}, max_workers{}, mem{}, mem_limit{}, memory{}, memory_limit{}, n{}, n_jobs{}, n_threads{},
      n_worker{}, n_workers{}, nthreads{}, num_threads{}, num_workers{}, nworkers{}, on_error{}, order{}, parallelism{},
      processes{}, progress{}, report{}, reporter{}, retries{}, retry{}, rng{}, schedule{}, seed{}, stop{},
      stop_token{}, thread_count{}, threads{}, time_limit{}, time_out{}, timeout{}, timeout_ms{}, timeout_s{},
      timeout_sec{}, timeouts{}, token{}, verbose{}, worker{}, worker_count{}, workers{};
};
#endif

}  // namespace parmap::inline PARMAP_ABI::detail
