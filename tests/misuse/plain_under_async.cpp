// expect: the engine async runs coroutines, but f does not return asio::awaitable<T>; make it do so
#include <parmap/async.hpp>
#include <parmap/parmap.hpp>

#include <vector>

#ifdef PARMAP_BAD
int f(int x) { return x; }
#else
asio::awaitable<int> f(int x) { co_return x; }
#endif

int main() { return parmap::map(parmap::async, f, std::vector{1}).ok() ? 0 : 1; }
