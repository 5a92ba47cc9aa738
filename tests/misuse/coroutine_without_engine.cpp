// expect: f is a coroutine, which this engine would create but never run; name the engine async
#include <parmap/async.hpp>
#include <parmap/parmap.hpp>

#include <vector>

asio::awaitable<int> f(int x) { co_return x; }

int main() {
  const std::vector<int> xs{1};
#ifdef PARMAP_BAD
  return parmap::map(f, xs).ok() ? 0 : 1;
#else
  return parmap::map(parmap::async, f, xs).ok() ? 0 : 1;
#endif
}
