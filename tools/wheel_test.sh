#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Tests the Python package as it would be published: builds the sdist and the wheel into build/python/dist, and installs each into its
# own virtual environment, with only its dependencies. ./test runs this after python_build has made build/python/venv.
#
# Prints a line "ok WHAT" for each check, and "FAILED WHAT" for the first one that fails. Exits with 3 if tqdm is neither installed nor
# available from a package index.
set -euo pipefail

root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
source "$root/tools/setup.sh"
directory=$root/build/python
python=$directory/venv/bin/python
pip=("$python" -m pip --disable-pip-version-check --no-input)
log=$directory/wheels.build.log
export CMAKE_BUILD_PARALLEL_LEVEL
CMAKE_BUILD_PARALLEL_LEVEL=$(setup_jobs)

# Outside this tree, because a user of the sdist does not have it.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$log"

# check WHAT COMMAND...: runs one check.
check() {
  local what=$1 status=0
  shift
  # Not "if ! (...)": set -e has no effect there, so a function would continue after its first failure.
  set +e
  (set -e; "$@") </dev/null >"$work/output" 2>&1
  status=$?
  set -e
  if ((status != 0)); then
    cat "$work/output"
    echo "FAILED $what"
    exit 1
  fi
  cat "$work/output" >>"$log"
  echo "ok $what"
}

# Downloads the only dependency as a wheel, so that the environments need no index.
wheels=$directory/wheels
if ! compgen -G "$wheels/tqdm-*.whl" >/dev/null \
  && ! "${pip[@]}" download --quiet --retries 2 --no-deps --dest "$wheels" tqdm </dev/null >>"$log" 2>&1; then
  setup_say "tqdm cannot be installed; the log is $log"
  exit 3
fi

rm -rf "$directory/dist"
build=("$python" -m build --no-isolation --outdir "$directory/dist")
cd "$root"
check "the sdist is built" "${build[@]}" --sdist
check "the wheel is built" "${build[@]}" --wheel "--config-setting=build-dir=$directory/cmake"
sdist=$(echo "$directory"/dist/*.tar.gz)
wheel=$(echo "$directory"/dist/*.whl)
check "twine finds no fault in either" "$python" -m twine check --strict "$sdist" "$wheel"

contents() {
  "$python" - "$sdist" "$wheel" <<'PYTHON'
import fnmatch, sys, tarfile, zipfile

def only(names, *patterns):
    odd = [name for name in names if not any(fnmatch.fnmatchcase(name, each) for each in patterns)]
    lost = [each for each in patterns if not fnmatch.filter(names, each)]
    assert not odd and not lost, f"not to be there: {odd}; missing: {lost}"

sources = [name.split("/", 1)[1] for name in tarfile.open(sys.argv[1]).getnames() if "/" in name]
only(sources, "PKG-INFO", "LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "CMakeLists.txt", "python/CMakeLists.txt",
     "cmake/*", "include/parmap/*", "src/*.cpp", "python/parmap/*.py", "python/parmap/_report/page.css", "python/parmap/_report/page.js", "python/parmap/__init__.pyi", "python/parmap/_parmap.pyi", "python/parmap/py.typed", "python/src/*.?pp", "python/src/README.md", "python/README.md")
only(zipfile.ZipFile(sys.argv[2]).namelist(), "parmap/*.py", "parmap/_report/page.css", "parmap/_report/page.js", "parmap/__init__.pyi", "parmap/_parmap.pyi", "parmap/py.typed", "parmap/_parmap.*.so",
     "parmap_cpp-*.dist-info/METADATA", "parmap_cpp-*.dist-info/RECORD", "parmap_cpp-*.dist-info/WHEEL",
     "parmap_cpp-*.dist-info/licenses/LICENSE")
PYTHON
}
check "the sdist has the sources and the wheel the package, and neither has more" contents

# installed NAME FILE: installs FILE into an environment with nothing else, and checks that it works.
installed() {
  local clean=$work/$1/bin/python
  "$python" -m venv "$work/$1"
  mkdir "$work/$1.empty"
  cd "$work/$1.empty"
  "$clean" -m pip --disable-pip-version-check install --quiet --no-index --find-links "$wheels" "$2"
  "$clean" -m pip --disable-pip-version-check check
  "$clean" -m parmap
  cp "$root/tools/wheels/quick_test.py" .
  "$clean" -W error quick_test.py
}
check "the wheel works where there is nothing else" installed from_wheel "$wheel"

# Not optimised: that is tested by the wheel above, of the same sources, and takes most of the time.
from_sdist=("${pip[@]}" wheel --verbose --no-index --no-deps --no-build-isolation --wheel-dir "$work/built" "$sdist"
  --config-settings cmake.build-type=Debug --config-settings cmake.define.CMAKE_CXX_FLAGS_DEBUG=-O0)
cd "$work"
refused() {
  ! "${from_sdist[@]}" --config-settings cmake.define.CMAKE_SYSTEM_NAME=Darwin >"$work/refused" 2>&1 || return 1
  grep -F "parmap needs Linux, but this is Darwin" "$work/refused" || { cat "$work/refused"; return 1; }
}
check "on another system than Linux it says that it needs Linux" refused
check "the sdist can be built anywhere" "${from_sdist[@]}"
check "what it gives works where there is nothing else" installed from_sdist "$(echo "$work"/built/*.whl)"
