# The peer `openssl`: this library's adapters for OpenSSL and for rustls at the two ends of one connection; sourced by
# interop/run.
# shellcheck shell=bash disable=SC2154 # one script in several files

package=interop/openssl/Cargo.toml

# A package of its own, so that nothing else needs OpenSSL's headers.
prepare() {
  debian libssl-dev=3 pkg-config=1 || return 1
  # With the versions of this crate's own lock file.
  [ ! Cargo.lock -nt interop/openssl/Cargo.lock ] || cp Cargo.lock interop/openssl || return 1
  cargo test --quiet --manifest-path "$package" --target-dir "$(target_directory)" --no-run
}

cases() {
  local mechanisms
  tests 300 --manifest-path "$package" --target-dir "$(target_directory)" --tests
  # Four visits, each a process of its own; the third has lost its TLS sessions.
  timeout --kill-after=2 60 cargo run --quiet --manifest-path "$package" --target-dir "$(target_directory)" \
    --example reconnect >"$work/reconnect.out" 2>&1 </dev/null
  mechanisms=$(sed -n 's/^C: a1 AUTHENTICATE \([^ ]*\).*/\1/p' "$work/reconnect.out" | paste -sd ' ')
  if [ "$mechanisms" = 'PLAIN EXTERNAL IKY-SHA-256-EXPR EXTERNAL' ]; then
    report 'a client that is a new process at each visit' ok
  else
    report 'a client that is a new process at each visit' FAIL
    sed 's/^/    /' "$work/reconnect.out"
  fi
}
