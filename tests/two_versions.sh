#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Tests two shared libraries in one process that contain different versions of parmap: two_versions.sh PROJECT COMPILER
# The second version has another number and other private layouts, as a later version may have.
set -euo pipefail

project=$1 compiler=$2
here=$project/tests/two_versions
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

cp -r "$project/include" later
sed -i 's/\(PARMAP_VERSION_MINOR\) .*/\1 99/' later/parmap/version.hpp
change() {
  grep -q "$2" "later/parmap/$1" || { echo "$1 has no line to change"; exit 1; }
  sed -i "s/$2/$3/" "later/parmap/$1"
}
change options.hpp '  unsigned workers{};' '  unsigned long unused[8]{}; unsigned workers{};'
change detail/threads/job_notice.hpp '  futex_word word_{0};' '  futex_word unused_[40]{}; futex_word word_{0};'
change detail/processes/worker_words.hpp '  shared_word<"top"> top;' '  shared_word<"other"> other; shared_word<"top"> top;'

build() { "$compiler" -std=c++20 -O0 -fPIC -pthread "$@"; }
build -shared -DLIBRARY=one "-I$project/include" "$here/library.cpp" -o libone.so &
build -shared -DLIBRARY=two -Ilater "$here/library.cpp" -o libtwo.so
wait $!
build "$here/main.cpp" -o loaded -ldl
build -DLINKED "$here/main.cpp" -o one_first -L. -lone -ltwo -Wl,-rpath,"$scratch"
build -DLINKED "$here/main.cpp" -o two_first -L. -ltwo -lone -Wl,-rpath,"$scratch"
for command in "./loaded ./libone.so ./libtwo.so" ./one_first ./two_first; do
  said=$(timeout 60 $command) || { echo "$command: status $?: $said"; exit 1; }
  [[ $said == ok ]] || { echo "$command: $said"; exit 1; }
done
