// expect: the engine async runs coroutines, and f does not return asio::awaitable<T>; let it, with co_return
#include <parmap/async.hpp>
#include <parmap/parmap.hpp>

#include <vector>

#ifdef PARMAP_BAD
int f(int x) { return x; }
#else
asio::awaitable<int> f(int x) { co_return x; }
#endif

int main() { return parmap::map(parmap::async, f, std::vector{1}).ok() ? 0 : 1; }
