//! What is refused, forgotten or bounded, and any octets at all.

use super::*;

const FULL: usize = AuthServer::MAX_LOGINS;

#[test]
fn a_line_has_an_end() {
    let mut wire = Wire::ready();
    let line = auth(1, IKY, "\tresp=");
    let fill = |octets: usize| "A".repeat(octets - line.len());
    // 16,384 octets are a line, its line feed counted.
    let whole = format!("{}{}\n", line.trim_end(), fill(16_384));
    assert_eq!(wire.said(&whole), "CONT\t1\t\n", "its base64 is short of a character");
    let error = Err(ProfileError::TooLong { limit: 16_384 });
    assert_eq!(wire.get(whole.replacen("resp=", "resp=A", 1)), error);
    assert_eq!(wire.get(""), error, "it repeats its error");
    let mut wire = Wire::ready();
    assert_eq!(wire.get([0; 16_383]), Ok(AuthEvent::NeedMore));
    assert_eq!(wire.get([0; 1]), error);
}

#[test]
fn a_request_id_is_a_number_of_32_bits_and_is_used_once_at_a_time() {
    for id in ["", "x", "-1", "+1", " 1", "01", "00", "4294967296", "99999999999999999999", "1\r"] {
        for line in [format!("AUTH\t{id}\tPLAIN\tservice=smtp\n"), format!("CONT\t{id}\t\n"), format!("CANCEL\t{id}\n")]
        {
            let error = Err(ProfileError::Malformed("a request id of 32 bits was due"));
            assert_eq!(Wire::ready().get(&line), error, "{line:?}");
        }
    }
    for id in [0, 1, u32::MAX] {
        assert_eq!(Wire::ready().verify(auth(id, IKY, "\tresp=aGk=")).pending.number(), 1);
    }
    let again = Err(ProfileError::Malformed("a request id that is under way"));
    let mut wire = Wire::ready();
    let _waits_for_the_caller = wire.verify(auth(1, IKY, "\tresp=aGk="));
    assert_eq!(wire.get(auth(1, IKY, "\tresp=aGk=")), again);
    let mut wire = Wire::ready();
    assert_eq!(wire.said(auth(1, IKY, "")), "CONT\t1\t\n");
    assert_eq!(wire.get(auth(1, "PLAIN", "")), again);
    // Over is over: then it is free.
    let mut wire = Wire::ready();
    for number in 1..=3 {
        let attempt = wire.verify(auth(1, "HT-SHA-256-NONE", "\tresp=aGk="));
        assert_eq!(attempt.pending.number(), number);
        assert_eq!(wire.rule(attempt.pending, accepted(None)), "+aliceOK\t1\tuser=alice\n");
    }
}

#[test]
fn a_response_comes_after_its_challenge() {
    let mut wire = Wire::ready();
    let _waits_for_the_caller = wire.verify(auth(1, IKY, "\tresp=aGk="));
    assert_eq!(wire.get("CONT\t1\t\n"), Err(ProfileError::Malformed("a response before its challenge")));
    // Of a login that is not, or no longer, under way the mail server hears all the same: it waits.
    assert_eq!(Wire::ready().said("CONT\t9\t\n"), format!("FAIL\t9{PASSING}"));
}

#[test]
fn a_login_that_was_cancelled_gets_no_answer_and_lends_none() {
    let mut wire = Wire::ready();
    let attempt = wire.verify(auth(1, IKY, "\tresp=aGk="));
    assert_eq!(wire.get("CANCEL\t1\n"), Ok(AuthEvent::Cancelled { number: 1 }));
    // The next login has the same id. The ruling on the first is not for it.
    let next = wire.verify(auth(1, IKY, "\tresp=aGk="));
    assert_eq!(wire.0.finish(attempt.pending, accepted(Some("v=x"))), None);
    assert_eq!(wire.rule(next.pending, Ruling::refused(Outcome::BadProof)), "CONT\t1\t\n");
    assert_eq!(wire.get("CANCEL\t1\nCANCEL\t1\nCANCEL\t7\n"), Ok(AuthEvent::Cancelled { number: 2 }));
    assert_eq!(wire.get(""), Ok(AuthEvent::NeedMore), "nothing is said of what is not there");
    // In a full login likewise.
    let Ok(AuthEvent::FullLogin(login)) = wire.get(auth(1, "PLAIN", "")) else { panic!("a full login") };
    assert_eq!(wire.get("CANCEL\t1\n"), Ok(AuthEvent::Cancelled { number: 3 }));
    assert_eq!(wire.0.challenge(login.turn, b""), None);
    // Nor is a ruling for another connection.
    let attempt = wire.verify(auth(1, IKY, "\tresp=aGk="));
    let mut other = Wire(AuthServer::new(&greeting(2)).1, BytesMut::from(HELLO));
    for id in 1..=4 {
        let _waits_for_the_caller = other.verify(auth(id, IKY, "\tresp=aGk="));
    }
    assert_eq!(attempt.pending.number(), 4);
    assert_eq!(other.0.finish(attempt.pending, accepted(None)), None);
}

#[test]
fn clients_that_gave_up_unheard_make_room() {
    // A mail server whose clients stop behind the challenge, again and again.
    let mut wire = Wire::ready();
    let full = u32::try_from(FULL).unwrap();
    for id in 1..=full {
        wire.said(auth(id, IKY, ""));
    }
    assert_eq!(wire.0.logins(), FULL);
    assert_eq!(wire.get(auth(full + 1, IKY, "\tresp=aGk=")), Ok(AuthEvent::Cancelled { number: 1 }));
    let attempt = wire.verify("");
    assert_eq!(wire.rule(attempt.pending, accepted(Some("v=x"))), format!("CONT\t{}\tdj14\n", full + 1));
    assert_eq!(wire.said(format!("CONT\t{}\t\n", full + 1)), format!("+aliceOK\t{}\tuser=alice\n", full + 1));
    // The one that went may come after all.
    assert_eq!(wire.said("CONT\t1\t\n"), format!("FAIL\t1{PASSING}"));
    assert_eq!(wire.0.logins(), FULL - 1);
}

#[test]
fn what_waits_for_the_caller_holds_the_rest_up() {
    let mut wire = Wire::ready();
    let mut attempts: Vec<_> =
        (0..FULL).map(|id| wire.verify(auth(u32::try_from(id).unwrap(), "HT-SHA-256-NONE", "\tresp=aGk="))).collect();
    assert_eq!(wire.get(auth(5000, IKY, "\tresp=aGk=")), Ok(AuthEvent::Busy));
    assert_eq!(wire.get(""), Ok(AuthEvent::Busy), "its line is still there");
    wire.rule(attempts.remove(7).pending, Ruling::refused(Outcome::BadProof));
    assert_eq!(wire.verify("").mechanism.as_str(), IKY);
    assert_eq!(wire.0.logins(), FULL);
}

#[test]
fn user_names_are_lines_of_nothing_else() {
    for name in ["", "a\tb", "a\nb", "a\rb", "a\0b", "a\x01b", "a\x7fb", "a\u{85}b", &"a".repeat(256)] {
        assert!(UserName::parse(name).is_err(), "{name:?}");
    }
    for name in ["a", "account of alice", "alice@example.com", "\u{e9}", &"a".repeat(255)] {
        assert_eq!(UserName::parse(name).unwrap().as_str(), name);
    }
}

#[test]
fn nothing_that_is_secret_is_shown() {
    let mut wire = Wire::ready();
    let mut shown = format!("{:?}{:?}", greeting(1), wire.0);
    let secret = STANDARD.encode("hunter2");
    let event = wire.get(auth(1, IKY, &format!("\tresp={secret}"))).unwrap();
    shown += &format!("{event:?}");
    let AuthEvent::Verify(attempt) = event else { panic!("{shown}") };
    shown += &format!("{:?}", accepted(Some("hunter2")));
    shown += &format!("{:?}", wire.0.finish(attempt.pending, accepted(Some("hunter2"))));
    shown += &format!("{:?}", wire.get(auth(2, "PLAIN", &format!("\tresp={secret}"))));
    let Ok(AuthEvent::FullLogin(login)) = wire.get(auth(3, "PLAIN", "")) else { panic!("{shown}") };
    wire.0.challenge(login.turn, b"").unwrap();
    shown += &format!("{:?}", wire.get(format!("CONT\t3\t{secret}\n")));
    shown += &format!("{:?}", wire.0);
    for hidden in ["hunter2", &secret, "104, 117, 110", "abab", "171, 171"] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}

#[test]
fn any_octets_are_an_error_or_an_event() {
    let good = [
        HELLO,
        &auth(1, IKY, "\tresp=aGk="),
        "CONT\t1\t\n",
        &auth(2, "PLAIN", ""),
        "CONT\t2\taGk=\nCANCEL\t2\n",
        &auth(3, IKY, ""),
        "CONT\t3\taGk=\n\x01t\n",
    ]
    .concat()
    .into_bytes();
    let mut state = 1_u64;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    for _ in 0..20_000 {
        let mut octets = good.clone();
        for _ in 0..=below(6) {
            let at = below(octets.len().max(1));
            match below(4) {
                0 if at < octets.len() => octets[at] = b"\t\n\x00\x01=AUTHCONT0123456789\r\xff"[below(24)],
                1 => octets.insert(at, b"\t\n=1"[below(4)]),
                2 if at < octets.len() => _ = octets.remove(at),
                _ => octets.truncate(at.max(1)),
            }
        }
        let mut wire = Wire::raw();
        let mut held = Vec::new();
        for piece in octets.chunks(1 + below(200)) {
            wire.1.extend_from_slice(piece);
            loop {
                match wire.0.receive(&mut wire.1) {
                    Ok(AuthEvent::NeedMore) => break,
                    Ok(AuthEvent::Verify(attempt)) if below(2) == 0 => held.push(attempt.pending),
                    Ok(AuthEvent::Verify(attempt)) => _ = wire.0.finish(attempt.pending, accepted(Some("v=x"))),
                    Ok(AuthEvent::FullLogin(login)) => _ = wire.0.challenge(login.turn, b"x"),
                    Ok(AuthEvent::Response { turn, .. }) => held.push(turn.into()),
                    Ok(_) => {}
                    Err(error) => {
                        assert!(error.blames_peer());
                        assert_eq!(wire.0.receive(&mut wire.1), Err(error));
                        break;
                    }
                }
            }
        }
        for pending in held {
            let _ = wire.0.finish(pending, Ruling::refused(Outcome::Stale));
        }
    }
}
