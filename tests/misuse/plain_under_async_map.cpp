// expect: parmap::async_map: f does not return asio::awaitable<T>
#include <parmap/async.hpp>
#include <parmap/parmap.hpp>

#include <vector>

#ifdef PARMAP_BAD
int f(int x) { return x; }
#else
asio::awaitable<int> f(int x) { co_return x; }
#endif

int main() {
  static_cast<void>(parmap::async_map(f, std::vector<int>{1}));
  return 0;
}
