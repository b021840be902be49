# The peer `prosody`: this library's client against Prosody 13; sourced by interop/run.
# shellcheck shell=bash disable=SC2154 # one script in several files

# TLS 1.2 is OpenSSL's, as rustls has no tls-unique: a package of its own, so that nothing else needs OpenSSL's headers.
prepare() {
  local target
  debian prosody=13 prosody-modules=0.0~hg2025 libssl-dev=3 pkg-config=1 && example xmpp_client || return 1
  rustls=$built
  # With the versions of this crate's own lock file.
  [ ! Cargo.lock -nt interop/tls-unique/Cargo.lock ] || cp Cargo.lock interop/tls-unique || return 1
  target=$(target_directory)
  cargo build --quiet --manifest-path interop/tls-unique/Cargo.toml --target-dir "$target" || return 1
  openssl=$target/debug/tls-unique
  certificate xmpp.example.com rotating.example.com expiring.example.com && start_prosody
}

# Prosody keeps everything in a directory of its own, and runs as the user that its package made: it refuses to be root.
start_prosody() {
  local host as=()
  export PROSODY_DIRECTORY=$work/prosody PROSODY_PORT
  PROSODY_PORT=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
  mkdir "$PROSODY_DIRECTORY" "$PROSODY_DIRECTORY/certs" &&
    cp interop/prosody/prosody.cfg.lua "$work/cert.pem" "$work/key.pem" "$PROSODY_DIRECTORY" || return 1
  if [ "$(id -u)" = 0 ]; then
    chmod 711 "$work" && chown -R prosody "$PROSODY_DIRECTORY" || return 1
    as=(setpriv --reuid=prosody --regid=prosody --clear-groups)
  fi
  for host in xmpp rotating expiring; do
    prosodyctl --config "$PROSODY_DIRECTORY/prosody.cfg.lua" register alice "$host.example.com" secret || return 1
  done >"$work/prosodyctl.log" 2>&1 </dev/null
  # With an end of its own, should this script find none.
  timeout --kill-after=2 300 "${as[@]}" prosody --config "$PROSODY_DIRECTORY/prosody.cfg.lua" -F \
    >"$work/server.out" 2>&1 </dev/null &
  server_pid=$!
  for _ in $(seq 100); do
    (: <>"/dev/tcp/127.0.0.1/$PROSODY_PORT") 2>/dev/null && return 0
    kill -0 "$server_pid" 2>/dev/null || break
    sleep 0.1
  done
  cat "$work/prosodyctl.log" "$work/server.out"
  return 1
}

# One client process, and a connection for each step: name of the case @ what the client does @ what it says.
steps() { # client host mechanism step...
  local client=$1 host=$2 mechanism=$3 actions=() step name action says said n=0 good=yes
  shift 3
  for step in "$@"; do actions+=("$(cut -d@ -f2 <<<"$step")"); done
  timeout 60 "$client" --server "127.0.0.1:$PROSODY_PORT" --ca "$work/cert.pem" --name "$host.example.com" \
    --user alice --password secret --mechanism "$mechanism" "${actions[@]}" >"$work/client.out" 2>&1 </dev/null
  for step in "$@"; do
    n=$((n + 1))
    IFS=@ read -r name action says <<<"$step"
    said=$(grep '^step ' "$work/client.out" | sed -n "${n}p")
    if [ -z "$said" ] && [ "$good" = no ]; then
      report "$name" 'not run'
    elif [ "$said" = "step $action $says" ]; then
      report "$name" ok
    else
      report "$name" FAIL
      good=no
      sed 's/^/    client: /' "$work/client.out"
      tail -n 20 "$work/server.out" | sed 's/^/    server: /'
    fi
  done
}

cases() {
  local m client full='logged-in SCRAM-SHA-256-PLUS bound token ping=result'
  for m in HT-SHA-256-EXPR HT-SHA-256-NONE HT-SHA-256-UNIQ; do
    client=$rustls
    [ "$m" != HT-SHA-256-UNIQ ] || client=$openssl
    local in="logged-in $m" out="failed $m code=Refused next=FullLogin"
    steps "$client" xmpp "$m" \
      "$m: a token comes with SCRAM-SHA-256-PLUS@full@$full" \
      "$m: header, login and bind in one flight, <bound/> in the first success@fast@$in bound ping=result" \
      "$m: the same token again@fast@$in bound ping=result" \
      "$m: a stanza in the same flight is answered after the success@ahead@$in bound ahead=result" \
      "$m: a wrong proof is refused@altered@$out" \
      "$m: a stanza behind a refused login gets an error, and the stream stays@altered-ahead@$out ahead=error" \
      "$m: a stream that can be resumed@manage@$in bound ping=result resumable" \
      "$m: the resumption of it rides along@resume@$in resumed ping=result" \
      "$m: a resumption that fails binds all the same@lost@$in bound resume-failed ping=result" \
      "$m: its token ends with invalidate@invalidate@$in bound ping=result" \
      "$m: the client has forgotten it@fast@plans FullLogin" \
      "$m: it is refused from then on@last@$out"
    steps "$client" xmpp "$m" \
      "$m: a full login, before a wrong proof@full@$full" \
      "$m: a full login on the stream of a wrong proof@altered-full@$out then $full" \
      "$m: the token of that@fast@$in bound ping=result"
    [ "$m" = HT-SHA-256-NONE ] || steps "$client" xmpp "$m" \
      "$m: a full login, before another mechanism@full@$full" \
      "$m: the token is good for no other mechanism@unpinned@failed HT-SHA-256-NONE code=Refused next=FullLogin" \
      "$m: and for this one still@fast@$in bound ping=result"
    steps "$client" rotating "$m" \
      "$m: a full login, before a rotation@full@$full" \
      "$m: a new token comes with the login@fast@$in bound token ping=result" \
      "$m: the old one goes on, the new one being unused@first@$in bound token ping=result" \
      "$m: the new one is good@fast@$in bound token ping=result" \
      "$m: the old one is refused from then on@first@$out"
  done
  m=HT-SHA-256-EXPR
  steps "$rustls" expiring "$m" \
    "$m: a full login, for a second@full@$full" \
    "$m: the token is good in it@fast@logged-in $m bound ping=result" \
    "$m: the second is over@wait@waited" \
    "$m: the client does not even try@fast@plans FullLogin" \
    "$m: and would be refused as expired@last@failed $m code=Expired next=FullLogin"
}
