# SPDX-License-Identifier: MIT
# Sourced by slurm.sh and slurm_arrays.sh: starts a Slurm of three nodes, which are daemons of this machine, as root, and ends them when the
# script ends. Needs slurm-wlm and munge; exits with 77 without these. Sets
#
#   here            a folder for what the script writes; it is removed at the end
#   SLURM_CONF      and so every command of Slurm finds these nodes
#   until_ WHAT COMMAND...   waits until the command succeeds, at most 30 s
# shellcheck shell=bash

source=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
for tool in munged slurmctld slurmd srun; do
  command -v "$tool" >/dev/null || { echo "there is no $tool (Debian: slurm-wlm, munge)"; exit 77; }
done
(($(id -u) == 0)) || { echo "this needs root"; exit 77; }

here=$(mktemp -d /tmp/parmap-slurm.XXXXXX)
started=()
finish() {
  local pid
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$here"
}
trap finish EXIT

mkdir -p "$here"/{state,log,munge,spool/n{1,2,3},tmp/n{1,2,3}}
chmod 755 "$here" "$here/munge"
sed "s|@HERE@|$here|g; s|@HOST@|$(hostname -s)|g" "$source/slurm.conf.in" >"$here/slurm.conf"
export SLURM_CONF=$here/slurm.conf
dd if=/dev/urandom of="$here/munge/key" bs=1024 count=1 status=none
chmod 400 "$here/munge/key"
# start NAME COMMAND...: in the background; its output goes to a log.
start() {
  "${@:2}" >"$here/log/$1.out" 2>&1 </dev/null &
  started+=($!)
}
# until WHAT COMMAND...: waits until the command succeeds.
until_() {
  local what=$1 tries
  shift
  for ((tries = 0; tries < 300; ++tries)); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  echo "$what did not start:"
  tail -n 20 "$here"/log/*
  exit 1
}
start munged munged -F --force --key-file="$here/munge/key" --socket="$here/munge/sock" --pid-file="$here/munge/pid" \
  --seed-file="$here/munge/seed" --log-file="$here/munge/log"
until_ munge test -S "$here/munge/sock"
start slurmctld slurmctld -D -f "$SLURM_CONF"
until_ slurmctld scontrol ping
for node in n1 n2 n3; do start "$node" slurmd -D -N "$node" -f "$SLURM_CONF"; done
until_ "three nodes" bash -c "sinfo -h -t idle -o %D | grep -qx 3"

