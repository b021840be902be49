# The peer `stores`: this library's stores against Valkey; sourced by interop/run.
# shellcheck shell=bash disable=SC2154 # one script in several files

# A server that is there already will do: the tests start one themselves, each its own.
prepare() {
  [ -n "${FAST_REAUTH_VALKEY_SERVER:-}" ] || command -v valkey-server redis-server >/dev/null ||
    debian valkey-server=8 || return 1
  cargo test --quiet --features redis,conformance --test redis --no-run
}

cases() {
  local line name result seen=0
  # Lines of several tests mix, but the one with a result is whole where more than one thread prints.
  timeout --kill-after=2 900 cargo test --quiet --features redis,conformance --test redis -- \
    --nocapture --test-threads 2 --format pretty >"$work/stores.out" 2>&1 </dev/null
  while IFS= read -r line; do
    name=${line#test } result=${line##* ... }
    name=${name%% ... *}
    case $result in
      ok) result=ok ;;
      ignored*) result='not run' ;;
      *) result=FAIL ;;
    esac
    ! grep -q '^not run: ' "$work/stores.out" || result='not run'
    report "${name//_/ }" "$result"
    seen=$((seen + 1))
  done < <(grep '^test .* \.\.\. ' "$work/stores.out" | sort)
  [ "$seen" -gt 0 ] || report 'the tests' 'not run'
  if [ "$seen" = 0 ] || grep -q '^test .* \.\.\. FAILED' "$work/stores.out"; then
    tail -n 60 "$work/stores.out" | sed 's/^/    /'
  fi
}
