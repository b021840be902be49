# The peer `cyrus`: Debian's Cyrus SASL, unpatched, with the plug-in of capi/cyrus; sourced by interop/run.
# shellcheck shell=bash disable=SC2154,SC2034 # one script in several files

prepare() {
  local library
  cyrus_installed && debian valkey-server=8 && cargo build --quiet -p fast-reauth-capi --features redis && library=$(target_directory)/debug/libfastreauth.a &&
    certificate imap.example.com && mkdir -p "$work/cyrus/plugins" "$work/cyrus/conf" || return 1
  cyrus=$work/cyrus
  # libldap takes another name for localhost.
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$cyrus/ldap-key.pem" -out "$cyrus/ldap.pem" >"$cyrus/openssl.log" 2>&1 ||
    return 1
  # The plug-in alone, and the modules of Debian for the full login.
  modules=/usr/lib/$(cc -print-multiarch)/sasl2
  make --silent -C capi/cyrus LIBRARY="$library" OUT="$cyrus/plugins/libiky.so" CFLAGS='-g -Werror' &&
    cc -std=gnu99 -Wall -Wextra -Werror -g -Icapi/include interop/cyrus/peer.c "$library" \
      -lssl -lcrypto -lsasl2 -lpthread -ldl -lm -o "$cyrus/peer" || return 1
  openssl rand -hex 32 >"$cyrus/key" && chmod 600 "$cyrus/key"
  echo secret | saslpasswd2 -p -c -f "$cyrus/sasldb" -u imap.example.com alice >"$cyrus/saslpasswd2.out" 2>&1 || return 1
  in_store "redb:$cyrus/store"
}

# What the service of the full login listed then it lists still.
in_store() { # location
  store=$1
  cat >"$cyrus/conf/peer.conf" <<END
auxprop_plugin: sasldb
sasldb_path: $cyrus/sasldb
iky_store: $store
iky_key_file: $cyrus/key
iky_mechanisms: SCRAM-SHA-256-PLUS IKY-SHA-256-EXPR HT-SHA-256-EXPR
END
  cat >"$cyrus/conf/sample.conf" <<END
iky_store: $store
iky_key_file: $cyrus/key
END
}

# A Valkey of our own, in memory; it ends with this script, or after a minute.
start_valkey() {
  timeout 60 valkey-server --port 0 --unixsocket "$cyrus/valkey" --save '' --dir "$cyrus" >"$cyrus/valkey.log" 2>&1 &
  server_pid=$!
  for _ in $(seq 50); do
    [ ! -S "$cyrus/valkey" ] || return 0
    sleep 0.1
  done
  return 1
}

# The release's own, whose versions are what is measured here. Neither saslauthd nor slapd is started.
cyrus_installed() {
  local result
  installed sasl2-bin 2.1.28 && installed libsasl2-dev 2.1.28 && installed libsasl2-modules 2.1.28 && installed libssl-dev 3.0 &&
    installed slapd 2.5 && installed ldap-utils 2.5 && command -v cc make >/dev/null && return 0
  services_off
  echo 'slapd slapd/no_configuration boolean true' | debconf-set-selections &&
    apt-get update -q >"$work/apt.log" 2>&1 && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
    gcc make libc6-dev libssl-dev libsasl2-dev libsasl2-modules sasl2-bin slapd ldap-utils >>"$work/apt.log" 2>&1
  result=$?
  services_back
  [ "$result" = 0 ] || tail -n 20 "$work/apt.log"
  return "$result"
}

with_cyrus() { # command...
  SASL_CONF_PATH=$cyrus/conf SASL_PATH=$cyrus/plugins:$modules FAST_REAUTH_CLIENT_STATE=$cyrus/state \
    timeout 60 "$@" 2>"$cyrus/errors"
}

sample() { # mechanism [action [file]]
  with_cyrus python3 interop/cyrus/relay.py "$1" "$cyrus/plugins:$modules" "${@:2}"
}

peer_of_cyrus() { # what [mechanism]
  with_cyrus "$cyrus/peer" "$1" "$work/cert.pem" "$work/key.pem" "${@:2}" | paste -sd ';'
}

# What the plug-in says of a mechanism's security.
flags_of() { # mechanism
  with_cyrus saslpluginviewer -p "$cyrus/plugins:$modules" -c -m "$1" | grep -A2 "SASL mechanism: $1," | sed -n 's/.*security flags: //p'
}

# With a file that others may read; its owner's again afterwards.
open_to_others() { # file command...
  chmod 644 "$1"
  "${@:2}"
  chmod 600 "$1"
}

# While another process has the store's file.
held() { # command...
  (flock 9 && "$@") 9<"${store#redb:}"
}

# With another line in the sample server's configuration; without it again afterwards.
configured() { # line command...
  echo "$1" >>"$cyrus/conf/sample.conf"
  "${@:2}"
  in_store "$store"
}

# Two servers, each a process of its own, have the file for a moment each.
at_once() {
  local one=$cyrus/one
  sample "$1" >"$one" &
  sample "$1"
  wait $!
  cat "$one"
}

# OpenLDAP's server, and what its client says at each step, in files. A subshell, as Debian's slapd takes its configuration of
# SASL from one place only.
ldap() (
  conf=/etc/ldap/sasl2/slapd.conf
  [ ! -e "$conf" ] || { echo "there is a $conf"; exit 1; }
  trap 'rm -f "$conf"; [ -z "${slapd:-}" ] || { kill "$slapd"; wait "$slapd"; } 2>/dev/null' EXIT
  trap 'exit 1' INT TERM
  printf '%s\n' "iky_store: $store" 'iky_store_keep: yes' >"$conf"
  cat >"$cyrus/slapd.conf" <<END
TLSCACertificateFile $cyrus/ldap.pem
TLSCertificateFile $cyrus/ldap.pem
TLSCertificateKeyFile $cyrus/ldap-key.pem
pidfile $cyrus/slapd.pid
sasl-host 127.0.0.1
sasl-secprops none
sasl-cbinding tls-endpoint
database config
END
  port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
  url=ldaps://127.0.0.1:$port
  export SASL_PATH=$cyrus/plugins:$modules LDAPTLS_CACERT=$cyrus/ldap.pem FAST_REAUTH_CLIENT_STATE=$cyrus/state
  timeout 60 slapd -f "$cyrus/slapd.conf" -h "$url/" -d stats >"$cyrus/slapd.log" 2>&1 &
  slapd=$!
  for _ in $(seq 50); do
    (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    sleep 0.1
  done
  echo 'SASL_CBINDING tls-endpoint' >"$cyrus/ldaprc"
  export LDAPCONF=$cyrus/ldaprc
  timeout 10 ldapsearch -x -LLL -H "$url" -b '' -s base supportedSASLMechanisms 2>&1 | sed -n 's/.*: \(IKY.*\|HT-.*\)/\1/p' | paste -sd ' '
  for _ in 1 2; do timeout 10 ldapwhoami -N -Q -H "$url" -Y IKY-SHA-256-ENDP -U alice 2>&1; done
  cp "$cyrus/state" "$cyrus/state.old"
  timeout 10 ldapwhoami -N -Q -H "$url" -Y IKY-SHA-256-ENDP -U alice 2>&1
  mv "$cyrus/state.old" "$cyrus/state"
  timeout 10 ldapwhoami -N -Q -H "$url" -Y IKY-SHA-256-ENDP -U alice 2>&1 | head -n 1
  LDAPCONF=/dev/null timeout 10 ldapwhoami -N -Q -H "$url" -Y IKY-SHA-256-ENDP -U alice 2>&1 | head -n 1
  grep -c 'BIND dn="uid=account-of-alice,cn=iky-sha-256-endp,cn=auth" mech=IKY-SHA-256-ENDP bind_ssf=0 ssf=256' "$cyrus/slapd.log"
)

line() { sed -n "$1p" "$cyrus/ldap.out"; }

why() { grep -o 'not recognised: FR_[A-Z_]*' "$cyrus/errors" | head -n 1; }

cases() {
  local K=IKY-SHA-256-NONE H=HT-SHA-256-NONE B=IKY-SHA-256-EXPR T=HT-SHA-256-EXPR
  local known='server: recognised account-of-alice; client: trusts the server' refused='server: refused; client: does not'
  local silent='SASL(-10): server failed mutual authentication step: the server did not show that it is it'
  local fooled='server: refused; client: does not' both='server account-of-alice;client ok'
  try 'a full login by Cyrus SASL, SCRAM-SHA-256-PLUS over TLS 1.3' 'server alice;client ok' \
    peer_of_cyrus full "$store" "$cyrus/state" "$cyrus/key"
  try "$B: known at once, bound by tls-exporter" "$both" peer_of_cyrus "$B"
  try "$B: on another connection it is refused" 'server waits;client SASL(-13): authentication failure: not recognised: log in fully' \
    peer_of_cyrus stolen "$B"
  try "$B: and is good all the same" "$both" peer_of_cyrus "$B"
  try "$T: known at once, bound by tls-exporter" "$both" peer_of_cyrus "$T"
  try "$T: on another connection it is refused" 'server authentication failure;client waits' peer_of_cyrus stolen "$T"
  try "$K: the sample programs, at a sibling service" "$known" sample "$K"
  try "$K: the next counter, in new processes" "$known" sample "$K" record "$cyrus/message"
  try "$K: a counter that was used before is refused" "$refused" sample "$K" again "$cyrus/message"
  try 'and the log says why' 'not recognised: FR_REPLAYED' why
  try "$K: a wrong proof is refused" "$refused" sample "$K" alter
  try 'and the log says why' 'not recognised: FR_BAD_PROOF' why
  try "$K: a server that can't show that it is the server" "$fooled" sample "$K" lie
  try 'and the client says so' 'the server did not show that it is it' grep -o 'the server did not show that it is it' "$cyrus/errors"
  try "$K: two clients and two servers at once" "$known
$known" at_once "$K"
  try "$K: no TLS, says the client" "$refused" sample "$K" client-no-tls
  try "$K: no TLS, says the server" "$refused" sample "$K" server-no-tls
  try "$H: the sample programs" "$known" sample "$H"
  try "$H: a wrong proof is refused" "$refused" sample "$H" alter
  try "$H: the token is good all the same" "$known" sample "$H"
  try "$H: a server that can't show that it is the server" "$fooled" sample "$H" lie
  try "$H: a message that is good twice is not called safe from who listens" 'NO_ANONYMOUS|NO_DICTIONARY|MUTUAL_AUTH' flags_of "$H"
  try "$K: one that is not, is" 'NO_ANONYMOUS|NO_PLAINTEXT|NO_DICTIONARY|MUTUAL_AUTH' flags_of "$K"
  try "$H: a key that others may read makes no tokens" "$refused" open_to_others "$cyrus/key" sample "$H"
  try "$K: a state that others may read is nobody's" "$refused" open_to_others "$cyrus/state" sample "$K"
  try "$K: and is good again when it is the client's own" "$known" sample "$K"
  try "$K: one challenge before success" "$known; challenges: 1" sample "$K" count
  try "$K: one, by which the server says no more, before a failure of its store" "$refused; challenges: 1" held sample "$K" count
  try 'and the log says why' 'not recognised: FR_IN_USE' why
  try 'and the client logs in fully' 'not recognised: log in fully' grep -o 'not recognised: log in fully' "$cyrus/errors"
  try "$K: one before an account is refused that the client proved" "$refused; challenges: 1" \
    configured 'canon_user_plugin: none' sample "$K" count
  try "$B: one before a policy refuses" 'server authorization failure;client ok;challenges 1' peer_of_cyrus denied "$B"
  try "$B: one behind the one that asks, where the client says nothing, and no success by a server that says nothing" \
    'challenge ;challenge e=malformed;server bad protocol / cancel;client '"$silent" peer_of_cyrus mute "$B"
  try "$H: none before a failure" "$refused; challenges: 0" held sample "$H" count
  try "$K: an answer that says something is refused, whatever was proved" 'server: refused; client: trusts the server' sample "$K" answer
  local dn='dn:uid=account-of-alice,cn=iky-sha-256-endp,cn=auth' bind='ldap_sasl_interactive_bind:'
  ldap >"$cyrus/ldap.out" 2>"$cyrus/errors"
  try 'OpenLDAP lists what its channel binding carries' 'IKY-SHA-256-ENDP IKY-SHA-256-NONE' line 1
  try 'OpenLDAP: ldapwhoami is known at once, bound by tls-server-end-point' "$dn" line 2
  try 'OpenLDAP: the next counter' "$dn" line 3
  try 'OpenLDAP: and the next' "$dn" line 4
  try 'OpenLDAP: a counter that was used before is refused' "$bind Invalid credentials (49)" line 5
  try 'OpenLDAP: without the channel binding there is no login' "$bind Unknown authentication method (-6)" line 6
  try 'OpenLDAP: its log has the three' 3 line 7
  # One client by IKY, at both services, and one by each token.
  try 'all clients of the account are revoked' 'revoked 3' with_cyrus "$cyrus/peer" revoke "$store"
  try "$K: refused from then on" "$refused" sample "$K"
  try 'and the log says why' 'not recognised: FR_REVOKED' why
  try "$B: refused from then on" 'server waits;client SASL(-13): authentication failure: not recognised: log in fully' peer_of_cyrus "$B"

  in_store "unix:$cyrus/valkey"
  start_valkey || report 'Valkey' 'not run'
  try 'a full login, with a Valkey as the store' 'server alice;client ok' \
    peer_of_cyrus full "$store" "$cyrus/state" "$cyrus/key"
  try "$B: known at once, from the Valkey" "$both" peer_of_cyrus "$B"
  try "$K: known at once, from the Valkey" "$known" sample "$K" record "$cyrus/message"
  try "$K: two clients and two servers at once" "$known
$known" at_once "$K"
  try "$K: a counter that was used before is refused" "$refused" sample "$K" again "$cyrus/message"
  echo 'iky_store_keep: yes' >>"$cyrus/conf/peer.conf"
  try "$B: a server that forks with its store open" "$both;$both;$both" peer_of_cyrus forked "$B"
  stop_server
  try "$K: without the Valkey nobody is known" "$refused" sample "$K"
  try 'and the log says why' 'not recognised: FR_UNAVAILABLE' why
}

try() { # case expected command...
  local said
  said=$("${@:3}")
  if [ "$said" = "$2" ]; then
    report "$1" ok
  else
    report "$1" FAIL
    printf '%s\n' "$said" | sed 's/^/    /'
    sed 's/^/    /' "$cyrus/errors"
  fi
}
