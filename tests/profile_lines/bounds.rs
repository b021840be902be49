//! What is too much, malformed or harmful.

use super::*;

#[test]
fn what_a_literal_ends_in_announces_no_other() {
    let start = || acap::server(&offer());
    let served = serve(
        start,
        "a1 AUTHENTICATE \"IKY-SHA-256-EXPR\" {6+}\r\nxy{9+}\r\na2 NOOP\r\n",
        Outcome::Accepted,
        Some(b"v"),
    );
    assert_eq!(
        (served.request.unwrap().initial_response.unwrap(), served.rest.as_str()),
        (Bytes::from("xy{9+}"), "a2 NOOP\r\n")
    );
    let start = || imap::authenticate(tag(), &offer(), name("EXTERNAL"), b"");
    let (events, rest) = client(start().1, b"* 1 FETCH (BODY[] {3}\r\n{8}\r\na1 OK yes\r\na2 OK next\r\n", 4096);
    assert!(matches!(&events[..], [Ok(Event::Pass(_)), Ok(Event::Done(done))] if done.accepted()));
    assert_eq!(rest, b"a2 OK next\r\n");
    // Its octets are not half of a line's end either.
    let (events, _) = client(start().1, b"* 1 FETCH (BODY[] {2}\r\nx\r\na1 OK yes\r\n", 4096);
    assert_eq!(events[0], Err(ProfileError::BareLineFeed));
}

#[test]
fn too_much_is_an_error_and_never_grows() {
    let long = |len: usize| "x".repeat(len);
    let start = || imap::authenticate(tag(), &offer(), name(IKY), b"hello");
    assert_eq!(failed(start(), &long(8192)), ProfileError::TooLong { limit: 8192 });
    assert_eq!(failed(start(), &format!("* {}\r\n", long(8189))), ProfileError::TooLong { limit: 8192 });
    assert_eq!(failed(start(), "* X {8190}\r\n"), ProfileError::TooLong { limit: 8192 });
    assert_eq!(failed(start(), "* X {999999999}\r\n"), ProfileError::TooLong { limit: 8192 });
    // a challenge has its own, smaller limit
    assert_eq!(failed(start(), &format!("+ {}\r\n", "A".repeat(4096))), ProfileError::TooLong { limit: 4096 });
    let (events, _) = client(start().1, format!("+ {}\r\na1 OK x\r\n", "A".repeat(4092)).as_bytes(), 512);
    assert!(matches!(&events[0], Ok(Event::Done(_))), "{events:?}");
    // the longest line that is taken
    let (events, _) = client(start().1, format!("* {}\r\n", long(8188)).as_bytes(), 100);
    assert!(matches!(&events[0], Ok(Event::Pass(line)) if line.len() == 8192));

    let mut exchange = smtp::server(&offer());
    let mut input = BytesMut::from(format!("AUTH EXTERNAL {}", long(9000)).as_str());
    assert_eq!(exchange.receive(&mut input), Err(ProfileError::TooLong { limit: 8192 }));
    assert_eq!(exchange.receive(&mut input), Err(ProfileError::TooLong { limit: 8192 }));
}

#[test]
fn a_bare_line_feed_ends_no_line() {
    assert_eq!(failed(imap::authenticate(tag(), &offer(), name(IKY), b"x"), "a1 OK yes\n"), ProfileError::BareLineFeed);
    let mut exchange = smtp::server(&full_offer());
    let mut input = BytesMut::from("AUTH IKY-SHA-256-EXPR QQ==\r\n\nMAIL FROM:<>\r\n");
    assert!(matches!(exchange.receive(&mut input), Ok(ServerEvent::Verify(_))));
    assert!(matches!(exchange.finish(Outcome::Accepted, Some(b"v")), Ok(ServerEvent::Send(_))));
    assert_eq!(exchange.receive(&mut input), Err(ProfileError::BareLineFeed));
}

#[test]
fn base64_has_one_spelling() {
    for wire in ["+ dh==\r\n", "+ dg=\r\n", "+ dg\r\n", "+ d g==\r\n", "+ =\r\n", "+  \r\n"] {
        let start = imap::authenticate(tag(), &offer(), name(IKY), b"hello");
        assert_eq!(failed(start, wire), ProfileError::NotBase64, "{wire}");
    }
}

/// Deterministic junk (splitmix64), much of it almost right.
#[test]
fn junk_panics_nowhere() {
    let words: &[&str] = &[
        "a1 ",
        "+ ",
        "* ",
        "OK",
        "NO ",
        "[",
        "]",
        "CAPABILITY ",
        "AUTH=",
        "AUTH ",
        "AUTHENTICATE ",
        IKY,
        "\"",
        "{3}",
        "{5+}",
        "\r\n",
        "\n",
        "\r",
        "=",
        "dg==",
        "334 ",
        "235",
        "-",
        "(SASL ",
        ")",
        "\\",
        "SASL ",
        "250-",
        "\0",
        "\u{fc}",
        "{99999999999}",
        " ",
    ];
    let mut seed = 7u64;
    let mut next = move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize
    };
    for _ in 0..4000 {
        let mut junk = Vec::new();
        for _ in 0..next() % 12 {
            junk.extend_from_slice(words[next() % words.len()].as_bytes());
        }
        for listed in
            [imap::offer(&junk), smtp::offer(&junk), pop3::offer(&junk), sieve::offer(&junk), acap::offer(&junk)]
        {
            assert!(listed.mechanisms().len() <= Offer::MAX);
        }
        let offer = full_offer();
        let chunk = 1 + next() % 9;
        for start in [
            imap::authenticate(tag(), &offer, name(IKY), b"hello"),
            smtp::authenticate(&offer, name(IKY), b"hello"),
            pop3::authenticate(&offer, name(IKY), b"hello"),
            sieve::authenticate(&offer, name(IKY), b"hello"),
            acap::authenticate(tag(), &offer, name(IKY), b"hello"),
        ] {
            client(start.1, &junk, chunk);
        }
        for start in [imap::server, smtp::server, pop3::server, sieve::server, acap::server] {
            let (mut exchange, mut input) = (start(&offer), BytesMut::from(&junk[..]));
            for _ in 0..8 {
                if let Ok(ServerEvent::Verify(_)) = exchange.receive(&mut input) {
                    assert!(exchange.finish(Outcome::Stale, Some(b"e=x")).is_ok());
                }
            }
        }
    }
}

#[test]
fn offers_are_bounded_and_folded() {
    let many: Vec<String> = (0..100).map(|n| format!("AUTH=M{n}")).collect();
    assert_eq!(imap::offer(format!("* CAPABILITY {}", many.join(" ")).as_bytes()).mechanisms().len(), 64);
    let odd = imap::offer(b"* CAPABILITY AUTH=plain AUTH=PLAIN AUTH=ABCDEFGHIJKLMNOPQRSTU AUTH=A.B AUTH=\xff AUTH= AUTH=ABCDEFGHIJKLMNOPQRST");
    assert_eq!(odd.mechanisms(), [name("PLAIN"), name("ABCDEFGHIJKLMNOPQRST")]);
    assert!(Offer::of(["PLAIN", "a b"]).is_err());
}

#[test]
fn names_and_tags_inject_nothing() {
    for bad in ["", "A\r\nB", "A B", "A=B", "ABCDEFGHIJKLMNOPQRSTU", "\u{dc}"] {
        assert!(MechanismName::parse(bad).is_err(), "{bad:?}");
    }
    for bad in ["", "a\r\nb", "a b", "*", "+", "a{1}", "\"a\"", "\u{fc}"] {
        assert!(Tag::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn debug_prints_no_secrets() {
    let (flight, exchange) = imap::authenticate(tag(), &Offer::default(), name("PLAIN"), b"\0me\0hunter2");
    let request = Request { mechanism: name("PLAIN"), initial_response: Some(Bytes::from_static(b"\0me\0hunter2")) };
    let sent = ServerEvent::Send(Bytes::from_static(b"+ aHVudGVyMg==\r\n"));
    let event = Event::Send(flight.clone());
    let printed = format!("{flight:?} {exchange:?} {request:?} {sent:?} {event:?}");
    assert!(
        !printed.contains("hunter2") && !printed.contains("aHVudGVyMg") && !printed.contains("104, 117"),
        "{printed}"
    );
}

#[test]
fn plain_text_is_never_carried_into_tls() {
    let mut buffered = BytesMut::from("a2 LOGIN mallory x\r\n");
    assert_eq!(start_tls(&mut buffered).unwrap_err().octets, 20);
    assert!(buffered.is_empty());
    assert_eq!(start_tls(&mut buffered), Ok(()));
}

/// What a client stores there is larger than any login, and none of a login's business.
#[test]
fn large_commands_are_declined_by_their_verb() {
    let script = format!("PUTSCRIPT \"x\" {{100000+}}\r\n{}", "x".repeat(100));
    let store = format!("a1 STORE (\"/x\" {{100000+}}\r\n{}", "x".repeat(9000));
    for (mut exchange, command) in [(sieve::server(&offer()), script), (acap::server(&offer()), store)] {
        let mut input = BytesMut::from(command.as_bytes());
        assert_eq!(exchange.receive(&mut input), Ok(ServerEvent::OtherCommand));
        assert_eq!(&input[..], command.as_bytes());
    }
    // Half a verb says nothing yet.
    let mut input = BytesMut::from(&b"AUTHEN"[..]);
    assert_eq!(sieve::server(&offer()).receive(&mut input), Ok(ServerEvent::NeedMore));
}
