#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what run.py needs, and runs it: portable.sh [PLATFORM...]
set -euo pipefail

root=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
source "$root/tools/setup.sh"

setup_require \
  python3 "drives the builds" python3-venv "keeps what pip installs inside build/" ca-certificates "pip checks whom it talks to" \
  g++-aarch64-linux-gnu "compiles for aarch64" g++-riscv64-linux-gnu "compiles for riscv64" \
  g++-s390x-linux-gnu "compiles for s390x" qemu-user-static "runs what is compiled for other processors" \
  g++-mingw-w64-x86-64-posix "compiles for Windows" wine64 "runs what is compiled for Windows" \
  libasio-dev "has the headers of async" googletest "has the library of the suites"

work=$root/build/portable
python=$work/venv/bin/python
mkdir -p "$work"
"$python" -m pip --version >/dev/null 2>&1 || { rm -rf "$work/venv"; python3 -m venv "$work/venv"; }
# With the headers of 0.17 either <random> or FLT_MAX is missing for macOS.
if ! "$python" -c "import ziglang" 2>/dev/null; then
  setup_say "Installing with pip into $work/venv: ziglang<0.17"
  "$python" -m pip install --quiet --disable-pip-version-check --no-input --retries 2 "ziglang<0.17" </dev/null
fi
exec "$python" "$root/tests/portable/run.py" "$root" "$work/programs" "$@"
