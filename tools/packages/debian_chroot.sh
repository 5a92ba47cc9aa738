#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds Debian's packages in an empty Debian, installs them there and runs their tests. As root:
#   debian_chroot.sh SUITE TAR SYSTEM FOLDER VERSION
# TAR keeps the empty system with what a build needs, made by mmdebstrap if it is not there; SYSTEM is where it is unpacked; FOLDER is that
# of debian_build.sh, and gets the packages.
set -euo pipefail

suite=$1 tar=$2 system=$3 folder=$4 version=$5
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

if [[ ! -f $tar ]]; then
  # What debian/control names, without its conditions, and what the checks need.
  mapfile -t needed < <(sed -n '/^Build-Depends:/,/^[^ ]*:/p' "$folder/parmap-$version/debian/control" | sed '1s/Build-Depends://; /^[A-Z]/d' \
    | tr , '\n' | sed 's/[(<].*//; s/ //g; s/debhelper-compat/debhelper/; s/^dh-sequence-python3$/dh-python/; /^$/d')
  packages=(build-essential fakeroot lintian pkgconf "${needed[@]}")
  mmdebstrap --variant=minbase --dpkgopt=force-unsafe-io --include="$(IFS=,; echo "${packages[*]}")" "$suite" "$tar.new.tar"
  mv "$tar.new.tar" "$tar"
fi
rm -rf --one-file-system "$system"
mkdir "$system"
tar --extract --file "$tar" --directory "$system" --numeric-owner
cp "$here/debian_build.sh" "$system/root/"
cp -r "$folder" "$system/build"
# As a user, like Debian's builds.
chroot "$system" useradd --create-home builder
chroot "$system" chown -R builder /build
export system version CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-1}
# The mounts and processes are in namespaces of their own, so they disappear however this script ends.
unshare --mount --propagation private bash -c '
  set -euo pipefail
  mount --bind /proc "$system/proc"
  mount --rbind /dev "$system/dev"
  mount -t tmpfs tmpfs "$system/dev/shm"
  environment=(/usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 CMAKE_BUILD_PARALLEL_LEVEL="$CMAKE_BUILD_PARALLEL_LEVEL"
    DEB_BUILD_OPTIONS="parallel=$CMAKE_BUILD_PARALLEL_LEVEL terse")
  cp "$system/root/debian_build.sh" "$system/build/"
  chroot --userspec=builder:builder "$system" "${environment[@]}" HOME=/home/builder bash /build/debian_build.sh /build "$version"
  chroot "$system" "${environment[@]}" HOME=/root bash -c "dpkg --install /build/*.deb"
  echo "== debian/tests"
  mkdir -m 777 "$system/tmp/library" "$system/tmp/module"
  chroot --userspec=builder:builder "$system" "${environment[@]}" HOME=/home/builder AUTOPKGTEST_TMP=/tmp/library sh -c "cd /build/parmap-$version && sh debian/tests/library"
  chroot --userspec=builder:builder "$system" "${environment[@]}" HOME=/home/builder AUTOPKGTEST_TMP=/tmp/module sh -c "cd /build/parmap-$version && sh debian/tests/module"
'
find "$system/build" -maxdepth 1 -type f ! -name debian_build.sh -exec cp {} "$folder/" \;
