//! The Dovecot authentication protocol: every clause of the codec, and logins by it.
#![cfg(feature = "dovecot-auth")]

#[path = "../common/mod.rs"]
mod common;
mod limits;
mod logins;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use fast_reauth::channel::ServerName;
use fast_reauth::dovecot_auth::{
    Attempt, AuthEvent, AuthServer, Greeting, Mechanism, Pending, Property, Ruling, UserName,
};
use fast_reauth::mechanism::Outcome;
use fast_reauth::profile::ProfileError;

const IKY: &str = "IKY-SHA-256-NONE";
const HELLO: &str = "VERSION\t1\t1\nCPID\t4711\n";

fn greeting(connection: u32) -> Greeting {
    let mechanisms = [IKY, "HT-SHA-256-NONE", "PLAIN", "SCRAM-SHA-256"].map(|name| Mechanism::of(name).unwrap()).into();
    Greeting { mechanisms, process: 7, connection, cookie: [0xab; 16] }
}

/// The server, and what was sent to it and not yet taken.
struct Wire(AuthServer, BytesMut);

impl Wire {
    /// Before the handshake.
    fn raw() -> Self {
        Self(AuthServer::new(&greeting(1)).1, BytesMut::new())
    }

    fn ready() -> Self {
        let mut wire = Self::raw();
        assert_eq!(wire.get(HELLO), Ok(AuthEvent::NeedMore));
        wire
    }

    fn get(&mut self, octets: impl AsRef<[u8]>) -> Result<AuthEvent, ProfileError> {
        self.1.extend_from_slice(octets.as_ref());
        self.0.receive(&mut self.1)
    }

    fn verify(&mut self, octets: impl AsRef<[u8]>) -> Attempt {
        match self.get(octets) {
            Ok(AuthEvent::Verify(attempt)) => attempt,
            other => panic!("{other:?}"),
        }
    }

    fn rule(&mut self, pending: impl Into<Pending>, ruling: Ruling) -> String {
        said(self.0.finish(pending, ruling).expect("it is under way"))
    }

    fn said(&mut self, octets: impl AsRef<[u8]>) -> String {
        said(self.get(octets).unwrap())
    }
}

/// What is sent; `+` in front of it where somebody logged in, `.` where a login is over.
fn said(event: AuthEvent) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    match event {
        AuthEvent::Send(bytes) => text(&bytes),
        AuthEvent::Done { bytes, user: Some(user), .. } => format!("+{}{}", user.as_str(), text(&bytes)),
        AuthEvent::Done { bytes, user: None, .. } => format!(".{}", text(&bytes)),
        other => panic!("{other:?}"),
    }
}

fn auth(id: u32, mechanism: &str, rest: &str) -> String {
    format!("AUTH\t{id}\t{mechanism}\tservice=smtp\tnologin\tlip=127.0.0.1\trip=192.0.2.9\tsecured{rest}\n")
}

fn accepted(message: Option<&str>) -> Ruling {
    let ruling = Ruling::accepted(UserName::parse("alice").unwrap());
    message.map_or(ruling.clone(), |message| ruling.with_message(message.as_bytes()))
}

const REFUSED: &str = "\treason=Not recognised\n";
const MALFORMED: &str = "\treason=Malformed authentication exchange\n";
const PASSING: &str = "\tcode=temp_fail\ttemp\treason=Temporary authentication failure\n";

#[test]
fn the_server_speaks_at_once() {
    let (octets, _) = AuthServer::new(&greeting(3));
    let cookie = "ab".repeat(16);
    let expected = format!(
        "VERSION\t1\t2\nMECH\t{IKY}\tactive\tmutual-auth\nMECH\tHT-SHA-256-NONE\tactive\tmutual-auth\nMECH\tPLAIN\t\
         plaintext\nMECH\tSCRAM-SHA-256\nSPID\t7\nCUID\t3\nCOOKIE\t{cookie}\nDONE\n"
    );
    assert_eq!(octets, expected);
    assert_eq!(Mechanism::of("IKY-SHA-256-EXPR").unwrap().properties(), [Property::MutualAuth]);
    let twice = Mechanism::of("X").unwrap().with(Property::Private).with(Property::Private);
    assert_eq!(twice.properties(), [Property::Private]);
    assert!(Mechanism::of("X\tprivate").is_err());
}

#[test]
fn the_client_begins_with_its_version_and_its_process() {
    for (octets, why) in [
        ("AUTH\t1\tPLAIN\tservice=smtp\n", "VERSION was due first"),
        ("CPID\t1\n", "VERSION was due first"),
        ("\n", "VERSION was due first"),
        ("VERSION\t2\t0\n", "another major version of the protocol"),
        ("VERSION\t0\t1\n", "another major version of the protocol"),
        ("VERSION\n", "VERSION with a number was due"),
        ("VERSION\tx\n", "VERSION with a number was due"),
        ("VERSION\t1\t1\nAUTH\t1\tPLAIN\tservice=smtp\n", "CPID was due first"),
        ("VERSION\t1\t1\nVERSION\t1\t1\n", "CPID was due first"),
        ("VERSION\t1\t1\nCPID\t-1\n", "CPID with a number was due"),
        ("VERSION\t1\t1\nCPID\t1\nCPID\t1\n", "the handshake is over"),
        ("VERSION\t1\t1\nCPID\t1\nVERSION\t1\t1\n", "the handshake is over"),
    ] {
        let mut wire = Wire::raw();
        let error = Err(ProfileError::Malformed(why));
        assert_eq!(wire.get(octets), error, "{octets:?}");
        assert_eq!(wire.get(HELLO), error, "it repeats its error");
    }
    // The minor version counts for nothing, and what a later one adds is ignored.
    let mut wire = Wire::raw();
    assert_eq!(wire.get("VERSION\t1\t9\textra\nNEW\tx\nCPID\t1\nNEWER\n\n"), Ok(AuthEvent::NeedMore));
    assert_eq!(&wire.verify(auth(1, IKY, "\tresp=aGk=")).message[..], b"hi");
}

#[test]
fn one_octet_at_a_time_is_the_same() {
    let mut wire = Wire::raw();
    let octets = [HELLO, &auth(1, IKY, "\tresp=aGk=")].concat();
    let (last, before) = octets.as_bytes().split_last().unwrap();
    for octet in before {
        assert_eq!(wire.get([*octet]), Ok(AuthEvent::NeedMore));
    }
    let attempt = wire.verify([*last]);
    assert_eq!((attempt.mechanism.as_str(), &attempt.message[..]), (IKY, &b"hi"[..]));
}

#[test]
fn what_the_mail_server_says_of_its_client() {
    let line = "AUTH\t1\tiky-sha-256-none\tservice=smtp\tunknown\tother=1\tlip=::1\trip=x\tlport=465\trport=99999\t\
                local_name=Smtp.Example.com\tsession=a\x01tb\x011\tno-penalty\tsecured=tls\tresp=aGk=\n";
    let attempt = Wire::ready().verify(line);
    let peer = attempt.peer;
    assert_eq!((&*peer.service, peer.secured, peer.no_penalty), ("smtp", true, true));
    assert_eq!((peer.local_ip, peer.remote_ip), (Some("::1".parse().unwrap()), None));
    assert_eq!((peer.local_port, peer.remote_port), (Some(465), None));
    assert_eq!(peer.local_name, Some(ServerName::parse("smtp.example.com").unwrap()));
    assert_eq!(peer.session.as_deref(), Some("a\tb\x01"));
    let none = "AUTH\t1\tPLAIN\tsecured\tresp=aGk=\n";
    assert_eq!(Wire::ready().get(none), Err(ProfileError::Malformed("AUTH needs a service")));
    // Behind resp= there are no parameters, whatever a client puts there.
    let mut wire = Wire::ready();
    assert_eq!(wire.said("AUTH\t1\tPLAIN\tservice=smtp\tresp=aGk=\tsecured\n"), format!(".FAIL\t1{MALFORMED}"));
    assert_eq!(
        Wire::ready().get("AUTH\t1\tPLAIN\tresp=aGk=\tservice=smtp\n"),
        Err(ProfileError::Malformed("AUTH needs a service"))
    );
}

#[test]
fn iky_has_one_challenge_before_any_completion() {
    let challenge = format!("CONT\t1\t{}\n", STANDARD.encode("v=x"));
    // (the ruling, the challenge, the client's answer, the completion)
    let refusal = |outcome| Ruling::refused(outcome).with_message(b"v=x");
    let spoilt = format!(".FAIL\t1{MALFORMED}");
    for (ruling, answer, completion) in [
        (accepted(Some("v=x")), "CONT\t1\t\n", "+aliceOK\t1\tuser=alice\n"),
        (accepted(Some("v=x")), "CONT\t1\n", "+aliceOK\t1\tuser=alice\n"),
        (accepted(Some("v=x")), "CONT\t1\tTUFJTA==\n", &spoilt),
        (accepted(Some("v=x")), "CONT\t1\t*\n", &spoilt),
        (refusal(Outcome::BadProof), "CONT\t1\t\n", &format!(".FAIL\t1{REFUSED}")),
        (refusal(Outcome::Revoked), "CONT\t1\t\n", &format!(".FAIL\t1{REFUSED}")),
        (refusal(Outcome::Malformed), "CONT\t1\t\n", &spoilt),
        (refusal(Outcome::Unavailable), "CONT\t1\t\n", &format!(".FAIL\t1{PASSING}")),
        (refusal(Outcome::Accepted), "CONT\t1\t\n", &format!(".FAIL\t1{PASSING}")),
    ] {
        let mut wire = Wire::ready();
        let attempt = wire.verify(auth(1, IKY, "\tresp=aGk="));
        assert_eq!(wire.rule(attempt.pending, ruling), challenge);
        assert_eq!(wire.said(answer), completion);
        assert_eq!(wire.0.logins(), 0);
    }
    // No message, no base64, not canonical, nothing secured: the same.
    for (line, completion) in [
        (auth(1, IKY, "\tresp=!"), MALFORMED),
        (auth(1, IKY, "\tresp=aGl="), MALFORMED),
        (format!("AUTH\t1\t{IKY}\tservice=smtp\tresp=aGk=\n"), REFUSED),
    ] {
        let mut wire = Wire::ready();
        assert_eq!(wire.said(line), "CONT\t1\t\n");
        assert_eq!(wire.said("CONT\t1\t\n"), format!(".FAIL\t1{completion}"));
    }
    let mut wire = Wire::ready();
    let attempt = wire.verify(auth(1, IKY, "\tresp="));
    assert!(attempt.message.is_empty());
    assert_eq!(wire.rule(attempt.pending, Ruling::refused(Outcome::Stale)), "CONT\t1\t\n");
    // A name that is not listed is another matter.
    for name in ["IKY-SHA-256-EXPR", "", "no name", "\u{e9}"] {
        assert_eq!(wire.said(auth(2, name, "\tresp=aGk=")), format!(".FAIL\t2{REFUSED}"));
    }
}

#[test]
fn a_message_that_does_not_come_with_the_command_is_asked_for() {
    let mut wire = Wire::ready();
    assert_eq!(wire.said(auth(1, IKY, "")), "CONT\t1\t\n");
    let attempt = wire.verify("CONT\t1\taGk=\n");
    assert_eq!((&attempt.message[..], attempt.peer.remote_ip), (&b"hi"[..], Some("192.0.2.9".parse().unwrap())));
    assert_eq!(wire.rule(attempt.pending, accepted(Some("v=x"))), "CONT\t1\tdj14\n");
    assert_eq!(wire.said("CONT\t1\t\n"), "+aliceOK\t1\tuser=alice\n");
    assert_eq!(wire.said(auth(2, IKY, "")), "CONT\t2\t\n");
    assert_eq!(wire.said("CONT\t2\t%\n"), "CONT\t2\t\n", "and the one challenge comes all the same");
    assert_eq!(wire.said("CONT\t2\t\n"), format!(".FAIL\t2{MALFORMED}"));
    // Postfix passes on SMTP's "=".
    assert!(wire.verify(auth(3, IKY, "\tresp==")).message.is_empty());
}

#[test]
fn ht_has_its_message_ahead_of_success_and_none_with_failure() {
    let mut wire = Wire::ready();
    let attempt = wire.verify(auth(1, "HT-SHA-256-NONE", "\tresp=aGk="));
    assert_eq!(wire.rule(attempt.pending, accepted(Some("v=x"))), "CONT\t1\tdj14\n");
    assert_eq!(wire.said("CONT\t1\t\n"), "+aliceOK\t1\tuser=alice\n");
    let attempt = wire.verify(auth(2, "HT-SHA-256-NONE", "\tresp=aGk="));
    assert_eq!(wire.rule(attempt.pending, Ruling::refused(Outcome::BadProof)), format!(".FAIL\t2{REFUSED}"));
    assert_eq!(wire.said(auth(3, "HT-SHA-256-NONE", "\tresp=!")), format!(".FAIL\t3{MALFORMED}"));
    let unsecured = "AUTH\t4\tHT-SHA-256-NONE\tservice=smtp\tresp=aGk=\n";
    assert_eq!(wire.said(unsecured), format!(".FAIL\t4{REFUSED}"));
}

#[test]
fn logins_are_interleaved() {
    let mut wire = Wire::ready();
    let first = wire.verify(auth(1, IKY, "\tresp=MQ=="));
    let second = wire.verify(auth(2, IKY, "\tresp=Mg=="));
    assert_eq!(wire.said(auth(3, IKY, "")), "CONT\t3\t\n");
    let plain = wire.get(auth(4, "PLAIN", "\tresp=NA==")).unwrap();
    let AuthEvent::FullLogin(plain) = plain else { panic!("{plain:?}") };
    assert_eq!(wire.rule(second.pending, accepted(Some("2"))), "CONT\t2\tMg==\n");
    assert_eq!(wire.rule(plain.turn, Ruling::refused(Outcome::BadProof)), format!(".FAIL\t4{REFUSED}"));
    let third = wire.verify("CONT\t3\tMw==\n");
    assert_eq!(&third.message[..], b"3");
    assert_eq!(wire.rule(first.pending, Ruling::refused(Outcome::Stale).with_message(b"1")), "CONT\t1\tMQ==\n");
    assert_eq!(wire.rule(third.pending, accepted(Some("3"))), "CONT\t3\tMw==\n");
    // Both answers in one piece; what follows waits in the buffer.
    assert_eq!(wire.said("CONT\t2\t\nCONT\t1\t\nCONT\t3\t\n"), "+aliceOK\t2\tuser=alice\n");
    assert_eq!(wire.said(""), format!(".FAIL\t1{REFUSED}"));
    assert_eq!(wire.said(""), "+aliceOK\t3\tuser=alice\n");
    assert_eq!((wire.0.logins(), wire.get("")), (0, Ok(AuthEvent::NeedMore)));
}

#[test]
fn a_full_login_is_the_callers() {
    let mut wire = Wire::ready();
    let event = wire.get(auth(1, "SCRAM-SHA-256", "")).unwrap();
    let AuthEvent::FullLogin(login) = event else { panic!("{event:?}") };
    assert_eq!((login.mechanism.as_str(), login.message), ("SCRAM-SHA-256", None));
    assert_eq!(wire.0.challenge(login.turn, b"").unwrap(), "CONT\t1\t\n");
    let event = wire.get("CONT\t1\taGk=\n").unwrap();
    let AuthEvent::Response { turn, message } = event else { panic!("{event:?}") };
    assert_eq!((&message[..], turn.number()), (&b"hi"[..], 1));
    assert_eq!(wire.rule(turn, accepted(Some("v=x"))), "CONT\t1\tdj14\n", "the last message goes ahead of OK");
    assert_eq!(wire.said("CONT\t1\t\n"), "+aliceOK\t1\tuser=alice\n");
    let event = wire.get(auth(2, "SCRAM-SHA-256", "\tresp=aGk=")).unwrap();
    let AuthEvent::FullLogin(login) = event else { panic!("{event:?}") };
    wire.0.challenge(login.turn, b"x").unwrap();
    assert_eq!(wire.said("CONT\t2\t!\n"), format!(".FAIL\t2{MALFORMED}"));
}
