#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds and checks the packages whose recipes lie in packaging/, as far as this machine can. See --help.
set -euo pipefail

root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
source "$root/tools/setup.sh"

usage() {
  cat <<'USAGE'
usage: tools/packages.sh [PART...]

Prints "ok WHAT" for each check, and "FAILED WHAT" for the first of a part that fails. The parts, of which all run if none is named:
  metadata  pyproject.toml, CITATION.cff and the workflows, by the schemas of their formats; pyroma, zizmor
  debian    the source package; lintian has nothing to say of it, nor of what it builds. As root it builds in an empty Debian 13, made by
            mmdebstrap in build/packages, installs the packages there and runs their tests (debian/tests). Otherwise it builds here
            without python3-parmap, if Debian has no nanobind here
  conan     conan create: the package builds, and the test package runs with each form of the library
  vcpkg     the port runs by functions that stand for vcpkg's, as vcpkg itself cannot be had from a package index; a program finds its
            package
  conda     rattler-build reads and renders the recipe; building it needs conda's channels
Installs what is missing with apt and, into build/packages, with pip, and prints what it installs. Exits with 3 if no package index can be
reached.
USAGE
}

parts=()
for argument; do
  case $argument in
    --help | -h) usage; exit 0 ;;
    metadata | debian | conan | vcpkg | conda) parts+=("$argument") ;;
    *) setup_say "packages.sh: no part $argument; see tools/packages.sh --help"; exit 2 ;;
  esac
done
((${#parts[@]})) || parts=(metadata debian conan vcpkg conda)

setup_require git "knows which files are the project's" python3 "runs the checks" python3-venv "keeps what pip installs inside build/" \
  ca-certificates "pip checks whom it talks to" cmake "builds the packages" ninja-build "runs the builds" g++ "compiles the packages" \
  pkg-config "one of the ways in" dpkg-dev "builds Debian packages" debhelper "builds Debian packages" lintian "checks Debian packages" \
  mmdebstrap "makes an empty Debian"

work=$root/build/packages
bin=$work/venv/bin
log=$work/log
mkdir -p "$work"
: >"$log"
needed=("check-jsonschema>=0.33" "cibuildwheel>=4" "conan>=2.1" "py-rattler-build>=0.60" pyroma validate-pyproject yamllint zizmor)
"$bin/python" -m pip --version >/dev/null 2>&1 || { rm -rf "$work/venv"; python3 -m venv "$work/venv"; }
if ! "$bin/python" -m pip install --quiet --no-index "${needed[@]}" </dev/null >/dev/null 2>&1; then
  setup_say "Installing with pip into $work/venv: ${needed[*]}"
  "$bin/python" -m pip install --quiet --disable-pip-version-check --no-input --retries 2 "${needed[@]}" </dev/null \
    || { setup_say "They cannot be installed, so nothing is checked."; exit 3; }
fi
CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(setup_jobs)}
export CMAKE_BUILD_PARALLEL_LEVEL

version=$(sed -n 's/^#define PARMAP_VERSION_[A-Z]* //p' "$root/include/parmap/version.hpp" | paste -sd.)
failed=0

# check WHAT COMMAND...: runs one check. Its output goes to the log, and is shown if it fails.
check() {
  local what=$1 status=0
  shift
  # Not "if ! (...)": set -e has no effect there, so a function would continue after its first failure.
  set +e
  (set -e; "$@") </dev/null >"$work/output" 2>&1
  status=$?
  set -e
  printf '\n== %s: %s\n' "$what" "$*" >>"$log"
  cat "$work/output" >>"$log"
  ((status == 0)) && { echo "ok $what"; return 0; }
  tail -n 60 "$work/output"
  echo "FAILED $what; the log is $log"
  return 1
}

# The project's files as they are now, committed or not.
project_files() {
  rm -rf "$1"
  mkdir -p "$1"
  git -C "$root" ls-files -z --cached --others --exclude-standard | (cd "$root" && while IFS= read -r -d '' each; do [[ ! -e $each ]] || printf '%s\0' "$each"; done) \
    | tar --create --directory "$root" --null --files-from - | tar --extract --directory "$1"
}

part_metadata() {
  check "pyproject.toml" "$bin/validate-pyproject" "$root/pyproject.toml"
  check "pyroma" "$bin/pyroma" --min 8 "$root"
  check "CITATION.cff" "$bin/check-jsonschema" --builtin-schema vendor.citation-file-format "$root/CITATION.cff"
  check "the workflows' schema" "$bin/check-jsonschema" --builtin-schema vendor.github-workflows "$root"/.github/workflows/*.yml
  check "the workflows' style" "$bin/yamllint" --strict -d "{extends: default, rules: {line-length: {max: 140}}}" "$root/.github"
  check "the wheels' workflow, by zizmor" "$bin/zizmor" --offline "$root/.github/workflows/wheels.yml"
  check "cibuildwheel makes the wheels of tools/wheels.sh" same_wheels
}

same_wheels() {
  local libc arch pattern
  pattern=$(sed -n 's/^ *CIBW_BUILD: "\(.*\)"/\1/p' "$root/.github/workflows/wheels.yml")
  for arch in x86_64 aarch64; do
    for libc in manylinux musllinux; do
      CIBW_BUILD=$(sed "s/\${{ matrix.libc }}/$libc/; s/\${{ matrix.arch }}/$arch/" <<<"$pattern") \
        "$bin/cibuildwheel" --platform linux --archs "$arch" --print-build-identifiers "$root"
    done
  done | LC_ALL=C sort >"$work/identifiers"
  (cd "$root/tools/wheels" && python3 -B -c 'import targets; print(*(each.name for each in targets.TARGETS), sep="\n")') | LC_ALL=C sort \
    | diff "$work/identifiers" -
}

part_debian() {
  local tree=$work/debian/parmap-$version
  rm -rf "$work/debian"
  project_files "$tree"
  tar --create --gzip --file "$work/debian/parmap_$version.orig.tar.gz" --directory "$work/debian" --exclude=.git --owner=0 --group=0 --numeric-owner "parmap-$version"
  cp -r "$tree/packaging/debian" "$tree/debian"
  local build=("$root/tools/packages/debian_build.sh" "$work/debian" "$version")
  if (($(id -u) == 0)) && unshare --mount true 2>/dev/null; then
    check "Debian's packages, in an empty Debian 13" "$root/tools/packages/debian_chroot.sh" trixie "$work/trixie.tar" "$work/trixie" "$work/debian" "$version"
  else
    local profiles=
    apt-cache show python3-nanobind >/dev/null 2>&1 || profiles=pkg.parmap.nopython
    check "Debian's packages, on this system${profiles:+, without python3-parmap}" env DEB_BUILD_PROFILES="$profiles" "${build[@]}"
  fi
}

part_conan() {
  export CONAN_HOME=$work/conan
  "$bin/conan" profile detect --force >>"$log" 2>&1
  local each
  for each in False True; do
    check "conan create, shared=$each" "$bin/conan" create "$root/packaging/conan" --no-remote --build missing -s compiler.cppstd=20 -o "parmap/*:shared=$each" \
      -c "tools.build:jobs=$CMAKE_BUILD_PARALLEL_LEVEL" -c 'tools.cmake.cmake_layout:test_folder=$TMP' -c "tools.cmake.cmaketoolchain:user_presets="
  done
  check "conan refuses another standard" refused_by_conan
}

refused_by_conan() {
  ! "$bin/conan" create "$root/packaging/conan" --no-remote -s compiler.cppstd=17 >"$work/refused" 2>&1 || return 1
  cat "$work/refused"
  grep -q "Current cppstd (17) is lower than the required C++ standard (20)" "$work/refused"
}

part_vcpkg() {
  check "vcpkg.json" python3 -m json.tool "$root/packaging/vcpkg/parmap/vcpkg.json"
  check "vcpkg's port, by functions that stand for vcpkg's" cmake "-DPORT_DIR=$root/packaging/vcpkg/parmap" "-DWORK=$work/vcpkg" \
    -P "$root/tools/packages/vcpkg_functions.cmake"
  check "a program finds the port's package" built_with_vcpkg
}

built_with_vcpkg() {
  cmake -S "$root/tests/consumer_find_package" -B "$work/vcpkg/consumer" -Dparmap_DIR="$work/vcpkg/packages/share/parmap"
  cmake --build "$work/vcpkg/consumer"
  "$work/vcpkg/consumer/consumer"
}

part_conda() {
  check "conda's recipe is rendered" "$bin/python" "$root/tools/packages/conda_recipe.py" "$root/packaging/conda/recipe.yaml"
}

for part in "${parts[@]}"; do
  # A part ends at its first failure; the others go on.
  set +e
  (set -e; "part_$part")
  (($? == 0)) || failed=1
  set -e
done
exit "$failed"
