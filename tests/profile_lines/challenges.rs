//! The challenge that is there or not, and the line that answers it.

use super::*;

#[test]
fn a_second_challenge_is_cancelled() {
    let start = imap::authenticate(tag(), &offer(), name(IKY), b"hello");
    let (events, _) = client(start.1, b"+ QQ==\r\n+ QQ==\r\na1 OK yes\r\n", 1);
    assert!(matches!(&events[0], Ok(Event::Send(flight)) if flight.bytes == "*\r\n"));
    assert_eq!(events[1], Err(ProfileError::UnexpectedChallenge));
}

/// The server reads the answer that went ahead as a command: its reply to that would be taken for the next one's.
#[test]
fn a_completion_without_the_challenge_whose_answer_went_ahead() {
    for input in ["504 5.5.4 no\r\n500 5.5.1 what\r\n", "454 4.7.0 later\r\n", "235 2.7.0 yes\r\n"] {
        let (flight, exchange) = smtp::authenticate(&full_offer(), name(IKY), b"hello");
        assert!(flight.bytes.ends_with(b"\r\n\r\n"), "its answer went ahead");
        assert_eq!(client(exchange, input.as_bytes(), 1).0, [Err(ProfileError::MissingChallenge)], "{input}");
    }
    for input in ["-ERR no\r\n-ERR what\r\n", "+OK yes\r\n"] {
        let (_, exchange) = pop3::authenticate(&full_offer(), name(IKY), b"hello");
        assert_eq!(client(exchange, input.as_bytes(), 1).0, [Err(ProfileError::MissingChallenge)], "{input}");
    }
    // Where nothing went ahead, or replies have tags, it is a refusal.
    for exchange in [
        smtp::authenticate(&offer(), name(IKY), b"hello").1,
        smtp::authenticate(&full_offer(), name("EXTERNAL"), b"hello").1,
        smtp::authenticate(&full_offer(), name(IKY), &[b'x'; 400]).1,
    ] {
        let (events, _) = client(exchange, b"454 4.7.0 later\r\n", 1);
        assert!(matches!(&events[..], [Ok(Event::Done(done))] if done.verdict == Answer::Unavailable), "{events:?}");
    }
    let (events, _) = client(imap::authenticate(tag(), &offer(), name(IKY), b"hello").1, b"a1 NO what\r\n", 1);
    assert!(matches!(&events[..], [Ok(Event::Done(done))] if done.verdict == Answer::Refused), "{events:?}");
}

#[test]
fn a_message_too_long_for_the_line_follows_an_empty_challenge() {
    // "a1 AUTHENTICATE IKY-SHA-256-EXPR " and CRLF are 35 octets: 476 of base64 fit, 480 don't
    for (len, held) in [(357, false), (358, true)] {
        let message = vec![b'x'; len];
        let (flight, exchange) = imap::authenticate(tag(), &offer(), name(IKY), &message);
        let line = text(&flight.bytes).split_inclusive("\r\n").next().unwrap();
        assert!(line.len() <= 512);
        assert_eq!(flight.bytes == "a1 AUTHENTICATE IKY-SHA-256-EXPR\r\n", held, "{len}");
        if held {
            let (events, _) = client(exchange, b"+ \r\n+ dg==\r\na1 OK\r\n", 1);
            let Ok(Event::Send(flight)) = &events[0] else { panic!("{events:?}") };
            assert_eq!(flight.bytes.len(), 480 + 4);
        }
    }
    // "AUTH IKY-SHA-256-EXPR " and CRLF are 24 octets of 255: 228 of base64 fit, 232 don't
    for (len, held) in [(171, false), (172, true)] {
        let (flight, _) = pop3::authenticate(&full_offer(), name(IKY), &vec![b'x'; len]);
        assert_eq!(flight.bytes == "AUTH IKY-SHA-256-EXPR\r\n", held, "{len}");
    }
    let held = smtp::authenticate(&full_offer(), name(IKY), &[b'x'; 400]).0;
    assert_eq!((&held.bytes[..], held.rides_along), (&b"AUTH IKY-SHA-256-EXPR\r\n"[..], RideAlong::Nothing));
    let held = sieve::authenticate(&offer(), name(IKY), &[b'x'; 400]).0;
    assert_eq!(
        (&held.bytes[..], held.rides_along),
        (&b"AUTHENTICATE \"IKY-SHA-256-EXPR\"\r\n"[..], RideAlong::Nothing)
    );
    let held = acap::authenticate(tag(), &offer(), name(IKY), &[b'x'; 500]).0;
    assert_eq!(
        (&held.bytes[..], held.rides_along),
        (&b"a1 AUTHENTICATE \"IKY-SHA-256-EXPR\"\r\n"[..], RideAlong::Nothing)
    );
}

#[test]
fn a_held_message_gets_no_challenge_with_something_in_it() {
    let (_, exchange) = smtp::authenticate(&full_offer(), name(IKY), &[b'x'; 400]);
    let (events, _) = client(exchange, b"334 QQ==\r\n501 5.5.2 no\r\n", 1);
    assert!(matches!(&events[0], Ok(Event::Send(flight)) if flight.bytes == "*\r\n"));
    assert_eq!(events[1], Err(ProfileError::UnexpectedChallenge));
}

#[test]
fn imap_server_takes_the_empty_line_and_leaves_the_commands() {
    let served = serve(
        || imap::server(&offer()),
        &format!("{IMAP_LOGIN}\r\na2 SELECT INBOX\r\n"),
        Outcome::Accepted,
        Some(b"v=reply"),
    );
    assert_eq!(served.sent, "+ dj1yZXBseQ==\r\na1 OK Recognised\r\n");
    assert_eq!((served.accepted, served.rest.as_str()), (Some(true), "a2 SELECT INBOX\r\n"));
    assert_eq!(served.request.unwrap().initial_response.unwrap(), "hello");
}

/// The rule: one challenge and one line consumed, whatever the outcome and whatever the message was.
#[test]
fn the_one_challenge_always_comes_and_its_answer_is_always_consumed() {
    struct Case {
        server: Start,
        login: &'static str,
        broken: [&'static str; 3],
        challenge: &'static str,
    }
    let cases = [
        Case {
            server: imap::server,
            login: IMAP_LOGIN,
            broken: [
                "a1 AUTHENTICATE IKY-SHA-256-EXPR !\r\n",
                "a1 authenticate iky-sha-256-expr aGVsbG8= x\r\n",
                "a1 AUTHENTICATE IKY-SHA-256-EXPR \r\n",
            ],
            challenge: "+ ",
        },
        Case {
            server: smtp::server,
            login: "AUTH IKY-SHA-256-EXPR aGVsbG8=\r\n",
            broken: [
                "AUTH IKY-SHA-256-EXPR aGVsbG9=\r\n",
                "auth iky-sha-256-expr aGVsbG8= x\r\n",
                "AUTH IKY-SHA-256-EXPR aGVsbG8\r\n",
            ],
            challenge: "334 ",
        },
        Case {
            server: pop3::server,
            login: "AUTH IKY-SHA-256-EXPR aGVsbG8=\r\n",
            broken: [
                "AUTH IKY-SHA-256-EXPR aGVsbG9=\r\n",
                "auth iky-sha-256-expr \r\n",
                "AUTH IKY-SHA-256-EXPR ==\r\n",
            ],
            challenge: "+ ",
        },
    ];
    for case in cases {
        let start = || (case.server)(&full_offer());
        for outcome in Outcome::ALL {
            // with a message, and (a verifier that forgot) without
            for message in [Some(&b"e=x"[..]), None] {
                let served = serve(start, &format!("{}\r\nNEXT\r\n", case.login), outcome, message);
                let challenges = served.sent.lines().filter(|line| line.starts_with(case.challenge)).count();
                assert_eq!((challenges, served.sent.lines().count()), (1, 2), "{outcome:?} {served:?}");
                assert!(served.sent.starts_with(case.challenge));
                assert_eq!((served.accepted, served.rest.as_str()), (Some(outcome == Outcome::Accepted), "NEXT\r\n"));
            }
        }
        for broken in case.broken {
            let served = serve(start, &format!("{broken}\r\nNEXT\r\n"), Outcome::Accepted, None);
            assert!(served.sent.starts_with(&format!("{}\r\n", case.challenge)), "{broken} {served:?}");
            assert_eq!(
                (served.accepted, served.rest.as_str(), &served.request),
                (Some(false), "NEXT\r\n", &None),
                "{broken}"
            );
        }
        // an answer that isn't empty: the login is off, though the proof was good
        for answer in ["*", "QQ==", "junk"] {
            let served = serve(start, &format!("{}{answer}\r\nNEXT\r\n", case.login), Outcome::Accepted, Some(b"v="));
            assert_eq!((served.accepted, served.rest.as_str()), (Some(false), "NEXT\r\n"), "{answer}");
        }
        // nobody waits before the challenge, and nothing completes before its answer
        let served = serve(start, case.login, Outcome::Accepted, Some(b"v="));
        assert_eq!((served.accepted, served.sent.lines().count()), (None, 1));
    }
}

#[test]
fn a_mechanism_that_is_not_listed_is_refused_without_a_challenge() {
    for mechanism in ["IKY-SHA-512-EXPR", "PLAIN", "no!name", ""] {
        let served = serve(
            || imap::server(&offer()),
            &format!("a1 AUTHENTICATE {mechanism} QQ==\r\nNEXT\r\n"),
            Outcome::Accepted,
            None,
        );
        assert_eq!((served.sent.as_str(), served.accepted), ("a1 NO Mechanism not offered\r\n", Some(false)));
        assert_eq!((served.request, served.rest.as_str()), (None, "NEXT\r\n"));
    }
    let served = serve(|| smtp::server(&offer()), "AUTH PLAIN AGEAYg==\r\n", Outcome::Accepted, None);
    assert_eq!(served.sent, "504 5.5.4 Mechanism not offered\r\n");
}

#[test]
fn server_asks_for_a_message_that_did_not_come() {
    let held = "a1 AUTHENTICATE IKY-SHA-256-EXPR\r\naGVsbG8=\r\n\r\na2 NOOP\r\n";
    let served = serve(|| imap::server(&offer()), held, Outcome::Accepted, Some(b"v"));
    assert_eq!(served.sent, "+ \r\n+ dg==\r\na1 OK Recognised\r\n");
    assert_eq!((served.accepted, served.rest.as_str()), (Some(true), "a2 NOOP\r\n"));

    let served = serve(
        || imap::server(&offer()),
        "a1 AUTHENTICATE IKY-SHA-256-EXPR\r\n*\r\na2 NOOP\r\n",
        Outcome::Accepted,
        None,
    );
    assert_eq!(served.sent, "+ \r\na1 BAD Malformed authentication exchange\r\n");
    assert_eq!((served.accepted, served.rest.as_str(), served.request), (Some(false), "a2 NOOP\r\n", None));

    // a message that isn't base64 still gets its challenge, and the line behind it is still consumed
    let served = serve(
        || imap::server(&offer()),
        "a1 AUTHENTICATE IKY-SHA-256-EXPR\r\n!\r\n\r\na2 NOOP\r\n",
        Outcome::Accepted,
        None,
    );
    assert_eq!(served.sent, "+ \r\n+ \r\na1 BAD Malformed authentication exchange\r\n");
    assert_eq!((served.accepted, served.rest.as_str()), (Some(false), "a2 NOOP\r\n"));

    // an empty message is a message
    let served = serve(|| smtp::server(&offer()), "AUTH EXTERNAL\r\n\r\nNOOP\r\n", Outcome::Accepted, None);
    assert_eq!(served.sent, "334 \r\n235 2.7.0 Recognised\r\n");
    assert_eq!(served.request.unwrap().initial_response.unwrap(), "");
}

#[test]
fn a_stack_with_its_own_parser_starts_behind_the_command() {
    let request = Request { mechanism: name(IKY), initial_response: Some(Bytes::from_static(b"hello")) };
    let (event, mut exchange) = imap::server_after(&offer(), tag(), request.clone());
    assert_eq!(event, ServerEvent::Verify(request));
    let mut input = BytesMut::from("\r\na2 NOOP\r\n");
    assert!(matches!(exchange.receive(&mut input), Err(ProfileError::OutOfTurn(_))));
    assert_eq!(
        exchange.finish(Outcome::Accepted, Some(b"v")).unwrap(),
        ServerEvent::Send(Bytes::from_static(b"+ dg==\r\n"))
    );
    assert!(matches!(exchange.finish(Outcome::Accepted, None), Err(ProfileError::OutOfTurn(_))));
    let done = ServerEvent::Done { bytes: Bytes::from_static(b"a1 OK Recognised\r\n"), accepted: true };
    assert_eq!(exchange.receive(&mut input).unwrap(), done);
    assert_eq!(input, "a2 NOOP\r\n");
    assert!(matches!(exchange.receive(&mut input), Err(ProfileError::OutOfTurn(_))));
}

#[test]
fn other_commands_stay_in_the_buffer() {
    for line in ["a1 LOGIN a b\r\n", "\r\n", "* AUTHENTICATE X\r\n", "a1\r\n"] {
        let mut input = BytesMut::from(line);
        assert_eq!(imap::server(&offer()).receive(&mut input).unwrap(), ServerEvent::OtherCommand, "{line}");
        assert_eq!(input, line);
    }
    for line in ["AUTH\r\n", "USER me\r\n"] {
        assert_eq!(pop3::server(&offer()).receive(&mut BytesMut::from(line)).unwrap(), ServerEvent::OtherCommand);
    }
    assert_eq!(smtp::server(&offer()).receive(&mut BytesMut::from("EHLO x\r\n")).unwrap(), ServerEvent::OtherCommand);
}
