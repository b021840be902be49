//! Both halves of each profile on one wire: what one says is what the other hears, and nothing of what rides along is lost.

use bytes::{Bytes, BytesMut};
use fast_reauth::mechanism::Outcome;
use fast_reauth::profile::{
    ClientExchange, Completion, Event, Flight, MechanismName, NextCommand, Offer, ServerEvent, ServerExchange, Tag,
    acap, imap, ldap, pop3, sieve, smtp,
};

use crate::input::{buffer, pieces, split};

const NEXT: &[u8] = b"a2 NOOP\r\n";

/// The first octets choose; the rest is the client's message, then the server's.
pub fn run(data: &[u8]) {
    let Some(([which, config, said, seed, divide], rest)) = split(data) else { return };
    let rest = &rest[..rest.len().min(4096)];
    let (message, answer) = rest.split_at(rest.len().min(usize::from(divide) * 8).min(2048));
    let answer = &answer[..answer.len().min(2048)];
    let outcome = Outcome::ALL[usize::from(said) % Outcome::ALL.len()];
    let mechanism = ["EXTERNAL", "IKY-SHA-256-EXPR", "IKY-SHA-512-NONE", "HT-SHA-256-NONE"][usize::from(config) % 4];
    let name = MechanismName::parse(mechanism).expect("a name");
    let accepted = outcome == Outcome::Accepted;
    let answer = match mechanism {
        "EXTERNAL" => None,
        // It has one with success only.
        "HT-SHA-256-NONE" => Some(answer).filter(|_| accepted),
        _ => Some(answer),
    };

    let mut offer = Offer::of(["SCRAM-SHA-256", mechanism]).expect("names");
    if config & 8 != 0 {
        offer = offer.with_pipelining().with_iky_pipelining();
    }
    let mut pair = Pair::new(which, &offer, name, message, seed);
    pair.rides_along |= config & 16 != 0;
    let (completion, logged_in) = pair.log_in(message, outcome, answer);
    assert_eq!((completion.accepted(), logged_in), (accepted, accepted));
    // ManageSieve and ACAP carry data with success only.
    let carried = answer.filter(|_| accepted || !matches!(which % 6, 3 | 4));
    let (heard, said) = (completion.data.as_deref().unwrap_or_default(), carried.unwrap_or_default());
    assert_eq!(heard, said, "the mechanism's answer");
    assert_eq!(&pair.to_server[..], if pair.sent_next { NEXT } else { b"" }, "what rode along is the application's");
}

enum Client {
    Lines(ClientExchange),
    Ldap(ldap::ClientExchange),
}

enum Server {
    Lines(ServerExchange),
    Ldap(ldap::ServerExchange),
}

struct Pair {
    client: Client,
    server: Server,
    to_client: BytesMut,
    to_server: BytesMut,
    first: Flight,
    rides_along: bool,
    sent_next: bool,
    seed: u8,
}

impl Pair {
    fn new(which: u8, offer: &Offer, mechanism: MechanismName, message: &[u8], seed: u8) -> Self {
        let tag = Tag::parse("a1").expect("a tag");
        let lines = |(flight, client), server| (flight, Client::Lines(client), Server::Lines(server));
        let (first, client, server) = match which % 6 {
            0 => lines(imap::authenticate(tag, offer, mechanism, message), imap::server(offer)),
            1 => lines(smtp::authenticate(offer, mechanism, message), smtp::server(offer)),
            2 => lines(pop3::authenticate(offer, mechanism, message), pop3::server(offer)),
            3 => lines(sieve::authenticate(offer, mechanism, message), sieve::server(offer)),
            4 => lines(acap::authenticate(tag, offer, mechanism, message), acap::server(offer)),
            _ => {
                let (flight, client) = ldap::bind(7, mechanism, message).expect("a message id");
                (flight, Client::Ldap(client), Server::Ldap(ldap::ServerExchange::new(offer)))
            }
        };
        let (to_client, to_server) = (BytesMut::new(), BytesMut::new());
        Self { client, server, to_client, to_server, first, rides_along: false, sent_next: false, seed }
    }

    fn log_in(&mut self, message: &[u8], outcome: Outcome, answer: Option<&[u8]>) -> (Completion, bool) {
        let first = self.first.clone();
        self.send(&first);
        let mut logged_in = None;
        for _ in 0..8 {
            if logged_in.is_none() {
                logged_in = self.serve(message, outcome, answer);
            }
            if let Some(completion) = self.receive() {
                return (completion, logged_in.expect("the server's half is over before the client's"));
            }
        }
        panic!("the login does not end");
    }

    fn send(&mut self, flight: &Flight) {
        self.to_server.extend_from_slice(&flight.bytes);
        if self.rides_along && !self.sent_next && flight.rides_along.permits(NextCommand::Asks) {
            self.to_server.extend_from_slice(NEXT);
            self.sent_next = true;
        }
    }

    fn serve(&mut self, message: &[u8], outcome: Outcome, answer: Option<&[u8]>) -> Option<bool> {
        let arrived = self.to_server.split();
        let (mut input, mut behind) = (BytesMut::new(), &arrived[..]);
        for piece in pieces(&arrived, self.seed) {
            input.extend_from_slice(piece);
            behind = &behind[piece.len()..];
            loop {
                let event = match &mut self.server {
                    Server::Lines(server) => server.receive(&mut input),
                    Server::Ldap(server) => server.receive(&mut input),
                };
                let event = match event.expect("the client follows the protocol") {
                    ServerEvent::Verify(request) => {
                        assert_eq!(request.initial_response.as_deref(), Some(message), "the client's message");
                        match &mut self.server {
                            Server::Lines(server) => server.finish(outcome, answer),
                            Server::Ldap(server) => server.finish(outcome, answer),
                        }
                        .expect("it was asked for")
                    }
                    event => event,
                };
                match event {
                    ServerEvent::NeedMore => break,
                    ServerEvent::Send(bytes) => self.reply(&bytes),
                    ServerEvent::Done { bytes, accepted } => {
                        self.reply(&bytes);
                        self.to_server = buffer(&[&input, behind].concat());
                        return Some(accepted);
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        self.to_server = input;
        None
    }

    fn reply(&mut self, bytes: &Bytes) {
        self.to_client.extend_from_slice(bytes);
    }

    fn receive(&mut self) -> Option<Completion> {
        let arrived = self.to_client.split();
        let mut input = BytesMut::new();
        for piece in pieces(&arrived, self.seed.wrapping_add(1)) {
            input.extend_from_slice(piece);
            loop {
                let event = match &mut self.client {
                    Client::Lines(client) => client.receive(&mut input),
                    Client::Ldap(client) => client.receive(&mut input),
                };
                match event.expect("the server follows the protocol") {
                    Event::NeedMore => break,
                    Event::Send(flight) => self.send(&flight),
                    Event::Done(completion) => return Some(completion),
                    Event::Pass(line) => panic!("a line too many: {line:?}"),
                }
            }
        }
        self.to_client = input;
        None
    }
}
