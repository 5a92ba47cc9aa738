// SPDX-License-Identifier: MIT
// The peers that run the loops of benchmarks/native, each used as its own documentation recommends.
//
// A peer has transform(in, out, f), out[i] = f(in[i]) in place, and fresh(in, f), which returns a container
// of the results. Some have sum(in, f), the sum of f(in[i]). Its thread pool, if it has one, is made by the first call.
#pragma once

#ifdef BENCH_PARMAP
#include <parmap/parmap.hpp>
#if __has_include(<parmap/map_reduce.hpp>)  // not in earlier revisions, with which compare.py compiles this
#define BENCH_REDUCES 1
#endif
#endif
#include <parmap/detail/schedule/usable_cores.hpp>

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <new>
#include <ranges>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#ifdef BENCH_TBB
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/parallel_reduce.h>
#include <tbb/partitioner.h>

#include <execution>
#endif

namespace bench {

template <class T>
void keep(const T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

template <class F, class In>
using result_of = std::remove_cvref_t<std::invoke_result_t<const F&, const In&>>;

// Implements fresh by a vector that the peer fills.
template <class Peer>
struct fills_a_vector {
  template <class In, class F>
  static auto fresh(const std::vector<In>& in, const F& f) {
    std::vector<result_of<F, In>> out(in.size());
    Peer::transform(in, out.data(), f);
    return out;
  }
};

struct loop : fills_a_vector<loop> {
  template <class In, class Out, class F>
  static void transform(const std::vector<In>& in, Out* out, const F& f) {
    for (std::size_t i = 0; i < in.size(); ++i) out[i] = f(in[i]);
  }
  template <class F>
  static double sum(const std::vector<double>& in, const F& f) {
    double all = 0;
    for (const double x : in) all += f(x);
    return all;
  }
};

#ifdef _OPENMP
struct omp_static : fills_a_vector<omp_static> {
  template <class In, class Out, class F>
  static void transform(const std::vector<In>& in, Out* out, const F& f) {
    const auto n = static_cast<std::ptrdiff_t>(in.size());
#pragma omp parallel for schedule(static)
    for (std::ptrdiff_t i = 0; i < n; ++i) out[i] = f(in[static_cast<std::size_t>(i)]);
  }
};
struct omp_dynamic : fills_a_vector<omp_dynamic> {
  template <class In, class Out, class F>
  static void transform(const std::vector<In>& in, Out* out, const F& f) {
    const auto n = static_cast<std::ptrdiff_t>(in.size());
#pragma omp parallel for schedule(dynamic)
    for (std::ptrdiff_t i = 0; i < n; ++i) out[i] = f(in[static_cast<std::size_t>(i)]);
  }
};
struct omp_guided : fills_a_vector<omp_guided> {
  template <class In, class Out, class F>
  static void transform(const std::vector<In>& in, Out* out, const F& f) {
    const auto n = static_cast<std::ptrdiff_t>(in.size());
#pragma omp parallel for schedule(guided)
    for (std::ptrdiff_t i = 0; i < n; ++i) out[i] = f(in[static_cast<std::size_t>(i)]);
  }
};
#endif

#ifdef BENCH_TBB
template <class Partitioner>
struct tbb_with : fills_a_vector<tbb_with<Partitioner>> {
  template <class In, class Out, class F>
  static void transform(const std::vector<In>& in, Out* out, const F& f) {
    const auto part = [&](const tbb::blocked_range<std::size_t>& of) {
      for (std::size_t i = of.begin(); i != of.end(); ++i) out[i] = f(in[i]);
    };
    tbb::parallel_for(tbb::blocked_range<std::size_t>(0, in.size()), part, Partitioner());
  }
  // The sum that is the same on any number of threads, by tasks as large as parmap's blocks.
  template <class F>
  static double sum(const std::vector<double>& in, const F& f) {
    const auto part = [&](const tbb::blocked_range<std::size_t>& of, double all) {
      for (std::size_t i = of.begin(); i != of.end(); ++i) all += f(in[i]);
      return all;
    };
    return tbb::parallel_deterministic_reduce(tbb::blocked_range<std::size_t>(0, in.size(), 512), 0.0, part,
                                              std::plus<>());
  }
};
using tbb_auto = tbb_with<tbb::auto_partitioner>;
using tbb_static = tbb_with<tbb::static_partitioner>;

struct std_par : fills_a_vector<std_par> {
  template <class In, class Out, class F>
  static void transform(const std::vector<In>& in, Out* out, const F& f) {
    std::transform(std::execution::par, in.begin(), in.end(), out, f);
  }
};
#endif

#ifdef BENCH_PARMAP
// parmap on an engine.
template <const auto& Engine>
struct on {
  template <class In, class F>
  static auto fresh(const std::vector<In>& in, const F& f) {
    return parmap::map(Engine, f, in, {.reporter = parmap::report::silent});
  }
  template <class In, class Out, class F>
  static void transform(const std::vector<In>& in, Out* out, const F& f) {
    parmap::map_into(Engine, std::span(out, in.size()), f, in, {.reporter = parmap::report::silent}).value();
  }
#ifdef BENCH_REDUCES
  template <class F>
  static double sum(const std::vector<double>& in, const F& f) {
    return parmap::map_reduce(Engine, f, std::plus{}, 0.0, in, {.reporter = parmap::report::silent}).value();
  }
#endif
  // Runs n tasks that do nothing.
  static void void_tasks(std::size_t n, unsigned workers) {
    const auto nothing = [](std::uint64_t i) { asm volatile("" : : "r"(i)); };
    parmap::map(Engine, nothing, std::views::iota(std::uint64_t{0}, std::uint64_t{n}),
                {.reporter = parmap::report::silent, .workers = workers})
        .value();
  }
};
using parmap_serial = on<parmap::serial>;
using parmap_threads = on<parmap::threads>;
using parmap_multi = on<parmap::multi>;
#endif

// Memory shared with the processes that are forked during its lifetime.
class shared_bytes {
 public:
  explicit shared_bytes(std::size_t size)
      : size_(size),
        begin_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
    if (begin_ == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  }
  shared_bytes(shared_bytes&& other) noexcept : size_(other.size_), begin_(std::exchange(other.begin_, nullptr)) {}
  shared_bytes& operator=(shared_bytes&&) = delete;
  ~shared_bytes() {
    if (begin_ != nullptr) ::munmap(begin_, size_);
  }
  template <class T>
  [[nodiscard]] T* as() const noexcept {
    return static_cast<T*>(begin_);
  }

 private:
  std::size_t size_;
  void* begin_;
};

// Minimal code written by hand with forks: an equal share for each core, pinned to it. It gives no guarantees.
struct fork_by_hand {
  // The w-th core that this process may use.
  static std::size_t core(std::size_t w) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    ::sched_getaffinity(0, sizeof allowed, &allowed);
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &allowed) && w-- == 0) return cpu;
    return 0;
  }
  // Runs part(b, e) in one process for each core.
  template <class Part>
  static void each_core(std::size_t n, const Part& part) {
    const std::size_t cores = parmap::detail::usable_cores();
    for (std::size_t w = 0; w < cores; ++w) {
      const pid_t child = ::fork();
      if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
      if (child > 0) continue;
      cpu_set_t own;
      CPU_ZERO(&own);
      CPU_SET(core(w), &own);
      ::sched_setaffinity(0, sizeof own, &own);
      part(w * n / cores, (w + 1) * n / cores);
      ::_exit(0);
    }
    while (::wait(nullptr) > 0) {
    }
  }

  template <class T>
  struct plain_results {
    shared_bytes memory;
    [[nodiscard]] const T& operator[](std::size_t i) const { return memory.as<T>()[i]; }
  };

  template <class In, class F>
    requires std::is_trivially_copyable_v<result_of<F, In>>
  static auto fresh(const std::vector<In>& in, const F& f) {
    using value = result_of<F, In>;
    plain_results<value> all{shared_bytes(in.size() * sizeof(value))};
    each_core(in.size(), [&](std::size_t b, std::size_t e) {
      for (std::size_t i = b; i < e; ++i) ::new (all.memory.template as<value>() + i) value(f(in[i]));
    });
    return all;
  }
  // For values that all have the same size, which the author of such code knows: 32 characters, or a vector's elements.
  template <class In, class F>
    requires(!std::is_trivially_copyable_v<result_of<F, In>>)
  static auto fresh(const std::vector<In>& in, const F& f) {
    using value = result_of<F, In>;
    using element = typename value::value_type;
    const std::size_t each = f(in[0]).size();
    const shared_bytes memory(in.size() * each * sizeof(element));
    each_core(in.size(), [&](std::size_t b, std::size_t e) {
      for (std::size_t i = b; i < e; ++i) {
        const value one = f(in[i]);
        std::memcpy(memory.as<element>() + i * each, one.data(), each * sizeof(element));
      }
    });
    std::vector<value> all;
    all.reserve(in.size());
    for (std::size_t i = 0; i < in.size(); ++i)
      all.emplace_back(memory.as<element>() + i * each, memory.as<element>() + (i + 1) * each);
    return all;
  }
  template <class In, class Out, class F>
  static void transform(const std::vector<In>& in, Out* out, const F& f) {
    const auto all = fresh(in, f);
    for (std::size_t i = 0; i < in.size(); ++i) out[i] = all[i];
  }
};

// Forks as many processes as elements, which do nothing: the least cost of any map on processes.
struct bare_forks {
  template <class In, class F>
  static auto fresh(const std::vector<In>& in, const F&) {
    for (std::size_t w = 0; w < in.size(); ++w) {
      const pid_t child = ::fork();
      if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
      if (child == 0) ::_exit(0);
    }
    while (::wait(nullptr) > 0) {
    }
    return std::vector<result_of<F, In>>(in.size());
  }
  template <class In, class Out, class F>
  static void transform(const std::vector<In>& in, Out*, const F& f) {
    fresh(in, f);
  }
};

}  // namespace bench
