//! Messages that follow no grammar, on either side.

use super::*;
use fast_reauth::assertion::HtVersion;
use fast_reauth::mechanism::ht::{InvalidPairs, Refused};

fn malformed(mechanism: HtMechanism, message: &[u8]) {
    let fleet = Fleet::new();
    let verdict = fleet.judge(mechanism, message, PHONE, &Tls::full(), |request| request);
    assert_eq!(verdict.outcome, Outcome::Malformed, "{mechanism}: {}", String::from_utf8_lossy(message));
    assert!(verdict.message.is_none());
}

#[test]
fn of_a_client() {
    let hash = [7; 32];
    let join = |parts: &[&[u8]]| parts.join(&0);
    for name in ["HT-SHA-256-NONE", "HT2-SHA-256-NONE"] {
        let mechanism = mechanism(name);
        let pairs: &[&[u8]] = if mechanism.version() == HtVersion::Ht2 { &[b"a=b"] } else { &[] };
        let message = |authcid: &[u8], hash: &[u8]| join(&[&[authcid], pairs, &[hash]].concat());
        malformed(mechanism, b"");
        malformed(mechanism, b"alice");
        malformed(mechanism, &message(b"", &hash));
        malformed(mechanism, &message(&[b'a'; 256], &hash));
        malformed(mechanism, &message(b"ali\xffce", &hash));
        malformed(mechanism, &message(b"alice", b""));
        malformed(mechanism, &message(b"alice", &hash[1..]));
        malformed(mechanism, &message(b"alice", &[7; 33]));
        // What is right but unknown is something else.
        for authcid in [&b"alice"[..], &[b'a'; 255], "Åsa".as_bytes()] {
            let message = message(authcid, &hash);
            let verdict = Fleet::new().judge(mechanism, &message, PHONE, &Tls::full(), |request| request);
            assert_eq!(verdict.outcome, Outcome::Stale);
        }
    }
    let ht2 = mechanism("HT2-SHA-256-NONE");
    malformed(ht2, &join(&[b"alice", &hash]));
    for pairs in ["a", "=b", "a=", "a=b,", ",a=b", "a=b,,c=d", "a=b=c", "a=b;c", "a=b c", "ä=b", "a=b,a=c"] {
        malformed(ht2, &join(&[b"alice", pairs.as_bytes(), &hash]));
    }
    let long = format!("a={}", "b".repeat(1023));
    malformed(ht2, &join(&[b"alice", long.as_bytes(), &hash]));
    // An HT message is none of HT2's, nor the other way round.
    malformed(mechanism("HT-SHA-256-NONE"), &join(&[b"alice", b"a=b", &hash]));
}

#[test]
fn a_client_without_an_id() {
    let fleet = Fleet::new();
    let message = [b"alice\0", &[7; 32][..]].concat();
    for client in ["", &"x".repeat(256), "a\0b"] {
        assert_eq!(fleet.judge(NONE, &message, client, &Tls::full(), |it| it).outcome, Outcome::Malformed);
        let login = fleet.log_in_as(&bound("alice"), "alice", client, DeviceId::new(fresh()), NONE, &Tls::full());
        assert_eq!(login, Err(fast_reauth::assertion::CannotIssue::Name));
    }
}

#[test]
fn of_a_server() {
    for name in ["HT-SHA-256-EXPR", "HT2-SHA-256-EXPR", "HT-SHA-512-NONE", "HT2-SHA-384-ENDP"] {
        let fleet = Fleet::new();
        let mechanism = mechanism(name);
        let (token, _) = fleet.log_in("alice", PHONE, mechanism, &Tls::full());
        let tls = Tls::full();
        let start = || ht::Client::start(&token, &tls.client(), &Pairs::none()).unwrap();
        let message = start().message;
        let right = fleet.judge(mechanism, &message, PHONE, &tls, |request| request).message.unwrap();
        let finish = |responder: Option<&[u8]>| start().state.finish(responder, true).unwrap_err();
        assert!(start().state.finish(Some(&right), true).is_ok());
        assert_eq!(finish(None), Refused::Missing);
        assert_eq!(finish(Some(b"")), Refused::Missing);
        for at in 0..right.len() {
            let mut altered = right.clone();
            altered[at] ^= 4;
            assert!(matches!(finish(Some(&altered)), Refused::WrongResponder | Refused::Malformed(_)), "{name}: {at}");
        }
        assert!(matches!(finish(Some(&right[..right.len() - 1])), Refused::Malformed(_)));
        assert!(matches!(finish(Some(&[&right[..], b"\0"].concat())), Refused::Malformed(_)));
        // The client's own hash, sent back to it.
        let hash = &message[message.len() - mechanism.hash().output_len()..];
        let head = if mechanism.version() == HtVersion::Ht2 { &b"\0\0"[..] } else { b"" };
        assert_eq!(finish(Some(&[head, hash].concat())), Refused::WrongResponder);
        if mechanism.version() == HtVersion::Ht2 {
            assert_eq!(finish(Some(b"\x01invalid-token")), Refused::Contradiction);
            assert!(matches!(finish(Some(b"\x02")), Refused::Malformed(_)));
        }
        // Refused is refused, whatever comes with it.
        assert_eq!(start().state.finish(Some(&right), false), Err(Refused::Refused));
    }
}

#[test]
fn pairs_are_authenticated_on_both_ways() {
    let (fleet, tls) = (Fleet::new(), Tls::full());
    let mechanism = mechanism("HT2-SHA3-512-EXPR");
    let (token, _) = fleet.log_in("alice", PHONE, mechanism, &tls);
    let said = Pairs::new([("h", "d41d8cd98f00b204"), ("app", "mail-1_0")]).unwrap();
    let answer = Pairs::new([("n", "42")]).unwrap();
    let start = ht::Client::start(&token, &tls.client(), &said).unwrap();
    let verdict = fleet.judge(mechanism, &start.message, PHONE, &tls, |it| it.answering(answer.clone()));
    assert_eq!((verdict.outcome, verdict.pairs.get("app")), (Outcome::Accepted, Some("mail-1_0")));
    let heard = start.state.finish(verdict.message.as_deref(), true).unwrap();
    assert_eq!(heard.pairs, answer);
    // An altered pair is another message.
    let start = ht::Client::start(&token, &tls.client(), &said).unwrap();
    let altered = String::from_utf8_lossy(&start.message).contains("mail-1_0").then(|| {
        let at = start.message.windows(8).position(|window| window == b"mail-1_0").unwrap();
        let mut altered = start.message.clone();
        altered[at] = b'n';
        altered
    });
    let verdict = fleet.judge(mechanism, &altered.unwrap(), PHONE, &tls, |it| it);
    assert_eq!(verdict.outcome, Outcome::BadProof);
    assert!(verdict.pairs.is_empty(), "what nobody proved is not passed on");
}

#[test]
fn pairs_have_an_alphabet() {
    assert_eq!(Pairs::new([("a", "b c")]), Err(InvalidPairs::Syntax));
    assert_eq!(Pairs::new([("", "b")]), Err(InvalidPairs::Syntax));
    assert_eq!(Pairs::new([("a", "b"), ("a", "c")]), Err(InvalidPairs::Duplicate));
    assert_eq!(Pairs::new([("a", "b".repeat(1023).as_str())]), Err(InvalidPairs::TooLong));
    let pairs = Pairs::new([("a/b", "c+d"), ("E-f_", "9")]).unwrap();
    assert_eq!(pairs.as_str(), "a/b=c+d,E-f_=9");
    assert_eq!(pairs.iter().collect::<Vec<_>>(), [("a/b", "c+d"), ("E-f_", "9")]);
    assert!(Pairs::none().is_empty() && Pairs::none().iter().next().is_none());
}

#[test]
fn names_in_either_spelling() {
    for (name, other) in [("HT-SHA3-512-EXPR", "HT-SHA-3-512-EXPR"), ("HT2-SHA3-256-NONE", "HT2-SHA-3-256-NONE")] {
        let mechanism = mechanism(name);
        assert_eq!((mechanism.name(), mechanism.other_name()), (name, other));
        assert_eq!(HtMechanism::from_name(other), Some(mechanism));
        assert_eq!(HtMechanism::from_name(&other.to_ascii_lowercase()), Some(mechanism));
        assert_eq!(mechanism.spelling(other), Some(other), "a client sends back what the server wrote");
    }
    assert_eq!(HtMechanism::all().count(), 40);
    for mechanism in HtMechanism::all() {
        for name in
            [mechanism.name().to_owned(), mechanism.name().to_lowercase(), mechanism.other_name().replace('X', "x")]
        {
            assert_eq!(HtMechanism::from_name(&name), Some(mechanism), "{name}");
            for other in [
                format!("{name}-"),
                format!("-{name}"),
                format!("X{name}"),
                name[1..].to_owned(),
                name.replace('T', "T2"),
            ] {
                assert!(HtMechanism::from_name(&other).is_none_or(|known| known.spelling(&other).is_some()), "{other}");
            }
        }
        assert!(mechanism.other_name().len() <= 20, "RFC 4422 section 3.1");
    }
    for name in [
        "HT-SHA-1-NONE",
        "-",
        "HT-",
        "HT--",
        "HT-NONE",
        "HT-SHA-256-",
        "HT--256-EXPR",
        "T-SHA-256-EXPR",
        "HT-SHA2-256-EXPR",
        "HT-SHA-256",
        "HT-SHA-256-EXPRX",
        "HT3-SHA-256-EXPR",
        "IKY-SHA-256-EXPR",
        "",
    ] {
        assert_eq!(HtMechanism::from_name(name), None);
    }
}

#[test]
fn ht_has_no_pairs() {
    let fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, NONE, &Tls::full());
    let pairs = Pairs::new([("a", "b")]).unwrap();
    let start = ht::Client::start(&token, &Tls::full().client(), &pairs);
    assert_eq!(start.err(), Some(ht::CannotStart::NoPairs));
}

#[test]
fn an_answer_in_pairs_is_left_out_of_ht() {
    let (fleet, tls) = (Fleet::new(), Tls::full());
    let (token, _) = fleet.log_in("alice", PHONE, EXPR, &tls);
    let start = ht::Client::start(&token, &tls.client(), &Pairs::none()).unwrap();
    let answer = Pairs::new([("n", "42")]).unwrap();
    let verdict = fleet.judge(EXPR, &start.message, PHONE, &tls, |it| it.answering(answer.clone()));
    assert!(start.state.finish(verdict.message.as_deref(), true).is_ok());
}
