//! What goes in one flight, and what rides along.

use super::*;

#[test]
fn imap_advertises_and_hears_the_same() {
    let listed = imap::capabilities(&offer());
    assert_eq!(listed, "SASL-IR AUTH=SCRAM-SHA-256-PLUS AUTH=EXTERNAL AUTH=IKY-SHA-256-EXPR");
    assert_eq!(imap::offer(format!("* OK [CAPABILITY IMAP4rev2 {listed}] hello\r\n").as_bytes()), offer());
    assert_eq!(imap::offer(format!("* capability IMAP4rev1 {listed}\r\n").as_bytes()), offer());
    assert_eq!(imap::offer(format!("a9 OK [CAPABILITY {listed}] done\r\n").as_bytes()), offer());
    assert!(!imap::offer(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN").initial_response());
    // not where it is somebody's text
    for line in [
        "* LIST () \"/\" \"CAPABILITY AUTH=EXTERNAL\"",
        "* OK see CAPABILITY AUTH=EXTERNAL",
        "* NO [CAPABILITY AUTH=X]",
    ] {
        assert!(imap::offer(line.as_bytes()).mechanisms().is_empty(), "{line}");
    }
}

#[test]
fn imap_iky_is_one_flight() {
    let start = || imap::authenticate(tag(), &offer(), name(IKY), b"hello");
    let flight = start().0;
    assert_eq!(flight.bytes, "a1 AUTHENTICATE IKY-SHA-256-EXPR aGVsbG8=\r\n\r\n");
    assert_eq!(flight.rides_along, RideAlong::Commands);

    let wire = "* 3 EXISTS\r\na0 OK earlier\r\n* 1 FETCH (BODY[] {12}\r\na1 OK fake\r\n)\r\n+ dj1yZXBseQ==\r\na1 OK [CAPABILITY IMAP4rev2] Recognised\r\na2 OK next\r\n";
    for chunk in [1, 5, 4096] {
        let (events, rest) = client(start().1, wire.as_bytes(), chunk);
        let pass = |line: &'static str| Ok(Event::Pass(Bytes::from_static(line.as_bytes())));
        let done = Event::Done(Completion {
            verdict: Answer::Accepted,
            data: Some(Bytes::from_static(b"v=reply")),
            line: Bytes::from_static(b"a1 OK [CAPABILITY IMAP4rev2] Recognised\r\n"),
        });
        let expected = vec![
            pass("* 3 EXISTS\r\n"),
            pass("a0 OK earlier\r\n"),
            pass("* 1 FETCH (BODY[] {12}\r\na1 OK fake\r\n)\r\n"),
            Ok(done),
        ];
        assert_eq!((events, rest), (expected, b"a2 OK next\r\n".to_vec()));
    }
}

#[test]
fn imap_status_text_is_no_literal() {
    let start = || imap::authenticate(tag(), &offer(), name("EXTERNAL"), b"");
    let (events, _) = client(start().1, b"* OK see {5}\r\na1 OK see {9}\r\n", 3);
    assert!(matches!(events.as_slice(), [Ok(Event::Pass(_)), Ok(Event::Done(done))] if done.accepted()));
}

#[test]
fn imap_external_is_one_flight_and_has_no_challenge() {
    let start = || imap::authenticate(tag(), &offer(), name("EXTERNAL"), b"");
    let (flight, _) = start();
    assert_eq!(flight.bytes, "a1 AUTHENTICATE EXTERNAL =\r\n");
    assert_eq!(flight.rides_along, RideAlong::Commands);
    let (done, sent, rest) = completed(start, "a1 OK yes\r\n* more");
    assert_eq!((done.verdict, done.data, sent.as_str(), rest.as_slice()), (Answer::Accepted, None, "", &b"* more"[..]));
    let (events, _) = client(start().1, b"+ \r\na1 BAD cancelled\r\n", 1);
    assert!(matches!(&events[0], Ok(Event::Send(flight)) if flight.bytes == "*\r\n"));
    assert_eq!(events[1], Err(ProfileError::UnexpectedChallenge));
    // and not even an OK makes it good again
    assert_eq!(failed(start(), "+ \r\na1 OK yes\r\n"), ProfileError::UnexpectedChallenge);
}

#[test]
fn unlisted_mechanisms_permit_nothing() {
    let nothing = Offer::of(["PLAIN"]).unwrap().with_pipelining().with_iky_pipelining();
    for mechanism in [IKY, "EXTERNAL"] {
        let starts = [
            imap::authenticate(tag(), &nothing, name(mechanism), b"hello"),
            smtp::authenticate(&nothing, name(mechanism), b"hello"),
            pop3::authenticate(&nothing, name(mechanism), b"hello"),
            sieve::authenticate(&nothing, name(mechanism), b"hello"),
            acap::authenticate(tag(), &nothing, name(mechanism), b"hello"),
        ];
        for (flight, _) in starts {
            assert_eq!(flight.rides_along, RideAlong::Nothing);
            assert!(!text(&flight.bytes).ends_with("\r\n\r\n"));
        }
    }
    // other mechanisms neither, listed or not
    let (flight, _) = imap::authenticate(tag(), &nothing, name("PLAIN"), b"\0me\0secret");
    assert_eq!(flight.rides_along, RideAlong::Nothing);
}

#[test]
fn imap_without_sasl_ir_waits_for_the_empty_challenge() {
    let bare = imap::offer(b"* CAPABILITY IMAP4rev1 AUTH=EXTERNAL AUTH=IKY-SHA-256-EXPR\r\n");
    let (flight, exchange) = imap::authenticate(tag(), &bare, name(IKY), b"hello");
    assert_eq!(
        (flight.bytes, flight.rides_along),
        (Bytes::from("a1 AUTHENTICATE IKY-SHA-256-EXPR\r\n"), RideAlong::Nothing)
    );
    let (events, _) = client(exchange, b"+ \r\n+ dg==\r\na1 OK yes\r\n", 1);
    // the empty answer goes ahead with the message
    let Ok(Event::Send(flight)) = &events[0] else { panic!("{events:?}") };
    assert_eq!((&flight.bytes[..], flight.rides_along), (&b"aGVsbG8=\r\n\r\n"[..], RideAlong::Commands));
    assert!(matches!(&events[1], Ok(Event::Done(done)) if done.data.as_deref() == Some(b"v")));

    // EXTERNAL then took two round trips, and lost its leave
    let (_, exchange) = imap::authenticate(tag(), &bare, name("EXTERNAL"), b"");
    let (events, _) = client(exchange, b"+\r\na1 OK yes\r\n", 1);
    let Ok(Event::Send(flight)) = &events[0] else { panic!("{events:?}") };
    assert_eq!((&flight.bytes[..], flight.rides_along), (&b"\r\n"[..], RideAlong::Nothing));
}

#[test]
fn smtp_rides_along_only_as_the_keywords_say() {
    let lines = smtp::ehlo_lines(&full_offer());
    assert_eq!(lines, "250-PIPELINING\r\n250-AUTH SCRAM-SHA-256-PLUS EXTERNAL IKY-SHA-256-EXPR\r\n250-IKNOWYOU\r\n");
    assert_eq!(smtp::offer(format!("250-mx.example\r\n{lines}250 HELP\r\n").as_bytes()), full_offer());
    assert!(!smtp::offer(b"250-IKNOWYOU later\r\n250 AUTH PLAIN\r\n").iky_pipelining());
    assert!(smtp::offer(b"250 iknowyou\r\n").iky_pipelining());
    assert!(smtp::offer(b"AUTH PLAIN\r\n550-AUTH PLAIN\r\n").mechanisms().is_empty());

    let flight = |offer: &Offer, mechanism| smtp::authenticate(offer, name(mechanism), b"hello").0;
    let iky = flight(&full_offer(), IKY);
    assert_eq!(
        (&iky.bytes[..], iky.rides_along),
        (&b"AUTH IKY-SHA-256-EXPR aGVsbG8=\r\n\r\n"[..], RideAlong::Commands)
    );
    // PIPELINING alone does not let IKY's answer go ahead, and IKNOWYOU alone does not let anything follow EXTERNAL
    let iky = flight(&offer().with_pipelining(), IKY);
    assert_eq!((&iky.bytes[..], iky.rides_along), (&b"AUTH IKY-SHA-256-EXPR aGVsbG8=\r\n"[..], RideAlong::Nothing));
    assert_eq!(flight(&offer().with_pipelining(), "EXTERNAL").rides_along, RideAlong::Commands);
    assert_eq!(flight(&offer().with_iky_pipelining(), "EXTERNAL").rides_along, RideAlong::Nothing);

    // without the keyword the client answers when it is asked
    let start = || smtp::authenticate(&offer(), name(IKY), b"hello");
    let (done, sent, rest) = completed(start, "334 dg==\r\n235 2.7.0 yes\r\n250 next");
    assert_eq!((done.data.as_deref(), sent.as_str(), rest.as_slice()), (Some(&b"v"[..]), "\r\n", &b"250 next"[..]));
    // with it, it does not answer twice
    let start = || smtp::authenticate(&full_offer(), name(IKY), b"hello");
    let (done, sent, _) = completed(start, "334 dg==\r\n235 2.7.0 yes\r\n");
    assert_eq!((done.data.as_deref(), sent.as_str()), (Some(&b"v"[..]), ""));
}

#[test]
fn nothing_harmful_rides_along() {
    for command in ["MAIL FROM:<a@b>", "rcpt to:<c@d>", "NOOP"] {
        assert!(RideAlong::Commands.permits(smtp::kind_of(command)), "{command}");
        assert!(!RideAlong::Nothing.permits(smtp::kind_of(command)), "{command}");
    }
    for command in ["DATA", "BDAT 5 LAST", "BURL imap://x", "STARTTLS", "QUIT", "XUNKNOWN", ""] {
        assert!(!RideAlong::Commands.permits(smtp::kind_of(command)), "{command}");
    }
    assert!(!RideAlong::Commands.permits(NextCommand::Payload));
}

#[test]
fn pop3_needs_pipelining() {
    let lines = pop3::capa_lines(&offer().with_pipelining());
    assert_eq!(pop3::offer(format!("+OK\r\n{lines}.\r\n").as_bytes()), offer().with_pipelining());
    let (flight, _) = pop3::authenticate(&offer().with_pipelining(), name(IKY), b"hello");
    assert_eq!(
        (&flight.bytes[..], flight.rides_along),
        (&b"AUTH IKY-SHA-256-EXPR aGVsbG8=\r\n\r\n"[..], RideAlong::Commands)
    );
    let (flight, _) = pop3::authenticate(&offer(), name(IKY), b"hello");
    assert_eq!(
        (&flight.bytes[..], flight.rides_along),
        (&b"AUTH IKY-SHA-256-EXPR aGVsbG8=\r\n"[..], RideAlong::Nothing)
    );
    let (done, sent, _) = completed(|| pop3::authenticate(&offer(), name(IKY), b"hello"), "+ dg==\r\n+OK yes\r\n");
    assert_eq!((done.data.as_deref(), sent.as_str()), (Some(&b"v"[..]), "\r\n"));
}

#[test]
fn sieve_carries_the_message_with_success() {
    assert_eq!(sieve::capability_line(&offer()), "\"SASL\" \"SCRAM-SHA-256-PLUS EXTERNAL IKY-SHA-256-EXPR\"\r\n");
    let greeting = format!("\"IMPLEMENTATION\" \"x\"\r\n{}\"STARTTLS\"\r\nOK\r\n", sieve::capability_line(&offer()));
    assert_eq!(sieve::offer(greeting.as_bytes()), offer());

    let start = || sieve::authenticate(&offer(), name(IKY), b"hello");
    let (flight, _) = start();
    assert_eq!(
        (&flight.bytes[..], flight.rides_along),
        (&b"AUTHENTICATE \"IKY-SHA-256-EXPR\" \"aGVsbG8=\"\r\n"[..], RideAlong::Commands)
    );
    assert_eq!(sieve::authenticate(&offer(), name("EXTERNAL"), b"").0.rides_along, RideAlong::Nothing);
    for wire in ["OK (SASL \"dg==\") \"hi\"\r\nrest", "ok (sasl {4}\r\ndg==) {2}\r\nhi\r\nrest"] {
        let (done, sent, rest) = completed(start, wire);
        assert!(done.accepted());
        assert_eq!((done.data.as_deref(), sent.as_str(), rest.as_slice()), (Some(&b"v"[..]), "", &b"rest"[..]));
    }
    assert_eq!(failed(start(), "OK (SASL \"!\")\r\n"), ProfileError::NotBase64);
    assert!(matches!(failed(start(), "OK (SASL nothing)\r\n"), ProfileError::Malformed(_)));
    // a server that sends its message as a challenge all the same
    let (done, sent, _) = completed(start, "\"dg==\"\r\nOK\r\n");
    assert_eq!((done.data.as_deref(), sent.as_str()), (Some(&b"v"[..]), "\"\"\r\n"));
    let (_, exchange) = sieve::authenticate(&offer(), name("EXTERNAL"), b"");
    let (events, _) = client(exchange, b"\"\"\r\nNO\r\n", 1);
    assert!(matches!(&events[0], Ok(Event::Send(flight)) if flight.bytes == "\"*\"\r\n"));

    for login in
        ["AUTHENTICATE \"IKY-SHA-256-EXPR\" \"aGVsbG8=\"\r\n", "authenticate \"iky-sha-256-expr\" {8+}\r\naGVsbG8=\r\n"]
    {
        let served =
            serve(|| sieve::server(&offer()), &format!("{login}LISTSCRIPTS\r\n"), Outcome::Accepted, Some(b"v"));
        assert_eq!(served.sent, "OK (SASL \"dg==\") \"Recognised\"\r\n");
        assert_eq!((served.accepted, served.rest.as_str()), (Some(true), "LISTSCRIPTS\r\n"));
    }
    let served = serve(
        || sieve::server(&offer()),
        "AUTHENTICATE \"IKY-SHA-256-EXPR\"\r\n\"aGVsbG8=\"\r\n",
        Outcome::Accepted,
        Some(b"v"),
    );
    assert_eq!(served.sent, "\"\"\r\nOK (SASL \"dg==\") \"Recognised\"\r\n");
    for wire in ["AUTHENTICATE \"IKY-SHA-256-EXPR\" \"aGVsbG8=\" x\r\n", "AUTHENTICATE \"IKY-SHA-256-EXPR\" QQ==\r\n"] {
        let served = serve(|| sieve::server(&offer()), wire, Outcome::Accepted, Some(b"v"));
        assert_eq!((served.sent.as_str(), served.request), ("NO \"Malformed authentication exchange\"\r\n", None));
    }
}

#[test]
fn acap_carries_octets_as_they_are() {
    assert_eq!(acap::greeting_item(&offer()), "(SASL \"SCRAM-SHA-256-PLUS\" \"EXTERNAL\" \"IKY-SHA-256-EXPR\")");
    let greeting = format!("* ACAP (IMPLEMENTATION \"x\") {} (STARTTLS)\r\n", acap::greeting_item(&offer()));
    assert_eq!(acap::offer(greeting.as_bytes()), offer());
    assert!(acap::offer(b"* OK (SASL \"PLAIN\")\r\n").mechanisms().is_empty());

    let (flight, _) = acap::authenticate(tag(), &offer(), name(IKY), b"say \"hi\"");
    assert_eq!(flight.bytes, "a1 AUTHENTICATE \"IKY-SHA-256-EXPR\" {8+}\r\nsay \"hi\"\r\n");
    let start = || acap::authenticate(tag(), &offer(), name(IKY), b"hello");
    assert_eq!(start().0.bytes, "a1 AUTHENTICATE \"IKY-SHA-256-EXPR\" \"hello\"\r\n");
    let (done, sent, rest) = completed(start, "a1 OK (SASL {9}\r\na1 NO \"\r\n) \"hi\"\r\nrest");
    assert_eq!((done.data.as_deref(), sent.as_str(), rest.as_slice()), (Some(&b"a1 NO \"\r\n"[..]), "", &b"rest"[..]));
    assert_eq!(completed(start, "a1 NO (TRANSITION-NEEDED) \"x\"\r\n").0.verdict, Answer::Expired);

    let served = serve(
        || acap::server(&offer()),
        "a1 AUTHENTICATE \"IKY-SHA-256-EXPR\" {4+}\r\n\r\na \r\na2 NOOP\r\n",
        Outcome::Accepted,
        Some(b"\"v\""),
    );
    assert_eq!(served.sent, "a1 OK (SASL {3}\r\n\"v\") \"Recognised\"\r\n");
    assert_eq!(
        (served.request.unwrap().initial_response.unwrap(), served.rest.as_str()),
        (Bytes::from("\r\na "), "a2 NOOP\r\n")
    );
    let served =
        serve(|| acap::server(&offer()), "a1 AUTHENTICATE \"IKY-SHA-256-EXPR\"\r\n*\r\n", Outcome::Accepted, None);
    assert_eq!(served.sent, "+ \"\"\r\na1 BAD \"Malformed authentication exchange\"\r\n");
    // a literal that waits for a go-ahead
    let served =
        serve(|| acap::server(&offer()), "a1 AUTHENTICATE \"IKY-SHA-256-EXPR\" {4}\r\n", Outcome::Accepted, None);
    assert_eq!(served.accepted, Some(false));
}
