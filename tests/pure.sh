#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ./test --pure: the package's tests over its pure form, by fork and by spawn; the stand-alone file's promises on every Python there is.
set -euo pipefail

root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
source "$root/tools/setup.sh"
source "$root/tools/python.sh"

setup_require python3 "runs the tests" python3-venv "keeps what pip installs inside build/" ca-certificates "pip checks whom it talks to"
(setup_require pypy3 "the stand-alone file on another Python") || setup_say "Going on without PyPy."
# The pure form needs no compiler: the tests import it from the tree.
python_environment "$root" cloudpickle hypothesis numpy pytest pytest-timeout pytest-xdist tqdm

python=$root/build/python/venv/bin/python failed=0 summaries=()

# part NAME COMMAND...: runs it, and remembers how it ended.
part() {
  local name=$1 begun=$SECONDS result=passed
  shift
  printf '\n== %s\n' "$name"
  "$@" </dev/null || { failed=1; result=FAILED; }
  summaries+=("$(printf '%-44s %s after %d s' "$name" "$result" $((SECONDS - begun)))")
}

# The suites that hold over both forms; python/tests/pure_lacks.py has the tests among them that do not, with reasons.
both=(semantics failures faults crashes timeouts on_error random interrupt mistakes spawn async async_failures async_limits async_tasks pure)
by_spawn=(semantics failures crashes on_error random)

suites() {
  local start=$1 each
  local -a files=()
  shift
  for each in "$@"; do files+=("$root/python/tests/test_$each.py"); done
  (cd "$root" && env PARMAP_PURE=1 "PYTHONPATH=$root/python" PYTHONDONTWRITEBYTECODE=1 "PARMAP_PURE_START=$start" "$python" -m pytest -p no:cacheprovider -q --timeout 240 -n "$(nproc)" --dist worksteal "${files[@]}")
}

part "the package's suites, by fork" suites fork "${both[@]}"
part "the package's suites, by spawn" suites spawn "${by_spawn[@]}"
for each in "$python" pypy3; do
  command -v "$each" >/dev/null || continue
  for start in fork spawn; do
    part "the promises, ${each##*/}, by $start" "$each" "$root/python/tests/pure_promises.py" "$root/single_file/parmap.py" "$start"
  done
done

printf '\n'
printf '%s\n' "${summaries[@]}"
exit "$failed"
