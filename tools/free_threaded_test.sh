#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the tests of the Python package with a Python that has no GIL: free_threaded_test.sh [PYTEST-ARGS...]
# Takes python3.14t or python3.13t of the PATH. Debian has none, so else it builds one from the source package of Debian 13's
# python3.13 into build/free-threaded (5 minutes on 2 cores). Tests of packages that have no wheel for it are skipped.
set -euo pipefail

root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
source "$root/tools/setup.sh"
source "$root/tools/python.sh"

work=$root/build/free-threaded
mkdir -p "$work"

find_python() {
  local each
  for each in python3.14t python3.13t "$work/python/bin/python3.13t"; do
    command -v "$each" && return
  done
  return 1
}

build_python() {
  setup_require dpkg-dev "unpacks the source package" ca-certificates "pip checks whom it talks to" gcc "compiles Python" make "drives its build" \
    libffi-dev "ctypes" libssl-dev "hashes, and pip's connections" zlib1g-dev "pip unpacks wheels" libsqlite3-dev "sqlite3" libbz2-dev "bz2" liblzma-dev "lzma"
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)
  mkdir -p "$work"/{lists,source}
  printf 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s trixie main\n' "$mirror" >"$work/sources.list"
  local -a apt=(apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$work/lists" -o APT::Sandbox::User=)
  setup_say "Building a Python without a GIL from Debian's source package; the log is $work/python.log"
  (
    cd "$work/source"
    "${apt[@]}" update
    "${apt[@]}" source --download-only python3.13
    rm -rf tree
    mkdir tree
    tar xf python3.13_*.orig.tar.* -C tree --strip-components 1
    cd tree
    ./configure --disable-gil --prefix="$work/python"
    make -j"$(setup_jobs)"
    make install
  ) </dev/null >"$work/python.log" 2>&1 || { tail -n 50 "$work/python.log" >&2; setup_say "It could not be built."; exit 1; }
}

python=$(find_python) || { build_python; python=$(find_python); }
venv=$work/venv
[[ -x $venv/bin/python ]] && "$venv/bin/python" -m pip --version >/dev/null 2>&1 || { rm -rf "$venv"; "$python" -m venv "$venv"; }
pip=("$venv/bin/python" -m pip --disable-pip-version-check --no-input --quiet)
# Types and what is published do not depend on the GIL; their tools' dependencies have no wheels for it.
mapfile -t needed < <(python_requirements "$root" test | grep -vE '^(build|mypy|polars|pyright|twine)')
if ! "${pip[@]}" install --no-index "${needed[@]}" </dev/null >"$work/pip.log" 2>&1 && [[ ! -e $work/installed ]]; then
  setup_say "Installing with pip into $venv, where there is a wheel: ${needed[*]}"
  for each in "${needed[@]}"; do
    "${pip[@]}" install --only-binary :all: "$each" </dev/null >>"$work/pip.log" 2>&1 || setup_say "  there is none of $each"
  done
  touch "$work/installed"
fi
setup_say "Building the Python package; the log is $work/build.log"
PATH=$venv/bin:$PATH CMAKE_BUILD_PARALLEL_LEVEL=$(setup_jobs) "$venv/bin/python" -m pip install --verbose --no-index --no-deps --no-build-isolation \
  --config-settings "build-dir=$work/cmake" "$root" </dev/null >"$work/build.log" 2>&1 \
  || { tail -n 100 "$work/build.log" >&2; exit 1; }
cd "$root"
export PYTHON_GIL=0  # also where a module is imported that does not know of it
exec "$venv/bin/python" -X faulthandler -m pytest -n 2 --dist worksteal "$@"
