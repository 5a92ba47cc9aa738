#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the job arrays of docs/howto/cluster.md (C++) and docs/howto/slurm-python.md in a Slurm of three nodes on this machine, as root:
# slurm_arrays.sh PROJECT PYTHON, where PYTHON is an interpreter that has the package. In each, one job is ended in the middle and puts
# itself back into the queue. Read together, the parts must be bit for bit what one run of all tasks gives.
set -euo pipefail

project=$(readlink -f "$1")
python=$(dirname "$2")
# shellcheck source=tests/cluster/slurm_nodes.sh
. "$project/tests/cluster/slurm_nodes.sh"
export PATH=$python:$PATH
unset PARMAP_TRACE PARMAP_ENGINE PARMAP_PURE

# block PAGE NAME: the code of the page whose first or second line is a comment that begins with this name.
block() {
  python3 - "$project/docs/howto/$1" "$2" <<'PYTHON'
import re, sys
page, name = sys.argv[1:]
found = [text for text in re.findall(r"^```[^\n]+\n(.*?)^```$", open(page, encoding="utf-8").read(), re.M | re.S)
         if re.match(rf"(#!/bin/sh\n)?(#|//) {re.escape(name)}", text)]
assert len(found) == 1, (page, name, len(found))
print(found[0], end="")
PYTHON
}

failed=0
# sweep NAME PAGE COMMAND...: the array of the page, in the folder of that name, whose program is the command outside of Slurm.
sweep() {
  local name=$1 page=$2 begun=$SECONDS id status=0
  shift 2
  cd "$here/$name"
  block "$page" sweep.sh >sweep.sh
  : >interrupt
  id=$(sbatch --parsable --array=0-2 --cpus-per-task=2 --output='job-%A_%a.out' --open-mode=append sweep.sh)
  local tries
  for ((tries = 0; tries < 900; ++tries)); do  # a queue that is empty
    [[ -n $(squeue --noheader --job="$id" 2>/dev/null) ]] || break
    sleep 0.2
  done
  mkdir whole
  (cd whole && env SLURM_ARRAY_TASK_ID=0 SLURM_ARRAY_TASK_COUNT=1 "$@" >../whole.out 2>&1) || status=$?
  python3 -m parmap status "sweep.part*.db" >status.out || status=$?
  python3 -m parmap report "sweep.part*.db" >report.out || status=$?
  python3 - <<'PYTHON' || status=$?
import os
import sqlite3

import parmap

parts, whole = parmap.load("sweep.part*.db"), parmap.load("whole/sweep.db")
assert [(row.task, row.value) for row in parts] == [(row.task, row.value) for row in whole], "the parts are not the whole"
assert len(whole) == 20 and not os.path.exists("interrupt")
runs = [sqlite3.connect(f"sweep.part{k}.db").execute("SELECT count(*) FROM run").fetchone()[0] for k in range(3)]
assert runs == [1, 2, 1], f"part 1 was not run again: {runs}"
PYTHON
  if ((status == 0)) && grep -q '3 of 3 parts: 20 of 20 tasks done' status.out; then
    echo "ok array in $name ($((SECONDS - begun)) s)"
  else
    echo "FAILED array in $name: status $status"
    tail -n 50 ./*.out
    squeue
    failed=1
  fi
}

mkdir "$here"/{cpp,python}
block cluster.md sweep.cpp >"$here/cpp/sweep.cpp"
cp "$project/tests/cluster/array_simulation.hpp" "$here/cpp/simulate.hpp"
"${CXX:-g++}" -std=c++20 -O1 -I "$project/include" "$here/cpp/sweep.cpp" -o "$here/cpp/sweep" -pthread -lsqlite3
sweep cpp cluster.md ../sweep

block slurm-python.md sweep.py >"$here/python/sweep.py"
cp "$project/tests/cluster/array_simulation.py" "$here/python/simulation.py"
sweep python slurm-python.md python3 ../sweep.py
exit $failed
