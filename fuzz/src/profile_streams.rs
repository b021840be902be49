//! A peer that says anything, to each half of each profile: the octets mean the same whole and in pieces.

use bytes::BytesMut;
use fast_reauth::mechanism::Outcome;
use fast_reauth::profile::{
    ClientExchange, Event, MechanismName, Offer, ProfileError, ServerEvent, ServerExchange, Tag, acap, imap, ldap,
    pop3, sieve, smtp,
};

use crate::input::{pieces, split};

const MECHANISMS: [&str; 4] = ["SCRAM-SHA-256-PLUS", "EXTERNAL", "IKY-SHA-256-EXPR", "HT-SHA-256-NONE"];

/// The first octets choose the protocol and the half, what was offered, what the mechanism says, and how the rest comes in pieces.
pub fn run(data: &[u8]) {
    let Some(([which, config, said, seed], octets)) = split(data) else { return };
    if octets.len() > 20_000 {
        return;
    }
    match which / 6 % 3 {
        0 => {
            let outcome = Outcome::ALL[usize::from(said) % Outcome::ALL.len()];
            let message = [None, Some(&b""[..]), Some(b"x=1,v=AAAA"), Some(b"\0\r\n\"{5}")][usize::from(said) / 16 % 4];
            let whole = serve(&mut server(which), (outcome, message), core::iter::once(octets));
            let cut = serve(&mut server(which), (outcome, message), pieces(octets, seed));
            assert_eq!(whole, cut, "the server's half");
        }
        1 => {
            let whole = receive(&mut client(which, config), core::iter::once(octets));
            let cut = receive(&mut client(which, config), pieces(octets, seed));
            assert_eq!(whole, cut, "the client's half");
        }
        _ => heard(which, octets),
    }
}

/// What a client heard of an advertisement, advertised again, is heard alike.
fn heard(which: u8, octets: &[u8]) {
    type Hear = fn(&[u8]) -> Offer;
    type Advertise = fn(&Offer) -> String;
    let (hear, advertise): (Hear, Advertise) = match which % 6 {
        0 => (imap::offer, |offer| format!("* CAPABILITY {}\r\n", imap::capabilities(offer))),
        1 => (smtp::offer, smtp::ehlo_lines),
        2 => (pop3::offer, pop3::capa_lines),
        3 => (sieve::offer, sieve::capability_line),
        4 => (acap::offer, |offer| format!("* ACAP {}\r\n", acap::greeting_item(offer))),
        _ => (
            |octets| ldap::offer(octets.split(|&octet| octet == b'\n')),
            |offer| ldap::supported_mechanisms(offer).collect::<Vec<_>>().join("\n"),
        ),
    };
    let offer = hear(octets);
    let again = hear(advertise(&offer).as_bytes());
    assert_eq!(offer.mechanisms(), again.mechanisms());
    assert_eq!(offer.pipelining(), again.pipelining());
    assert_eq!(offer.iky_pipelining(), again.iky_pipelining());
}

fn offer() -> Offer {
    Offer::of(MECHANISMS).expect("mechanism names")
}

enum Server {
    Lines(ServerExchange),
    Ldap(ldap::ServerExchange),
}

fn server(which: u8) -> Server {
    Server::Lines(match which % 6 {
        0 => imap::server(&offer()),
        1 => smtp::server(&offer()),
        2 => pop3::server(&offer()),
        3 => sieve::server(&offer()),
        4 => acap::server(&offer()),
        _ => return Server::Ldap(ldap::ServerExchange::new(&offer())),
    })
}

impl Server {
    fn receive(&mut self, input: &mut BytesMut) -> Result<ServerEvent, ProfileError> {
        match self {
            Self::Lines(server) => server.receive(input),
            Self::Ldap(server) => server.receive(input),
        }
    }

    fn finish(&mut self, outcome: Outcome, message: Option<&[u8]>) -> Result<ServerEvent, ProfileError> {
        match self {
            Self::Lines(server) => server.finish(outcome, message),
            Self::Ldap(server) => server.finish(outcome, message),
        }
    }
}

/// What comes of it, and how many octets were taken.
fn serve<'a>(
    server: &mut Server,
    (outcome, message): (Outcome, Option<&[u8]>),
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<Result<ServerEvent, ProfileError>>, usize) {
    let (mut input, mut fed, mut events) = (BytesMut::new(), 0, Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        fed += piece.len();
        loop {
            let mut event = server.receive(&mut input);
            if matches!(event, Ok(ServerEvent::Verify(_))) {
                assert!(server.receive(&mut input).is_err(), "finish comes first");
                events.push(event);
                event = server.finish(outcome, message);
            }
            match &event {
                Ok(ServerEvent::NeedMore) => break,
                Ok(ServerEvent::Send(_)) => events.push(event),
                Err(_) => {
                    assert_eq!(server.receive(&mut input), event, "a failed exchange repeats its error");
                    events.push(event);
                    return (events, 0);
                }
                Ok(ServerEvent::Done { accepted, .. }) => {
                    assert!(!accepted || outcome == Outcome::Accepted, "logged in without the mechanism's word");
                    events.push(event);
                    return (events, fed - input.len());
                }
                _ => {
                    events.push(event);
                    return (events, fed - input.len());
                }
            }
        }
    }
    (events, fed - input.len())
}

enum Client {
    Lines(ClientExchange),
    Ldap(ldap::ClientExchange),
}

fn client(which: u8, config: u8) -> Client {
    let mut offer = match config & 1 {
        0 => offer(),
        // No initial responses.
        _ => imap::offer(b"* CAPABILITY AUTH=EXTERNAL AUTH=IKY-SHA-256-EXPR AUTH=HT-SHA-256-NONE\r\n"),
    };
    if config & 2 != 0 {
        offer = offer.with_pipelining().with_iky_pipelining();
    }
    let mechanism = MechanismName::parse(MECHANISMS[1 + usize::from(config) / 4 % 3]).expect("a name");
    // A long one follows an empty challenge.
    let message = if config & 32 == 0 { b"message".to_vec() } else { vec![b'm'; 600] };
    let tag = Tag::parse("a1").expect("a tag");
    Client::Lines(match which % 6 {
        0 => imap::authenticate(tag, &offer, mechanism, &message).1,
        1 => smtp::authenticate(&offer, mechanism, &message).1,
        2 => pop3::authenticate(&offer, mechanism, &message).1,
        3 => sieve::authenticate(&offer, mechanism, &message).1,
        4 => acap::authenticate(tag, &offer, mechanism, &message).1,
        _ => return Client::Ldap(ldap::bind(1, mechanism, &message).expect("a message id").1),
    })
}

fn receive<'a>(
    client: &mut Client,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<Result<Event, ProfileError>>, usize) {
    let mut receive = |input: &mut BytesMut| match client {
        Client::Lines(client) => client.receive(input),
        Client::Ldap(client) => client.receive(input),
    };
    let (mut input, mut fed, mut events) = (BytesMut::new(), 0, Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        fed += piece.len();
        loop {
            let event = receive(&mut input);
            match &event {
                Ok(Event::NeedMore) => break,
                Ok(Event::Pass(_) | Event::Send(_)) => events.push(event),
                Err(_) => {
                    assert_eq!(receive(&mut input), event, "a failed exchange repeats its error");
                    events.push(event);
                    return (events, 0);
                }
                Ok(Event::Done(_)) => {
                    events.push(event);
                    return (events, fed - input.len());
                }
            }
        }
    }
    (events, fed - input.len())
}
