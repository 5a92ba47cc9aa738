#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# How parmap, OpenMP and oneTBB scale with cores, measured on another machine than the one that compiles.
set -euo pipefail

root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
here=$root/benchmarks
source "$root/tools/setup.sh"

usage() {
  cat <<'USAGE'
usage: benchmarks/scaling.sh build FOLDER                builds the programs and FOLDER/run, which need nothing else where they run
       FOLDER/run [--workers 1,2,4,8,16] [--seconds N]   on the other machine: measures, and writes FOLDER/out/scaling.jsonl
       benchmarks/scaling.sh report FILE [--write]       prints the table and draws it; with --write into docs/pictures
USAGE
}

compile() {  # compile PROGRAM SOURCE OPTION...
  local program=$1 source=$2
  shift 2
  setup_say "Compiling $program"
  g++ -std=c++20 -O3 -DNDEBUG -pthread -I"$root/include" "$source" -o "$folder/$program" "$@"
}

# Copies all libraries that a program loads, and the loader under the name ld.so.
bring_libraries() {
  local library
  mkdir -p "$folder/lib"
  while read -r library; do cp -L "$library" "$folder/lib/"; done < <(ldd "$1" | grep -o '/[^ ]*')
  mv "$folder"/lib/ld-linux* "$folder/lib/ld.so"
}

build() {
  folder=$1
  mkdir -p "$folder"
  local peer map=$here/native/map.cpp
  compile on_cores "$here/scaling/on_cores.cpp" -static
  for peer in loop fork_by_hand bare_forks; do compile "map_$peer" "$map" -DBENCH_PEER="$peer" -static; done
  for peer in parmap_threads parmap_multi; do compile "map_$peer" "$map" -DBENCH_PEER="$peer" -DBENCH_PARMAP=1 -static; done
  for peer in omp_static omp_dynamic; do compile "map_$peer" "$map" -DBENCH_PEER="$peer" -fopenmp -static; done
  compile map_tbb_auto "$map" -DBENCH_PEER=tbb_auto -DBENCH_TBB=1 -ltbb
  bring_libraries "$folder/map_tbb_auto"
  strip "$folder"/map_* "$folder/on_cores"
  python3 "$here/scaling.py" --prepare "$folder"
  cp "$here/scaling/run" "$folder/run"
  versions >"$folder/versions"
  du -sh "$folder"
}

versions() {
  python3 -c 'import sys; sys.path.insert(0, sys.argv[1]); import machine; print(machine.compilers().split(", rayon")[0], end=", parmap ")' "$here"
  git -C "$root" describe --always --dirty 2>/dev/null || echo "of no revision"
}

# Draws with matplotlib, in the virtual environment of ./bench.
report() {
  local pictures=$root/build/bench/pictures
  python3 "$here/scaling.py" --report "$1"
  "$pictures/bin/python" -c "import matplotlib" 2>/dev/null || {
    setup_say "Installing with pip into $pictures: matplotlib"
    python3 -m venv "$pictures" && "$pictures/bin/python" -m pip install -q --disable-pip-version-check matplotlib </dev/null
  }
  "$pictures/bin/python" "$here/pictures.py" --scaling "$@" >&2
}

case ${1:-} in
  build)
    (($# == 2)) || { usage >&2; exit 2; }
    setup_require g++ "compiles the programs" python3 "writes the tasks' costs" libtbb-dev "oneTBB"
    build "$2"
    ;;
  report)
    (($# == 2 || $# == 3)) || { usage >&2; exit 2; }
    report "${@:2}"
    ;;
  *) usage >&2; [[ ${1:-} =~ ^(-h|--help)$ ]] || exit 2 ;;
esac
