#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds Debian's source and binary packages and checks them with lintian: debian_build.sh FOLDER VERSION
# FOLDER has parmap_VERSION.orig.tar.gz and the tree parmap-VERSION with its debian/.
set -euo pipefail

cd "$1/parmap-$2"
# An entry for no release, and a standard that is newer or older than this lintian's, are no faults of the package.
# shellcheck disable=SC2054
known=(--suppress-tags newer-standards-version,out-of-date-standards-version,initial-upload-closes-no-bugs)
[[ $(id -u) != 0 ]] || known+=(--allow-root)

dpkg-buildpackage --build=full --unsigned-source --unsigned-changes
shopt -s nullglob
for each in ../*.changes; do
  lintian --display-info --fail-on error,warning,info "${known[@]}" "$each"
done
for each in ../*.deb; do
  echo "== ${each##*/}"
  dpkg-deb --info "$each"
  dpkg-deb --contents "$each"
done
