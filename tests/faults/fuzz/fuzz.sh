#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Fuzzes the code that reads what workers wrote: fuzz.sh [SECONDS]     (default 300)
# New inputs are kept in build/fuzz/corpus. A finding is written to build/fuzz, and the exit status is then not 0. To renew the
# committed corpus (a few inputs for each reader) after a long run:
#   cd tests/faults/fuzz && rm corpus/* && ../../../build/fuzz/decode_fuzz -set_cover_merge=1 -use_counters=0 -max_len=400 corpus ../../../build/fuzz/corpus
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
root=$(readlink -f "$here/../../..")
source "$root/tools/setup.sh"

seconds=${1:-300}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { setup_say "fuzz.sh takes a number of seconds, not \"$seconds\""; exit 2; }
setup_require clang-19 "has libFuzzer" libclang-rt-19-dev "libFuzzer and the sanitizers" libcereal-dev "one of the things fuzzed" \
  libstdc++-12-dev "the standard library"

build=$root/build/fuzz
mkdir -p "$build/corpus"
setup_say "Building $build/decode_fuzz"
clang++-19 -std=c++20 -O1 -g1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
  -I "$root/include" "$here/decode_fuzz.cpp" -o "$build/decode_fuzz"

# An allocation above 256 MB counts as a finding, as a std::bad_alloc does.
cd "$build"
exec ./decode_fuzz -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=256 \
  -print_final_stats=1 -verbosity=1 corpus "$here/corpus"
