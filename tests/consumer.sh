#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds and runs a program that uses parmap, from an empty directory:
# consumer.sh find_package|add_subdirectory|single_header SOURCE BUILD CMAKE COMPILER
set -euo pipefail

way=$1 source=$2 build=$3 cmake=$4 compiler=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CXX=$compiler

case $way in
  find_package)
    "$cmake" --install "$build" --prefix "$work/prefix"
    "$cmake" -S "$source/tests/consumer_find_package" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix"
    "$cmake" --build "$work/build"
    # What is installed is the headers and the package, nothing of the tests.
    stray=$(find "$work/prefix" -type f ! -path "*/include/parmap/*.hpp" ! -path "*/share/cmake/parmap/*.cmake")
    [[ -z $stray ]] || { echo "installed by mistake: $stray"; exit 1; }
    ;;
  add_subdirectory)
    "$cmake" -S "$source/tests/consumer_add_subdirectory" -B "$work/build" -DPARMAP_DIR="$source"
    "$cmake" --build "$work/build"
    # A user of parmap does not build its tests, nor install it with his own program.
    for option in BUILD_TESTS BUILD_EXAMPLES BUILD_BENCH INSTALL; do
      grep -q "^PARMAP_$option:BOOL=OFF" "$work/build/CMakeCache.txt" || { echo "PARMAP_$option is on"; exit 1; }
    done
    ;;
  single_header)
    mkdir "$work/build"
    cp "$source/single_include/parmap.hpp" "$work/build"
    sed 's|<parmap/parmap.hpp>|"parmap.hpp"|' "$source/tests/consumer_find_package/main.cpp" >"$work/build/main.cpp"
    (cd "$work/build" && "$compiler" -std=c++20 -Wall -Wextra -Werror -I . main.cpp -pthread -o consumer)
    ;;
  *)
    echo "consumer.sh: no way called $way"
    exit 2
    ;;
esac

diff <(printf '%s\n' 0 1 4 9 16) <("$work/build/consumer")
