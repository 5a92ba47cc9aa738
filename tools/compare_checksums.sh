#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the example checksums, with a dangling link among its files, and compares every digest with that of sha256sum:
# compare_checksums.sh PROGRAM [OPTION...] -- PATH...
set -euo pipefail

program=$1
shift
options=() engine=multi
while [[ $1 != -- ]]; do
  [[ $1 != --engine ]] || engine=$2
  options+=("$1")
  shift
done
shift

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/links"
dangling=$work/links/dangling
ln -s nowhere "$dangling"
paths=("$@" "$work/links")
if [[ $engine == serial ]]; then
  echo "(the engine serial stops at the first failure, so it gets no dangling link)"
  paths=("$@")
fi

status=0
"$program" "${options[@]}" --output "$work/digests" "${paths[@]}" | tee "$work/shown" || status=$?
if ((status == 3)) && [[ $engine == serial ]]; then
  echo "(the engine serial stopped at a file that cannot be read; name other directories or another engine)"
  exit 0
fi
((status == 0)) || exit "$status"

if [[ $engine != serial ]] && ! grep -qF "$dangling: " "$work/shown"; then
  echo "the dangling link $dangling is not among the failures"
  exit 1
fi
count=$(wc -l <"$work/digests")
((count > 0)) || { echo "no digests to compare"; exit 1; }
sha256sum --check --quiet --strict "$work/digests" || { echo "the digests differ from those of sha256sum"; exit 1; }
echo "$count digests, each equal to sha256sum's"
