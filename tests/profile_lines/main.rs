//! The line protocols, as transcripts. `C:` is what the client sends, `S:` what the server sends.

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod challenges;
mod completions;
mod flights;
mod middle;

use bytes::{Bytes, BytesMut};
use fast_reauth::mechanism::Outcome;
use fast_reauth::profile::{
    Answer, ClientExchange, Completion, Event, Flight, MechanismName, NextCommand, Offer, ProfileError, Request,
    RideAlong, ServerEvent, ServerExchange, Tag, acap, imap, pop3, sieve, smtp, start_tls,
};

const IKY: &str = "IKY-SHA-256-EXPR";
const IMAP_LOGIN: &str = "a1 AUTHENTICATE IKY-SHA-256-EXPR aGVsbG8=\r\n";

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
