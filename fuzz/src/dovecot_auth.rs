//! A mail server that says anything: the same events whole and in pieces, one line for each answer, and nobody is named
//! whom no ruling named.

use std::collections::HashSet;

use bytes::{Bytes, BytesMut};
use fast_reauth::dovecot_auth::{AuthEvent, AuthServer, Greeting, Mechanism, Peer, Pending, Ruling, UserName};
use fast_reauth::mechanism::Outcome;
use fast_reauth::profile::{MechanismName, ProfileError};

use crate::input::{pieces, split};

/// What happened, without what can be used once only.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Sent(Bytes),
    Begun { number: u64, mechanism: MechanismName, message: Option<Bytes>, peer: Peer },
    Response { number: u64, message: Bytes },
    Done { number: u64, bytes: Bytes, user: Option<UserName> },
    Cancelled(u64),
    Failed(ProfileError),
}

/// The first octets choose what comes of the logins, and how the rest comes in pieces.
pub fn run(data: &[u8]) {
    let Some(([said, seed], octets)) = split(data) else { return };
    if octets.len() > 40_000 {
        return;
    }
    let whole = serve(said, core::iter::once(octets));
    assert_eq!(whole, serve(said, pieces(octets, seed)));
    checked(said, &whole);
}

/// What comes of a login follows from its number.
fn ruling(said: u8, number: u64) -> Ruling {
    let which = said.wrapping_add(number as u8);
    let ruling = match which % 4 {
        0 => Ruling::accepted(UserName::parse("alice@example.com").expect("a name")),
        _ => Ruling::refused(Outcome::ALL[usize::from(which) % Outcome::ALL.len()]),
    };
    if which & 16 == 0 { ruling } else { ruling.with_message(b"x=1,\t\nv=") }
}

fn serve<'a>(said: u8, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Seen> {
    let names = ["EXTERNAL", "IKY-SHA-256-NONE", "PLAIN"];
    let mechanisms = names.iter().map(|name| Mechanism::of(name).expect("a name")).collect();
    let (_, mut server) = AuthServer::new(&Greeting { mechanisms, process: 1, connection: 2, cookie: [3; 16] });
    let (mut input, mut seen) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let event = match server.receive(&mut input) {
                Ok(AuthEvent::NeedMore) => break,
                Ok(event) => event,
                Err(error) => {
                    assert_eq!(server.receive(&mut input), Err(error), "a failed connection repeats its error");
                    seen.push(Seen::Failed(error));
                    return seen;
                }
            };
            happened(&mut server, said, event, &mut seen);
        }
    }
    seen
}

fn happened(server: &mut AuthServer, said: u8, event: AuthEvent, seen: &mut Vec<Seen>) {
    let (pending, number): (Pending, u64) = match event {
        AuthEvent::Verify(attempt) => {
            let number = attempt.pending.number();
            let (mechanism, message, peer) = (attempt.mechanism, Some(attempt.message), attempt.peer);
            assert!(peer.secured, "a proof that came over plain text");
            seen.push(Seen::Begun { number, mechanism, message, peer });
            (attempt.pending, number)
        }
        AuthEvent::FullLogin(login) => {
            let number = login.turn.number();
            seen.push(Seen::Begun { number, mechanism: login.mechanism, message: login.message, peer: login.peer });
            if number % 2 == 0 {
                let challenge = server.challenge(login.turn, b"challenge").expect("it is under way");
                return seen.push(Seen::Sent(challenge));
            }
            (login.turn.into(), number)
        }
        AuthEvent::Response { turn, message } => {
            let number = turn.number();
            seen.push(Seen::Response { number, message });
            (turn.into(), number)
        }
        AuthEvent::Send(bytes) => return seen.push(Seen::Sent(bytes)),
        AuthEvent::Done { number, bytes, user } => return seen.push(Seen::Done { number, bytes, user }),
        AuthEvent::Cancelled { number } => return seen.push(Seen::Cancelled(number)),
        AuthEvent::Busy | AuthEvent::NeedMore => panic!("nothing waits for this caller"),
    };
    let next = server.finish(pending, ruling(said, number)).expect("it is under way");
    happened(server, said, next, seen);
}

fn checked(said: u8, seen: &[Seen]) {
    let mut over = HashSet::new();
    for event in seen {
        match event {
            Seen::Sent(bytes) => one_line(bytes),
            Seen::Done { number, bytes, user } => {
                one_line(bytes);
                assert!(over.insert(*number), "it is over once");
                assert!(user.is_none() || said.wrapping_add(*number as u8) % 4 == 0, "nobody ruled so");
                assert_eq!(user.is_some(), bytes.starts_with(b"OK\t"));
            }
            Seen::Cancelled(number) => assert!(over.insert(*number), "it is over once"),
            _ => {}
        }
    }
}

/// A line more would be the answer to another login.
fn one_line(bytes: &[u8]) {
    let text = core::str::from_utf8(bytes).expect("ASCII");
    assert!(text.ends_with('\n') && text.matches('\n').count() == 1, "{text:?}");
    assert!(["CONT\t", "OK\t", "FAIL\t"].iter().any(|verb| text.starts_with(verb)), "{text:?}");
}
