// expect: f is a coroutine, which this engine would create but never run; name the engine async
#include <parmap/async.hpp>
#include <parmap/parmap.hpp>

#include <vector>

asio::awaitable<void> f(int) { co_return; }

#ifdef PARMAP_BAD
constexpr auto& engine = parmap::threads;
#else
constexpr auto& engine = parmap::async;
#endif

int main() { return parmap::map(engine, f, std::vector{1}).ok() ? 0 : 1; }
