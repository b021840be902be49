# The peer `stores`: this library's stores against Valkey; sourced by interop/run.
# shellcheck shell=bash disable=SC2154 # one script in several files

# A server that is there already will do: the tests start one themselves, each its own.
prepare() {
  [ -n "${FAST_REAUTH_VALKEY_SERVER:-}" ] || command -v valkey-server redis-server >/dev/null ||
    debian valkey-server=8 || return 1
  cargo test --quiet --features redis,conformance --test redis --no-run
}

cases() {
  tests 900 --features redis,conformance --test redis
}
