#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Proves that ./demo and ./test need only bash and apt: runs them in a minimal Debian. As root:
#   chroot_test.sh [--suite bookworm|trixie] DIRECTORY [COMMAND...]
# The suite is Debian 12 (bookworm) if none is given; trixie is Debian 13.
# DIRECTORY gets the unchanged system as SUITE.tar (made by debootstrap, kept for the next run), and a fresh copy of it with
# this project as last committed (without uncommitted changes). The COMMANDs (default: ./demo, ./test) run there in turn.
set -euo pipefail

root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
suite=bookworm
if [[ ${1:-} == --suite ]]; then
  suite=${2:-}
  shift $(($# < 2 ? 1 : 2))
fi
(($# >= 1)) && [[ $suite ]] || { echo "usage: chroot_test.sh [--suite NAME] DIRECTORY [COMMAND...]" >&2; exit 2; }
mkdir -p "$1"
directory=$(readlink -f "$1")
shift
(($#)) || set -- ./demo ./test
(($(id -u) == 0)) || { echo "chroot_test.sh: must run as root, for chroot and mount" >&2; exit 2; }
for tool in debootstrap git unshare; do
  command -v "$tool" >/dev/null || { echo "chroot_test.sh: $tool is missing" >&2; exit 2; }
done

system=$directory/system
if [[ ! -f $directory/$suite.tar ]]; then
  rm -rf --one-file-system "$system"
  debootstrap --variant=minbase "$suite" "$system"
  tar --create --file "$directory/$suite.tar.new" --directory "$system" --numeric-owner --one-file-system .
  mv "$directory/$suite.tar.new" "$directory/$suite.tar"
fi
rm -rf --one-file-system "$system"
mkdir "$system"
tar --extract --file "$directory/$suite.tar" --directory "$system" --numeric-owner
git clone --quiet --no-hardlinks "$root" "$system/project"
# Copies how this host reaches the package indexes: its name servers, and the certificates that its pip is told to trust.
cp /etc/resolv.conf "$system/etc/resolv.conf"
export pip_cert=
if [[ -n ${PIP_CERT:-} ]]; then
  pip_cert=PIP_CERT=/etc/pip_cert.pem
  cp "$PIP_CERT" "$system/etc/pip_cert.pem"
fi

# The mounts are in a mount namespace of their own, so they disappear however this script ends.
export system
unshare --mount --propagation private bash -c '
  set -euo pipefail
  mount --bind /proc "$system/proc"
  mount --rbind /sys "$system/sys"
  mount --rbind /dev "$system/dev"
  mount -t tmpfs tmpfs "$system/dev/shm"
  status=0
  for command in "$@"; do
    printf "\n==== in the chroot: %s\n" "$command"
    begun=$SECONDS
    chroot "$system" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C $pip_cert \
      bash -c "cd /project && $command" </dev/null || { status=$?; printf "==== exit status %s\n" "$status"; }
    printf "==== %s s\n" "$((SECONDS - begun))"
  done
  exit "$status"' chroot_test "$@"
