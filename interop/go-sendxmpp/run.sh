# The peer `go-sendxmpp`: this library's server for a client that people use; sourced by interop/run.
# shellcheck shell=bash disable=SC2154 # one script in several files

prepare() {
  debian go-sendxmpp=0.14 && example xmpp_server && certificate xmpp.example.com
}

# Starts this library's server, and go-sendxmpp once for each message. A message is: what the server says @ delivered,
# or else what go-sendxmpp says as it fails. `home` has its state.
sends() { # name home options message...
  local name=$1 home=$2 options=$3 message heard says n=0 code=none good=yes
  shift 3
  mkdir -p "$home"
  : >"$work/client.out"
  # shellcheck disable=SC2086 # options are words
  start_server "$built" $options || good=no
  for message in "$@"; do
    [ "$good" = yes ] || break
    n=$((n + 1))
    IFS=@ read -r heard says <<<"$message"
    echo "message-$n" | HOME=$home XDG_CONFIG_HOME='' XDG_DATA_HOME='' SSL_CERT_FILE=$work/cert.pem timeout 20 \
      go-sendxmpp --suppress-root-warning --tls --jserver "127.0.0.1:$port" --username alice@xmpp.example.com \
      --password secret alice@xmpp.example.com >"$work/client.out" 2>&1
    code=$?
    [ "$(grep -E '^(login|recognised|refused) ' "$work/server.out" | sed -n "${n}p")" = "$heard" ] || good=no
    if [ "$says" = delivered ]; then
      [ "$code" = 0 ] && grep -qx "message message-$n" "$work/server.out" || good=no
    else
      [ "$code" != 0 ] && ! grep -qx "message message-$n" "$work/server.out" && grep -q "$says" "$work/client.out" ||
        good=no
    fi
  done
  stop_server
  if [ "$good" = yes ]; then
    report "$name" ok
  else
    report "$name" FAIL
    echo "    exit code $code, message $n"
    sed 's/^/    client: /' "$work/client.out"
    sed 's/^/    server: /' "$work/server.out"
  fi
}

cases() {
  local m full='login SCRAM-SHA-256-PLUS alice token@delivered' out='could not connect using FAST authentication'
  sends 'SCRAM-SHA-256-PLUS, then HT-SHA-256-EXPR, of all mechanisms' "$work/every" '' \
    "$full" 'recognised HT-SHA-256-EXPR alice@delivered' 'recognised HT-SHA-256-EXPR alice@delivered'
  sends 'a token that the server does not know' "$work/every" '' \
    "refused HT-SHA-256-EXPR Stale@$out.*not-authorized"
  for m in EXPR ENDP NONE; do
    m=HT-SHA-256-$m
    sends "$m: SCRAM-SHA-256-PLUS, then the token" "$work/$m" "--mechanism $m" \
      "$full" "recognised $m alice@delivered" "recognised $m alice@delivered"
    sends "$m: a new token, and the use of it" "$work/$m-renew" "--mechanism $m --mode renew" \
      "$full" "recognised $m alice token@delivered" "recognised $m alice@delivered" "recognised $m alice@delivered"
    sends "$m: a token that has ended" "$work/$m-expire" "--mechanism $m --mode expire" \
      "$full" "refused $m FullAuthenticationDue@$out.*credentials-expired"
    sends "$m: a missing responder message is not taken" "$work/$m-missing" "--mechanism $m --mode missing" \
      "$full" "recognised $m alice@$out"
    sends "$m: nor is an empty one" "$work/$m-empty" "--mechanism $m --mode empty" \
      "$full" "recognised $m alice@$out"
    sends "$m: nor is a wrong one" "$work/$m-wrong" "--mechanism $m --mode wrong" \
      "$full" "recognised $m alice@$out"
  done
}
