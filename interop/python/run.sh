# The peer `python`; sourced by interop/run.
# shellcheck shell=bash disable=SC2154,SC2015,SC2059 # one script in several files

# Written from the Internet-Draft: test-vectors/check/iky.py under pyOpenSSL.
prepare() {
  local venv=${XDG_CACHE_HOME:-$HOME/.cache}/fast-reauth-interop/python
  local wanted=interop/python/requirements.txt
  if ! cmp -s "$wanted" "$venv/installed"; then
    rm -rf "$venv"
    python3 -m venv "$venv" &&
      "$venv/bin/pip" install -q --disable-pip-version-check -r "$wanted" >"$work/pip.log" 2>&1 &&
      cp "$wanted" "$venv/installed" || { cat "$work/pip.log"; return 1; }
  fi
  theirs="$venv/bin/python interop/python/peer.py"
  certificate imap.example.com && example interop_peer && ours=$built
}

cases() {
  direction 'Rust server, Python client' "$ours" "$theirs"
  direction 'Python server, Rust client' "$theirs" "$ours"
}

# One server process, one client process, and a connection for each step.
# A step is: name of the case @ what the client does @ what it says @ what the server says (both regular expressions)
scenario() { # direction server client mechanism mode step...
  local direction=$1 server=$2 client=$3 mechanism=$4 mode=$5
  shift 5
  local actions=() step name action says heard n=0 said noted good=yes
  for step in "$@"; do actions+=("$(cut -d@ -f2 <<<"$step")"); done
  : >"$work/client.out"
  # shellcheck disable=SC2086 # commands are words
  if start_server $server server --mechanism "$mechanism" --mode "$mode"; then
    timeout 60 $client client --port "$port" --ca "$work/cert.pem" --mechanism "$mechanism" "${actions[@]}" \
      >"$work/client.out" 2>&1 </dev/null
  fi
  stop_server
  for step in "$@"; do
    n=$((n + 1))
    IFS=@ read -r name action says heard <<<"$step"
    said=$(grep '^step ' "$work/client.out" | sed -n "${n}p")
    noted=$(grep -E '^(login|recognised|refused) ' "$work/server.out" | sed -n "${n}p")
    if [ -z "$said" ] && [ "$good" = no ]; then
      report "$direction: $name" 'not run'
    elif grep -Eqx "step $action $says" <<<"$said" && grep -Eqx "$heard" <<<"$noted"; then
      report "$direction: $name" ok
    else
      report "$direction: $name" FAIL
      good=no
      sed 's/^/    client: /' "$work/client.out"
      sed 's/^/    server: /' "$work/server.out"
    fi
  done
}

# All scenarios, in one direction.
direction() { # name server client
  local name=$1 server=$2 client=$3 m plain
  plain='full login with PLAIN%s@full@logged-in PLAIN noop=OK@login PLAIN alice'
  full() { printf "$m: $plain" "$1"; }
  # How either client says that nobody signed the refusal, or that the signature is wrong.
  local refused='unsigned-refusal:not-recognised %s code=refused'
  refused="($refused|failed %s code=Refused said=e=not-recognised next=FullLogin) kept=1"
  local wrong='(wrong-signature %s code=accepted|failed %s code=Accepted said=- next=Abandon) kept=1'
  for m in IKY-SHA-256-EXPR IKY-SHA-384-EXPR IKY-SHA-512-EXPR IKY-ED25519-EXPR; do
    scenario "$name" "$server" "$client" "$m" normal \
      "$(full '')" \
      "$m: on a full handshake@iky-fresh@logged-in $m noop=OK@recognised $m accepted" \
      "$m: on a resumed session, l=1@iky-resumed@logged-in $m l=1 noop=OK@recognised $m accepted l=1" \
      "$m: EXTERNAL on a resumed session@external@logged-in EXTERNAL noop=OK@recognised EXTERNAL accepted" \
      "$m: l=1 behind EXTERNAL@iky-resumed@logged-in $m l=1 noop=OK@recognised $m accepted l=1"
    scenario "$name" "$server" "$client" "$m" renew \
      "$(full ', to be renewed')" \
      "$m: renewed@iky-fresh@logged-in $m renewed noop=OK@recognised $m accepted renewed" \
      "$m: the successor@iky-fresh@logged-in $m successor noop=OK@recognised $m accepted" \
      "$m: the successor, resumed, l=1@iky-resumed@logged-in $m l=1 noop=OK@recognised $m accepted l=1"
    scenario "$name" "$server" "$client" "$m" normal \
      "$(full ', before an altered proof')" \
      "$m: an altered proof is refused, unsigned@iky-altered@${refused//%s/$m}@refused $m bad-proof" \
      "$m: the assertion is good all the same@iky-fresh@logged-in $m noop=OK@recognised $m accepted"
    scenario "$name" "$server" "$client" "$m" spoil \
      "$(full ', before an altered signature')" \
      "$m: an altered signature is not the server@iky-fresh@${wrong//%s/$m}@recognised $m accepted"
    scenario "$name" "$server" "$client" "$m" forget \
      "$(full ', to be forgotten')" \
      "$m: an unknown assertion is refused, unsigned@iky-fresh@${refused//%s/$m}@refused $m stale"
  done
}
