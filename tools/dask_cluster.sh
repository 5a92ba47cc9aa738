#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Starts a Dask cluster of two workers on this machine, runs a command with the scheduler's address behind it, and ends the cluster:
# dask_cluster.sh PYTHON COMMAND...
set -euo pipefail

python=$1
shift
work=$(mktemp -d)
started=()
finish() {
  local pid
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

"$python" -m distributed.cli.dask_scheduler --host 127.0.0.1 --port 0 --no-dashboard --scheduler-file "$work/scheduler.json" >"$work/scheduler.log" 2>&1 </dev/null &
started+=($!)
for k in 1 2; do
  "$python" -m distributed.cli.dask_worker --scheduler-file "$work/scheduler.json" --nthreads 2 --no-dashboard --local-directory "$work" >"$work/worker$k.log" 2>&1 </dev/null &
  started+=($!)
done
address=$("$python" - "$work/scheduler.json" <<'PYTHON'
import sys
import distributed
with distributed.Client(scheduler_file=sys.argv[1], timeout="60s") as client:
    client.wait_for_workers(2, timeout=60)
    print(client.scheduler.address)
PYTHON
) || { cat "$work"/*.log >&2; exit 1; }
"$@" "$address"
