//! An XMPP stream of any octets: cut into the same elements whole and in pieces, and each element that is understood is
//! understood alike when it is written again.

use bytes::BytesMut;
use fast_reauth::profile::ProfileError;
use fast_reauth::profile::xmpp::bosh::{self, Request};
use fast_reauth::profile::xmpp::{
    Bound, ClientElement, ClientExchange, Features, Frame, Framer, Response, ServerElement, StreamHeader, Version,
    auth, websocket,
};

use crate::input::{pieces, split};

/// The first octet chooses between a stream, one element, a body of BOSH and messages of a WebSocket, the second how the stream comes in pieces.
pub fn run(data: &[u8]) {
    let Some(([kind, seed], octets)) = split(data) else { return };
    if octets.len() > 20_000 {
        return;
    }
    if kind % 8 == 6 {
        body(octets);
    } else if kind % 8 == 7 {
        messages(octets);
    } else if kind % 2 == 0 {
        let whole = frames(core::iter::once(octets));
        assert_eq!(whole, frames(pieces(octets, seed)), "a stream means the same in pieces");
        whole.iter().flatten().for_each(|frame| match frame {
            Frame::Element(element) => understood(element),
            Frame::Header(header) => header_again(header),
            _ => {}
        });
    } else {
        understood(octets);
        if let Ok(header) = StreamHeader::parse(octets) {
            header_again(&header);
        }
    }
}

fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Result<Frame, ProfileError>> {
    let (mut framer, mut input, mut frames) = (Framer::new(), BytesMut::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let frame = framer.receive(&mut input);
            match &frame {
                Ok(Frame::NeedMore) => break,
                Ok(Frame::End) | Err(_) => {
                    frames.push(frame);
                    return frames;
                }
                Ok(_) => frames.push(frame),
            }
        }
    }
    frames
}

/// A body of HTTP: what is understood is understood alike when it is written again.
fn body(octets: &[u8]) {
    if let Ok(request) = Request::parse(octets)
        && let Ok(again) = request.to_octets()
    {
        assert!(Request::parse(&again).as_ref() == Ok(&request), "another request: {request:?}");
    }
    if let Ok(response) = bosh::Response::parse(octets)
        && let Ok(again) = response.to_octets()
    {
        assert!(bosh::Response::parse(&again).as_ref() == Ok(&response), "another response: {response:?}");
    }
}

/// Messages with a NUL between them, which XML does not have: each is an element that stands alone, and a fault is the end.
fn messages(octets: &[u8]) {
    let (mut reader, mut fault) = (websocket::Reader::new(), None);
    for message in octets.split(|&octet| octet == 0) {
        let frame = reader.receive(message);
        if fault.is_some() {
            assert_eq!(frame.as_ref().err(), fault.as_ref(), "a fault is forgotten");
        }
        match frame {
            Ok(Frame::Element(element)) => understood(&element),
            Ok(Frame::Header(header)) => header_again(&header),
            Ok(Frame::NeedMore) => panic!("a message is whole"),
            Ok(_) => {}
            Err(error) => fault = Some(error),
        }
    }
}

fn header_again(header: &StreamHeader) {
    if let Ok(octets) = header.to_octets() {
        assert_eq!(StreamHeader::parse(&octets).as_ref(), Ok(header));
    }
}

fn understood(octets: &[u8]) {
    match ClientElement::parse(octets) {
        Ok(ClientElement::Authenticate(login)) => {
            if let Ok(octets) = login.to_octets() {
                assert_eq!(ClientElement::parse(&octets), Ok(ClientElement::Authenticate(login)));
            }
        }
        Ok(ClientElement::Auth(request)) => {
            if let Some(message) = &request.initial_response {
                let (flight, _) = auth(request.mechanism, message).expect("a mechanism name and base64");
                assert_eq!(ClientElement::parse(&flight.bytes), Ok(ClientElement::Auth(request)));
            }
        }
        Ok(ClientElement::Response(response)) => response_again(&response),
        Ok(ClientElement::Abort(_) | ClientElement::Other) | Err(_) => {}
    }
    for version in [Version::Sasl1, Version::Sasl2] {
        client(version, octets);
    }
    match ServerElement::parse(octets) {
        Ok(ServerElement::Success(success)) => {
            for version in [Version::Sasl2, Version::Sasl1] {
                let Ok(octets) = success.to_octets(version) else { continue };
                let again = ServerElement::parse(&octets);
                assert!(matches!(&again, Ok(ServerElement::Success(_))), "{again:?}");
                if version == Version::Sasl2 && again != Ok(ServerElement::Success(success.clone())) {
                    // One of SASL 1 has its data where SASL 2 has it too; nothing else may change.
                    panic!("{success:?} became {again:?}");
                }
            }
        }
        Ok(ServerElement::Failure(failure)) => {
            let Ok(octets) = failure.to_octets(Version::Sasl2) else { return };
            assert_eq!(ServerElement::parse(&octets), Ok(ServerElement::Failure(failure)));
        }
        _ => {}
    }
    if let Ok(mut features) = Features::parse(octets) {
        // Nor is a list without mechanisms.
        features.fast = features.fast.filter(|fast| !fast.offer.mechanisms().is_empty());
        // What is inline goes with SASL2; where that lists nothing, nothing of it is written.
        if let Some(octets) = features.to_octets().ok().filter(|_| !features.sasl2.mechanisms().is_empty()) {
            assert_eq!(Features::parse(&octets), Ok(features));
        }
    }
    if let Ok(bound) = Bound::parse(octets) {
        let again = Bound::parse(bound.as_octets());
        assert_eq!(again.as_ref().map(Bound::as_octets), Ok(bound.as_octets()));
        assert_eq!(again, Ok(bound));
    }
}

fn response_again(response: &Response) {
    let octets = response.to_octets().expect("base64");
    assert_eq!(ClientElement::parse(&octets), Ok(ClientElement::Response(response.clone())));
}

/// A client that waits for its login to end takes each element, and repeats its error.
fn client(version: Version, octets: &[u8]) {
    let mechanism = fast_reauth::profile::MechanismName::parse("IKY-SHA-256-EXPR").expect("a name");
    let started = match version {
        Version::Sasl1 => auth(mechanism, b"message"),
        Version::Sasl2 => fast_reauth::profile::xmpp::Authenticate::new(mechanism, b"message").start(None),
    };
    let mut exchange: ClientExchange = started.expect("a login").1;
    if let Err(error) = exchange.receive(octets) {
        assert_eq!(exchange.receive(octets), Err(error));
    }
}
