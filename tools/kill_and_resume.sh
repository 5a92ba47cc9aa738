#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the example sweep_resume, kills it in the middle, resumes it, extends it, and compares the table with that of a run that nobody
# disturbed: kill_and_resume.sh PROGRAM [ARGUMENT...]. With KEPT_SWEEP=FILE in the environment the file of the sweep is kept there.
set -euo pipefail

program=$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

echo "A first run, which is killed when it has done a third:"
mkfifo "$folder/said"
"$program" "$@" "$folder/sweep.db" >"$folder/said" 2>&1 &
pid=$!
while read -r line; do
  [[ $line =~ ^([0-9]+)\ of\ ([0-9]+) ]] || continue
  echo "  $line"
  if ((3 * BASH_REMATCH[1] >= BASH_REMATCH[2])); then
    kill -9 "$pid" 2>/dev/null || true
    break
  fi
done <"$folder/said"
status=0
wait "$pid" 2>/dev/null || status=$?
echo "  exit status $status"

echo "The same command again:"
"$program" "$@" --output "$folder/resumed.csv" "$folder/sweep.db" 2>&1 | grep -v 'tasks$' | sed 's/^/  /'
echo "And with twice as many strikes:"
"$program" "$@" --strikes 20 --output "$folder/extended.csv" "$folder/sweep.db" 2>&1 | grep -v 'tasks$' | sed 's/^/  /'
# If the program knows another axis: what is there had the first of its values.
help=$("$program" "$@" --help 2>&1 || true)
if [[ $help == *--rates* ]]; then
  echo "And with interest rates as a new axis:"
  "$program" "$@" --strikes 20 --rates 2 "$folder/sweep.db" 2>&1 | grep -v 'tasks$' | sed 's/^/  /'
fi

"$program" "$@" --output "$folder/undisturbed.csv" "$folder/other.db" >/dev/null 2>&1
# All columns but the times and the workers, which are the last ones, if they are there.
values() {
  if head -n 1 "$1" | grep -q ',_seconds,_worker$'; then sed 's/,[^,]*,[^,]*$//' "$1"; else cat "$1"; fi
}
cmp <(values "$folder/resumed.csv") <(values "$folder/undisturbed.csv")
[[ -z ${KEPT_SWEEP:-} ]] || cp "$folder/sweep.db" "$KEPT_SWEEP"
echo "Every digit is that of a run that nobody disturbed."
