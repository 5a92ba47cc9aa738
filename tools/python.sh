# SPDX-License-Identifier: MIT
# Sourced by ./demo and ./test, after tools/setup.sh: builds the Python package into a virtual environment of this tree.
#
#   python_packages          an array for setup_require: the Debian packages that python_build needs
#   python_cpython_tests     installs CPython's own tests, by which ours test parmap.Executor, for the Python that python_build
#                            takes; where they cannot be had it says so, and those tests are skipped
#   python_environment ROOT REQUIREMENT...   makes ROOT/build/python/venv, which has these requirements
#   python_build ROOT EXTRA  builds the package and installs it into ROOT/build/python/venv, with what the EXTRA of
#                            pyproject.toml lists (numpy, test); prints what it takes from the package index
#
# Both return 0; 3 if a package is missing and no package index can be reached; 1 after any other error. It prints the
# error. The interpreter is ROOT/build/python/venv/bin/python. If nothing is missing, no index is asked.
# shellcheck shell=bash

# shellcheck disable=SC2034
python_packages=(
  python3 "runs the Python package"
  python3-venv "keeps what pip installs inside build/"
  python3-dev "Python's headers, for the extension"
  g++ "compiles the extension"
  ca-certificates "pip checks whom it talks to"
)

python_cpython_tests() {
  [[ -z ${PARMAP_CPYTHON_TESTS:-} ]] || return 0
  local version skipped="CPython's own tests of concurrent.futures are skipped"
  # Of Debian's own Python: its base is /usr. Another one may have its tests beside it.
  version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2] if sys.base_prefix == "/usr" else "")') || return 0
  if [[ -z $version ]]; then
    python3 -c 'import glob, sys; from importlib.util import find_spec
sys.exit(not find_spec("test.test_concurrent_futures") and not glob.glob("/usr/lib/python%d.%d/test/test_concurrent*" % sys.version_info[:2]))' 2>/dev/null \
      || setup_say "python3 is not Debian's, and has no tests of its own: $skipped, unless PARMAP_CPYTHON_TESTS names a folder of them."
    return 0
  fi
  local package=libpython$version-testsuite
  if [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) != installed ]] \
    && ! apt-cache show "$package" >/dev/null 2>&1; then
    setup_say "apt has no $package: $skipped."
    return 0
  fi
  (setup_require "$package" "CPython's own tests, of concurrent.futures") || setup_say "Going on: $skipped."
}

python_environment() {
  local root=$1
  shift
  local directory=$root/build/python
  local python=$directory/venv/bin/python log=$directory/build.log
  mkdir -p "$directory" || return 1
  # An environment that was moved, or whose Python is gone, is made anew.
  if ! "$python" -m pip --version >/dev/null 2>&1; then
    rm -rf "$directory/venv"
    setup_say "Making a virtual environment in $directory/venv"
    python3 -m venv "$directory/venv" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
  fi

  local -a pip=("$python" -m pip --disable-pip-version-check --no-input)
  if ! "${pip[@]}" install --quiet --no-index "$@" </dev/null >"$log" 2>&1; then
    setup_say "Installing with pip into $directory/venv: $*"
    if ! "${pip[@]}" install --quiet --retries 2 "$@" </dev/null >"$log" 2>&1; then
      cat "$log" >&2
      # pip's message differs between versions. So this does not read it but tries a small download.
      if ! "${pip[@]}" download --quiet --retries 0 --no-deps --dest "$directory/download" tqdm </dev/null >/dev/null 2>&1; then
        setup_say "No package index can be reached, so missing Python packages cannot be installed."
        return 3
      fi
      setup_say "pip could not install what is needed; see its output above."
      return 1
    fi
  fi
}

python_build() {
  local root=$1 extra=$2
  local directory=$root/build/python log=$root/build/python/build.log
  local -a needed
  mapfile -t needed < <(python_requirements "$root" "$extra")
  ((${#needed[@]})) || { setup_say "$root/pyproject.toml cannot be read."; return 1; }
  python_environment "$root" "${needed[@]}" || return
  setup_say "Building the Python package; the log is $log"
  CMAKE_BUILD_PARALLEL_LEVEL=$(setup_jobs) "$directory/venv/bin/python" -m pip --disable-pip-version-check --no-input install --verbose --no-index --no-deps --no-build-isolation \
    --config-settings "build-dir=$directory/cmake" "$root" </dev/null >"$log" 2>&1 \
    || { tail -n 200 "$log" >&2; setup_say "The Python package could not be built; the whole log is $log"; return 1; }
}

# python_extra ROOT EXTRA: prints the requirements of an extra of pyproject.toml, one a line.
python_extra() {
  python3 - "$1/pyproject.toml" "$2" <<'PYTHON'
import sys, tomllib
with open(sys.argv[1], "rb") as file:
    print(*tomllib.load(file)["project"]["optional-dependencies"][sys.argv[2]], sep="\n")
PYTHON
}

# python_requirements ROOT EXTRA: prints these, the requirements to build and to run, and the build tools that are missing.
python_requirements() {
  python3 - "$1/pyproject.toml" <<'PYTHON'
import sys, tomllib
with open(sys.argv[1], "rb") as file:
    project = tomllib.load(file)
print(*project["build-system"]["requires"], *project["project"]["dependencies"], sep="\n")
PYTHON
  python_extra "$1" "$2"
  local tool
  for tool in cmake ninja; do
    command -v "$tool" >/dev/null || printf '%s\n' "$tool"
  done
}
