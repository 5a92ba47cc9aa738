#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs tests under mpirun: run.sh tests RANKS NODES PROGRAM LAUNCHER..., or run.sh cases|conformance|resume PROGRAM LAUNCHER...
# LAUNCHER is a command such as `mpirun.openmpi --oversubscribe --bind-to none`; `-n RANKS` and the program follow. The ranks count as
# those of NODES machines.
set -euo pipefail

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
# What a launcher around this one may have left.
unset SLURM_NTASKS SLURM_STEP_NUM_TASKS PMI_SIZE PMI_RANK PMIX_RANK

if [[ $1 == tests ]]; then
  ranks=$2 nodes=$3 program=$4
  shift 4
  PARMAP_MPI_NODES_FOR_TESTS=$nodes PARMAP_MPI_PART_FOR_TESTS=100000 exec timeout 100 "$@" -n "$ranks" "$program"
fi

mode=$1 program=$2
shift 2
launcher=("$@")
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
failed=0

# The suites of all engines; ./test --cluster sets PARMAP_WHOLE.
if [[ $mode == conformance ]]; then
  sizes=(2) inners=(multi)
  [[ -z ${PARMAP_WHOLE-} ]] || { sizes=(1 2 4) inners=(multi threads serial); }
  for ranks in "${sizes[@]}"; do
    for inner in "${inners[@]}"; do
      echo "== $ranks ranks, each a node, with $inner"
      PARMAP_MPI_NODES_FOR_TESTS=$ranks PARMAP_TEST_INNER=$inner timeout 250 "${launcher[@]}" -n "$ranks" "$program" --gtest_brief=1 || failed=1
    done
  done
  exit $failed
fi

# A rank is killed, which ends the job; another job does the rest.
if [[ $mode == resume ]]; then
  export PARMAP_MPI_NODES_FOR_TESTS=2
  status=0
  timeout 60 "${launcher[@]}" -n 2 "$program" "$directory" kill >"$directory/killed" 2>&1 </dev/null || status=$?
  ((status != 0 && status != 124)) || { echo "the job of which a rank was killed ended with status $status:"; cat "$directory/killed"; exit 1; }
  timeout 60 "${launcher[@]}" -n 2 "$program" "$directory" resume
  exit
fi

# expect CASE RANKS STATUS TEXT: the program's case, on so many ranks (0: without a launcher), ends with 0 (good) or another status (bad),
# and says TEXT, a regular expression, on stdout or stderr.
expect() {
  local case=$1 ranks=$2 wanted=$3 text=$4 status=0 out=$directory/$1.out err=$directory/$1.err
  local command=("${launcher[@]}" -n "$ranks" "$program" "$case")
  ((ranks > 0)) || command=("$program" "$case")
  PARMAP_STDERR=$err timeout 60 "${command[@]}" >"$out" 2>>"$err" </dev/null || status=$?
  [[ ($wanted == good && $status == 0) || ($wanted == bad && $status != 0 && $status != 124) ]] || {
    echo "$case on $ranks ranks: status $status, where $wanted was expected"
    failed=1
  }
  cat "$out" "$err" | grep -Eq "$text" || {
    echo "$case on $ranks ranks: \"$text\" was expected in:"
    cat "$out" "$err"
    failed=1
  }
}

expect uninitialised 0 bad 'parmap::mpi_session session\(argc, argv\);'
expect initialised_by_others 2 good '^10$'
expect banner 2 good '^parmap: 1 node, [0-9]+ workers? \(2 ranks\)$'
(($(grep -c 'parmap: 1 node' "$directory/banner.err") == 1)) || { echo "the machines are told more than once"; failed=1; }
PARMAP_MPI_PATIENCE_FOR_TESTS=100 expect late 3 good 'parmap: rank 0 waits in map #2 \(mpi_cases\.cpp:[0-9]+\) for rank 2'
PARMAP_MPI_PATIENCE_FOR_TESTS=100 expect late_root 3 good 'parmap: rank [12] waits in map #2 \(mpi_cases\.cpp:[0-9]+\) for rank 0'
expect exception 2 bad 'an exception ends the mpi_session of rank 0'
expect disagree 2 bad 'the last map that failed: parmap: the ranks disagree on options.retries: 0 on rank 0, 1 on rank 1'
expect killed 2 bad .
# As under the launcher of another MPI, which says in its own way that there are four.
PMI_SIZE=4 expect alone 0 bad 'PMI_SIZE=4 says that several were started'
exit $failed
