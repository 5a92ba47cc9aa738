#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Checks the style of the sources:
#   style.sh format          checks that every .hpp and .cpp is formatted as .clang-format says
#   style.sh fix             formats them
#   style.sh tidy FILE...    checks the headers that FILEs include with clang-tidy
#   style.sh workflows       checks .github with yamllint
# Exits with 77 if the tool is missing.
set -euo pipefail

root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
mode=$1
shift

need() { command -v "$1" >/dev/null || { echo "$1 is missing: nothing checked"; exit 77; }; }

case $mode in
  format | fix)
    need clang-format-19
    cd "$root"
    directories=()
    for directory in cmake include tests examples benchmarks python; do
      [[ ! -d $directory ]] || directories+=("$directory")
    done
    mapfile -d '' -t files < <(find "${directories[@]}" -type f \( -name '*.hpp' -o -name '*.cpp' \) -print0 | sort -z)
    if [[ $mode == fix ]]; then
      clang-format-19 -i "${files[@]}"
    elif ! clang-format-19 --dry-run -Werror "${files[@]}"; then
      echo "to mend it, run: tools/style.sh fix"
      exit 1
    fi
    echo "${files[*]}" | wc -w
    ;;
  tidy)
    need clang-tidy-19
    clang-tidy-19 --quiet --config-file="$root/.clang-tidy" --header-filter="^$root/include/parmap/" "$@" \
      -- -std=c++20 "-I$root/include" -DASIO_HAS_CO_AWAIT=1 -DASIO_HAS_STD_COROUTINE=1 -pthread
    ;;
  workflows)
    need yamllint
    yamllint --strict -d "{extends: default, rules: {line-length: {max: 140}}}" "$root/.github"
    ;;
  *)
    echo "style.sh: no mode $mode"
    exit 2
    ;;
esac
