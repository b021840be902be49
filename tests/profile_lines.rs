//! The line protocols, as transcripts. `C:` is what the client sends, `S:` what the server sends.

use bytes::{Bytes, BytesMut};
use fast_reauth::mechanism::Outcome;
use fast_reauth::profile::{
    Answer, ClientExchange, Completion, Event, Flight, MechanismName, NextCommand, Offer, ProfileError, Request,
    RideAlong, ServerEvent, ServerExchange, Tag, acap, imap, pop3, sieve, smtp, start_tls,
};

const IKY: &str = "IKY-SHA-256-EXPR";

type Start = fn(&Offer) -> ServerExchange;

fn name(name: &str) -> MechanismName {
    MechanismName::parse(name).unwrap()
}

fn tag() -> Tag {
    Tag::parse("a1").unwrap()
}

fn offer() -> Offer {
    Offer::of(["SCRAM-SHA-256-PLUS", "EXTERNAL", IKY]).unwrap()
}

fn full_offer() -> Offer {
    offer().with_pipelining().with_iky_pipelining()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What the client makes of `wire`, `chunk` octets at a time: its events without NeedMore, and what it left.
fn client(mut exchange: ClientExchange, wire: &[u8], chunk: usize) -> (Vec<Result<Event, ProfileError>>, Vec<u8>) {
    let (mut events, mut input) = (Vec::new(), BytesMut::new());
    let mut chunks = wire.chunks(chunk);
    loop {
        match exchange.receive(&mut input) {
            Ok(Event::NeedMore) => match chunks.next() {
                Some(more) => input.extend_from_slice(more),
                None => return (events, input.to_vec()),
            },
            last @ (Ok(Event::Done(_)) | Err(_)) => {
                events.push(last);
                chunks.for_each(|more| input.extend_from_slice(more));
                return (events, input.to_vec());
            }
            event => events.push(event),
        }
    }
}

/// The completion of a login whose every chunking says the same, and what was sent after the first flight.
fn completed(start: impl Fn() -> (Flight, ClientExchange), wire: &str) -> (Completion, String, Vec<u8>) {
    let (whole, rest) = client(start().1, wire.as_bytes(), usize::MAX);
    assert_eq!(client(start().1, wire.as_bytes(), 1), (whole.clone(), rest.clone()));
    let mut sent = String::new();
    for event in &whole {
        match event.as_ref().unwrap() {
            Event::Send(flight) => sent.push_str(text(&flight.bytes)),
            Event::Done(completion) => return (completion.clone(), sent, rest),
            other => panic!("{other:?}"),
        }
    }
    panic!("not done: {whole:?}");
}

fn failed(start: (Flight, ClientExchange), wire: &str) -> ProfileError {
    let (mut exchange, mut input) = (start.1, BytesMut::from(wire));
    for _ in 0..20 {
        if let Err(error) = exchange.receive(&mut input) {
            // a failed exchange repeats itself
            assert_eq!(exchange.receive(&mut input), Err(error));
            assert!(error.blames_peer());
            return error;
        }
    }
    panic!("did not fail");
}

/// What the server answers to `wire`, whether it accepted, which message it saw, and what it left.
fn server(mut exchange: ServerExchange, wire: &str, chunk: usize, outcome: Outcome, message: Option<&[u8]>) -> Served {
    let mut input = BytesMut::new();
    let mut served = Served::default();
    let mut chunks = wire.as_bytes().chunks(chunk);
    let mut step = exchange.receive(&mut input).unwrap();
    loop {
        step = match step {
            ServerEvent::NeedMore => match chunks.next() {
                Some(more) => {
                    input.extend_from_slice(more);
                    exchange.receive(&mut input).unwrap()
                }
                None => break,
            },
            ServerEvent::Verify(request) => {
                served.request = Some(request);
                exchange.finish(outcome, message).unwrap()
            }
            ServerEvent::Send(bytes) => {
                served.sent.push_str(text(&bytes));
                exchange.receive(&mut input).unwrap()
            }
            ServerEvent::Done { bytes, accepted } => {
                served.sent.push_str(text(&bytes));
                served.accepted = Some(accepted);
                break;
            }
            ServerEvent::OtherCommand => break,
        };
    }
    chunks.for_each(|more| input.extend_from_slice(more));
    served.rest = text(&input).to_owned();
    served
}

#[derive(Debug, Default, PartialEq)]
struct Served {
    sent: String,
    accepted: Option<bool>,
    request: Option<Request>,
    rest: String,
}

/// The same, with every chunking.
fn serve(exchange: impl Fn() -> ServerExchange, wire: &str, outcome: Outcome, message: Option<&[u8]>) -> Served {
    let whole = server(exchange(), wire, usize::MAX, outcome, message);
    assert_eq!(server(exchange(), wire, 1, outcome, message), whole);
    assert_eq!(server(exchange(), wire, 7, outcome, message), whole);
    whole
}

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
fn a_second_challenge_is_cancelled() {
    let start = imap::authenticate(tag(), &offer(), name(IKY), b"hello");
    let (events, _) = client(start.1, b"+ QQ==\r\n+ QQ==\r\na1 OK yes\r\n", 1);
    assert!(matches!(&events[0], Ok(Event::Send(flight)) if flight.bytes == "*\r\n"));
    assert_eq!(events[1], Err(ProfileError::UnexpectedChallenge));
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

const IMAP_LOGIN: &str = "a1 AUTHENTICATE IKY-SHA-256-EXPR aGVsbG8=\r\n";

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
fn indistinguishable_outcomes_are_the_same_octets() {
    let logins: [(Start, &str); 5] = [
        (imap::server, "a1 AUTHENTICATE EXTERNAL =\r\n"),
        (smtp::server, "AUTH EXTERNAL =\r\n"),
        (pop3::server, "AUTH EXTERNAL =\r\n"),
        (sieve::server, "AUTHENTICATE \"EXTERNAL\" \"\"\r\n"),
        (acap::server, "a1 AUTHENTICATE \"EXTERNAL\" \"\"\r\n"),
    ];
    for (start, login) in logins {
        let sent = |outcome| serve(|| start(&offer()), login, outcome, None).sent;
        for outcome in [Outcome::BadProof, Outcome::BindingMismatch, Outcome::Replayed] {
            assert_eq!(sent(outcome), sent(Outcome::Stale));
        }
        assert_ne!(sent(Outcome::Unavailable), sent(Outcome::Stale));
        assert_ne!(sent(Outcome::Accepted), sent(Outcome::Stale));
    }
}

#[test]
fn completions_word_for_word() {
    let sent = |start: Start, login: &str| {
        let outcomes = [Outcome::Accepted, Outcome::Stale, Outcome::Revoked, Outcome::Unavailable, Outcome::Malformed];
        outcomes.map(|outcome| serve(|| start(&offer()), login, outcome, None).sent)
    };
    assert_eq!(
        sent(imap::server, "a1 AUTHENTICATE EXTERNAL =\r\n"),
        [
            "a1 OK Recognised\r\n",
            "a1 NO [AUTHENTICATIONFAILED] Not recognised\r\n",
            "a1 NO [EXPIRED] Full login required\r\n",
            "a1 NO [UNAVAILABLE] Temporary authentication failure\r\n",
            "a1 BAD Malformed authentication exchange\r\n",
        ]
    );
    assert_eq!(
        sent(smtp::server, "AUTH EXTERNAL =\r\n"),
        [
            "235 2.7.0 Recognised\r\n",
            "535 5.7.8 Not recognised\r\n",
            "535 5.7.8 Not recognised\r\n",
            "454 4.7.0 Temporary authentication failure\r\n",
            "501 5.5.2 Malformed authentication exchange\r\n",
        ]
    );
    assert_eq!(
        sent(pop3::server, "AUTH EXTERNAL =\r\n"),
        [
            "+OK Recognised\r\n",
            "-ERR [AUTH] Not recognised\r\n",
            "-ERR [AUTH] Not recognised\r\n",
            "-ERR [SYS/TEMP] Temporary authentication failure\r\n",
            "-ERR Malformed authentication exchange\r\n",
        ]
    );
    assert_eq!(
        sent(sieve::server, "AUTHENTICATE \"EXTERNAL\" \"\"\r\n"),
        [
            "OK \"Recognised\"\r\n",
            "NO \"Not recognised\"\r\n",
            "NO (AUTH-TOO-WEAK) \"Full login required\"\r\n",
            "NO (TRYLATER) \"Temporary authentication failure\"\r\n",
            "NO \"Malformed authentication exchange\"\r\n",
        ]
    );
    assert_eq!(
        sent(acap::server, "a1 AUTHENTICATE \"EXTERNAL\" \"\"\r\n"),
        [
            "a1 OK \"Recognised\"\r\n",
            "a1 NO \"Not recognised\"\r\n",
            "a1 NO (AUTH-TOO-WEAK) \"Full login required\"\r\n",
            "a1 NO (TRYLATER) \"Temporary authentication failure\"\r\n",
            "a1 BAD \"Malformed authentication exchange\"\r\n",
        ]
    );
}

#[test]
fn every_completion_is_understood_by_the_client() {
    for outcome in Outcome::ALL {
        let verdict = Answer::from(outcome);
        let served = serve(|| imap::server(&offer()), &format!("{IMAP_LOGIN}\r\n"), outcome, Some(b"said"));
        let (done, ..) = completed(|| imap::authenticate(tag(), &offer(), name(IKY), b"hello"), &served.sent);
        assert_eq!((done.verdict, done.data.as_deref()), (verdict, Some(&b"said"[..])));

        let served = serve(|| smtp::server(&full_offer()), "AUTH EXTERNAL =\r\n", outcome, None);
        let (done, ..) = completed(|| smtp::authenticate(&full_offer(), name("EXTERNAL"), b""), &served.sent);
        let expected = if verdict == Answer::Expired { Answer::Refused } else { verdict };
        assert_eq!((done.verdict, done.data), (expected, None));

        let login = "AUTHENTICATE \"IKY-SHA-256-EXPR\" \"aGVsbG8=\"\r\n";
        let served = serve(|| sieve::server(&offer()), login, outcome, Some(b"said"));
        let (done, ..) = completed(|| sieve::authenticate(&offer(), name(IKY), b"hello"), &served.sent);
        let data = (outcome == Outcome::Accepted).then_some(&b"said"[..]);
        assert_eq!((done.accepted(), done.data.as_deref()), (outcome == Outcome::Accepted, data));

        let login = "a1 AUTHENTICATE \"IKY-SHA-256-EXPR\" \"hello\"\r\n";
        let served = serve(|| acap::server(&offer()), login, outcome, Some(b"said"));
        let (done, ..) = completed(|| acap::authenticate(tag(), &offer(), name(IKY), b"hello"), &served.sent);
        assert_eq!((done.verdict, done.data.as_deref()), (verdict, data));
    }
}

#[test]
fn codes_that_other_servers_send() {
    let smtp = |wire| completed(|| smtp::authenticate(&offer(), name("EXTERNAL"), b""), wire).0.verdict;
    assert_eq!(smtp("534 5.7.9 too weak\r\n"), Answer::Expired);
    assert_eq!(smtp("421 4.3.0 bye\r\n"), Answer::Unavailable);
    assert_eq!(smtp("504 5.5.4 what\r\n"), Answer::Malformed);
    assert_eq!(smtp("235-2.7.0 well\r\n235 2.7.0 come\r\n"), Answer::Accepted);
    let sieve = |wire| completed(|| sieve::authenticate(&offer(), name("EXTERNAL"), b""), wire).0.verdict;
    assert_eq!(sieve("BYE (TRYLATER) \"later\"\r\n"), Answer::Unavailable);
    assert_eq!(sieve("NO (REFERRAL \"sieve://x\") {3}\r\nxyz\r\n"), Answer::Refused);
    let imap = |wire| completed(|| imap::authenticate(tag(), &offer(), name("EXTERNAL"), b""), wire).0.verdict;
    assert_eq!(imap("a1 no no\r\n"), Answer::Refused);
    assert_eq!(imap("a1 NO [expired] no\r\n"), Answer::Expired);
    let pop3 = |wire| completed(|| pop3::authenticate(&offer(), name("EXTERNAL"), b""), wire).0.verdict;
    assert_eq!(pop3("-ERR [IN-USE] no\r\n"), Answer::Unavailable);
    assert_eq!(pop3("-ERR no\r\n"), Answer::Refused);
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
