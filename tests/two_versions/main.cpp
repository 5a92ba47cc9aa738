// SPDX-License-Identifier: MIT
// A process with two shared libraries that contain different versions of parmap. They are linked (LINKED), or loaded
// and closed again. Prints "ok".
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

namespace {

void require(bool what, const char* otherwise) {
  if (what) return;
  std::printf("%s\n", otherwise);
  std::exit(1);
}

struct library {
  int (*maps)(int);
  unsigned (*cores)();
  unsigned (*in_worker)(unsigned (*)());
};

void use(const library& one, const library& two) {
  for (int k = 0; k < 5; ++k) {
    require(one.maps(200) == 0, "the first copy's maps went wrong");
    require(two.maps(200) == 0, "the second copy's maps went wrong");
  }
  require(one.in_worker(two.cores) == 1, "the second copy does not see that it is inside a worker of the first");
  require(two.in_worker(one.cores) == 1, "the first copy does not see that it is inside a worker of the second");
  require(one.in_worker(one.cores) == 1, "a copy does not see that it is inside a worker of its own");
}

}  // namespace

#ifdef LINKED

extern "C" {
int one_maps(int);
unsigned one_cores();
unsigned one_in_worker(unsigned (*)());
int two_maps(int);
unsigned two_cores();
unsigned two_in_worker(unsigned (*)());
}

int main() {
  use({one_maps, one_cores, one_in_worker}, {two_maps, two_cores, two_in_worker});
  std::puts("ok");
}

#else

namespace {

template <class Function>
Function* function_of(void* handle, const char* name) {
  void* const found = ::dlsym(handle, name);
  require(found != nullptr, name);
  return reinterpret_cast<Function*>(found);
}

library load(const char* path, const char* maps, const char* cores, const char* in_worker, void*& handle) {
  handle = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  require(handle != nullptr, ::dlerror());
  return {function_of<int(int)>(handle, maps), function_of<unsigned()>(handle, cores),
          function_of<unsigned(unsigned (*)())>(handle, in_worker)};
}

}  // namespace

int main(int, char** arguments) {
  void* first = nullptr;
  void* second = nullptr;
  const library one = load(arguments[1], "one_maps", "one_cores", "one_in_worker", first);
  const library two = load(arguments[2], "two_maps", "two_cores", "two_in_worker", second);
  use(one, two);
  // Their threads live on, and so must their code.
  ::dlclose(first);
  require(::dlopen(arguments[1], RTLD_NOW | RTLD_NOLOAD) != nullptr,
          "dlclose took the code of the pool's threads away");
  require(two.maps(200) == 0, "the second copy's maps went wrong after the first was closed");
  ::dlclose(second);
  require(::dlopen(arguments[2], RTLD_NOW | RTLD_NOLOAD) != nullptr,
          "dlclose took the code of the pool's threads away");
  std::puts("ok");
}

#endif
