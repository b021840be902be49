# The peer `postfix`: Debian's Postfix, unpatched, which asks this library's server who its clients are; sourced by
# interop/run.
# shellcheck shell=bash disable=SC2154 # one script in several files

prepare() {
  postfix_installed && example smtp_client || return 1
  lettre=$built
  example auth_server && certificate smtp.example.com imap.example.com &&
    start_server "$built" server && start_postfix
}

# The release's own, and not that of its backports: 3.7 is what is measured here. It is asked for no configuration, and
# not started.
postfix_installed() {
  local result
  installed postfix 3.7 && return 0
  services_off
  echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections &&
    apt-get update -q >"$work/apt.log" 2>&1 &&
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends postfix >>"$work/apt.log" 2>&1
  result=$?
  services_back
  [ "$result" = 0 ] || tail -n 20 "$work/apt.log"
  return "$result"
}

# An instance of its own: configuration, queue and log are in the work directory, the port is a free one of loopback.
start_postfix() {
  local auth master
  auth=$(sed -n 's/^auth //p' "$work/server.out")
  postfix=$work/postfix
  smtp=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
  chmod 711 "$work" && mkdir -p "$postfix/etc" "$postfix/queue" "$postfix/data" &&
    chown postfix "$postfix/data" || return 1
  cat interop/postfix/main.cf - >"$postfix/etc/main.cf" <<END
queue_directory = $postfix/queue
data_directory = $postfix/data
maillog_file = $postfix/queue/log
maillog_file_prefixes = $postfix
smtpd_tls_cert_file = $work/cert.pem
smtpd_tls_key_file = $work/key.pem
smtpd_sasl_path = inet:127.0.0.1:$auth
END
  sed "s/^PORT /127.0.0.1:$smtp /" interop/postfix/master.cf >"$postfix/etc/master.cf"
  # It makes a session of its own, as `postfix start` would, and ends after some minutes, should this script not end it.
  # The login server ends with its input.
  master=$(postconf -c "$postfix/etc" -h daemon_directory)/master
  { postfix -c "$postfix/etc" check && "$master" -c "$postfix/etc" -w -e 300; } >"$work/postfix.out" 2>&1 </dev/null
  server_pid=$(tr -d ' ' <"$postfix/queue/pid/master.pid") || server_pid=''
  for _ in $(seq 100); do
    (: <>"/dev/tcp/127.0.0.1/$smtp") 2>/dev/null && return 0
    kill -0 "$server_pid" 2>/dev/null || break
    sleep 0.1
  done
  cat "$work/postfix.out" "$postfix/queue/log"
  return 1
}

# Who the mails with these ids are from, by the queue's own records and by the header that a recipient would see.
senders() { # id...
  local id
  for id in "$@"; do
    postcat -c "$postfix/etc" -e "$postfix/queue/hold/$id" 2>/dev/null |
      sed -n 's/^named_attribute: sasl_\(method\|username\)=/\1 /p' | sort | tr '\n' ' '
    postcat -c "$postfix/etc" -h "$postfix/queue/hold/$id" 2>/dev/null |
      sed -n 's/.*(\(Authenticated sender: .*\))$/\1/p'
  done
}

in_queue() {
  find "$postfix/queue/incoming" "$postfix/queue/active" "$postfix/queue/deferred" "$postfix/queue/hold" -type f | wc -l
}

# What the client is handed by the control channel: the token, and word of the revocation.
control() {
  until grep -q '^token ' "$work/server.out"; do sleep 0.1; done
  grep -m 1 '^token ' "$work/server.out"
  until grep -q '^step given-up ' "$work/client.out"; do sleep 0.1; done
  echo revoke >&"$server_input"
  until grep -q '^revoked ' "$work/server.out"; do sleep 0.1; done
  echo go
}

# One client process. A step is: name of the case @ what the client does @ what it says, with MAIL for the id of a mail
# that is in the queue then, from the right account and by the mechanism that is named.
cases() {
  local steps=() step name action says said id ids mechanism n=0 good=yes mails=0 feeder who=account-of-alice
  local bad='535 334 535 refused 535 said=e=malformed mail=554'
  local refused='next=FullLogin kept=%s mail=554' K=IKY-SHA-256-NONE H=HT-SHA-256-NONE
  steps=(
    "a full login at IMAP, none at Postfix@full@logged-in PLAIN"
    "a token, by a control channel of the example's own@token@kept"
    "the mechanisms in EHLO, and no IKNOWYOU@listed@$H $K pipelining=true iknowyou=false"
    "$K: known at once, the mail is queued@iky@logged-in $K queued=MAIL"
    "$K: the next counter@iky@logged-in $K queued=MAIL"
    "$K: a counter that was used before is refused, no mail@iky-again@refused 535 said=e=replayed mail=554"
    "$K: a wrong proof is refused, no mail@iky-altered@refused 535 said=e=not-recognised ${refused/\%s/1}"
    "$K: the assertion is good all the same@iky@logged-in $K queued=MAIL"
    "$K: malformed messages are refused, the connection goes on@malformed@$bad then logged-in queued=MAIL"
    "$K: two connections at their challenge at once@parallel@logged-in queued=MAIL MAIL"
    "$H: known at once, the mail is queued@ht@logged-in $H queued=MAIL"
    "$H: SMTP has no count, so the same message is good again@ht-again@accepted queued=MAIL"
    "$H: a wrong proof is refused, no mail@ht-altered@refused 535 said=- ${refused/\%s/0}"
    "$K: three clients that give up cost the next one nothing@given-up@then logged-in queued=MAIL"
    "all clients of the account are revoked@wait@waited"
    "$K: refused from then on, and says why@iky@refused 535 said=e=revoked ${refused/\%s/0}"
    "$H: refused from then on@ht-again@refused 535 said=- mail=554"
  )
  : >"$work/client.out"
  rm -f "$work/control" && mkfifo "$work/control" || return 1
  control >"$work/control" &
  feeder=$!
  # shellcheck disable=SC2046 # steps are words
  timeout 60 "$built" client --imap "$port" --smtp "$smtp" --ca "$work/cert.pem" \
    $(printf '%s\n' "${steps[@]}" | cut -d@ -f2) <"$work/control" >"$work/client.out" 2>&1
  kill "$feeder" 2>/dev/null
  for step in "${steps[@]}"; do
    n=$((n + 1))
    IFS=@ read -r name action says <<<"$step"
    said=$(grep '^step ' "$work/client.out" | sed -n "${n}p")
    ids=$(grep -o 'queued=.*' <<<"$said" | cut -d= -f2)
    mechanism=$(grep -o 'HT-SHA-256-NONE' <<<"$name" || echo "$K")
    if [ -z "$said" ] && [ "$good" = no ]; then
      report "$name" 'not run'
      continue
    fi
    for id in $ids; do
      said=${said/$id/MAIL}
      mails=$((mails + 1))
      [ "$(senders "$id")" = "method $mechanism username $who Authenticated sender: $who" ] ||
        said="$said, and the queue has another sender"
    done
    if [ "$said" = "step $action $says" ]; then
      report "$name" ok
    else
      report "$name" FAIL
      good=no
      sed 's/^/    client: /' "$work/client.out"
      tail -n 20 "$work/server.out" | sed 's/^/    server: /'
      tail -n 20 "$postfix/queue/log" | sed 's/^/    postfix: /'
    fi
  done
  # Each process of Postfix serves one client after the other, on one connection to the login server.
  grep -q '^login 1\.2 ' "$work/server.out" && grep -q '^login 2\.2 ' "$work/server.out" && said=ok || said=FAIL
  report 'logins of several clients on one connection' "$said"
  # Who was refused sent nothing.
  [ "$good" = yes ] && [ "$(in_queue)" = "$mails" ] && said=ok || said=FAIL
  report 'the queue has these mails and no other' "$said"
  lettre_cases
}

# Another stack, in a process for each mail: what it keeps is in a file, which the login at IMAP makes.
lettre_cases() {
  local K=IKY-SHA-256-NONE file=$work/lettre.state
  : >"$work/client.out"
  # A login in the second of a revocation counts as one before it.
  sleep 1.1
  timeout 60 "$built" client --imap "$port" --smtp "$smtp" --ca "$work/cert.pem" --state "$file" full keep \
    </dev/null >"$work/client.out" 2>&1
  cp "$file" "$work/old.state" 2>/dev/null
  lettre 'lettre: known at once by what the login at IMAP made, two round trips' "$file" "waited for the login: 2 "
  lettre 'lettre: the next counter, from the file' "$file" "waited for the login: 2 "
  cp "$work/old.state" "$file"
  lettre 'lettre: a file from a backup has an old counter: refused, and it says what to do' "$file" \
    'log in at the provider.s IMAP server first'
}

lettre() { # name state says
  local id said=FAIL
  timeout 60 "$lettre" --server "127.0.0.1:$smtp" --name smtp.example.com --ca "$work/cert.pem" --user alice \
    --state "$2" </dev/null >"$work/lettre.out" 2>&1
  id=$(sed -n 's/.*queued as //p' "$work/lettre.out")
  if grep -q "$3" "$work/lettre.out"; then
    said=ok
    [ -z "$id" ] || [ "$(senders "$id")" = "method $K username $who Authenticated sender: $who" ] || said=FAIL
  fi
  report "$1" "$said"
  [ "$said" = ok ] || sed 's/^/    lettre: /' "$work/client.out" "$work/lettre.out"
}
