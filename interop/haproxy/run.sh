# The peer `haproxy`: a server behind HAProxy, which terminates TLS and forwards facts; sourced by interop/run.
# shellcheck shell=bash disable=SC2154,SC2030,SC2031,SC2034 # one script in several files

prepare() {
  debian haproxy=2.6 && example front_end && certificate example.com || return 1
  cat "$work/cert.pem" "$work/key.pem" >"$work/both.pem"
  # The man in the middle's, whom the client trusts like the front end.
  mkdir "$work/other" && (work=$work/other && certificate example.com) || return 1
  cat "$work/cert.pem" "$work/other/cert.pem" >"$work/trusted.pem"
}

free_ports() { # how many
  python3 -c 'import socket, sys
all = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in all))' "$1"
}

# Starts a process that ends with the server's input, as stop_server closes it.
beside() { # log command...
  local log=$1
  shift
  # shellcheck disable=SC2094 # a pipe
  (
    timeout --kill-after=2 300 "$@" <"$work/input" &
    cat >/dev/null
    kill "$!" 2>/dev/null
  ) <"$work/input" >"$log" 2>&1 {server_input}>&- &
}

# A server with its front end, and men in the middle.
start() { # server argument...
  start_server "$built" server "$@" || return 1
  read -r facts nothing < <(free_ports 2)
  export HAPROXY_SERVER=$port HAPROXY_FACTS=$facts HAPROXY_NOTHING=$nothing HAPROXY_CERTIFICATE=$work/both.pem
  beside "$work/haproxy.out" haproxy -db -f interop/haproxy/haproxy.cfg
  # In front of each of its ports, and one that has the front end's key.
  relay "$facts" facts "$work/other" && relayed=$relay &&
    relay "$nothing" nothing "$work/other" && relayed_nothing=$relay &&
    relay "$nothing" key "$work" && relayed_key=$relay || return 1
  for _ in $(seq 100); do
    (: <>"/dev/tcp/127.0.0.1/$facts") 2>/dev/null && return 0
    sleep 0.1
  done
  return 1
}

relay() { # port of the front end, name, whose certificate he has
  local out=$work/relay.$2.out
  beside "$out" "$built" relay --port "$1" --ca "$work/cert.pem" --cert "$3/cert.pem" --key "$3/key.pem"
  for _ in $(seq 100); do
    relay=$(sed -n 's/^port //p' "$out" 2>/dev/null)
    [ -z "$relay" ] || return 0
    sleep 0.1
  done
  return 1
}

# One server process with its front end, one client process, and a connection for each step.
# A step is: name of the case @ what the client does @ what it says @ what the server says (both regular expressions)
# The server has the options in `options`, and the client the mechanism in `asks`, or the same one.
scenario() { # mechanism mode step...
  local mechanism=$1 mode=$2 actions=() step name action says heard n=0 said noted good=yes
  shift 2
  : >"$work/client.out"
  if start --protocol "$protocol" --mechanism "$mechanism" --mode "$mode" "${options[@]}"; then
    for step in "$@"; do actions+=("$(cut -d@ -f2 <<<"$step" | addressed)"); done
    timeout 60 "$built" client --protocol "$protocol" --port "$facts" --ca "$work/trusted.pem" \
      --mechanism "${asks:-$mechanism}" "${actions[@]}" \
      >"$work/client.out" 2>&1 </dev/null
    # What the man in the middle does afterwards.
    sleep 0.7
  fi
  stop_server
  for step in "$@"; do
    n=$((n + 1))
    IFS=@ read -r name action says heard <<<"$step"
    said=$(grep '^step ' "$work/client.out" | sed -n "${n}p")
    noted=$(grep -E '^(login|recognised|refused) ' "$work/server.out" | sed -n "${n}p")
    if [ -z "$said" ] && [ "$good" = no ]; then
      report "$name" 'not run'
    elif grep -Eqx "step [^ ]* $says" <<<"$said" && grep -Eqx "$heard" <<<"$noted"; then
      report "$name" ok
    else
      report "$name" FAIL
      good=no
      sed 's/^/    client: /' "$work/client.out"
      sed 's/^/    server: /' "$work/server.out"
      sed 's/^/    haproxy: /' "$work/haproxy.out"
    fi
  done
}

# `facts`, `nothing` and `relayed`, `relayed-nothing`, `relayed-key` behind a step, as ports.
addressed() {
  sed "s/:facts\$/:$facts/; s/:nothing\$/:$nothing/; s/:relayed\$/:$relayed/
    s/:relayed-nothing\$/:$relayed_nothing/; s/:relayed-key\$/:$relayed_key/"
}

# A client that connects to the server itself.
direct() { # case from mode what the server says
  : >"$work/client.out"
  if start_server "$built" server; then
    timeout 20 "$built" direct --port "$port" --from "$2" --mode "$3" >"$work/client.out" 2>&1 </dev/null
  fi
  stop_server
  if [ "$(cat "$work/client.out")" = "step $3 closed" ] && grep -qx "closed $4" "$work/server.out"; then
    report "$1" ok
  else
    report "$1" FAIL
    sed 's/^/    client: /' "$work/client.out"
    sed 's/^/    server: /' "$work/server.out"
  fi
}

cases() {
  local m full='logged-in PLAIN noop=OK' login='login PLAIN alice known' protocol=imap options=() asks=
  # What the client says of its refusal, and the server.
  refused() { echo "failed $m code=Refused said=e=not-recognised next=[A-Za-z]* kept=1@refused $m $1"; }
  accepted() { echo "logged-in $m noop=OK@recognised $m accepted$1"; }
  m=IKY-SHA-256-EXPR
  scenario $m facts \
    "$m: full login, the exporter secret forwarded@full@$full@$login" \
    "$m: on a fresh TLS session, bound end to end@iky-fresh@$(accepted "")" \
    "$m: on a TLS session that HAProxy resumed@iky-unlinked@$(accepted " resumed")" \
    "EXTERNAL is not listed, and refused@external-unlisted@failed EXTERNAL .*@refused a mechanism that is not listed" \
    "$m: l=1 is refused, as nobody can say what was resumed@iky-resumed@$(refused "bad-proof l=1 resumed")" \
    "$m: the assertion is good all the same@iky-fresh@$(accepted "")" \
    "$m: nothing for a man in the middle who terminates TLS in front of HAProxy@iky-fresh:relayed@$(refused bad-proof)"
  replays "$m: nor for what he keeps" facts NO "refused $m bad-proof"
  m=IKY-SHA-384-EXPR
  scenario $m facts \
    "$m: full login, the exporter secret forwarded@full@$full@$login" \
    "$m: on a fresh TLS session, bound end to end@iky-fresh@$(accepted "")"
  m=IKY-SHA-256-ENDP
  scenario $m certificate \
    "$m: full login, with facts@full@$full@$login" \
    "$m: nothing forwarded, by the front end's certificate@iky-fresh:nothing@$(accepted "")" \
    "$m: nothing for a man in the middle with another certificate@iky-fresh:relayed-nothing@$(refused bad-proof)"
  replays "$m: nor for what he keeps" nothing NO "refused $m bad-proof"
  m=IKY-SHA-256-NONE
  scenario $m facts \
    "$m: full login, with facts@full@$full@$login" \
    "$m: nothing forwarded, with a counter@iky-fresh:nothing@$(accepted "")" \
    "$m: a man in the middle can use a proof once@iky-fresh:relayed-nothing@$(accepted "")"
  replays "$m: and not twice" nothing NO "refused $m replayed"
  m=IKY-SHA-256-EXPR
  scenario $m facts \
    "$m: full login, before a front end that forwards nothing@full@$full@$login" \
    "$m: is not listed where nothing is forwarded@listed:nothing@listed PLAIN@"
  granted
  direct 'a header from elsewhere is refused' 127.0.0.2 header \
    'a PROXY protocol header from a peer that is not trusted to send one'
  direct 'no header from elsewhere: refused too' 127.0.0.2 none 'not a front end'
  direct 'a front end that sends no header is refused' 127.0.0.1 none 'a front end sent no PROXY protocol header'
}

# A front end that forwards nothing but version and server name, from the full login on: XMPP, whose server grants the assertion.
granted() {
  local m protocol=xmpp options=() asks=
  asked() { echo "logged-in PLAIN granted $m@login PLAIN alice granted $m"; }
  accepted() { echo "logged-in $m bound@recognised $m accepted"; }
  refused() { echo "failed $m said=e=not-recognised Failed.* kept=1@refused $m $1"; }
  m=IKY-SHA-256-ENDP
  scenario $m certificate \
    "granted $m: with the password, nothing forwarded@granted:nothing@$(asked)" \
    "granted $m: login and bind in one flight, by the front end's certificate@known:nothing@$(accepted)" \
    "granted $m: and again@known:nothing@$(accepted)" \
    "granted $m: nothing for a man in the middle with another certificate@known:relayed-nothing@$(refused bad-proof)"
  replays "granted $m: nor for what he keeps" nothing NO "refused $m bad-proof"
  scenario $m certificate \
    "granted $m: with the password once more@granted:nothing@$(asked)" \
    "granted $m: a man in the middle with the front end's key can use a proof once@known:relayed-key@$(accepted)"
  replays "granted $m: and not twice" key NO "refused $m replayed"
  scenario $m facts \
    "granted $m: not where the server does not know the certificate@granted:nothing@logged-in PLAIN not granted@$(
    )login PLAIN alice unknown: the channel is not fit for it: no tls-server-end-point"
  m=IKY-SHA-256-NONE
  scenario $m facts \
    "granted $m: with the password, nothing forwarded@granted:nothing@$(asked)" \
    "granted $m: login and bind in one flight, with a counter@known:nothing@$(accepted)" \
    "granted $m: a man in the middle can use a proof once@known:relayed-nothing@$(accepted)"
  replays "granted $m: and not twice" nothing NO "refused $m replayed"
  m=IKY-SHA-256-EXPR
  scenario $m facts \
    "granted $m: not where nothing is forwarded@granted:nothing@logged-in PLAIN not granted@$(
    )login PLAIN alice unknown: the channel is not fit for it: no TLS exporter"
  # What the operator takes at the least is his choice, service by service.
  options=(--mechanism IKY-SHA-256-NONE --weakest ENDP) m=IKY-SHA-256-ENDP
  scenario $m certificate \
    "weakest binding ENDP: $m is granted@granted:nothing@$(asked)" \
    "weakest binding ENDP: $m is taken@known:nothing@$(accepted)" \
    "weakest binding ENDP: -NONE is not listed@listed:nothing@listed $m PLAIN@"
  asks=IKY-SHA-256-NONE
  scenario $m certificate \
    "weakest binding ENDP: $asks is not granted@granted:nothing@logged-in PLAIN not granted@$(
    )login PLAIN alice unknown: the policy asks for a stronger channel binding than this mechanism's"
}

# What became of the octets that the man in the middle kept and sent again, in the scenario before.
replays() { # case relay, what he got, what the server said last
  local got
  got=$(grep '^replayed ' "$work/relay.$2.out" | tail -n 1)
  if [ "$got" = "replayed $3" ] && [ "$(grep -E '^(recognised|refused) ' "$work/server.out" | tail -n 1)" = "$4" ]; then
    report "$1" ok
  else
    report "$1" FAIL
    sed 's/^/    relay: /' "$work/relay.$2.out"
    sed 's/^/    server: /' "$work/server.out"
  fi
}
