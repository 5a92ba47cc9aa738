#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds and runs a program that uses parmap, from an empty directory, by one of the ways in:
# consumer.sh single_header|add_subdirectory|find_package|pkg_config|deb|version SOURCE CMAKE COMPILER
set -euo pipefail

way=$1 source=$2 cmake=$3 compiler=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export CXX=$compiler
consumer=$source/tests/consumer_find_package

fail() { printf '%s\n' "$*"; exit 1; }

# Configures parmap as somebody does who only installs it.
configure() { "$cmake" -S "$source" -B "$work/parmap" --preset release; }

# install DIRECTORY: into an install tree. What is there are the headers and what finds them, nothing of the tests.
install() {
  configure
  "$cmake" --install "$work/parmap" --prefix "$1"
  only_ours "$1"
}

only_ours() {
  local stray
  stray=$(find "$1" -type f ! -path "*/include/parmap/*.hpp" ! -path "*/share/cmake/parmap/*.cmake" ! -path "*/share/pkgconfig/parmap.pc" \
    ! -path "*/share/doc/libparmap-dev/copyright")
  [[ -z $stray ]] || fail "installed by mistake: $stray"
}

# build_with_cmake PROJECT [ARGUMENT...]
build_with_cmake() {
  "$cmake" -S "$1" -B "$work/build" "${@:2}"
  "$cmake" --build "$work/build"
}

mkdir "$work/build"
case $way in
  single_header)
    cp "$source/single_include/parmap.hpp" "$work/build"
    sed 's|<parmap/parmap.hpp>|"parmap.hpp"|' "$consumer/main.cpp" >"$work/build/main.cpp"
    (cd "$work/build" && "$compiler" -std=c++20 -Wall -Wextra -Werror -I . main.cpp -pthread -o consumer)
    ;;
  add_subdirectory)
    build_with_cmake "$source/tests/consumer_add_subdirectory" -DPARMAP_DIR="$source"
    # A user of parmap does not build its tests, nor install or pack it with his own program.
    for option in BUILD_TESTS BUILD_EXAMPLES BUILD_BENCH INSTALL; do
      grep -q "^PARMAP_$option:BOOL=OFF" "$work/build/CMakeCache.txt" || fail "PARMAP_$option is on"
    done
    ;;
  find_package)
    install "$work/prefix"
    build_with_cmake "$consumer" -DCMAKE_PREFIX_PATH="$work/prefix"
    ;;
  pkg_config)
    install "$work/a prefix"
    export PKG_CONFIG_PATH="$work/a prefix/share/pkgconfig"
    wanted=$(sed -n 's/^#define PARMAP_VERSION_[A-Z]* //p' "$source/include/parmap/version.hpp" | paste -sd.)
    [[ $(pkg-config --modversion parmap) == "$wanted" ]] || fail "pkg-config says another version than $wanted"
    eval "$compiler -std=c++20 $(pkg-config --cflags parmap) '$consumer/main.cpp' $(pkg-config --libs parmap) -o build/consumer"
    ;;
  deb)
    configure
    cpack --config "$work/parmap/CPackConfig.cmake" -B "$work/packed"
    # By dpkg, into a root of its own.
    mkdir -p "$work/root/var/lib/dpkg"/{info,updates}
    touch "$work/root/var/lib/dpkg/status"
    dpkg --root="$work/root" --force-not-root --log=/dev/null --install "$work"/packed/libparmap-dev_*_all.deb
    only_ours "$work/root/usr"
    build_with_cmake "$consumer" -DCMAKE_PREFIX_PATH="$work/root/usr"
    ;;
  version)
    # One that is not there is refused; so is another minor one before 1.0, which may break what was written for it.
    install "$work/prefix"
    mkdir "$work/project"
    for asked in 99 0.99; do
      printf 'cmake_minimum_required(VERSION 3.22)\nproject(consumer LANGUAGES CXX)\nfind_package(parmap %s REQUIRED)\n' "$asked" \
        >"$work/project/CMakeLists.txt"
      if "$cmake" -S "$work/project" -B "$work/refused" -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/output" 2>&1; then
        fail "version $asked was not refused"
      fi
      [[ $(tr -s '\n ' ' ' <"$work/output") == *"compatible with requested version \"$asked\""* ]] || fail "$(cat "$work/output")"
    done
    exit 0
    ;;
  *) fail "consumer.sh: no way called $way" ;;
esac

diff <(printf '%s\n' 0 1 4 9 16) <("$work/build/consumer")
