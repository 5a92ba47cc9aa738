#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Tests tools/setup.sh, and what tools/python.sh installs by it, against stand-ins for dpkg-query, apt-get, id and sudo:
# setup_test.sh SOURCE
set -euo pipefail

source_dir=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

stub() { printf '#!/bin/bash\n%s\n' "$2" >"$work/bin/$1"; chmod +x "$work/bin/$1"; }
fresh() {
  rm -rf "${work:?}/bin" "$work/calls"
  mkdir "$work/bin"
  : >"$work/calls"
  stub dpkg-query '[[ ${@: -1} == present ]] && echo -n installed'
  stub apt-get "echo \"apt-get \$DEBIAN_FRONTEND \$*\" >>'$work/calls'"
  stub id 'echo 0'
  stub sudo "echo \"sudo \$*\" >>'$work/calls'; exit 1"
  printf 'ID=debian\nVERSION_ID="12"\n' >"$work/os-release"
}
# Runs setup_require in its own process. Sets status, said (its output) and calls.
require() {
  status=0
  said=$(PATH="$work/bin:$PATH" SETUP_OS_RELEASE="$work/os-release" bash -c '
    set -euo pipefail
    source "$0/tools/setup.sh"
    setup_require "$@"' "$source_dir" "$@" 2>&1) || status=$?
  calls=$(<"$work/calls")
}
check() {
  if ! eval "$2"; then
    echo "$1: not so: $2"
    printf '  status %s\n  said: %s\n  calls: %s\n' "$status" "$said" "$calls"
    failures=$((failures + 1))
  fi
}

fresh
require present "why"
check "nothing missing: silent, nothing called" '[[ $status == 0 && -z $said && -z $calls ]]'

fresh
require present "why" absent "because of this"
check "root: says what and why" '[[ $status == 0 && $said == *absent*"because of this"* && $said != *present* ]]'
check "root: update first, then install" '[[ $calls == "apt-get noninteractive"*" update"*install*absent ]]'
check "root: noninteractive, waits, no recommends" \
  '[[ $calls == *"apt-get noninteractive"*"DPkg::Lock::Timeout=600"*"install -y --no-install-recommends absent" ]]'
check "root: no sudo" '[[ $calls != *sudo* ]]'

fresh
stub id 'echo 1000'
require absent "why" gone "why"
check "neither root nor sudo: status 2" '[[ $status == 2 ]]'
check "neither root nor sudo: the exact line" \
  '[[ $said == *"apt-get update && apt-get install -y --no-install-recommends absent gone"* ]]'
check "neither root nor sudo: nothing touched" '[[ $calls != *apt-get* ]]'

fresh
stub id 'echo 1000'
require present "why"
check "no root, nothing missing: just runs" '[[ $status == 0 && -z $calls ]]'

fresh
stub id 'echo 1000'
stub sudo "echo \"sudo \$1\" >>'$work/calls'; shift; exec \"\$@\""
require absent "why"
check "sudo: used for both" '[[ $status == 0 && $calls == *sudo*update*sudo*install*absent ]]'

fresh
stub apt-get "echo \"apt-get \$*\" >>'$work/calls'; [[ \$* != *install* ]]"
require absent "why"
check "install fails: status 1, says so" '[[ $status == 1 && $said == *"could not be installed"* ]]'

fresh
stub apt-get "echo \"apt-get \$*\" >>'$work/calls'
  if [[ \$* == *update* ]] && ! grep -q sleep '$work/calls'; then echo 'E: Could not get lock'; exit 100; fi"
stub sleep "echo sleep >>'$work/calls'"
require absent "why"
check "update waits for the lock" '[[ $status == 0 && $calls == *update*sleep*update*install* ]]'

fresh
printf 'ID=ubuntu\nVERSION_ID="24.04"\n' >"$work/os-release"
require present "why"
check "another system: says so and goes on" '[[ $status == 0 && $said == *"Only Debian 12 and 13 are supported"*ubuntu* ]]'

# CPython's own tests, for a stand-in of Python whose version or lack of tests is the argument.
cpython_tests() {
  status=0
  stub python3 "[[ \$* != *find_spec* ]] || exit 1; echo '$1'"
  said=$(PATH="$work/bin:$PATH" SETUP_OS_RELEASE="$work/os-release" PARMAP_CPYTHON_TESTS='' bash -c '
    set -euo pipefail
    source "$0/tools/setup.sh"
    source "$0/tools/python.sh"
    python_cpython_tests' "$source_dir" 2>&1) || status=$?
  calls=$(<"$work/calls")
}
fresh
stub apt-cache '[[ $* == "show libpython3.13-testsuite" ]]'
cpython_tests 3.13
check "tests of CPython: those of this Python are installed" '[[ $status == 0 && $calls == *"install"*libpython3.13-testsuite ]]'
check "tests of CPython: says what and why" '[[ $said == *libpython3.13-testsuite*"tests"* ]]'
cpython_tests 3.14
check "tests of CPython: apt has none" '[[ $status == 0 && $said == *"apt has no libpython3.14-testsuite"*skipped* ]]'
cpython_tests ""
check "tests of CPython: another Python" '[[ $status == 0 && $said == *"not Debian"*skipped*PARMAP_CPYTHON_TESTS* ]]'
stub id 'echo 1000'
cpython_tests 3.13
check "tests of CPython: may not install, goes on" '[[ $status == 0 && $said == *"needs root"*"Going on"*skipped* ]]'

status=0 calls=
said=$(bash -c 'set -euo pipefail; source "$0/tools/setup.sh"; setup_jobs' "$source_dir")
check "jobs: at least one, at most the cores" '((said >= 1 && said <= $(nproc)))'

exit $((failures > 0))
