#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds and runs a program that uses parmap, from an empty directory, in one of the documented ways:
# consumer.sh single_header|add_subdirectory|installed|shared|libcxx SOURCE CMAKE COMPILER
set -euo pipefail

way=$1 source=$2 cmake=$3 compiler=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export CXX=$compiler
consumer=$source/tests/consumer_find_package

fail() { printf '%s\n' "$*"; exit 1; }

check_output() { diff <(printf '%s\n' 0 1 4 9 16) <("$@") || fail "$* printed something else"; }

# As PARMAP_LARGE_HEAP of cmake/development.cmake.
heap=
[[ $compiler == *clang* ]] || heap=--param=ggc-min-heapsize=1000000
# -O0, because only the way in is tested here, and the library in two files, which takes half the time.
quick=("-DCMAKE_CXX_FLAGS_RELEASE=-O0 $heap" -DCMAKE_UNITY_BUILD=ON)
# configure [ARGUMENT...]: configures as a user does who only installs.
configure() { "$cmake" -S "$source" -B "$work/parmap" --preset release "${quick[@]}" "$@"; }

# Fails if anything but the headers, the library and the files to find them is installed.
only_ours() {
  local stray
  stray=$(cd "$1" && find . \( -type f -o -type l \) ! -path "./include/parmap/*.hpp" ! -path "./lib*/libparmap.*" \
    ! -path "./lib*/cmake/parmap/*.cmake" ! -path "./lib*/pkgconfig/parmap.pc" ! -path "./share/doc/libparmap-dev/copyright")
  [[ -z $stray ]] || fail "installed by mistake: $stray"
}

# build_with_cmake PROJECT [ARGUMENT...]
build_with_cmake() {
  rm -rf "$work/build"
  "$cmake" -S "$1" -B "$work/build" "${@:2}"
  "$cmake" --build "$work/build" --parallel 2
}

mkdir "$work/build"
case $way in
  single_header)
    cp "$source/single_include/parmap.hpp" "$work/build"
    sed 's|<parmap/parmap.hpp>|"parmap.hpp"|' "$consumer/main.cpp" >"$work/build/main.cpp"
    printf '#define PARMAP_IMPLEMENTATION\n#include "parmap.hpp"\n' >"$work/build/parmap.cpp"
    cd "$work/build"
    "$compiler" -std=c++20 -Wall -Wextra -Werror -I . main.cpp -pthread -o consumer
    check_output ./consumer
    # With the implementation compiled in one file.
    "$compiler" -std=c++20 -Wall -Wextra -Werror -DPARMAP_COMPILED -I . main.cpp parmap.cpp -pthread -o compiled
    check_output ./compiled
    # Under an older standard the first error says what is wrong.
    "$compiler" -std=c++17 -fsyntax-only main.cpp >output 2>&1 && fail "C++17 was not refused"
    grep -q 'error: .*parmap needs C++20: compile with -std=c++20 or later' output || fail "$(cat output)"
    (($(wc -l <output) < 20)) || fail "C++17 is refused in $(wc -l <output) lines"
    ;;
  add_subdirectory)
    for form in parmap header_only; do
      build_with_cmake "$source/tests/consumer_add_subdirectory" -DPARMAP_DIR="$source" -DFORM=$form "${quick[@]}" \
        -DCMAKE_BUILD_TYPE=Release
      check_output "$work/build/consumer"
      # A project that uses parmap does not build its tests, and neither installs nor packs it.
      for option in BUILD_TESTS BUILD_EXAMPLES BUILD_BENCH INSTALL; do
        grep -q "^PARMAP_$option:BOOL=OFF" "$work/build/CMakeCache.txt" || fail "PARMAP_$option is on"
      done
    done
    ;;
  installed)
    configure
    "$cmake" --build "$work/parmap" --parallel 2
    "$cmake" --install "$work/parmap" --prefix "$work/a prefix"
    only_ours "$work/a prefix"
    # With find_package, both forms.
    for form in parmap header_only; do
      build_with_cmake "$consumer" -DCMAKE_PREFIX_PATH="$work/a prefix" -DFORM=$form
      check_output "$work/build/consumer"
    done
    # With pkg-config.
    export PKG_CONFIG_PATH
    PKG_CONFIG_PATH=$(dirname "$(find "$work/a prefix" -name parmap.pc)")
    wanted=$(sed -n 's/^#define PARMAP_VERSION_[A-Z]* //p' "$source/include/parmap/version.hpp" | paste -sd.)
    [[ $(pkg-config --modversion parmap) == "$wanted" ]] || fail "pkg-config says another version than $wanted"
    eval "$compiler -std=c++20 $(pkg-config --cflags parmap) '$consumer/main.cpp' $(pkg-config --libs parmap) -o build/consumer"
    check_output "$work/build/consumer"
    # find_package refuses a newer version, and before 1.0 also another minor version, which may be incompatible.
    mkdir "$work/project"
    for asked in 99 0.99; do
      printf 'cmake_minimum_required(VERSION 3.22)\nproject(consumer LANGUAGES CXX)\nfind_package(parmap %s REQUIRED)\n' "$asked" \
        >"$work/project/CMakeLists.txt"
      if "$cmake" -S "$work/project" -B "$work/refused" -DCMAKE_PREFIX_PATH="$work/a prefix" >"$work/output" 2>&1; then
        fail "version $asked was not refused"
      fi
      [[ $(tr -s '\n ' ' ' <"$work/output") == *"compatible with requested version \"$asked\""* ]] || fail "$(cat "$work/output")"
    done
    # With dpkg, into a separate root.
    cpack --config "$work/parmap/CPackConfig.cmake" -B "$work/packed"
    mkdir -p "$work/root/var/lib/dpkg"/{info,updates}
    touch "$work/root/var/lib/dpkg/status"
    dpkg --root="$work/root" --force-not-root --log=/dev/null --install "$work"/packed/libparmap-dev_*.deb
    only_ours "$work/root/usr"
    build_with_cmake "$consumer" -DCMAKE_PREFIX_PATH="$work/root/usr"
    check_output "$work/build/consumer"
    ;;
  shared)
    configure -DBUILD_SHARED_LIBS=ON
    "$cmake" --build "$work/parmap" --parallel 2
    "$cmake" --install "$work/parmap" --prefix "$work/prefix"
    only_ours "$work/prefix"
    build_with_cmake "$consumer" -DCMAKE_PREFIX_PATH="$work/prefix"
    check_output "$work/build/consumer"
    library=$(find "$work/prefix" -name libparmap.so)
    # Pools and traces find all symbols that they use.
    "$compiler" -std=c++20 -DPARMAP_COMPILED -DPARMAP_SHARED -I "$work/prefix/include" "$source/tests/consumer_pool.cpp" "$library" \
      -pthread -o pool
    LD_LIBRARY_PATH=$(dirname "$library") ./pool
    # So does the engine async.
    "$compiler" -std=c++20 -DPARMAP_COMPILED -DPARMAP_SHARED -DASIO_HAS_CO_AWAIT=1 -DASIO_HAS_STD_COROUTINE=1 \
      -I "$work/prefix/include" "$source/tests/consumer_async.cpp" "$library" -pthread -o async
    check_output env LD_LIBRARY_PATH="$(dirname "$library")" ./async
    wanted=$(sed -n 's/^#define PARMAP_VERSION_M[A-Z]* //p' "$source/include/parmap/version.hpp" | paste -sd.)
    readelf -d "$library" | grep -q "SONAME.*\[libparmap.so.$wanted\]" || fail "the soname is not libparmap.so.$wanted"
    readelf -d "$work/build/consumer" | grep -q "NEEDED.*\[libparmap.so.$wanted\]" || fail "the program does not need libparmap.so.$wanted"
    # The library exports exactly the names that headers use.
    nm --dynamic --defined-only --demangle --format=posix "$library" | sed 's/ [A-Za-z] [0-9a-f ]*$//' | LC_ALL=C sort >exported.txt
    diff "$source/tests/expected_symbols.txt" exported.txt || fail "libparmap.so exports other names than tests/expected_symbols.txt has"
    ;;
  libcxx)
    # LLVM's standard library, by clang.
    printf '#include <version>\nint main() { return _LIBCPP_VERSION > 0 ? 0 : 1; }\n' >there.cpp
    "$compiler" -std=c++20 -stdlib=libc++ there.cpp -o there || { echo "libc++ is not installed"; exit 77; }
    for form in parmap header_only; do
      build_with_cmake "$source/tests/consumer_add_subdirectory" -DPARMAP_DIR="$source" -DFORM=$form -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_CXX_FLAGS="-stdlib=libc++" -DCMAKE_CXX_FLAGS_RELEASE=-O0
      check_output "$work/build/consumer"
    done
    ;;
  *) fail "consumer.sh: no way called $way" ;;
esac
