//! LDAP binds, octet by octet.
#![cfg(feature = "ldap")]

use bytes::BytesMut;
use fast_reauth::mechanism::Outcome;
use fast_reauth::profile::{Answer, Event, MechanismName, Offer, ProfileError, RideAlong, ServerEvent, ldap};

fn iky() -> MechanismName {
    MechanismName::parse("IKY-SHA-256-EXPR").unwrap()
}

fn offer() -> Offer {
    Offer::of(["IKY-SHA-256-EXPR", "EXTERNAL"]).unwrap()
}

/// A sequence of this tag around the parts; short lengths only.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    assert!(content.len() < 128);
    [&[tag, content.len() as u8][..], &content].concat()
}

fn bind_request(id: u8, mechanism: &[u8], credentials: Option<&[u8]>) -> Vec<u8> {
    let credentials = credentials.map(|octets| tlv(4, &[octets])).unwrap_or_default();
    let sasl = tlv(0xa3, &[&tlv(4, &[mechanism]), &credentials]);
    tlv(0x30, &[&[2, 1, id], &tlv(0x60, &[&[2, 1, 3], &[4, 0], &sasl])])
}

fn bind_response(id: u8, code: u8, text: &[u8], data: Option<&[u8]>) -> Vec<u8> {
    let data = data.map(|octets| tlv(0x87, &[octets])).unwrap_or_default();
    tlv(0x30, &[&[2, 1, id], &tlv(0x61, &[&[10, 1, code], &[4, 0], &tlv(4, &[text]), &data])])
}

#[test]
fn the_bind_request_is_as_rfc_4511_has_it() {
    let (flight, _) = ldap::bind(7, iky(), b"hello").unwrap();
    assert_eq!(flight.bytes, bind_request(7, b"IKY-SHA-256-EXPR", Some(b"hello")));
    assert_eq!(flight.rides_along, RideAlong::Nothing);
    // an empty message is there, and empty
    let (flight, _) = ldap::bind(7, MechanismName::parse("EXTERNAL").unwrap(), b"").unwrap();
    assert_eq!(flight.bytes, bind_request(7, b"EXTERNAL", Some(b"")));
    assert!(matches!(ldap::bind(0, iky(), b""), Err(ProfileError::OutOfTurn(_))));
    let (flight, _) = ldap::bind(i32::MAX, iky(), b"hello").unwrap();
    let mut server = ldap::ServerExchange::new(&offer());
    assert!(matches!(server.receive(&mut BytesMut::from(&flight.bytes[..])), Ok(ServerEvent::Verify(_))));
}

#[test]
fn the_client_reads_data_on_success_and_on_failure() {
    let cases = [
        (0, Answer::Accepted),
        (49, Answer::Refused),
        (52, Answer::Unavailable),
        (2, Answer::Malformed),
        (8, Answer::Expired),
    ];
    for (code, verdict) in cases {
        for chunk in [1, 1000] {
            let (_, mut exchange) = ldap::bind(7, iky(), b"hello").unwrap();
            let other = bind_response(6, 0, b"", None);
            let wire = [&other[..], &bind_response(7, code, b"x", Some(b"v=1")), b"\x30"].concat();
            let (mut input, mut events) = (BytesMut::new(), Vec::new());
            let mut chunks = wire.chunks(chunk);
            let done = loop {
                match exchange.receive(&mut input).unwrap() {
                    Event::NeedMore => input.extend_from_slice(chunks.next().unwrap()),
                    Event::Done(done) => break done,
                    event => events.push(event),
                }
            };
            chunks.for_each(|more| input.extend_from_slice(more));
            assert_eq!(events, [Event::Pass(other.into())]);
            assert_eq!((done.verdict, done.data.as_deref(), &input[..]), (verdict, Some(&b"v=1"[..]), &b"\x30"[..]));
            assert!(matches!(exchange.receive(&mut input), Err(ProfileError::OutOfTurn(_))));
        }
    }
    let (_, mut exchange) = ldap::bind(7, iky(), b"hello").unwrap();
    let mut input = BytesMut::from(&bind_response(7, 14, b"", Some(b"more"))[..]);
    assert_eq!(exchange.receive(&mut input), Err(ProfileError::UnexpectedChallenge));
    assert_eq!(exchange.receive(&mut input), Err(ProfileError::UnexpectedChallenge));
}

#[test]
fn the_server_answers_every_outcome_with_its_data() {
    for outcome in Outcome::ALL {
        let wire = [&bind_request(3, b"iky-sha-256-expr", Some(b"hello"))[..], b"\x30\x05"].concat();
        let mut exchange = ldap::ServerExchange::new(&offer());
        let mut input = BytesMut::new();
        let mut octets = wire.iter();
        let request = loop {
            match exchange.receive(&mut input).unwrap() {
                ServerEvent::NeedMore => input.extend_from_slice(&[*octets.next().unwrap()]),
                ServerEvent::Verify(request) => break request,
                event => panic!("{event:?}"),
            }
        };
        assert_eq!((request.mechanism, request.initial_response.unwrap()), (iky(), "hello".into()));
        assert!(matches!(exchange.receive(&mut input), Err(ProfileError::OutOfTurn(_))));
        let code = match Answer::from(outcome) {
            Answer::Accepted => 0,
            Answer::Refused | Answer::Expired => 49,
            Answer::Unavailable => 52,
            Answer::Malformed => 2,
        };
        let text: &[u8] = if code == 0 { b"" } else { b"Authentication failed" };
        let bytes = bind_response(3, code, text, Some(b"said")).into();
        assert_eq!(exchange.finish(outcome, Some(b"said")).unwrap(), ServerEvent::Done { bytes, accepted: code == 0 });
        assert!(matches!(exchange.finish(outcome, None), Err(ProfileError::OutOfTurn(_))));
    }
}

#[test]
fn the_server_asks_for_a_message_that_did_not_come() {
    let mut exchange = ldap::ServerExchange::new(&offer());
    let mut input = BytesMut::from(&bind_request(3, b"IKY-SHA-256-EXPR", None)[..]);
    let challenge = bind_response(3, 14, b"", Some(b""));
    assert_eq!(exchange.receive(&mut input).unwrap(), ServerEvent::Send(challenge.into()));
    input.extend_from_slice(&bind_request(4, b"IKY-SHA-256-EXPR", Some(b"hello")));
    assert!(matches!(exchange.receive(&mut input), Ok(ServerEvent::Verify(_))));
    let done = exchange.finish(Outcome::Accepted, None).unwrap();
    assert_eq!(done, ServerEvent::Done { bytes: bind_response(4, 0, b"", None).into(), accepted: true });

    // another mechanism in between ends it
    let mut exchange = ldap::ServerExchange::new(&offer());
    let wire = [bind_request(3, b"IKY-SHA-256-EXPR", None), bind_request(4, b"EXTERNAL", Some(b""))].concat();
    let mut input = BytesMut::from(&wire[..]);
    assert!(matches!(exchange.receive(&mut input), Ok(ServerEvent::Send(_))));
    assert!(matches!(exchange.receive(&mut input), Ok(ServerEvent::Done { accepted: false, .. })));
}

#[test]
fn other_requests_and_unlisted_mechanisms() {
    // a simple bind, and a search
    let simple = tlv(0x30, &[&[2, 1, 1], &tlv(0x60, &[&[2, 1, 3], &[4, 0], &tlv(0x80, &[b"secret"])])]);
    let unbind = tlv(0x30, &[&[2, 1, 1], &[0x42, 0]]);
    for other in [simple, unbind] {
        let mut input = BytesMut::from(&other[..]);
        assert_eq!(ldap::ServerExchange::new(&offer()).receive(&mut input).unwrap(), ServerEvent::OtherCommand);
        assert_eq!(input, other);
    }
    for unlisted in [&b"PLAIN"[..], b""] {
        let mut input = BytesMut::from(&bind_request(1, unlisted, Some(b"x"))[..]);
        let bytes = bind_response(1, 7, b"Authentication failed", None).into();
        let event = ldap::ServerExchange::new(&offer()).receive(&mut input).unwrap();
        assert_eq!(event, ServerEvent::Done { bytes, accepted: false });
    }
}

#[test]
fn pdus_are_bounded_in_length_and_depth() {
    let receive = |wire: &[u8]| {
        let (_, mut exchange) = ldap::bind(7, iky(), b"hello").unwrap();
        exchange.receive(&mut BytesMut::from(wire))
    };
    assert_eq!(receive(b"\x30\x82\x1f\xfd"), Err(ProfileError::TooLong { limit: 8192 }));
    assert_eq!(receive(b"\x30\x82\x1f\xfc"), Ok(Event::NeedMore));
    assert_eq!(receive(b"\x30\x84\xff\xff\xff\xff"), Err(ProfileError::TooLong { limit: 8192 }));
    for wire in [
        &b"\x30\x80\0\0"[..],
        b"\x30\x85\0\0\0\0\x01x",
        b"\x31",
        b"\x3f\x01x",
        b"\x30\x00",
        b"\x30\x03\x02\x01\xff",
        b"\x30\x02\x02\x05",
    ] {
        assert!(matches!(receive(wire), Err(ProfileError::Malformed(_))), "{wire:?}");
    }
    // two thousand sequences in each other, which lber would follow down
    let mut deep = Vec::new();
    for _ in 0..2000 {
        let mut outer = vec![0x30, 0x82];
        outer.extend_from_slice(&(deep.len() as u16).to_be_bytes());
        outer.append(&mut deep);
        deep = outer;
    }
    assert!(matches!(receive(&deep), Err(ProfileError::Malformed(_))));
}

#[test]
fn junk_panics_nowhere() {
    let good = bind_request(3, b"IKY-SHA-256-EXPR", Some(b"hello"));
    let answer = bind_response(7, 0, b"", Some(b"v=1"));
    for at in 0..good.len().max(answer.len()) {
        for octet in 0..=255u8 {
            let mut changed = good.clone();
            let mut reply = answer.clone();
            if let Some(place) = changed.get_mut(at) {
                *place = octet;
            }
            if let Some(place) = reply.get_mut(at) {
                *place = octet;
            }
            let _ = ldap::ServerExchange::new(&offer()).receive(&mut BytesMut::from(&changed[..]));
            let _ = ldap::bind(7, iky(), b"").unwrap().1.receive(&mut BytesMut::from(&reply[..]));
        }
    }
}

#[test]
fn the_root_dse_lists_and_is_heard() {
    let values: Vec<&str> = vec!["IKY-SHA-256-EXPR", "EXTERNAL"];
    let listed = offer();
    assert_eq!(ldap::supported_mechanisms(&listed).collect::<Vec<_>>(), values);
    assert_eq!(ldap::offer(values.iter().map(|value| value.as_bytes())), offer());
}

/// An AddRequest is larger than any bind, a search filter deeper; neither is this exchange's.
#[test]
fn large_and_deep_requests_are_declined_by_their_tag() {
    let large = [&[0x30, 0x82, 0x40, 0x00, 2, 1, 9, 0x68, 0x82, 0x3f, 0xf9][..], &[0; 100]].concat();
    let deep = (0..40).fold(tlv(0x80, &[b"x"]), |inner, _| tlv(0xa2, &[&inner]));
    let deep = tlv(0x30, &[&[2, 1, 9], &tlv(0x63, &[&deep])]);
    for request in [large, deep] {
        let mut input = BytesMut::from(&request[..]);
        assert_eq!(ldap::ServerExchange::new(&offer()).receive(&mut input), Ok(ServerEvent::OtherCommand));
        assert_eq!(&input[..], &request[..]);
        // Nor does it say so before it has seen the tag.
        let (mut server, mut input) = (ldap::ServerExchange::new(&offer()), BytesMut::new());
        let events = request.iter().map(|&octet| {
            input.extend_from_slice(&[octet]);
            server.receive(&mut input)
        });
        let first = events.into_iter().find(|event| *event != Ok(ServerEvent::NeedMore));
        assert_eq!(first, Some(Ok(ServerEvent::OtherCommand)));
    }
}

/// Octets mean the same however the network cuts them.
#[test]
fn an_error_is_the_same_whole_and_octet_by_octet() {
    let no_operation = [0x30, 3, 2, 1, 1, 0x63, 0];
    for wire in [&b"\x31\x82\x40\x00"[..], &no_operation] {
        let outcome = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let (mut server, mut input) = (ldap::ServerExchange::new(&offer()), BytesMut::new());
            for piece in pieces {
                input.extend_from_slice(piece);
                let event = server.receive(&mut input);
                if event != Ok(ServerEvent::NeedMore) {
                    return event;
                }
            }
            Ok(ServerEvent::NeedMore)
        };
        let (whole, cut) = (outcome(&mut core::iter::once(wire)), outcome(&mut wire.chunks(1)));
        assert_eq!(whole, cut);
        assert!(matches!(whole, Err(ProfileError::Malformed(_))), "{wire:?}: {whole:?}");
    }
}
