# How parmap's own tests, examples and benchmarks are compiled: the target parmap_development. Users never see it. The library
# is compiled by the same warnings and sanitizers.

set(PARMAP_SANITIZE "" CACHE STRING "Instrument with: address (ASan and UBSan), thread (TSan), or nothing")
set_property(CACHE PARMAP_SANITIZE PROPERTY STRINGS "" address thread)

if(PROJECT_IS_TOP_LEVEL)
  # The standard as it is: gnu++20 differs, in the size of a difference of iota for example.
  set(CMAKE_CXX_EXTENSIONS OFF)
  # Asserts stay on: CMake's own flags would define NDEBUG. -g1 has the lines for a backtrace and builds faster than -g.
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
  if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "The build type" FORCE)
  endif()
endif()

# The one list of warnings; each is an error in parmap's own programs.
set(PARMAP_WARNINGS -Wall -Wextra -Wpedantic -Wconversion -Wshadow)

add_library(parmap_development INTERFACE)
target_link_libraries(parmap_development INTERFACE Threads::Threads)
target_compile_features(parmap_development INTERFACE cxx_std_20)
target_compile_options(parmap_development INTERFACE ${PARMAP_WARNINGS} -Werror)
# g++ collects its garbage when it has this many KiB, and not from 128 MiB on: an eighth of the time of a long file.
set(PARMAP_LARGE_HEAP)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(PARMAP_LARGE_HEAP --param=ggc-min-heapsize=1000000)
endif()
target_compile_options(parmap_development INTERFACE ${PARMAP_LARGE_HEAP})

if(PARMAP_SANITIZE STREQUAL "address")
  set(sanitizer -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(PARMAP_SANITIZE STREQUAL "thread")
  # Asio's handlers pass fences, which TSan does not see: it may find a race where there is none, but misses nothing.
  set(sanitizer -fsanitize=thread -Wno-tsan)
elseif(NOT PARMAP_SANITIZE STREQUAL "")
  message(FATAL_ERROR "PARMAP_SANITIZE is \"${PARMAP_SANITIZE}\"; it may be address, thread or empty")
endif()
target_compile_options(parmap PRIVATE ${PARMAP_WARNINGS} -Werror)
if(PARMAP_SANITIZE)
  # Programs by -O0: with what UBSan adds, g++ takes two and a half times as long by -O1; and what is optimised away, no
  # sanitizer sees. The library, compiled once, by -O1; as gcc's manual says of sanitizers, they make it see uninitialised
  # variables there where there are none: std::stop_source.
  set(instrumented ${sanitizer} -fno-omit-frame-pointer)
  target_compile_options(parmap PRIVATE ${instrumented} -O1 -Wno-maybe-uninitialized)
  target_compile_options(parmap_development INTERFACE ${instrumented} -O0)
  target_link_options(parmap_development INTERFACE ${sanitizer})
  # The library in two files, which takes half the time; that each file compiles alone is seen without sanitizers.
  set_target_properties(parmap PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 7)
  # Carries the sanitizers' settings inside each program, so that they hold however it is started.
  target_sources(parmap_development INTERFACE "${PROJECT_SOURCE_DIR}/cmake/sanitizer_options.cpp")
  # Without the three checks of UBSan at each use of a pointer, which take a quarter of the time that a program takes to compile.
  add_library(parmap_fewer_checks INTERFACE)
  if(PARMAP_SANITIZE STREQUAL "address")
    target_compile_options(parmap_fewer_checks INTERFACE -fno-sanitize=null,alignment,vptr)
  endif()
endif()
