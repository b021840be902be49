# What the peers of interop/run share; sourced by it. Bash, under `set -uo pipefail`.
# shellcheck shell=bash disable=SC2154,SC2034 # one script in several files

passed=0 failed=0 server_pid='' server_input=''

report() { # case result
  echo "$peer: $1: $2"
  if [ "$2" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

# A certificate for these names, for today.
certificate() { # name...
  local names
  names=$(printf ',DNS:%s' "$@")
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
    -addext "subjectAltName=${names#,}" -addext basicConstraints=critical,CA:FALSE \
    -keyout "$work/key.pem" -out "$work/cert.pem" >"$work/openssl.log" 2>&1
}

# Starts a server of this suite, and waits for its port.
start_server() { # command...
  : >"$work/server.out"
  rm -f "$work/input"
  mkfifo "$work/input" || return 1
  exec {server_input}<>"$work/input"
  # It ends with its input, so it does not outlive this script.
  "$@" --cert "$work/cert.pem" --key "$work/key.pem" <"$work/input" >"$work/server.out" 2>&1 {server_input}>&- &
  server_pid=$!
  for _ in $(seq 100); do
    port=$(sed -n 's/^port //p' "$work/server.out")
    [ -z "$port" ] || return 0
    kill -0 "$server_pid" 2>/dev/null || return 1
    sleep 0.1
  done
  return 1
}

# Ends whatever server runs; one that is asked and does not go in five seconds is killed.
stop_server() {
  [ -z "$server_input" ] || exec {server_input}>&-
  server_input=''
  if [ -n "$server_pid" ]; then
    kill "$server_pid" 2>/dev/null
    for _ in $(seq 50); do
      kill -0 "$server_pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -9 "$server_pid" 2>/dev/null
    wait "$server_pid" 2>/dev/null
  fi
  server_pid=''
}

# Builds an example of this crate, and says in `built` where it is.
example() { # name
  cargo build --quiet --example "$1" || return 1
  built=$(target_directory)/debug/examples/$1
}

# Runs tests with cargo, each of them a case.
tests() { # seconds argument-of-cargo-test...
  local line name result seen=0 seconds=$1 out=$work/$peer.out
  shift
  # Lines of several tests mix, but the one with a result is whole where more than one thread prints.
  timeout --kill-after=2 "$seconds" cargo test --quiet "$@" -- \
    --nocapture --test-threads 2 --format pretty >"$out" 2>&1 </dev/null
  while IFS= read -r line; do
    name=${line#test } result=${line##* ... }
    name=${name%% ... *}
    case $result in
      ok) result=ok ;;
      ignored*) result='not run' ;;
      *) result=FAIL ;;
    esac
    ! grep -q '^not run: ' "$out" || result='not run'
    report "${name//_/ }" "$result"
    seen=$((seen + 1))
  done < <(grep '^test .* \.\.\. ' "$out" | sort)
  [ "$seen" -gt 0 ] || report 'the tests' 'not run'
  if [ "$seen" = 0 ] || grep -q '^test .* \.\.\. FAILED' "$out"; then
    tail -n 60 "$out" | sed 's/^/    /'
  fi
}

target_directory() {
  cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'
}

installed() { # package version
  local have
  have=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null) || return 1
  [ "${have%% *}" = installed ] && dpkg --compare-versions "${have#* }" ge "$2"
}

# Debian packages, from its backports where the release has an older version; nothing where they are there already.
debian() { # package=oldest-version...
  local wanted=() each
  for each in "$@"; do
    installed "${each%%=*}" "${each#*=}" || wanted+=("$each")
  done
  [ ${#wanted[@]} -gt 0 ] || return 0
  services_off
  install "${wanted[@]%%=*}" >"$work/apt.log" 2>&1
  services_back
  for each in "${wanted[@]}"; do
    installed "${each%%=*}" "${each#*=}" && continue
    echo "there is no ${each%%=*} of version ${each#*=} here:"
    tail -n 20 "$work/apt.log"
    return 1
  done
}

install() { # package...
  local code
  code=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  backports "$code" && apt-get update -q &&
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends -t "$code-backports" "$@"
}

# Sees to a source for the backports: that of the release itself, with the same mirror and keys, and another suite. apt
# goes on preferring the release.
backports() { # codename
  local list=/etc/apt/sources.list.d other=/etc/apt/sources.list.d/fast-reauth-interop stanza line
  ! grep -Ehs "^[^#]*\b$1-backports\b" /etc/apt/sources.list "$list"/*.list "$list"/*.sources || return 0
  # shellcheck disable=SC2016 # a line of sed
  stanza=$(sed -s '/^#/d; $G' "$list"/*.sources | awk -v RS= -v code="$1" '
    ("\n" $0) ~ "\nSuites:([^\n]* )?" code "( [^\n]*)?(\n|$)" && !/\nEnabled: *no/ {
      sub(/Suites:[^\n]*/, "Suites: " code "-backports"); print; exit
    }')
  line=$(cat /etc/apt/sources.list "$list"/*.list |
    sed -n "s/^\(deb .*[^ ]\) $1 \(.*\)/\1 $1-backports \2/p" | head -n 1)
  if [ -n "$stanza" ]; then
    echo "$stanza" >"$other.sources"
  elif [ -n "$line" ]; then
    echo "$line" >"$other.list"
  else
    echo "no source of apt here is for $1"
    return 1
  fi
}

# Debian's packages start what they install, unless there is a policy against it. One that is there already stays.
services_off() {
  [ ! -e /usr/sbin/policy-rc.d ] || return 0
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d && policy=ours
}

services_back() {
  [ -z "${policy:-}" ] || rm -f /usr/sbin/policy-rc.d
  policy=''
}
