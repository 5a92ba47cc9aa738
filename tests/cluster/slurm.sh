#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Starts a Slurm of three nodes on this machine, as root, and runs the tests of parmap::mpi in it: slurm.sh PROGRAMS, the folder with
# mpi_test_openmpi, mpi_cases_openmpi and, if there is MPICH, mpi_test_mpich. Needs slurm-wlm and munge. Ends what it started.
set -euo pipefail

programs=$(readlink -f "$1")
# shellcheck source=tests/cluster/slurm_nodes.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/slurm_nodes.sh"

failed=0
# expect WHAT STATUS TEXT COMMAND...: as in run.sh.
expect() {
  local what=$1 wanted=$2 text=$3 status=0 begun=$SECONDS
  shift 3
  timeout 100 "$@" >"$here/out" 2>&1 </dev/null || status=$?
  if [[ ($wanted == good && $status == 0) || ($wanted == bad && $status != 0 && $status != 124) ]] && grep -Eq "$text" "$here/out"; then
    echo "ok $what ($((SECONDS - begun)) s)"
  else
    echo "FAILED $what: status $status, expected $wanted and \"$text\" in:"
    cat "$here/out"
    failed=1
  fi
}
unset PMI_SIZE PMI_RANK PMIX_RANK SLURM_NTASKS SLURM_STEP_NUM_TASKS
export PARMAP_MPI_PART_FOR_TESTS=100000
pmix=(srun --mpi=pmix --kill-on-bad-exit=1)
PARMAP_MPI_NODES_FOR_TESTS=2 expect "srun --mpi=pmix, 2 nodes" good 'parmap: 2 nodes' "${pmix[@]}" -N2 -n2 "$programs/mpi_test_openmpi"
# Open MPI takes ranks of one node for neighbours in memory, but here each node has a temporary directory of its own on one machine, and its
# transport by shared memory crashes as soon as a node has two ranks: so by TCP.
OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=lo PARMAP_MPI_NODES_FOR_TESTS=3 expect "srun --mpi=pmix, 3 nodes, 6 ranks" good 'parmap: 3 nodes' "${pmix[@]}" -N3 -n6 "$programs/mpi_test_openmpi"
expect "a rank is killed" bad . "${pmix[@]}" -N2 -n2 "$programs/mpi_cases_openmpi" killed
expect "srun without --mpi" bad 'several were started|PMI' srun --mpi=none -N2 -n2 "$programs/mpi_cases_openmpi" alone
printf '#!/bin/sh\nexport PARMAP_MPI_NODES_FOR_TESTS=2\nsrun --mpi=pmix --kill-on-bad-exit=1 %s\n' "$programs/mpi_test_openmpi" >"$here/job.sh"
expect "sbatch" good . sbatch --wait --nodes=2 --ntasks-per-node=1 --output="$here/job.out" "$here/job.sh"
if grep -q 'FAILED' "$here/job.out" || ! grep -Eq 'PASSED +\] [0-9]+ tests' "$here/job.out"; then
  echo "FAILED sbatch:"
  cat "$here/job.out"
  failed=1
fi
if [[ -x $programs/mpi_test_mpich ]]; then
  PARMAP_MPI_NODES_FOR_TESTS=2 expect "srun --mpi=pmi2, MPICH, 2 nodes" good 'parmap: 2 nodes' srun --mpi=pmi2 --kill-on-bad-exit=1 -N2 -n2 "$programs/mpi_test_mpich"
fi
exit $failed
