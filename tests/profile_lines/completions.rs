//! What a server says in the end, and what its client makes of it.

use super::*;

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
