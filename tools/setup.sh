# SPDX-License-Identifier: MIT
# Sourced by ./demo and ./test: installs missing Debian packages, chooses the number of jobs, configures and builds.
# shellcheck shell=bash

# The caller's environment may be empty, so this sets what both scripts need.
export PATH="${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin"
SETUP_OS_RELEASE=${SETUP_OS_RELEASE:-/etc/os-release}

setup_say() { printf '%s\n' "$*" >&2; }

# setup_require PACKAGE WHY [PACKAGE WHY]...: installs the packages that are missing. Without root and sudo, it prints the command
# that would install them, changes nothing and exits with 2.
setup_require() {
  local -a missing=()
  local report=
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    setup_say "Only Debian 12 and 13 are supported, and this is no Debian. Going on with what is installed."
    return 0
  fi
  while (($# >= 2)); do
    if [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) != installed ]]; then
      missing+=("$1")
      printf -v report '%s  %-18s %s\n' "$report" "$1" "$2"
    fi
    shift 2
  done
  setup_warn_other_system
  ((${#missing[@]})) || return 0

  setup_say "Missing Debian packages:"
  setup_say "${report%$'\n'}"
  local -a as_root=()
  if (($(id -u) != 0)); then
    as_root=(sudo -n)
    if ! sudo -n true 2>/dev/null </dev/null; then
      setup_say "This needs root, or sudo without a password. Nothing was changed. As root, run:"
      setup_say "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
      exit 2
    fi
  fi
  local -a apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0)
  setup_say "Running: ${as_root[*]:+${as_root[*]} }apt-get update; apt-get install --no-install-recommends ${missing[*]}"
  setup_apt_update "${as_root[@]}" "${apt[@]}" update
  local output
  if ! output=$("${as_root[@]}" "${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null 2>&1); then
    setup_say "$output"
    setup_say "The packages could not be installed; see the output of apt-get above."
    exit 1
  fi
}

# Only Debian 12 and 13 are supported; elsewhere the packages' names and versions may differ.
setup_warn_other_system() {
  local system
  # shellcheck disable=SC1090
  system=$(. "$SETUP_OS_RELEASE" 2>/dev/null && printf '%s %s' "${ID:-}" "${VERSION_ID:-}") || true
  [[ $system =~ ^debian\ 1[23]$ ]] ||
    setup_say "Only Debian 12 and 13 are supported, and this is ${system:-unknown}. Going on."
}

# apt-get update does not wait while another one runs (DPkg::Lock::Timeout concerns dpkg's lock), so this tries again.
setup_apt_update() {
  local output deadline=$((SECONDS + 600))
  until output=$("$@" </dev/null 2>&1); do
    if [[ $output == *"Could not get lock"* ]] && ((SECONDS < deadline)); then
      sleep 2
      continue
    fi
    setup_say "$output"
    setup_say "apt-get update failed; going on with the package lists of last time."
    return 0
  done
}

# Prints how many compilers may run at once: one a core, each with about 1.5 GB of free memory.
setup_jobs() {
  local cores memory_kb limit used
  cores=$(nproc)
  memory_kb=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo 2>/dev/null) || true
  memory_kb=${memory_kb:-1500000}
  # /proc/meminfo does not show a container's limit.
  if limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null) && [[ $limit != max ]]; then
    used=$(cat /sys/fs/cgroup/memory.current)
    limit=$(((limit - used) / 1024))
    ((limit < memory_kb)) && memory_kb=$limit
  fi
  local jobs=$((memory_kb / 1500000))
  ((jobs < cores)) || jobs=$cores
  ((jobs >= 1)) || jobs=1
  printf '%s\n' "$jobs"
}

# setup_build SOURCE DIRECTORY [CMAKE-ARGUMENT...]: configures and builds; prints the log if that fails.
setup_build() {
  setup_configure "$@"
  setup_compile "$2"
}

# setup_configure SOURCE DIRECTORY [CMAKE-ARGUMENT...]: only configures.
setup_configure() {
  local source=$1 directory=$2
  shift 2
  if ! mkdir -p "$directory" 2>/dev/null || [[ ! -w $directory ]]; then
    setup_say "$directory cannot be written by $(id -un)."
    exit 2
  fi
  local log=$directory/build.log
  local -a generator=(-G "Unix Makefiles")
  ! command -v ninja >/dev/null || generator=(-G Ninja)
  local -a configure=(cmake -S "$source" -B "$directory" "${generator[@]}" "$@")
  # A cache of another directory or generator makes the first call fail: then start with a fresh cache.
  "${configure[@]}" </dev/null >"$log" 2>&1 \
    || "${configure[@]}" --fresh </dev/null >"$log" 2>&1 \
    || { cat "$log" >&2; setup_say "cmake could not configure $directory."; exit 1; }
}

# setup_compile DIRECTORY [TARGET...]: only builds, these targets or all.
setup_compile() {
  local directory=$1
  shift
  local log=$directory/build.log jobs
  jobs=$(setup_jobs)
  setup_say "Building $directory with $jobs job(s); the log is $log"
  cmake --build "$directory" --parallel "$jobs" ${1:+--target "$@"} </dev/null 2>&1 | setup_progress "$log" \
    || { tail -n 200 "$log" >&2; setup_say "The build of $directory failed; the whole log is $log"; exit 1; }
}

# setup_progress LOG: appends its input to the log and shows the progress of the build: on a terminal one line that is overwritten,
# else a line every 10 s.
setup_progress() {
  local log=$1 line= part= far= shown=$SECONDS status
  while :; do
    status=0
    IFS= read -r -t 10 part || status=$?
    line+=$part
    if ((status == 0)); then
      printf '%s\n' "$line" >>"$log"
      [[ ! $line =~ ^\[\ *[0-9]+(/[0-9]+|%)\] ]] || far=${BASH_REMATCH[0]}
      line=
    elif ((status <= 128)); then
      [[ -z $line ]] || printf '%s\n' "$line" >>"$log"
      break
    fi
    if [[ -t 2 ]]; then
      printf '\r%s ' "$far" >&2
    elif ((SECONDS - shown >= 10)); then
      shown=$SECONDS
      setup_say "  $far"
    fi
  done
  [[ ! -t 2 ]] || printf '\r%*s\r' $((${#far} + 1)) "" >&2
}
