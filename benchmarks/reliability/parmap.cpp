// SPDX-License-Identifier: MIT
// One cell of docs/reliability.md for parmap: parmap ENGINE CASE SECONDS LIMIT. run.py starts it and reads what it
// prints. With RELIABILITY_MPI the engine may be mpi, under mpirun.
#include <parmap/detail/results/exception_message.hpp>
#ifdef RELIABILITY_MPI
#include <parmap/mpi.hpp>
#endif
#include <parmap/parmap.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <typeinfo>
#include <vector>

// A value whose encoding may fail.
struct picky {
  int value{};
  bool refuses{};
  std::unique_ptr<int> not_trivial{};
};
template <>
struct parmap::codec<picky> {
  static void encode(encoder& out, const picky& it) {
    if (it.refuses) throw std::runtime_error("not this one");
    out.put(it.value);
  }
  static picky decode(decoder& in) { return {.value = in.get<int>()}; }
};

namespace {

constexpr int tasks = 20;
constexpr int culprit = 7;
const auto all_tasks = std::views::iota(0, tasks);

struct no_exception {};

void misbehave(std::string_view how) {
  if (how == "throws") throw std::runtime_error("thrown");
  if (how == "odd") throw no_exception();
  if (how == "segfault") {
    volatile int* nowhere = nullptr;
    *nowhere = 1;
  }
  if (how == "_exit") ::_exit(1);
  if (how == "sigkill") ::kill(::getpid(), SIGKILL);
  if (how == "exit") std::exit(1);
}

// Tells the process that waits for tasks to run.
void tell_begun() {
  if (const char* path = std::getenv("RELIABILITY_BEGUN"); path != nullptr)
    ::close(::open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

template <class T>
void tell(const parmap::results<T>& all) {
  const auto failures = all.failures();
  for (std::uint64_t i = 0; i < all.size(); ++i)
    if (all.get_if(i) != nullptr) std::cout << "value " << i << '\n';
  for (const parmap::failure& why : failures) std::cout << "failed " << why.index << ' ' << why << '\n';
}

void tell_distinct(const parmap::results<double>& all) {
  std::set<double> distinct;
  for (const double each : all.values()) distinct.insert(each);
  std::cout << "distinct " << distinct.size() << '\n';
}

void run(const auto& engine, std::string_view how, std::chrono::nanoseconds busy, std::chrono::nanoseconds limit) {
  const auto work = [busy] { std::this_thread::sleep_for(busy); };
  const parmap::options two{.workers = 2};
  if (how == "unencodable") {
    const auto f = [&](int i) {
      work();
      return picky{.value = i, .refuses = i == culprit};
    };
    tell(parmap::map(engine, f, all_tasks, two));
  } else if (how == "hang") {
    // Under threads, a task that looks at its stop token.
    const auto f = [&](parmap::context& self, int i) {
      work();
      while (i == culprit && !self.stop_token().stop_requested())
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return i;
    };
    auto chosen = two;
    chosen.timeout = limit;
    tell(parmap::map(engine, f, all_tasks, chosen));
  } else if (how == "random") {
    tell_distinct(parmap::map(
        engine,
        [&](int) {
          work();
          return static_cast<double>(std::rand());
        },
        all_tasks, two));
  } else if (how == "rng") {
    const auto f = [&](parmap::context& self, int) { return static_cast<double>(self.rng()()); };
    tell_distinct(parmap::map(engine, f, all_tasks, two));
  } else if (how == "capture") {
    const std::vector<double> large(25'000'000, 1.0);
    const auto f = [&large](int i) { return std::accumulate(large.begin() + i, large.end(), 0.0); };
    tell(parmap::map(engine, f, all_tasks, two));
  } else if (how == "nested") {
    const auto f = [&](int i) {
      const auto inner = parmap::map(
          engine,
          [&](int k) {
            work();
            return k;
          },
          std::views::iota(0, 4));
      const auto values = inner.value();
      return i + std::accumulate(values.begin(), values.end(), 0);
    };
    tell(parmap::map(engine, f, all_tasks, two));
  } else {  // "closure" and "plain", too, in which nothing goes wrong
    const auto f = [&](int i) {
      tell_begun();
      work();
      if (i == culprit) misbehave(how);
      return i;
    };
    tell(parmap::map(engine, f, all_tasks, two));
  }
}

// As run, on a pool: f cannot capture, so what it needs is fixed by fargs.
void run_on_pool(std::string_view how, std::chrono::nanoseconds busy, std::chrono::nanoseconds limit) {
  const parmap::pool workers({.workers = 2});
  const std::string kind(how);
  const auto ns = busy.count();
  const parmap::options none;
  if (how == "unencodable") {
    const auto f = [](int i, std::int64_t time) {
      std::this_thread::sleep_for(std::chrono::nanoseconds(time));
      return picky{.value = i, .refuses = i == culprit};
    };
    tell(parmap::map(workers, parmap::fargs(f, ns), all_tasks, none));
  } else if (how == "hang") {
    const auto f = [](int i) {
      while (i == culprit) std::this_thread::sleep_for(std::chrono::seconds(1));
      return i;
    };
    tell(parmap::map(workers, f, all_tasks, {.timeout = limit}));
  } else if (how == "random") {
    tell_distinct(parmap::map(workers, [](int) { return static_cast<double>(std::rand()); }, all_tasks, none));
  } else if (how == "rng") {
    const auto f = [](parmap::context& self, int) { return static_cast<double>(self.rng()()); };
    tell_distinct(parmap::map(workers, f, all_tasks, none));
  } else if (how == "capture") {
    const auto f = [](int i, const std::vector<double>& large) {
      return std::accumulate(large.begin() + i, large.end(), 0.0);
    };
    tell(parmap::map(workers, parmap::fargs(f, std::vector<double>(25'000'000, 1.0)), all_tasks, none));
  } else if (how == "nested") {
    const auto f = [](int i) {
      const parmap::pool inner({.workers = 1});
      const auto values = parmap::map(inner, [](int k) { return k; }, std::views::iota(0, 4)).value();
      return i + std::accumulate(values.begin(), values.end(), 0);
    };
    tell(parmap::map(workers, f, all_tasks, none));
  } else {
    const auto f = [](int i, const std::string& which, std::int64_t time) {
      tell_begun();
      std::this_thread::sleep_for(std::chrono::nanoseconds(time));
      if (i == culprit) misbehave(which);
      return i;
    };
    tell(parmap::map(workers, parmap::fargs(f, kind, ns), all_tasks, none));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: parmap ENGINE CASE SECONDS LIMIT\n";
    return 2;
  }
  const auto seconds = [](const char* text) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(std::atof(text)));
  };
#ifdef RELIABILITY_MPI
  std::optional<parmap::mpi_session> session;
  if (std::string_view(argv[1]) == "mpi") {
    session.emplace(argc, argv);
    if (session->rank() != 0) std::cout.setstate(std::ios::failbit);  // one of them tells
  }
#endif
  try {
    if (std::string_view(argv[1]) == "pool") run_on_pool(argv[2], seconds(argv[3]), seconds(argv[4]));
#ifdef RELIABILITY_MPI
    else if (session) run(parmap::mpi, argv[2], seconds(argv[3]), seconds(argv[4]));
#endif
    else run(parmap::engine_named(argv[1]), argv[2], seconds(argv[3]), seconds(argv[4]));
  } catch (const std::exception& error) {
    std::cout << "raised " << parmap::detail::type_name(typeid(error)) << '\n';
  } catch (...) {
    std::cout << "raised exception\n";
  }
  std::cout << "done" << std::endl;
}
